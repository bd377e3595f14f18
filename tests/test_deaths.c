/*
 * test_deaths.c: guardian and coordinator killed and stopped in every combination, with clients of all kinds at work.
 * Where one of the two is left, no client sees an error. Where both died, each is told so, and with the next start the
 * count is what the clients were told.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

#define LONG (6 * SOON) /* who is not told promptly makes the test fail before */

enum kind { CALLER, CASTER, READER, WAITER, LOOPER, ATTACHER, KINDS };

static struct {
	_Atomic uint64_t turns;	   /* that went well */
	_Atomic uint64_t applied;  /* as it was told: answered, or accepted */
	_Atomic uint64_t doubtful; /* as it was told: may still apply, and cannot be awaited */
	_Atomic uint64_t losses;   /* times that it was told that nobody serves */
	_Atomic bool ended;
} *clients;
static _Atomic int *over;
static bool may_lose;
static struct stoa *s;
static struct stoa_proxy *p;

/* ---- clients ------------------------------------------------------------------------------------------------ */

static bool went_well(enum kind k, int r)
{
	if (r == 0)
		atomic_fetch_add(&clients[k].turns, 1);
	else if (may_lose && r == -ECONNRESET)
		atomic_fetch_add(&clients[k].losses, 1);
	else
		ok(r);
	return r == 0;
}

static void call_once(enum kind k)
{
	struct stoa_error e;
	int r = counter_add_call(p, &(struct counter_args){ 1 }, NULL, LONG);
	stoa_last_error(&e);
	bool accepted = r == 0 || e.may_apply;
	while (!went_well(k, r) && accepted) /* until another serves, which answers */
		r = stoa_await(s, e.ticket, LONG);
	if (accepted)
		atomic_fetch_add(&clients[k].applied, 1);
}

static void call(void)
{
	while (!atomic_load(over))
		call_once(CALLER);
}

static void cast(void)
{
	struct stoa_error e;
	while (!atomic_load(over)) {
		bool accepted = went_well(CASTER, harness_count(p, LONG));
		stoa_last_error(&e);
		atomic_fetch_add(&clients[CASTER].applied, accepted);
		atomic_fetch_add(&clients[CASTER].doubtful, !accepted && e.may_apply);
	}
}

static void read_on(void)
{
	int64_t before = 0, now;
	while (!atomic_load(over))
		if (went_well(READER, STOA_GET(p, struct counter, value, &now, LONG))) {
			assert_true(now >= before);
			before = now;
		}
}

static void wait_on(void)
{
	struct stoa_stamp stamp = { 0 };
	while (!atomic_load(over))
		went_well(WAITER, stoa_wait(p, STOA_ALL, stamp.version, LONG, &stamp));
}

static void next_event(int *pending)
{
	struct stoa_event e;
	struct pollfd fd = { .fd = stoa_fd(s), .events = POLLIN };
	poll(&fd, 1, 100);
	while (stoa_next(s, &e) == 1) {
		if (e.what == STOA_ANSWER) {
			assert_true(went_well(LOOPER, e.status));
			atomic_fetch_add(&clients[LOOPER].applied, 1);
			--*pending;
		} else if (e.what == STOA_LOST) {
			went_well(LOOPER, -ECONNRESET);
		}
	}
}

static void loop(void)
{
	struct stoa_error e;
	int pending = 0;
	while (!atomic_load(over) || pending) {
		while (!atomic_load(over) && pending < 8) {
			int r = stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, NULL, p, LONG, NULL);
			stoa_last_error(&e);
			pending += r == 0;
			if (r == 0)
				continue;
			atomic_fetch_add(&clients[LOOPER].doubtful, e.may_apply);
			if (r != -EAGAIN) /* there is no room */
				went_well(LOOPER, r);
			break;
		}
		next_event(&pending);
	}
}

static void attach_and_leave(void)
{
	stoa_detach(s);
	while (!atomic_load(over)) {
		int r = stoa_attach("test", STOA_OPTIONS(.timeout = may_lose ? STOA_MS(50) : SOON), &s);
		r = may_lose && (r == -ENOENT || r == -ETIMEDOUT) ? -ECONNRESET : r;
		if (!went_well(ATTACHER, r))
			continue;
		if (went_well(ATTACHER, stoa_open(s, "hits", &counter_class, LONG, &p)))
			call_once(ATTACHER);
		stoa_detach(s);
	}
}

static void be_client(int kind)
{
	static void (*const roles[])(void) = {
		[CALLER] = call,    [CASTER] = cast, [READER] = read_on,
		[WAITER] = wait_on, [LOOPER] = loop, [ATTACHER] = attach_and_leave,
	};
	roles[kind]();
	atomic_store(&clients[kind].ended, true);
}

static void begin(bool loses)
{
	may_lose = loses;
	clients = harness_shared(KINDS * sizeof(*clients));
	over = harness_shared(sizeof(*over));
	s = harness_start_with(NULL, STOA_OPTIONS(.max_queue = 64));
	p = harness_create(s, "hits", &counter_class, NULL);
	harness_spawn_all(KINDS, be_client);
}

static void all_go_on(void)
{
	for (int k = 0; k < KINDS; k++) {
		uint64_t before = atomic_load(&clients[k].turns);
		until(atomic_load(&clients[k].turns) > before + 2);
	}
}

/* One more change: of the others' last ones, who waits for one may have had none. */
static bool waiter_has_ended(uint64_t *changes)
{
	ok(harness_count(p, SOON));
	++*changes;
	return atomic_load(&clients[WAITER].ended);
}

static void end(void)
{
	uint64_t applied = 0, doubtful = 0, losses = 0;
	int64_t value;
	all_go_on();
	atomic_store(over, 1);
	until(waiter_has_ended(&applied));
	harness_join_all();
	for (int k = 0; k < KINDS; k++) {
		applied += atomic_load(&clients[k].applied);
		doubtful += atomic_load(&clients[k].doubtful);
		losses += atomic_load(&clients[k].losses);
	}
	ok(STOA_GET(p, struct counter, value, &value, SOON));
	if ((uint64_t)value < applied || (uint64_t)value > applied + doubtful)
		fail_msg("%ju were applied as told, %ju are in doubt; the count is %jd", (uintmax_t)applied,
			 (uintmax_t)doubtful, (intmax_t)value);
	assert_true(harness_health(s).rejected <= losses); /* came too late, and were told so */
	assert_int_equal(harness_health(s).abandoned, 0);
}

static void strike_again_and_again(int times, void (*strike)(void))
{
	begin(false);
	for (int i = 0; i < times; i++) {
		all_go_on();
		strike();
	}
	end();
}

/* ---- one is left -------------------------------------------------------------------------------------------- */

static void kill_coordinator(void)
{
	kill(harness_coordinator(s), SIGKILL);
}

static void kill_guardian(void)
{
	pid_t guardian = harness_guardian(s);
	kill(guardian, SIGKILL);
	until(harness_guardian(s) != guardian);
}

static void stop_guardian_and_kill_coordinator(void)
{
	uint64_t restarts = harness_health(s).restarts;
	pid_t coordinator = harness_coordinator(s);
	kill(harness_guardian(s), SIGSTOP); /* until the coordinator tells it of a client */
	kill(coordinator, SIGKILL);
	until(harness_health(s).restarts > restarts);
}

static void stop_coordinator(void)
{
	pid_t coordinator = harness_coordinator(s);
	harness_stop_process(coordinator);
	until(harness_has_ended(coordinator));
}

static void kill_one(void)
{
	static int n;
	(n++ % 2 ? kill_guardian : kill_coordinator)();
}

static void nobody_notices_when_one_is_killed(void)
{
	strike_again_and_again(10, kill_one);
}

static void nobody_notices_when_the_guardian_is_stopped_and_the_coordinator_killed(void)
{
	strike_again_and_again(5, stop_guardian_and_kill_coordinator);
}

static void nobody_notices_when_the_coordinator_is_stopped(void)
{
	strike_again_and_again(2, stop_coordinator);
}

/* ---- stopped for a while ------------------------------------------------------------------------------------- */

static void nobody_notices_when_the_guardian_is_stopped_for_long(void)
{
	begin(false);
	all_go_on();
	pid_t guardian = harness_guardian(s), coordinator = harness_coordinator(s);
	for (int64_t ends = clock_deadline(STOA_MS(3000)); clock_now() < ends; all_go_on())
		kill(guardian, SIGSTOP);
	kill(guardian, SIGCONT);
	end();
	assert_int_equal(harness_guardian(s), guardian);
	assert_int_equal(harness_coordinator(s), coordinator);
}

static void freeze_for_a_while(void)
{
	harness_freeze(s);
	usleep(300000);
	harness_thaw(s);
}

static void nobody_notices_when_both_are_stopped_for_a_while(void)
{
	strike_again_and_again(5, freeze_for_a_while);
	assert_int_equal(harness_health(s).restarts, 0);
}

/* ---- both --------------------------------------------------------------------------------------------------- */

static void all_are_told_and_the_next_start_has_it_all_when_both_are_killed(void)
{
	uint64_t before[KINDS];
	begin(true);
	for (int i = 0; i < 5; i++) {
		all_go_on();
		for (int k = 0; k < KINDS; k++)
			before[k] = atomic_load(&clients[k].losses);
		harness_kill_both(s);
		for (int k = 0; k < KINDS; k++)
			until(atomic_load(&clients[k].losses) > before[k]);
		ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &(struct stoa *){ NULL }));
	}
	end();
}

/* ---- neither ------------------------------------------------------------------------------------------------ */

static void hang_up_on_all(int listener)
{
	for (;;)
		close(accept(listener, NULL, NULL));
}

static int listen_in_its_place(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/test/socket", getenv("STOA_DIR"));
	assert_int_equal(unlink(at.sun_path), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 5), 0);
	return listener;
}

/* As coordinators do that are killed as soon as they let somebody in. */
static void who_hangs_up_is_not_gone(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	harness_kill_both(s);
	int listener = listen_in_its_place();
	pid_t pid = harness_spawn(hang_up_on_all, listener);
	close(listener);
	refused(-ECANCELED, counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_MS(500)));
	kill(pid, SIGKILL);
	harness_status(pid);
	refused(-ECONNRESET, counter_add_call(p, &(struct counter_args){ 1 }, NULL, LONG));
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &(struct stoa *){ NULL }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS_SECONDS(all_are_told_and_the_next_start_has_it_all_when_both_are_killed, 60),
		HARNESS_SECONDS(nobody_notices_when_both_are_stopped_for_a_while, 60),
		HARNESS_SECONDS(nobody_notices_when_one_is_killed, 60),
		HARNESS_SECONDS(nobody_notices_when_the_coordinator_is_stopped, 60),
		HARNESS_SECONDS(nobody_notices_when_the_guardian_is_stopped_and_the_coordinator_killed, 60),
		HARNESS_SECONDS(nobody_notices_when_the_guardian_is_stopped_for_long, 60),
		HARNESS(who_hangs_up_is_not_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
