/*
 * heap.c: see heap.h. Capacities come in four steps per doubling, so at most a fifth of a block is unused; only what was
 * joined or cut may have another.
 */
#include "coordinator/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "src/error.h"
#include "src/prefetch.h"
#include "src/segment.h"

#define ALIGN 64u
#define AHEAD 768u /* bytes of a block that are fetched before it is written */
#define HEAD sizeof(struct block)
#define RESERVE (UINT64_C(64) << 10)
#define BODIES_SHARE 16 /* at most one in so many bytes that are left goes to a row of bodies */

struct heap_free {
	uint64_t capacity;
	uint64_t *at;
	size_t n, room;
	uint64_t made; /* by this coordinator */
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

static struct heap_free *list_get(struct heap_free **lists, uint64_t capacity)
{
	struct heap_free *f;
	HASH_FIND(hh, *lists, &capacity, sizeof(capacity), f);
	if (!f && (f = calloc(1, sizeof(*f)))) {
		f->capacity = capacity;
		HASH_ADD(hh, *lists, capacity, sizeof(f->capacity), f);
	}
	return f;
}

/* Out of memory: the block is lost until the next start. */
static void push(struct heap_free **lists, uint64_t capacity, uint64_t at)
{
	struct heap_free *f = list_get(lists, capacity);
	if (!f)
		return;
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 8;
		uint64_t *more = realloc(f->at, room * sizeof(*more));
		if (!more)
			return;
		f->at = more;
		f->room = room;
	}
	f->at[f->n++] = at;
}

static uint64_t pop(struct heap_free *lists, uint64_t capacity)
{
	struct heap_free *f;
	HASH_FIND(hh, lists, &capacity, sizeof(capacity), f);
	return f && f->n ? f->at[--f->n] : 0;
}

/* The smallest that is large enough. */
static uint64_t pop_best(struct heap_free *lists, uint64_t capacity)
{
	struct heap_free *best = NULL;
	for (struct heap_free *f = lists; f; f = f->hh.next)
		if (f->n && f->capacity >= capacity && (!best || f->capacity < best->capacity))
			best = f;
	return best ? best->at[--best->n] : 0;
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

bool heap_holds(const struct heap *h, enum block_use use, uint64_t at)
{
	uint64_t start = h->space->geometry.heap_at + HEAD;
	return at >= start && at < end_of(h) && at % ALIGN == 0 && block_of(h, at)->self == at &&
	       block_of(h, at)->use == use && block_of(h, at)->capacity <= end_of(h) - at;
}

int heap_claim(struct heap *h, enum block_use use, uint64_t at)
{
	if (heap_holds(h, use, at) && block_of(h, at)->claimed != h->generation) {
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

/* A row has as many bodies as there are already: so the cells between two rows get more and more. */
static uint64_t row_of(struct heap *h, uint64_t capacity)
{
	struct heap_free *f = list_get(&h->bodies, capacity);
	uint64_t n = f && f->made ? f->made : 1;
	uint64_t most = (h->space->geometry.state - end_of(h)) / BODIES_SHARE / (HEAD + capacity);
	n = n < most ? n : most ? most : 1;
	if (f)
		f->made += n;
	return n;
}

static int extend(struct heap *h, enum block_use use, uint64_t capacity, uint64_t *ret_at)
{
	uint64_t start = end_of(h), step = HEAD + capacity, n = use == BLOCK_BODY ? row_of(h, capacity) : 1;
	int r = grow(h, start + n * step);
	if (r < 0 && n > 1) {
		n = 1;
		r = grow(h, start + step);
	}
	if (r < 0)
		return r;
	for (uint64_t i = 0, at = start + HEAD; i < n; i++, at += step)
		*block_of(h, at) = (struct block){ .capacity = capacity, .self = at, .use = use };
	/* The heads before the end: whoever walks the heap finds whole blocks only. */
	atomic_store_explicit(&h->space->state->heap_end, start + n * step, memory_order_release);
	for (uint64_t i = n, at = start + HEAD + (n - 1) * step; i > 1; i--, at -= step) {
		block_of(h, at)->claimed = h->generation;
		push(list_of(h, use), capacity, at);
	}
	*ret_at = start + HEAD;
	return 0;
}

/* ---- joining and cutting ---- */

/*
 * Each is one store of a capacity: a coordinator that dies before or after it leaves whole blocks. Who still copies
 * from a freed cell sees that by its tag, as when the block is simply taken again.
 */
static void set_capacity(struct block *b, uint64_t capacity)
{
	atomic_thread_fence(memory_order_release);
	*(volatile uint64_t *)&b->capacity = capacity;
	atomic_thread_fence(memory_order_release);
}

static void cut(struct heap *h, uint64_t at, uint64_t capacity)
{
	uint64_t rest = block_of(h, at)->capacity - capacity, rest_at = at + capacity + HEAD;
	if (rest < HEAD + ALIGN)
		return;
	*block_of(h, rest_at) =
		(struct block){ .capacity = rest - HEAD, .self = rest_at, .use = BLOCK_CELL, .claimed = h->generation };
	set_capacity(block_of(h, at), capacity);
	push(&h->cells, rest - HEAD, rest_at);
}

static int by_place(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* All free cells by their place; NULL: none, or no memory. */
static uint64_t *cells_sorted(const struct heap *h, size_t *ret_n)
{
	size_t n = 0, k = 0;
	for (const struct heap_free *f = h->cells; f; f = f->hh.next)
		n += f->n;
	uint64_t *all = n ? malloc(n * sizeof(*all)) : NULL;
	if (!all)
		return NULL;
	for (const struct heap_free *f = h->cells; f; f = f->hh.next)
		for (size_t i = 0; i < f->n; i++)
			all[k++] = f->at[i];
	qsort(all, n, sizeof(*all), by_place);
	*ret_n = n;
	return all;
}

static void join(struct heap *h)
{
	size_t n;
	uint64_t *all = cells_sorted(h, &n);
	if (!all)
		return;
	fini_lists(&h->cells);
	for (size_t i = 0; i < n;) {
		uint64_t at = all[i++];
		struct block *first = block_of(h, at);
		for (; i < n && all[i] == at + first->capacity + HEAD; i++) {
			struct block *next = block_of(h, all[i]);
			set_capacity(first, first->capacity + HEAD + next->capacity);
			next->self = 0;
		}
		push(&h->cells, first->capacity, at);
	}
	free(all);
}

/* There is none of this capacity, and no room for one more: one made of what is free, or 0. */
static uint64_t make_do(struct heap *h, enum block_use use, uint64_t capacity)
{
	uint64_t at = use == BLOCK_BODY ? pop_best(h->bodies, capacity) : 0;
	if (at)
		return at;
	at = pop_best(h->cells, capacity);
	if (!at && heap_is_swept(h)) { /* the sweep goes from block to block */
		join(h);
		at = pop_best(h->cells, capacity);
	}
	if (at)
		cut(h, at, capacity);
	if (at && use == BLOCK_BODY) /* it must not seem to have flags */
		memset(space_state(h->space, at), 0, block_of(h, at)->capacity);
	return at;
}

int heap_new(struct heap *h, enum block_use use, uint64_t size, uint64_t *ret_at)
{
	uint64_t capacity = round_up(size), at = pop(*list_of(h, use), capacity);
	int r = at ? 0 : extend(h, use, capacity, &at);
	if (r == -ENOSPC)
		at = make_do(h, use, capacity);
	if (!at)
		return r;
	block_of(h, at)->use = use;
	block_of(h, at)->claimed = h->generation;
	*ret_at = at;
	return 0;
}

void heap_free(struct heap *h, uint64_t at)
{
	const struct block *b = block_of(h, at);
	push(list_of(h, b->use), b->capacity, at);
}

bool heap_choose(struct heap *h, uint64_t size, bool (*fits)(const void *data, const struct body *), const void *data,
		 uint64_t *ret_at)
{
	for (struct heap_free *f = h->bodies; f; f = f->hh.next)
		for (size_t i = 0; f->capacity >= size && i < f->n; i++)
			if (fits(data, space_state(h->space, f->at[i]))) {
				*ret_at = f->at[i];
				f->at[i] = f->at[--f->n];
				return true;
			}
	return false;
}

void heap_prefetch(const struct heap *h, uint64_t at)
{
	prefetch_to_read(block_of(h, at));
	for (uint64_t line = at; line < at + AHEAD; line += ALIGN)
		prefetch_to_write(space_state(h->space, line));
}

uint64_t heap_capacity(const struct heap *h, uint64_t at)
{
	return block_of(h, at)->capacity;
}
