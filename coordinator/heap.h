/*
 * heap.h: memory in the state segment. Blocks lie without gaps from heap_at to heap_end, each with its capacity in
 * front, so that a new coordinator finds them all; which are free is private and is worked out again from what is
 * referenced. Memory is never given back to the system while the namespace lives: readers may still be looking at it.
 * Free cells that lie side by side are joined, and large ones cut, when there is no other room. A body never becomes
 * anything but a body, for proxies look at its incarnation; bodies lie in rows, out of the way of the cells.
 */
#ifndef STOA_HEAP_H
#define STOA_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "src/layout.h"

struct heap_free; /* blocks of one capacity */

struct heap {
	const struct space *space;
	int state_fd;
	uint64_t reserved;		  /* pages of the state are reserved up to here */
	uint32_t generation;		  /* of this coordinator */
	uint64_t swept, unswept_end;	  /* who is free between these is not known yet */
	struct heap_free *cells, *bodies; /* by capacity (uthash) */
};

/*
 * At recovery claim what is in use, then sweep: the rest is free. That may be done by and by; until it is done, what is
 * taken comes from the end. Whatever is there goes through heap_check, -EPROTO: the chain of blocks is broken.
 */
int heap_init(struct heap *h, const struct space *space, int state_fd);
int heap_check(const struct heap *h);
bool heap_holds(const struct heap *h, enum block_use use, uint64_t at); /* a block of that use begins there */
int heap_claim(struct heap *h, enum block_use use, uint64_t at);	/* -EPROTO: none does, or it is another's */
void heap_sweep(struct heap *h, uint32_t n);			 /* so many blocks */
void heap_leave(struct heap *h); /* what is not swept stays as it is: until the next start, free memory is lost */
static inline bool heap_is_swept(const struct heap *h)
{
	return h->swept == h->unswept_end;
}
void heap_fini(struct heap *h);

/* Take a block of at least size bytes; its offset is that of its bytes, aligned to 64. -ENOSPC names max_state. */
int heap_new(struct heap *h, enum block_use use, uint64_t size, uint64_t *ret_at);
void heap_free(struct heap *h, uint64_t at);

/* Take a free body of at least size bytes that fits. */
bool heap_choose(struct heap *h, uint64_t size, bool (*fits)(const void *data, const struct body *), const void *data,
		 uint64_t *ret_at);
void heap_prefetch(const struct heap *h, uint64_t at); /* a block that will be written: its head, and how it begins */
uint64_t heap_capacity(const struct heap *h, uint64_t at);

#endif
