/*
 * test_idle.c: who has nothing to do sleeps. Counted in wake-ups, which a busy machine makes no more of.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "coordinator/guardian.h"
#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "src/clock.h"
#include "tests/harness.h"

#define SECONDS 2
#define SHORT STOA_MS(20) /* a deadline that passes while the guardian sleeps */
#define AWAKE_MAX 15 /* times a second, for guardian and coordinator together; and for one who waits */

/* One method runs until it is ended, and says for how long; the other until it is told. */
struct hang {
	int64_t n;
};
STOA_STRUCT(hang, STOA_ATTR(struct hang, n));
STOA_STUB(hang, on, stoa_none, stoa_none);
STOA_STUB(hang, until_told, stoa_none, stoa_none);

static _Atomic int64_t *ran; /* shared with the coordinator */

static int hang_on(struct hang *self, const stoa_none *none, stoa_none *ret)
{
	(void)self;
	(void)none;
	(void)ret;
	for (int64_t start = clock_now();; usleep(1)) /* TSan holds signals back from who calls nothing */
		atomic_store(ran, clock_now() - start);
	return 0;
}
STOA_METHOD(hang, on, stoa_none, stoa_none, .writes = "n", .deadline = SHORT);

static _Atomic int *step; /* shared, too: 1: it runs, 2: and shall not any more */

static int hang_until_told(struct hang *self, const stoa_none *none, stoa_none *ret)
{
	(void)self;
	(void)none;
	(void)ret;
	for (atomic_store(step, 1); atomic_load(step) == 1;)
		usleep(500);
	return 0;
}
STOA_METHOD(hang, until_told, stoa_none, stoa_none, .writes = "n", .deadline = SOON);
STOA_CLASS(hang, 1, &hang_on_row, &hang_until_told_row);

static struct stoa *s;
static struct stoa_proxy *p;

/* How often a process has gone to sleep. */
static uint64_t sleeps(pid_t pid)
{
	char path[64], line[256];
	uint64_t n = 0;
	bool found = false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &n) == 1;
	fclose(f);
	assert_true(found);
	return n;
}

static bool is_asleep(pid_t pid)
{
	uint64_t before = sleeps(pid);
	usleep(300000);
	return sleeps(pid) - before <= 300 * AWAKE_MAX / 1000 + 1;
}

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
}

static void coordinator_and_guardian_sleep_when_nothing_is_asked(void)
{
	start();
	pid_t guardian = harness_guardian(s), coordinator = harness_coordinator(s);
	until(is_asleep(guardian) && is_asleep(coordinator));
	uint64_t before = sleeps(guardian) + sleeps(coordinator);
	sleep(SECONDS);
	assert_in_range(sleeps(guardian) + sleeps(coordinator) - before, 1, SECONDS * AWAKE_MAX);
}

/* By which the coordinator learns how long it should have waited. */
static void who_wakes_the_coordinator_says_when(void)
{
	start();
	for (int i = 0; i < 5; i++) {
		until(is_asleep(harness_coordinator(s)));
		int64_t before = clock_now();
		ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
		assert_in_range(atomic_load(&s->space.ingress->rung_ns), before, clock_now());
	}
}

/* The best of some: anything may hold a process up, but nothing makes its next look come earlier. */
static void guardian_is_woken_for_a_short_deadline(void)
{
	int64_t best = INT64_MAX;
	ran = harness_shared(sizeof(*ran));
	s = harness_start(STOA_CLASSES(&hang_class));
	p = harness_create(s, "h", &hang_class, NULL);
	for (int i = 0; i < 5; i++) {
		until(is_asleep(harness_guardian(s)));
		uint64_t before = sleeps(harness_guardian(s));
		until(sleeps(harness_guardian(s)) > before); /* its next look is as far away as can be */
		refused(-ETIME, hang_on_call(p, NULL, NULL, SOON));
		best = *ran < best ? *ran : best;
	}
	assert_in_range(best, 1, STOA_MS(WATCH_DOZE_MS) / 2);
}

/* It has work at once. If it said so, its guardian would hardly look, and clients would ring for each command. */
static void successor_of_one_that_slept_does_not_say_that_it_sleeps(void)
{
	step = harness_shared(sizeof(*step));
	s = harness_start(STOA_CLASSES(&hang_class));
	p = harness_create(s, "h", &hang_class, NULL);
	const struct state_head *state = s->space.state;
	until((harness_freeze(s), atomic_load(&state->pulse.asleep)) || (harness_thaw(s), false));
	ok(hang_until_told_cast(p, NULL, SOON));
	assert_int_equal(kill(harness_coordinator(s), SIGKILL), 0); /* which continues the guardian */
	until(atomic_load(step) == 1);
	assert_int_equal(atomic_load(&state->pulse.asleep), 0);
	assert_int_equal(atomic_load(&state->life.changes) & LIFE_ASLEEP, 0);
	atomic_store(step, 2);
	ok(stoa_sync(s, SOON, NULL));
	assert_int_equal(harness_health(s).restarts, 1);
}

static void wait_for_a_change(int i)
{
	struct stoa_stamp stamp;
	(void)i;
	ok(stoa_wait(p, offsetof(struct counter, value), 2, SOON, &stamp));
}

static void waiter_sleeps_until_there_is_a_change(void)
{
	start();
	pid_t waiter = harness_spawn(wait_for_a_change, 0);
	until(is_asleep(waiter));
	uint64_t before = sleeps(waiter);
	sleep(SECONDS);
	assert_in_range(sleeps(waiter) - before, 0, SECONDS * AWAKE_MAX);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	harness_join(waiter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(coordinator_and_guardian_sleep_when_nothing_is_asked),
		HARNESS(who_wakes_the_coordinator_says_when),
		HARNESS(guardian_is_woken_for_a_short_deadline),
		HARNESS(successor_of_one_that_slept_does_not_say_that_it_sleeps),
		HARNESS(waiter_sleeps_until_there_is_a_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
