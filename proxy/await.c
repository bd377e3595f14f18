/*
 * await.c: see await.h.
 */
#include "proxy/await.h"

#include <errno.h>
#include <string.h>

#include "proxy/later.h"
#include "proxy/wait.h"
#include "src/cell.h"
#include "src/clock.h"
#include "src/error.h"

static const char NOT_YET[] = "the command was applied; its answer has not been given yet";

bool await_cancel(const struct lane *lane, struct record *r, uint64_t ticket)
{
	/* Pairs with the store of `taken` and the fence behind it (coordinator/commit.c): the coordinator looks at the
	 * mark after it has said so. If it has not said so yet, it will see the mark. */
	atomic_store_explicit(&r->cancel, CANCEL_TIMED_OUT, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&lane->stoa->space.state->taken, memory_order_relaxed) <= ticket;
}

/* Nothing was answered: its lane was taken from us before, or somebody wrote over the answer. */
static int no_answer(const struct lane *lane, uint64_t ticket)
{
	if (atomic_load(&lane->head->done) && handle_evicted(lane->stoa))
		return handle_fail(lane->stoa, false, ticket);
	return error_set_command(-EBADMSG, STOA_FROM_LIBRARY, false, ticket, NULL, 0);
}

static __attribute__((noinline, cold)) int take_error(const struct pending *p, int status, uint32_t origin,
							const void *text, uint32_t size)
{
	return error_set_command(status, origin == STOA_FROM_METHOD ? STOA_FROM_METHOD : STOA_FROM_LIBRARY, false,
				 p->ticket, text, size);
}

static inline __attribute__((always_inline)) int take_result(const struct pending *p, const void *image, uint32_t size)
{
	if (!p->method || !p->ret)
		return 0;
	int r = image_check(p->method->ret, image, size);
	r = r ? r : image_unpack(p->method->ret, image, p->ret);
	return r < 0 ? error_set_command(r, STOA_FROM_LIBRARY, false, p->ticket, NULL, 0) : 0;
}

static __attribute__((noinline, cold)) int take_later(const struct lane *lane, const struct pending *p)
{
	const struct later *later = later_of(p->record);
	enum later_end end = later_look(lane, p->record, p->ticket);
	if (end != LATER_ANSWERED)
		return end == LATER_WAITS ? AWAIT_LATER : later_fail(lane, p->record, p->ticket);
	int32_t status = later->status;
	uint32_t size = later->size;
	if (size > p->record->reply_size - sizeof(struct reply) - sizeof(*later))
		return no_answer(lane, p->ticket);
	return status < 0 ? take_error(p, status, later->origin, later + 1, size) : take_result(p, later + 1, size);
}

int await_take(const struct lane *lane, const struct pending *p)
{
	const struct reply *reply = (const struct reply *)((const char *)p->record + p->record->reply_at);
	struct reply head = *reply;
	uint32_t room = p->record->reply_size - (uint32_t)sizeof(head);
	if (head.done != p->ticket + 1 || head.size > room)
		return no_answer(lane, p->ticket);
	if (head.status < 0)
		return head.status == REPLY_LATER ? take_later(lane, p)
						  : take_error(p, head.status, head.origin, reply + 1, head.size);
	return take_result(p, reply + 1, head.size);
}

/* Nobody answered in time. The command is cancelled, or it was answered at the last moment, or its answer is kept. */
static int give_up(struct sending *w, const struct pending *now, int why)
{
	struct note *note = w->note;
	struct pending later = { .ticket = w->ticket, .record = w->record, .note = note, .deadline = INT64_MAX };
	if (why == -ETIMEDOUT && await_cancel(w->lane, w->record, w->ticket))
		return error_set_command(-ECANCELED, STOA_FROM_LIBRARY, false, w->ticket, NULL, 0);
	if (later_let_go(w->lane, w->record, w->ticket, why) != LATER_QUEUED)
		return await_take(w->lane, now);
	if (pending_add(w->lane, &later) < 0)
		note->held = NOTE_LET_GO; /* no memory to keep it: stoa_await will say so */
	if (why == -ECONNRESET)
		return handle_gone(w->lane->stoa, true, w->ticket);
	return error_set_command(-ETIMEDOUT, STOA_FROM_LIBRARY, true, w->ticket, NULL, 0);
}

/* Wait no more for what is given later. What is just being given is waited for: it is given, or not, in a moment. */
static int cease(const struct lane *lane, const struct pending *p, int why)
{
	enum later_end end = later_let_go(lane, p->record, p->ticket, why);
	while (end == LATER_WAITS && later_doubt(lane))
		end = later_look(lane, p->record, p->ticket);
	return end == LATER_ANSWERED ? await_take(lane, p) : later_fail(lane, p->record, p->ticket);
}

/* Its method answers later. */
static __attribute__((noinline, cold)) int answer_later(struct sending *w, const struct pending *now)
{
	int r = later_wait(w->lane, w->record, w->ticket, send_deadline(w));
	r = r == 0 ? await_take(w->lane, now) : cease(w->lane, now, r);
	w->note->held = NOTE_LET_GO; /* if nobody was there to decide it */
	return r;
}

int await_answer(struct sending *w, const struct bound_method *m, void *ret)
{
	struct pending now = { .ticket = w->ticket, .record = w->record, .method = m, .ret = ret };
	const struct reply *reply = (const struct reply *)((const char *)w->record + w->record->reply_at);
	uint64_t need = w->ticket + 1;
	/* A coordinator that dies between its commit and this leaves it to `committed` to say so. */
	bool soon = w->timeout != STOA_NOWAIT &&
		    (w->rung ? handle_spin_woken(&reply->valid, need, send_deadline(w))
			     : handle_spin_answer(w->lane, w->record, reply, need));
	int r = soon ? 0 : handle_park(w->lane->stoa, &w->lane->head->answer, UINT32_MAX, need, send_deadline(w));
	r = r == 0 ? await_take(w->lane, &now) : give_up(w, &now, r);
	return r == AWAIT_LATER ? answer_later(w, &now) : r;
}

/* Of a command that is committed, in this lane or, where its place is known by that alone, in one before. */
static int await_later(const struct lane *lane, const struct pending *p, int64_t deadline)
{
	int r = later_wait(lane, p->record, p->ticket, deadline);
	if (r == -ETIMEDOUT && !(p->event && clock_now() >= p->deadline))
		return error_set_command(r, STOA_FROM_LIBRARY, false, p->ticket, NOT_YET, sizeof(NOT_YET) - 1);
	return r == 0 ? await_take(lane, p) : cease(lane, p, r);
}

int stoa_await(struct stoa *s, uint64_t ticket, int64_t timeout)
{
	int64_t deadline = timeout == STOA_NOWAIT ? 0 : handle_deadline(s, timeout);
	struct lane *lane;
	int r = lane_get(s, timeout, &lane);
	if (r < 0)
		return r;
	struct pending **at = &lane->pending;
	while (*at && (*at)->ticket != ticket)
		at = &(*at)->next;
	if (!*at)
		return error_set_command(-ENOENT, STOA_FROM_LIBRARY, false, ticket, NULL, 0);
	r = handle_await(s, &lane->head->answer, UINT32_MAX, ticket + 1, deadline);
	if (r == -ECONNRESET)
		return handle_gone(s, true, ticket);
	if (r < 0)
		return error_set_command(r, STOA_FROM_LIBRARY, true, ticket, NULL, 0);
	r = await_take(lane, *at);
	struct note *note = (*at)->note;
	bool later = r == AWAIT_LATER;
	if (later)
		r = await_later(lane, *at, deadline);
	if (r == -ETIMEDOUT && later_look(lane, (*at)->record, ticket) == LATER_WAITS)
		return r;
	pending_drop(lane, at);
	note->held = later ? NOTE_LET_GO : NOTE_FREE;
	return r;
}

/* What the coordinator has committed of a lane. */
static struct lane_cell row_cell(const struct lane *lane)
{
	const struct lane_row *row = space_lane(&lane->stoa->space, lane->id);
	for (;;) {
		uint64_t tag;
		int k = cell_current(&row->tags, handle_committed(lane->stoa), &tag);
		if (k < 0 && tag == 0)
			return (struct lane_cell){ 0 };
		struct lane_cell cell = k < 0 ? (struct lane_cell){ 0 } : row->cells[k];
		if (k >= 0 && cell_still(&row->tags, k, tag))
			return cell;
	}
}

/* The row may be another's by now. Looked at after it: the lane was marked before it was given away. */
static struct lane_cell committed_cell(const struct lane *lane)
{
	struct lane_cell cell = row_cell(lane);
	return atomic_load_explicit(&lane->head->done, memory_order_acquire) ? lane->head->last : cell;
}

struct fold_applied await_folded(const struct lane *lane)
{
	return committed_cell(lane).folded;
}

uint64_t await_rejected(const struct lane *lane)
{
	return committed_cell(lane).rejected;
}

int await_taken(const struct lane *lane, uint64_t ticket, uint64_t seq)
{
	struct stoa *s = lane->stoa;
	int r = handle_renew(s, STOA_DEFAULT); /* else we would hear nothing but the end of the old connection */
	r = r ? r : handle_await(s, &s->space.ingress->room, UINT32_MAX, ticket + 1, handle_deadline(s, STOA_DEFAULT));
	if (r == -ECONNRESET)
		return handle_gone(s, true, ticket);
	if (r < 0)
		return error_set_command(r, STOA_FROM_LIBRARY, true, ticket, NULL, 0);
	return committed_cell(lane).seq > seq ? 0 : handle_gone(s, false, ticket);
}

int stoa_sync(struct stoa *s, int64_t timeout, uint64_t *ret_rejected)
{
	struct lane *lane;
	int r = lane_get(s, timeout, &lane);
	if (r < 0)
		return r;
	r = handle_await(s, &lane->head->answer, UINT32_MAX, lane->ring.last,
			 timeout == STOA_NOWAIT ? 0 : handle_deadline(s, timeout));
	if (r == -ECONNRESET)
		return handle_gone(s, true, lane->ring.last ? lane->ring.last - 1 : 0);
	if (r < 0)
		return error_set_command(r, STOA_FROM_LIBRARY, true, lane->ring.last - 1, NULL, 0);
	if (atomic_load(&lane->head->done) && handle_evicted(s)) /* what was rejected since then is not counted here */
		return handle_fail(s, false, lane->ring.last ? lane->ring.last - 1 : 0);
	uint64_t rejected = lane->rejected_earlier;
	for (const struct lane *l = lane; l; l = l->before)
		rejected += await_rejected(l) - l->rejected_before;
	if (ret_rejected)
		*ret_rejected = rejected;
	return 0;
}
