/*
 * later.h: the client's side of src/later.h: the answer to a command whose method has deferred it, and how the thread
 * that sent the command ceases to wait for it.
 */
#ifndef STOA_PROXY_LATER_H
#define STOA_PROXY_LATER_H

#include "proxy/lane.h"
#include "src/later.h"

enum later_end {
	LATER_QUEUED,	/* the command itself is not committed */
	LATER_WAITS,	/* for an answer, or for what becomes of one that is being given */
	LATER_ANSWERED, /* it is there, of the command itself or given later */
	LATER_NEVER,	/* none will come */
};

static inline struct later *later_of(const struct record *r)
{
	return (struct later *)((char *)r + r->reply_at + sizeof(struct reply));
}

/* How it stands with the answer to this thread's command. Where it has been let go, it is closed here. */
enum later_end later_look(const struct lane *lane, const struct record *r, uint64_t ticket);

/*
 * The thread waits no more, since (why) -ETIMEDOUT, -ECONNRESET or 0, nobody wants it: no answer will be given from here
 * on. LATER_WAITS: but one is being given; the record is not to be used again before that is decided, which later_look
 * tells.
 */
enum later_end later_let_go(const struct lane *lane, struct record *r, uint64_t ticket, int why);

/* Sleep until the answer has come. -ETIMEDOUT; -ECONNRESET: none will, or nobody serves. For what is LATER_WAITS. */
int later_wait(const struct lane *lane, const struct record *r, uint64_t ticket, int64_t deadline);

/* What later_let_go said is being decided: sleep a moment. False: nobody is there to decide it. */
bool later_doubt(const struct lane *lane);

/* Say why none will come, as the thread's error; returns the code. */
int later_fail(const struct lane *lane, const struct record *r, uint64_t ticket);

/* A record that was copied out of a lane of an epoch before, where nobody answers any more. */
void later_moved(const struct lane *lane, struct record *r, uint64_t ticket);

#endif
