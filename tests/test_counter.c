/*
 * test_counter.c: the built-in counter at its limits.
 */
#include "include/stoa/counter.h"

#include <errno.h>

#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void start_at(int64_t value)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, &(struct counter){ value });
}

static void assert_value(int64_t wanted)
{
	int64_t value = ~wanted;
	ok(STOA_GET(p, struct counter, value, &value, STOA_DEFAULT));
	assert_int_equal(value, wanted);
}

static void methods_return_the_value_after_them(void)
{
	struct counter_value after;
	start_at(40);
	ok(counter_add_call(p, &(struct counter_args){ 5 }, &after, STOA_DEFAULT));
	assert_int_equal(after.value, 45);
	ok(counter_sub_call(p, &(struct counter_args){ 3 }, &after, STOA_DEFAULT));
	assert_int_equal(after.value, 42);
	ok(counter_set_call(p, &(struct counter_args){ -7 }, &after, STOA_DEFAULT));
	assert_int_equal(after.value, -7);
	assert_value(-7);
	ok(counter_reset_call(p, NULL, &after, STOA_DEFAULT));
	assert_int_equal(after.value, 0);
	assert_value(0);
}

static void sum_that_does_not_fit_changes_nothing(void)
{
	start_at(INT64_MAX - 1);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	refused(-EOVERFLOW, counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	says("9223372036854775807 + 1 is out of range");
	refused(-EOVERFLOW, counter_sub_call(p, &(struct counter_args){ -1 }, NULL, STOA_DEFAULT));
	says("9223372036854775807 - -1 is out of range");
	assert_value(INT64_MAX);
}

static int keep_rejection(void *data, const struct stoa_rejection *r)
{
	*(struct stoa_rejection *)data = *r;
	return 0;
}

static void cast_that_is_rejected_is_told_by_its_method(void)
{
	struct stoa_rejection r = { 0 };
	uint64_t rejected;
	start_at(INT64_MAX);
	ok(counter_add_cast(p, &(struct counter_args){ 1 }, STOA_DEFAULT));
	ok(stoa_sync(s, STOA_DEFAULT, &rejected));
	assert_int_equal(rejected, 1);
	ok(stoa_rejected(s, 0, keep_rejection, &r));
	assert_string_equal(r.row, "add");
}

static void value_can_be_assigned(void)
{
	int64_t value = 12;
	start_at(1);
	ok(STOA_ASSIGN(p, struct counter, value, &value, STOA_DEFAULT));
	assert_value(12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(cast_that_is_rejected_is_told_by_its_method),
		HARNESS(methods_return_the_value_after_them),
		HARNESS(sum_that_does_not_fit_changes_nothing),
		HARNESS(value_can_be_assigned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
