/*
 * slice.h: a client's part of a slice: the loops around an operation.
 */
#ifndef BENCH_SLICE_H
#define BENCH_SLICE_H

#include "bench/pool.h"

#define SLICE_COST_UNIT 64.0

/* What one client did; in shared memory, written by that client only. */
struct seat {
	int status;
	char text[160];
	uint64_t n; /* operations of the second half */
	int64_t from_ns, until_ns; /* when that began, and when they had been done and applied; a loop's own: 0, its time */
	struct histogram costs; /* of those, by batches of them, in SLICE_COST_UNIT of a nanosecond */
	struct histogram histogram;
};

/* From start_ns on. What it finds goes to the seat; returns its status. */
int slice_run(const struct order *order, unsigned me, void *client, int64_t start_ns, struct seat *seat);

#endif
