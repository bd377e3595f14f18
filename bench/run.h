/*
 * run.h: the rounds. In each, every cell (an operation of a peer, with so many clients) gets one slice, one after the
 * other, so that a drift of the machine hits all alike; ratios are formed within a round.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "bench/pool.h"

#define SLOW_KIND_NS 220 /* a ping-pong above it is of the slow kind: the two CPUs are far apart just now */

struct cell {
	struct order order;
	struct histogram histogram; /* of all rounds */
	double *cost_ns;	    /* of each round */
	double *mean_ns;	    /* of each round */
	double *probe_ns;	    /* of each round: the last ping-pong before it */
	char failed[160];	    /* empty: it did not */
};

struct run {
	struct cell *cells;
	size_t n;
	unsigned rounds; /* that are complete */
	double *probe_ns; /* of each round, at its beginning */
	struct {
		const struct peer *peer;
		char why[160];
	} absent[64];
	size_t n_absent;
};

int run_begin(struct run *run);  /* starts the peers, plans the cells, forks the clients */
int run_probe(double *ret_ns);    /* a cache line's ping-pong, now */
int run_rounds(struct run *run); /* -EINTR: by the user; the complete rounds are there */
void run_end(struct run *run);

/* Of some rounds: the median, and the quartiles around it. n 0: of none. */
struct spread {
	unsigned n;
	double median, low, high;
};
struct spread run_spread(const double *values, unsigned n);
struct spread run_ratio(const struct run *run, const double *over, const double *under);

/* NULL: it was not measured, or failed. */
const struct cell *run_find(const struct run *run, const char *peer, const char *op, unsigned clients, bool pinned,
			    enum pace pace);
/* NULL: none, as at a rate. */
const double *run_floor(const struct run *run, const struct cell *cell, const char **ret_name);
const struct cell *run_stoa(const struct run *run, const struct cell *cell); /* what op->like says; NULL: none */

#endif
