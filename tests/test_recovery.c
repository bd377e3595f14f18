/*
 * test_recovery.c: coordinator and guardian stopped and killed, one after the other and both: what was accepted is
 * applied once, answers arrive once, and clients go on without doing anything.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

#define QUEUED 300

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static int64_t value(void)
{
	int64_t v = -1;
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	return v;
}

static void cast_some(void)
{
	for (int i = 0; i < QUEUED; i++)
		ok(counter_add_cast(p, &(struct counter_args){ 1 }, STOA_NOWAIT));
}

/* ---- queued while it is down -------------------------------------------------------------------------------- */

static void queued_commands_are_applied_when_the_coordinator_was_stopped(void)
{
	start();
	harness_freeze(s);
	cast_some();
	assert_int_equal(harness_health(s).queued, QUEUED);
	harness_thaw(s);
	assert_int_equal(value(), QUEUED);
	assert_int_equal(harness_health(s).applied, QUEUED + 1);
}

static void queued_commands_are_applied_when_the_guardian_was_stopped_too(void)
{
	start();
	harness_freeze(s);
	cast_some();
	assert_int_equal(harness_health(s).queued, QUEUED);
	kill(harness_coordinator(s), SIGKILL); /* which continues the guardian */
	assert_int_equal(value(), QUEUED);
	assert_int_equal(harness_health(s).restarts, 1);
}

static _Atomic int *step;

/* Another program starts the namespace again, and stays until the first has seen it. */
static void start_again(int i)
{
	struct stoa *again;
	(void)i;
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &again));
	atomic_store(step, 1);
	until(atomic_load(step) == 2);
}

static void queued_commands_are_applied_when_both_were_killed(void)
{
	struct stoa_error e;
	struct counter_value v;
	start();
	step = harness_shared(sizeof(*step));
	harness_kill_both(s);
	cast_some();
	assert_int_equal(harness_health(s).queued, QUEUED);
	refused(-ECONNRESET, counter_add_call(p, &(struct counter_args){ 1 }, &v, STOA_DEFAULT));
	stoa_last_error(&e);
	assert_true(e.may_apply);
	pid_t other = harness_spawn(start_again, 0);
	until(atomic_load(step) == 1);
	assert_int_equal(value(), QUEUED + 1);
	ok(stoa_await(s, e.ticket, SOON));
	ok(counter_add_call(p, &(struct counter_args){ 1 }, &v, STOA_DEFAULT));
	assert_int_equal(v.value, QUEUED + 2);
	atomic_store(step, 2);
	harness_join(other);
	assert_int_equal(value(), QUEUED + 2);
}

static void blocked_call_is_told_soon_when_both_are_killed(void)
{
	struct stoa_error e;
	start();
	harness_freeze(s);
	pid_t killer = fork();
	if (killer == 0) {
		until(harness_health(s).queued == 1);
		harness_kill_both(s);
		_exit(0);
	}
	int64_t before = clock_now();
	refused(-ECONNRESET, counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_MS(60000)));
	assert_true(clock_now() - before < SOON);
	stoa_last_error(&e);
	assert_true(e.may_apply);
	harness_join(killer);
	assert_int_equal(harness_health(s).queued, 1);
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &(struct stoa *){ NULL }));
	assert_int_equal(value(), 1);
}

/* ---- killed again and again --------------------------------------------------------------------------------- */

#define CLIENTS 4
#define KILLS 20

static _Atomic int64_t *counts; /* [CLIENTS]: what each has done; then whether it is over */

static void call_until_over(int i)
{
	struct counter_value v = { 0 };
	while (!atomic_load(&counts[CLIENTS])) {
		int64_t before = v.value;
		ok(counter_add_call(p, &(struct counter_args){ 1 }, &v, SOON));
		if (v.value <= before)
			fail_msg("%jd after %jd", (intmax_t)v.value, (intmax_t)before);
		atomic_fetch_add(&counts[i], 1);
	}
}

static void cast_until_over(int i)
{
	while (!atomic_load(&counts[CLIENTS])) {
		ok(counter_add_cast(p, &(struct counter_args){ 1 }, SOON));
		atomic_fetch_add(&counts[i], 1);
	}
	ok(stoa_sync(s, SOON, NULL));
}

static void kill_again_and_again(void (*client)(int))
{
	int64_t sum = 0;
	start();
	counts = harness_shared((CLIENTS + 1) * sizeof(*counts));
	harness_spawn_all(CLIENTS, client);
	for (int k = 0; k < KILLS; k++) {
		int64_t before = atomic_load(&counts[k % CLIENTS]);
		until(atomic_load(&counts[k % CLIENTS]) > before + 50);
		harness_kill_coordinator(s);
	}
	atomic_store(&counts[CLIENTS], 1);
	harness_join_all();
	for (int i = 0; i < CLIENTS; i++)
		sum += atomic_load(&counts[i]);
	assert_int_equal(value(), sum);
	assert_int_equal(harness_health(s).applied, sum + 1);
	assert_int_equal(harness_health(s).rejected, 0);
	assert_int_equal(harness_health(s).restarts, KILLS);
}

static void calls_are_answered_once_when_the_coordinator_is_killed_again_and_again(void)
{
	kill_again_and_again(call_until_over);
}

static void casts_are_applied_once_when_the_coordinator_is_killed_again_and_again(void)
{
	kill_again_and_again(cast_until_over);
}

static void calls_are_answered_once_when_guardians_are_killed_again_and_again(void)
{
	int64_t sum = 0;
	start();
	counts = harness_shared((CLIENTS + 1) * sizeof(*counts));
	harness_spawn_all(CLIENTS, call_until_over);
	for (int k = 0; k < 5; k++) {
		int64_t before = atomic_load(&counts[k % CLIENTS]);
		pid_t guardian = harness_guardian(s), now;
		until(atomic_load(&counts[k % CLIENTS]) > before + 50);
		kill(guardian, SIGKILL);
		until((now = harness_guardian(s), now > 0 && now != guardian && harness_health(s).coordinator > 0 &&
		       harness_health(s).coordinator != now));
	}
	atomic_store(&counts[CLIENTS], 1);
	harness_join_all();
	for (int i = 0; i < CLIENTS; i++)
		sum += atomic_load(&counts[i]);
	assert_int_equal(value(), sum);
}

/* ---- clients that die ---------------------------------------------------------------------------------------- */

static void clients_killed_anywhere_leave_the_others_alone(void)
{
	start();
	counts = harness_shared((CLIENTS + 1) * sizeof(*counts));
	for (int k = 0; k < 30; k++) {
		int64_t before = atomic_load(&counts[0]);
		pid_t client = harness_spawn(k % 2 ? cast_until_over : call_until_over, 0);
		until(atomic_load(&counts[0]) > before + 20);
		kill(client, SIGKILL);
		assert_int_equal(harness_status(client), -SIGKILL);
		ok(counter_add_call(p, &(struct counter_args){ 0 }, NULL, SOON));
	}
	int64_t told = atomic_load(&counts[0]), v = value();
	assert_true(v >= told && v <= told + 30); /* the last command of each may have been sent, and not told us */
	until(harness_health(s).threads == 1);
}

#define THREADS 4

static void attach_and_call(int i)
{
	(void)i;
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	atomic_fetch_add(counts, 1);
}

/* A lane that was given, and whose owner was not told, as the coordinator died in between: he asks again. */
static void lane_asked_for_twice_is_given_once(void)
{
	s = harness_start_with(NULL, STOA_OPTIONS(.max_threads = THREADS));
	p = harness_create(s, "hits", &counter_class, NULL);
	counts = harness_shared(sizeof(*counts));
	for (int k = 0; k < 50; k++) {
		harness_spawn_all(THREADS - 1, attach_and_call);
		for (int i = 0; i < 2; i++)
			harness_kill_coordinator(s);
		harness_join_all();
		until(harness_health(s).threads == 1);
	}
	assert_int_equal(value(), 50 * (THREADS - 1));
	assert_int_equal(atomic_load(counts), 50 * (THREADS - 1));
}

static void stopped_coordinator_is_replaced_after_a_grace(void)
{
	start();
	pid_t stopped = harness_coordinator(s);
	harness_stop_process(stopped);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	assert_int_not_equal(harness_coordinator(s), stopped);
	assert_int_equal(value(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(blocked_call_is_told_soon_when_both_are_killed),
		HARNESS(calls_are_answered_once_when_guardians_are_killed_again_and_again),
		HARNESS(calls_are_answered_once_when_the_coordinator_is_killed_again_and_again),
		HARNESS(casts_are_applied_once_when_the_coordinator_is_killed_again_and_again),
		HARNESS(clients_killed_anywhere_leave_the_others_alone),
		HARNESS(lane_asked_for_twice_is_given_once),
		HARNESS(queued_commands_are_applied_when_both_were_killed),
		HARNESS(queued_commands_are_applied_when_the_coordinator_was_stopped),
		HARNESS(queued_commands_are_applied_when_the_guardian_was_stopped_too),
		HARNESS(stopped_coordinator_is_replaced_after_a_grace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
