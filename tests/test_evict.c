/*
 * test_evict.c: a client that is evicted: what it had queued is applied, nothing else of it ever is, others do not
 * notice, it is told, and stays out until it ends, whoever of the coordinator and its guardian dies meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "include/stoa/latch.h"
#include "include/stoa/lease.h"
#include "include/stoa/observe.h"
#include "proxy/handle.h"
#include "src/message.h"
#include "tests/harness.h"
#include "tests/scratch.h"

static struct stoa *s;
static struct stoa_proxy *p, *lease;
static struct shared {
	_Atomic int step, error, go;
	_Atomic int64_t sent;
	char text[STOA_ERROR_MAX];
} *shared;

static void begin(struct stoa *stoa)
{
	shared = harness_shared(sizeof(*shared));
	s = stoa;
	p = harness_create(s, "hits", &counter_class, NULL);
	lease = harness_create(s, "nightly", &lease_class, NULL);
	harness_needs_pidfds();
}

static void start(void)
{
	begin(harness_start(NULL));
}

static int64_t value(void)
{
	int64_t v;
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	return v;
}

/* In the client: what a call returned in the end. */
static void report(int r)
{
	struct stoa_error e;
	stoa_last_error(&e);
	memcpy(shared->text, e.text, sizeof(e.text));
	atomic_store(&shared->error, r);
}

static void stay(void)
{
	for (;;)
		pause();
}

static int add(void)
{
	return counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON);
}

/* A client that runs this, once it has come to step 1. */
static pid_t client(void (*run)(int))
{
	atomic_store(&shared->step, 0);
	atomic_store(&shared->error, 0);
	pid_t pid = harness_spawn(run, 0);
	until(atomic_load(&shared->step) == 1);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(harness_status(pid), -SIGKILL);
}

static void is_told(void)
{
	until(atomic_load(&shared->error) != 0);
	assert_int_equal(atomic_load(&shared->error), -ECONNABORTED);
	assert_non_null(strstr(shared->text, "was evicted from namespace test"));
}

static void call_once_and_stay(int unused)
{
	(void)unused;
	ok(add());
	atomic_store(&shared->step, 1);
	stay();
}

/* ---- it is told ---------------------------------------------------------------------------------------------- */

static void call_on(int unused)
{
	int r;
	(void)unused;
	while ((r = add()) == 0)
		atomic_store(&shared->step, 1);
	report(r);
	int64_t v;
	refused(-ECONNABORTED, add());
	refused(-ECONNABORTED, STOA_GET(p, struct counter, value, &v, SOON));
	refused(-ECONNABORTED, stoa_sync(s, SOON, NULL));
	struct stoa *again;
	refused(-ECONNABORTED, stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &again));
	says("and may not come back");
	refused(-ECONNABORTED, stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = SOON), &again));
	atomic_store(&shared->step, 2);
	stay();
}

static void evicted_client_is_told_and_may_not_come_back(void)
{
	start();
	pid_t pid = client(call_on);
	ok(stoa_evict(s, pid, SOON));
	int64_t before = value();
	is_told();
	until(atomic_load(&shared->step) == 2);
	assert_int_equal(value(), before);
	ok(add());
	ok(stoa_evict(s, pid, SOON)); /* it is */
	end(pid);
	until(stoa_evict(s, pid, SOON) == -ENOENT);
}

static void submit_and_ask(int unused)
{
	uint64_t ticket;
	(void)unused;
	ok(add());
	atomic_store(&shared->step, 1);
	until(atomic_load(&shared->go) == 1);
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, NULL, NULL, SOON, &ticket));
	atomic_store(&shared->step, 2);
	until(atomic_load(&shared->go) == 2);
	report(stoa_await(s, ticket, SOON));
	stay();
}

/* And not that there are damaged bytes where an answer should be. */
static void it_is_told_though_the_coordinator_is_slow_to(void)
{
	start();
	pid_t pid = client(submit_and_ask);
	ok(stoa_evict(s, pid, SOON));
	atomic_store(&shared->go, 1);
	until(atomic_load(&shared->step) == 2);
	ok(add()); /* behind it */
	harness_freeze(s);
	atomic_store(&shared->go, 2);
	usleep(100000);
	harness_thaw(s);
	is_told();
	end(pid);
}

static void cast_on(int unused)
{
	int r;
	(void)unused;
	while ((r = harness_count(p, SOON)) == 0) {
		atomic_fetch_add(&shared->sent, 1);
		atomic_store(&shared->step, 1);
	}
	report(r);
	stay();
}

/* Who only casts waits for nothing, and sends on. */
static void casts_of_who_does_not_know_yet_are_rejected(void)
{
	start();
	pid_t pid = client(cast_on);
	ok(stoa_evict(s, pid, SOON));
	int64_t before = value(), sent = atomic_load(&shared->sent);
	is_told();
	assert_int_equal(value(), before);
	assert_true(before <= sent + 1);
	assert_true(atomic_load(&shared->sent) <= sent + 2 * 96); /* a cast of 32 to 95 asks */
	end(pid);
}

static int look(void *data, const struct stoa_rejection *r)
{
	struct stoa_rejection *last = data;
	*last = *r;
	return 0;
}

static void freeze_and_cast(int unused)
{
	uint64_t ticket;
	(void)unused;
	ok(add());
	atomic_store(&shared->step, 1);
	until(atomic_load(&shared->go) == 1);
	for (int i = 0; i < 20; i++)
		ok(harness_count(p, STOA_NOWAIT));
	atomic_store(&shared->step, 2);
	until(atomic_load(&shared->go) == 2);
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 1 }, NULL, NULL, SOON, &ticket));
	refused(-ECONNABORTED, harness_count(p, STOA_NOWAIT)); /* one that folds asks before it is published */
	report(stoa_sync(s, SOON, NULL));
	stay();
}

static void what_it_had_queued_is_applied_and_nothing_after(void)
{
	struct stoa_rejection last = { 0 };
	start();
	pid_t pid = client(freeze_and_cast);
	harness_freeze(s);
	atomic_store(&shared->go, 1);
	until(atomic_load(&shared->step) == 2);
	harness_thaw(s);
	ok(stoa_evict(s, pid, SOON));
	assert_int_equal(value(), 21);
	uint64_t rejected = harness_health(s).rejected;
	atomic_store(&shared->go, 2);
	is_told();
	assert_int_equal(value(), 21);
	assert_int_equal(harness_health(s).rejected, rejected + 1);
	ok(stoa_rejected(s, 0, look, &last));
	assert_int_equal(last.code, -ECONNABORTED);
	assert_int_equal(last.pid, pid);
	assert_string_equal(last.text, "its process was evicted before");
	end(pid);
}

static void wait_for_a_change(int read_only)
{
	struct stoa_stamp stamp;
	int64_t v;
	if (read_only) {
		stoa_detach(s);
		ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = SOON), &s));
		ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	} else {
		ok(add()); /* until then it reads through what it inherited */
	}
	ok(stoa_get(p, offsetof(struct counter, value), &v, sizeof(v), SOON, &stamp));
	atomic_store(&shared->step, 1);
	report(stoa_wait(p, offsetof(struct counter, value), stamp.version, SOON, NULL));
	stay();
}

static void who_sleeps_is_told(void)
{
	start();
	for (int read_only = 0; read_only < 2; read_only++) {
		atomic_store(&shared->step, 0);
		atomic_store(&shared->error, 0);
		pid_t pid = harness_spawn(wait_for_a_change, read_only);
		until(atomic_load(&shared->step) == 1);
		until(harness_health(s).clients == 2);
		ok(stoa_evict(s, pid, SOON));
		is_told();
		end(pid);
	}
}

static void follow_events(int unused)
{
	struct stoa_event e;
	struct pollfd f = { .events = POLLIN };
	int r = 0;
	bool lost = false;
	(void)unused;
	ok(stoa_watch(p, STOA_ALL, NULL));
	f.fd = stoa_fd(s);
	for (atomic_store(&shared->step, 1); r >= 0;) {
		while ((r = stoa_next(s, &e)) > 0)
			lost = lost || e.what == STOA_LOST;
		if (r == 0)
			poll(&f, 1, -1);
	}
	report(lost ? r : -EIO);
	stay();
}

static void event_loop_is_told(void)
{
	start();
	pid_t pid = client(follow_events);
	ok(stoa_evict(s, pid, SOON));
	is_told();
	end(pid);
}

static void have_a_child(int unused)
{
	(void)unused;
	ok(add());
	pid_t child = fork();
	if (child == 0) {
		until(atomic_load(&shared->go) == 1);
		report(add());
		atomic_store(&shared->step, 2);
		_exit(0);
	}
	atomic_store(&shared->step, 1);
	harness_join(child);
	stay();
}

static void its_children_are_others(void)
{
	start();
	pid_t pid = client(have_a_child);
	ok(stoa_evict(s, pid, SOON));
	atomic_store(&shared->go, 1);
	until(atomic_load(&shared->step) == 2);
	assert_int_equal(atomic_load(&shared->error), 0);
	assert_int_equal(value(), 2);
	end(pid);
}

/* ---- what it held -------------------------------------------------------------------------------------------- */

static void hold_a_lease(int unused)
{
	uint64_t token;
	(void)unused;
	ok(stoa_lease_take(lease, "it", 0, SOON, &token));
	atomic_store(&shared->step, 1);
	stay();
}

static void its_lease_is_free_at_once(void)
{
	uint64_t token;
	start();
	pid_t pid = client(hold_a_lease);
	refused(-EAGAIN, stoa_lease_take(lease, "me", 0, STOA_NOWAIT, &token));
	ok(stoa_evict(s, pid, SOON));
	ok(stoa_lease_take(lease, "me", 0, SOON, &token));
	end(pid);
}

static void *call_as_thread(void *unused)
{
	ok(add());
	atomic_store(&shared->step, 1);
	stay();
	return unused;
}

static void call_from_a_thread_too(int unused)
{
	pthread_t t;
	(void)unused;
	ok(add());
	assert_int_equal(pthread_create(&t, NULL, call_as_thread, NULL), 0);
	stay();
}

static void call_once(int unused)
{
	(void)unused;
	report(add());
}

static int call_of_another(void)
{
	harness_join(harness_spawn(call_once, 0));
	return atomic_load(&shared->error);
}

static void evict_and_end(void)
{
	pid_t pid = client(call_from_a_thread_too);
	assert_int_equal(harness_health(s).threads, 3);
	ok(stoa_evict(s, pid, SOON));
	assert_int_equal(harness_health(s).threads, 1);
	assert_int_equal(harness_health(s).clients, 1);
	assert_int_equal(call_of_another(), -EMFILE);
	end(pid);
	until(call_of_another() == 0);
}

/* It may still put words into the ring that name them. The guardian hears of who comes and goes a moment later. */
static void its_lanes_are_given_to_nobody_while_it_lives(void)
{
	begin(harness_start_with(NULL, STOA_OPTIONS(.flags = STOA_VERIFY, .max_threads = 3)));
	evict_and_end();
	int coordinator = scratch_fds_of(harness_coordinator(s)), guardian = scratch_fds_of(harness_guardian(s));
	evict_and_end();
	until(scratch_fds_of(harness_coordinator(s)) <= coordinator);
	until(scratch_fds_of(harness_guardian(s)) <= guardian);
}

/* ---- deaths -------------------------------------------------------------------------------------------------- */

static void try_again(int unused)
{
	(void)unused;
	ok(add());
	atomic_store(&shared->step, 1);
	until(atomic_load(&shared->go) == 1);
	report(add());
	stay();
}

static void next_coordinator_knows(void)
{
	begin(harness_start_with(NULL, STOA_OPTIONS(.flags = STOA_VERIFY, .max_threads = 2)));
	pid_t pid = client(try_again);
	ok(stoa_evict(s, pid, SOON));
	harness_kill_coordinator(s);
	assert_int_equal(call_of_another(), -EMFILE);
	pid_t guardian = harness_guardian(s);
	kill(guardian, SIGKILL);
	until(harness_health(s).guardian != guardian && harness_health(s).verdict == STOA_HEALTHY);
	atomic_store(&shared->error, 0);
	atomic_store(&shared->go, 1);
	is_told();
	assert_int_equal(value(), 1);
	assert_int_equal(harness_health(s).clients, 1);
	end(pid);
	until(call_of_another() == 0);
}

static void *evict_it(void *pid)
{
	int64_t deadline = clock_deadline(SOON);
	int r;
	while ((r = stoa_evict(s, *(pid_t *)pid, SOON)) == -ECONNRESET && clock_now() < deadline) {}
	return (void *)(intptr_t)r;
}

/* A little later each time. */
static void death_in_the_midst_of_it_undoes_nothing(void)
{
	start();
	for (int i = 0; i < 20; i++) {
		pthread_t t;
		void *r;
		atomic_store(&shared->go, 0);
		pid_t pid = client(try_again), coordinator = harness_coordinator(s);
		assert_int_equal(pthread_create(&t, NULL, evict_it, &pid), 0);
		usleep((useconds_t)i * 20);
		kill(coordinator, SIGKILL);
		pthread_join(t, &r);
		assert_int_equal((intptr_t)r, 0);
		atomic_store(&shared->go, 1);
		is_told();
		assert_int_equal(value(), i + 1);
		end(pid);
	}
	until(harness_health(s).threads == 1);
}

static void come_back(int unused)
{
	(void)unused;
	int r = 0;
	ok(add());
	atomic_store(&shared->step, 1);
	until(atomic_load(&shared->go) == 1);
	until((r = add()) != -ECONNRESET);
	report(r);
	atomic_store(&shared->step, 2);
	stay();
}

static int count_evicted(void *data, const struct stoa_attached *a)
{
	*(int *)data += a->evicted;
	return 0;
}

static int evicted(void)
{
	int n = 0;
	ok(stoa_clients(s, count_evicted, &n));
	return n;
}

static void one_that_ends_as_the_coordinator_dies_leaves_nothing(void)
{
	start();
	for (int i = 0; i < 12; i++) {
		pid_t pid = client(call_once_and_stay);
		ok(stoa_evict(s, pid, SOON));
		assert_int_equal(evicted(), 1);
		end(pid);
		usleep((useconds_t)i * 20);
		harness_kill_coordinator(s);
		until(evicted() == 0);
	}
}

/* Asks for a lane on a connection whose process has ended, until that is known, and says how it was refused. */
static void ask_for_lanes(void)
{
	struct message in = { 0 };
	int fds[MESSAGE_FDS], r;
	for (uint64_t id = 1000; id < 1100 && in.status != -EACCES; id++) {
		usleep(20000);
		struct message m = { .kind = MESSAGE_LANE, .id = id };
		ok(message_send(s->conn_fd, &m, NULL));
		until((r = message_receive(s->conn_fd, &in, fds)) != -EAGAIN && in.id == id);
	}
	report(in.kind == MESSAGE_REFUSED ? in.status : 1);
	_exit(0);
}

static void leave_the_connection(int unused)
{
	(void)unused;
	ok(add());
	if (fork() == 0)
		ask_for_lanes();
	_exit(0);
}

/* Else who was evicted would come back with that of a child. */
static void connection_whose_process_has_ended_gives_no_lane(void)
{
	start();
	assert_int_equal(harness_status(harness_spawn(leave_the_connection, 0)), 0);
	until(atomic_load(&shared->error) != 0);
	assert_int_equal(atomic_load(&shared->error), -EACCES);
	assert_int_equal(value(), 1);
}

static void new_start_forgets(void)
{
	start();
	pid_t pid = client(come_back);
	ok(stoa_evict(s, pid, SOON));
	harness_kill_both(s);
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &(struct stoa *){ NULL }));
	atomic_store(&shared->go, 1);
	until(atomic_load(&shared->step) == 2);
	assert_int_equal(atomic_load(&shared->error), 0);
	assert_int_equal(value(), 2);
	end(pid);
}

/* ---- who may, and whom --------------------------------------------------------------------------------------- */

static void evict_the_test(int read_only)
{
	if (read_only) {
		stoa_detach(s);
		ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = SOON), &s));
	}
	report(stoa_evict(s, getppid(), SOON));
}

static void only_who_may_evicts_who_is_there(void)
{
	start();
	ok(add());
	refused(-EINVAL, stoa_evict(s, getpid(), SOON));
	says("a process does not evict itself");
	refused(-ENOENT, stoa_evict(s, 1, SOON));
	says("no process 1 is attached to namespace test; stoa clients shows who is");
	refused(-ENOENT, stoa_evict(s, -1, SOON));
	harness_join(harness_spawn(evict_the_test, 1));
	assert_int_equal(atomic_load(&shared->error), -EACCES);
	assert_string_equal(shared->text, "namespace test is attached read-only");
	ok(add());
}

static void as_another_user(int unused)
{
	(void)unused;
	assert_int_equal(setuid(12345), 0);
	report(stoa_evict(s, getppid(), SOON));
}

static void another_user_may_not(void)
{
	const uid_t other = 12345;
	if (geteuid() != 0)
		harness_skip("only root can become another user");
	begin(harness_start_with(NULL, STOA_OPTIONS(.flags = STOA_VERIFY, .uids = &other, .n_uids = 1)));
	harness_join(harness_spawn(as_another_user, 0));
	assert_int_equal(atomic_load(&shared->error), -EACCES);
	assert_string_equal(shared->text, "only the coordinator's own user and root may evict a client");
	ok(add());
}

static int find_evicted(void *data, const struct stoa_attached *a)
{
	if (a->evicted)
		*(struct stoa_attached *)data = *a;
	return 0;
}

static void it_is_shown_until_it_ends(void)
{
	struct stoa_attached a = { 0 };
	start();
	pid_t pid = client(call_once_and_stay);
	ok(stoa_clients(s, find_evicted, &a));
	assert_int_equal(a.pid, 0);
	ok(stoa_evict(s, pid, SOON));
	ok(stoa_clients(s, find_evicted, &a));
	assert_int_equal(a.pid, pid);
	assert_int_equal(a.tid, 0);
	end(pid);
	for (a.pid = 1; a.pid;) {
		a.pid = 0;
		ok(stoa_clients(s, find_evicted, &a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(another_user_may_not),
		HARNESS(casts_of_who_does_not_know_yet_are_rejected),
		HARNESS(connection_whose_process_has_ended_gives_no_lane),
		HARNESS(death_in_the_midst_of_it_undoes_nothing),
		HARNESS(event_loop_is_told),
		HARNESS(evicted_client_is_told_and_may_not_come_back),
		HARNESS(it_is_shown_until_it_ends),
		HARNESS(it_is_told_though_the_coordinator_is_slow_to),
		HARNESS(its_children_are_others),
		HARNESS(its_lanes_are_given_to_nobody_while_it_lives),
		HARNESS(its_lease_is_free_at_once),
		HARNESS(new_start_forgets),
		HARNESS(next_coordinator_knows),
		HARNESS(one_that_ends_as_the_coordinator_dies_leaves_nothing),
		HARNESS(only_who_may_evicts_who_is_there),
		HARNESS(what_it_had_queued_is_applied_and_nothing_after),
		HARNESS(who_sleeps_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
