/*
 * test_rendezvous.c: the built-in rendezvous: nobody is a step ahead, nobody takes another's step, and a party's death
 * is told at once, whoever else dies.
 */
#include "include/stoa/rendezvous.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

enum { PARTIES = 4, STEPS = 25 };

static struct stoa *s;
static struct stoa_proxy *p;

static struct shared {
	_Atomic int at[PARTIES];
	_Atomic int step;
	_Atomic uint64_t seat;
	_Atomic int64_t ended;
} *shared;

static void start(uint32_t parties)
{
	shared = harness_shared(sizeof(*shared));
	s = harness_start(NULL);
	p = harness_create(s, "phase", &rendezvous_class, &(struct rendezvous_of){ parties });
}

static uint64_t join(void)
{
	struct rendezvous_seat seat;
	ok(rendezvous_join_call(p, NULL, &seat, SOON));
	return seat.seat;
}

static struct rendezvous look(void)
{
	struct rendezvous now;
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	return now;
}

static struct rendezvous_arrival arrive(uint64_t seat)
{
	struct rendezvous_arrival arrival;
	ok(rendezvous_arrive_call(p, &(struct rendezvous_seat){ seat }, &arrival, SOON));
	return arrival;
}

/* ---- steps -------------------------------------------------------------------------------------------------- */

/* Says which step it is in; all the others are in the same one, or just before or behind it. */
static void do_steps(int i)
{
	uint64_t seat = join();
	for (int k = 1; k <= STEPS; k++) {
		atomic_store(&shared->at[i], k);
		ok(stoa_rendezvous_meet(p, seat, SOON));
		for (int other = 0; other < PARTIES; other++) {
			int at = atomic_load(&shared->at[other]);
			assert_true(at == k || at == k + 1);
		}
	}
	ok(rendezvous_leave_call(p, &(struct rendezvous_seat){ seat }, NULL, SOON));
}

static void no_party_is_ahead_though_the_coordinator_dies(void)
{
	pid_t pids[PARTIES];
	start(PARTIES);
	for (int i = 0; i < PARTIES; i++)
		pids[i] = harness_spawn(do_steps, i);
	until(look().step >= STEPS / 3);
	harness_kill_coordinator(s);
	for (int i = 0; i < PARTIES; i++)
		harness_join(pids[i]);
	assert_int_equal(look().step, STEPS);
	assert_int_equal(look().joined, 0);
	assert_false(look().broken);
}

static void *meet_once(void *seat)
{
	return (void *)(intptr_t)stoa_rendezvous_meet(p, *(uint64_t *)seat, SOON);
}

static void two_threads_are_two_parties(void)
{
	pthread_t t;
	void *r;
	start(2);
	uint64_t a = join(), b = join();
	assert_int_equal(pthread_create(&t, NULL, meet_once, &a), 0);
	ok(stoa_rendezvous_meet(p, b, SOON));
	assert_int_equal(pthread_join(t, &r), 0);
	assert_null(r);
}

static void take_anothers_step(int unused)
{
	(void)unused;
	uint64_t seat = atomic_load(&shared->seat);
	refused(-EPERM, stoa_rendezvous_meet(p, seat, STOA_NOWAIT));
	refused(-EPERM, rendezvous_withdraw_call(p, &(struct rendezvous_doubt){ seat, 1 }, NULL, SOON));
	refused(-EPERM, rendezvous_leave_call(p, &(struct rendezvous_seat){ seat }, NULL, SOON));
}

static void nobody_takes_anothers_step_nor_one_twice(void)
{
	start(2);
	uint64_t seat = join();
	atomic_store(&shared->seat, seat);
	assert_int_equal(arrive(seat).step, 1);
	refused(-EALREADY, stoa_rendezvous_meet(p, seat, SOON));
	says("is there already for step 1");
	harness_join(harness_spawn(take_anothers_step, 0));
	refused(-ENOENT, stoa_rendezvous_meet(p, seat + 1, SOON));
	refused(-ENOENT, stoa_rendezvous_meet(p, 0, SOON));
	uint64_t other = join();
	refused(-EUSERS, rendezvous_join_call(p, NULL, NULL, SOON));
	says("all 2 parties are there already");
	assert_true(arrive(other).done);
	assert_int_equal(look().step, 1);
}

static void who_times_out_is_not_there_and_may_come_again(void)
{
	start(2);
	uint64_t seat = join();
	refused(-ETIMEDOUT, stoa_rendezvous_meet(p, seat, STOA_MS(10)));
	says("not all parties of rendezvous phase are there for step 1");
	refused(-EAGAIN, stoa_rendezvous_meet(p, seat, STOA_NOWAIT));
	assert_int_equal(look().arrived, 0);
	uint64_t other = join();
	assert_false(arrive(other).done);
	ok(stoa_rendezvous_meet(p, seat, STOA_NOWAIT)); /* it is the last */
	assert_int_equal(look().step, 1);
	struct rendezvous_end end;
	ok(rendezvous_withdraw_call(p, &(struct rendezvous_doubt){ other, 1 }, &end, SOON));
	assert_true(end.done);
}

static void place_of_one_who_left_is_for_another(void)
{
	start(2);
	uint64_t a = join(), b = join();
	assert_false(arrive(a).done);
	ok(rendezvous_leave_call(p, &(struct rendezvous_seat){ b }, NULL, SOON));
	assert_true(arrive(join()).done);
	refused(-ENOENT, stoa_rendezvous_meet(p, b, SOON));
}

static void parties_are_1_to_256(void)
{
	struct stoa_proxy *q;
	start(1);
	ok(stoa_rendezvous_meet(p, join(), STOA_NOWAIT));
	refused(-EINVAL, stoa_create(s, "none", &rendezvous_class, NULL, 0, &q));
	says("parties is 0; it can be 1 to 256");
	refused(-EINVAL, stoa_create(s, "many", &rendezvous_class, &(struct rendezvous_of){ 257 }, 0, &q));
	q = harness_create(s, "most", &rendezvous_class, &(struct rendezvous_of){ 256 });
	for (int i = 0; i < 256; i++)
		ok(rendezvous_join_call(q, NULL, NULL, SOON));
	refused(-EUSERS, rendezvous_join_call(q, NULL, NULL, SOON));
}

/* ---- deaths ------------------------------------------------------------------------------------------------- */

static void join_and_stay(int unused)
{
	(void)unused;
	join();
	atomic_store(&shared->step, 1);
	for (;;)
		pause();
}

static pid_t other_party(void)
{
	pid_t pid = harness_spawn(join_and_stay, 0);
	until(atomic_load(&shared->step) == 1);
	return pid;
}

static void end(pid_t pid)
{
	atomic_store(&shared->ended, clock_now());
	kill(pid, SIGKILL);
	assert_int_equal(harness_status(pid), -SIGKILL);
}

static void wait_for_the_dead(int unused)
{
	(void)unused;
	uint64_t seat = join();
	atomic_store(&shared->step, 2);
	refused(-EOWNERDEAD, stoa_rendezvous_meet(p, seat, SOON));
	says("a party of rendezvous phase was lost");
	assert_true(clock_now() - atomic_load(&shared->ended) < STOA_MS(2000 * HARNESS_SLOW));
	refused(-EOWNERDEAD, stoa_rendezvous_meet(p, seat, SOON));
	until(atomic_load(&shared->step) == 3);
}

static void death_of_a_party_is_told_at_once_until_a_reset(void)
{
	start(3);
	pid_t party = other_party(), waiter = harness_spawn(wait_for_the_dead, 0);
	until(look().arrived == 1);
	end(party);
	until(look().broken);
	assert_int_equal(look().lost_pid, party);
	refused(-EOWNERDEAD, rendezvous_join_call(p, NULL, NULL, SOON));
	says("reset it");
	atomic_store(&shared->step, 3);
	harness_join(waiter); /* leaves its seat behind */
	ok(rendezvous_reset_call(p, NULL, NULL, SOON));
	assert_false(look().broken);
	assert_int_equal(look().joined, 0);
	uint64_t seats[] = { join(), join(), join() };
	assert_false(arrive(seats[0]).done || arrive(seats[1]).done);
	ok(stoa_rendezvous_meet(p, seats[2], STOA_NOWAIT));
}

static void death_is_told_when_the_coordinator_died_too(void)
{
	start(3);
	pid_t party = other_party(), waiter = harness_spawn(wait_for_the_dead, 0);
	until(look().arrived == 1);
	harness_freeze(s);
	end(party);
	kill(harness_coordinator(s), SIGKILL);
	until(look().broken);
	atomic_store(&shared->step, 3);
	harness_join(waiter);
}

static void wait_for_a_reset(int unused)
{
	(void)unused;
	refused(-ENOENT, stoa_rendezvous_meet(p, join(), SOON));
	says("is nobody's; join");
}

static void who_waits_is_told_of_a_reset(void)
{
	start(2);
	pid_t waiter = harness_spawn(wait_for_a_reset, 0);
	until(look().arrived == 1);
	ok(rendezvous_reset_call(p, NULL, NULL, SOON));
	harness_join(waiter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(death_is_told_when_the_coordinator_died_too),
		HARNESS(death_of_a_party_is_told_at_once_until_a_reset),
		HARNESS(no_party_is_ahead_though_the_coordinator_dies),
		HARNESS(nobody_takes_anothers_step_nor_one_twice),
		HARNESS(parties_are_1_to_256),
		HARNESS(place_of_one_who_left_is_for_another),
		HARNESS(two_threads_are_two_parties),
		HARNESS(who_times_out_is_not_there_and_may_come_again),
		HARNESS(who_waits_is_told_of_a_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
