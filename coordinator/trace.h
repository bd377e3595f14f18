/*
 * trace.h: the flight recorder: the last commands, as they were run, in a ring in the state.
 *
 * A command is written down before it is committed, in the place of its ticket, so what stands there below `committed`
 * is what was done, whoever dies when; the turn after a death writes the rest anew. The clock is read for those that
 * their caller has timed; one that takes long is seen by the coarse clock, which is read for each method anyway.
 */
#ifndef STOA_TRACE_H
#define STOA_TRACE_H

#include "coordinator/coordinator.h"
#include "src/clock.h"

/* Ticks of the coarse clock passed since this was called last: the command that was noted then took them. */
void trace_ticked(struct coordinator *c, int64_t now);

/* It ends now. Returns TRACED_TIMED. */
uint16_t trace_time(struct traced *e, int64_t sent_ns, int64_t begun_ns);

/* The coarse clock says now; what begins is noted as pulse.running, 0: nothing. */
static inline void trace_tick(struct coordinator *c, int64_t now, uint64_t running)
{
	if (now != c->tick_ns)
		trace_ticked(c, now);
	c->noted = running;
}

/* The command in hand has this record, and ended so. begun_ns: when it was begun, if it is timed; else 0. */
static inline void trace_write(const struct coordinator *c, const struct record *r, uint32_t lane, int status,
			       int64_t begun_ns)
{
	struct traced *e = &c->trace[c->ticket % TRACED];
	uint16_t kind = r->kind;
	atomic_store_explicit(&e->ticket, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	e->time_ns = c->now_ns;
	e->origin = r->origin;
	e->object = r->object;
	e->class_id = r->class_id;
	e->row = r->row;
	e->lane = (uint16_t)lane;
	e->pid = c->caller.pid;
	e->status = status;
	if (begun_ns)
		kind |= trace_time(e, r->sent_ns, begun_ns);
	atomic_store_explicit(&e->kind, kind, memory_order_relaxed);
	atomic_store_explicit(&e->ticket, c->ticket + 1, memory_order_release); /* pairs with proxy/trace.c */
}

#endif
