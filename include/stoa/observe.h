/*
 * stoa/observe.h - what an operator sees of a namespace: what was done last, and by whom.
 *
 * All of it is read from shared memory: it never blocks, costs the coordinator nothing, and works when that is hung or
 * dead. Attach with STOA_READ_ONLY. Functions that call each() stop when it returns non-zero; what they pass to it is
 * valid until it returns. Since 0.1.
 */
#ifndef STOA_OBSERVE_H
#define STOA_OBSERVE_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A command as it was run. */
struct stoa_traced {
	uint64_t ticket;
	int64_t time_ns;   /* CLOCK_REALTIME of its turn */
	int64_t run_ns;	   /* what it took; -1: not measured, as it was short and is not among those that are timed */
	int64_t queued_ns; /* from its caller to its run; -1: not measured */
	bool about;	   /* run_ns is told by a coarse clock, to some milliseconds */
	bool running;	   /* it runs, or ran when the coordinator died: times and status are not known */
	int status;	   /* 0: applied; else why it was rejected */
	uint32_t n;	   /* commands in it: of stoa_call_many; the names are of the first */
	uint32_t pid, client; /* whose it was */
	char kind[8];	   /* "call", "fold", "assign", "create", "remove", "many" */
	char object[STOA_NAME_MAX + 1], class_name[STOA_NAME_MAX + 1], row[STOA_NAME_MAX + 1]; /* "": not known */
	uint64_t reserved[4];
};

/*
 * The last 1024 commands with a ticket of at least `after`, in order, and behind them the one that runs. About one of
 * 64 of each thread is timed, the first always; so is one that takes more than a few milliseconds. 0.
 */
STOA_PUBLIC int stoa_trace(struct stoa *stoa, uint64_t after,
			   int (*each)(void *data, const struct stoa_traced *command), void *data);

/* A message of the coordinator, or of its guardian. */
struct stoa_logged {
	uint64_t number;  /* from 1 */
	int64_t time_ns;  /* CLOCK_REALTIME */
	int priority;	  /* as syslog(3) has it */
	uint32_t pid;	  /* who said it */
	char text[512];
	uint64_t reserved[2];
};

/* The last 64 messages with a number above after, the oldest first: what options.log was told, once the state was
 * there. 0. */
STOA_PUBLIC int stoa_log(struct stoa *stoa, uint64_t after, int (*each)(void *data, const struct stoa_logged *message),
			 void *data);

#ifdef __cplusplus
}
#endif
#endif
