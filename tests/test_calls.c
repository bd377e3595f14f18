/*
 * test_calls.c: cast, call, assign: what is sent is applied once, and its answer and its errors come back.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/lane.h"
#include "tests/harness.h"

#define PROCESSES 8
#define TIMES 10000

static struct stoa *s;
static struct stoa_proxy *p;

static int64_t value(void)
{
	int64_t v = -1;
	ok(STOA_GET(p, struct counter, value, &v, STOA_DEFAULT));
	return v;
}

/* ---- counting ---------------------------------------------------------------------------------------------- */

static void cast_often(int i)
{
	(void)i;
	for (int n = 0; n < TIMES; n++)
		ok(harness_count(p, STOA_MS(20000)));
}

static void call_often(int i)
{
	struct counter_value v = { 0 };
	(void)i;
	for (int n = 0; n < TIMES; n++) {
		int64_t before = v.value;
		ok(counter_add_call(p, &(struct counter_args){ 1 }, &v, STOA_MS(20000)));
		assert_true(v.value > before);
	}
}

static void cast_counts_each_when_eight_processes_cast(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	harness_spawn_all(PROCESSES, cast_often);
	harness_join_all();
	assert_int_equal(value(), PROCESSES * TIMES);
	assert_int_equal(harness_health(s).applied, PROCESSES * TIMES + 1);
}

static void call_counts_each_when_eight_processes_call(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	harness_spawn_all(PROCESSES, call_often);
	harness_join_all();
	assert_int_equal(value(), PROCESSES * TIMES);
	assert_int_equal(harness_health(s).applied, PROCESSES * TIMES + 1);
}

static void call_returns_the_sum_when_created_from_42(void)
{
	struct counter_value v;
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, &(struct counter){ 42 });
	assert_int_equal(value(), 42);
	ok(harness_count(p, STOA_DEFAULT));
	ok(harness_count(p, STOA_DEFAULT));
	ok(counter_add_call(p, &(struct counter_args){ 10 }, &v, STOA_DEFAULT));
	assert_int_equal(v.value, 54);
	assert_int_equal(value(), 54);
}

static void assign_and_call_keep_their_order(void)
{
	const int64_t zero = 0, hundred = 100;
	struct counter_value v;
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, &(struct counter){ 7 });
	ok(STOA_ASSIGN(p, struct counter, value, &zero, STOA_DEFAULT));
	ok(harness_count(p, STOA_DEFAULT));
	ok(STOA_ASSIGN(p, struct counter, value, &hundred, STOA_DEFAULT));
	ok(counter_add_call(p, &(struct counter_args){ 1 }, &v, STOA_DEFAULT));
	assert_int_equal(v.value, 101);
}

static void counter_refuses_when_the_sum_has_no_place(void)
{
	struct counter_value v = { 3 };
	struct stoa_error e;
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, &(struct counter){ INT64_MAX });
	refused(-EOVERFLOW, counter_add_call(p, &(struct counter_args){ 1 }, &v, STOA_DEFAULT));
	stoa_last_error(&e);
	assert_int_equal(e.origin, STOA_FROM_METHOD);
	assert_false(e.may_apply);
	assert_int_equal(v.value, 3);
	assert_true(value() == INT64_MAX);
}

/* ---- what takes too long ------------------------------------------------------------------------------------- */

struct sleeper {
	int64_t n;
};
STOA_STRUCT(sleeper, STOA_ATTR(struct sleeper, n, .writable = true));

static int sleeper_nap(struct sleeper *self, const stoa_none *args, stoa_none *ret)
{
	(void)args, (void)ret;
	self->n++;
	usleep(10000);
	return 0;
}
STOA_STUB(sleeper, nap, stoa_none, stoa_none);
STOA_METHOD(sleeper, nap, stoa_none, stoa_none, .writes = "n");
STOA_CLASS(sleeper, 1, &sleeper_nap_row);

/* Each keeps its record until its turn comes to be in the way. */
static void answers_that_nobody_awaits_take_no_room_for_good(void)
{
	uint64_t rejected;
	s = harness_start(STOA_CLASSES(&sleeper_class));
	p = harness_create(s, "sleeper", &sleeper_class, NULL);
	for (int64_t k = 0; k < 8; k++) {
		until(sleeper_nap_call(p, NULL, NULL, STOA_MS(2)) == -ETIMEDOUT);
		for (int i = 0; i < 1000; i++) { /* some 128 KiB */
			if (i % 100 == 0)
				ok(stoa_sync(s, SOON, &rejected));
			ok(STOA_ASSIGN(p, struct sleeper, n, &k, SOON));
		}
	}
	assert_true(lane_recent.lane->size_log <= 1);
}

/* ---- what is refused before it is sent ---------------------------------------------------------------------- */

struct other {
	int32_t n;
	int32_t fixed;
};
STOA_STRUCT(other, STOA_ATTR(struct other, n, .writable = true), STOA_ATTR(struct other, fixed));
STOA_RECORD(other, 1);

static void calls_are_refused_when_they_make_no_sense(void)
{
	int32_t n = 1;
	s = harness_start(STOA_CLASSES(&other_class));
	p = harness_create(s, "other", &other_class, &(struct other){ 5, 6 });
	refused(-EINVAL, stoa_call(p, &counter_add_row, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	says("not of class other");
	refused(-EINVAL, stoa_call(p, NULL, NULL, NULL, STOA_DEFAULT));
	refused(-EPERM, STOA_ASSIGN(p, struct other, fixed, &n, STOA_DEFAULT));
	says("fixed");
	refused(-EINVAL, stoa_assign(p, offsetof(struct other, n), &n, 2, STOA_DEFAULT));
	says("4 bytes");
	refused(-EINVAL, stoa_assign(p, 3, &n, 4, STOA_DEFAULT));
	refused(-EINVAL, stoa_get(p, 1000, &n, 4, STOA_DEFAULT, NULL));
	refused(-EINVAL, stoa_get(p, 0, &n, 8, STOA_DEFAULT, NULL));
	struct stoa_proxy *hits = harness_create(s, "hits", &counter_class, NULL);
	refused(-EINVAL, stoa_call(hits, &counter_add_row, NULL, NULL, STOA_DEFAULT));
	says("takes arguments");
	assert_int_equal(harness_health(s).rejected, 0);
}

/* ---- all attributes at once --------------------------------------------------------------------------------- */

static void assign_all_sets_what_is_writable(void)
{
	struct other o = { 9, 9 }, got;
	s = harness_start(STOA_CLASSES(&other_class));
	p = harness_create(s, "other", &other_class, &(struct other){ 5, 6 });
	ok(stoa_assign_all(p, &o, sizeof(o), STOA_DEFAULT));
	ok(stoa_snapshot(p, &got, sizeof(got), STOA_DEFAULT, NULL));
	assert_int_equal(got.n, 9);
	assert_int_equal(got.fixed, 6);
	refused(-EINVAL, stoa_assign_all(p, &o, 4, STOA_DEFAULT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(assign_all_sets_what_is_writable),
		HARNESS(answers_that_nobody_awaits_take_no_room_for_good),
		HARNESS(assign_and_call_keep_their_order),
		HARNESS(call_counts_each_when_eight_processes_call),
		HARNESS(call_returns_the_sum_when_created_from_42),
		HARNESS(calls_are_refused_when_they_make_no_sense),
		HARNESS(cast_counts_each_when_eight_processes_cast),
		HARNESS(counter_refuses_when_the_sum_has_no_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
