/*
 * test_gauge.c: the built-in gauge: what each method makes of it, what it refuses, and that no doubling is lost.
 */
#include "include/stoa/gauge.h"

#include <errno.h>
#include <math.h>

#include "tests/harness.h"

#define DOUBLERS 4
#define DOUBLINGS 50

static struct stoa_proxy *p;

static void start_at(double value)
{
	p = harness_create(harness_start(NULL), "load", &gauge_class, &(struct gauge){ .value = value });
}

static void assert_gauge(double value, double min, double max, uint64_t n)
{
	struct gauge g;
	ok(stoa_snapshot(p, &g, sizeof(g), STOA_DEFAULT, NULL));
	assert_true(g.value == value && g.min == min && g.max == max);
	assert_int_equal(g.n, n);
}

static void least_and_greatest_are_of_what_methods_made(void)
{
	struct gauge_value after;
	start_at(100);
	assert_gauge(100, 0, 0, 0);
	ok(gauge_set_call(p, &(struct gauge_args){ 3 }, &after, STOA_DEFAULT));
	assert_true(after.value == 3);
	assert_gauge(3, 3, 3, 1);
	ok(gauge_add_call(p, &(struct gauge_args){ -4.5 }, &after, STOA_DEFAULT));
	assert_true(after.value == -1.5);
	ok(gauge_mul_call(p, &(struct gauge_args){ -3 }, &after, STOA_DEFAULT));
	assert_true(after.value == 4.5);
	assert_gauge(4.5, -1.5, 4.5, 3);
	ok(gauge_reset_call(p, NULL, &after, STOA_DEFAULT));
	assert_true(after.value == 0);
	assert_gauge(0, 0, 0, 0);
}

static void cas_sets_only_what_is_as_expected(void)
{
	struct gauge_done d;
	start_at(1);
	ok(gauge_cas_call(p, &(struct gauge_cas){ .expected = 2, .value = 9 }, &d, STOA_DEFAULT));
	assert_false(d.done);
	assert_true(d.value == 1);
	assert_gauge(1, 0, 0, 0);
	ok(gauge_cas_call(p, &(struct gauge_cas){ .expected = 1, .value = 9 }, &d, STOA_DEFAULT));
	assert_true(d.done && d.value == 9);
	assert_gauge(9, 9, 9, 1);
	refused(-ERANGE, gauge_cas_call(p, &(struct gauge_cas){ .expected = 9, .value = NAN }, &d, STOA_DEFAULT));
	says("the new value is nan");
}

static void what_is_no_finite_number_changes_nothing(void)
{
	start_at(1);
	ok(gauge_set_call(p, &(struct gauge_args){ 1e308 }, NULL, STOA_DEFAULT));
	refused(-ERANGE, gauge_mul_call(p, &(struct gauge_args){ 10 }, NULL, STOA_DEFAULT));
	says("1e+308 * 10 is not a finite number");
	refused(-ERANGE, gauge_add_call(p, &(struct gauge_args){ 1e308 }, NULL, STOA_DEFAULT));
	refused(-ERANGE, gauge_set_call(p, &(struct gauge_args){ NAN }, NULL, STOA_DEFAULT));
	says("the new value is nan, which is not a finite number");
	refused(-ERANGE, gauge_add_call(p, &(struct gauge_args){ -INFINITY }, NULL, STOA_DEFAULT));
	assert_gauge(1e308, 1e308, 1e308, 1);
}

static void a_new_one_has_no_values_behind_it(void)
{
	struct stoa *s = harness_start(NULL);
	refused(-EINVAL, stoa_create(s, "g", &gauge_class, &(struct gauge){ .value = NAN }, 0, &p));
	says("value is nan; it can be any finite number");
	refused(-EINVAL, stoa_create(s, "g", &gauge_class, &(struct gauge){ .n = 5 }, 0, &p));
	says("n is 5; of a new one it can only be 0");
	refused(-EINVAL, stoa_create(s, "g", &gauge_class, &(struct gauge){ .min = 5, .max = 3 }, 0, &p));
	says("min is 5; of a new one it can only be 0");
}

static void double_it(int i)
{
	for (int n = i; n < DOUBLINGS; n += DOUBLERS)
		ok(gauge_mul_cast(p, &(struct gauge_args){ 2 }, STOA_DEFAULT));
}

static void fifty_doublings_by_four_processes_are_two_to_the_fifty(void)
{
	start_at(1);
	harness_spawn_all(DOUBLERS, double_it);
	harness_join_all();
	assert_gauge(0x1p50, 2, 0x1p50, DOUBLINGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(least_and_greatest_are_of_what_methods_made),
		HARNESS(cas_sets_only_what_is_as_expected),
		HARNESS(what_is_no_finite_number_changes_nothing),
		HARNESS(a_new_one_has_no_values_behind_it),
		HARNESS(fifty_doublings_by_four_processes_are_two_to_the_fifty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
