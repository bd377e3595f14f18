/*
 * test_fold.c: casts that join a queued command: none is lost or done twice, none passes what it must not, and what does
 * not fit the arguments' types is not joined.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "tests/harness.h"

#define DEADLY 255

struct heap {
	int64_t bytes;
	uint64_t things, calls;
};
struct load {
	int8_t bytes;
	uint8_t things;
};
STOA_STRUCT(heap, STOA_ATTR(struct heap, bytes), STOA_ATTR(struct heap, things), STOA_ATTR(struct heap, calls));
STOA_STRUCT(load, STOA_ATTR(struct load, bytes), STOA_ATTR(struct load, things));
STOA_STUB(heap, put, struct load, stoa_none);
STOA_STUB(heap, clear, stoa_none, stoa_none);

static int heap_put(struct heap *self, const struct load *args, stoa_none *ret)
{
	(void)ret;
	if (args->things == DEADLY)
		abort();
	self->bytes += args->bytes;
	self->things += args->things;
	self->calls++; /* which is no sum of arguments, and so tells how often it ran */
	return 0;
}
STOA_METHOD(heap, put, load, stoa_none, .writes = "bytes things calls", .folds = true);

static int heap_clear(struct heap *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	*self = (struct heap){ 0 };
	return 0;
}
STOA_METHOD(heap, clear, stoa_none, stoa_none, .writes = "*");
STOA_CLASS(heap, 1, &heap_put_row, &heap_clear_row);

static struct stoa *s;
static struct stoa_proxy *heap, *hits;

static void start(void)
{
	s = harness_start(STOA_CLASSES(&heap_class, &counter_class));
	heap = harness_create(s, "heap", &heap_class, NULL);
	hits = harness_create(s, "hits", &counter_class, NULL);
}

static struct heap now(void)
{
	struct heap have = { 0 };
	ok(stoa_snapshot(heap, &have, sizeof have, SOON, NULL));
	return have;
}

static void put(int8_t bytes, uint8_t things)
{
	ok(heap_put_cast(heap, &(struct load){ bytes, things }, SOON));
}

static void casts_join_the_one_that_is_queued(void)
{
	start();
	uint64_t before = harness_health(s).applied;
	harness_freeze(s);
	for (int i = 0; i < 20; i++)
		put(1, 2);
	assert_int_equal(harness_health(s).queued, 1);
	harness_thaw(s);
	struct heap have = now();
	assert_int_equal(have.bytes, 20);
	assert_int_equal(have.things, 40);
	assert_int_equal(have.calls, 1);
	assert_int_equal(harness_health(s).applied - before, 1);
	assert_int_equal(harness_health(s).folded, 19);
	stoa_detach(s);
}

static void sums_that_do_not_fit_are_commands_of_their_own(void)
{
	start();
	harness_freeze(s);
	for (int i = 0; i < 10; i++)
		put(i % 2 ? 127 : -128, 200); /* too large to be added to anything */
	assert_int_equal(harness_health(s).queued, 10);
	for (int i = 0; i < 100; i++)
		put(15, 1);
	for (int i = 0; i < 100; i++)
		put(-15, 0);
	harness_thaw(s);
	struct heap have = now();
	assert_int_equal(have.bytes, -5);
	assert_int_equal(have.things, 2100);
	assert_int_equal(harness_health(s).rejected, 0);
	stoa_detach(s);
}

static void none_joins_what_stands_before_another_command(void)
{
	start();
	harness_freeze(s);
	put(1, 1);
	ok(heap_clear_cast(heap, NULL, SOON));
	put(2, 1);
	put(3, 1);
	assert_int_equal(harness_health(s).queued, 3);
	harness_thaw(s);
	struct heap have = now();
	assert_int_equal(have.bytes, 5);
	assert_int_equal(have.things, 2);
	stoa_detach(s);
}

static void none_passes_a_command_of_another_process(void)
{
	start();
	harness_freeze(s);
	put(1, 1);
	pid_t other = fork();
	if (other == 0) /* of another object, even */
		_exit(counter_set_cast(hits, &(struct counter_args){ 7 }, SOON) != 0);
	harness_thaw(s); /* the child needs a lane */
	int status;
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(status, 0);
	harness_freeze(s);
	put(1, 1);
	uint64_t queued = harness_health(s).queued;
	put(1, 1);
	assert_int_equal(harness_health(s).queued, queued);
	harness_thaw(s);
	assert_int_equal(now().things, 3);
	stoa_detach(s);
}

static void folding_commands_of_others_may_stand_between(void)
{
	start();
	harness_freeze(s);
	put(1, 1);
	ok(counter_add_cast(hits, &(struct counter_args){ 1 }, SOON)); /* this thread's newest is another now */
	put(1, 1);
	assert_int_equal(harness_health(s).queued, 3);
	harness_thaw(s);
	assert_int_equal(now().things, 2);
	stoa_detach(s);
}

/* They are of one turn, also when the next coordinator looks for who was it. */
static void one_that_crashes_behind_another_is_rejected_alone(void)
{
	start();
	harness_freeze(s);
	ok(counter_add_cast(hits, &(struct counter_args){ 1 }, SOON));
	put(0, DEADLY);
	ok(counter_add_cast(hits, &(struct counter_args){ 1 }, SOON));
	assert_int_equal(harness_health(s).queued, 3);
	harness_thaw(s);
	until(harness_health(s).queued == 0);
	int64_t value;
	ok(STOA_GET(hits, struct counter, value, &value, SOON));
	assert_int_equal(value, 2);
	assert_int_equal(now().calls, 0);
	assert_int_equal(harness_health(s).rejected, 1);
	assert_int_equal(harness_health(s).restarts, 2);
	stoa_detach(s);
}

static void folded_casts_outlive_guardian_and_coordinator(void)
{
	start();
	harness_kill_both(s);
	for (int i = 0; i < 30; i++)
		put(1, 1);
	assert_int_equal(harness_health(s).queued, 1);
	ok(stoa_start("test", STOA_CLASSES(&heap_class, &counter_class), STOA_OPTIONS(.flags = STOA_VERIFY),
		      &(struct stoa *){ NULL }));
	put(1, 1);
	assert_int_equal(now().things, 31);
	stoa_detach(s);
}

/* ---- a chain is of one lane ---------------------------------------------------------------------------------- */

static struct stopped {
	_Atomic int step; /* 1: it waits, 2: it casts, 3: it comes to its end */
	_Atomic uint64_t sent;
} *stopped;

static void be_stopped_in_a_cast(int unused)
{
	(void)unused;
	put(1, 1);
	ok(stoa_sync(s, SOON, NULL));
	atomic_store(&stopped->sent, 1);
	atomic_store(&stopped->step, 1);
	until(atomic_load(&stopped->step) == 2);
	while (atomic_load(&stopped->step) == 2) {
		int r = heap_put_cast(heap, &(struct load){ 1, 1 }, SOON);
		if (r == 0)
			atomic_fetch_add(&stopped->sent, 1);
		else
			refused(-ECONNRESET, r); /* that one was not taken */
	}
	ok(stoa_sync(s, SOON, NULL));
}

/* Stopped while it casts to nobody, it finds another lane when it goes on, and a coordinator who took what it had. */
static void chain_does_not_go_on_in_another_lane(void)
{
	stopped = harness_shared(sizeof *stopped);
	for (int i = 0; i < 6; i++) {
		atomic_store(&stopped->step, 0);
		start();
		pid_t pid = harness_spawn(be_stopped_in_a_cast, 0);
		until(atomic_load(&stopped->step) == 1);
		harness_kill_both(s);
		atomic_store(&stopped->step, 2);
		usleep(2000 + 500 * (unsigned)i);
		harness_stop_process(pid);
		ok(stoa_start("test", STOA_CLASSES(&heap_class, &counter_class), STOA_OPTIONS(.flags = STOA_VERIFY),
			      &(struct stoa *){ NULL }));
		until(harness_health(s).queued == 0 && harness_health(s).verdict == STOA_HEALTHY);
		kill(pid, SIGCONT);
		usleep(5000);
		atomic_store(&stopped->step, 3);
		assert_int_equal(harness_status(pid), 0);
		assert_int_equal(now().things, atomic_load(&stopped->sent));
		ok(stoa_stop(s, STOA_NOW, SOON));
		stoa_detach(s);
		stoa_detach(s);
	}
}

#define CASTERS 4
#define CASTS (200000 / HARNESS_FEWER)

struct tally {
	_Atomic uint64_t sent[CASTERS];
};

static uint64_t sent_in_all(struct tally *tally)
{
	uint64_t sent = 0;
	for (int k = 0; k < CASTERS; k++)
		sent += atomic_load(&tally->sent[k]);
	return sent;
}

/* After each of its casts a reader, here as elsewhere, sees at least that. */
static void be_caster(struct tally *tally, int id)
{
	struct heap have = { 0 };
	for (int i = 1; i <= CASTS; i++) {
		put(1, 1);
		atomic_store(&tally->sent[id], (uint64_t)i);
		if (i % 512)
			continue;
		uint64_t sent = sent_in_all(tally);
		ok(stoa_snapshot(heap, &have, sizeof have, SOON, NULL));
		if (have.things < sent || have.bytes != (int64_t)have.things)
			_exit(2);
	}
	uint64_t rejected;
	ok(stoa_sync(s, SOON, &rejected));
	_exit(rejected != 0);
}

static void each_cast_counts_once_when_the_coordinator_is_killed_again_and_again(void)
{
	struct tally *tally =
		mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[CASTERS];
	int left = CASTERS, status;
	start();
	for (int id = 0; id < CASTERS; id++)
		if ((pids[id] = fork()) == 0)
			be_caster(tally, id);
	while (left > 0) {
		uint64_t sent = sent_in_all(tally), most = CASTERS * CASTS, committed = handle_committed(s);
		if (sent < most) /* else one that is slow may be killed for ever before it has done all */
			harness_kill_coordinator(s);
		/* Else the guardian, after 60 deaths without a commit between them, gives up. */
		until((sent_in_all(tally) > sent + 1000 && handle_committed(s) > committed) ||
		      sent_in_all(tally) == most);
		while (left > 0 && waitpid(pids[left - 1], &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			left--;
		}
	}
	struct heap have = now();
	assert_int_equal(have.things, CASTERS * CASTS);
	assert_int_equal(have.bytes, CASTERS * CASTS);
	struct stoa_health h = harness_health(s);
	assert_int_equal(h.applied + h.folded, CASTERS * CASTS + 2);
	assert_int_equal(h.rejected, 0);
	munmap(tally, sizeof *tally);
	stoa_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(casts_join_the_one_that_is_queued),
		HARNESS(chain_does_not_go_on_in_another_lane),
		HARNESS(each_cast_counts_once_when_the_coordinator_is_killed_again_and_again),
		HARNESS(folded_casts_outlive_guardian_and_coordinator),
		HARNESS(folding_commands_of_others_may_stand_between),
		HARNESS(none_joins_what_stands_before_another_command),
		HARNESS(none_passes_a_command_of_another_process),
		HARNESS(one_that_crashes_behind_another_is_rejected_alone),
		HARNESS(sums_that_do_not_fit_are_commands_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
