/*
 * trace.h: hold a process at an instruction, by ptrace.
 *
 * A process that runs is held; a run of it is recorded instruction by instruction (PTRACE_SINGLESTEP); later runs are
 * taken to any one of the recorded instructions and stand there, before it is executed. On x86-64 that is done with a
 * breakpoint, in the victim's own copy of the page, and so at full speed: a single step costs 15 to 50 µs in a virtual
 * machine. Elsewhere the steps are counted. A run may differ from the recorded one (it spins longer): then the place is
 * the same, the n-th passing of that instruction, though not the count.
 */
#ifndef STOA_TRACE_H
#define STOA_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct point {
	uintptr_t pc; /* before the instruction there is executed … */
	uint32_t nth; /* … for the n-th time, from 1 … */
	uint32_t more; /* … and has gone through so many rounds, if it is one that repeats itself */
	bool changed; /* the one before it changed shared memory */
	bool shared;  /* or it was a system call: others can tell this point */
};

struct trace {
	struct point *points;
	size_t n, room;
};

/* What is watched while a process runs. */
struct watched {
	bool (*over)(void);    /* the run is at its end */
	void (*blocked)(void); /* it sleeps in a system call; may be NULL */
	const struct region *regions; /* shared memory, as mapped here; ended by size 0 */
};
struct region {
	const void *at;
	size_t size;
};

enum trace_end { TRACE_THERE, TRACE_OVER, TRACE_DIED };

bool trace_allowed(void);
bool trace_sleeps(pid_t pid); /* in a system call that waits */

/* Stop a running process and hold it. False: it is gone. */
bool trace_hold(pid_t pid);

/* Wait for the next child that a held process forks, once it goes on;
 * the child is held, the parent let go. -1: none. */
bool trace_forks(pid_t pid);         /* held: report forks, and go on */
pid_t trace_next_child(pid_t pid);

/*
 * Run it to the end, held all the time, and note each instruction; with coarse, what a library does between its call
 * and its return is one instruction (x86-64 only). It is held when this returns.
 */
enum trace_end trace_record(pid_t pid, const struct watched *w, bool coarse, struct trace *ret);

/* Take each step of a run, as in the recorded one: a run that is watched so has less time for everything. */
extern bool trace_stepwise;

/* Run it to point i of the trace. It is held when this returns, but for TRACE_DIED. */
enum trace_end trace_run(pid_t pid, const struct watched *w, const struct trace *t, size_t i);

void trace_let_go(pid_t pid, int sig); /* of a held process; sig is sent to it first, 0: none */
void trace_kill(pid_t pid);            /* a held process; it is dead when this returns */

/* "file+0x123", for addr2line. */
const char *trace_name(uintptr_t pc);

void trace_fini(struct trace *t);

#endif
