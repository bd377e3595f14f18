/*
 * test_latch.c: the built-in latch: nobody passes before zero, all do at zero.
 */
#include "include/stoa/latch.h"

#include <errno.h>
#include <stdatomic.h>

#include "tests/harness.h"

enum { WAITERS = 4, COUNTS = 10 };

static struct stoa *s;
static struct stoa_proxy *p;
static _Atomic int *waits, *passed;

static void start_at(uint64_t left)
{
	waits = harness_shared(2 * sizeof(*waits));
	passed = waits + 1;
	s = harness_start(NULL);
	p = harness_create(s, "loaded", &latch_class, &(struct latch){ left });
}

static void down(uint64_t n)
{
	ok(latch_down_call(p, &(struct latch_count){ n }, NULL, SOON));
}

static void down_returns_what_is_left_and_not_below_zero(void)
{
	struct latch_left left;
	start_at(5);
	ok(latch_down_call(p, &(struct latch_count){ 3 }, &left, SOON));
	assert_int_equal(left.left, 2);
	refused(-ERANGE, latch_down_call(p, &(struct latch_count){ 3 }, &left, SOON));
	says("3 are to be counted down, and 2 are left");
	refused(-EAGAIN, stoa_latch_wait(p, STOA_NOWAIT));
	says("latch loaded is not open: 2 are left");
	refused(-ETIMEDOUT, stoa_latch_wait(p, STOA_MS(10)));
	says("2 are left");
	down(2);
	ok(stoa_latch_wait(p, STOA_NOWAIT));
}

static void wait_for_it(int i)
{
	if (i % 2) { /* a read-only one */
		stoa_detach(s);
		ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = SOON), &s));
		ok(stoa_open(s, "loaded", &latch_class, SOON, &p));
	}
	atomic_fetch_add(waits, 1);
	ok(stoa_latch_wait(p, SOON));
	atomic_fetch_add(passed, 1);
}

static void all_who_wait_pass_at_zero_and_none_before(void)
{
	pid_t pids[WAITERS];
	start_at(COUNTS);
	for (int i = 0; i < WAITERS; i++)
		pids[i] = harness_spawn(wait_for_it, i);
	until(atomic_load(waits) == WAITERS);
	for (int i = 0; i < COUNTS - 1; i++)
		down(1);
	harness_kill_coordinator(s);
	assert_int_equal(atomic_load(passed), 0);
	down(1);
	for (int i = 0; i < WAITERS; i++)
		harness_join(pids[i]);
	assert_int_equal(atomic_load(passed), WAITERS);
}

static void it_is_closed_again_by_assigning(void)
{
	start_at(0);
	ok(stoa_latch_wait(p, STOA_NOWAIT));
	ok(STOA_ASSIGN(p, struct latch, left, &(uint64_t){ 1 }, SOON));
	refused(-EAGAIN, stoa_latch_wait(p, STOA_NOWAIT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(all_who_wait_pass_at_zero_and_none_before),
		HARNESS(down_returns_what_is_left_and_not_below_zero),
		HARNESS(it_is_closed_again_by_assigning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
