/*
 * test_trace.c: the log is kept; the flight recorder has the last commands as they were run, each once, also when the coordinator was
 * killed among them, and of a dead namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "include/stoa/lease.h"
#include "include/stoa/observe.h"
#include "proxy/handle.h"
#include "tests/harness.h"

#define NAP_MS 40
#define IDLE_MS 400
#define KEPT 1024
#define LOGS 64

struct bed {
	uint64_t naps;
};
STOA_STRUCT(bed, STOA_ATTR(struct bed, naps, .writable = true));

struct nap {
	uint64_t ms;
};
STOA_STRUCT(nap, STOA_ATTR(struct nap, ms));
STOA_STUB(bed, nap, struct nap, stoa_none);

static struct {
	_Atomic int naps; /* begun */
	_Atomic bool morning; /* none is long any more */
} *now; /* shared */

static int bed_nap(struct bed *self, const struct nap *args, stoa_none *ret)
{
	(void)ret;
	if (args->ms > 10000)
		return stoa_fail(-ERANGE, "%ju ms are no nap", (uintmax_t)args->ms);
	atomic_fetch_add(&now->naps, 1);
	int64_t end = clock_now() + STOA_MS((int64_t)args->ms);
	while (clock_now() < end && !atomic_load(&now->morning))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	self->naps++;
	return 0;
}
STOA_METHOD(bed, nap, nap, stoa_none, .writes = "naps", .deadline = INT64_C(20000000000));
STOA_CLASS(bed, 1, &bed_nap_row);

/* ---- what was read of it ---- */

static struct stoa_traced seen[KEPT + 1];
static size_t n_seen;

static int keep(void *data, const struct stoa_traced *t)
{
	(void)data;
	assert_true(n_seen < KEPT + 1);
	seen[n_seen++] = *t;
	return 0;
}

static size_t look(struct stoa *s)
{
	n_seen = 0;
	ok(stoa_trace(s, 0, keep, NULL));
	return n_seen;
}

static void is(const struct stoa_traced *t, const char *kind, const char *object, const char *row, int status)
{
	assert_string_equal(t->kind, kind);
	assert_string_equal(t->object, object);
	assert_string_equal(t->row, row);
	assert_int_equal(t->status, status);
	assert_int_equal(t->pid, getpid());
	assert_false(t->running);
}

static struct stoa *begin(struct stoa_proxy **ret)
{
	now = harness_shared(sizeof(*now));
	struct stoa *s = harness_start(STOA_CLASSES(&bed_class));
	*ret = harness_create(s, "bed", &bed_class, NULL);
	return s;
}

/* ---- tests ---- */

static void trace_tells_each_command_with_its_names(void)
{
	struct stoa_proxy *bed, *hits;
	struct stoa *s = begin(&bed);
	ok(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON));
	refused(-ERANGE, bed_nap_call(bed, &(struct nap){ 20000 }, NULL, SOON));
	ok(STOA_ASSIGN(bed, struct bed, naps, &(uint64_t){ 7 }, SOON));
	hits = harness_create(s, "hits", &counter_class, NULL);
	ok(counter_add_cast(hits, &(struct counter_args){ 1 }, SOON));
	ok(stoa_remove(s, "hits", SOON));
	assert_int_equal(look(s), 7);
	is(&seen[0], "create", "bed", "", 0);
	is(&seen[1], "call", "bed", "nap", 0);
	is(&seen[2], "call", "bed", "nap", -ERANGE);
	is(&seen[3], "assign", "bed", "naps", 0);
	is(&seen[4], "create", "hits", "", 0);
	is(&seen[5], "fold", "hits", "add", 0);
	is(&seen[6], "remove", "hits", "", 0);
	assert_string_equal(seen[2].class_name, "bed");
	assert_string_equal(seen[5].class_name, "counter");
	for (size_t i = 0; i < n_seen; i++)
		assert_int_equal(seen[i].ticket, i);
	assert_true(seen[0].run_ns > 0 && seen[0].queued_ns > 0); /* a thread's first is timed */
	stoa_close(hits);
}

static void trace_times_some_commands_and_all_slow_ones(void)
{
	struct stoa_proxy *bed;
	struct stoa *s = begin(&bed);
	size_t timed = 0;
	for (int i = 0; i < 800; i++)
		ok(bed_nap_call(bed, &(struct nap){ i == 700 || i == 740 ? NAP_MS : 0 }, NULL, SOON));
	look(s);
	for (size_t i = 0; i < n_seen; i++) {
		timed += seen[i].queued_ns >= 0;
		if (i == 701 || i == 741)
			assert_in_range(seen[i].run_ns, STOA_MS(NAP_MS) * 3 / 4, SOON);
		assert_false(seen[i].about && seen[i].queued_ns >= 0);
	}
	assert_in_range(timed, 800 / 96, 800 / 32 + 1);
}

static void trace_does_not_count_what_was_idle(void)
{
	struct stoa_proxy *bed;
	struct stoa *s = begin(&bed);
	for (int i = 0; i < 3; i++) {
		ok(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON));
		nanosleep(&(struct timespec){ .tv_nsec = IDLE_MS * 1000000 }, NULL);
	}
	ok(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON));
	assert_int_equal(look(s), 5);
	for (size_t i = 0; i < n_seen; i++)
		assert_true(seen[i].run_ns < STOA_MS(IDLE_MS) * 3 / 4);
}

static void trace_keeps_the_last_ones(void)
{
	struct stoa_proxy *bed;
	struct stoa *s = begin(&bed);
	for (int i = 0; i < KEPT + 100; i++)
		ok(bed_nap_cast(bed, &(struct nap){ 0 }, SOON));
	ok(stoa_sync(s, SOON, NULL));
	assert_int_equal(look(s), KEPT);
	assert_int_equal(seen[0].ticket, 101);
	n_seen = 0;
	ok(stoa_trace(s, KEPT + 90, keep, NULL));
	assert_int_equal(n_seen, 11);
}

static void trace_counts_many_as_one(void)
{
	struct stoa_proxy *bed;
	struct stoa *s = begin(&bed);
	struct nap none = { 0 };
	struct stoa_command two[2] = { { .proxy = bed, .method = &bed_nap_row, .args = &none },
				       { .proxy = bed, .method = &bed_nap_row, .args = &none } };
	ok(stoa_call_many(s, 2, two, SOON));
	assert_int_equal(look(s), 2);
	is(&seen[1], "many", "bed", "", 0);
	assert_int_equal(seen[1].n, 2);
}

/* Killed at whatever point, again and again: what is told of below `committed` is what was done, without a gap. */
static bool tells_of(struct stoa *s, const char *kind, const char *object)
{
	bool found = false;
	look(s);
	for (size_t i = 0; i < n_seen; i++)
		found = found || (strcmp(seen[i].kind, kind) == 0 && strcmp(seen[i].object, object) == 0 && seen[i].pid == 0);
	return found;
}

static void trace_tells_that_the_coordinator_looked_who_left(void)
{
	struct stoa_proxy *bed, *lease;
	struct stoa *s = begin(&bed);
	lease = harness_create(s, "lease", &lease_class, NULL);
	pid_t child = fork();
	if (child == 0)
		_exit(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON) != 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	until(tells_of(s, "leave", "lease"));
	stoa_close(lease);
}

static void trace_has_no_gap_when_coordinators_are_killed(void)
{
	struct stoa_proxy *bed;
	struct stoa *s = begin(&bed);
	for (int death = 0; death < 8; death++) {
		for (int i = 0; i < 90; i++)
			ok(bed_nap_cast(bed, &(struct nap){ 0 }, SOON));
		harness_kill_coordinator(s);
	}
	ok(stoa_sync(s, SOON, NULL));
	assert_int_equal(look(s), 1 + 8 * 90);
	for (size_t i = 1; i < n_seen; i++) {
		assert_int_equal(seen[i].ticket, i);
		is(&seen[i], "call", "bed", "nap", 0);
	}
}

static char messages[LOGS][512];
static size_t n_messages;
static uint64_t first_number; /* that is to come; 0: any */

static int keep_message(void *data, const struct stoa_logged *l)
{
	(void)data;
	assert_true(n_messages < LOGS);
	first_number = first_number ? first_number : l->number;
	assert_int_equal(l->number, first_number + n_messages);
	memcpy(messages[n_messages++], l->text, sizeof(l->text));
	return 0;
}

static bool was_said(const char *what)
{
	for (size_t i = 0; i < n_messages; i++)
		if (strstr(messages[i], what))
			return true;
	return false;
}

static void log_keeps_what_was_said_and_how_one_died(void)
{
	struct stoa_proxy *bed;
	struct stoa *s = begin(&bed), *reader;
	first_number = 1;
	harness_kill_coordinator(s);
	ok(stoa_log(s, 0, keep_message, NULL));
	assert_true(strstr(messages[0], "serving namespace test") != NULL);
	assert_true(was_said(" died, "));
	assert_false(was_said("goes on as guardian"));
	size_t before = n_messages;
	kill(harness_guardian(s), SIGKILL);
	until((n_messages = 0, stoa_log(s, 0, keep_message, NULL)) == 0 && was_said("goes on as guardian"));
	first_number = before + 1;
	n_messages = 0;
	ok(stoa_log(s, before, keep_message, NULL));
	assert_true(n_messages > 0 && was_said("the guardian of namespace test died"));
	harness_kill_both(s);
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = STOA_MS(200)), &reader));
	n_messages = 0;
	ok(stoa_log(reader, before, keep_message, NULL));
	assert_true(was_said("the guardian of namespace test died"));
	stoa_detach(reader);
	ok(stoa_start("test", STOA_CLASSES(&bed_class), STOA_OPTIONS(.flags = STOA_VERIFY), &reader));
	for (int i = 0; i < LOGS; i++) {
		ok(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON)); /* else it comes back more slowly each time */
		harness_kill_coordinator(s);
	}
	first_number = 0; /* the last ones */
	n_messages = 0;
	ok(stoa_log(s, 0, keep_message, NULL));
	assert_int_equal(n_messages, LOGS);
	stoa_detach(reader);
}

/* There are as many as can be counted, it says. */
static void damaged_count_of_messages_ends(void)
{
	struct stoa_proxy *bed;
	struct stoa *s = begin(&bed);
	char path[PATH_MAX + 16];
	uint64_t wrong = UINT64_MAX;
	harness_kill_both(s);
	snprintf(path, sizeof(path), "%s/state", s->dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &wrong, sizeof(wrong), offsetof(struct state_head, life.logged)), sizeof(wrong));
	close(fd);
	n_messages = 0;
	ok(stoa_log(s, 0, keep_message, NULL));
	ok(stoa_log(s, UINT64_MAX, keep_message, NULL));
	assert_int_equal(n_messages, 0);
	ok(stoa_start("test", STOA_CLASSES(&bed_class), NULL, &(struct stoa *){ NULL }));
}

static void trace_tells_of_a_dead_namespace_what_ran_last(void)
{
	struct stoa *reader, *again;
	struct stoa_proxy *bed;
	struct stoa *s = begin(&bed);
	ok(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON));
	ok(bed_nap_cast(bed, &(struct nap){ 9000 }, SOON));
	until(atomic_load(&now->naps) == 2);
	harness_kill_both(s);
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = STOA_MS(200)), &reader));
	assert_int_equal(look(reader), 3);
	is(&seen[1], "call", "bed", "nap", 0);
	assert_true(seen[2].running);
	assert_string_equal(seen[2].object, "bed");
	assert_string_equal(seen[2].row, "nap");
	assert_int_equal(seen[2].ticket, 2);
	assert_int_equal(seen[2].pid, getpid());
	stoa_detach(reader);
	atomic_store(&now->morning, true);
	ok(stoa_start("test", STOA_CLASSES(&bed_class), STOA_OPTIONS(.flags = STOA_VERIFY), &again));
	ok(stoa_sync(s, SOON, NULL));
	assert_int_equal(look(s), 3);
	is(&seen[2], "call", "bed", "nap", 0);
	stoa_detach(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(damaged_count_of_messages_ends),
		HARNESS(trace_tells_each_command_with_its_names),
		HARNESS(trace_times_some_commands_and_all_slow_ones),
		HARNESS(trace_does_not_count_what_was_idle),
		HARNESS(trace_keeps_the_last_ones),
		HARNESS(trace_counts_many_as_one),
		HARNESS(trace_tells_that_the_coordinator_looked_who_left),
		HARNESS(trace_has_no_gap_when_coordinators_are_killed),
		HARNESS(trace_tells_of_a_dead_namespace_what_ran_last),
		HARNESS_SECONDS(log_keeps_what_was_said_and_how_one_died, 40),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
