/*
 * test_stop.c: the two ways to stop, with commands in the queue and producers that go on: each push is applied,
 * abandoned and counted, or refused.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

#define QUEUED 300
#define PRODUCERS 3
#define SHORT_QUEUE 16

static struct stoa *s;
static struct stoa_proxy *p;
static _Atomic int64_t *accepted;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	accepted = harness_shared(sizeof(*accepted));
}

static void cast_some(void)
{
	for (int i = 0; i < QUEUED; i++)
		ok(harness_count(p, SOON));
}

/* As the ended coordinator left it. */
static int64_t last_value(void)
{
	int64_t v = -1;
	ok(stoa_peek(p, offsetof(struct counter, value), &v, sizeof(v), NULL));
	return v;
}

static void push_until_refused(int i)
{
	int r;
	(void)i;
	for (;;) {
		r = harness_count(p, STOA_NOWAIT);
		if (r == 0)
			atomic_fetch_add(accepted, 1);
		else if (r != -EAGAIN)
			break;
	}
	assert_true(r == -ESHUTDOWN || r == -ECONNRESET);
}

static void drain_applies_what_was_accepted_with_producers_still_pushing(void)
{
	start();
	harness_spawn_all(PRODUCERS, push_until_refused);
	until(atomic_load(accepted) > 1000);
	cast_some();
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join_all();
	struct stoa_health h = harness_health(s);
	assert_int_equal(h.verdict, STOA_GONE);
	assert_int_equal(last_value(), QUEUED + atomic_load(accepted));
	assert_int_equal(h.applied, 1 + QUEUED + atomic_load(accepted));
	assert_int_equal(h.rejected + h.abandoned + h.queued, 0);
}

static void drain_applies_300_when_300_are_queued(void)
{
	start();
	harness_freeze(s);
	cast_some();
	harness_thaw(s);
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	assert_int_equal(last_value(), QUEUED);
	assert_int_equal(harness_health(s).applied, QUEUED + 1);
}

/* ---- slow methods ------------------------------------------------------------------------------------------- */

struct slow {
	uint64_t n;
};
STOA_STRUCT(slow, STOA_ATTR(struct slow, n));
STOA_STUB(slow, nap, stoa_none, stoa_none);

static int slow_nap(struct slow *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	usleep(10000);
	self->n++;
	return 0;
}
STOA_METHOD(slow, nap, stoa_none, stoa_none, .writes = "n");
STOA_CLASS(slow, 1, &slow_nap_row);

static void start_napping(void)
{
	s = harness_start(STOA_CLASSES(&slow_class));
	p = harness_create(s, "slow", &slow_class, NULL);
	for (int i = 0; i < QUEUED; i++)
		ok(slow_nap_cast(p, NULL, STOA_NOWAIT));
}

static void now_abandons_what_slow_methods_have_not_come_to(void)
{
	start_napping();
	ok(stoa_stop(s, STOA_NOW, SOON));
	struct stoa_health h = harness_health(s);
	assert_int_equal(h.applied + h.abandoned, QUEUED + 1);
	assert_true(h.abandoned > QUEUED / 2);
	assert_int_equal(h.rejected + h.queued, 0);
}

static void nap_until_refused(int i)
{
	int r;
	(void)i;
	while ((r = slow_nap_cast(p, NULL, STOA_NOWAIT)) == 0 || r == -EAGAIN)
		atomic_fetch_add(accepted, r == 0);
	assert_true(r == -ESHUTDOWN || r == -ECONNRESET);
}

static void drain_ends_when_producers_are_faster_than_methods(void)
{
	s = harness_start_with(STOA_CLASSES(&slow_class), STOA_OPTIONS(.max_queue = SHORT_QUEUE));
	p = harness_create(s, "slow", &slow_class, NULL);
	accepted = harness_shared(sizeof(*accepted));
	harness_spawn_all(PRODUCERS, nap_until_refused);
	until(atomic_load(accepted) > 2 * SHORT_QUEUE);
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join_all();
	assert_int_equal(harness_health(s).applied, 1 + atomic_load(accepted));
}

static void attach_while_it_is_busy(int i)
{
	(void)i;
	ok(stoa_attach_thread(s));
	assert_true(harness_health(s).queued > QUEUED / 2);
}

static void clients_come_in_while_slow_methods_run(void)
{
	start_napping();
	harness_join(harness_spawn(attach_while_it_is_busy, 0));
	ok(stoa_stop(s, STOA_NOW, SOON));
}

static void call_after_stop(int i)
{
	(void)i;
	refused(-ECANCELED, slow_nap_call(p, NULL, NULL, SOON));
}

static void stop_too(int i)
{
	ok(stoa_attach_thread(s));
	atomic_fetch_add(accepted, 1);
	until(atomic_load(accepted) == 4);
	int r = stoa_stop(s, i % 2 ? STOA_NOW : STOA_DRAIN, SOON);
	refused(r ? -ECONNRESET : 0, r); /* it may have been over before we asked */
}

static void several_may_stop_it_at_once(void)
{
	start();
	harness_spawn_all(4, stop_too);
	harness_join_all();
	assert_int_equal(harness_health(s).verdict, STOA_GONE);
}

/* Asked again, as when the coordinator is slow to answer: the second question is never read. */
static void stop_succeeds_when_its_answer_comes_late(void)
{
	start();
	harness_freeze(s);
	pid_t thaw = fork();
	if (thaw == 0) {
		usleep(500000); /* longer than a question is left unanswered before it is asked again */
		harness_thaw(s);
		_exit(0);
	}
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(thaw);
}

static void stop_test(int i)
{
	(void)i;
	ok(stoa_stop(s, STOA_DRAIN, SOON));
}

/* Its successors go on stopping, and who waits for the end learns of it. */
static void stop_succeeds_when_the_coordinator_dies_meanwhile(void)
{
	start_napping();
	pid_t stopper = harness_spawn(stop_test, 0);
	for (int i = 0; i < 3; i++) {
		uint64_t applied = harness_health(s).applied;
		until(harness_health(s).applied > applied + 10);
		kill(harness_coordinator(s), SIGKILL);
	}
	harness_join(stopper);
	assert_int_equal(harness_health(s).applied, QUEUED + 1);
	assert_int_equal(harness_health(s).verdict, STOA_GONE);
}

/* It dies with the question in its socket: nobody heard it, and the next one is asked again. */
static void stop_succeeds_when_the_coordinator_dies_unasked(void)
{
	start();
	harness_freeze(s);
	pid_t stopper = harness_spawn(stop_test, 0), coordinator = harness_coordinator(s);
	usleep(100000); /* nothing shows that it has asked: at worst this tests less */
	kill(coordinator, SIGKILL);
	harness_thaw(s);
	harness_join(stopper);
	assert_int_equal(harness_health(s).verdict, STOA_GONE);
}

static void now_tells_those_who_wait(void)
{
	start_napping();
	pid_t caller = harness_spawn(call_after_stop, 0);
	until(harness_health(s).pushed == QUEUED + 2);
	ok(stoa_stop(s, STOA_NOW, SOON));
	harness_join(caller);
}

static void now_counts_each_push_with_producers_still_pushing(void)
{
	start();
	harness_spawn_all(PRODUCERS, push_until_refused);
	until(atomic_load(accepted) > 1000);
	ok(stoa_stop(s, STOA_NOW, SOON));
	harness_join_all();
	struct stoa_health h = harness_health(s);
	assert_int_equal(h.applied + h.abandoned, atomic_load(accepted) + 1);
	assert_int_equal(h.rejected + h.queued, 0);
	assert_int_equal(last_value(), h.applied - 1);
}

static void refused_as_gone(int r)
{
	refused(r == -ESHUTDOWN ? -ESHUTDOWN : -ECONNRESET, r);
}

static void calls_are_refused_when_it_has_stopped(void)
{
	int64_t v = 1;
	start();
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	refused_as_gone(harness_count(p, STOA_DEFAULT));
	refused_as_gone(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	refused_as_gone(STOA_ASSIGN(p, struct counter, value, &v, STOA_DEFAULT));
	refused(-ECONNRESET, stoa_stop(s, STOA_DRAIN, STOA_MS(200)));
	assert_int_equal(last_value(), 0);
	assert_int_equal(harness_health(s).queued, 0);
}

static void namespace_can_be_started_anew_when_it_has_stopped(void)
{
	start();
	cast_some();
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	struct stoa_proxy *old = p;
	start();
	assert_int_not_equal(harness_count(old, STOA_MS(100)), 0);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	assert_int_equal(last_value(), 1);
}

static void served_namespace_drains_when_it_is_told_to_end(void)
{
	pid_t server = harness_serve(NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &s);
	p = harness_create(s, "hits", &counter_class, NULL);
	cast_some();
	kill(server, SIGTERM);
	harness_join(server);
	assert_int_equal(last_value(), QUEUED);
	assert_int_equal(harness_health(s).verdict, STOA_GONE);
}

static void embedded_namespace_ends_with_its_last_user(void)
{
	start();
	pid_t guardian = harness_guardian(s), coordinator = harness_coordinator(s);
	cast_some();
	stoa_detach(s);
	until(harness_has_ended(guardian) && harness_has_ended(coordinator));
}

static void stop_it(int unused)
{
	(void)unused;
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON)); /* it has a connection of its own */
	atomic_store(accepted, 1);
	until(atomic_load(accepted) == 2);
	ok(stoa_stop(s, STOA_DRAIN, SOON));
}

/* The coordinator, which answered, leaves its place to another at once. */
static void stop_succeeds_when_the_guardian_dies_with_it_unread(void)
{
	start();
	pid_t coordinator = harness_coordinator(s), guardian = harness_guardian(s);
	pid_t pid = harness_spawn(stop_it, 0);
	until(atomic_load(accepted) == 1);
	harness_stop_process(coordinator);
	atomic_store(accepted, 2);
	usleep(100000); /* it has asked; long before the guardian takes a stopped one for dead */
	kill(guardian, SIGKILL);
	until(harness_has_ended(guardian));
	kill(coordinator, SIGCONT);
	assert_int_equal(harness_status(pid), 0);
	until(harness_health(s).verdict == STOA_GONE);
}

static void kill_guardian_after(int us)
{
	pid_t guardian = harness_guardian(s);
	atomic_store(accepted, 1);
	for (int64_t end = clock_deadline(INT64_C(1000) * us); clock_now() < end;) {
	}
	kill(guardian, SIGKILL);
}

static bool is_there(void)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/test", getenv("STOA_DIR"));
	return access(path, F_OK) == 0;
}

/* About half of these deaths are between the end of the coordinator and the guardian's look at it. */
static void files_go_when_the_guardian_dies_as_it_ends(void)
{
	for (int us = 100; us < 900; us += 20 * HARNESS_FEWER) {
		start();
		pid_t killer = harness_spawn(kill_guardian_after, us);
		until(atomic_load(accepted) == 1);
		ok(stoa_stop(s, STOA_DRAIN, SOON));
		harness_join(killer);
		until(harness_health(s).verdict == STOA_GONE);
		until(!is_there());
		stoa_detach(s);
	}
}

static void kill_both(int unused)
{
	(void)unused;
	until(harness_health(s).applied > QUEUED / 20);
	harness_kill_both(s);
}

static void stop_fails_when_both_die_before_it_is_done(void)
{
	start_napping();
	pid_t killer = harness_spawn(kill_both, 0);
	refused(-ECONNRESET, stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(killer);
	assert_true(harness_health(s).queued > 0);
	ok(stoa_start("test", STOA_CLASSES(&slow_class), NULL, &s));
	ok(stoa_stop(s, STOA_NOW, SOON));
	struct stoa_health h = harness_health(s);
	assert_int_equal(h.applied + h.abandoned, QUEUED + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(calls_are_refused_when_it_has_stopped),
		HARNESS(clients_come_in_while_slow_methods_run),
		HARNESS(drain_applies_300_when_300_are_queued),
		HARNESS(drain_applies_what_was_accepted_with_producers_still_pushing),
		HARNESS(drain_ends_when_producers_are_faster_than_methods),
		HARNESS(embedded_namespace_ends_with_its_last_user),
		HARNESS(files_go_when_the_guardian_dies_as_it_ends),
		HARNESS(namespace_can_be_started_anew_when_it_has_stopped),
		HARNESS(now_abandons_what_slow_methods_have_not_come_to),
		HARNESS(now_counts_each_push_with_producers_still_pushing),
		HARNESS(now_tells_those_who_wait),
		HARNESS(served_namespace_drains_when_it_is_told_to_end),
		HARNESS(several_may_stop_it_at_once),
		HARNESS(stop_fails_when_both_die_before_it_is_done),
		HARNESS(stop_succeeds_when_its_answer_comes_late),
		HARNESS(stop_succeeds_when_the_coordinator_dies_meanwhile),
		HARNESS(stop_succeeds_when_the_coordinator_dies_unasked),
		HARNESS(stop_succeeds_when_the_guardian_dies_with_it_unread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
