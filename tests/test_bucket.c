/*
 * test_bucket.c: the built-in bucket: it grants what is in it and no more, whoever asks, and fills as time passes.
 */
#include "include/stoa/bucket.h"

#include <errno.h>
#include <math.h>

#include "tests/harness.h"

#define TAKERS 4
#define TAKES 100

static struct stoa_proxy *p;

static void start(struct bucket init)
{
	p = harness_create(harness_start(NULL), "limit", &bucket_class, &init);
}

static struct bucket_taken take(double n)
{
	struct bucket_taken t;
	ok(bucket_take_call(p, &(struct bucket_take){ n }, &t, SOON));
	return t;
}

static void one_that_does_not_fill_grants_its_burst(void)
{
	start((struct bucket){ .burst = 3 });
	assert_true(take(2).granted && take(1).granted);
	struct bucket_taken t = take(0.5);
	assert_true(!t.granted && t.wait_ns == INT64_MAX);
}

static void time_fills_it_up_to_the_burst(void)
{
	int64_t at = clock_real();
	start((struct bucket){ .rate = 0.01, .burst = 20, .filled_ns = at - 1000 * STOA_MS(1000) });
	assert_true(take(10).granted);
	struct bucket_taken t = take(1);
	assert_false(t.granted);
	assert_in_range(t.wait_ns, 100 * STOA_MS(1000) - (clock_real() - at), 100 * STOA_MS(1000) + 1);
	p = harness_create(harness_start_with(NULL, STOA_OPTIONS(.flags = STOA_JOIN)), "old", &bucket_class,
			   &(struct bucket){ .rate = 0.01, .burst = 20, .filled_ns = 1 });
	assert_true(take(20).granted && !take(1).granted);
}

static void a_clock_that_was_set_back_takes_no_token(void)
{
	start((struct bucket){ .rate = 0.01, .burst = 20, .tokens = 3, .filled_ns = clock_real() + STOA_MS(3600000) });
	assert_true(take(3).granted && !take(1).granted);
	assert_true(take(1).wait_ns <= 100 * STOA_MS(1000) + 1);
}

static void what_it_can_never_grant_is_an_error(void)
{
	start((struct bucket){ .burst = 3 });
	refused(-EINVAL, bucket_take_call(p, &(struct bucket_take){ 4 }, NULL, SOON));
	says("n is 4: not above 0 and up to the burst, which is 3");
	refused(-EINVAL, bucket_take_call(p, &(struct bucket_take){ 0 }, NULL, SOON));
	refused(-EINVAL, bucket_take_call(p, &(struct bucket_take){ -1 }, NULL, SOON));
	refused(-EINVAL, bucket_take_call(p, &(struct bucket_take){ NAN }, NULL, SOON));
	assert_true(take(3).granted);
}

static void what_it_cannot_hold_is_refused(void)
{
	double rate = INFINITY, burst = NAN;
	start((struct bucket){ .burst = 3 });
	ok(STOA_ASSIGN(p, struct bucket, rate, &rate, SOON));
	ok(STOA_ASSIGN(p, struct bucket, burst, &burst, SOON));
	assert_true(take(3).granted && !take(3).granted);
	rate = 1e9;
	ok(STOA_ASSIGN(p, struct bucket, rate, &rate, SOON));
	assert_true(take(3).granted && take(3).granted);
}

static void take_often(int i)
{
	(void)i;
	for (int n = 0; n < TAKES; n++)
		take(1);
}

static void many_get_no_more_than_there_is(void)
{
	struct bucket b;
	start((struct bucket){ .burst = 50 });
	harness_spawn_all(TAKERS, take_often);
	harness_join_all();
	ok(stoa_snapshot(p, &b, sizeof(b), SOON, NULL));
	assert_true(b.granted == 50 && b.refused == TAKERS * TAKES - 50 && b.tokens == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(one_that_does_not_fill_grants_its_burst),
		HARNESS(time_fills_it_up_to_the_burst),
		HARNESS(a_clock_that_was_set_back_takes_no_token),
		HARNESS(what_it_can_never_grant_is_an_error),
		HARNESS(what_it_cannot_hold_is_refused),
		HARNESS(many_get_no_more_than_there_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
