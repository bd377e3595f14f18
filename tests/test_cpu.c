/*
 * test_cpu.c: the coordinator does not stay on the CPU of a caller, and goes before others if it may.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinator/process.h"
#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;
static cpu_set_t all;
static _Atomic int *moves; /* of the coordinator: calls of sched_setaffinity */

/* In place of the library's. */
int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	if (moves)
		(*moves)++;
	return (int)syscall(SYS_sched_setaffinity, pid, size, set);
}

/* This thread alone. */
static void go_to(int cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((unsigned)cpu, &one);
	assert_int_equal(syscall(SYS_sched_setaffinity, 0, sizeof(one), &one), 0);
}

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static void call(void)
{
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

static void call_from_its_cpu(void)
{
	call();
	go_to((int)atomic_load(&s->space.state->life.cpu) - 1);
	call();
}

static void coordinator_leaves_the_cpu_of_a_caller(void)
{
	cpu_set_t its;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	if (CPU_COUNT(&all) < 2)
		harness_skip("there is one CPU");
	moves = harness_shared(sizeof(*moves));
	start();
	until((call_from_its_cpu(), *moves >= 2));
	call();
	assert_int_equal(sched_getaffinity(harness_coordinator(s), sizeof(its), &its), 0);
	assert_true(CPU_EQUAL(&its, &all)); /* from there on it may run where it might before */
}

static void coordinator_stays_where_there_is_one_cpu(void)
{
	moves = harness_shared(sizeof(*moves));
	go_to(sched_getcpu());
	start();
	for (int i = 0; i < 500 / HARNESS_FEWER; i++)
		call();
	assert_int_equal(*moves, 0);
}

/* ---- niceness ---- */

static void need_the_right(void)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(setpriority(PRIO_PROCESS, 0, PROCESS_NICE) != 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status)
		harness_skip("it needs the right to a niceness below 0");
	assert_int_equal(setpriority(PRIO_PROCESS, 0, 0), 0);
}

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
	if (f) {
		assert_int_equal(fscanf(f, "%*s nice %d", &nice), 1);
		fclose(f);
	}
	return nice;
}

static void each_coordinator_goes_before_others(void)
{
	int ours = session_nice_of(getpid());
	need_the_right();
	start();
	assert_int_equal(nice_of(harness_coordinator(s)), PROCESS_NICE);
	assert_int_equal(nice_of(harness_guardian(s)), 0);
	assert_int_equal(kill(harness_coordinator(s), SIGKILL), 0);
	call();
	assert_int_equal(nice_of(harness_coordinator(s)), PROCESS_NICE);
	if (access("/proc/self/autogroup", F_OK) == 0)
		assert_int_equal(session_nice_of(harness_coordinator(s)), PROCESS_NICE);
	assert_int_equal(session_nice_of(getpid()), ours);
}

static void niceness_that_was_chosen_stays(void)
{
	int chosen = nice_of(0) + 1;
	assert_int_equal(setpriority(PRIO_PROCESS, 0, chosen), 0);
	start();
	assert_int_equal(nice_of(harness_coordinator(s)), chosen);
	assert_int_equal(session_nice_of(harness_coordinator(s)), 0);
}

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
	need_the_right();
	harness_join(harness_spawn(serve_in_a_session, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(coordinator_leaves_the_cpu_of_a_caller),
		HARNESS(coordinator_stays_where_there_is_one_cpu),
		HARNESS(each_coordinator_goes_before_others),
		HARNESS(niceness_that_was_chosen_stays),
		HARNESS(session_of_others_stays_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
