/*
 * test_queue.c: the built-in queue: order, its limit, waiting, and each value got once by many processes while the
 * coordinator is killed.
 */
#include "include/stoa/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void start(uint64_t max)
{
	s = harness_start(NULL);
	p = harness_create(s, "jobs", &queue_class, max ? &(struct queue_options){ max } : NULL);
}

static int put(int64_t n)
{
	return queue_put_call(p, &(struct queue_value){ stoa_any_i64(n) }, NULL, SOON);
}

/* -1: none. */
static int64_t got(const struct stoa_method *method)
{
	struct queue_value value = { 0 };
	ok(stoa_call(p, method, NULL, &value, SOON));
	return value.value.kind ? value.value.i64 : -1;
}

static void items_are(const char *wanted)
{
	struct queue_json all = { 0 };
	ok(queue_items_call(p, NULL, &all, SOON));
	assert_string_equal(all.json.data, wanted);
	stoa_text_fini(&all.json);
}

static void first_in_is_first_out(void)
{
	struct queue_value value = { 0 };
	start(0);
	assert_int_equal(got(&queue_get_row), -1);
	assert_int_equal(got(&queue_peek_row), -1);
	for (int i = 0; i < 3; i++)
		ok(put(i));
	ok(queue_extend_call(p, &(struct queue_json){ STOA_TEXT_OF("[3, \"four\"]") }, NULL, SOON));
	harness_kill_coordinator(s);
	items_are("[0, 1, 2, 3, \"four\"]");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(got(&queue_peek_row), i);
		assert_int_equal(got(&queue_get_row), i);
	}
	ok(queue_get_call(p, NULL, &value, SOON));
	assert_string_equal(value.value.text.data, "four");
	stoa_any_fini(&value.value);
	ok(put(5));
	ok(queue_clear_call(p, NULL, NULL, SOON));
	items_are("[]");
}

static void full_queue_refuses(void)
{
	uint64_t max = 3;
	start(2);
	ok(put(1));
	refused(-ENOBUFS, queue_extend_call(p, &(struct queue_json){ STOA_TEXT_OF("[2, 3]") }, NULL, SOON));
	items_are("[1]");
	ok(put(2));
	refused(-ENOBUFS, put(3));
	says("the queue is full: 2 values wait");
	ok(STOA_ASSIGN(p, struct queue, max, &max, SOON));
	ok(put(3));
	refused(-EINVAL, queue_put_call(p, &(struct queue_value){ 0 }, NULL, SOON));
	items_are("[1, 2, 3]");
}

static uint32_t takers(void)
{
	uint32_t n;
	ok(STOA_GET(p, struct queue, takers, &n, SOON));
	return n;
}

static void put_later(int i)
{
	until(takers() > 0);
	ok(put(i));
}

static int take(struct queue_value *ret, int64_t timeout)
{
	return queue_take_call(p, NULL, ret, timeout);
}

static void who_takes_waits_for_a_value(void)
{
	struct queue_value value = { 0 };
	start(0);
	pid_t other = harness_spawn(put_later, 7);
	ok(take(&value, SOON));
	assert_int_equal(value.value.i64, 7);
	harness_join(other);
	ok(put(8));
	ok(take(&value, SOON));
	assert_int_equal(value.value.i64, 8);
	items_are("[]");
}

/* It is taken to wait, and then its time is over. */
static void give_up(void)
{
	struct queue_value value = { 0 };
	struct stoa_error e = { .may_apply = true };
	while (e.code == -ECANCELED || e.may_apply) { /* it was too late for that */
		int r = take(&value, STOA_MS(1));
		stoa_last_error(&e);
		refused(e.code == -ECANCELED ? -ECANCELED : -ETIMEDOUT, r);
	}
}

static void who_gave_up_takes_nothing(void)
{
	start(0);
	give_up();
	says("no answer came, and none will");
	give_up();
	assert_true(takers() >= 2);
	ok(put(9));
	assert_int_equal(takers(), 0);
	items_are("[9]");
}

static void wait_in_vain(int i)
{
	struct queue_value value = { 0 };
	(void)i;
	ok(take(&value, SOON));
}

static void so_many_wait_and_no_more(void)
{
	struct queue_value value = { 0 };
	start(0);
	for (int i = 0; i < 2 * QUEUE_TAKERS; i++) /* who has given up makes room */
		give_up();
	ok(put(0));
	ok(take(&value, SOON));
	harness_spawn_all(QUEUE_TAKERS, wait_in_vain);
	until(takers() == QUEUE_TAKERS);
	refused(-EUSERS, take(&value, SOON));
	says("128 wait for a value of this queue already");
	for (int i = 0; i < QUEUE_TAKERS; i++)
		ok(put(i));
	harness_join_all();
	items_are("[]");
}

#define PUTTERS 3
#define TAKERS 3
#define EACH 2000

static _Atomic int *times; /* by value */

static void work(int i)
{
	struct queue_value value = { 0 };
	for (int k = 0; k < EACH; k++) {
		if (i < PUTTERS) {
			ok(put(i * EACH + k));
		} else {
			ok(take(&value, SOON));
			atomic_fetch_add(&times[value.value.i64], 1);
		}
	}
}

static void each_value_is_got_once_though_the_coordinator_is_killed(void)
{
	uint64_t changes = 0;
	times = harness_shared(PUTTERS * EACH * sizeof(*times));
	start(0);
	harness_spawn_all(PUTTERS + TAKERS, work);
	for (uint64_t wait = 1; wait < 5; wait++) {
		until((STOA_GET(p, struct queue, changes, &changes, SOON), changes > wait * EACH / 2));
		harness_kill_coordinator(s);
	}
	harness_join_all();
	for (int i = 0; i < PUTTERS * EACH; i++)
		assert_int_equal(times[i], 1);
	items_are("[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS_SECONDS(each_value_is_got_once_though_the_coordinator_is_killed, 120),
		HARNESS(first_in_is_first_out),
		HARNESS(full_queue_refuses),
		HARNESS(so_many_wait_and_no_more),
		HARNESS(who_gave_up_takes_nothing),
		HARNESS(who_takes_waits_for_a_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
