/*
 * ring.c: see ring.h for the contract. All of it runs on memory that any client may write.
 */
#include "src/ring.h"

#include <errno.h>
#include <sys/mman.h>

/* A liar may move the tail under us for ever; after so many rounds without progress the
 * caller waits like on a full ring. */
#define RING_ROUNDS 1000
#define RING_TRIES 16  /* in each of them, where others are faster */
#define RING_PASSED 16 /* slots, at once */

static uint64_t first_empty(const struct space *s, uint64_t from)
{
	uint64_t end = from + s->geometry.queue;
	while (from < end && ring_filled(s, from))
		from++;
	return from;
}

/* Returns false if the tail could not be right, after putting it right. Called with `committed` read after the tail. */
static bool tail_plausible(const struct space *s, uint64_t tail, uint64_t committed)
{
	if (tail >= committed && tail <= committed + s->geometry.queue)
		return true;
	uint64_t right = tail < committed ? committed : first_empty(s, committed);
	atomic_compare_exchange_strong_explicit(&s->ingress->tail, &tail, right, memory_order_relaxed,
						memory_order_relaxed);
	return false;
}

/* What stands before the tail: 0, -ESHUTDOWN, or -EAGAIN after putting the tail right. */
static int check_predecessor(const struct space *s, uint64_t tail, uint64_t committed)
{
	if (tail == committed)
		return 0;
	uint64_t word = atomic_load_explicit(ring_slot(s, tail - 1), memory_order_acquire);
	if ((int32_t)((uint32_t)(word >> 32) - ring_lap(s, tail - 1)) <= 0) {
		atomic_compare_exchange_strong_explicit(&s->ingress->tail, &tail, first_empty(s, committed),
							memory_order_relaxed, memory_order_relaxed);
		return -EAGAIN;
	}
	return (uint32_t)(word >> 32) == ring_lap(s, tail - 1) + 1 && ring_is_closed(word) ? -ESHUTDOWN : 0;
}

/* Ticket t could not be had: bring *room up to date, and put right what is in the way. 0: try again. */
static int ring_obstacle(const struct space *s, uint64_t t, uint64_t *room)
{
	uint64_t committed = atomic_load_explicit(&s->state->committed, memory_order_acquire);
	*room = committed + s->geometry.queue;
	if (!tail_plausible(s, t, committed))
		return 0;
	int r = check_predecessor(s, t, committed);
	if (r < 0)
		return r == -ESHUTDOWN ? r : 0;
	uint64_t word = atomic_load_explicit(ring_slot(s, t), memory_order_acquire);
	uint32_t lap = (uint32_t)(word >> 32), empty = ring_lap(s, t);
	if (lap == empty)
		return t >= *room ? -EAGAIN : 0;
	return lap == empty + 1 && ring_is_closed(word) ? -ESHUTDOWN : 0;
}

/* The first ticket from *t on whose slot no command has. False: there is no room for it, or it is not for commands. */
static bool ring_pass(const struct ring_producer *p, uint64_t *t)
{
	for (int i = 0; i < RING_PASSED && *t >= p->last && *t < p->room; i++, ++*t) {
		uint64_t word = atomic_load_explicit(&ingress_ring(p->ingress)[*t & p->mask], memory_order_acquire);
		uint32_t laps = (uint32_t)(word >> 32) - (uint32_t)(*t >> p->log);
		if (laps != 1 || ring_is_closed(word))
			return laps == 0;
	}
	return false;
}

/*
 * Where several publish at once, the ticket at the tail is somebody else's by the time that the lines are here which
 * `ready` writes, and which all of them want. The next one is tried for at once: its slot is mostly in the same line, which
 * is here, and what ring_try needs of the tail, the slots in between tell. The tail is moved behind them in one visit.
 * False: something is in the way of *ret_ticket.
 */
static bool ring_push(const struct ring_producer *p, uint64_t place, ring_ready *ready, const void *data,
		      uint64_t *ret_ticket)
{
	uint64_t from = atomic_load_explicit(&p->ingress->tail, memory_order_acquire), t = from;
	bool follows = from == p->last || ring_follows(p, from), filled = false;
	for (int i = 0; i < RING_TRIES && follows && !filled && ring_pass(p, &t); i++) {
		_Atomic uint64_t *slot = &ingress_ring(p->ingress)[t & p->mask];
		prefetch_to_write(slot);
		if (ready)
			ready(data, p, t);
		filled = ring_fill(slot, t >> p->log, place);
	}
	*ret_ticket = t;
	for (uint64_t end = t + filled; from < end; from++)
		ring_help(p->ingress, from); /* also for producers that died before they did */
	return filled;
}

int ring_publish(const struct space *s, uint32_t lane, uint32_t units, ring_ready *ready, const void *data,
		 uint64_t *room, uint64_t *ret_ticket)
{
	for (int round = 0; round < RING_ROUNDS; round++) {
		uint64_t t;
		const struct ring_producer p = ring_producer(s, *room); /* where nothing is queued, no hole is before it */
		if (ring_is_ending(s))
			return -ESHUTDOWN;
		if (ring_push(&p, ring_word(1, lane, units), ready, data, &t)) {
			*ret_ticket = t;
			return 0;
		}
		int r = ring_obstacle(s, t, room);
		if (r < 0)
			return r;
	}
	return -EAGAIN;
}

static void fill_hole(const struct space *s, uint64_t t)
{
	_Atomic uint64_t *slot = ring_slot(s, t);
	uint64_t seen = atomic_load(slot);
	if ((uint32_t)(seen >> 32) == ring_lap(s, t))
		atomic_compare_exchange_strong(slot, &seen,
					       ring_word(ring_lap(s, t) + 1, RING_LANE_SPECIAL, RING_VOID));
}

/*
 * The last slot behind head that is filled, or head. Where a page is absent, nobody has published in this lap or the one
 * before, and reading would give it memory. (A page that was swapped out looks like that, too; but nobody has published
 * there just now, and who publishes has it back.)
 */
static uint64_t last_filled(const struct space *s, uint64_t head)
{
	const uint64_t page = LAYOUT_PAGE / sizeof(uint64_t), n = s->geometry.queue;
	unsigned char there[LAYOUT_QUEUE_MAX * sizeof(uint64_t) / LAYOUT_PAGE];
	bool known = mincore(space_ring(s), n * sizeof(uint64_t), there) == 0;
	uint64_t t = head + n - 1;
	while (t > head && !ring_filled(s, t)) {
		t--;
		while (known && (t + 1) % page == 0 && t >= head + page && !(there[(t & (n - 1)) / page] & 1))
			t -= page;
	}
	return t;
}

bool ring_mend(const struct space *s, uint64_t head, bool thorough)
{
	_Atomic uint64_t *slot = ring_slot(s, head);
	uint32_t empty = ring_lap(s, head);
	uint64_t word = atomic_load(slot);
	if ((uint32_t)(word >> 32) == empty + 1)
		return true;
	/* With head == committed only "empty" and "filled for head" can be true of this slot. */
	if ((uint32_t)(word >> 32) != empty)
		atomic_compare_exchange_strong(slot, &word, ring_word(empty, 0, 0));
	uint64_t tail = atomic_load_explicit(&s->ingress->tail, memory_order_relaxed);
	if (tail <= head && !thorough)
		return ring_filled(s, head);
	/* The tail passes only filled slots, so it lies, or did.
	 * Who was misled by it has filled a slot behind a hole. */
	uint64_t filled = last_filled(s, head);
	for (uint64_t t = head; t < filled; t++)
		fill_hole(s, t);
	atomic_compare_exchange_strong(&s->ingress->tail, &tail, filled > head ? filled + 1 : head);
	return ring_filled(s, head);
}

int ring_close(const struct space *s, uint64_t head, uint64_t *ret_end)
{
	for (int round = 0; round < RING_ROUNDS; round++) {
		uint64_t end = first_empty(s, head), word;
		if (end > head && ring_take(s, end - 1, &word) && ring_is_closed(word)) {
			*ret_end = end - 1;
			return 0;
		}
		if (end == head + s->geometry.queue)
			return -EAGAIN;
		word = ring_word(ring_lap(s, end), 0, 0);
		uint64_t seen = atomic_load(ring_slot(s, end));
		if ((seen >> 32) == (word >> 32) &&
		    atomic_compare_exchange_strong(ring_slot(s, end), &seen,
						   ring_word(ring_lap(s, end) + 1, RING_LANE_SPECIAL, RING_CLOSED))) {
			*ret_end = end;
			return 0;
		}
	}
	return -EAGAIN;
}

void ring_open(const struct space *s, uint64_t head)
{
	uint32_t empty = ring_lap(s, head);
	uint64_t closed = ring_word(empty + 1, RING_LANE_SPECIAL, RING_CLOSED);
	atomic_compare_exchange_strong(ring_slot(s, head), &closed, ring_word(empty, 0, 0));
}

void ring_reset(const struct space *s, uint64_t head)
{
	for (uint64_t t = head; t < head + s->geometry.queue; t++)
		atomic_store(ring_slot(s, t), ring_word(ring_lap(s, t), 0, 0));
	atomic_store(&s->ingress->tail, head);
}

uint64_t ring_end(const struct space *s)
{
	uint64_t committed = atomic_load_explicit(&s->state->committed, memory_order_acquire);
	uint64_t end = first_empty(s, committed);
	uint64_t word;
	if (end > committed && ring_take(s, end - 1, &word) && ring_is_closed(word))
		end--;
	return end;
}
