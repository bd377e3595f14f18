/*
 * timer.c: the methods of the built-in class "timer".
 *
 * Mean and variance are updated as B. P. Welford has it ("Note on a method for calculating corrected sums of squares
 * and products", Technometrics 4, 1962; also Knuth, TAOCP 2, 4.2.2): sums of squares would lose all digits where the
 * differences are small. Percentiles are computed when asked for, from what is kept.
 */
#include "include/stoa/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/builtin/given.h"

#define MS_MAX 1e15 /* beyond any time; n of these, and their squares, stay finite */

STOA_STRUCT(timer, STOA_ATTR(struct timer, n, .doc = "times recorded"),
	    STOA_ATTR(struct timer, total, .unit = "ms"), STOA_ATTR(struct timer, mean, .unit = "ms"),
	    STOA_ATTR(struct timer, min, .unit = "ms"), STOA_ATTR(struct timer, max, .unit = "ms"),
	    STOA_ATTR(struct timer, variance, .unit = "ms^2", .doc = "of a sample: divided by n - 1"),
	    STOA_ATTR(struct timer, stdev, .unit = "ms", .doc = "its root"), STOA_ATTR(struct timer, last, .unit = "ms"),
	    STOA_ATTR(struct timer, squares, .unit = "ms^2", .doc = "of the differences from the mean, their sum"),
	    STOA_ATTR(struct timer, recent, .unit = "ms", .doc = "the last of them, in a ring"));
STOA_STRUCT(timer_args, STOA_ATTR(struct timer_args, ms, .unit = "ms", .doc = "how long it took"));
STOA_STRUCT(timer_percentile, STOA_ATTR(struct timer_percentile, p, .doc = "0 to 100"));
STOA_STRUCT(timer_value, STOA_ATTR(struct timer_value, ms, .unit = "ms"));
STOA_STRUCT(timer_percentiles, STOA_ATTR(struct timer_percentiles, p50, .unit = "ms"),
	    STOA_ATTR(struct timer_percentiles, p90, .unit = "ms"),
	    STOA_ATTR(struct timer_percentiles, p95, .unit = "ms"),
	    STOA_ATTR(struct timer_percentiles, p99, .unit = "ms"));

static int timer_record(struct timer *self, const struct timer_args *args, stoa_none *ret)
{
	double ms = args->ms, before = ms - self->mean;
	(void)ret;
	if (!(ms >= 0 && ms <= MS_MAX))
		return stoa_fail(-ERANGE, "ms is %g: not from 0 to %g", ms, MS_MAX);
	self->recent[self->n % TIMER_RECENT] = self->last = ms;
	self->min = self->n == 0 || ms < self->min ? ms : self->min;
	self->max = self->n == 0 || ms > self->max ? ms : self->max;
	self->n++;
	self->total += ms;
	self->mean += before / (double)self->n;
	self->squares += before * (ms - self->mean);
	self->variance = self->n > 1 ? self->squares / (double)(self->n - 1) : 0;
	self->stdev = __builtin_sqrt(self->variance);
	return 0;
}

static int timer_reset(struct timer *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	*self = (struct timer){ 0 };
	return 0;
}

/* ---- percentiles ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* What is kept, sorted; how many. */
static size_t sort(const struct timer *self, double ret_sorted[TIMER_RECENT])
{
	size_t n = self->n < TIMER_RECENT ? (size_t)self->n : TIMER_RECENT;
	memcpy(ret_sorted, self->recent, n * sizeof(double));
	qsort(ret_sorted, n, sizeof(double), compare);
	return n;
}

/* In the order of operations that Python's statistics.quantiles has: the same to the last bit. */
static double at(const double *sorted, size_t n, double p)
{
	double place = p * (double)(n - 1);
	size_t i = (size_t)(place / 100);
	double past = place - 100 * (double)i;
	return i + 1 < n ? (sorted[i] * (100 - past) + sorted[i + 1] * past) / 100 : sorted[n - 1];
}

static int nothing(void)
{
	return stoa_fail(-ENODATA, "nothing was recorded: there are no percentiles");
}

static int timer_percentile(const struct timer *self, const struct timer_percentile *args, struct timer_value *ret)
{
	double sorted[TIMER_RECENT];
	if (!(args->p >= 0 && args->p <= 100))
		return stoa_fail(-ERANGE, "p is %g: not from 0 to 100", args->p);
	size_t n = sort(self, sorted);
	if (n == 0)
		return nothing();
	ret->ms = at(sorted, n, args->p);
	return 0;
}

static int timer_percentiles(const struct timer *self, const stoa_none *args, struct timer_percentiles *ret)
{
	double sorted[TIMER_RECENT];
	size_t n = sort(self, sorted);
	(void)args;
	if (n == 0)
		return nothing();
	*ret = (struct timer_percentiles){
		at(sorted, n, 50), at(sorted, n, 90), at(sorted, n, 95), at(sorted, n, 99)
	};
	return 0;
}

#define ALL "n total mean min max variance stdev last squares recent"
STOA_METHOD(timer, record, timer_args, stoa_none, .writes = ALL, .doc = "it took so long");
STOA_READER(timer, percentile, timer_percentile, timer_value, .reads = "n recent",
	    .doc = "of the last 1,000: p % of them took no longer");
STOA_READER(timer, percentiles, stoa_none, timer_percentiles, .reads = "n recent", .doc = "the usual ones");
STOA_METHOD(timer, reset, stoa_none, stoa_none, .writes = ALL, .doc = "as new");

static int timer_validate(const void *self, bool is_new)
{
	return is_new ? given_only(&timer_struct, self, "") : 0;
}
STOA_CLASS_VALIDATE(timer, 1, timer_validate, &timer_record_row, &timer_percentile_row, &timer_percentiles_row,
		    &timer_reset_row);
