/*
 * test_blame.c: what the coordinator ran when it died is tried once more, and rejected if it was its own doing; what
 * only stood near is applied once, however often the coordinator is killed.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

#define KILLS 8 /* so many are too many */

enum act { GOOD, CRASH, HANG, WAIT, POISON, SENSITIVE, ACTS };

struct deed {
	int64_t n;
};
struct what {
	int32_t act;
};
STOA_STRUCT(deed, STOA_ATTR(struct deed, n));
STOA_STRUCT(what, STOA_ATTR(struct what, act));
STOA_STUB(deed, act, struct what, stoa_none);
STOA_STUB(deed, hang, struct what, stoa_none);

static struct shared {
	_Atomic int runs[ACTS];
	_Atomic int go; /* WAIT returns */
	char log[4096];
} *shared;

static struct stoa *s;
static struct stoa_proxy *p;
static bool poisoned; /* this process */

static int deed_act(struct deed *self, const struct what *args, stoa_none *ret)
{
	(void)ret;
	self->n++;
	atomic_fetch_add(&shared->runs[args->act], 1);
	if (args->act == CRASH || (args->act == SENSITIVE && poisoned))
		abort();
	while (args->act == HANG || (args->act == WAIT && !atomic_load(&shared->go)))
		usleep(1000);
	poisoned |= args->act == POISON;
	return 0;
}

static int deed_hang(struct deed *self, const struct what *args, stoa_none *ret)
{
	return deed_act(self, args, ret);
}
STOA_METHOD(deed, act, what, stoa_none, .writes = "n", .deadline = STOA_MS(60000));
STOA_METHOD(deed, hang, what, stoa_none, .writes = "n", .deadline = STOA_MS(100));
STOA_CLASS(deed, 1, &deed_act_row, &deed_hang_row);

static void start(void)
{
	shared = harness_shared(sizeof(*shared));
	s = harness_start(STOA_CLASSES(&deed_class));
	p = harness_create(s, "d", &deed_class, NULL);
}

static void cast(enum act act, int times)
{
	for (int i = 0; i < times; i++)
		ok(stoa_cast(p, act == HANG ? &deed_hang_row : &deed_act_row, &(struct what){ (int)act }, STOA_NOWAIT));
}

static int64_t count(void)
{
	int64_t n = -1;
	ok(STOA_GET(p, struct deed, n, &n, SOON));
	return n;
}

static int runs(enum act act)
{
	return atomic_load(&shared->runs[act]);
}

/* The bad one stands sixth in a turn of nine. */
static void run_a_turn_with(enum act bad)
{
	uint64_t rejected;
	start();
	harness_freeze(s);
	cast(GOOD, 5);
	cast(bad, 1);
	cast(GOOD, 3);
	harness_thaw(s);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 1);
	assert_int_equal(count(), 8);
	assert_int_equal(harness_health(s).applied, 1 + 8);
	/* Those before it twice, as the turn that died was undone; unless a tick of the clock had ended one before it. */
	assert_in_range(runs(GOOD), 5 + 3, 5 + 5 + 3);
}

static void crashing_command_runs_twice_when_it_stands_sixth(void)
{
	run_a_turn_with(CRASH);
	assert_int_equal(runs(CRASH), 2);
}

static void hanging_command_runs_once_when_it_stands_sixth(void)
{
	run_a_turn_with(HANG);
	assert_int_equal(runs(HANG), 1);
}

/* Each has its own two tries, also when one follows the other in the same turn. */
static void each_crashing_command_runs_twice_when_there_are_several(void)
{
	uint64_t rejected;
	start();
	harness_freeze(s);
	for (int i = 0; i < 4; i++) {
		cast(CRASH, 2);
		cast(GOOD, 1);
	}
	harness_thaw(s);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 8);
	assert_int_equal(runs(CRASH), 16);
	assert_int_equal(count(), 4);
}

static void note(void *data, int priority, const char *text)
{
	size_t n = strlen(shared->log);
	(void)data;
	snprintf(shared->log + n, sizeof(shared->log) - n, "%d %s\n", priority, text);
}

static void logs(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void logs(const char *format, ...)
{
	char text[STOA_ERROR_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!strstr(shared->log, text))
		fail_msg("the log has no \"%s\":\n%s", text, shared->log);
}

/* Both processes write to it, one after the other: the rejected one is committed after that. */
static void log_names_the_commands_that_end_a_coordinator(void)
{
	static const enum act bad[] = { CRASH, HANG };
	uint64_t ticket[2], rejected;
	shared = harness_shared(sizeof(*shared));
	harness_serve(STOA_CLASSES(&deed_class), STOA_OPTIONS(.log = note), &s);
	p = harness_create(s, "d", &deed_class, NULL);
	for (int i = 0; i < 2; i++) {
		ticket[i] = harness_health(s).pushed;
		cast(bad[i], 1);
		ok(stoa_sync(s, SOON, &rejected));
		assert_int_equal(rejected, i + 1);
	}
	logs(" died, by SIGABRT, in the command with ticket %ju, of object d\n", (uintmax_t)ticket[0]);
	logs("the command with ticket %ju, of pid %d, is rejected: method act of object d crashed the coordinator, 2 times",
	     (uintmax_t)ticket[0], (int)getpid());
	logs("the command with ticket %ju, of object d overran its deadline; ending", (uintmax_t)ticket[1]);
	logs("the command with ticket %ju, of pid %d, is rejected: method hang of object d ran past its deadline",
	     (uintmax_t)ticket[1], (int)getpid());
	ok(stoa_stop(s, STOA_DRAIN, SOON));
}

/* What crashes only in a process that another command has spoilt has its second try in a new one. */
static void innocent_command_is_applied_when_the_one_before_it_spoilt_the_process(void)
{
	uint64_t rejected;
	start();
	harness_freeze(s);
	cast(POISON, 1);
	cast(SENSITIVE, 1);
	harness_thaw(s);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 0);
	assert_int_equal(count(), 2);
	assert_int_equal(runs(SENSITIVE), 2);
}

static void kill_while_it_runs(int times)
{
	for (int i = 1; i <= times; i++) {
		until(runs(WAIT) == i);
		assert_int_equal(kill(harness_coordinator(s), SIGKILL), 0);
	}
}

static void command_is_applied_when_the_coordinator_was_killed_seven_times(void)
{
	uint64_t rejected;
	start();
	cast(WAIT, 1);
	cast(GOOD, 1);
	kill_while_it_runs(KILLS - 1);
	until(runs(WAIT) == KILLS);
	atomic_store(&shared->go, 1);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 0);
	assert_int_equal(count(), 2);
	assert_int_equal(harness_health(s).restarts, KILLS - 1);
}

static int keep_rejection(void *data, const struct stoa_rejection *r)
{
	*(struct stoa_rejection *)data = *r;
	return 0;
}

static void command_is_rejected_when_the_coordinator_was_killed_eight_times(void)
{
	uint64_t rejected;
	struct stoa_rejection r = { 0 };
	start();
	cast(WAIT, 1);
	cast(GOOD, 1);
	kill_while_it_runs(KILLS);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 1);
	assert_int_equal(count(), 1);
	ok(stoa_rejected(s, 0, keep_rejection, &r));
	assert_int_equal(r.code, -EFAULT);
	assert_string_equal(
		r.text, "the coordinator was killed 8 times, and stopped 0 times, while method act of object d ran");
}

/* Kills from outside do not add up with crashes of its own making, nor those of one command with those of the next. */
static void each_command_has_its_own_account(void)
{
	uint64_t rejected;
	start();
	for (int i = 0; i < 2; i++) {
		cast(WAIT, 1);
		kill_while_it_runs(KILLS - 2);
		until(runs(WAIT) == KILLS - 1);
		atomic_store(&shared->go, 1);
		ok(stoa_sync(s, SOON, &rejected));
		assert_int_equal(rejected, 0);
		atomic_store(&shared->go, 0);
		atomic_store(&shared->runs[WAIT], 0);
	}
	assert_int_equal(count(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(command_is_applied_when_the_coordinator_was_killed_seven_times),
		HARNESS(command_is_rejected_when_the_coordinator_was_killed_eight_times),
		HARNESS(crashing_command_runs_twice_when_it_stands_sixth),
		HARNESS(each_command_has_its_own_account),
		HARNESS(each_crashing_command_runs_twice_when_there_are_several),
		HARNESS(hanging_command_runs_once_when_it_stands_sixth),
		HARNESS(innocent_command_is_applied_when_the_one_before_it_spoilt_the_process),
		HARNESS(log_names_the_commands_that_end_a_coordinator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
