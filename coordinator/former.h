/*
 * former.h: clients of an epoch before whose processes live on: they have not come back yet, and may not know that
 * guardian and coordinator died. They count as attached, and get the number again that they had.
 *
 * Who has detached meanwhile has said so in his lane.
 *
 * What tells of them are the rows of their lanes, which stay as they are until their numbers are used again: two epochs
 * on, and only when there are no others. A process is known by its pid and the time when it started.
 */
#ifndef STOA_FORMER_H
#define STOA_FORMER_H

#include "coordinator/coordinator.h"

int former_load(struct coordinator *c); /* at the start; c->proc_fd is open. -ENOMEM, -EMFILE, -ENFILE */
void former_fini(struct coordinator *c);

bool former_is_there(const struct coordinator *c, uint64_t number);

bool former_had_lane(const struct coordinator *c, uint32_t lane);

/* A client attaches whose process is one of them: its number; 0: it is none. */
uint64_t former_number(const struct coordinator *c, pid_t pid);
void former_returned(struct coordinator *c, uint64_t number); /* it is a client again */

/* The pidfd of this one is readable. */
void former_died(struct coordinator *c, uint32_t place);

/* This client has left: no later coordinator takes it for one of these. */
void former_forget(struct coordinator *c, uint64_t number);

#endif
