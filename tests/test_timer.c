/*
 * test_timer.c: the built-in timer. The values are those of Python's statistics module: fmean, variance, stdev, and
 * quantiles(n=100, method="inclusive").
 */
#include "include/stoa/timer.h"

#include <errno.h>
#include <math.h>

#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "t", &timer_class, NULL);
}

static void record(double ms)
{
	ok(timer_record_cast(p, &(struct timer_args){ ms }, STOA_DEFAULT));
}

static struct timer now(void)
{
	struct timer t;
	ok(stoa_snapshot(p, &t, sizeof(t), STOA_DEFAULT, NULL));
	return t;
}

static double percentile(double percent)
{
	struct timer_value value;
	ok(timer_percentile_call(p, &(struct timer_percentile){ percent }, &value, STOA_DEFAULT));
	return value.ms;
}

static void assert_near(double value, double reference)
{
	if (!(fabs(value - reference) <= 1e-12 * fabs(reference)))
		fail_msg("%.17g is not %.17g", value, reference);
}

static void a_few_are_as_the_reference_has_them(void)
{
	start();
	for (int i = 1; i <= 3; i++)
		record(i);
	struct timer t = now();
	assert_true(t.n == 3 && t.total == 6 && t.mean == 2 && t.variance == 1 && t.stdev == 1);
	assert_true(t.min == 1 && t.max == 3 && t.last == 3);
	assert_true(percentile(95) == 2.9 && percentile(1) == 1.02);
	record(5);
	record(4);
	t = now();
	assert_true(t.variance == 2.5 && t.stdev == 1.5811388300841898 && t.last == 4 && t.max == 5);
	assert_true(percentile(95) == 4.8 && percentile(50) == 3 && percentile(0) == 1 && percentile(100) == 5);
}

static void one_has_no_variance_and_none_has_no_percentiles(void)
{
	start();
	refused(-ENODATA, timer_percentile_call(p, &(struct timer_percentile){ 50 }, NULL, STOA_DEFAULT));
	says("nothing was recorded");
	refused(-ENODATA, timer_percentiles_call(p, NULL, NULL, STOA_DEFAULT));
	record(7);
	struct timer t = now();
	assert_true(t.n == 1 && t.mean == 7 && t.min == 7 && t.max == 7 && t.variance == 0 && t.stdev == 0);
	assert_true(percentile(0) == 7 && percentile(37.5) == 7 && percentile(100) == 7);
}

static void percentiles_are_of_the_last_1000_and_the_rest_of_all(void)
{
	struct timer_percentiles usual;
	start();
	for (int i = 0; i < 1500; i++)
		record(i * 7919 % 1009 / 8.0);
	struct timer t = now();
	assert_int_equal(t.n, 1500);
	assert_true(t.total == 94471.875 && t.min == 0 && t.max == 126);
	assert_near(t.mean, 62.98125);
	assert_near(t.variance, 1328.18807590477);
	assert_near(t.stdev, 36.444314726782416);
	assert_true(percentile(1) == 1.24875 && percentile(5) == 6.24375 && percentile(25) == 31.46875);
	ok(timer_percentiles_call(p, NULL, &usual, STOA_DEFAULT));
	assert_true(usual.p50 == 63.0625 && usual.p90 == 113.3875 && usual.p95 == 119.75625 && usual.p99 == 124.75125);
}

/* Of sums of squares nothing would be left here. */
static void variance_survives_a_large_mean(void)
{
	start();
	for (int i = 4; i <= 16; i += 3)
		record(1e9 + i);
	struct timer t = now();
	assert_near(t.mean, 1e9 + 10);
	assert_near(t.variance, 22.5);
}

static void what_is_no_time_changes_nothing(void)
{
	start();
	record(1);
	refused(-ERANGE, timer_record_call(p, &(struct timer_args){ -1 }, NULL, STOA_DEFAULT));
	says("ms is -1: not from 0 to 1e+15");
	refused(-ERANGE, timer_record_call(p, &(struct timer_args){ NAN }, NULL, STOA_DEFAULT));
	refused(-ERANGE, timer_record_call(p, &(struct timer_args){ INFINITY }, NULL, STOA_DEFAULT));
	refused(-ERANGE, timer_percentile_call(p, &(struct timer_percentile){ 100.5 }, NULL, STOA_DEFAULT));
	says("p is 100.5: not from 0 to 100");
	refused(-ERANGE, timer_percentile_call(p, &(struct timer_percentile){ NAN }, NULL, STOA_DEFAULT));
	struct timer t = now();
	assert_true(t.n == 1 && t.total == 1);
	ok(timer_reset_call(p, NULL, NULL, STOA_DEFAULT));
	t = now();
	assert_true(t.n == 0 && t.total == 0 && t.max == 0 && t.recent[0] == 0);
}

static void a_new_one_has_nothing(void)
{
	start();
	refused(-EINVAL, stoa_create(s, "of", &timer_class, &(struct timer){ .n = 5 }, 0, &p));
	says("n is 5; of a new one it can only be 0");
	refused(-EINVAL, stoa_create(s, "of", &timer_class, &(struct timer){ .stdev = NAN }, 0, &p));
	says("stdev is nan; of a new one it can only be 0");
	ok(stoa_create(s, "of", &timer_class, &(struct timer){ 0 }, 0, &p));
}

static void a_new_coordinator_goes_on_where_the_old_one_was(void)
{
	start();
	record(1);
	record(2);
	ok(stoa_sync(s, SOON, NULL));
	harness_kill_coordinator(s);
	for (int i = 3; i <= 5; i++)
		record(i);
	assert_true(now().stdev == 1.5811388300841898 && percentile(95) == 4.8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(a_few_are_as_the_reference_has_them),
		HARNESS(one_has_no_variance_and_none_has_no_percentiles),
		HARNESS(percentiles_are_of_the_last_1000_and_the_rest_of_all),
		HARNESS(variance_survives_a_large_mean),
		HARNESS(what_is_no_time_changes_nothing),
		HARNESS(a_new_one_has_nothing),
		HARNESS(a_new_coordinator_goes_on_where_the_old_one_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
