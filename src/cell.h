/*
 * cell.h: reading and writing the versions of a part.
 *
 * A part has two cells, each tagged. As of g = `committed` the current one has the greatest tag that is not above g.
 * The coordinator writes the other one: first its tag (the end of the batch, still above `committed`), then its bytes,
 * and `committed` last. A reader copies and looks at the tag again: the cell that it took is written next only after
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

/* The current cell as of g: 0 or 1, with its tag; -1: none (g is old, or the part was never written). */
static inline int cell_current(const struct part *p, uint64_t g, uint64_t *ret_tag)
{
	uint64_t t0 = atomic_load_explicit(&p->tag[0], memory_order_acquire);
	uint64_t t1 = atomic_load_explicit(&p->tag[1], memory_order_acquire);
	bool ok0 = t0 && t0 <= g, ok1 = t1 && t1 <= g;
	if (ok0 && (!ok1 || t0 > t1)) {
		*ret_tag = t0;
		return 0;
	}
	*ret_tag = t1;
	return ok1 ? 1 : -1;
}

static inline struct cell *cell_at(const struct space *s, const struct part *p, int k)
{
	return space_state(s, atomic_load_explicit(&p->cell[k], memory_order_relaxed));
}
static inline struct stamp *cell_stamps(struct cell *c) { return (struct stamp *)(c + 1); }

/* After copying: was the copy whole? */
static inline bool cell_still(const struct part *p, int k, uint64_t tag)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&p->tag[k], memory_order_relaxed) == tag;
}

/* Coordinator: start writing cell k for the batch that ends at tag. */
static inline void cell_begin(struct part *p, int k, uint64_t tag)
{
	atomic_store_explicit(&p->tag[k], tag, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

#endif
