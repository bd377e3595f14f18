/*
 * victims.h: the processes that steps takes to a point of their way: each is held before it begins.
 */
#ifndef STOA_VICTIMS_H
#define STOA_VICTIMS_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/torture/trace.h"

/* ---- coordinators ---- */

extern const struct watched of_coordinator; /* until what was asked is done, and it sleeps */

pid_t victims_coordinator(void); /* it sleeps, and is held there */

/* Kill a held coordinator; the next one is held at its first instruction. */
pid_t victims_succeed(pid_t coordinator);

/* ---- clients ---- */

extern const struct watched of_client; /* until its errand is done */

/* What a client does: a command of tally, or two in one, by shared->n. */
enum errand { CALL, CAST_AND_READ, CALL_MANY, ATTACH };

/* A client that is about to begin, held. With asleep, the coordinator is held too, so that the client goes to sleep. */
pid_t victims_client(enum errand errand, bool asleep);
void victims_release(void); /* let that coordinator go on */
bool victims_is_done(void); /* the errand */
void victims_want(void);    /* it must have been applied, or be applied yet */
void victims_end_client(pid_t client);

/* ---- guardians ---- */

extern const struct watched of_respawn; /* until the coordinator that it brought back sleeps, and it too */
extern const struct watched of_hearing; /* until its client has attached and called, and it sleeps again */

/* Its coordinator is dead, and it is held before it knows. */
void victims_hold_respawn(void);

/* It is held, with a client that goes on when the guardian sleeps, and attaches and calls: the guardian hears of it. */
pid_t victims_hold_hearing(void);
void victims_finish_hearing(pid_t client); /* wherever the guardian is: the client's call succeeds, and it is gone */

#endif
