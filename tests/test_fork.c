/*
 * test_fork.c: a forked child goes on using the handle: at any depth, without its privileges and in another root, while
 * another thread attaches, and with what its parent has in flight left to the parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;
static _Atomic int *dropped; /* shared: what has happened so far */

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static int64_t value(void)
{
	int64_t v;
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	return v;
}

static void add(int n)
{
	ok(counter_add_call(p, &(struct counter_args){ n }, NULL, SOON));
}

static void nest(int depth)
{
	add(1);
	if (depth)
		harness_join(harness_spawn(nest, depth - 1));
	add(1);
}

static void descendants_at_any_depth_use_the_handle(void)
{
	start();
	nest(6);
	assert_int_equal(value(), 14);
}

static void child_of_a_parent_that_never_called_uses_the_handle(void)
{
	start();
	harness_join(harness_spawn(add, 5));
	assert_int_equal(value(), 5);
}

static void child_lives_on_when_its_parent_ends(void)
{
	start();
	pid_t guardian = harness_guardian(s);
	_Atomic int *step = harness_shared(sizeof(*step));
	pid_t parent = fork();
	if (parent == 0) {
		if (fork() == 0) {
			until(atomic_load(step) == 1);
			add(7);
			atomic_store(step, 2);
		}
		_exit(0);
	}
	harness_join(parent);
	atomic_store(step, 1);
	until(atomic_load(step) == 2);
	assert_int_equal(value(), 7);
	assert_int_equal(harness_guardian(s), guardian);
}

#define OTHERS 30

/*
 * As daemons do: gone from the terminal and the parent, every descriptor closed, and others opened in their places,
 * which stay open.
 */
static void program_that_daemonizes_goes_on(void)
{
	start();
	pid_t guardian = harness_guardian(s);
	_Atomic int *step = harness_shared(sizeof(*step));
	add(3);
	assert_true(stoa_fd(s) >= 0);
	pid_t program = fork();
	if (program == 0) {
		if (fork() > 0)
			_exit(0);
		setsid();
		closefrom(0);
		for (int fd = 0; fd < OTHERS; fd++)
			assert_int_equal(socket(AF_UNIX, SOCK_STREAM, 0), fd);
		add(4);
		for (int fd = 0; fd < OTHERS; fd++)
			assert_int_equal(fcntl(fd, F_GETFD), 0);
		assert_true(stoa_fd(s) >= OTHERS);
		atomic_store(step, 1);
		until(atomic_load(step) == 2);
		_exit(0);
	}
	harness_join(program);
	until(atomic_load(step) == 1);
	assert_int_equal(value(), 7);
	assert_int_equal(harness_guardian(s), guardian);
	atomic_store(step, 2);
}

static void children_come_and_go(void)
{
	start();
	for (int i = 0; i < 50; i++) {
		harness_spawn_all(4, add);
		harness_join_all();
	}
	assert_int_equal(value(), 50 * (0 + 1 + 2 + 3));
	until(harness_health(s).threads == 1);
}

static void child_leaves_what_its_parent_has_in_flight(void)
{
	struct counter_value v = { 0 };
	uint64_t ticket;
	start();
	harness_freeze(s);
	ok(stoa_submit(p, &counter_add_row, &(struct counter_args){ 3 }, &v, &v, SOON, &ticket));
	pid_t child = fork();
	if (child == 0) {
		refused(-ENOENT, stoa_await(s, ticket, SOON));
		add(4);
		_exit(0);
	}
	harness_thaw(s);
	harness_join(child);
	ok(stoa_await(s, ticket, SOON));
	assert_int_equal(v.value, 3);
	assert_int_equal(value(), 7);
}

static void child_detaches_without_harm_to_its_parent(void)
{
	start();
	pid_t child = fork();
	if (child == 0) {
		stoa_detach(s);
		_exit(0);
	}
	harness_join(child);
	child = fork();
	if (child == 0) {
		add(1);
		stoa_detach(s);
		_exit(0);
	}
	harness_join(child);
	add(1);
	assert_int_equal(value(), 2);
}

static void child_finds_the_coordinator_that_died_meanwhile(void)
{
	start();
	pid_t child = fork();
	if (child == 0) {
		until(harness_health(s).restarts == 1);
		add(3);
		_exit(0);
	}
	harness_kill_coordinator(s);
	harness_join(child);
	assert_int_equal(value(), 3);
}

/* ---- another user, another root ------------------------------------------------------------------------------ */

static void drop_and_add(int uid)
{
	const char *dir = getenv("STOA_DIR");
	char root[128];
	snprintf(root, sizeof(root), "%s/root", dir);
	assert_int_equal(mkdir(root, 0755), 0);
	assert_int_equal(chroot(root), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setgid((gid_t)uid), 0);
	assert_int_equal(setuid((uid_t)uid), 0);
	add(1);
	int64_t v;
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	ok(counter_add_cast(p, &(struct counter_args){ 1 }, SOON));
	ok(stoa_sync(s, SOON, NULL));
}

static void remove_root(void)
{
	char root[128];
	snprintf(root, sizeof(root), "%s/root", getenv("STOA_DIR"));
	rmdir(root);
}

static void child_without_privileges_in_another_root_uses_the_handle(void)
{
	const uid_t uids[] = { 4242 };
	if (geteuid() != 0)
		harness_skip("only root can change root and user");
	s = harness_start_with(NULL, STOA_OPTIONS(.uids = uids, .n_uids = 1));
	p = harness_create(s, "hits", &counter_class, NULL);
	harness_join(harness_spawn(drop_and_add, 4242));
	remove_root();
	assert_int_equal(value(), 2);
}

static void drop_and_be_refused(int uid)
{
	assert_int_equal(setgid((gid_t)uid), 0);
	assert_int_equal(setuid((uid_t)uid), 0);
	refused(-EACCES, counter_add_cast(p, &(struct counter_args){ 1 }, STOA_DEFAULT));
	says("uids");
}

static void child_of_a_user_that_is_not_admitted_is_refused(void)
{
	if (geteuid() != 0)
		harness_skip("only root can change user");
	start();
	harness_join(harness_spawn(drop_and_be_refused, 4243));
	assert_int_equal(value(), 0);
}

static void drop_and_be_told_of_the_end(int uid)
{
	add(1);
	assert_int_equal(setgid((gid_t)uid), 0);
	assert_int_equal(setuid((uid_t)uid), 0);
	add(1);
	atomic_store(dropped, 1);
	until(atomic_load(dropped) == 2);
	refused(-ECONNRESET, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	atomic_store(dropped, 3);
	until(atomic_load(dropped) == 4);
	refused(-EACCES, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	says("user 4243");
}

/* It can neither go back nor see whether anybody else serves; while they live, it goes on. */
static void who_dropped_its_privileges_is_told_when_both_die(void)
{
	if (geteuid() != 0)
		harness_skip("only root can change user");
	dropped = harness_shared(sizeof(*dropped));
	start();
	pid_t child = harness_spawn(drop_and_be_told_of_the_end, 4243);
	until(atomic_load(dropped) == 1);
	harness_freeze(s);
	atomic_store(dropped, 2);
	until(harness_health(s).queued == 1);
	harness_kill_both(s);
	until(atomic_load(dropped) == 3);
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &(struct stoa *){ NULL }));
	atomic_store(dropped, 4);
	harness_join(child);
	assert_int_equal(value(), 3);
}

/* ---- threads and forks --------------------------------------------------------------------------------------- */

static _Atomic int over;

static void *attach_and_add(void *unused)
{
	(void)unused;
	add(1);
	return NULL;
}

static void *attach_threads(void *unused)
{
	(void)unused;
	while (!atomic_load(&over)) {
		pthread_t t;
		assert_int_equal(pthread_create(&t, NULL, attach_and_add, NULL), 0);
		pthread_join(t, NULL);
	}
	return NULL;
}

static void *open_often(void *unused)
{
	struct stoa_proxy *mine;
	(void)unused;
	while (!atomic_load(&over)) {
		ok(stoa_open(s, "hits", &counter_class, SOON, &mine));
		stoa_close(mine);
	}
	return NULL;
}

static void fork_is_safe_while_other_threads_attach_and_open(void)
{
	pthread_t t[3];
	start();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, i ? attach_threads : open_often, NULL), 0);
	for (int i = 0; i < 50; i++) {
		pid_t child = fork();
		if (child == 0) {
			struct stoa_proxy *mine;
			add(1);
			ok(stoa_open(s, "hits", &counter_class, SOON, &mine));
			_exit(0);
		}
		harness_join(child);
	}
	atomic_store(&over, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(value(), harness_health(s).applied - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(child_detaches_without_harm_to_its_parent),
		HARNESS(child_finds_the_coordinator_that_died_meanwhile),
		HARNESS(child_leaves_what_its_parent_has_in_flight),
		HARNESS(child_lives_on_when_its_parent_ends),
		HARNESS(child_of_a_parent_that_never_called_uses_the_handle),
		HARNESS(child_of_a_user_that_is_not_admitted_is_refused),
		HARNESS(child_without_privileges_in_another_root_uses_the_handle),
		HARNESS(children_come_and_go),
		HARNESS(descendants_at_any_depth_use_the_handle),
		HARNESS(fork_is_safe_while_other_threads_attach_and_open),
		HARNESS(program_that_daemonizes_goes_on),
		HARNESS(who_dropped_its_privileges_is_told_when_both_die),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
