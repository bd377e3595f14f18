/*
 * results.c: what the rounds say: see the lower half of run.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options.h"
#include "bench/run.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Between two of n sorted values, if need be. */
static double quantile(const double *sorted, unsigned n, double share)
{
	double at = share * (n - 1);
	unsigned i = (unsigned)at;
	return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

struct spread run_spread(const double *values, unsigned n)
{
	struct spread s = { 0 };
	double *sorted = malloc((n + 1) * sizeof(double));
	for (unsigned i = 0; sorted && i < n; i++)
		if (isfinite(values[i]))
			sorted[s.n++] = values[i];
	if (s.n) {
		qsort(sorted, s.n, sizeof(double), by_value);
		s.median = quantile(sorted, s.n, 0.5);
		s.low = quantile(sorted, s.n, 0.25);
		s.high = quantile(sorted, s.n, 0.75);
	}
	free(sorted);
	return s;
}

struct spread run_ratio(const struct run *run, const double *over, const double *under)
{
	double *ratios = malloc((run->rounds + 1) * sizeof(double));
	for (unsigned i = 0; ratios && i < run->rounds; i++)
		ratios[i] = over[i] / under[i];
	struct spread s = ratios ? run_spread(ratios, run->rounds) : (struct spread){ 0 };
	free(ratios);
	return s;
}

const struct cell *run_find(const struct run *run, const char *peer, const char *op, unsigned clients, bool pinned,
			    enum pace pace)
{
	for (size_t i = 0; i < run->n; i++) {
		const struct order *o = &run->cells[i].order;
		if (o->clients == clients && o->pinned == pinned && o->pace == pace &&
		    strcmp(o->peer->name, peer) == 0 && strcmp(o->op->name, op) == 0)
			return run->cells[i].failed[0] ? NULL : &run->cells[i];
	}
	return NULL;
}

/* What is compared with a sleep and a wake: the same, with CPUs chosen alike. */
static const double *floor_cell(const struct run *run, const char *op, const struct order *o, enum pace pace)
{
	const struct cell *c = run_find(run, "floor", op, 1, o->pinned, pace);
	c = c ? c : run_find(run, "floor", op, 1, !o->pinned, pace);
	return c ? c->cost_ns : NULL;
}

const double *run_floor(const struct run *run, const struct cell *cell, const char **ret_name)
{
	const struct order *o = &cell->order;
	if (o->op->kind == KIND_FLOOR || o->pace == PACE_RATE) {
		*ret_name = "";
		return NULL;
	}
	if (o->op->kind == KIND_N) {
		*ret_name = "futex wake";
		return floor_cell(run, *ret_name, o, PACE_PARKED);
	}
	if (o->op->kind == KIND_R || o->op->kind == KIND_S) {
		*ret_name = "seqlock read, 64 B";
		return floor_cell(run, *ret_name, o, PACE_BUSY);
	}
	if (o->pace == PACE_PARKED) {
		*ret_name = "futex ping-pong";
		return floor_cell(run, *ret_name, o, PACE_PARKED);
	}
	*ret_name = "cache line ping-pong";
	return cell->probe_ns;
}

const struct cell *run_stoa(const struct run *run, const struct cell *cell)
{
	const struct order *o = &cell->order;
	if (o->op->like)
		return run_find(run, "stoa", o->op->like, o->clients, o->pinned, o->pace);
	for (size_t i = 0; i < run->n; i++) {
		const struct order *c = &run->cells[i].order;
		if (strcmp(c->peer->name, "stoa") == 0 && c->op->kind == o->op->kind && c->clients == o->clients &&
		    c->pinned == o->pinned && c->pace == o->pace && !run->cells[i].failed[0])
			return &run->cells[i];
	}
	return NULL;
}
