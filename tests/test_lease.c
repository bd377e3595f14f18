/*
 * test_lease.c: the built-in lease: one owner at a time, whoever dies; who waits is woken.
 */
#include "include/stoa/lease.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static struct shared {
	_Atomic int step, inside, takes;
	_Atomic int64_t ended, taken;
	_Atomic uint64_t token;
} *shared;

static void start(void)
{
	shared = harness_shared(sizeof(*shared));
	s = harness_start(NULL);
	p = harness_create(s, "nightly", &lease_class, NULL);
}

static struct lease look(void)
{
	struct lease lease;
	ok(stoa_snapshot(p, &lease, sizeof(lease), SOON, NULL));
	return lease;
}

static struct lease_answer ask(const char *owner, int64_t ttl_ns)
{
	struct lease_want want = { .ttl_ns = ttl_ns };
	struct lease_answer answer;
	strcpy(want.owner, owner);
	ok(lease_acquire_call(p, &want, &answer, SOON));
	return answer;
}

static uint64_t take(int64_t ttl_ns)
{
	uint64_t token = 0;
	ok(stoa_lease_take(p, "the test", ttl_ns, SOON, &token));
	return token;
}

static void hold(int ttl_ms)
{
	uint64_t token;
	ok(stoa_lease_take(p, "another", STOA_MS(ttl_ms), SOON, &token));
	atomic_store(&shared->token, token);
	atomic_store(&shared->step, 1);
	for (;;)
		pause();
}

/* Another process has it. */
static pid_t held(int ttl_ms)
{
	pid_t pid = harness_spawn(hold, ttl_ms);
	until(atomic_load(&shared->step) == 1);
	return pid;
}

static void end(pid_t pid)
{
	atomic_store(&shared->ended, clock_now());
	kill(pid, SIGKILL);
	assert_int_equal(harness_status(pid), -SIGKILL);
}

/* ---- the methods -------------------------------------------------------------------------------------------- */

static void one_at_a_time_has_it_with_a_token_that_grows(void)
{
	start();
	struct lease_answer first = ask("me", 0);
	assert_true(first.granted);
	struct lease_answer second = ask("me too", 0);
	assert_false(second.granted);
	assert_int_equal(second.token, first.token);
	assert_int_equal(second.wait_ns, 0);
	assert_int_equal(second.pid, getpid());
	assert_string_equal(second.owner, "me");
	ok(lease_release_call(p, &(struct lease_token){ first.token }, NULL, SOON));
	assert_int_equal(look().number, 0);
	assert_string_equal(look().owner, "");
	assert_true(take(0) > first.token);
}

static void only_its_token_renews_and_releases(void)
{
	start();
	uint64_t token = take(STOA_MS(1000));
	refused(-ENOLCK, lease_release_call(p, &(struct lease_token){ token + 1 }, NULL, SOON));
	says("not held with token");
	refused(-ENOLCK, lease_renew_call(p, &(struct lease_more){ token - 1, 0 }, NULL, SOON));
	refused(-EINVAL, lease_renew_call(p, &(struct lease_more){ token, -1 }, NULL, SOON));
	says("ttl_ns is -1");
	ok(lease_renew_call(p, &(struct lease_more){ token, 0 }, NULL, SOON));
	assert_int_equal(look().until_ns, 0);
	ok(lease_release_call(p, &(struct lease_token){ token }, NULL, SOON));
	refused(-ENOLCK, lease_release_call(p, &(struct lease_token){ token }, NULL, SOON));
	refused(-EINVAL, lease_acquire_call(p, &(struct lease_want){ .ttl_ns = -1 }, NULL, SOON));
}

static void time_ends_it_though_its_owner_lives(void)
{
	start();
	uint64_t token = take(STOA_MS(50));
	struct lease_answer answer = ask("me", 0);
	assert_true(answer.granted || (answer.wait_ns > 0 && answer.wait_ns <= STOA_MS(50)));
	uint64_t next = answer.granted ? answer.token : take(0); /* waits that long */
	assert_true(next > token);
	refused(-ENOLCK, lease_renew_call(p, &(struct lease_more){ token, 0 }, NULL, SOON));
}

static void longest_time_is_no_overflow(void)
{
	start();
	take(INT64_MAX);
	assert_true(look().until_ns > 0);
	assert_false(ask("me", 0).granted);
}

static void take_tells_who_has_it(void)
{
	char owner[LEASE_OWNER + 1];
	uint64_t token = 7;
	start();
	pid_t other = held(0);
	refused(-EAGAIN, stoa_lease_take(p, NULL, 0, STOA_NOWAIT, &token));
	says("lease nightly is held by \"another\", pid ");
	refused(-ETIMEDOUT, stoa_lease_take(p, NULL, 0, STOA_MS(20), &token));
	says("is held by \"another\"");
	memset(owner, 'x', LEASE_OWNER);
	owner[LEASE_OWNER] = '\0';
	refused(-ENAMETOOLONG, stoa_lease_take(p, owner, 0, STOA_NOWAIT, &token));
	assert_int_equal(token, 7);
	assert_int_equal(harness_health(s).rejected, 0);
	end(other);
}

/* ---- deaths ------------------------------------------------------------------------------------------------- */

/* Waits for it, and says when it got it. */
static void wait_for_it(int unused)
{
	uint64_t token;
	(void)unused;
	ok(stoa_attach_thread(s));
	atomic_store(&shared->step, 2);
	ok(stoa_lease_take(p, "waiter", 0, SOON, &token));
	atomic_store(&shared->taken, clock_now());
	assert_true(token > atomic_load(&shared->token));
}

static void waiter_has_it_at_once_when_its_owner_is_killed(void)
{
	start();
	pid_t owner = held(0), waiter = harness_spawn(wait_for_it, 0);
	until(atomic_load(&shared->step) == 2);
	usleep(20000); /* mostly asleep by now; right, if it is not */
	end(owner);
	harness_join(waiter);
	assert_true(atomic_load(&shared->taken) - atomic_load(&shared->ended) < STOA_MS(400 * HARNESS_SLOW));
}

static void waiter_has_it_when_the_coordinator_dies_with_the_owner(void)
{
	start();
	pid_t owner = held(0), waiter = harness_spawn(wait_for_it, 0);
	until(atomic_load(&shared->step) == 2);
	harness_freeze(s);
	end(owner);
	kill(harness_coordinator(s), SIGKILL);
	harness_join(waiter);
}

static void owner_keeps_it_while_coordinators_die(void)
{
	start();
	pid_t owner = held(0);
	for (int i = 0; i < 3; i++) {
		harness_kill_coordinator(s);
		assert_false(ask("me", 0).granted);
	}
	end(owner);
	take(0);
}

static void start_again(void)
{
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &(struct stoa *){ NULL }));
}

static void it_is_free_when_its_owner_died_while_nobody_served(void)
{
	start();
	pid_t owner = held(0);
	harness_kill_both(s);
	end(owner);
	start_again();
	assert_true(take(0) > atomic_load(&shared->token));
}

static void hold_and_detach(int unused)
{
	uint64_t token;
	(void)unused;
	ok(stoa_lease_take(p, "another", 0, SOON, &token));
	atomic_store(&shared->token, token);
	atomic_store(&shared->step, 1);
	until(atomic_load(&shared->step) == 2);
	stoa_close(p);
	stoa_detach(s);
	atomic_store(&shared->step, 3);
	for (;;)
		pause();
}

static void it_is_free_when_its_owner_detached_while_nobody_served(void)
{
	start();
	pid_t owner = harness_spawn(hold_and_detach, 0);
	until(atomic_load(&shared->step) == 1);
	harness_kill_both(s);
	atomic_store(&shared->step, 2);
	until(atomic_load(&shared->step) == 3);
	start_again();
	assert_true(take(0) > atomic_load(&shared->token));
	end(owner);
}

static void it_is_free_when_its_owner_detached_from_the_next_without_a_word_before(void)
{
	harness_needs_pidfds();
	start();
	pid_t owner = harness_spawn(hold_and_detach, 0);
	until(atomic_load(&shared->step) == 1);
	harness_kill_both(s);
	start_again();
	assert_false(ask("me", 0).granted);
	atomic_store(&shared->step, 2);
	until(atomic_load(&shared->step) == 3);
	assert_true(take(0) > atomic_load(&shared->token));
	end(owner);
}

#define CROWD 60

static void attach_and_stay(int unused)
{
	(void)unused;
	ok(stoa_attach_thread(s));
	atomic_fetch_add(&shared->inside, 1);
	for (;;)
		pause();
}

static void start_with_few_descriptors(int unused)
{
	struct stoa *none;
	(void)unused;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ CROWD, CROWD }), 0);
	refused(-EMFILE, stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &none));
	says("no descriptor is left for process ");
}

/* Who lives cannot be told then; none of them may be taken for dead. */
static void it_is_kept_when_there_are_too_few_descriptors(void)
{
	pid_t crowd[CROWD];
	harness_needs_pidfds();
	start();
	pid_t owner = held(0);
	for (int i = 0; i < CROWD; i++)
		crowd[i] = harness_spawn(attach_and_stay, i);
	until(atomic_load(&shared->inside) == CROWD);
	harness_kill_both(s);
	harness_join(harness_spawn(start_with_few_descriptors, 0));
	start_again();
	assert_false(ask("me", 0).granted);
	for (int i = 0; i < CROWD; i++)
		end(crowd[i]);
	end(owner);
	take(0);
}

/* Each of them goes in and out, and some die inside: never are two inside. */
static void go_in_and_out(int i)
{
	uint64_t token;
	for (int k = 0; k < 30; k++) {
		ok(stoa_lease_take(p, "one of many", 0, SOON, &token));
		assert_int_equal(atomic_exchange(&shared->inside, (int)getpid()), 0);
		atomic_fetch_add(&shared->takes, 1);
		assert_int_equal(atomic_exchange(&shared->inside, 0), getpid());
		if (i % 2 && k == 20)
			kill(getpid(), SIGKILL);
		ok(lease_release_call(p, &(struct lease_token){ token }, NULL, SOON));
	}
}

static void never_are_two_inside(void)
{
	pid_t pids[6];
	start();
	for (int i = 0; i < 6; i++)
		pids[i] = harness_spawn(go_in_and_out, i);
	until(atomic_load(&shared->takes) > 40);
	harness_kill_coordinator(s);
	for (int i = 0; i < 6; i++)
		assert_int_equal(harness_status(pids[i]), i % 2 ? -SIGKILL : 0);
	assert_int_equal(look().token, 3 * 30 + 3 * 21);
	assert_int_equal(atomic_load(&shared->takes), look().token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(it_is_free_when_its_owner_detached_from_the_next_without_a_word_before),
		HARNESS(it_is_free_when_its_owner_detached_while_nobody_served),
		HARNESS(it_is_free_when_its_owner_died_while_nobody_served),
		HARNESS(it_is_kept_when_there_are_too_few_descriptors),
		HARNESS(longest_time_is_no_overflow),
		HARNESS(never_are_two_inside),
		HARNESS(one_at_a_time_has_it_with_a_token_that_grows),
		HARNESS(only_its_token_renews_and_releases),
		HARNESS(owner_keeps_it_while_coordinators_die),
		HARNESS(take_tells_who_has_it),
		HARNESS(time_ends_it_though_its_owner_lives),
		HARNESS(waiter_has_it_at_once_when_its_owner_is_killed),
		HARNESS(waiter_has_it_when_the_coordinator_dies_with_the_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
