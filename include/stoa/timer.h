/*
 * stoa/timer.h - the built-in class "timer": how long things took, and what that says of them.
 *
 * Create one with stoa_create(stoa, "requests", &timer_class, NULL, 0, &proxy), and record what each takes, in
 * milliseconds. n, total, mean, variance and stdev (of a sample: divided by n - 1; 0 while n is below 2), min, max and
 * last are of all that was recorded, percentiles of the last TIMER_RECENT of it: exact, with linear interpolation, as
 * Python's statistics.quantiles(method="inclusive") has them. For more of the past: stoa/histogram.h. Since 0.1.
 *
 * percentile and percentiles are readers: in a caller that opened the object with timer_class they run there, and keep
 * nobody waiting. A record copies 8 KiB.
 */
#ifndef STOA_TIMER_H
#define STOA_TIMER_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TIMER_RECENT 1000

struct timer {
	uint64_t n;
	double total, mean, min, max, variance, stdev, last; /* ms; variance: ms squared */
	double squares;              /* sum of the squared differences from the mean */
	double recent[TIMER_RECENT]; /* number i of all, from 0, is at i % TIMER_RECENT */
};

struct timer_args {
	double ms; /* 0 to 1e15; others: -ERANGE */
};

struct timer_percentile {
	double p; /* 0 to 100; others: -ERANGE */
};

struct timer_value {
	double ms;
};

struct timer_percentiles {
	double p50, p90, p95, p99; /* ms */
};

STOA__BUILTIN(stoa_class, timer_class);
STOA__BUILTIN(stoa_method, timer_percentile_row);
STOA__BUILTIN(stoa_method, timer_percentiles_row);
STOA__BUILTIN(stoa_method, timer_record_row);
STOA__BUILTIN(stoa_method, timer_reset_row);

STOA_STUB(timer, record, struct timer_args, stoa_none);
STOA_STUB(timer, percentile, struct timer_percentile, struct timer_value); /* -ENODATA: nothing was recorded */
STOA_STUB(timer, percentiles, stoa_none, struct timer_percentiles);        /* the same */
STOA_STUB(timer, reset, stoa_none, stoa_none);                             /* as new */

#ifdef __cplusplus
}
#endif

#endif
