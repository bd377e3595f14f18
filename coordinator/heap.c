/*
 * heap.c: see heap.h. Capacities come in four steps per doubling, so at most a fifth of a block is unused.
 */
#include "coordinator/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <uthash.h>

#include "src/error.h"
#include "src/segment.h"

#define ALIGN 64u
#define HEAD sizeof(struct block)
#define RESERVE (UINT64_C(64) << 10)

struct heap_free {
	uint64_t capacity;
	uint64_t *at;
	size_t n, room;
	UT_hash_handle hh;
};

static struct block *block_of(const struct heap *h, uint64_t at)
{
	return (struct block *)((char *)space_state(h->space, at) - HEAD);
}

/* The smallest capacity in the series that holds size: 64, 128, 192, 256, 320, 384, 448, 512, 640 … */
static uint64_t round_up(uint64_t size)
{
	uint64_t step = ALIGN;
	while (step * 8 < size)
		step *= 2;
	return size <= ALIGN ? ALIGN : (size + step - 1) / step * step;
}

static struct heap_free **list_of(struct heap *h, uint64_t use)
{
	return use == BLOCK_BODY ? &h->bodies : &h->cells;
}

static int push(struct heap_free **lists, uint64_t capacity, uint64_t at)
{
	struct heap_free *f;
	HASH_FIND(hh, *lists, &capacity, sizeof(capacity), f);
	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f)
			return -ENOMEM;
		f->capacity = capacity;
		HASH_ADD(hh, *lists, capacity, sizeof(f->capacity), f);
	}
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 8;
		uint64_t *more = realloc(f->at, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		f->at = more;
		f->room = room;
	}
	f->at[f->n++] = at;
	return 0;
}

static uint64_t pop(struct heap_free *lists, uint64_t capacity)
{
	struct heap_free *f;
	HASH_FIND(hh, lists, &capacity, sizeof(capacity), f);
	return f && f->n ? f->at[--f->n] : 0;
}

static uint64_t end_of(const struct heap *h)
{
	return atomic_load_explicit(&h->space->state->heap_end, memory_order_relaxed);
}

int heap_init(struct heap *h, const struct space *space, int state_fd)
{
	*h = (struct heap){ .space = space, .state_fd = state_fd };
	uint64_t end = end_of(h), start = space->geometry.heap_at;
	if (end == 0) {
		end = start;
		atomic_store_explicit(&space->state->heap_end, end, memory_order_relaxed);
	}
	if (end < start || end > space->geometry.state)
		return error_set(-EPROTO, "the state's heap ends at %ju, outside of it", (uintmax_t)end);
	h->reserved = h->unswept_end = end;
	h->swept = start;
	h->generation =
		(uint32_t)atomic_fetch_add_explicit(&space->state->next_incarnation, 1, memory_order_relaxed) + 1;
	return 0;
}

static bool is_whole(const struct heap *h, uint64_t at, uint64_t end)
{
	const struct block *b = space_state(h->space, at);
	return end - at >= HEAD && b->capacity && b->capacity % ALIGN == 0 && b->capacity <= end - at - HEAD &&
	       b->self == at + HEAD;
}

int heap_check(const struct heap *h)
{
	uint64_t end = end_of(h);
	for (uint64_t at = h->space->geometry.heap_at; at < end;) {
		const struct block *b = space_state(h->space, at);
		if (!is_whole(h, at, end))
			return error_set(-EPROTO, "the state's heap is damaged at offset %ju", (uintmax_t)at);
		at += HEAD + b->capacity;
	}
	return 0;
}

int heap_claim(struct heap *h, enum block_use use, uint64_t at)
{
	uint64_t start = h->space->geometry.heap_at + HEAD;
	if (at >= start && at < end_of(h) && at % ALIGN == 0 && block_of(h, at)->self == at &&
	    block_of(h, at)->use == use && block_of(h, at)->capacity <= end_of(h) - at &&
	    block_of(h, at)->claimed != h->generation) {
		block_of(h, at)->claimed = h->generation;
		return 0;
	}
	return error_set(-EPROTO, "the state refers to a block at offset %ju that is not there", (uintmax_t)at);
}

void heap_leave(struct heap *h)
{
	h->swept = h->unswept_end;
}

void heap_sweep(struct heap *h, uint32_t n)
{
	for (; n > 0 && h->swept < h->unswept_end; n--) {
		struct block *b = space_state(h->space, h->swept);
		if (!is_whole(h, h->swept, h->unswept_end)) {
			heap_leave(h);
			break;
		}
		if (b->claimed != h->generation) {
			b->claimed = h->generation;
			heap_free(h, b->self);
		}
		h->swept += HEAD + b->capacity;
	}
}

static void fini_lists(struct heap_free **lists)
{
	struct heap_free *f, *next;
	HASH_ITER(hh, *lists, f, next)
	{
		HASH_DEL(*lists, f);
		free(f->at);
		free(f);
	}
}

void heap_fini(struct heap *h)
{
	fini_lists(&h->cells);
	fini_lists(&h->bodies);
}

static int grow(struct heap *h, uint64_t end)
{
	if (end > h->space->geometry.state)
		return error_set(-ENOSPC, "the state is full: %ju bytes; start with a larger max_state",
				 (uintmax_t)h->space->geometry.state);
	if (end <= h->reserved)
		return 0;
	uint64_t to = (end + RESERVE - 1) / RESERVE * RESERVE;
	if (to > h->space->geometry.state)
		to = h->space->geometry.state;
	int r = segment_reserve(h->state_fd, h->reserved, to - h->reserved);
	if (r == 0)
		h->reserved = to;
	return r;
}

int heap_new(struct heap *h, enum block_use use, uint64_t size, uint64_t *ret_at)
{
	uint64_t capacity = round_up(size);
	uint64_t at = pop(*list_of(h, use), capacity);
	if (!at) {
		uint64_t start = end_of(h);
		int r = grow(h, start + HEAD + capacity);
		if (r < 0)
			return r;
		at = start + HEAD;
		/* The head before the end: whoever walks the heap finds whole blocks only. */
		*block_of(h, at) = (struct block){ .capacity = capacity, .self = at, .use = use };
		atomic_store_explicit(&h->space->state->heap_end, at + capacity, memory_order_release);
	}
	block_of(h, at)->use = use;
	block_of(h, at)->claimed = h->generation;
	*ret_at = at;
	return 0;
}

void heap_free(struct heap *h, uint64_t at)
{
	const struct block *b = block_of(h, at);
	push(list_of(h, b->use), b->capacity, at); /* out of memory: the block is lost until the next start */
}

uint64_t heap_capacity(const struct heap *h, uint64_t at)
{
	return block_of(h, at)->capacity;
}
