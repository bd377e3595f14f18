/*
 * test_leave.c: clients leave, and objects that mind are told, by a command as any other: whoever of client, coordinator
 * and guardian dies, and whatever the method does then.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "src/ring.h"
#include "tests/harness.h"

enum how { WELL, CRASH, UNDECLARED, REFUSE, HOW, NOT_UNPACKED };

/* A chair, and whose it is. */
struct chair {
	uint64_t number;
	int64_t freed, other;
};
STOA_STRUCT(chair, STOA_ATTR(struct chair, number), STOA_ATTR(struct chair, freed), STOA_ATTR(struct chair, other));
struct whom {
	uint64_t number;
};
STOA_STRUCT(whom, STOA_ATTR(struct whom, number));
STOA_STUB(chair, sit, stoa_none, stoa_none);
STOA_STUB(chair, look, stoa_none, stoa_none);
STOA_STUB(chair, seat, struct whom, stoa_none);
STOA_STUB(chair, dust, stoa_none, stoa_none);

static struct shared {
	_Atomic int how, step;
	_Atomic int looks;
} *shared;

static int chair_sit(struct chair *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->number = stoa_caller()->number;
	return stoa_attached(self->number) ? 0 : stoa_fail(-EOWNERDEAD, "you are not there");
}

static int chair_look(struct chair *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	atomic_fetch_add(&shared->looks, 1);
	if (self->number == 0 || stoa_attached(self->number))
		return 0;
	self->number = 0;
	self->freed++;
	switch (atomic_load(&shared->how)) {
	case CRASH:
		abort();
	case UNDECLARED:
		self->other = 1;
		return 0;
	case REFUSE:
		return stoa_fail(-EDOM, "not now");
	}
	return 0;
}

static int chair_seat(struct chair *self, const struct whom *args, stoa_none *ret)
{
	(void)ret;
	self->number = args->number;
	return 0;
}

static int chair_dust(struct chair *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->other++;
	usleep(3000);
	return 0;
}
STOA_METHOD(chair, dust, stoa_none, stoa_none, .writes = "other", .doc = "takes its time");
STOA_METHOD(chair, seat, whom, stoa_none, .writes = "number");
STOA_METHOD(chair, sit, stoa_none, stoa_none, .writes = "number");
STOA_METHOD(chair, look, stoa_none, stoa_none, .writes = "number freed", .on_leave = true);
STOA_CLASS(chair, 1, &chair_dust_row, &chair_seat_row, &chair_sit_row, &chair_look_row);

/* The same with its state in a part of its own. */
struct bench {
	uint64_t number;
};
STOA_STRUCT(bench, STOA_ATTR(struct bench, number));
STOA_STUB(bench, sit, stoa_none, stoa_none);

static int bench_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	(void)part;
	return stoa_blob_set(ret, self, sizeof(struct bench));
}

static int bench_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	(void)part;
	if (atomic_load(&shared->how) == NOT_UNPACKED)
		return -EILSEQ;
	memcpy(self, data, size);
	return 0;
}

static const struct stoa_hooks hooks = { .parts = 1, .pack = bench_pack, .unpack = bench_unpack };

static int bench_sit(struct bench *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->number = stoa_caller()->number;
	stoa_touch(0);
	return 0;
}

static int bench_look(struct bench *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	if (!stoa_attached(self->number))
		self->number = 0;
	stoa_touch(0);
	return 0;
}
STOA_METHOD(bench, sit, stoa_none, stoa_none, .writes = "number");
STOA_METHOD(bench, look, stoa_none, stoa_none, .writes = "number", .on_leave = true);
STOA_CLASS_HOOKS(bench, 1, &hooks, &bench_sit_row, &bench_look_row);

static struct stoa *s;
static struct stoa_proxy *p;

static void start_with(struct stoa_options *options)
{
	shared = harness_shared(sizeof(*shared));
	s = harness_start_with(STOA_CLASSES(&chair_class, &bench_class), options);
	p = harness_create(s, "chair", &chair_class, NULL);
}

static void start(void)
{
	start_with(STOA_OPTIONS(.flags = STOA_VERIFY));
}

static struct chair look(void)
{
	struct chair chair;
	ok(stoa_snapshot(p, &chair, sizeof(chair), SOON, NULL));
	return chair;
}

static void sit_and_stay(int unused)
{
	(void)unused;
	ok(chair_sit_call(p, NULL, NULL, SOON));
	atomic_store(&shared->step, 1);
	for (;;)
		pause();
}

static void use_and_leave(int unused)
{
	(void)unused;
	ok(stoa_attach_thread(s));
}

/* Another process sits there. */
static pid_t taken(void)
{
	pid_t pid = harness_spawn(sit_and_stay, 0);
	until(atomic_load(&shared->step) == 1);
	assert_true(look().number > 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(harness_status(pid), -SIGKILL);
}

/* ---- who is gone -------------------------------------------------------------------------------------------- */

static void chair_of_the_dead_is_free_and_who_waits_is_woken(void)
{
	struct stoa_stamp stamp;
	uint64_t number;
	start();
	pid_t pid = taken();
	ok(stoa_get(p, offsetof(struct chair, number), &number, sizeof(number), SOON, &stamp));
	end(pid);
	ok(stoa_wait(p, offsetof(struct chair, number), stamp.version, SOON, &stamp));
	assert_int_equal(look().number, 0);
	assert_int_equal(look().freed, 1);
	assert_int_equal(stamp.pid, 0); /* nobody's doing */
}

static void sit_and_detach(int unused)
{
	struct stoa *again;
	(void)unused;
	ok(chair_sit_call(p, NULL, NULL, SOON));
	s = stoa_detach(s);
	until(atomic_load(&shared->step) == 2);
	ok(stoa_attach("test", NULL, &again)); /* it comes again, as another */
	ok(stoa_open(again, "chair", &chair_class, SOON, &p));
	ok(chair_look_call(p, NULL, NULL, SOON));
	stoa_detach(again);
}

static void who_detaches_is_gone_though_its_process_lives(void)
{
	start();
	pid_t pid = harness_spawn(sit_and_detach, 0);
	until(look().freed == 1);
	atomic_store(&shared->step, 2);
	harness_join(pid);
	assert_int_equal(look().number, 0);
}

static void who_is_stopped_or_silent_is_not_gone(void)
{
	start();
	pid_t pid = taken();
	harness_stop_process(pid);
	harness_join(harness_spawn(use_and_leave, 0));
	harness_kill_coordinator(s);
	ok(chair_look_call(p, NULL, NULL, SOON));
	assert_true(look().number > 0);
	end(pid);
	until(look().number == 0);
}

static void who_dies_while_the_coordinator_is_stopped_is_gone(void)
{
	start();
	pid_t pid = taken();
	harness_freeze(s);
	end(pid);
	harness_thaw(s);
	until(look().freed == 1);
}

static void who_dies_with_the_coordinator_is_gone(void)
{
	start();
	pid_t pid = taken();
	harness_freeze(s);
	end(pid);
	kill(harness_coordinator(s), SIGKILL); /* which continues the guardian */
	until(look().freed == 1);
}

static void serve_again(void)
{
	ok(stoa_start("test", STOA_CLASSES(&chair_class, &bench_class), STOA_OPTIONS(.flags = STOA_VERIFY),
		      &(struct stoa *){ NULL }));
}

static void who_died_with_coordinator_and_guardian_is_gone(void)
{
	start();
	pid_t pid = taken();
	harness_kill_both(s);
	end(pid);
	serve_again();
	until(look().freed == 1);
}

static void who_lives_on_is_not_gone_when_coordinator_and_guardian_died(void)
{
	harness_needs_pidfds();
	start();
	pid_t pid = taken();
	harness_kill_both(s);
	serve_again();
	ok(chair_look_call(p, NULL, NULL, SOON));
	assert_true(look().number > 0); /* it has not said a word to this one */
	harness_kill_coordinator(s);
	ok(chair_look_call(p, NULL, NULL, SOON));
	assert_int_equal(look().freed, 0);
	end(pid);
	until(look().freed == 1);
}

/* The numbers of its lanes would be others' by now. */
static void who_lives_on_through_many_such_deaths_is_not_gone(void)
{
	harness_needs_pidfds();
	start();
	pid_t pid = taken();
	for (int i = 0; i < 3; i++) {
		harness_kill_both(s);
		serve_again();
		ok(chair_look_call(p, NULL, NULL, SOON));
		harness_join(harness_spawn(use_and_leave, 0));
	}
	harness_kill_coordinator(s);
	ok(chair_look_call(p, NULL, NULL, SOON));
	assert_int_equal(look().freed, 0);
	end(pid);
	until(look().freed == 1);
}

static void sit_and_come_back(int unused)
{
	(void)unused;
	ok(chair_sit_call(p, NULL, NULL, SOON));
	uint64_t number = look().number;
	atomic_store(&shared->step, 1);
	until(atomic_load(&shared->step) == 2);
	ok(chair_sit_call(p, NULL, NULL, SOON));
	assert_int_equal(look().number, number);
	atomic_store(&shared->step, 3);
	until(atomic_load(&shared->step) == 4);
	s = stoa_detach(s);
	until(atomic_load(&shared->step) == 5);
}

static void who_comes_back_to_another_is_the_same_and_goes_as_others_do(void)
{
	harness_needs_pidfds();
	start();
	pid_t pid = harness_spawn(sit_and_come_back, 0);
	until(atomic_load(&shared->step) == 1);
	harness_kill_both(s);
	serve_again();
	atomic_store(&shared->step, 2);
	until(atomic_load(&shared->step) == 3);
	assert_int_equal(look().freed, 0);
	uint64_t number = look().number;
	harness_freeze(s);
	atomic_store(&shared->step, 4);
	kill(harness_coordinator(s), SIGKILL); /* the next one finds a process that lives, and has left */
	until(look().freed == 1);
	harness_kill_coordinator(s); /* this one does not know it as a client either */
	ok(chair_seat_call(p, &(struct whom){ number }, NULL, SOON));
	ok(chair_look_call(p, NULL, NULL, SOON));
	assert_int_equal(look().freed, 2);
	atomic_store(&shared->step, 5);
	harness_join(pid);
}

static void sit_when_told(int unused)
{
	(void)unused;
	ok(stoa_attach_thread(s));
	atomic_store(&shared->step, 1);
	until(atomic_load(&shared->step) == 2);
	ok(chair_sit_cast(p, NULL, SOON));
	kill(getpid(), SIGKILL);
}

static void who_died_before_his_command_ran_is_gone(void)
{
	start();
	pid_t pid = harness_spawn(sit_when_told, 0);
	until(atomic_load(&shared->step) == 1);
	harness_freeze(s);
	atomic_store(&shared->step, 2);
	assert_int_equal(harness_status(pid), -SIGKILL);
	harness_thaw(s);
	until(look().freed == 1);
}

static bool word_is_queued(void)
{
	uint64_t word, end = ring_end(&s->space);
	for (uint64_t t = handle_committed(s); t < end; t++)
		if (ring_take(&s->space, t, &word) && ring_word_lane(word) == RING_LANE_SPECIAL)
			return true;
	return false;
}

static void sit_again_when_told(int unused)
{
	(void)unused;
	ok(chair_sit_call(p, NULL, NULL, SOON));
	struct whom me = { look().number };
	atomic_store(&shared->step, 1);
	until(atomic_load(&shared->step) == 2);
	ok(chair_seat_cast(p, &me, SOON));
	kill(getpid(), SIGKILL);
}

/* The look at who died first is queued, and before what the other has sent. */
static void who_sat_behind_the_look_at_another_is_looked_at_too(void)
{
	start();
	pid_t second = harness_spawn(sit_again_when_told, 0);
	until(atomic_load(&shared->step) == 1);
	atomic_store(&shared->step, 0);
	pid_t first = taken();
	for (int i = 0; i < 300; i++)
		ok(chair_dust_cast(p, NULL, SOON));
	end(first);
	until(word_is_queued());
	atomic_store(&shared->step, 2);
	assert_int_equal(harness_status(second), -SIGKILL);
	until(look().number == 0 && look().freed == 2);
}

/* ---- many, and no room -------------------------------------------------------------------------------------- */

static void all_are_told_though_they_are_more_than_the_queue_holds(void)
{
	struct stoa_proxy *all[200];
	char name[16];
	start_with(STOA_OPTIONS(.flags = STOA_VERIFY, .max_queue = 16));
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "chair%d", i);
		all[i] = harness_create(s, name, &chair_class, NULL);
	}
	pid_t pid = taken();
	atomic_store(&shared->looks, 0);
	end(pid);
	until(atomic_load(&shared->looks) >= 201);
	until(look().number == 0);
	assert_int_equal(atomic_load(&shared->looks), 201);
	for (int i = 0; i < 200; i++)
		stoa_close(all[i]);
}

static void full_queue_does_not_keep_it_from_being_told(void)
{
	start_with(STOA_OPTIONS(.flags = STOA_VERIFY, .max_queue = 16));
	struct stoa_proxy *hits = harness_create(s, "hits", &counter_class, NULL);
	pid_t pid = taken();
	harness_freeze(s);
	while (harness_count(hits, STOA_NOWAIT) == 0) {
	}
	end(pid);
	harness_thaw(s);
	until(look().freed == 1);
}

static void class_with_hooks_is_told(void)
{
	start();
	struct stoa_proxy *bench = harness_create(s, "bench", &bench_class, NULL);
	ok(bench_sit_call(bench, NULL, NULL, SOON));
	pid_t pid = taken();
	end(pid);
	until(look().freed == 1);
	uint64_t number = 0;
	ok(STOA_GET(bench, struct bench, number, &number, SOON));
	assert_true(number > 0); /* we are there */
}

static void what_is_quarantined_is_not_told(void)
{
	start();
	struct stoa_proxy *bench = harness_create(s, "bench", &bench_class, NULL);
	ok(bench_sit_call(bench, NULL, NULL, SOON));
	pid_t pid = taken();
	atomic_store(&shared->how, NOT_UNPACKED);
	harness_kill_coordinator(s);
	refused(-EFAULT, bench_sit_call(bench, NULL, NULL, SOON));
	end(pid);
	until(look().freed == 1);
	assert_int_equal(harness_health(s).restarts, 1);
}

static void nobody_minds_nothing_is_told(void)
{
	shared = harness_shared(sizeof(*shared));
	s = harness_start(STOA_CLASSES(&chair_class));
	p = harness_create(s, "hits", &counter_class, NULL);
	uint64_t pushed = harness_health(s).pushed;
	harness_join(harness_spawn(use_and_leave, 0));
	until(harness_health(s).threads == 1);
	harness_kill_coordinator(s);
	assert_int_equal(harness_health(s).pushed, pushed);
}

/* ---- what the method does ------------------------------------------------------------------------------------ */

static int find(void *data, const struct stoa_rejection *r)
{
	*(struct stoa_rejection *)data = *r;
	return 0;
}

/* It is undone, and recorded, once. */
static void bad_look_is_rejected(int how, int code, const char *text)
{
	struct stoa_rejection r = { 0 };
	start();
	pid_t pid = taken();
	atomic_store(&shared->how, how);
	end(pid);
	until(harness_health(s).rejected == 1);
	atomic_store(&shared->how, WELL);
	ok(stoa_rejected(s, 0, find, &r));
	assert_int_equal(r.code, code);
	assert_string_equal(r.object, "chair");
	assert_string_equal(r.row, "look");
	assert_non_null(strstr(r.text, text));
	assert_int_equal(look().freed, 0);
	assert_true(look().number > 0);
	ok(chair_look_call(p, NULL, NULL, SOON)); /* by hand, then */
	assert_int_equal(look().freed, 1);
}

static void look_that_crashes_is_rejected_after_the_second_time(void)
{
	bad_look_is_rejected(CRASH, -EFAULT, "method look of object chair crashed the coordinator");
	assert_int_equal(harness_health(s).restarts, 2);
	assert_int_equal(harness_health(s).rejected, 1);
}

static void look_that_writes_what_it_does_not_declare_is_undone(void)
{
	bad_look_is_rejected(UNDECLARED, -EACCES, "wrote other");
}

static void look_that_refuses_is_undone(void)
{
	bad_look_is_rejected(REFUSE, -EDOM, "not now");
}

static void forged_word_only_makes_it_look(void)
{
	uint64_t room = 0, ticket;
	start();
	ok(chair_sit_call(p, NULL, NULL, SOON));
	struct chair before = look();
	for (uint32_t units = RING_LEAVE; units < RING_LEAVE + 3; units++)
		ok(ring_publish(&s->space, RING_LANE_SPECIAL, units, NULL, NULL, &room, &ticket));
	ok(ring_publish(&s->space, RING_LANE_SPECIAL, (1 << 19) - 1, NULL, NULL, &room, &ticket));
	ok(chair_look_call(p, NULL, NULL, SOON));
	struct chair after = look();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(harness_health(s).rejected, 1); /* the last one: there can be no such object */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(all_are_told_though_they_are_more_than_the_queue_holds),
		HARNESS(chair_of_the_dead_is_free_and_who_waits_is_woken),
		HARNESS(class_with_hooks_is_told),
		HARNESS(forged_word_only_makes_it_look),
		HARNESS(full_queue_does_not_keep_it_from_being_told),
		HARNESS(look_that_crashes_is_rejected_after_the_second_time),
		HARNESS(look_that_refuses_is_undone),
		HARNESS(look_that_writes_what_it_does_not_declare_is_undone),
		HARNESS(nobody_minds_nothing_is_told),
		HARNESS(what_is_quarantined_is_not_told),
		HARNESS(who_comes_back_to_another_is_the_same_and_goes_as_others_do),
		HARNESS(who_detaches_is_gone_though_its_process_lives),
		HARNESS(who_died_before_his_command_ran_is_gone),
		HARNESS(who_died_with_coordinator_and_guardian_is_gone),
		HARNESS(who_dies_while_the_coordinator_is_stopped_is_gone),
		HARNESS(who_dies_with_the_coordinator_is_gone),
		HARNESS(who_is_stopped_or_silent_is_not_gone),
		HARNESS(who_lives_on_is_not_gone_when_coordinator_and_guardian_died),
		HARNESS(who_lives_on_through_many_such_deaths_is_not_gone),
		HARNESS(who_sat_behind_the_look_at_another_is_looked_at_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
