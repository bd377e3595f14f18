/*
 * trace.c: see trace.h.
 */
#include "coordinator/trace.h"

/* What ran for one tick or less may have begun just before it: its time is not known. */
static int64_t tick(void)
{
	struct timespec t = { 0 };
	clock_getres(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_nsec + t.tv_nsec / 2;
}

void trace_ticked(struct coordinator *c, int64_t now)
{
	int64_t passed = now - c->tick_ns;
	struct traced *e = &c->trace[(c->noted - 1) % TRACED];
	uint16_t kind = atomic_load_explicit(&e->kind, memory_order_relaxed);
	c->tick_ns = now;
	if (c->noted == 0 || passed < tick() || kind & TRACED_TIMED ||
	    atomic_load_explicit(&e->ticket, memory_order_relaxed) != c->noted)
		return;
	atomic_store_explicit(&e->run_ns, passed, memory_order_relaxed);
	atomic_store_explicit(&e->kind, kind | TRACED_TIMED | TRACED_TICKS, memory_order_release);
}

uint16_t trace_time(struct traced *e, int64_t sent_ns, int64_t begun_ns)
{
	atomic_store_explicit(&e->run_ns, clock_now() - begun_ns, memory_order_relaxed);
	e->queued_ns = sent_ns > 0 && begun_ns > sent_ns ? begun_ns - sent_ns : 0;
	return TRACED_TIMED;
}
