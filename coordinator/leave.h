/*
 * leave.h: objects that mind when clients leave: the methods of theirs that the coordinator runs by itself.
 *
 * When clients have gone, and when a guardian starts, a word is put into the ring for each object of a class with a
 * method that is .on_leave. How far that has come is in the state: the next coordinator goes on from there, and what a
 * method crashes does not begin it anew. Taken, it is a command without a record, and as any other: in the one order, counted,
 * undone, timed, blamed. The method only looks who is still there, so a word too many harms nobody: a client that forges
 * one has called the method, which it may.
 *
 * No flag is raised for what such a command will write. A flag is for writes of which somebody can know before they are
 * committed, since the writing call has returned; nobody has called this. Who reads before its commit reads before it.
 */
#ifndef STOA_LEAVE_H
#define STOA_LEAVE_H

#include "coordinator/coordinator.h"

void leave_init(struct coordinator *c);

/* Are there words still to be put into the ring? */
static inline bool leave_is_due(const struct coordinator *c) { return c->leaving != UINT32_MAX; }

/* A client who could write is gone; to be said before the guardian forgets him. */
void leave_note(struct coordinator *c);

/* Put some of them there, as far as there is room. */
void leave_publish(struct coordinator *c);

/* The command that a word is: a RECORD_MANY that wants no answers, what is in it in c->bytes. -EBADMSG: it is none. */
int leave_record(struct coordinator *c, uint64_t word, struct record *ret_record);

#endif
