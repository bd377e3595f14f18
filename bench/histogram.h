/*
 * histogram.h: a histogram of latencies in nanoseconds that keeps every value, to within 1.6 %: counters spread
 * logarithmically over powers of two, and linearly (64) within each, as HdrHistogram has them.
 *
 * Nothing is trimmed: greatest and smallest are exact, and what is beyond the last counter (18 minutes) is counted
 * there. Plain memory without pointers, so that it may lie in shared memory. All zero is an empty one.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 6
#define HISTOGRAM_OCTAVES 34
#define HISTOGRAM_COUNTERS ((HISTOGRAM_OCTAVES + 1) << HISTOGRAM_BITS)

struct histogram {
	uint64_t n, least, most;
	double sum;
	uint64_t counts[HISTOGRAM_COUNTERS];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_add_many(struct histogram *h, uint64_t ns, uint64_t n); /* the same n times */
void histogram_merge(struct histogram *h, const struct histogram *from);

/* The value that a share of all (0 to 1) does not exceed; 1: the greatest. 0 of an empty one. */
uint64_t histogram_at(const struct histogram *h, double share);

uint64_t histogram_top(unsigned counter); /* the greatest value of a counter */

#endif
