/*
 * stoa/rendezvous.h - the built-in class "rendezvous": N parties do a step after the other together.
 *
 * Create one with stoa_create(stoa, "phase", &rendezvous_class, &(struct rendezvous_of){ .parties = 4 }, 0, &proxy).
 * Each party joins once, for a seat, and calls stoa_rendezvous_meet for each step, which returns when all are there. A
 * party is a seat, not a process or thread: two threads of a process take two seats. No party can take another's step:
 * a seat arrives once in a step, and only by the client that joined.
 *
 * A party that dies, or detaches without leaving, breaks the rendezvous: those who wait hear of it at once
 * (-EOWNERDEAD), and so does whoever comes later, until somebody resets it and all join again. Since 0.1.
 */
#ifndef STOA_RENDEZVOUS_H
#define STOA_RENDEZVOUS_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RENDEZVOUS_MAX 256 /* parties */

/* What it is created with. */
struct rendezvous_of {
	uint32_t parties; /* 1 to 256 */
};

struct rendezvous {
	uint32_t parties;
	uint32_t joined, arrived;
	uint64_t step;     /* the last one that is over: all did it, or a reset cut it off */
	uint64_t news;     /* grows when a step is done, and when it breaks or is reset: to wait for */
	bool broken;
	uint32_t lost_pid; /* while it is broken: whose death was seen first */
	uint64_t seats;    /* given out ever */
	uint64_t seat[RENDEZVOUS_MAX];   /* each party's; 0: the place is empty */
	uint64_t number[RENDEZVOUS_MAX]; /* of its client */
	uint32_t pid[RENDEZVOUS_MAX];
	bool here[RENDEZVOUS_MAX];       /* has it arrived in this step? */
};

struct rendezvous_seat {
	uint64_t seat;
};

struct rendezvous_arrival {
	uint64_t step; /* that it arrived for */
	bool done;     /* all are there: it was the last */
};

struct rendezvous_doubt {
	uint64_t seat, step;
};

struct rendezvous_end {
	bool done;   /* the step was done; else the seat has not arrived any more */
	bool broken;
};

STOA__BUILTIN(stoa_class, rendezvous_class);
STOA__BUILTIN(stoa_method, rendezvous_arrive_row);
STOA__BUILTIN(stoa_method, rendezvous_join_row);
STOA__BUILTIN(stoa_method, rendezvous_leave_row);
STOA__BUILTIN(stoa_method, rendezvous_reset_row);
STOA__BUILTIN(stoa_method, rendezvous_withdraw_row);

/* Become a party. -EUSERS: all are there already. -EOWNERDEAD: it is broken. */
STOA_STUB(rendezvous, join, stoa_none, struct rendezvous_seat);
/* Leave in good order: the place is empty, and the next step waits for somebody to join. */
STOA_STUB(rendezvous, leave, struct rendezvous_seat, stoa_none);
/*
 * Be there for the next step, without waiting for the others. -EALREADY: the seat is there. -EPERM: the seat is another
 * client's. -ENOENT: it is nobody's (any more). -EOWNERDEAD: it is broken.
 */
STOA_STUB(rendezvous, arrive, struct rendezvous_seat, struct rendezvous_arrival);
/* Not be there any more, if the step is not done yet. -EPERM, -ENOENT: as above. */
STOA_STUB(rendezvous, withdraw, struct rendezvous_doubt, struct rendezvous_end);
/* Begin anew with nobody: seats are void, and who waits is told (-ENOENT). */
STOA_STUB(rendezvous, reset, stoa_none, stoa_none);

/*
 * Do the next step: arrive, and wait until all have, up to timeout: asleep, and woken. After -EAGAIN (STOA_NOWAIT),
 * -ETIMEDOUT or -EOWNERDEAD the step was not done, and the seat is not there for it: meet again for the same step. Other
 * errors as above and as of stoa_call: of a command, which has options.timeout on top, should the coordinator not answer.
 */
STOA_PUBLIC int stoa_rendezvous_meet(struct stoa_proxy *rendezvous, uint64_t seat, int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
