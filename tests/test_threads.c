/*
 * test_threads.c: every thread may use the handle; lanes of threads that ended are used again; and the room there is in
 * queue and lane, with what a timeout means for a command that was sent.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "include/stoa/observe.h"
#include "tests/harness.h"

#define THREADS 8
#define TIMES 2000

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static int64_t value(void)
{
	int64_t v;
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	return v;
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

static void *count(void *unused)
{
	struct counter_value v;
	struct counter now;
	(void)unused;
	for (int i = 0; i < TIMES; i++) {
		ok(harness_count(p, SOON));
		ok(counter_add_call(p, &(struct counter_args){ 1 }, &v, SOON));
		ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
		assert_true(now.value >= v.value);
	}
	return NULL;
}

static void threads_share_a_handle(void)
{
	pthread_t t[THREADS];
	start();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(value(), 2 * THREADS * TIMES);
}

static void *count_once(void *unused)
{
	(void)unused;
	ok(harness_count(p, SOON));
	return NULL;
}

static void lanes_of_ended_threads_are_used_again(void)
{
	start();
	for (int i = 0; i < 1000; i++) {
		pthread_t t;
		assert_int_equal(pthread_create(&t, NULL, count_once, NULL), 0);
		pthread_join(t, NULL);
	}
	assert_int_equal(value(), 1000);
	assert_true(harness_health(s).threads <= 4);
}

static int end_here(void *unused, const char *object, const struct stoa_class *cls)
{
	(void)unused, (void)object, (void)cls;
	pthread_testcancel();
	return 0;
}

static int end_at_class(void *unused, const struct stoa_class *cls, uint64_t fingerprint)
{
	(void)fingerprint;
	return end_here(unused, NULL, cls);
}

static int end_at_client(void *unused, const struct stoa_attached *client)
{
	(void)client;
	return end_here(unused, NULL, NULL);
}

static int end_at_logged(void *unused, const struct stoa_logged *message)
{
	(void)message;
	return end_here(unused, NULL, NULL);
}

static int end_at_traced(void *unused, const struct stoa_traced *command)
{
	(void)command;
	return end_here(unused, NULL, NULL);
}

static int end_at_statistic(void *unused, const struct stoa_statistic *one)
{
	(void)one;
	return end_here(unused, NULL, NULL);
}

/* What calls back does not end in that, and what reads and writes files does not end there. */
static void use_lists_and_files(void)
{
	size_t n = 0;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	FILE *f = tmpfile();
	assert_non_null(f);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	ok(stoa_list(s, NULL, end_here, NULL));
	ok(stoa_classes(s, end_at_class, NULL));
	ok(stoa_clients(s, end_at_client, NULL));
	ok(stoa_log(s, 0, end_at_logged, NULL));
	ok(stoa_trace(s, 0, end_at_traced, NULL));
	ok(stoa_statistics(s, STOA_BY_OBJECT, end_at_statistic, NULL));
	ok(stoa_dump(s, "made", fileno(f), 0, SOON, &n));
	assert_int_equal(n, 1);
	ok(stoa_remove(s, "made", SOON));
	assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
	ok(stoa_load(s, fileno(f), SOON, &n));
	assert_int_equal(n, 1);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	fclose(f);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
}

/* A cancellation is pending: the first cancellation point would be the thread's end. */
static __attribute__((noinline)) void use_all(void)
{
	struct stoa *again;
	struct stoa_proxy *made;
	struct stoa_event event;
	uint64_t rejected;
	pthread_cancel(pthread_self());
	ok(stoa_attach_thread(s));
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	ok(stoa_create(s, "made", &counter_class, NULL, 0, &made));
	ok(harness_count(made, SOON));
	ok(stoa_sync(s, SOON, &rejected));
	assert_true(stoa_fd(s) >= 0);
	ok(stoa_next(s, &event));
	stoa_close(made);
	use_lists_and_files();
	ok(stoa_remove(s, "made", SOON));
	refused(-ENOENT, stoa_open(s, "none", &counter_class, STOA_MS(20), &made));
	harness_health(s);
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &again));
	ok(STOA_GET(p, struct counter, value, &(int64_t){ 0 }, SOON));
	stoa_detach(again);
	refused(-ENOENT, stoa_attach("nobody", NULL, &again));
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	harness_kill_coordinator(s);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

/* With no frame of ours above: the address sanitizer would take what runs at the thread's end for an overflow of it. */
static void *use_all_and_end(void *done)
{
	use_all();
	*(bool *)done = true;
	pthread_testcancel();
	return NULL;
}

static void thread_that_is_cancelled_ends_what_it_does(void)
{
	bool done = false;
	void *end;
	pthread_t t;
	start();
	assert_int_equal(pthread_create(&t, NULL, use_all_and_end, &done), 0);
	pthread_join(t, &end);
	assert_ptr_equal(end, PTHREAD_CANCELED);
	assert_true(done);
	assert_int_equal(pthread_create(&t, NULL, count_once, NULL), 0);
	pthread_join(t, NULL);
	assert_int_equal(value(), 3);
}

/* Cancelled too late for a cancellation point of its own: what runs at its end has some. */
static void *watch_and_return(void *unused)
{
	(void)unused;
	assert_true(stoa_fd(s) >= 0);
	ok(stoa_watch(p, offsetof(struct counter, value), NULL));
	pthread_cancel(pthread_self());
	return NULL;
}

static void thread_that_is_cancelled_as_it_ends_holds_no_lock(void)
{
	struct stoa *again;
	pthread_t t;
	start();
	assert_int_equal(pthread_create(&t, NULL, watch_and_return, NULL), 0);
	pthread_join(t, NULL);
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &again));
	stoa_detach(again);
	assert_int_equal(pthread_create(&t, NULL, count_once, NULL), 0);
	pthread_join(t, NULL);
	assert_int_equal(harness_health(s).threads, 2);
}

static void *open_and_close(void *unused)
{
	(void)unused;
	for (int i = 0; i < 200; i++) {
		struct stoa_proxy *mine;
		ok(stoa_open(s, "hits", &counter_class, SOON, &mine));
		ok(harness_count(mine, SOON));
		stoa_close(mine);
	}
	return NULL;
}

static void threads_open_and_close_at_once(void)
{
	pthread_t t[THREADS];
	start();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, open_and_close, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(value(), 200 * THREADS);
}

/* ---- room --------------------------------------------------------------------------------------------------- */

static void cast_is_refused_at_once_when_the_queue_is_full(void)
{
	int n = 0, r;
	s = harness_start_with(NULL, STOA_OPTIONS(.max_queue = 64));
	p = harness_create(s, "hits", &counter_class, NULL);
	harness_freeze(s);
	while ((r = harness_count(p, STOA_NOWAIT)) == 0)
		n++;
	refused(-EAGAIN, r);
	says("no room in the queue");
	assert_int_equal(n, 64);
	int64_t before = clock_now();
	refused(-EAGAIN, harness_count(p, STOA_MS(50)));
	assert_true(clock_now() - before >= STOA_MS(50));
	harness_thaw(s);
	ok(harness_count(p, SOON));
	assert_int_equal(value(), 65);
}

struct bytes {
	stoa_blob blob;
};
struct size {
	uint64_t size;
};
STOA_STRUCT(bytes, STOA_ATTR(struct bytes, blob));
STOA_STRUCT(size, STOA_ATTR(struct size, size));
struct sink {
	uint64_t total;
};
STOA_STRUCT(sink, STOA_ATTR(struct sink, total));
STOA_STUB(sink, take, struct bytes, struct size);

static int sink_take(struct sink *self, const struct bytes *args, struct size *ret)
{
	ret->size = self->total += args->blob.size;
	return 0;
}
STOA_METHOD(sink, take, bytes, size, .writes = "total");
STOA_CLASS(sink, 1, &sink_take_row);

static void cast_is_refused_at_once_when_the_lane_is_full(void)
{
	const size_t mib = 1 << 20;
	uint64_t total, n = 0;
	int r;
	struct bytes b = { { calloc(1, mib), mib } };
	s = harness_start(STOA_CLASSES(&sink_class));
	p = harness_create(s, "sink", &sink_class, NULL);
	harness_freeze(s);
	while ((r = sink_take_cast(p, &b, STOA_NOWAIT)) == 0)
		n++;
	refused(-EAGAIN, r);
	says("no room in this thread's lane");
	assert_true(n >= 16 && n < 128);
	harness_thaw(s);
	ok(sink_take_cast(p, &b, SOON));
	ok(STOA_GET(p, struct sink, total, &total, SOON));
	assert_int_equal(total, (n + 1) * mib);
	b.blob.size = 1000;
	for (int i = 0; i < 20000; i++)
		ok(sink_take_cast(p, &b, SOON));
	ok(STOA_GET(p, struct sink, total, &total, SOON));
	assert_int_equal(total, (n + 1) * mib + 20000 * 1000);
	free(b.blob.data);
}

static void command_larger_than_a_lane_is_refused(void)
{
	struct bytes b = { { calloc(1, 65 << 20), 65 << 20 } };
	s = harness_start(STOA_CLASSES(&sink_class));
	p = harness_create(s, "sink", &sink_class, NULL);
	refused(-EMSGSIZE, sink_take_cast(p, &b, STOA_DEFAULT));
	b.blob.size = 30 << 20;
	struct size size;
	ok(sink_take_call(p, &b, &size, SOON));
	assert_int_equal(size.size, 30 << 20);
	free(b.blob.data);
}

/* ---- timeouts ----------------------------------------------------------------------------------------------- */

static void call_that_was_not_looked_at_is_cancelled_at_its_timeout(void)
{
	struct stoa_error e;
	start();
	harness_freeze(s);
	refused(-ECANCELED, counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_MS(50)));
	stoa_last_error(&e);
	assert_false(e.may_apply);
	harness_thaw(s);
	assert_int_equal(value(), 0);
	assert_int_equal(harness_health(s).rejected, 1);
}

struct slow {
	uint64_t n;
};
STOA_STRUCT(slow, STOA_ATTR(struct slow, n));
STOA_STUB(slow, nap, struct size, struct size);

static int slow_nap(struct slow *self, const struct size *args, struct size *ret)
{
	usleep((unsigned)args->size * 1000);
	ret->size = ++self->n;
	return args->size == 301 ? stoa_fail(-EDOM, "odd") : 0;
}
STOA_METHOD(slow, nap, size, size, .writes = "n", .deadline = STOA_MS(10000));
STOA_CLASS(slow, 1, &slow_nap_row);

static void call_that_runs_at_its_timeout_can_be_awaited(void)
{
	struct stoa_error e;
	struct size n = { 77 };
	s = harness_start(STOA_CLASSES(&slow_class));
	p = harness_create(s, "slow", &slow_class, NULL);
	refused(-ETIMEDOUT, slow_nap_call(p, &(struct size){ 300 }, &n, STOA_MS(50)));
	stoa_last_error(&e);
	assert_true(e.may_apply);
	assert_int_equal(n.size, 77);
	refused(-ETIMEDOUT, stoa_await(s, e.ticket, STOA_MS(20)));
	ok(stoa_await(s, e.ticket, SOON));
	assert_int_equal(n.size, 77); /* the caller's memory is not written after the call returned */
	refused(-ENOENT, stoa_await(s, e.ticket, SOON));
	refused(-ETIMEDOUT, slow_nap_call(p, &(struct size){ 301 }, &n, STOA_MS(50)));
	stoa_last_error(&e);
	refused(-EDOM, stoa_await(s, e.ticket, SOON));
	says("odd");
}

static void sync_tells_how_many_of_this_thread_were_rejected(void)
{
	uint64_t rejected = 9;
	s = harness_start(STOA_CLASSES(&slow_class));
	p = harness_create(s, "slow", &slow_class, NULL);
	for (int i = 0; i < 3; i++)
		ok(slow_nap_cast(p, &(struct size){ i == 1 ? 301 : 0 }, STOA_DEFAULT));
	refused(-ETIMEDOUT, stoa_sync(s, STOA_MS(20), &rejected));
	assert_int_equal(rejected, 9);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 1);
	refused(-EDOM, slow_nap_call(p, &(struct size){ 301 }, NULL, SOON));
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 2);
}

static void *cast_odd(void *unused)
{
	(void)unused;
	ok(slow_nap_cast(p, &(struct size){ 301 }, STOA_DEFAULT));
	return NULL;
}

static void *sync_alone(void *ret_rejected)
{
	ok(stoa_sync(s, SOON, ret_rejected));
	return NULL;
}

/* What the thread before sent is rejected only now. */
static void sync_tells_nothing_of_the_thread_that_had_the_lane_before(void)
{
	uint64_t rejected = 9;
	pthread_t t;
	s = harness_start(STOA_CLASSES(&slow_class));
	p = harness_create(s, "slow", &slow_class, NULL);
	assert_int_equal(pthread_create(&t, NULL, cast_odd, NULL), 0);
	pthread_join(t, NULL);
	assert_int_equal(pthread_create(&t, NULL, sync_alone, &rejected), 0);
	pthread_join(t, NULL);
	assert_int_equal(rejected, 0);
	assert_int_equal(harness_health(s).threads, 2);
	assert_int_equal(harness_health(s).rejected, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(call_that_runs_at_its_timeout_can_be_awaited),
		HARNESS(call_that_was_not_looked_at_is_cancelled_at_its_timeout),
		HARNESS(cast_is_refused_at_once_when_the_lane_is_full),
		HARNESS(cast_is_refused_at_once_when_the_queue_is_full),
		HARNESS(command_larger_than_a_lane_is_refused),
		HARNESS(lanes_of_ended_threads_are_used_again),
		HARNESS(sync_tells_how_many_of_this_thread_were_rejected),
		HARNESS(sync_tells_nothing_of_the_thread_that_had_the_lane_before),
		HARNESS(thread_that_is_cancelled_as_it_ends_holds_no_lock),
		HARNESS(thread_that_is_cancelled_ends_what_it_does),
		HARNESS(threads_open_and_close_at_once),
		HARNESS(threads_share_a_handle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
