/*
 * test_events.c: the event loop: answers, changes with how many were skipped, and the coordinator lost and back, each
 * told once, through one descriptor that polls readable when there is something.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

/* The next event, sleeping on the descriptor alone. */
static struct stoa_event next(void)
{
	struct stoa_event e;
	int64_t deadline = clock_deadline(SOON);
	int r;
	while ((r = stoa_next(s, &e)) == 0) {
		struct pollfd f = { .fd = stoa_fd(s), .events = POLLIN };
		int64_t left = (deadline - clock_now()) / 1000000;
		if (left <= 0 || poll(&f, 1, (int)left) == 0)
			fail_msg("no event came");
	}
	assert_int_equal(r, 1);
	return e;
}

/* Nothing comes: the descriptor is armed and silent. */
static void nothing(void)
{
	struct stoa_event e;
	struct pollfd f = { .fd = stoa_fd(s), .events = POLLIN };
	do
		assert_int_equal(stoa_next(s, &e), 0);
	while (poll(&f, 1, 50) == 1); /* a wake of something told already */
}

static void add(int n)
{
	ok(counter_add_call(p, &(struct counter_args){ n }, NULL, SOON));
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static void answers_come_in_order_with_their_data(void)
{
	static struct counter_value v[100];
	uint64_t ticket[100];
	start();
	for (int i = 0; i < 100; i++)
		ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, &v[i], &v[i], SOON, &ticket[i]));
	for (int i = 0; i < 100; i++) {
		struct stoa_event e = next();
		assert_int_equal(e.what, STOA_ANSWER);
		assert_int_equal(e.status, 0);
		assert_ptr_equal(e.data, &v[i]);
		assert_true(e.ticket == ticket[i]);
		assert_int_equal(v[i].value, i + 1);
	}
	nothing();
}

static void answer_wakes_the_descriptor(void)
{
	struct counter_value v = { 0 };
	start();
	harness_freeze(s);
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, &v, &v, SOON, NULL));
	nothing();
	harness_thaw(s);
	struct stoa_event e = next();
	assert_int_equal(e.what, STOA_ANSWER);
	assert_int_equal(v.value, 1);
}

static void answer_of_a_failed_command_has_its_status(void)
{
	struct counter_value v = { 5 };
	start();
	add(1);
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ INT64_MAX }, &v, &v, SOON, NULL));
	struct stoa_event e = next();
	assert_int_equal(e.status, -EOVERFLOW);
	assert_int_equal(v.value, 5);
}

static void answer_that_is_late_is_told_as_such_once(void)
{
	struct counter_value v = { 5 };
	uint64_t ticket;
	start();
	harness_freeze(s);
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, &v, &v, STOA_MS(50), &ticket));
	struct stoa_event e = next();
	assert_int_equal(e.what, STOA_ANSWER);
	assert_int_equal(e.status, -ECANCELED);
	assert_ptr_equal(e.data, &v);
	harness_thaw(s);
	refused(-ECANCELED, stoa_await(s, ticket, SOON));
	nothing();
	assert_int_equal(v.value, 5);
}

static void cancelled_answer_is_not_told(void)
{
	struct counter_value v = { 5 };
	start();
	harness_freeze(s);
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, &v, &v, SOON, NULL));
	ok(stoa_cancel(s, &v));
	refused(-ENOENT, stoa_cancel(s, &v));
	harness_thaw(s);
	ok(stoa_sync(s, SOON, NULL));
	nothing();
	assert_int_equal(v.value, 5);
}

static void ten_thousand_answers_in_flight_all_come(void)
{
	static struct counter_value v[10000];
	int64_t sum = 0;
	int sent = 0, told = 0;
	start();
	while (told < 10000) {
		struct stoa_event e;
		if (sent < 10000 && stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, &v[sent], &v[sent],
						SOON, NULL) == 0) {
			sent++;
			continue;
		}
		e = next();
		assert_int_equal(e.status, 0);
		sum += ((struct counter_value *)e.data)->value;
		told++;
	}
	assert_int_equal(sum, INT64_C(10000) * 10001 / 2);
	nothing();
}

/* ---- changes ------------------------------------------------------------------------------------------------- */

static void change_is_told_with_how_many_were_skipped(void)
{
	int data;
	start();
	ok(stoa_watch(p, offsetof(struct counter, value), &data));
	nothing();
	add(1);
	struct stoa_event e = next();
	assert_int_equal(e.what, STOA_CHANGE);
	assert_int_equal(e.status, 0);
	assert_ptr_equal(e.data, &data);
	assert_int_equal(e.skipped, 0);
	uint64_t version = e.version;
	for (int i = 0; i < 5; i++)
		add(1);
	e = next();
	assert_int_equal(e.what, STOA_CHANGE);
	assert_int_equal(e.skipped, 4);
	assert_true(e.version > version);
	nothing();
	ok(stoa_cancel(s, &data));
	add(1);
	nothing();
}

static void change_by_another_process_wakes_the_descriptor(void)
{
	start();
	ok(stoa_watch(p, STOA_ALL, NULL));
	nothing();
	pid_t child = harness_spawn(add, 1);
	struct stoa_event e = next();
	assert_int_equal(e.what, STOA_CHANGE);
	harness_join(child);
	nothing();
}

static void removal_is_told_once(void)
{
	start();
	ok(stoa_watch(p, STOA_ALL, NULL));
	nothing();
	ok(stoa_remove(s, "hits", SOON));
	struct stoa_event e = next();
	assert_int_equal(e.what, STOA_CHANGE);
	assert_int_equal(e.status, -ESTALE);
	nothing();
}

/* ---- loss and return ----------------------------------------------------------------------------------------- */

static void killed_coordinator_is_no_loss(void)
{
	struct counter_value v = { 0 };
	start();
	ok(stoa_watch(p, STOA_ALL, NULL));
	nothing();
	harness_kill_coordinator(s);
	nothing();
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, &v, &v, SOON, NULL));
	enum stoa_what first = next().what, second = next().what; /* in either order */
	assert_int_equal(first + second, STOA_ANSWER + STOA_CHANGE);
	assert_int_equal(v.value, 1);
}

static void loss_and_return_are_told_once_each(void)
{
	struct counter_value v = { 0 };
	struct stoa *again;
	start();
	ok(stoa_watch(p, STOA_ALL, NULL));
	nothing();
	harness_freeze(s);
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, &v, &v, STOA_MS(60000), NULL));
	nothing();
	harness_kill_both(s);
	assert_int_equal(next().what, STOA_LOST);
	nothing();
	pid_t other = fork();
	if (other == 0) {
		ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &again));
		pause();
	}
	int back = 0, answers = 0, changes = 0;
	while (!back || !answers || !changes) {
		struct stoa_event e = next();
		back += e.what == STOA_BACK;
		answers += e.what == STOA_ANSWER;
		changes += e.what == STOA_CHANGE;
		assert_int_equal(e.status, 0);
	}
	nothing();
	assert_true(back == 1 && answers == 1 && changes == 1);
	assert_int_equal(v.value, 1);
	kill(other, SIGKILL);
	harness_status(other);
}

static void *call_in_a_thread(void *unused)
{
	(void)unused;
	add(1);
	return NULL;
}

/* Another thread's call finds the next coordinator first; a child has the old connection, and keeps its descriptor. */
static void loss_is_told_though_a_child_holds_the_connection(void)
{
	_Atomic bool *serves = harness_shared(sizeof(*serves));
	struct stoa *again;
	pthread_t thread;
	start();
	nothing();
	pid_t holder = fork();
	if (holder == 0) {
		pause();
		_exit(1);
	}
	harness_kill_both(s);
	pid_t other = fork();
	if (other == 0) {
		ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &again));
		atomic_store(serves, true);
		pause();
	}
	until(atomic_load(serves)); /* healthy it may look earlier, with a heartbeat of the one before */
	assert_int_equal(pthread_create(&thread, NULL, call_in_a_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(next().what, STOA_LOST);
	assert_int_equal(next().what, STOA_BACK);
	nothing();
	kill(holder, SIGKILL);
	harness_status(holder);
	kill(other, SIGKILL);
	harness_status(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(answer_of_a_failed_command_has_its_status),
		HARNESS(answer_that_is_late_is_told_as_such_once),
		HARNESS(answer_wakes_the_descriptor),
		HARNESS(answers_come_in_order_with_their_data),
		HARNESS(cancelled_answer_is_not_told),
		HARNESS(change_by_another_process_wakes_the_descriptor),
		HARNESS(change_is_told_with_how_many_were_skipped),
		HARNESS(killed_coordinator_is_no_loss),
		HARNESS(loss_and_return_are_told_once_each),
		HARNESS(loss_is_told_though_a_child_holds_the_connection),
		HARNESS(removal_is_told_once),
		HARNESS(ten_thousand_answers_in_flight_all_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
