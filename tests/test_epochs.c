/*
 * test_epochs.c: coordinator and guardian both killed, several times, while commands of all these epochs are queued: each
 * is applied once, in the lane it was sent in; a client is told what became of its own; and what a client has of an epoch
 * that is over is given back.
 *
 * A command on a gate waits for a permit, so a queue lasts as long as the test wants.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/scratch.h"

#define QUEUED 300
#define TAKEOVERS 3
#define LONG STOA_MS(60000)
#define FOR_EVER (1 << 30)

struct gate {
	int64_t sum;
};
struct gate_args {
	int64_t n;
};
STOA_STRUCT(gate, STOA_ATTR(struct gate, sum));
STOA_STRUCT(gate_args, STOA_ATTR(struct gate_args, n));

/* Shared by all processes. */
static struct {
	_Atomic int permits, serving, over;
} * now;

static struct stoa *s;
static struct stoa_proxy *p;

static int gate_add(struct gate *self, const struct gate_args *args, struct gate_args *ret)
{
	while (atomic_load(&now->permits) <= 0)
		usleep(100);
	atomic_fetch_sub(&now->permits, 1);
	self->sum += args->n;
	ret->n = self->sum;
	return 0;
}

static int gate_fail(struct gate *self, const stoa_none *args, stoa_none *ret)
{
	(void)self, (void)args, (void)ret;
	return -EDOM;
}

STOA_METHOD(gate, add, gate_args, gate_args, .writes = "sum", .deadline = LONG);
STOA_METHOD(gate, fail, stoa_none, stoa_none);
STOA_CLASS(gate, 1, &gate_add_row, &gate_fail_row);

static void cast(int n)
{
	ok(stoa_cast(p, &gate_add_row, &(struct gate_args){ n }, SOON));
}

static void cast_failing(int n)
{
	for (int i = 0; i < n; i++)
		ok(stoa_cast(p, &gate_fail_row, NULL, SOON));
}

static int64_t sum(void)
{
	int64_t v = -1;
	ok(STOA_GET(p, struct gate, sum, &v, SOON));
	return v;
}

static uint64_t synced(void)
{
	uint64_t rejected;
	ok(stoa_sync(s, SOON, &rejected));
	return rejected;
}

/* The next coordinators, each in a program of its own that stays. */
static void serve(int threads)
{
	struct stoa *again;
	ok(stoa_start("test", STOA_CLASSES(&gate_class),
		      STOA_OPTIONS(.flags = STOA_VERIFY, .max_threads = (uint32_t)threads), &again));
	atomic_fetch_add(&now->serving, 1);
	until_within(LONG, atomic_load(&now->over));
}

/* Permits, so slowly that who comes finds most of the queue still there. */
static void drip(int unused)
{
	(void)unused;
	while (!atomic_load(&now->over)) {
		atomic_fetch_add(&now->permits, 1);
		usleep(5000 * HARNESS_SLOW);
	}
}

static void start(uint32_t threads)
{
	now = harness_shared(sizeof(*now));
	harness_spawn(drip, 0);
	s = harness_start_with(STOA_CLASSES(&gate_class), STOA_OPTIONS(.max_threads = threads));
	p = harness_create(s, "gate", &gate_class, NULL);
}

/* In the namespace's directory. */
static int lane_files(void)
{
	struct stat st;
	char path[PATH_MAX];
	int n = 0;
	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "%s/test/lane.%d", getenv("STOA_DIR"), i);
		n += stat(path, &st) == 0;
	}
	return n;
}

static void serve_again(int threads)
{
	int before = atomic_load(&now->serving);
	harness_spawn(serve, threads);
	until(atomic_load(&now->serving) > before);
}

static void take_over(int threads)
{
	harness_kill_both(s);
	serve_again(threads);
}

static void end(void)
{
	atomic_store(&now->permits, FOR_EVER);
	atomic_store(&now->over, 1);
	harness_join_all();
}

static void come_and_cast(int unused)
{
	(void)unused;
	for (int i = 0; i < 10; i++)
		cast(1000);
}

static void come_and_fail(int unused)
{
	(void)unused;
	cast_failing(5);
	assert_int_equal(synced(), 5);
}

static void queue(int n)
{
	for (int i = 0; i < n; i++)
		cast(1);
}

static void queued_commands_of_all_epochs_are_applied(void)
{
	start(0);
	queue(QUEUED);
	for (int k = 0; k < TAKEOVERS; k++) {
		take_over(0);
		harness_join(harness_spawn(come_and_cast, 0));
		cast(1);
		assert_true(harness_health(s).applied < QUEUED); /* else it was too slow to show anything */
	}
	atomic_store(&now->permits, FOR_EVER);
	assert_int_equal(synced(), 0);
	assert_int_equal(sum(), QUEUED + TAKEOVERS + TAKEOVERS * 10 * 1000);
	assert_int_equal(harness_health(s).rejected, 0);
	end();
}

/* The coordinator that begins anew under the same guardian has to know of them, too. */
static void queued_commands_outlive_a_coordinator_of_a_later_epoch(void)
{
	start(0);
	queue(QUEUED);
	take_over(0);
	take_over(0);
	harness_kill_coordinator(s);
	harness_join(harness_spawn(come_and_cast, 0));
	assert_true(harness_health(s).applied < QUEUED);
	atomic_store(&now->permits, FOR_EVER);
	assert_int_equal(synced(), 0);
	assert_int_equal(sum(), QUEUED + 10 * 1000);
	until(lane_files() == 1); /* of this thread; the others were taken back */
	end();
}

static void newcomer_waits_for_a_lane_that_commands_are_queued_of(void)
{
	start(1);
	queue(QUEUED / 3);
	take_over(1);
	take_over(1);
	harness_join(harness_spawn(come_and_cast, 0));
	assert_int_equal(synced(), 0);
	assert_int_equal(sum(), QUEUED / 3 + 10 * 1000);
	end();
}

static void newcomer_waits_for_the_lane_of_one_who_is_gone(void)
{
	start(2);
	harness_join(harness_spawn(queue, QUEUED / 3));
	assert_true(harness_health(s).applied < QUEUED / 3); /* else it was too slow to show anything */
	harness_join(harness_spawn(come_and_cast, 0));
	assert_int_equal(sum(), QUEUED / 3 + 10 * 1000);
	end();
}

/* In some epochs we are not heard of at all; then our lane is another's in the next but one. */
static void rejections_are_counted_for_who_sent_the_command(void)
{
	start(0);
	for (int k = 0; k < 2 * TAKEOVERS; k++) {
		cast(1);
		cast_failing(2);
		if (k % 3 == 0)
			assert_int_equal(synced(), 2 * k + 2);
		take_over(0);
		harness_join(harness_spawn(come_and_fail, 0));
		if (k % 2)
			take_over(0);
		harness_join(harness_spawn(come_and_fail, 0));
	}
	assert_int_equal(synced(), 4 * TAKEOVERS);
	end();
}

static int mappings(void)
{
	char line[512];
	int n = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "/lane.") != NULL;
	fclose(f);
	return n;
}

/* With nobody there: an answer for the event loop, one that was not waited for, and more that is queued behind. */
static uint64_t want_answers(struct gate_args *ret)
{
	struct stoa_error e;
	queue(20);
	ok(stoa_submit(p, &gate_add_row, &(struct gate_args){ 1 }, ret, ret, LONG, NULL));
	refused(-ECONNRESET, stoa_call(p, &gate_add_row, &(struct gate_args){ 1 }, NULL, SOON));
	stoa_last_error(&e);
	assert_true(e.may_apply);
	queue(20);
	return e.ticket;
}

static struct stoa_event next(void)
{
	struct stoa_event e;
	until(stoa_next(s, &e) == 1);
	return e;
}

static void lanes_of_epochs_before_are_freed(void)
{
	struct gate_args v;
	start(0);
	assert_true(stoa_fd(s) >= 0);
	int fds = scratch_fds(), maps = mappings();
	for (int k = 0; k < TAKEOVERS; k++) {
		harness_kill_both(s);
		uint64_t ticket = want_answers(&v);
		serve_again(0);
		cast(1);
		assert_int_equal(synced(), 0);
		ok(stoa_attach_thread(s)); /* whatever call comes next frees them */
		assert_int_equal(mappings(), maps);
		assert_int_equal(next().what, STOA_ANSWER);
		assert_int_equal(v.n, k * 43 + 21);
		assert_int_equal(next().what, STOA_LOST);
		assert_int_equal(next().what, STOA_BACK);
		ok(stoa_await(s, ticket, STOA_NOWAIT));
		assert_true(stoa_fd(s) >= 0);
		assert_int_equal(scratch_fds(), fds);
	}
	end();
}

/* A thread that ended has nothing more to do with its lane. */
static void *cast_in_a_thread(void *unused)
{
	(void)unused;
	queue(1);
	return NULL;
}

static void in_a_thread(void)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, cast_in_a_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void lanes_of_threads_that_ended_are_freed(void)
{
	start(0);
	cast(1);
	in_a_thread();
	int fds = scratch_fds(), maps = mappings();
	for (int k = 0; k < TAKEOVERS; k++) {
		take_over(0);
		cast(1);
		in_a_thread();
		assert_int_equal(synced(), 0);
		ok(stoa_attach_thread(s));
		assert_int_equal(mappings(), maps);
		assert_int_equal(scratch_fds(), fds);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(lanes_of_epochs_before_are_freed),
		HARNESS(lanes_of_threads_that_ended_are_freed),
		HARNESS(newcomer_waits_for_a_lane_that_commands_are_queued_of),
		HARNESS(newcomer_waits_for_the_lane_of_one_who_is_gone),
		HARNESS(queued_commands_of_all_epochs_are_applied),
		HARNESS(queued_commands_outlive_a_coordinator_of_a_later_epoch),
		HARNESS(rejections_are_counted_for_who_sent_the_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
