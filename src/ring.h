/*
 * ring.h: the one order of all commands: a lock-free multi-producer, single-consumer ring of 64-bit words.
 *
 * A word is lap (32 bits), lane (13), offset of the record in the lane (19, in units). The slot of ticket t is filled
 * when its lap is t / N + 1 and free when it is t / N and t < committed + N: nobody releases a slot, `committed` does.
 * Filling it is one CAS, so there is never a claim without a command. The tail is only a hint, and any client may have
 * lied about it; the slots and `committed` decide.
 *
 *              publish   take, mend, close
 *   publish    yes       yes                 any number of producers, of any process
 *   take…      yes       no                  one consumer, the coordinator
 *
 * Linearisation point of publish: the CAS of the slot. Laps wrap after 2^32 · N commands: a producer would have to be
 * stopped for exactly that many.
 */
#ifndef STOA_RING_H
#define STOA_RING_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/layout.h"
#include "src/prefetch.h"

#define RING_LANE_SPECIAL LANES_MAX /* no lane: the word is a void, the end, or from here on of coordinator/leave.h */
enum { RING_VOID = 0, RING_CLOSED = 1, RING_LEAVE = 2, RING_LEAVES = (1 << 19) - RING_LEAVE };

static inline uint32_t ring_lap(const struct space *s, uint64_t ticket)
{
	return (uint32_t)(ticket >> s->geometry.queue_log);
}
static inline _Atomic uint64_t *ring_slot(const struct space *s, uint64_t ticket)
{
	return space_ring(s) + (ticket & (s->geometry.queue - 1));
}
static inline uint64_t ring_word(uint32_t lap, uint32_t lane, uint32_t units)
{
	return (uint64_t)lap << 32 | (uint64_t)lane << 19 | units;
}
static inline uint32_t ring_word_lane(uint64_t word)
{
	return (uint32_t)(word >> 19) & 0x1fff;
}
static inline uint32_t ring_word_units(uint64_t word)
{
	return (uint32_t)word & 0x7ffff;
}
static inline bool ring_is_closed(uint64_t word)
{
	return ring_word_lane(word) == RING_LANE_SPECIAL && ring_word_units(word) == RING_CLOSED;
}

/* Has the slot of this ticket been filled for it (or for a later one)? */
static inline bool ring_filled(const struct space *s, uint64_t ticket)
{
	uint64_t w = atomic_load_explicit(ring_slot(s, ticket), memory_order_acquire);
	return (int32_t)((uint32_t)(w >> 32) - ring_lap(s, ticket)) > 0;
}

/* … with a command, and not with the end? */
static inline bool ring_holds(const struct space *s, uint64_t ticket)
{
	uint64_t w = atomic_load_explicit(ring_slot(s, ticket), memory_order_acquire);
	int32_t laps = (int32_t)((uint32_t)(w >> 32) - ring_lap(s, ticket));
	return laps > 1 || (laps == 1 && !ring_is_closed(w));
}

/* The slot of ticket t is filled: move the tail past it, if nobody has. */
static inline void ring_help(struct ingress_head *ingress, uint64_t t)
{
	atomic_compare_exchange_strong_explicit(&ingress->tail, &t, t + 1, memory_order_release,
						memory_order_relaxed);
}

/* Is it about to be closed? Not what keeps commands from slipping in (the closing word does), but what lets it run dry. */
static inline bool ring_is_ending(const struct space *s)
{
	return atomic_load_explicit(&s->state->life.stopping, memory_order_relaxed);
}

/*
 * Publish the record at `units` of `lane`. -EAGAIN: the ring is full; -ESHUTDOWN: it is or will be closed. Never waits.
 * `ready` (or NULL) is told each ticket before it is tried for, the last one being the command's: what it does has been
 * done when anybody can see the command. *room: tickets below it have room, as `committed` has shown before (0: none
 * yet); renewed only where it does not do: whoever looks at that line takes it from the coordinator, who is about to
 * write it.
 */
struct ring_producer;
typedef void ring_ready(const void *data, const struct ring_producer *p, uint64_t ticket);
int ring_publish(const struct space *s, uint32_t lane, uint32_t units, ring_ready *ready, const void *data,
		 uint64_t *room, uint64_t *ret_ticket);

/* A ring as one producer has it, who publishes there again and again. */
struct ring_producer {
	struct ingress_head *ingress;
	uint64_t mask; /* slots, less one */
	uint32_t log;
	uint64_t room; /* as of ring_publish */
	uint64_t last; /* no hole is before this ticket: the one behind its newest command */
};
/* room 0: none yet, and nothing is published before it is renewed. */
static inline struct ring_producer ring_producer(const struct space *s, uint64_t room)
{
	return (struct ring_producer){ .ingress = s->ingress,
				       .mask = s->geometry.queue - 1,
				       .log = s->geometry.queue_log,
				       .room = room,
				       .last = room - s->geometry.queue /* `committed` */ };
}

/*
 * A tail within the ring may still lie: a command in front of a hole would come out of order, or behind the closing
 * word. The slot before it tells, which an honest tail has passed filled.
 */
static inline bool ring_follows(const struct ring_producer *p, uint64_t t)
{
	uint64_t before = (t - 1) % (UINT64_C(1) << p->log);
	uint64_t w = atomic_load_explicit(&ingress_ring(p->ingress)[before], memory_order_acquire);
	return (uint32_t)(w >> 32) == (uint32_t)((t - 1) >> p->log) + 1 && !ring_is_closed(w);
}

/*
 * Fill the slot of ticket t, if it is free. Release: the record's bytes are there for who takes the word (ring_take).
 * Sequentially consistent with the read of life.changes that follows, or of the doorbell (proxy/send.c, and coordinator.c's
 * sleep). place: lane and units, a word of lap 1.
 */
static inline __attribute__((always_inline)) bool ring_fill(_Atomic uint64_t *slot, uint64_t lap, uint64_t place)
{
	uint64_t word = atomic_load_explicit(slot, memory_order_acquire);
	return (uint32_t)(word >> 32) == (uint32_t)lap && atomic_compare_exchange_strong(slot, &word, (lap << 32) + place);
}

/*
 * What ring_publish does, tried once, which mostly suffices. False: something is in the way of *ret_ticket, and
 * ring_publish sees to it. Inline, for the per-call path: `ready` is then no call.
 */
static inline __attribute__((always_inline)) bool ring_try(const struct ring_producer *p, uint64_t place,
							    ring_ready *ready, const void *data, uint64_t *ret_ticket)
{
	struct ingress_head *ingress = p->ingress;
	uint64_t t = atomic_load_explicit(&ingress->tail, memory_order_acquire);
	*ret_ticket = t;
	_Atomic uint64_t *slot = &ingress_ring(ingress)[t & p->mask];
	prefetch_to_write(slot);
	if (t >= p->room || (__builtin_expect(t != p->last, 0) && !ring_follows(p, t)))
		return false;
	if (ready)
		ready(data, p, t);
	if (!ring_fill(slot, t >> p->log, place))
		return false;
	ring_help(p->ingress, t);
	return true;
}

/* Consumer: the word of ticket `head`, which must be committed. 1, or 0: none yet. */
static inline int ring_take(const struct space *s, uint64_t head, uint64_t *ret_word)
{
	/* Acquire: pairs with the CAS in ring_fill. */
	uint64_t word = atomic_load_explicit(ring_slot(s, head), memory_order_acquire);
	if ((uint32_t)(word >> 32) != ring_lap(s, head) + 1)
		return 0;
	*ret_word = word;
	return 1;
}

/*
 * Consumer, about to sleep with nothing at head: undo what a lying client did to slot or tail. Holes in front of a
 * filled slot (its producer was misled by a forged tail) are filled with voids. Looks behind head only if the tail is
 * there; thorough: always, for the tail may have been forged back since. Returns true if there is something to take
 * now.
 */
bool ring_mend(const struct space *s, uint64_t head, bool thorough);

/*
 * Consumer: close the ring behind the last filled slot, by a CAS there as any command: nothing slips in behind. Nothing
 * is published after it. -EAGAIN: it is full; take some first. Closing twice is harmless.
 */
int ring_close(const struct space *s, uint64_t head, uint64_t *ret_end);

/* Consumer, at start: open it again if an earlier run closed it. */
void ring_open(const struct space *s, uint64_t head);

/* Consumer, at start: forget all that is in it; head is the next ticket. For an ingress that was damaged. */
void ring_reset(const struct space *s, uint64_t head);

/* The ticket behind the last command: `committed` and what is queued. */
uint64_t ring_end(const struct space *s);

#endif
