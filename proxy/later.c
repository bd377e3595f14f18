/*
 * later.c: see later.h.
 */
#include "proxy/later.h"

#include <errno.h>
#include <stdio.h>

#include "proxy/wait.h"
#include "src/clock.h"
#include "src/error.h"

#define DOUBT_NS 1000000 /* between looks at what a method decides, which wakes nobody if it fails */

static bool is_deferred(const struct record *r, uint64_t ticket)
{
	const struct reply *reply = (const struct reply *)((const char *)r + r->reply_at);
	return r->reply_size >= sizeof(struct reply) + sizeof(struct later) && reply->status == REPLY_LATER &&
	       reply->done == ticket + 1;
}

static bool is_let_go(const struct record *r)
{
	return atomic_load_explicit(&r->cancel, memory_order_relaxed) != CANCEL_NOT;
}

/* Nobody answers in it any more: it was taken back, or is of an epoch before. Whatever was committed before is there. */
static bool is_void(const struct lane *lane, const struct record *r)
{
	return atomic_load_explicit(&lane->head->done, memory_order_acquire) ||
	       (uint64_t)((uintptr_t)r - (uintptr_t)lane->head) >= LANE_LIMIT ||
	       atomic_load_explicit(&lane->stoa->space.state->life.epoch, memory_order_acquire) != lane->epoch;
}

/* `committed` first: what is above it may be blanked, and another command may have its ticket. */
static bool is_answered(const struct later *later, uint64_t committed)
{
	uint64_t by = atomic_load_explicit(&later->by, memory_order_acquire);
	return by && by <= committed;
}

enum later_end later_look(const struct lane *lane, const struct record *r, uint64_t ticket)
{
	bool at_end = is_void(lane, r);
	uint64_t committed = handle_committed(lane->stoa);
	if (committed <= ticket)
		return LATER_QUEUED;
	if (!is_deferred(r, ticket))
		return LATER_ANSWERED;
	struct later *later = later_of(r);
	if (is_answered(later, committed))
		return LATER_ANSWERED;
	if (at_end || (is_let_go(r) && later_turn(later, ticket, LATER_OPEN, LATER_CLOSED)))
		return LATER_NEVER;
	uint64_t state = atomic_load(&later->state);
	return state == later_state(ticket, LATER_OPEN) || state == later_state(ticket, LATER_CLAIMED) ? LATER_WAITS
												       : LATER_NEVER;
}

enum later_end later_let_go(const struct lane *lane, struct record *r, uint64_t ticket, int why)
{
	enum cancel as = why == -ETIMEDOUT ? CANCEL_TIMED_OUT : why == -ECONNRESET ? CANCEL_LOST : CANCEL_LET_GO;
	if (!is_let_go(r))
		atomic_store_explicit(&r->cancel, as, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst); /* pairs with the one behind the claim (coordinator/later.c) */
	return later_look(lane, r, ticket);
}

int later_wait(const struct lane *lane, const struct record *r, uint64_t ticket, int64_t deadline)
{
	struct stoa *s = lane->stoa;
	for (;;) {
		uint32_t value = handle_announce(s, &lane->head->answer, UINT32_MAX);
		atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in commit() */
		enum later_end end = later_look(lane, r, ticket);
		if (end != LATER_WAITS)
			return end == LATER_ANSWERED ? 0 : -ECONNRESET;
		if (clock_now() >= deadline)
			return -ETIMEDOUT;
		handle_sleep(s, &lane->head->answer, value, deadline);
		if (later_look(lane, r, ticket) == LATER_WAITS && handle_gone_for_good(s))
			return -ECONNRESET;
	}
}

bool later_doubt(const struct lane *lane)
{
	struct stoa *s = lane->stoa;
	uint32_t value = handle_announce(s, &lane->head->answer, UINT32_MAX);
	handle_sleep(s, &lane->head->answer, value, clock_deadline(DOUBT_NS));
	return !handle_gone_for_good(s);
}

int later_fail(const struct lane *lane, const struct record *r, uint64_t ticket)
{
	char text[STOA_ERROR_MAX];
	const struct stoa *s = lane->stoa;
	uint32_t why = atomic_load_explicit(&r->cancel, memory_order_relaxed);
	bool lost = why == CANCEL_NOT || why == CANCEL_LOST || is_void(lane, r);
	if (lost && handle_evicted(lane->stoa))
		return handle_fail(s, false, ticket);
	int n = lost ? snprintf(text, sizeof(text),
				"the coordinator of namespace %s is gone, or was: the command was applied, but not answered, "
				"and no answer will come",
				s->name)
		     : snprintf(text, sizeof(text),
				"%s: no answer came, and none will", /* applied it was: stoa(3) */
				why == CANCEL_TIMED_OUT ? "timed out" : "it was dropped");
	return error_set_command(lost ? -ECONNRESET : -ETIMEDOUT, STOA_FROM_LIBRARY, false, ticket, text, (size_t)n);
}

void later_moved(const struct lane *lane, struct record *r, uint64_t ticket)
{
	if (is_deferred(r, ticket) && !is_answered(later_of(r), handle_committed(lane->stoa)))
		atomic_store(&later_of(r)->state, later_state(ticket, LATER_CLOSED));
}
