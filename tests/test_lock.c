/*
 * test_lock.c: a byte of the lock is one process's, dies with it, and is not lost by a second opening.
 */
#include "coordinator/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "src/clock.h"
#include "tests/scratch.h"

#define LONG STOA_MS(20000)

static int dir_fd = -1, lock_fd = -1;

static int setup(void **state)
{
	if (scratch_setup(state) < 0)
		return -1;
	dir_fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lock_fd = lock_open(dir_fd);
	return dir_fd < 0 || lock_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	lock_close(lock_fd);
	unlinkat(dir_fd, "lock", 0);
	close(dir_fd);
	return scratch_teardown(state);
}

/* A child that opens the lock anew, takes the byte, and holds it until a byte comes through the pipe, or for ms. */
static pid_t hold(void **state, int byte, int ms, int *ret_pipe)
{
	int ready[2], go[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid_t child = fork();
	if (child == 0) {
		close(go[1]);
		int fd = open(scratch_path(state, "lock"), O_RDWR);
		int r = lock_take(fd, byte, 0, NULL);
		if (write(ready[1], r ? "-" : "+", 1) != 1)
			_exit(1);
		if (ms > 0)
			usleep((unsigned)ms * 1000);
		else if (read(go[0], &c, 1) < 0)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, '+');
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	*ret_pipe = go[1];
	return child;
}

static void lock_tells_who_holds_it(void **state)
{
	int pipe;
	pid_t holder = hold(state, LOCK_GUARDIAN, 0, &pipe), pid = 0;
	assert_int_equal(lock_take(lock_fd, LOCK_GUARDIAN, 0, &pid), -EAGAIN);
	assert_int_equal(pid, holder);
	assert_int_equal(lock_take(lock_fd, LOCK_GUARDIAN, 0, NULL), -EAGAIN);
	assert_int_equal(lock_take(lock_fd, LOCK_COORDINATOR, 0, NULL), 0);
	close(pipe);
	assert_int_equal(scratch_wait(holder), 0);
	assert_int_equal(lock_take(lock_fd, LOCK_GUARDIAN, 0, NULL), 0);
}

static void lock_waits_until_its_holder_dies(void **state)
{
	int pipe;
	pid_t holder = hold(state, LOCK_GUARDIAN, 100, &pipe);
	int64_t before = clock_now();
	assert_int_equal(lock_take(lock_fd, LOCK_GUARDIAN, LONG, NULL), 0);
	assert_true(clock_now() - before < LONG / 2);
	assert_int_equal(scratch_wait(holder), 0);
	close(pipe);
}

static void lock_gives_up_after_its_timeout(void **state)
{
	int pipe;
	pid_t holder = hold(state, LOCK_COORDINATOR, 0, &pipe);
	int64_t before = clock_now();
	assert_int_equal(lock_take(lock_fd, LOCK_COORDINATOR, STOA_MS(50), NULL), -EAGAIN);
	assert_true(clock_now() - before >= STOA_MS(50));
	kill(holder, SIGKILL);
	assert_int_equal(scratch_wait(holder), -SIGKILL);
	assert_int_equal(lock_take(lock_fd, LOCK_COORDINATOR, LONG, NULL), 0);
	close(pipe);
}

static void lock_takes_both_or_none(void **state)
{
	for (int byte = LOCK_GUARDIAN; byte <= LOCK_COORDINATOR; byte++) {
		int pipe, other = byte == LOCK_GUARDIAN ? LOCK_COORDINATOR : LOCK_GUARDIAN, more;
		pid_t holder = hold(state, byte, 0, &pipe), pid = 0;
		assert_int_equal(lock_take(lock_fd, LOCK_BOTH, 0, &pid), -EAGAIN);
		assert_int_equal(pid, holder);
		pid_t another = hold(state, other, 0, &more); /* so we did not take it */
		close(pipe);
		close(more);
		assert_int_equal(scratch_wait(holder), 0);
		assert_int_equal(scratch_wait(another), 0);
	}
	assert_int_equal(lock_take(lock_fd, LOCK_BOTH, 0, NULL), 0);
}

static void lock_drop_frees_one_byte(void **state)
{
	int pipe;
	pid_t other = 0;
	assert_int_equal(lock_take(lock_fd, LOCK_BOTH, 0, NULL), 0);
	lock_drop(lock_fd, LOCK_COORDINATOR);
	pid_t holder = hold(state, LOCK_COORDINATOR, 0, &pipe);
	pid_t child = fork();
	if (child == 0) /* no fork inherits what its parent holds; the descriptor serves it for its own */
		_exit(lock_take(lock_fd, LOCK_GUARDIAN, 0, &other) == -EAGAIN && other == getppid() ? 0 : 1);
	assert_int_equal(scratch_wait(child), 0);
	close(pipe);
	assert_int_equal(scratch_wait(holder), 0);
}

static void lock_open_refuses_a_second_one_here(void **state)
{
	int pipe;
	pid_t pid = 0;
	assert_int_equal(lock_take(lock_fd, LOCK_GUARDIAN, 0, NULL), 0);
	assert_int_equal(lock_open(dir_fd), -EDEADLK);
	pid_t child = fork();
	if (child == 0) {
		int fd = open(scratch_path(state, "lock"), O_RDWR);
		_exit(lock_take(fd, LOCK_GUARDIAN, 0, &pid) == -EAGAIN && pid == getppid() ? 0 : 1);
	}
	assert_int_equal(scratch_wait(child), 0); /* it is held still */
	lock_close(lock_fd);
	lock_fd = lock_open(dir_fd);
	assert_true(lock_fd >= 0);
	assert_int_equal(scratch_wait(hold(state, LOCK_GUARDIAN, 1, &pipe)), 0);
	close(pipe);
}

static void lock_open_needs_a_directory(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(dir_fd, "gone", 0700), 0);
	int gone = openat(dir_fd, "gone", O_RDONLY | O_DIRECTORY);
	assert_int_equal(unlinkat(dir_fd, "gone", AT_REMOVEDIR), 0);
	assert_int_equal(lock_open(gone), -ENOENT);
	close(gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lock_tells_who_holds_it, setup, teardown),
		cmocka_unit_test_setup_teardown(lock_waits_until_its_holder_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(lock_gives_up_after_its_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(lock_takes_both_or_none, setup, teardown),
		cmocka_unit_test_setup_teardown(lock_drop_frees_one_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(lock_open_refuses_a_second_one_here, setup, teardown),
		cmocka_unit_test_setup_teardown(lock_open_needs_a_directory, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
