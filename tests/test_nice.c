/*
 * test_nice.c: the coordinator goes before others, if it may and nobody has chosen otherwise. Left out where it may not.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinator/process.h"
#include "include/stoa/counter.h"
#include "tests/harness.h"

static struct stoa *s;

/* A method that forks: what it forks tells its niceness. */
struct forker {
	int64_t nice;
};
STOA_STRUCT(forker, STOA_ATTR(struct forker, nice));
STOA_STUB(forker, fork, stoa_none, stoa_none);

static int forker_fork(struct forker *self, const stoa_none *none, stoa_none *ret)
{
	int status = 0;
	(void)none;
	(void)ret;
	pid_t child = fork();
	if (child == 0)
		_exit(getpriority(PRIO_PROCESS, 0) + 20);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -ECHILD;
	self->nice = WEXITSTATUS(status) - 20;
	return 0;
}
STOA_METHOD(forker, fork, stoa_none, stoa_none, .writes = "nice");
STOA_CLASS(forker, 1, &forker_fork_row);

static int nice_of(pid_t pid)
{
	return getpriority(PRIO_PROCESS, (id_t)pid);
}

/* 0 where there are no autogroups. */
static int session_nice_of(pid_t pid)
{
	char path[64];
	int nice = 0;
	snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%*s nice %d", &nice) != 1)
		nice = 0;
	if (f)
		fclose(f);
	return nice;
}

static bool has_autogroup(void)
{
	char c;
	FILE *f = fopen("/proc/self/autogroup", "re");
	bool has = f && fread(&c, 1, 1, f) == 1;
	if (f)
		fclose(f);
	return has;
}

static void each_coordinator_goes_before_others(void)
{
	int64_t nice;
	struct stoa_proxy *p;
	int ours = session_nice_of(getpid());
	s = harness_start(STOA_CLASSES(&forker_class));
	assert_int_equal(nice_of(harness_coordinator(s)), PROCESS_NICE);
	assert_int_equal(nice_of(harness_guardian(s)), 0);
	assert_int_equal(kill(harness_coordinator(s), SIGKILL), 0);
	p = harness_create(s, "f", &forker_class, NULL);
	assert_int_equal(nice_of(harness_coordinator(s)), PROCESS_NICE);
	if (has_autogroup()) /* the kernel may have it tried again */
		until(session_nice_of(harness_coordinator(s)) == PROCESS_NICE);
	assert_int_equal(session_nice_of(getpid()), ours);
	ok(forker_fork_call(p, NULL, NULL, SOON));
	ok(STOA_GET(p, struct forker, nice, &nice, SOON));
	assert_int_equal(nice, 0);
}

static void coordinator_that_becomes_guardian_goes_before_nobody(void)
{
	s = harness_start(NULL);
	pid_t heir = harness_coordinator(s);
	assert_int_equal(kill(harness_guardian(s), SIGKILL), 0);
	until(harness_guardian(s) == heir && harness_coordinator(s) != heir);
	assert_int_equal(nice_of(heir), 0);
	until(nice_of(harness_coordinator(s)) == PROCESS_NICE);
}

static void niceness_that_was_chosen_stays(void)
{
	assert_int_equal(setpriority(PRIO_PROCESS, 0, 19), 0);
	s = harness_start(NULL);
	assert_int_equal(nice_of(harness_coordinator(s)), 19);
	assert_int_equal(session_nice_of(harness_coordinator(s)), 0);
}

static void policy_that_was_chosen_stays(void)
{
	assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 }), 0);
	s = harness_start(NULL);
	assert_int_equal(nice_of(harness_coordinator(s)), 0);
	assert_int_equal(session_nice_of(harness_coordinator(s)), 0);
}

/* ---- whose session it is ---- */

/* One of its own, in which others might be. */
static void serve_in_a_session(int i)
{
	(void)i;
	assert_true(setsid() > 0);
	pid_t server = harness_serve(NULL, STOA_OPTIONS(0), &s);
	assert_int_equal(nice_of(harness_coordinator(s)), PROCESS_NICE);
	assert_int_equal(session_nice_of(getpid()), 0);
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(server);
}

static void session_of_others_stays_as_it_is(void)
{
	harness_join(harness_spawn(serve_in_a_session, 0));
}

static void end_at_once(void *unused)
{
	(void)unused;
	kill(getpid(), SIGTERM);
}

/* The program goes on when it has served. */
static void lead_a_session(int i)
{
	(void)i;
	assert_true(setsid() > 0);
	ok(stoa_serve("test", NULL, STOA_OPTIONS(.ready = end_at_once)));
	assert_int_equal(session_nice_of(getpid()), 0);
}

static void session_is_put_back(void)
{
	harness_join(harness_spawn(lead_a_session, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(coordinator_that_becomes_guardian_goes_before_nobody),
		HARNESS(each_coordinator_goes_before_others),
		HARNESS(niceness_that_was_chosen_stays),
		HARNESS(policy_that_was_chosen_stays),
		HARNESS(session_is_put_back),
		HARNESS(session_of_others_stays_as_it_is),
	};
	if (setpriority(PRIO_PROCESS, 0, PROCESS_NICE) < 0 || setpriority(PRIO_PROCESS, 0, 0) < 0) {
		printf("skipped: it needs the right to a niceness below 0\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
