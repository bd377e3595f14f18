/*
 * moment.c: see moment.h. Linearisation point: the load of `committed` of the round that was whole.
 */
#include "proxy/moment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/lane.h"
#include "proxy/wait.h"
#include "src/cell.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/park.h"

#define ROUNDS 64 /* between looks at the clock */

int copy_take(const struct space *space, struct copy *c, uint64_t g)
{
	uint64_t tag;
	int k = cell_current(&c->part->tags, g, &tag);
	if (k < 0)
		return 0;
	if (c->tag == tag && cell_still(&c->part->tags, k, tag))
		return 1;
	c->tag = 0;
	uint64_t at = atomic_load_explicit(&c->part->cell[k], memory_order_relaxed), size = c->plan->size;
	if (at < space->geometry.heap_at || at > space->geometry.state - sizeof(struct cell))
		return 0;
	const struct cell *cell = space_state(space, at);
	uint64_t room = space->geometry.state - at, variable = 0;
	if (c->plan->image->variable) {
		variable = atomic_load_explicit(&cell->size, memory_order_relaxed);
		size = c->plan->image_at + variable;
	}
	if (!cell_still(&c->part->tags, k, tag) || variable > room || size > room)
		return 0;
	if (size > c->room) {
		char *more = realloc(c->own ? c->bytes : NULL, size);
		if (!more)
			return -ENOMEM;
		c->bytes = more;
		c->room = size;
		c->own = true;
	}
	memcpy(c->bytes, cell, size);
	if (!cell_still(&c->part->tags, k, tag))
		return 0;
	c->tag = tag;
	return 1;
}

static size_t round_up(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

/* Bytes for the copies of fixed size, and how many copies there are. */
static size_t measure(struct target *const *targets, size_t n, size_t *ret_copies)
{
	size_t bytes = 0, copies = 0;
	for (size_t i = 0; i < n; i++) {
		const struct class_plan *plan = targets[i]->binding->view->plan;
		copies += plan->n_attr_parts;
		for (uint32_t p = 0; p < plan->n_attr_parts; p++)
			bytes += plan->parts[p].image->variable ? 0 : round_up(plan->parts[p].size);
	}
	*ret_copies = copies;
	return bytes;
}

int moment_begin(struct moment *m, struct target *const *targets, size_t n, size_t extra)
{
	size_t bytes = measure(targets, n, &m->n), k = 0;
	size_t heads = round_up(m->n * sizeof(*m->copies)), order = round_up(m->n * sizeof(*m->order));
	char *at = lane_scratch(round_up(extra) + heads + order + bytes + 1);
	if (!at)
		return error_set(-ENOMEM, "no memory for a copy of %zu bytes", bytes);
	m->spare = at;
	m->copies = (struct copy *)(at + round_up(extra));
	m->order = (uint32_t *)((char *)m->copies + heads);
	at = (char *)m->order + order;
	for (size_t i = 0; i < n; i++) {
		const struct class_plan *plan = targets[i]->binding->view->plan;
		for (uint32_t p = 0; p < plan->n_attr_parts; p++) {
			size_t size = plan->parts[p].image->variable ? 0 : plan->parts[p].size;
			m->order[k] = (uint32_t)k;
			m->copies[k++] = (struct copy){
				.part = &targets[i]->body->parts[p], .plan = &plan->parts[p], .bytes = at, .room = size
			};
			at += round_up(size);
		}
	}
	return 0;
}

void moment_end(struct moment *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->copies[i].own)
			free(m->copies[i].bytes);
}

int moment_begin_whole(struct moment *m, struct target *const *targets, size_t n)
{
	size_t k = 0;
	*m = (struct moment){ 0 };
	for (size_t i = 0; i < n; i++)
		m->n += targets[i]->binding->view->plan->n_parts;
	m->copies = calloc(m->n + 1, sizeof(*m->copies));
	m->order = calloc(m->n + 1, sizeof(*m->order));
	if (!m->copies || !m->order) {
		m->n = 0;
		return error_set(-ENOMEM, "no memory for a copy of %zu objects", n);
	}
	for (size_t i = 0; i < n; i++) {
		const struct class_plan *plan = targets[i]->binding->view->plan;
		for (uint32_t p = 0; p < plan->n_parts; p++, k++) {
			m->order[k] = (uint32_t)k;
			m->copies[k] = (struct copy){ .part = &targets[i]->body->parts[p], .plan = &plan->parts[p] };
		}
	}
	return 0;
}

void moment_end_whole(struct moment *m)
{
	moment_end(m);
	free(m->copies);
	free(m->order);
}

/* A part of hooks that has no cell as of g. While g is the newest, what it had then cannot have been overwritten. */
static bool is_unwritten(const struct stoa *s, const struct copy *c, uint64_t g)
{
	uint64_t tag;
	return c->plan->n_attrs == 0 && cell_current(&c->part->tags, g, &tag) < 0 && handle_committed(s) == g;
}

static void to_front(struct moment *m, size_t i)
{
	uint32_t hot = m->order[i];
	memmove(m->order + 1, m->order, i * sizeof(*m->order));
	m->order[0] = hot;
}

/* There is no copy: 1: nothing is there; 0: it was overwritten, and comes first the next time. */
static int take_none(const struct stoa *s, struct moment *m, size_t i, uint64_t g)
{
	struct copy *c = &m->copies[m->order[i]];
	bool none = is_unwritten(s, c, g);
	if (none)
		c->tag = 0;
	else
		to_front(m, i);
	return none;
}

/* 1: whole; 0: something changed under us. */
static int take_round(const struct stoa *s, struct moment *m, struct target *const *targets, size_t n)
{
	uint64_t g = handle_committed(s);
	int whole = 1;
	for (size_t i = 0; i < m->n; i++) {
		int r = copy_take(&s->space, &m->copies[m->order[i]], g);
		if (r < 0)
			return r;
		if (r == 0)
			r = take_none(s, m, i, g);
		whole = whole && r;
	}
	for (size_t i = 0; i < n; i++)
		if (target_dead(targets[i], g))
			return -ESTALE;
	return whole;
}

int moment_again(const struct stoa *s, int round, int64_t timeout, int64_t *deadline)
{
	static const char why[] = "the objects change faster than they can be copied, or are damaged";
	if (round % ROUNDS == 0 && timeout == STOA_NOWAIT)
		return error_set(-EAGAIN, why);
	if (round == ROUNDS)
		*deadline = handle_deadline(s, timeout);
	else if (round % ROUNDS == 0 && clock_now() >= *deadline)
		return error_set(-ETIMEDOUT, why);
	park_pause();
	return 0;
}

int moment_take(const struct stoa *s, struct moment *m, struct target *const *targets, size_t n, int64_t timeout)
{
	int64_t deadline = 0;
	int r;
	for (int round = 1; (r = take_round(s, m, targets, n)) == 0; round++) {
		r = moment_again(s, round, timeout, &deadline);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}
