/*
 * cell.h: which of two cells counts, and how they are read and written: the commit protocol of all committed memory.
 *
 * As of g = `committed` the current cell of a pair is the one with the greatest tag that is not above g. The
 * coordinator writes the other one: first its tag (the end of the batch, still above `committed`), then its bytes, and
 * `committed` last. A reader copies and looks at the tag again: the cell that it took is written next only after
 * another commit, and the first thing written then is the tag. So the copy is whole, or it is thrown away.
 *
 *   writer: tag (relaxed), release fence, bytes …, committed (release)
 *   reader: committed (acquire), tag (acquire), bytes …, acquire fence, tag (relaxed)
 */
#ifndef STOA_CELL_H
#define STOA_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "src/layout.h"

/* The current cell as of g: 0 or 1, with its tag; -1: none (g is old, or nothing was ever written). */
static inline int cell_current(const struct tags *t, uint64_t g, uint64_t *ret_tag)
{
	uint64_t t0 = atomic_load_explicit(&t->of[0], memory_order_acquire);
	uint64_t t1 = atomic_load_explicit(&t->of[1], memory_order_acquire);
	int k = t1 >= t0;
	*ret_tag = t1 >= t0 ? t1 : t0;
	if (__builtin_expect(*ret_tag > g, 0)) { /* it is being written: the other one, which is older */
		k = !k;
		*ret_tag = t1 >= t0 ? t0 : t1;
		if (*ret_tag > g)
			return -1;
	}
	return __builtin_expect(*ret_tag != 0, 1) ? k : -1;
}

/* After copying: was the copy whole? */
static inline bool cell_still(const struct tags *t, int k, uint64_t tag)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&t->of[k], memory_order_relaxed) == tag;
}

/* Coordinator: start writing cell k for the batch that ends at tag (0: it counts for nothing). */
static inline void cell_begin(struct tags *t, int k, uint64_t tag)
{
	atomic_store_explicit(&t->of[k], tag, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

/* Coordinator, at recovery: blank what was not committed (the model fails without this).
 * Returns the current cell or -1. */
static inline int cell_recover(struct tags *t, uint64_t committed)
{
	uint64_t tag;
	for (int k = 0; k < 2; k++)
		if (atomic_load_explicit(&t->of[k], memory_order_relaxed) > committed)
			cell_begin(t, k, 0);
	return cell_current(t, committed, &tag);
}

/* The cells of a part. */
static inline struct cell *cell_at(const struct space *s, const struct part *p, int k)
{
	return space_state(s, atomic_load_explicit(&p->cell[k], memory_order_relaxed));
}
static inline struct stamp *cell_stamps(struct cell *c)
{
	return (struct stamp *)(c + 1);
}

#endif
