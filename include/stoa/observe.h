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
	char kind[8];	   /* "call", "fold", "assign", "create", "declare", "remove", "many", "leave" */
	char object[STOA_NAME_MAX + 1], class_name[STOA_NAME_MAX + 1], row[STOA_NAME_MAX + 1]; /* "": not known */
	uint64_t reserved[4];
};

/*
 * The last 1024 commands with a ticket of at least `after`, in order, and behind them the one that runs. About one of
 * 64 of each thread is timed, the first always; so is one that takes more than a few milliseconds. 0;
 * -ENOMEM.
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

enum stoa_waits { STOA_WAITS_NOT, STOA_WAITS_ANSWER, STOA_WAITS_ROOM, STOA_WAITS_OBJECT };

/* An attached thread that has written, or a process that has none. */
struct stoa_attached {
	uint32_t pid, uid; /* uid UINT32_MAX: not known */
	uint32_t tid;	   /* of the thread, as it says; 0: no thread of it has written */
	uint32_t client;   /* as in stamps and rejections; UINT32_MAX: as above */
	bool read_only;
	bool evicted;	  /* it was, and has not ended: nothing more of it is applied */
	int64_t since_ns; /* CLOCK_REALTIME: attached */
	char name[16], thread[16]; /* of program and thread, as they say */
	uint64_t pushed, rejected, pending; /* commands since then */
	uint64_t oldest_ticket; /* of those that are pending */
	int64_t oldest_ns;	/* how long it has been; -1: not known */
	char object[STOA_NAME_MAX + 1], row[STOA_NAME_MAX + 1]; /* what it is; "": not known */
	enum stoa_waits waits; /* what the thread sleeps for: an answer or a write, room, or an object to change or settle */
	int64_t waits_ns;      /* for how long, since it was last woken */
	char waits_for[STOA_NAME_MAX + 1]; /* the object */
	uint64_t reserved[4];
};

/*
 * Each attached process, thread by thread. What is pending, and what they sleep for, is read from files that only the
 * coordinator's user can open: others are not told. Read-only clients say nothing of their waits. 0, -ENOMEM.
 */
STOA_PUBLIC int stoa_clients(struct stoa *stoa, int (*each)(void *data, const struct stoa_attached *client),
			     void *data);

enum stoa_statistics { STOA_BY_OBJECT, STOA_BY_METHOD };

/* What was done to an object since it was created, or by a method since the namespace was. */
struct stoa_statistic {
	char object[STOA_NAME_MAX + 1]; /* STOA_BY_OBJECT; else "" */
	char class_name[STOA_NAME_MAX + 1];
	char method[STOA_NAME_MAX + 1]; /* STOA_BY_METHOD: "" are assignments */
	uint64_t calls, failed; /* failed: of the calls; folded casts are calls */
	uint64_t timed;		/* of the calls: those whose time was taken, about one of 64 of each thread … */
	int64_t time_ns;	/* … and how long these took: time_ns / timed * calls tells of all */
	uint64_t reserved[4];
};

/*
 * Statistics of all objects, or of the methods that may be called, the first 2048 of them. Read-only methods that ran in
 * their caller are not counted. The turn after a death counts again what it runs again. 0.
 */
STOA_PUBLIC int stoa_statistics(struct stoa *stoa, enum stoa_statistics of,
				int (*each)(void *data, const struct stoa_statistic *statistic), void *data);

/* Reads that waited at the barrier, since the namespace was made: by how long. */
#define STOA_BARRIER_STEPS 24
struct stoa_barrier {
	uint64_t waited; /* all of them */
	int64_t time_ns; /* of all; those of less than some microseconds are not timed, and count as nothing */
	struct {
		int64_t below_ns; /* INT64_MAX: the last */
		uint64_t waited;  /* so long, and not below the step before */
	} steps[STOA_BARRIER_STEPS];
	uint64_t reserved[4];
};

/* As those who waited say: any client can lie. Read-only clients do not say it. 0. */
STOA_PUBLIC int stoa_barrier(struct stoa *stoa, struct stoa_barrier *ret_barrier);

#ifdef __cplusplus
}
#endif
#endif
