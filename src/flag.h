/*
 * flag.h: write flags and the read barrier.
 *
 * A flag holds the newest ticket that will change its attribute, plus one. It is raised before the command is put into
 * the ring, and never cleared: `committed` passing it lowers it. So a reader waits for all commands to its attribute
 * that are in the ring when it looks, and for nothing that is queued later.
 *
 * Raising it behind the publication, before the writing call returns, would do for one attribute and not for several:
 * between the two, another command that returns can have used the new value, when reads do not yet wait for it.
 */
#ifndef STOA_FLAG_H
#define STOA_FLAG_H

#include "src/ring.h"

/*
 * Raise to the ticket + 1 about to be tried for. What stands higher stays, also a lie: whoever judges it may be stopped
 * until it has become another's honest flag, and lower that. Release: pairs with flag_pending, as does the publication
 * behind it, for who learns of the command otherwise.
 */
static inline void flag_raise(_Atomic uint64_t *flag, uint64_t value)
{
	uint64_t seen = atomic_load_explicit(flag, memory_order_acquire);
	while (seen < value &&
	       !atomic_compare_exchange_weak_explicit(flag, &seen, value, memory_order_release, memory_order_acquire)) {
	}
}

/* The coordinator, between turns: what no honest writer can have raised comes down to what he could have by now. */
static inline void flag_mend(const struct space *s, _Atomic uint64_t *flag)
{
	uint64_t seen = atomic_load_explicit(flag, memory_order_relaxed);
	uint64_t most = atomic_load_explicit(&s->state->committed, memory_order_relaxed) + s->geometry.queue;
	if (seen > most)
		atomic_compare_exchange_strong_explicit(flag, &seen, most, memory_order_relaxed, memory_order_relaxed);
}

/* What `committed` must reach before the attribute may be read; 0: nothing is pending. */
static inline uint64_t flag_pending(const struct space *s, const _Atomic uint64_t *flag)
{
	uint64_t value = atomic_load_explicit(flag, memory_order_acquire);
	uint64_t committed = atomic_load_explicit(&s->state->committed, memory_order_acquire);
	if (value <= committed)
		return 0;
	if (value <= committed + s->geometry.queue && ring_holds(s, value - 1))
		return value;
	/* Somebody is about to publish, died before he did, came too late, or lies:
	 * what he has overwritten may be queued. */
	uint64_t end = ring_end(s);
	return end > committed ? end : 0;
}

#endif
