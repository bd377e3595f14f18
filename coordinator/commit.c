/*
 * commit.c: see commit.h.
 */
#include "coordinator/commit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "coordinator/command.h"
#include "coordinator/fold.h"
#include "coordinator/lanes.h"
#include "coordinator/later.h"
#include "coordinator/object.h"
#include "coordinator/objects.h"
#include "coordinator/trace.h"
#include "src/cell.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/fold.h"
#include "src/park.h"
#include "src/ring.h"

#define AHEAD 4		/* commands whose records are fetched while others run */
#define RUSH_NS 1000	/* about what the publication of one costs its sender where lines are slow */
#define TURN_NS 2000000 /* of a turn where methods are slow: no command but the one in hand begins later */

/*
 * Every turn writes the totals, with the tag that it stores in `committed`: another one there is damage, by which what
 * counts and what does not would be told apart wrongly. Before the first commit there is none, or the first turn's.
 */
int commit_load(struct coordinator *c)
{
	struct tags *tags = &c->space->state->totals_tags;
	uint64_t tag = 0, t0 = atomic_load(&tags->of[0]), t1 = atomic_load(&tags->of[1]);
	int k = cell_current(tags, c->head, &tag);
	if (c->head ? k < 0 || tag != c->head : (t0 && t1) || t0 > TURN_MAX || t1 > TURN_MAX)
		return error_set(-EPROTO, "the state says that %ju commands are committed, its totals are of %ju and %ju",
				 (uintmax_t)c->head, (uintmax_t)t0, (uintmax_t)t1);
	cell_recover(tags, c->head);
	if (k < 0)
		return 0;
	c->totals_current = (uint8_t)k;
	c->totals = c->space->state->totals[k];
	return 0;
}

static void totals_write(struct coordinator *c, uint64_t tag)
{
	cell_begin(&c->space->state->totals_tags, !c->totals_current, tag);
	c->space->state->totals[!c->totals_current] = c->totals;
}

/* ---- waking ---- */

void commit_wake_lane(struct coordinator *c, uint32_t lane)
{
	struct lane_head *head = c->lanes[lane].base;
	int fd = lane < c->ns->roster.n_lanes && c->ns->roster.lanes[lane].used ? c->ns->roster.lanes[lane].event_fd
										: -1;
	if (head && park_wake(&head->answer) & PARK_EVENT && fd >= 0 &&
	    send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* it is full: it is readable already */
}

/* Event loops that watch some object: their lanes say so in the bitmap, and whether they sleep in their own word. */
static void wake_watchers(struct coordinator *c)
{
	for (uint32_t i = 0; i < space_lanes(c->space); i += 64) {
		uint64_t bits = atomic_load(&c->space->ingress->watchers[i / 64]);
		for (; bits; bits &= bits - 1) {
			uint32_t lane = i + (uint32_t)__builtin_ctzll(bits);
			if (lanes_get(c, lane))
				commit_wake_lane(c, lane);
			else if (lane >= space_lanes(c->space) || !lane_is_known(c, lane) ||
				 atomic_load(&space_lane(c->space, lane)->pid) == 0) /* of nobody */
				atomic_fetch_and(&c->space->ingress->watchers[i / 64], ~(UINT64_C(1) << lane % 64));
		}
	}
}

static void wake_touched(struct coordinator *c)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < c->n_touched; i++)
		bits |= park_wake(space_park(c->space, c->touched[i]->index));
	if (bits & PARK_EVENT)
		wake_watchers(c);
	for (uint32_t i = 0; i < c->n_lanes_touched; i++)
		commit_wake_lane(c, c->lanes_touched[i]);
}

/*
 * Who found the queue full sleeps until it is half empty, or all taken: a wake for each turn's worth of room would put
 * all producers to sleep again after a few commands. Who stands aside (proxy/send.c) sleeps until there are no more.
 */
static void wake_waiting_for_room(struct coordinator *c, bool drained)
{
	if (!drained && c->head - c->room_told < c->space->geometry.queue / 2)
		return;
	c->room_told = c->head;
	park_wake(&c->space->ingress->room);
}

void commit_wake_all(struct coordinator *c)
{
	uint32_t n = atomic_load(&c->space->state->n_objects);
	for (uint32_t i = 0; i < n; i++)
		park_wake(space_park(c->space, i));
	for (uint32_t i = 0; i < space_lanes(c->space); i++)
		if (i < c->ns->roster.n_lanes && c->ns->roster.lanes[i].used && lanes_get(c, i))
			commit_wake_lane(c, i);
	park_wake(&c->space->ingress->room);
	park_wake(&c->space->ingress->aside);
}

/* ---- the turn ---- */

static void directory_changes(struct coordinator *c, uint64_t tag)
{
	struct state_head *state = c->space->state;
	atomic_store_explicit(&state->directory_tag, tag, memory_order_relaxed);
	atomic_fetch_add_explicit(&state->directory, 1, memory_order_release);
	c->directory_changed = false;
}

static void answers_write(struct coordinator *c)
{
	for (uint32_t i = 0; i < c->n_answers; i++) {
		const struct answer *a = &c->answers[i];
		if (a->staged)
			memcpy(a->to + 1, a->bytes, a->staged);
		a->to->done = a->head.done;
		a->to->status = a->head.status;
		a->to->size = a->head.size;
		a->to->origin = a->head.origin;
		a->to->failed = a->head.failed;
	}
}

static void write_all(struct coordinator *c, uint64_t tag)
{
	for (uint32_t i = 0; i < c->n_touched; i++)
		object_write(c, c->touched[i], tag);
	lanes_write(c, tag);
	totals_write(c, tag);
	answers_write(c);
	if (c->n_given)
		later_write(c);
}

static void settle_all(struct coordinator *c)
{
	wake_touched(c);
	int64_t now = clock_read(CLOCK_MONOTONIC_COARSE);
	trace_tick(c, now, 0);
	atomic_store_explicit(&c->space->state->pulse.beat_ns, now, memory_order_relaxed);
	lanes_written(c);
	if (later_any(c))
		later_written(c);
	for (uint32_t i = 0; i < c->n_touched; i++) {
		struct object *o = c->touched[i];
		object_written(o);
		o->queued = false;
		if (o->removed)
			objects_bury(c, o);
	}
	c->n_touched = 0;
	c->totals_current = !c->totals_current;
}

/* To those who spin on their answer, and would else have to take two lines from us: `committed`, then the answer. */
static void answers_validate(struct coordinator *c)
{
	for (uint32_t i = 0; i < c->n_answers; i++)
		atomic_store_explicit(&c->answers[i].to->valid, c->answers[i].head.done, memory_order_release);
	c->n_answers = 0;
}

static void commit(struct coordinator *c, uint64_t end)
{
	write_all(c, end);
	/* The commit. Release: pairs with every acquire of `committed`; whoever sees end sees all of the turn. */
	atomic_store_explicit(&c->space->state->committed, end, memory_order_release);
	answers_validate(c);
	/* Pairs with park_announce: either the sleeper sees the new `committed`, or we see its bit. */
	atomic_thread_fence(memory_order_seq_cst);
	c->head = end;
	settle_all(c);
}

/* After a death, commands run one by one until the suspect is passed: it takes no innocent ones down with it. */
static uint32_t batch_limit(const struct coordinator *c)
{
	uint64_t suspect = atomic_load_explicit(&c->space->state->life.suspect, memory_order_relaxed);
	return suspect > c->head ? 1 : BATCH_MAX;
}

static bool take_next(const struct coordinator *c, uint64_t *words, uint32_t n)
{
	return !(c->closed && c->head + n == c->end) && ring_take(c->space, c->head + n, &words[n]);
}

/* Pairs with an owner's cancel, then look at `taken` (proxy/await.c), and with the look behind a cast that joins a
 * command (proxy/fold.c): one of the two is seen by the other. */
static void say_taken(const struct coordinator *c, uint32_t n)
{
	atomic_store_explicit(&c->space->state->taken, c->head + n, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

/*
 * Behind a folding command there may be others with which it must be committed: what joined it before we said that we
 * take it may be younger than they are. They were published before that, so they are there now.
 */
static uint32_t take_folds(struct coordinator *c, uint64_t *words, uint32_t n)
{
	for (uint32_t said = n;; said = n) {
		while (n < TURN_MAX && take_next(c, words, n) && !fold_may_end(c, words, n, c->head + n))
			n++;
		if (n == said)
			return n;
		say_taken(c, n);
	}
}

/* A moment in which more casts join, instead of being published one by one: as long as some do, and until anybody
 * publishes a command that does not fold. */
static void let_join(struct coordinator *c)
{
	if (c->rush)
		for (int64_t end = clock_deadline(RUSH_NS); fold_goes_on(c->space) && clock_now() < end;)
			park_pause();
	c->rush = false;
}

/* The words of this turn, with their records on the way. */
static uint32_t gather(struct coordinator *c, uint64_t *words)
{
	uint32_t n = 0, limit = batch_limit(c);
	c->ran_before = c->ran;
	while (n < limit && take_next(c, words, n))
		n++;
	if (n == 0)
		return 0;
	let_join(c);
	for (uint32_t i = 0; i < n && i < AHEAD; i++)
		command_prefetch(c, words[i]);
	say_taken(c, n);
	c->now_ns = clock_real(); /* while they come */
	return take_folds(c, words, n);
}

/* Run them, until one must be the last or it gets late. Returns how many there were then. */
static uint32_t run_all(struct coordinator *c, const uint64_t *words, uint32_t n)
{
	const _Atomic int64_t *since = &c->space->state->pulse.since_ns;
	enum command_result r = COMMAND_DONE;
	uint32_t done = 0;
	int64_t first = 0;
	while (done < n && r == COMMAND_DONE &&
	       (done == 0 || atomic_load_explicit(since, memory_order_relaxed) < first + TURN_NS ||
		!fold_may_end(c, words, done, c->head + done))) {
		c->ticket = c->head + done;
		if (done + AHEAD < n)
			command_prefetch(c, words[done + AHEAD]);
		r = command_run(c, words[done], done == 0);
		first = first ? first : atomic_load_explicit(since, memory_order_relaxed);
		done += r != COMMAND_ALONE;
	}
	return done;
}

uint32_t commit_turn(struct coordinator *c)
{
	uint64_t words[TURN_MAX];
	uint32_t n = gather(c, words);
	if (n == 0) {
		if (c->room_told != c->head) /* the last turn was a whole batch, and there is no more */
			wake_waiting_for_room(c, true);
		park_wake(&c->space->ingress->aside);
		return 0;
	}
	uint32_t done = run_all(c, words, n);
	if (c->directory_changed)
		directory_changes(c, c->head + done);
	commit(c, c->head + done);
	wake_waiting_for_room(c, done == n && n < BATCH_MAX);
	return done;
}
