/*
 * test_attached.c: each attached process and thread is told of, with what it has pushed, what is pending of it, and what
 * it sleeps for; also of a dead namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "include/stoa/observe.h"
#include "proxy/handle.h"
#include "tests/harness.h"

static struct stoa_attached seen[16];
static size_t n_seen;
static struct stoa *s;
static struct stoa_proxy *hits;
static struct {
	_Atomic int n, over, tid;
} *now; /* shared */

static int keep(void *data, const struct stoa_attached *a)
{
	(void)data;
	assert_true(n_seen < 16);
	seen[n_seen++] = *a;
	return 0;
}

static size_t look(void)
{
	n_seen = 0;
	ok(stoa_clients(s, keep, NULL));
	return n_seen;
}

static const struct stoa_attached *find(uint32_t tid)
{
	look();
	for (size_t i = 0; i < n_seen; i++)
		if (seen[i].tid == tid)
			return &seen[i];
	return NULL;
}

static void begin(void)
{
	now = harness_shared(sizeof(*now));
	s = harness_start(NULL);
	hits = harness_create(s, "hits", &counter_class, NULL);
}

static void client(int i)
{
	(void)i;
	prctl(PR_SET_NAME, "bus\tdriver");
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
	refused(-EOVERFLOW, counter_add_call(hits, &(struct counter_args){ INT64_MAX }, NULL, SOON));
	atomic_store(&now->tid, (int)gettid());
	until(atomic_load(&now->over));
}

static void attached_processes_are_told_of(void)
{
	struct timespec t;
	begin();
	clock_gettime(CLOCK_REALTIME, &t);
	pid_t child = harness_spawn(client, 0);
	until(atomic_load(&now->tid));
	const struct stoa_attached *a = find((uint32_t)atomic_load(&now->tid));
	assert_non_null(a);
	assert_int_equal(n_seen, 2);
	assert_int_equal(a->pid, child);
	assert_int_equal(a->uid, geteuid());
	assert_int_equal(a->pushed, 2);
	assert_int_equal(a->rejected, 1);
	assert_int_equal(a->pending, 0);
	assert_int_equal(a->waits, STOA_WAITS_NOT);
	assert_string_equal(a->name, "test_attached");
	assert_string_equal(a->thread, "bus?driver");
	assert_in_range(a->since_ns / 1000000000, t.tv_sec - 1, t.tv_sec + 60);
	atomic_store(&now->over, 1);
	harness_join(child);
	until(look() == 1);
	assert_int_equal(seen[0].pid, getpid());
	assert_int_equal(seen[0].pushed, 1);
}

static void *call_later(void *unused)
{
	(void)unused;
	ok(stoa_attach_thread(s));
	atomic_store(&now->tid, (int)gettid());
	until(atomic_load(&now->n));
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
	return NULL;
}

static void *read_later(void *unused)
{
	int64_t value;
	(void)unused;
	ok(stoa_attach_thread(s));
	atomic_store(&now->tid, (int)gettid());
	until(atomic_load(&now->n));
	ok(STOA_GET(hits, struct counter, value, &value, SOON));
	return NULL;
}

static const struct stoa_attached *waiting(enum stoa_waits what)
{
	const struct stoa_attached *a = NULL;
	until((a = find((uint32_t)atomic_load(&now->tid))) && a->waits == what);
	return a;
}

static void sleepers_tell_what_they_sleep_for(void)
{
	pthread_t caller;
	begin();
	ok(stoa_attach_thread(s));
	pthread_create(&caller, NULL, call_later, NULL);
	until(atomic_load(&now->tid));
	harness_freeze(s);
	atomic_store(&now->n, 1);
	const struct stoa_attached *a;
	until((a = waiting(STOA_WAITS_ANSWER))->pending == 1); /* the queue was looked at before that */
	assert_int_equal(a->pushed, a->rejected + 1);
	assert_string_equal(a->object, "hits");
	assert_string_equal(a->row, "add");
	assert_true(a->oldest_ns > 0); /* its thread's first */
	until((a = waiting(STOA_WAITS_ANSWER))->waits_ns > STOA_MS(250)); /* it looked around meanwhile */
	harness_thaw(s);
	pthread_join(caller, NULL);
}

/* It has been elsewhere meanwhile, and comes back by what it has looked up before. */
static void *call_by_turns(void *there)
{
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
	ok(counter_add_call(there, &(struct counter_args){ 1 }, NULL, SOON));
	atomic_store(&now->tid, (int)gettid());
	until(atomic_load(&now->n));
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
	return NULL;
}

static void sleepers_of_two_namespaces_tell_it_in_the_right_one(void)
{
	pthread_t caller;
	struct stoa *other;
	begin();
	ok(stoa_start("other", NULL, STOA_OPTIONS(0), &other));
	struct stoa_proxy *first = harness_create(other, "first", &counter_class, NULL); /* in the same place as hits */
	struct stoa_proxy *there = harness_create(other, "bits", &counter_class, NULL);
	pthread_create(&caller, NULL, call_by_turns, there);
	until(atomic_load(&now->tid));
	harness_freeze(s);
	atomic_store(&now->n, 1);
	waiting(STOA_WAITS_ANSWER);
	harness_thaw(s);
	pthread_join(caller, NULL);
	stoa_close(first);
	stoa_close(there);
	stoa_detach(other);
}

/* The thread has a lane by then, so that it can tell. */
static void readers_tell_what_they_wait_for(void)
{
	pthread_t reader;
	begin();
	pthread_create(&reader, NULL, read_later, NULL);
	until(atomic_load(&now->tid));
	harness_freeze(s);
	ok(harness_count(hits, SOON));
	atomic_store(&now->n, 1);
	assert_string_equal(waiting(STOA_WAITS_OBJECT)->waits_for, "hits");
	harness_thaw(s);
	pthread_join(reader, NULL);
}

static void the_dead_are_told_of_until_the_next_start(void)
{
	struct stoa *again;
	begin();
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
	harness_kill_coordinator(s);
	assert_int_equal(look(), 1);
	harness_kill_both(s);
	ok(counter_add_cast(hits, &(struct counter_args){ 1 }, SOON));
	assert_int_equal(look(), 1);
	assert_int_equal(seen[0].pid, getpid());
	assert_int_equal(seen[0].pushed, 3);
	assert_int_equal(seen[0].pending, 1);
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &again));
	ok(stoa_sync(s, SOON, NULL));
	until(look() == 1);
	stoa_detach(again);
}

/* Its first turn was written, and not committed, when guardian and coordinator died. */
static void thread_whose_first_turn_was_not_committed_is_told_of(void)
{
	char path[PATH_MAX + 16];
	begin();
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
	harness_kill_both(s);
	struct lane_row row;
	uint64_t at = 0;
	snprintf(path, sizeof(path), "%s/state", s->dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	for (uint32_t i = 0; i < space_lanes(&s->space) && !at; i++)
		if (atomic_load(&s->space.state->lanes_end[i >= s->space.geometry.lanes]) > i % s->space.geometry.lanes &&
		    atomic_load(&space_lane(&s->space, i)->pid) == getpid())
			at = (uint64_t)((char *)space_lane(&s->space, i) - (char *)s->space.state);
	assert_true(at > 0 && pread(fd, &row, sizeof(row), (off_t)at) == sizeof(row));
	atomic_store(&row.tags.of[0], 0);
	atomic_store(&row.tags.of[1], handle_committed(s) + 1);
	assert_int_equal(pwrite(fd, &row, sizeof(row), (off_t)at), sizeof(row));
	close(fd);
	assert_int_equal(look(), 1);
	assert_int_equal(seen[0].pushed, 0);
	ok(stoa_start("test", NULL, NULL, &(struct stoa *){ NULL }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(attached_processes_are_told_of),
		HARNESS(sleepers_of_two_namespaces_tell_it_in_the_right_one),
		HARNESS(sleepers_tell_what_they_sleep_for),
		HARNESS(readers_tell_what_they_wait_for),
		HARNESS(the_dead_are_told_of_until_the_next_start),
		HARNESS(thread_whose_first_turn_was_not_committed_is_told_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
