/*
 * heap.h: memory in the state segment. Blocks lie without gaps from heap_at to heap_end, each with its capacity in front,
 * so that a new coordinator finds them all; which are free is private and is worked out again from what is referenced.
 * Memory is never given back to the system while the namespace lives: readers may still be looking at it.
 */
#ifndef STOA_HEAP_H
#define STOA_HEAP_H

#include <stdint.h>

#include "src/layout.h"

struct heap_free; /* blocks of one capacity */

struct heap {
	const struct space *space;
	int state_fd;
	uint64_t reserved; /* pages of the state are reserved up to here */
	struct heap_free *cells, *bodies; /* by capacity (uthash) */
};

/* Check the chain of blocks. -EPROTO: it is broken. At recovery claim what is in use, then sweep: the rest is free. */
int heap_init(struct heap *h, const struct space *space, int state_fd);
int heap_claim(struct heap *h, enum block_use use, uint64_t at); /* -EPROTO: no block of that use begins there */
void heap_sweep(struct heap *h);
void heap_fini(struct heap *h);

/* Take a block of at least size bytes; its offset is that of its bytes, aligned to 64. -ENOSPC names max_state. */
int heap_new(struct heap *h, enum block_use use, uint64_t size, uint64_t *ret_at);
void heap_free(struct heap *h, uint64_t at);
uint64_t heap_capacity(const struct heap *h, uint64_t at);

#endif
