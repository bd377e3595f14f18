/*
 * tally.h: how often, how long, and how often in vain: counted for each object, and for each method, as commands end.
 *
 * The coordinator alone writes; who reads, in any process, sees each number whole, and may see one before the other.
 */
#ifndef STOA_TALLY_H
#define STOA_TALLY_H

#include "coordinator/coordinator.h"

static inline void tally_add(_Atomic uint64_t *to, uint64_t n)
{
	atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n, memory_order_relaxed);
}

/* n calls have ended, by a command that was timed if run_ns is not negative. */
static inline void tally_call(struct tallied *t, uint64_t n, bool failed, int64_t run_ns)
{
	tally_add(&t->calls, n);
	if (failed)
		tally_add(&t->failed, n);
	if (run_ns < 0)
		return;
	tally_add(&t->timed, n);
	tally_add(&t->time_ns, (uint64_t)run_ns);
}

static inline void tally_clear(struct tallied *t)
{
	atomic_store_explicit(&t->calls, 0, memory_order_relaxed);
	atomic_store_explicit(&t->failed, 0, memory_order_relaxed);
	atomic_store_explicit(&t->timed, 0, memory_order_relaxed);
	atomic_store_explicit(&t->time_ns, 0, memory_order_relaxed);
}

#endif
