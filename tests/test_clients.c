/*
 * test_clients.c: which clients live. None counts as alive when it is dead, though its pid, its connection or its
 * memory is still somewhere, and none as dead when it is stopped, far away, or without its first thread.
 */
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "src/clock.h"
#include "tests/harness.h"
#include "tests/scratch.h"

static struct stoa *s;
static struct stoa_proxy *p;
static _Atomic int *step;
static int before; /* descriptors of the coordinator, when only the test is there */

static void start(void)
{
	step = harness_shared(2 * sizeof(*step));
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static void add(void)
{
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

static int coordinator_fds(void)
{
	return scratch_fds_of(harness_coordinator(s));
}

static void until_only_we_are_there(void)
{
	until(harness_health(s).threads == 1);
	add();
}

/* run in a client, which has called once; it ends in its own way. */
static pid_t client(void (*run)(int))
{
	start();
	before = coordinator_fds();
	pid_t pid = harness_spawn(run, 0);
	until(atomic_load(step) >= 1);
	return pid;
}

static void call_and_stay(int unused)
{
	(void)unused;
	add();
	atomic_store(step, 1);
	for (;;)
		pause();
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(harness_status(pid), -SIGKILL);
}

static void clients_are_counted(void)
{
	int64_t now = clock_real();
	pid_t pid = client(call_and_stay);
	assert_int_equal(harness_health(s).clients, 2);
	int64_t started = harness_health(s).started_ns;
	assert_true(started >= now - 1000000000 && started <= clock_real());
	end(pid);
	until(harness_health(s).clients == 1);
}

/* ---- alive -------------------------------------------------------------------------------------------------- */

static void stopped_client_keeps_its_lane_and_holds_up_nobody(void)
{
	pid_t pid = client(call_and_stay);
	harness_stop_process(pid);
	add();
	harness_kill_coordinator(s);
	add();
	assert_int_equal(harness_health(s).threads, 2);
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	until(harness_health(s).verdict == STOA_GONE);
	end(pid);
}

static void *call_on(void *unused)
{
	add();
	atomic_store(step, 1);
	until(atomic_load(step) == 2);
	add();
	atomic_store(step, 3);
	for (;;)
		pause();
	return unused;
}

static void leave_by_the_first_thread(int unused)
{
	pthread_t t;
	(void)unused;
	assert_int_equal(pthread_create(&t, NULL, call_on, NULL), 0);
	pthread_exit(NULL);
}

static void client_is_alive_though_its_first_thread_has_ended(void)
{
	pid_t pid = client(leave_by_the_first_thread);
	until(harness_has_ended(pid)); /* so says /proc of the first thread */
	add();
	harness_kill_coordinator(s);
	assert_int_equal(harness_health(s).threads, 2);
	atomic_store(step, 2);
	until(atomic_load(step) == 3);
	end(pid);
	until_only_we_are_there();
}

/* In a process between: the first one of a namespace is its child, and what the test itself forks is not in there. */
static void (*run_below)(void);

static void enter_pid_namespace(int unused)
{
	(void)unused;
	if (unshare(CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0)) < 0) {
		atomic_store(&step[1], -1);
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		assert_int_equal(getpid(), 1);
		run_below();
		_exit(0);
	}
	atomic_store(&step[1], pid);
	harness_status(pid);
}

/* What runs there, as it is seen from here. ret_between: to be joined when that has ended. */
static pid_t spawn_below(void (*run)(void), pid_t *ret_between)
{
	run_below = run;
	*ret_between = harness_spawn(enter_pid_namespace, 0);
	until(atomic_load(&step[1]) != 0);
	if (atomic_load(&step[1]) < 0)
		harness_skip("no pid namespaces here");
	return atomic_load(&step[1]);
}

static void call_below(void)
{
	call_and_stay(0);
}

static void client_in_a_pid_namespace_below_is_seen(void)
{
	struct stoa_stamp stamp;
	int64_t v;
	pid_t between;
	start();
	pid_t pid = spawn_below(call_below, &between);
	until(atomic_load(step) == 1);
	ok(stoa_get(p, offsetof(struct counter, value), &v, sizeof(v), SOON, &stamp));
	assert_int_equal(stamp.pid, pid);
	kill(pid, SIGKILL);
	harness_join(between);
	until_only_we_are_there();
}

static void serve_below(void)
{
	ok(stoa_serve("test", NULL, STOA_OPTIONS(0)));
}

static void client_outside_of_the_coordinators_pid_namespace_is_refused(void)
{
	pid_t between;
	step = harness_shared(2 * sizeof(*step));
	pid_t pid = spawn_below(serve_below, &between);
	refused(-EACCES, stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	says("pid namespace");
	kill(pid, SIGTERM);
	harness_join(between);
}

/* ---- dead --------------------------------------------------------------------------------------------------- */

static void zombie_is_dead(void)
{
	pid_t pid = client(call_and_stay);
	kill(pid, SIGKILL);
	until_only_we_are_there();
	until(coordinator_fds() == before);
	assert_int_equal(kill(pid, 0), 0); /* it is there, for us to reap */
	harness_status(pid);
}

/* A process that has this pid, and does nothing. */
static pid_t take_pid(pid_t pid)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1 };
	pid_t r = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	while (r == 0)
		pause();
	return r;
}

static void client_is_dead_though_another_has_its_pid(void)
{
	pid_t pid = client(call_and_stay);
	harness_freeze(s); /* it looks only when the pid is taken */
	end(pid);
	pid_t other = take_pid(pid);
	harness_thaw(s);
	if (other < 0)
		harness_skip("no pid can be chosen here");
	assert_int_equal(other, pid);
	until_only_we_are_there();
	harness_kill_coordinator(s); /* the next one is not mistaken, either */
	assert_int_equal(harness_health(s).threads, 1);
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

/* By the path, and not by what was inherited. */
static void attach_and_add(void)
{
	stoa_detach(s);
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	add();
}

static void attach_and_call(int unused)
{
	(void)unused;
	attach_and_add();
}

static void call_and_exec(int unused)
{
	(void)unused;
	attach_and_add();
	atomic_store(step, 1);
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	fail_msg("cannot execute sleep");
}

static void client_is_gone_when_it_runs_another_program(void)
{
	pid_t pid = client(call_and_exec);
	until_only_we_are_there();
	until(coordinator_fds() == before);
	assert_false(harness_has_ended(pid));
	end(pid);
}

static void call_spawn_and_leave(int unused)
{
	static char *const argv[] = { "sleep", "1000", NULL };
	pid_t pid;
	(void)unused;
	attach_and_add();
	assert_int_equal(posix_spawn(&pid, "/bin/sleep", NULL, NULL, argv, (char *[]){ NULL }), 0);
	atomic_store(step, pid);
}

static void client_is_gone_though_what_it_spawned_lives_on(void)
{
	pid_t pid = client(call_spawn_and_leave);
	until_only_we_are_there();
	until(coordinator_fds() == before);
	assert_false(harness_has_ended(atomic_load(step)));
	kill(atomic_load(step), SIGKILL);
	harness_join(pid);
}

/* The child has the connection, and never uses it. */
static void call_fork_and_leave(int unused)
{
	(void)unused;
	add();
	pid_t pid = fork();
	while (pid == 0)
		pause();
	atomic_store(step, pid);
}

static void client_is_dead_though_another_holds_its_connection(void)
{
	harness_needs_pidfds();
	pid_t pid = client(call_fork_and_leave);
	until_only_we_are_there();
	assert_false(harness_has_ended(atomic_load(step)));
	harness_kill_coordinator(s);
	assert_int_equal(harness_health(s).threads, 1);
	kill(atomic_load(step), SIGKILL);
	harness_join(pid);
	until(coordinator_fds() == before);
}

/* Whose commands they were: slow ones, so that others come and go before the last. */
struct book {
	uint32_t by_it, by_others;
};
struct note {
	int32_t pid;
};
STOA_STRUCT(book, STOA_ATTR(struct book, by_it), STOA_ATTR(struct book, by_others));
STOA_STRUCT(note, STOA_ATTR(struct note, pid));
STOA_STUB(book, note, struct note, stoa_none);
static int book_note(struct book *self, const struct note *args, stoa_none *ret)
{
	(void)ret;
	usleep(3000);
	if (stoa_caller()->pid == args->pid && stoa_caller()->uid == geteuid() && stoa_caller()->number > 0)
		self->by_it++;
	else
		self->by_others++;
	return 0;
}
STOA_METHOD(book, note, note, stoa_none, .writes = "by_it by_others");
STOA_CLASS(book, 1, &book_note_row);

enum { NOTES = 100 };

static void cast_notes_and_die(int unused)
{
	(void)unused;
	attach_and_add();
	ok(stoa_open(s, "book", &book_class, SOON, &p));
	for (int i = 0; i < NOTES; i++)
		ok(book_note_cast(p, &(struct note){ getpid() }, STOA_NOWAIT));
	kill(getpid(), SIGKILL);
}

static void commands_of_the_dead_are_not_of_who_came_next(void)
{
	struct book book;
	s = harness_start(STOA_CLASSES(&book_class));
	harness_create(s, "hits", &counter_class, NULL);
	p = harness_create(s, "book", &book_class, NULL);
	assert_int_equal(harness_status(harness_spawn(cast_notes_and_die, 0)), -SIGKILL);
	harness_join(harness_spawn(attach_and_call, 0));
	ok(stoa_snapshot(p, &book, sizeof(book), SOON, NULL));
	assert_int_equal(book.by_it, NOTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(client_in_a_pid_namespace_below_is_seen),
		HARNESS(client_is_alive_though_its_first_thread_has_ended),
		HARNESS(client_is_dead_though_another_has_its_pid),
		HARNESS(client_is_dead_though_another_holds_its_connection),
		HARNESS(client_is_gone_though_what_it_spawned_lives_on),
		HARNESS(client_is_gone_when_it_runs_another_program),
		HARNESS(client_outside_of_the_coordinators_pid_namespace_is_refused),
		HARNESS(clients_are_counted),
		HARNESS(commands_of_the_dead_are_not_of_who_came_next),
		HARNESS(stopped_client_keeps_its_lane_and_holds_up_nobody),
		HARNESS(zombie_is_dead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
