/*
 * ticks.h: the clock of the benchmark: the processor's counter where it runs evenly, else CLOCK_MONOTONIC.
 *
 * ticks_begin() comes before any fork: all processes then share one scale. What a reading costs is measured, and said
 * in the output; it is part of every latency, and is not taken off.
 */
#ifndef BENCH_TICKS_H
#define BENCH_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/clock.h"

struct ticks {
	bool processor;   /* false: a tick is a nanosecond of CLOCK_MONOTONIC */
	double ns;        /* in a tick */
	double reading_ns; /* what ticks_now() costs */
};
extern struct ticks ticks;

void ticks_begin(void);

#if defined(__x86_64__)
/* Not before what comes earlier has been done. */
static inline uint64_t ticks_counter(void)
{
	__builtin_ia32_lfence();
	return __builtin_ia32_rdtsc();
}
#else
static inline uint64_t ticks_counter(void)
{
	return (uint64_t)clock_now();
}
#endif

static inline uint64_t ticks_now(void)
{
	return ticks.processor ? ticks_counter() : (uint64_t)clock_now();
}

static inline double ticks_to_ns(uint64_t n)
{
	return (double)n * ticks.ns;
}

#endif
