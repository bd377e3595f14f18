/*
 * footprint.h: what stoa takes beside time: memory, wake-ups and processor time while idle, system calls and processor
 * time under load.
 *
 * Measured on a stoad of its own, fresh from its program, with one object of the built-in class counter. The load is
 * casts, each a command of its own, by one process, and then by two.
 */
#ifndef BENCH_FOOTPRINT_H
#define BENCH_FOOTPRINT_H

#include <stdbool.h>

struct footprint {
	bool is_there;
	double resident, private; /* bytes of the coordinator; those that no other process shares */
	double guardian_private;
	double files;		       /* bytes of the namespace's files */
	double thread;		       /* bytes that one attached thread adds: to the coordinator, and in files */
	double wakeups, guardian_wakeups; /* a second, idle */
	double idle_cpu;	       /* share of a CPU, of both, idle */
	double idle_floor;	       /* the same, of a process that wakes up as often as both, and does nothing */
	double syscalls;	       /* of the coordinator for each command, under load, those too that it sleeps and wakes by;
				  * negative: not known */
	double switches;	       /* times it went to sleep, for each command, under load */
	struct load {
		double commands_per_s;
		double cpu; /* share of a CPU that the coordinator had */
	} load, load_by_two;
	char why[160];		       /* it is not there */
};
extern struct footprint footprint;

int footprint_measure(bool briefly); /* -ENOTSUP: no stoad beside this program; footprint.why says so */
void footprint_print(void);

#endif
