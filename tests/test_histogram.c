/*
 * test_histogram.c: the benchmark's histogram: values are kept to within 1.6 %, the ends exactly, and none is dropped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/histogram.h"

static void assert_near(uint64_t got, uint64_t expected)
{
	assert_in_range(got, expected, expected + expected / 60 + 1);
}

static void histogram_is_exact_when_values_are_small(void **state)
{
	static struct histogram h;
	(void)state;
	for (uint64_t ns = 1; ns <= 100; ns++)
		histogram_add(&h, ns);
	assert_int_equal(h.n, 100);
	assert_int_equal(histogram_at(&h, 0.5), 50);
	assert_int_equal(histogram_at(&h, 0.99), 99);
	assert_int_equal(histogram_at(&h, 1), 100);
}

static void histogram_is_near_when_values_are_great(void **state)
{
	(void)state;
	for (uint64_t ns = 1; ns < (UINT64_C(1) << 39); ns = ns * 5 / 4 + 1) {
		struct histogram h;
		memset(&h, 0, sizeof(h));
		histogram_add(&h, ns);
		histogram_add(&h, UINT64_C(1) << 40); /* so that the greatest does not bound it */
		assert_near(histogram_at(&h, 0.5), ns);
	}
}

static void histogram_keeps_one_in_a_million_when_asked_for_the_end(void **state)
{
	static struct histogram h;
	(void)state;
	for (int i = 0; i < 999999; i++)
		histogram_add(&h, 20);
	histogram_add(&h, 77777777777);
	assert_int_equal(histogram_at(&h, 0.99999), 20);
	assert_int_equal(histogram_at(&h, 1), 77777777777);
	assert_int_equal(h.most, 77777777777);
}

static void histogram_counts_all_when_merged(void **state)
{
	static struct histogram a, b, none;
	(void)state;
	histogram_add(&a, 1000);
	histogram_add(&b, 10);
	histogram_add(&b, UINT64_MAX);
	histogram_merge(&a, &b);
	histogram_merge(&a, &none);
	assert_int_equal(a.n, 3);
	assert_int_equal(a.least, 10);
	assert_true(a.most == UINT64_MAX);
	assert_near(histogram_at(&a, 0.6), 1000);
}

static void histogram_says_nothing_when_empty(void **state)
{
	static struct histogram h;
	(void)state;
	assert_int_equal(histogram_at(&h, 0.5), 0);
	assert_int_equal(histogram_at(&h, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histogram_is_exact_when_values_are_small),
		cmocka_unit_test(histogram_is_near_when_values_are_great),
		cmocka_unit_test(histogram_keeps_one_in_a_million_when_asked_for_the_end),
		cmocka_unit_test(histogram_counts_all_when_merged),
		cmocka_unit_test(histogram_says_nothing_when_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
