/*
 * test_breaker.c: the built-in breaker: what trips it, how long it sleeps, and what a clock that is set does to it.
 */
#include "include/stoa/breaker.h"

#include <errno.h>
#include <math.h>

#include "tests/harness.h"

#define HOUR (3600 * STOA_MS(1000))

static struct stoa_proxy *p;
static struct breaker_state state;

static void start(struct breaker init)
{
	p = harness_create(harness_start(NULL), "db", &breaker_class, &init);
}

static struct breaker now(void)
{
	struct breaker b;
	ok(stoa_snapshot(p, &b, sizeof(b), SOON, NULL));
	return b;
}

static double reset(void)
{
	struct breaker_sleep next;
	ok(breaker_reset_call(p, NULL, &next, SOON));
	return next.sleep;
}

static double reset_backoff(void)
{
	struct breaker_sleep next;
	ok(breaker_reset_backoff_call(p, NULL, &next, SOON));
	return next.sleep;
}

static void two_shorts_break_it_and_a_reset_closes_it(void)
{
	start((struct breaker){ .after = 2, .sleep = 3600 });
	ok(breaker_short_call(p, NULL, &state, SOON));
	assert_true(!state.broken && state.wait_ns == 0);
	ok(breaker_short_call(p, NULL, &state, SOON));
	assert_true(state.broken && state.wait_ns == HOUR);
	ok(breaker_check_call(p, NULL, &state, SOON));
	assert_true(state.broken && state.wait_ns > 0 && state.wait_ns < HOUR);
	ok(breaker_short_call(p, NULL, &state, SOON));
	struct breaker b = now();
	assert_true(b.broken && b.times == 3 && b.total_trips == 1 && b.until == b.since + HOUR);
	assert_true(reset() == 3600);
	b = now();
	assert_true(!b.broken && b.times == 0 && b.total_trips == 1 && b.since == 0 && b.until == 0);
	ok(breaker_check_call(p, NULL, &state, SOON));
	assert_true(!state.broken && state.wait_ns == 0);
	ok(breaker_short_call(p, NULL, &state, SOON));
	assert_false(state.broken);
}

static void a_trip_breaks_it_once_while_it_sleeps(void)
{
	start((struct breaker){ .after = 100, .sleep = 3600 });
	ok(breaker_trip_call(p, NULL, &state, SOON));
	assert_true(state.broken && state.wait_ns == HOUR);
	int64_t until = now().until;
	ok(breaker_trip_call(p, NULL, &state, SOON));
	struct breaker b = now();
	assert_true(b.broken && b.total_trips == 1 && b.times == 0 && b.until == until);
	reset();
	ok(breaker_trip_call(p, NULL, &state, SOON));
	assert_true(now().total_trips == 2);
}

static void resets_make_the_sleep_longer_up_to_the_cap(void)
{
	start((struct breaker){ .after = 2, .sleep = 1, .factor = 2, .cap = 3 });
	ok(breaker_trip_call(p, NULL, &state, SOON));
	assert_true(now().sleep == 1 && state.wait_ns == STOA_MS(1000));
	assert_true(reset() == 2);
	assert_true(reset() == 3);
	ok(breaker_trip_call(p, NULL, &state, SOON));
	assert_true(state.wait_ns == STOA_MS(3000));
	assert_true(reset() == 3);
	assert_true(reset_backoff() == 1);
	assert_true(reset_backoff() == 1 && now().sleep == 1);
	double longer = 1.25;
	ok(STOA_ASSIGN(p, struct breaker, sleep, &longer, SOON));
	assert_true(reset() == 2.5 && reset_backoff() == 1.25);
}

static void a_sleep_that_is_over_can_be_tried_and_trips_again(void)
{
	int64_t at = clock_real();
	start((struct breaker){ .after = 2, .sleep = 3600, .broken = true, .times = 2, .since = at - 2, .until = at - 1 });
	ok(breaker_check_call(p, NULL, &state, SOON));
	assert_true(state.broken && state.wait_ns == 0);
	ok(breaker_short_call(p, NULL, &state, SOON));
	assert_true(state.broken && state.wait_ns == HOUR && now().total_trips == 1);
}

static void a_clock_that_was_set_back_ends_the_sleep(void)
{
	int64_t at = clock_real();
	start((struct breaker){ .sleep = 1, .broken = true, .since = at + HOUR, .until = at + 2 * HOUR });
	ok(breaker_check_call(p, NULL, &state, SOON));
	assert_true(state.broken && state.wait_ns == 0);
	ok(breaker_trip_call(p, NULL, &state, SOON));
	assert_true(state.wait_ns == STOA_MS(1000) && now().since < at + HOUR);
}

static void what_counts_is_clamped(void)
{
	start((struct breaker){ .sleep = 1e300, .factor = 1e300 });
	ok(breaker_short_call(p, NULL, &state, SOON));
	assert_false(state.broken); /* after 0: only by trip */
	ok(breaker_trip_call(p, NULL, &state, SOON));
	assert_true(state.wait_ns == 1000000000 * STOA_MS(1000));
	assert_true(reset() == 1e9);
}

static void no_number_and_less_than_0_is_refused(void)
{
	struct stoa *s = harness_start(NULL);
	refused(-EINVAL, stoa_create(s, "db", &breaker_class, &(struct breaker){ .sleep = NAN }, 0, &p));
	says("sleep is nan; it can be any finite number that is not below 0");
	refused(-EINVAL, stoa_create(s, "db", &breaker_class, &(struct breaker){ .cap = -1 }, 0, &p));
	says("cap is -1");
	p = harness_create(s, "db", &breaker_class, &(struct breaker){ .sleep = 2 });
	double factor = INFINITY;
	struct stoa_command command = {
		.proxy = p, .attr = offsetof(struct breaker, factor), .args = &factor, .size = sizeof(factor)
	};
	refused(-EINVAL, stoa_call_many(s, 1, &command, SOON));
	says("factor is inf");
	assert_true(now().factor == 0 && now().sleep == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(two_shorts_break_it_and_a_reset_closes_it),
		HARNESS(a_trip_breaks_it_once_while_it_sleeps),
		HARNESS(resets_make_the_sleep_longer_up_to_the_cap),
		HARNESS(a_sleep_that_is_over_can_be_tried_and_trips_again),
		HARNESS(a_clock_that_was_set_back_ends_the_sleep),
		HARNESS(what_counts_is_clamped),
		HARNESS(no_number_and_less_than_0_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
