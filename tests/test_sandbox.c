/*
 * test_sandbox.c: where there is no pidfd_open(2), as under valgrind and in some containers: for the client, or for
 * all. A seccomp filter takes it away.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void take_pidfds_away(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(*filter), .filter = filter };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		harness_skip("seccomp filters are not allowed here");
	assert_int_equal(syscall(SYS_pidfd_open, getpid(), 0), -1);
	assert_int_equal(errno, ENOSYS);
}

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static void count_in_sandbox(int i)
{
	(void)i;
	take_pidfds_away();
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
}

static void count_and_stay(int i)
{
	count_in_sandbox(i);
	pause();
}

static int64_t value(void)
{
	int64_t n = 0;
	ok(STOA_GET(p, struct counter, value, &n, STOA_DEFAULT));
	return n;
}

static uint32_t threads(void)
{
	return harness_health(s).threads;
}

/* One leaves by itself, one is killed: the lanes of both are free again. */
static void count_and_die(void)
{
	uint32_t before = threads();
	harness_join(harness_spawn(count_in_sandbox, 0));
	until(threads() == before);
	pid_t stays = harness_spawn(count_and_stay, 0);
	until(threads() == before + 1 && value() == 2);
	kill(stays, SIGKILL);
	assert_int_equal(harness_status(stays), -SIGKILL);
	until(threads() == before);
	assert_int_equal(value(), 2);
}

static void client_without_pidfds_comes_and_goes(void)
{
	start();
	count_and_die();
}

static void namespace_without_pidfds_serves_and_restarts(void)
{
	take_pidfds_away();
	start();
	count_and_die();
	harness_kill_coordinator(s);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(client_without_pidfds_comes_and_goes),
		HARNESS(namespace_without_pidfds_serves_and_restarts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
