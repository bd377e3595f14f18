/*
 * test_cpu.c: the coordinator does not stay on the CPU of a caller.
 */
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "src/clock.h"
#include "tests/harness.h"

#define PAUSE_NS 20000000 /* between two moves, at the least */
#define CALLS (500 / HARNESS_FEWER)

static struct stoa *s;
static struct stoa_proxy *p;
static cpu_set_t all;

/* What the coordinator does. */
struct told {
	_Atomic pid_t pid;    /* of the caller */
	_Atomic int cpu;      /* his */
	_Atomic int moves;    /* away from there */
	_Atomic int calls;    /* of sched_setaffinity */
	_Atomic int spins;    /* each with a yield, or more */
	_Atomic bool meddles; /* somebody gives it that CPU alone, in the middle of its next move */
};
static struct told *told;

static int give(pid_t pid, int cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((unsigned)cpu, &one);
	return (int)syscall(SYS_sched_setaffinity, pid, sizeof(one), &one);
}

/* In place of the C library's, as the next. */
int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	int r = (int)syscall(SYS_sched_setaffinity, pid, size, set);
	if (told) {
		told->calls++;
		if (atomic_exchange(&told->meddles, false))
			give(pid, told->cpu);
		told->moves += !CPU_ISSET((unsigned)told->cpu, set);
	}
	return r;
}

int sched_yield(void)
{
	if (told && getpid() != told->pid)
		told->spins++;
	return (int)syscall(SYS_sched_yield);
}

/* This thread alone. */
static void go_to(int cpu)
{
	assert_int_equal(give(0, cpu), 0);
	told->cpu = cpu;
	told->pid = getpid();
}

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static void need_two(void)
{
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	if (CPU_COUNT(&all) < 2)
		harness_skip("there is one CPU");
	told = harness_shared(sizeof(*told));
	start();
}

static void call(void)
{
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

static void call_on_one_cpu(void)
{
	told = harness_shared(sizeof(*told));
	go_to(sched_getcpu());
	start();
	for (int i = 0; i < CALLS; i++)
		call();
}

static void call_from_its_cpu(void)
{
	call();
	go_to((int)atomic_load(&s->space.state->life.cpu) - 1);
	call();
}

static int count_cpus(pid_t pid)
{
	cpu_set_t its;
	assert_int_equal(sched_getaffinity(pid, sizeof(its), &its), 0);
	return CPU_COUNT(&its);
}

static void coordinator_leaves_the_cpu_of_a_caller(void)
{
	need_two();
	until((call_from_its_cpu(), told->moves > 0));
	until(count_cpus(harness_coordinator(s)) == CPU_COUNT(&all));
}

static void mask_that_is_set_during_a_move_stays(void)
{
	need_two();
	told->meddles = true;
	until((call_from_its_cpu(), told->moves > 0));
	call(); /* and now it has moved */
	assert_int_equal(count_cpus(harness_coordinator(s)), 1);
}

static void coordinator_does_not_move_again_at_once(void)
{
	need_two();
	int64_t from = clock_now();
	while (clock_now() < from + 10 * PAUSE_NS)
		call_from_its_cpu();
	assert_in_range(told->moves, 0, (clock_now() - from) / PAUSE_NS + 1);
}

static void coordinator_stays_where_there_is_one_cpu(void)
{
	call_on_one_cpu();
	assert_int_equal(told->calls, 0);
}

/* But for a sleep or two in which it was not rung. */
static void coordinator_does_not_spin_on_an_only_cpu(void)
{
	call_on_one_cpu();
	assert_in_range(told->spins, 0, CALLS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(coordinator_does_not_move_again_at_once), HARNESS(coordinator_does_not_spin_on_an_only_cpu),
		HARNESS(coordinator_leaves_the_cpu_of_a_caller),  HARNESS(coordinator_stays_where_there_is_one_cpu),
		HARNESS(mask_that_is_set_during_a_move_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
