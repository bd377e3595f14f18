/*
 * moment.h: copies of the parts of one or several objects, all as of one value of `committed`.
 *
 * A round takes one g and copies what is not already held as of g. A part that was overwritten under it goes to the
 * front of the next round, where g is freshest, and what is held stays: so each round leaves less to do, however hot
 * some parts are.
 */
#ifndef STOA_MOMENT_H
#define STOA_MOMENT_H

#include "proxy/proxy.h"

/* A copy of a part's cell. */
struct copy {
	const struct part *part;
	const struct part_plan *plan;
	uint64_t tag, room; /* tag 0, when all was taken: a part of hooks that was never written, and has nothing in it */
	char *bytes;
	bool own; /* bytes are malloc'ed: the part has no fixed size */
};

/* 1: held as of g; 0: overwritten meanwhile; -ENOMEM. Bytes that a torn read takes for a size lead nowhere outside. */
int copy_take(const struct space *space, struct copy *c, uint64_t g);

struct moment {
	struct copy *copies; /* in the thread's scratch: objects in order, their parts in order */
	uint32_t *order;     /* in which they are taken */
	size_t n;
	void *spare; /* `extra` bytes for the caller */
};

int moment_begin(struct moment *m, struct target *const *targets, size_t n, size_t extra); /* -ENOMEM */
void moment_end(struct moment *m);

/* The same of all that there is of the objects, the parts of hooks too, and in memory of its own. */
int moment_begin_whole(struct moment *m, struct target *const *targets, size_t n); /* -ENOMEM */
void moment_end_whole(struct moment *m);

/*
 * This round, from 1 on, has not copied all: pause, and try again. -ETIMEDOUT, or -EAGAIN with STOA_NOWAIT: it was tried
 * long enough. deadline is of all rounds.
 */
int moment_again(const struct stoa *s, int round, int64_t timeout, int64_t *deadline);

/* Take them all. -ESTALE: an object is dead. -ETIMEDOUT, or -EAGAIN with STOA_NOWAIT: they change too fast. */
int moment_take(const struct stoa *s, struct moment *m, struct target *const *targets, size_t n, int64_t timeout);

#endif
