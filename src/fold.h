/*
 * fold.h: casts that join a command which is still queued.
 *
 * A method whose row says .folds adds its arguments to the state and does nothing else, so one run with the sums of
 * many casts does what the casts would. A thread keeps its newest such command open: later casts add to the sums in its
 * record, and publish nothing. The sums stand there twice; a cast writes the other place and then says which, so what
 * the coordinator copies is whole.
 *
 * Until when is it open? Until the coordinator has said in `taken` that it will copy it. Both store, fence and look: if
 * the cast does not see `taken` above the ticket, the coordinator copies what the cast has added. If it does see it,
 * the sums may have been copied before or behind: the next record carries the sums on from there (the same chain), and
 * the coordinator, who commits what it has applied of a chain with the lane's row, applies what is missing.
 *
 * May it join at all? Its place in the order is then that of the queued command, and others may have used what was
 * queued behind that. So between the two there may only be other folding commands, which commute, and nobody may see
 * the state between them: the coordinator commits them together (fold_bound). `run` tells: it is 2 · ticket from which
 * on only folding commands were published, plus 1 if the newest was none. It is raised before a command is published,
 * as flags are, and at each multiple of FOLD_BLOCK, so that a turn has an end.
 *
 * A liar who changes `run` makes casts join where they must not, or never: order is lost, no cast is.
 */
#ifndef STOA_FOLD_H
#define STOA_FOLD_H

#include <stdbool.h>

#include "src/ring.h"

#define FOLD_BLOCK 64u /* tickets: commands that are committed together are of one block */

/* Returns what is there then. */
static inline uint64_t fold_raise(_Atomic uint64_t *run, uint64_t value)
{
	uint64_t seen = atomic_load_explicit(run, memory_order_relaxed);
	while (seen < value)
		if (atomic_compare_exchange_weak_explicit(run, &seen, value, memory_order_release, memory_order_relaxed))
			return value;
	return seen;
}

/* Ticket t is about to be tried for, by a command that does not fold … Acquire: who published before has raised it. */
static inline void fold_break(const struct ring_producer *p, uint64_t t)
{
	if (__builtin_expect(!(atomic_load_explicit(&p->ingress->run, memory_order_acquire) & 1), 0))
		fold_raise(&p->ingress->run, 2 * t + 1);
}

/* … or by one that does. Returns the run that it is of: what fold_may_join is to find there. */
static inline uint64_t fold_mark(const struct ring_producer *p, uint64_t t)
{
	_Atomic uint64_t *run = &p->ingress->run;
	uint64_t seen = atomic_load_explicit(run, memory_order_acquire), block = t & ~(uint64_t)(FOLD_BLOCK - 1);
	return seen & 1 || seen < 2 * block ? fold_raise(run, 2 * t) : seen;
}

/*
 * Is there nothing but folding commands from a ticket on, all of its block? mark: of that ticket. An even number that is
 * another may be of a younger run, begun behind a command that does not fold by who was late: it found the run broken,
 * and had nothing to raise (tests/model/fold.pml).
 */
static inline bool fold_may_join(const struct space *s, uint64_t mark)
{
	return !(mark & 1) && atomic_load_explicit(&s->ingress->run, memory_order_acquire) == mark;
}

/* Was the newest command one that folds? */
static inline bool fold_goes_on(const struct space *s)
{
	return !(atomic_load_explicit(&s->ingress->run, memory_order_relaxed) & 1);
}

/* May a turn end before ticket t, with folding commands on both sides? */
static inline bool fold_bound(uint64_t t)
{
	return t % FOLD_BLOCK == 0;
}

/* The coordinator, when it is at rest: what no honest client can have raised. */
static inline void fold_mend(const struct space *s, uint64_t head)
{
	uint64_t seen = atomic_load_explicit(&s->ingress->run, memory_order_relaxed);
	if (seen > 2 * (head + s->geometry.queue) + 1)
		atomic_compare_exchange_strong(&s->ingress->run, &seen, 2 * head + 1);
}

#endif
