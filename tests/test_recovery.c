/*
 * test_recovery.c: coordinator and guardian stopped and killed, one after the other and both: what was accepted is
 * applied once, answers arrive once, and clients go on without doing anything.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/handle.h"
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
		ok(harness_count(p, STOA_NOWAIT));
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

static void start_and_leave(int i)
{
	struct stoa *again;
	(void)i;
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &again));
}

static void heir_waits_for_the_clients_of_the_dead(void)
{
	start();
	harness_kill_both(s);
	cast_some();
	harness_join(harness_spawn(start_and_leave, 0)); /* its last user, as far as it knows */
	assert_int_equal(value(), QUEUED);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	assert_int_equal(value(), QUEUED + 1);
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
		ok(harness_count(p, SOON));
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

static void *call_from_a_thread(void *unused)
{
	(void)unused;
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, 3 * SOON));
	atomic_fetch_add(&counts[0], 1);
	until(atomic_load(&counts[1]) == 2);
	return NULL;
}

/* A process that is known, so that a thread's question is for its lane;
 * the next one's finds what is left of the first. */
static void call_from_threads(int i)
{
	pthread_t threads[2];
	(void)i;
	ok(stoa_attach_thread(s));
	atomic_store(&counts[0], 1);
	until(atomic_load(&counts[1]) == 1);
	for (int k = 0; k < 2; k++) {
		assert_int_equal(pthread_create(&threads[k], NULL, call_from_a_thread, NULL), 0);
		until(atomic_load(&counts[0]) == k + 2);
	}
	for (int k = 0; k < 2; k++)
		pthread_join(threads[k], NULL);
}

static void attach_and_call(int i)
{
	(void)i;
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	atomic_fetch_add(counts, 1);
}

/*
 * He asks again when he has no answer in time. The next coordinator finds all the questions; with his next one he gives
 * back what lanes he has too many.
 */
static void lane_asked_for_twice_is_given_once(void)
{
	start();
	counts = harness_shared(2 * sizeof(*counts));
	pid_t child = harness_spawn(call_from_threads, 0), coordinator = harness_coordinator(s);
	until(atomic_load(&counts[0]) == 1);
	harness_freeze(s);
	atomic_store(&counts[1], 1);
	usleep(700000); /* longer than a question is left unanswered before it is asked again */
	kill(coordinator, SIGKILL);
	harness_thaw(s);
	until(atomic_load(&counts[0]) == 3);
	until(harness_health(s).threads == 4);
	atomic_store(&counts[1], 2);
	harness_join(child);
}

static void lanes_are_given_while_coordinators_die(void)
{
	harness_needs_pidfds();
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

/* ---- what a successor does not look at before it serves --------------------------------------------------------- */

#define SHEETS 64
#define SHEET_MOST 256 /* more than there is room for */

struct sheet {
	uint8_t bytes[256 * 1024];
	int64_t n;
};
STOA_STRUCT(sheet, STOA_ATTR(struct sheet, bytes), STOA_ATTR(struct sheet, n, .writable = true));
STOA_CLASS(sheet, 1, NULL);

static struct stoa_proxy *sheets[SHEET_MOST];

static int create_sheet(int i)
{
	char name[32];
	snprintf(name, sizeof(name), "sheet-%d", i);
	return stoa_create(s, name, &sheet_class, NULL, STOA_EXCL, &sheets[i]);
}

static void remove_sheet(int i)
{
	char name[32];
	snprintf(name, sizeof(name), "sheet-%d", i);
	ok(stoa_remove(s, name, SOON));
	stoa_close(sheets[i]);
}

static void start_sheets(uint32_t most)
{
	s = harness_start_with(STOA_CLASSES(&sheet_class), STOA_OPTIONS(.max_state = 24 << 20, .max_objects = most));
}

static void check_sheet(int i, int64_t n)
{
	int64_t v = -1;
	ok(STOA_GET(sheets[i], struct sheet, n, &v, SOON));
	assert_int_equal(v, n);
}

static void objects_that_nobody_uses_outlive_many_coordinators(void)
{
	start_sheets(SHEETS);
	for (int64_t i = 0; i < SHEETS; i++) {
		ok(create_sheet((int)i));
		ok(STOA_ASSIGN(sheets[i], struct sheet, n, &i, SOON));
	}
	for (int64_t round = 1; round < 5; round++) {
		harness_kill_coordinator(s);
		int64_t n = 1000 + round;
		ok(STOA_ASSIGN(sheets[round], struct sheet, n, &n, SOON));
		for (int i = 0; i < SHEETS; i++)
			check_sheet(i, i >= 1 && i <= round ? 1000 + i : i);
	}
	refused(-EEXIST, create_sheet(7)); /* it knows of them by name, too */
	remove_sheet(9);
	harness_kill_coordinator(s); /* and of the entry that is free */
	ok(create_sheet(9));
	check_sheet(9, 0);
}

/* Twice as many as there is room for, each after a death: what was freed before it is found again. */
static void memory_of_what_was_removed_is_found_again_after_a_death(void)
{
	int most = 0;
	start_sheets(SHEET_MOST);
	while (create_sheet(most) == 0)
		most++;
	says("max_state");
	assert_true(most > 32 && most < SHEET_MOST);
	for (int i = 0; i < 2 * most; i += most / 8) {
		remove_sheet(i % most);
		harness_kill_coordinator(s);
		ok(create_sheet(i % most));
	}
	for (int i = 0; i < most; i++)
		remove_sheet(i);
	harness_kill_coordinator(s);
	for (int i = 0; i < most; i++)
		ok(create_sheet(i));
	refused(-ENOSPC, create_sheet(most));
}

/* ---- one object that is not like the others ---------------------------------------------------------------------- */

/* So large that outside of verify mode nobody sees what its method writes beside what its row declares. */
struct sign {
	int32_t n;
	char filler[6000];
	char text[8];
};
STOA_STRUCT(sign, STOA_ATTR(struct sign, n), STOA_ATTR(struct sign, filler), STOA_ATTR(struct sign, text));
STOA_STUB(sign, spoil, stoa_none, stoa_none);

static int sign_spoil(struct sign *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->n++;
	memset(self->text, 'x', sizeof(self->text));
	return 0;
}
STOA_METHOD(sign, spoil, stoa_none, stoa_none, .writes = "n");
STOA_CLASS(sign, 1, &sign_spoil_row);

static void check_others(struct stoa_proxy *sign, int64_t v)
{
	refused(-EFAULT, sign_spoil_call(sign, NULL, NULL, SOON));
	says("object sign is quarantined: its state is damaged");
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	assert_int_equal(value(), v);
}

static void damaged_object_is_quarantined_and_the_others_are_served(void)
{
	struct stoa_proxy *sign;
	struct stoa *again;
	ok(stoa_start("test", STOA_CLASSES(&sign_class), NULL, &s));
	p = harness_create(s, "hits", &counter_class, NULL);
	sign = harness_create(s, "sign", &sign_class, NULL);
	ok(sign_spoil_call(sign, NULL, NULL, SOON));
	harness_kill_coordinator(s);
	check_others(sign, 1);
	harness_kill_both(s);
	ok(stoa_start("test", STOA_CLASSES(&sign_class), NULL, &again));
	check_others(sign, 2);
	ok(stoa_remove(s, "sign", SOON));
	sign = harness_create(s, "sign", &sign_class, NULL);
	ok(sign_spoil_call(sign, NULL, NULL, SOON));
}

/* ---- what takes us long is no method's fault --------------------------------------------------------------------- */

#define LONG_BLOB (UINT32_C(30) << 20)
#define MANY_OBJECTS 2000

struct bulk {
	stoa_blob bytes;
	int64_t n;
};
STOA_STRUCT(bulk, STOA_ATTR(struct bulk, bytes, .writable = true), STOA_ATTR(struct bulk, n, .writable = true));
STOA_CLASS(bulk, 1, NULL);

static void start_hasty(void)
{
	s = harness_start_with(STOA_CLASSES(&bulk_class), STOA_OPTIONS(.deadline = STOA_MS(1)));
	p = harness_create(s, "bulk", &bulk_class, NULL);
}

static void object_that_takes_long_to_load_is_not_quarantined(void)
{
	stoa_blob b = { calloc(1, LONG_BLOB), LONG_BLOB };
	start_hasty();
	ok(STOA_ASSIGN(p, struct bulk, bytes, &b, SOON));
	free(b.data);
	ok(stoa_sync(s, SOON, NULL));
	for (int64_t i = 0; i < 3; i++) {
		harness_kill_coordinator(s);
		ok(STOA_ASSIGN(p, struct bulk, n, &i, SOON));
		ok(stoa_sync(s, SOON, NULL));
	}
	assert_int_equal(harness_health(s).rejected, 0);
	assert_int_equal(harness_health(s).restarts, 3);
}

/* What is in the pulse: how long listing takes is another matter. */
static void creating_has_no_deadline_but_for_its_hooks(void)
{
	char name[32];
	struct stoa_proxy *q;
	start_hasty();
	for (int i = 0; i < MANY_OBJECTS; i++) {
		snprintf(name, sizeof(name), "bulk-%d", i);
		ok(stoa_create(s, name, &bulk_class, NULL, 0, &q));
		stoa_close(q);
	}
	harness_kill_coordinator(s);
	ok(stoa_create(s, "another", &bulk_class, NULL, STOA_EXCL, &q));
	assert_int_equal(atomic_load(&s->space.state->pulse.deadline_ns), 0);
	assert_int_equal(harness_health(s).restarts, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(blocked_call_is_told_soon_when_both_are_killed),
		HARNESS(calls_are_answered_once_when_guardians_are_killed_again_and_again),
		HARNESS(calls_are_answered_once_when_the_coordinator_is_killed_again_and_again),
		HARNESS(casts_are_applied_once_when_the_coordinator_is_killed_again_and_again),
		HARNESS(clients_killed_anywhere_leave_the_others_alone),
		HARNESS_SECONDS(creating_has_no_deadline_but_for_its_hooks, 60),
		HARNESS(damaged_object_is_quarantined_and_the_others_are_served),
		HARNESS(heir_waits_for_the_clients_of_the_dead),
		HARNESS(lane_asked_for_twice_is_given_once),
		HARNESS(lanes_are_given_while_coordinators_die),
		HARNESS(memory_of_what_was_removed_is_found_again_after_a_death),
		HARNESS_SECONDS(object_that_takes_long_to_load_is_not_quarantined, 60),
		HARNESS(objects_that_nobody_uses_outlive_many_coordinators),
		HARNESS(queued_commands_are_applied_when_both_were_killed),
		HARNESS(queued_commands_are_applied_when_the_coordinator_was_stopped),
		HARNESS(queued_commands_are_applied_when_the_guardian_was_stopped_too),
		HARNESS(stopped_coordinator_is_replaced_after_a_grace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
