/*
 * flag.h: write flags and the read barrier.
 *
 * A flag holds the newest ticket that will change its attribute, plus one. It is raised after the command is in the ring
 * and before the writing call returns, and never cleared: `committed` passing it lowers it. A reader that starts after
 * a write returned sees the raised flag (its raise happens before the return) and waits for `committed`; it waits for
 * nothing that was queued later.
 */
#ifndef STOA_FLAG_H
#define STOA_FLAG_H

#include "src/ring.h"

/*
 * Raise to the ticket + 1 just published. What stands higher stays, unless no honest writer can have left it: an honest
 * flag is at most committed + N, and `committed` is read after it. Release: pairs with flag_pending.
 */
static inline void flag_raise(const struct space *s, _Atomic uint64_t *flag, uint64_t value)
{
	uint64_t seen = atomic_load_explicit(flag, memory_order_acquire);
	for (;;) {
		uint64_t committed = atomic_load_explicit(&s->state->committed, memory_order_acquire);
		if (seen >= value && seen <= committed + s->geometry.queue)
			return;
		if (atomic_compare_exchange_weak_explicit(flag, &seen, value, memory_order_release, memory_order_acquire))
			return;
	}
}

/* What `committed` must reach before the attribute may be read; 0: nothing is pending. */
static inline uint64_t flag_pending(const struct space *s, const _Atomic uint64_t *flag)
{
	uint64_t value = atomic_load_explicit(flag, memory_order_acquire);
	uint64_t committed = atomic_load_explicit(&s->state->committed, memory_order_acquire);
	if (value <= committed)
		return 0;
	/* `committed` was read later: an honest flag is within the ring, and its slot was filled before it was raised. */
	if (value > committed + s->geometry.queue || !ring_filled(s, value - 1))
		return 0;
	return value;
}

#endif
