/*
 * await.h: from a ticket to its answer.
 *
 * An answer to ticket t is valid when `committed` is above t: it was stored before. The answer itself says so a moment
 * later (`valid`), to who spins: he looks at its line alone. Whose time runs out first tries to cancel (await_cancel),
 * so that "will never apply" is told from "may still apply".
 */
#ifndef STOA_AWAIT_H
#define STOA_AWAIT_H

#include "proxy/send.h"

/*
 * Wait for the answer of what was sent and unpack its result. m: its method, or NULL. On -ETIMEDOUT and -ECONNRESET the
 * answer is kept for stoa_await; the record is free otherwise. The thread's error is set.
 */
int await_answer(struct sending *w, const struct bound_method *m, void *ret);

#define AWAIT_LATER 1 /* it is to be given later (proxy/later.h) */

/* Take the answer of a committed command of the thread that has this lane now: its status, its result into ret, its text
 * as the thread's error. AWAIT_LATER: there is none yet. */
int await_take(const struct lane *lane, const struct pending *p);

/* Set the cancel mark; true if the coordinator will see it, that is: the command will never apply. */
bool await_cancel(const struct lane *lane, struct record *r, uint64_t ticket);

/*
 * Was the record seq of a lane taken, once its ticket is committed? For a lane whose epoch ended before the record was
 * published: the next coordinator may have given up the lane. 0; -ECONNRESET: no, or (may_apply) nobody serves;
 * -ETIMEDOUT. The thread's error is set.
 */
int await_taken(const struct lane *lane, uint64_t ticket, uint64_t seq);

/* What was last committed of the lane's folded casts. */
struct fold_applied await_folded(const struct lane *lane);

/* How many of a lane's commands were ever rejected, whosoever they were. */
uint64_t await_rejected(const struct lane *lane);

#endif
