/*
 * test_aside.c: who finds no room in the queue on the coordinator's own CPU lets it have that CPU (proxy/send.c).
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "src/park.h"
#include "tests/harness.h"

#define QUEUE 16

static struct stoa *s;
static struct stoa_proxy *p;
static cpu_set_t all;

/* This thread, to one of the CPUs that there are. */
static void go_to(int nth)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all) && nth-- == 0)
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* Coordinator and guardian on the first of them, with this thread. */
static void start(void)
{
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	go_to(0);
	s = harness_start_with(NULL, STOA_OPTIONS(.flags = STOA_VERIFY, .max_queue = QUEUE));
	p = harness_create(s, "hits", &counter_class, NULL);
	ok(harness_count(p, SOON)); /* a turn, in which it tells its CPU */
	ok(stoa_sync(s, SOON, NULL));
}

static uint32_t times_woken(void)
{
	return atomic_load(&s->space.ingress->aside) >> 2;
}

static bool stands_aside(void)
{
	return atomic_load(&s->space.ingress->aside) & PARK_FUTEX;
}

/* Until there is no room. */
static void fill(int64_t timeout)
{
	int r = 0;
	while (r == 0)
		r = harness_count(p, timeout);
	assert_int_equal(r, -EAGAIN);
}

static void producer_in_haste_does_not_stand_aside(void)
{
	start();
	harness_freeze(s);
	fill(STOA_NOWAIT);
	fill(STOA_MS(2));
	assert_int_equal(times_woken(), 0);
	assert_false(stands_aside());
	harness_thaw(s);
}

static pthread_barrier_t frozen;

/* One that there is no room for is the last. */
static void *fill_when_frozen(void *unused)
{
	int r = 0;
	ok(harness_count(p, SOON)); /* it has a lane */
	pthread_barrier_wait(&frozen);
	pthread_barrier_wait(&frozen);
	for (int i = 0; i <= QUEUE && r == 0; i++)
		r = harness_count(p, STOA_MS(3000 * HARNESS_SLOW));
	assert_true(r == 0 || r == -EAGAIN);
	return unused;
}

/* Another thread, which stands aside. */
static pthread_t begin_other(void)
{
	pthread_t other;
	start();
	assert_int_equal(pthread_barrier_init(&frozen, NULL, 2), 0);
	assert_int_equal(pthread_create(&other, NULL, fill_when_frozen, NULL), 0);
	pthread_barrier_wait(&frozen);
	harness_freeze(s);
	pthread_barrier_wait(&frozen);
	until(stands_aside());
	return other;
}

static void end_other(pthread_t other)
{
	harness_thaw(s);
	pthread_join(other, NULL);
}

static void producer_is_woken_when_all_is_taken(void)
{
	pthread_t other = begin_other();
	end_other(other);
	until(!stands_aside()); /* who has left by himself does not say so */
}

/* It sleeps for room, and its CPU is free. */
static void producer_elsewhere_calls_who_stands_aside(void)
{
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	if (CPU_COUNT(&all) < 2)
		harness_skip("there is one CPU");
	pthread_t other = begin_other();
	go_to(1);
	for (int i = 0; i < 10 && times_woken() == 0; i++)
		fill(STOA_MS(20));
	assert_true(times_woken() > 0);
	end_other(other);
}

static void producer_does_not_stand_aside_for_long(void)
{
	pthread_t other = begin_other();
	until_within(STOA_MS(1000 * HARNESS_SLOW), atomic_load(&s->space.ingress->room) & PARK_FUTEX);
	end_other(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(producer_does_not_stand_aside_for_long),
		HARNESS(producer_elsewhere_calls_who_stands_aside),
		HARNESS(producer_in_haste_does_not_stand_aside),
		HARNESS(producer_is_woken_when_all_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
