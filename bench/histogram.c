/*
 * histogram.c: see histogram.h.
 */
#include "bench/histogram.h"

#include <math.h>

#define LINEAR (1u << HISTOGRAM_BITS)

/* Below twice LINEAR each value has a counter; above, LINEAR of them share a power of two. */
static unsigned counter_of(uint64_t ns)
{
	unsigned shift = ns < 2 * LINEAR ? 0 : 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
	unsigned i = (shift << HISTOGRAM_BITS) + (unsigned)(ns >> shift);
	return shift < HISTOGRAM_OCTAVES && i < HISTOGRAM_COUNTERS ? i : HISTOGRAM_COUNTERS - 1;
}

uint64_t histogram_top(unsigned i)
{
	unsigned shift = i < 2 * LINEAR ? 0 : (i >> HISTOGRAM_BITS) - 1;
	uint64_t first = (uint64_t)(i - (shift << HISTOGRAM_BITS)) << shift;
	return first + ((uint64_t)1 << shift) - 1;
}

void histogram_add_many(struct histogram *h, uint64_t ns, uint64_t n)
{
	h->least = h->n == 0 || ns < h->least ? ns : h->least;
	h->most = ns > h->most ? ns : h->most;
	h->n += n;
	h->sum += (double)ns * (double)n;
	h->counts[counter_of(ns)] += n;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	histogram_add_many(h, ns, 1);
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	if (from->n == 0)
		return;
	h->least = h->n == 0 || from->least < h->least ? from->least : h->least;
	h->most = from->most > h->most ? from->most : h->most;
	h->n += from->n;
	h->sum += from->sum;
	for (unsigned i = 0; i < HISTOGRAM_COUNTERS; i++)
		h->counts[i] += from->counts[i];
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t need = (uint64_t)ceil(share * (double)h->n), sum = 0;
	if (h->n == 0 || share >= 1)
		return h->most;
	for (unsigned i = 0; i < HISTOGRAM_COUNTERS; i++) {
		sum += h->counts[i];
		if (sum >= need && sum > 0)
			return histogram_top(i) < h->most ? histogram_top(i) : h->most;
	}
	return h->most;
}
