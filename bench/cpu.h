/*
 * cpu.h: which CPU a process runs on. Servers and helpers have the first, clients the others, and the first last.
 */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

unsigned cpu_count(void);             /* that we may use */
const char *cpu_name(char *to, size_t size); /* as its maker calls it */
void cpu_begin(void);                 /* remember them, before anything is pinned */
void cpu_pin_self(unsigned at);       /* all our threads; 0 is the servers'; 1 and up are the clients' */
void cpu_pin(pid_t pid, bool pinned); /* all its threads to place 0, or let them go */
void cpu_free_self(void);
void cpu_take_along(pid_t pid);       /* all its threads to where the caller may run */

#endif
