/*
 * linearize.c: see linearize.h. The search of Wing and Gong ("Testing and verifying concurrent objects", J. Parallel
 * Distrib. Comput. 17, 1993): take as next any operation that began before every open end, if its answers fit, and go
 * on from there; if that leads nowhere, take another. With the memory of Lowe ("Testing for linearizability",
 * Concurrency Computat. Pract. Exper. 29, 2017): the same set of operations that left the same state is not looked at
 * twice.
 */
#include "tests/torture/linearize.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
	uint64_t done; /* operations that have taken effect; 0: nothing is stored here */
	uint64_t state[LINEAR_CELLS];
};

struct search {
	const struct history *h;
	uint64_t wanted; /* operations that have ended */
	struct place *seen;
	size_t n, room; /* room: a power of two */
	uint8_t path[LINEAR_OPS];
	struct explanation *best;
};

/* ---- the memory ---- */

static struct place *place_find(struct place *seen, size_t room, const struct place *p)
{
	uint64_t hash = p->done;
	for (int i = 0; i < LINEAR_CELLS; i++)
		hash = (hash ^ (hash >> 29) ^ p->state[i]) * UINT64_C(0x9e3779b97f4a7c15);
	size_t at = (hash >> 32) & (room - 1);
	while (seen[at].done && memcmp(&seen[at], p, sizeof *p) != 0)
		at = (at + 1) & (room - 1);
	return &seen[at];
}

static void grow(struct search *s)
{
	size_t room = s->room ? 4 * s->room : 256;
	struct place *seen = calloc(room, sizeof *seen);
	if (!seen)
		abort();
	for (size_t i = 0; i < s->room; i++)
		if (s->seen[i].done)
			*place_find(seen, room, &s->seen[i]) = s->seen[i];
	free(s->seen);
	s->seen = seen;
	s->room = room;
}

/* False: it was known. */
static bool remember(struct search *s, const struct place *p)
{
	if (2 * s->n >= s->room)
		grow(s);
	struct place *found = place_find(s->seen, s->room, p);
	if (found->done)
		return false;
	*found = *p;
	s->n++;
	return true;
}

/* ---- the search ---- */

/* False: an answer was another. */
static bool apply(const struct op *op, uint64_t *state)
{
	for (uint32_t i = 0; i < op->n_steps; i++) {
		const struct step *s = &op->steps[i];
		if (s->kind == STEP_SET)
			state[s->cell] = s->value;
		else if (s->kind == STEP_ADD)
			state[s->cell] += s->value;
		else if (s->kind == STEP_COPY)
			state[s->cell] = state[s->from];
		if (s->answered && state[s->cell] != s->answer)
			return false;
	}
	return true;
}

static uint64_t first_end(const struct history *h, uint64_t done)
{
	uint64_t end = LINEAR_OPEN;
	for (uint32_t i = 0; i < h->n; i++)
		if (!(done >> i & 1) && h->ops[i].ended < end)
			end = h->ops[i].ended;
	return end;
}

static bool search(struct search *s, const struct place *from, uint32_t depth)
{
	const struct history *h = s->h;
	if (depth >= s->best->n) {
		s->best->n = depth;
		memcpy(s->best->order, s->path, depth);
	}
	if ((from->done & s->wanted) == s->wanted)
		return true;
	uint64_t end = first_end(h, from->done);
	for (uint32_t i = 0; i < h->n && h->ops[i].began < end; i++) {
		struct place to = *from;
		if ((from->done >> i & 1) || !apply(&h->ops[i], to.state))
			continue;
		to.done |= UINT64_C(1) << i;
		s->path[depth] = (uint8_t)i;
		if (remember(s, &to) && search(s, &to, depth + 1))
			return true;
	}
	return false;
}

static int by_begin(const void *a, const void *b)
{
	const struct op *x = a, *y = b;
	return (x->began > y->began) - (x->began < y->began);
}

bool linearize(struct history *h, struct explanation *ret)
{
	struct search s = { .h = h, .best = ret };
	struct place start = { 0 };
	qsort(h->ops, h->n, sizeof *h->ops, by_begin);
	for (uint32_t i = 0; i < h->n; i++)
		s.wanted |= (uint64_t)(h->ops[i].ended != LINEAR_OPEN) << i;
	memcpy(start.state, h->start, sizeof start.state);
	ret->n = 0;
	bool found = search(&s, &start, 0);
	free(s.seen);
	return found;
}

/* ---- for who reads it ---- */

static void print_step(const struct step *s)
{
	static const char *const cells[LINEAR_CELLS] = { "x.a", "x.b", "y.a", "y.b" };
	printf("  %s", cells[s->cell]);
	if (s->kind == STEP_SET)
		printf(" := %" PRIx64, s->value);
	else if (s->kind == STEP_ADD)
		printf(" += %" PRIx64, s->value);
	else if (s->kind == STEP_COPY)
		printf(" := %s", cells[s->from]);
	if (s->answered)
		printf(" -> %" PRIx64, s->answer);
}

/* Stamps as places among all stamps, so that a bar is short. */
static uint32_t rank(const struct history *h, uint64_t stamp)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < h->n; i++)
		n += (h->ops[i].began < stamp) + (h->ops[i].ended < stamp);
	return n;
}

static void print_bar(const struct history *h, const struct op *op)
{
	uint32_t from = rank(h, op->began), to = rank(h, op->ended), width = rank(h, LINEAR_OPEN);
	for (uint32_t i = 0; i <= width; i++)
		putchar(i < from || i > to	   ? ' '
			: i == from		   ? '['
			: i < to		   ? '-'
			: op->ended == LINEAR_OPEN ? '?'
						   : ']');
}

void linear_print(const struct history *h, const struct explanation *e)
{
	printf("  start: x.a %" PRIx64 "  x.b %" PRIx64 "  y.a %" PRIx64 "  y.b %" PRIx64
	       " (hexadecimal, as all below)\n",
	       h->start[0], h->start[1], h->start[2], h->start[3]);
	printf("  %u of %u operations can be explained, in the order of the first column\n", e->n, h->n);
	for (uint32_t i = 0; i < h->n; i++) {
		const struct op *op = &h->ops[i];
		uint32_t place = 0;
		while (place < e->n && e->order[place] != i)
			place++;
		if (place < e->n)
			printf("  %3u", place + 1);
		else
			printf("    -");
		printf("  %-8u ", op->who);
		print_bar(h, op);
		printf("  %s", op->how);
		for (uint32_t k = 0; k < op->n_steps; k++)
			print_step(&op->steps[k]);
		putchar('\n');
	}
}
