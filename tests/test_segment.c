/*
 * test_segment.c: segments are made whole and checked before use; what others truncate reads as zeroes; a full file
 * system is an error. Faults that may end a process happen in a child.
 */
#include "src/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "src/error.h"
#include "tests/scratch.h"

#define LIMIT (16 * LAYOUT_PAGE)
#define SKIPPED 77

static int dir_fd = -1;

static int guard(volatile void *at, uint64_t size, volatile int *damaged)
{
	return segment_guard((void *)at, size, segment_set_flag, (void *)damaged);
}

static int setup(void **state)
{
	if (scratch_setup(state) < 0)
		return -1;
	dir_fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	unlinkat(dir_fd, "state", 0);
	close(dir_fd);
	return scratch_teardown(state);
}

static int create(void)
{
	return segment_create(dir_fd, "state", SEGMENT_STATE, LIMIT, 99);
}

static void *map(int fd)
{
	void *at = segment_map(fd, LIMIT, true);
	assert_non_null(at);
	return at;
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static void segment_create_makes_a_whole_segment(void **state)
{
	struct segment_head head;
	struct stat st;
	(void)state;
	mode_t old = umask(0777);
	int fd = create();
	umask(old);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, LIMIT);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_blocks * 512, LAYOUT_PAGE);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(segment_check(fd, "state", SEGMENT_STATE, &head), 0);
	assert_true(head.limit == LIMIT && head.namespace_id == 99);
	assert_int_equal(create(), -EEXIST);
	close(fd);
}

static void segment_create_obeys_the_limit_of_files(void **state)
{
	struct stat st;
	(void)state;
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = { LIMIT - 1, LIMIT - 1 };
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(create() == -EFBIG ? 0 : 1);
	}
	assert_int_equal(scratch_wait(child), 0); /* and not -SIGXFSZ */
	assert_int_equal(fstatat(dir_fd, "state", &st, 0), -1);
}

static void refused(int fd, const char *text)
{
	struct segment_head head = { .limit = 5 };
	struct stoa_error e;
	assert_int_equal(segment_check(fd, "state", SEGMENT_STATE, &head), -EPROTO);
	assert_true(head.limit == 5);
	stoa_last_error(&e);
	if (!strstr(e.text, text))
		fail_msg("\"%s\" does not say \"%s\"", e.text, text);
}

static void segment_check_says_what_is_wrong(void **state)
{
	struct segment_head good, bad;
	(void)state;
	int fd = create();
	assert_int_equal(segment_check(fd, "state", SEGMENT_STATE, &good), 0);
#define BREAK(change, text) (bad = good, change, pwrite(fd, &bad, sizeof(bad), 0), refused(fd, text))
	BREAK(bad.magic++, "is not a segment of stoa");
	BREAK(bad.major = 777, "has layout 777.0, this library ");
	BREAK(bad.kind = SEGMENT_LANE, "is a segment of another kind");
	BREAK(bad.limit = LIMIT + 1, "has 65536 bytes, its head says 65537");
	BREAK(bad.limit = 0, "its head says 0");
	bad = good, bad.minor++;
	assert_int_equal(pwrite(fd, &bad, sizeof(bad), 0), sizeof(bad));
	assert_int_equal(segment_check(fd, "state", SEGMENT_STATE, &bad), 0); /* an additive minor */
	assert_int_equal(ftruncate(fd, sizeof(good) - 1), 0);
	refused(fd, "is shorter than a segment's head");
	refused(dir_fd, "is not a regular file");
	close(fd);
}

static void segment_reserve_takes_pages(void **state)
{
	struct stat st;
	(void)state;
	int fd = create();
	assert_int_equal(segment_reserve(fd, 4 * LAYOUT_PAGE, 2 * LAYOUT_PAGE), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 3 * LAYOUT_PAGE);
	assert_int_equal(st.st_size, LIMIT);
	close(fd);
}

/* In a child with a file system of its own, of 8 pages. */
static int fill_up(const char *dir)
{
	struct stoa_error e;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=32k") < 0)
		return SKIPPED;
	int at = open(dir, O_RDONLY | O_DIRECTORY), fd = segment_create(at, "state", SEGMENT_STATE, LIMIT, 1);
	if (fd < 0 || segment_reserve(fd, 0, 8 * LAYOUT_PAGE) != 0)
		return 1;
	if (segment_reserve(fd, 0, 9 * LAYOUT_PAGE) != -ENOSPC)
		return 2;
	stoa_last_error(&e);
	if (!strstr(e.text, "36864 bytes") || !strstr(e.text, "/dev/shm"))
		return 3;
	if (segment_create(at, "other", SEGMENT_LANE, LIMIT, 1) != -ENOSPC || faccessat(at, "other", F_OK, 0) == 0)
		return 4;
	return 0;
}

static void segment_tells_when_memory_is_full(void **state)
{
	pid_t child = fork();
	if (child == 0)
		_exit(fill_up(*state));
	int status = scratch_wait(child);
	if (status == SKIPPED)
		skip(); /* not allowed to mount */
	assert_int_equal(status, 0);
}

/* ---- mappings and the guard -------------------------------------------------------------------------------- */

static void segment_map_is_shared_and_obeys_writable(void **state)
{
	(void)state;
	int fd = create();
	char *one = map(fd), *two = segment_map(fd, LIMIT, false);
	one[100] = 'x';
	assert_int_equal(two[100], 'x');
	pid_t child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		two[100] = 'y';
		_exit(0);
	}
	assert_int_equal(scratch_wait(child), -SIGSEGV);
	assert_null(segment_map(-1, LIMIT, false));
	segment_unmap(one, LIMIT);
	segment_unmap(two, LIMIT);
	segment_unmap(NULL, LIMIT);
	close(fd);
}

static void segment_guard_gives_zeroes_after_truncation(void **state)
{
	volatile int damaged = 0, other = 0;
	(void)state;
	int fd = create();
	volatile char *at = map(fd), *unhurt = segment_map(fd, LAYOUT_PAGE, true);
	at[5] = 'x';
	assert_int_equal(guard(at, LIMIT, &damaged), 0);
	assert_int_equal(guard(unhurt, LAYOUT_PAGE, &other), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(at[3 * LAYOUT_PAGE], 0);
	assert_int_equal(damaged, 1);
	assert_int_equal(other, 0);
	at[LIMIT - 1] = 'y';
	assert_int_equal(at[LIMIT - 1], 'y');
	assert_int_equal(at[5], 0);
	segment_unguard((void *)at);
	segment_unguard((void *)unhurt);
	segment_unmap((void *)at, LIMIT);
	segment_unmap((void *)unhurt, LAYOUT_PAGE);
	close(fd);
}

static void on_bus(int sig)
{
	(void)sig;
	_exit(42);
}

static void on_bus_info(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	_exit(info->si_addr ? 43 : 1);
}

/* In a child: guard one mapping, with the handler that install() set before, and fault in another. */
static int fault_elsewhere(void (*install)(void))
{
	volatile int damaged = 0;
	pid_t child = fork();
	if (child == 0) {
		int fd = create();
		void *guarded = map(fd);
		volatile char *bare = map(fd);
		signal(SIGBUS, SIG_DFL);
		install();
		if (guard(guarded, LIMIT, &damaged) < 0 || ftruncate(fd, 0) < 0)
			_exit(1);
		_exit(bare[0] == 0 && damaged == 0 ? 2 : 3);
	}
	int status = scratch_wait(child);
	unlinkat(dir_fd, "state", 0);
	return status;
}

static void install_none(void)
{
}

static void install_ignore(void)
{
	signal(SIGBUS, SIG_IGN);
}

static void install_simple(void)
{
	signal(SIGBUS, on_bus);
}

static void install_info(void)
{
	struct sigaction sa = { .sa_sigaction = on_bus_info, .sa_flags = SA_SIGINFO };
	sigaction(SIGBUS, &sa, NULL);
}

static void segment_guard_leaves_other_faults_to_the_program(void **state)
{
	(void)state;
	assert_int_equal(fault_elsewhere(install_none), -SIGBUS);
	assert_int_equal(fault_elsewhere(install_ignore), -SIGBUS);
	assert_int_equal(fault_elsewhere(install_simple), 42);
	assert_int_equal(fault_elsewhere(install_info), 43);
}

static void segment_guard_leaves_sent_signals_alone(void **state)
{
	volatile int damaged = 0;
	(void)state;
	for (int ignored = 0; ignored < 2; ignored++) {
		pid_t child = fork();
		if (child == 0) {
			signal(SIGBUS, ignored ? SIG_IGN : SIG_DFL);
			guard(map(create()), LIMIT, &damaged);
			kill(getpid(), SIGBUS);
			_exit(damaged ? 1 : 50);
		}
		assert_int_equal(scratch_wait(child), ignored ? 50 : -SIGBUS);
		unlinkat(dir_fd, "state", 0);
	}
}

/* What another process sends can carry any address. */
static void segment_guard_takes_no_ones_word_for_a_fault(void **state)
{
	volatile int damaged = 0;
	(void)state;
#ifdef UNDER_VALGRIND
	print_message("skipped: valgrind does not say who sent a signal\n");
	skip();
#endif
	pid_t child = fork();
	if (child == 0) {
		char *at = map(create());
		siginfo_t info = { .si_signo = SIGBUS, .si_code = SI_QUEUE };
		signal(SIGBUS, on_bus);
		guard(at, LIMIT, &damaged);
		info.si_addr = at;
		syscall(SYS_rt_sigqueueinfo, getpid(), SIGBUS, &info);
		_exit(damaged ? 1 : 2);
	}
	assert_int_equal(scratch_wait(child), 42);
}

static void segment_unguard_ends_it(void **state)
{
	volatile int damaged = 0;
	(void)state;
	int fd = create();
	volatile char *at = map(fd);
	assert_int_equal(guard(at, LIMIT, &damaged), 0);
	segment_unguard((void *)at);
	segment_unguard((void *)at);
	segment_unguard(NULL);
	assert_int_equal(ftruncate(fd, 0), 0);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGBUS, on_bus);
		_exit(at[0] == 0 ? 2 : 3);
	}
	assert_int_equal(scratch_wait(child), 42);
	segment_unmap((void *)at, LIMIT);
	close(fd);
}

/* What the coordinator does after its fork: handlers reset, then more mappings guarded. */
static void segment_guard_returns_after_a_reset(void **state)
{
	volatile int first = 0, second = 0;
	(void)state;
	pid_t child = fork();
	if (child == 0) {
		int fd = create();
		volatile char *one = map(fd), *two = map(fd);
		guard(one, LIMIT, &first);
		signal(SIGBUS, SIG_DFL);
		guard(two, LIMIT, &second);
		if (ftruncate(fd, 0) < 0)
			_exit(1);
		_exit(one[0] + two[0] == 0 && first && second ? 50 : 2);
	}
	assert_int_equal(scratch_wait(child), 50);
}

static struct sigaction below;

static void on_bus_hand_on(int sig, siginfo_t *info, void *context)
{
	below.sa_sigaction(sig, info, context);
}

/* A program's later handler, which hands on to what it found, or ends the child with 42. */
static int fault_below_a_later_handler(bool hands_on, bool guarded)
{
	volatile int damaged = 0;
	pid_t child = fork();
	if (child == 0) {
		int fd = create();
		volatile char *one = map(fd), *two = map(fd), *bare = map(fd);
		struct sigaction later = { .sa_sigaction = on_bus_hand_on, .sa_flags = SA_SIGINFO };
		install_info();
		guard(one, LIMIT, &damaged);
		sigaction(SIGBUS, &later, &below);
		if (!hands_on)
			install_simple();
		guard(two, LIMIT, &damaged);
		if (ftruncate(fd, 0) < 0)
			_exit(1);
		_exit((guarded ? one : bare)[0] == 0 && damaged ? 50 : 2);
	}
	int status = scratch_wait(child);
	unlinkat(dir_fd, "state", 0);
	return status;
}

static void segment_guard_works_with_a_later_handler(void **state)
{
	(void)state;
	assert_int_equal(fault_below_a_later_handler(false, true), 50);
	assert_int_equal(fault_below_a_later_handler(true, true), 50);
	assert_int_equal(fault_below_a_later_handler(false, false), 42);
	assert_int_equal(fault_below_a_later_handler(true, false), 43); /* in no circle: to the first one */
}

static void segment_guard_tells_when_its_table_is_full(void **state)
{
	volatile int damaged = 0;
	uintptr_t at = LAYOUT_PAGE, n = 0;
	int r;
	(void)state;
	while ((r = guard((void *)(at + n * LAYOUT_PAGE), LAYOUT_PAGE, &damaged)) == 0)
		n++;
	assert_int_equal(r, -ENFILE);
	assert_true(n >= 8192 + 16);
	for (uintptr_t i = 0; i < n; i++)
		segment_unguard((void *)(at + i * LAYOUT_PAGE));
	assert_int_equal(guard((void *)at, LAYOUT_PAGE, &damaged), 0);
	segment_unguard((void *)at);
}

static void *guard_much(void *stop)
{
	static volatile int never;
	uintptr_t at = LAYOUT_PAGE;
	while (!*(atomic_bool *)stop) {
		guard((void *)at, LAYOUT_PAGE, &never);
		guard((void *)(at + LIMIT), LIMIT, &never);
		segment_unguard((void *)at);
		segment_unguard((void *)(at + LIMIT));
	}
	return (void *)(uintptr_t)never;
}

static void segment_guard_works_while_others_guard(void **state)
{
	atomic_bool stop = false;
	pthread_t other;
	void *never;
	(void)state;
	int fd = create();
	assert_int_equal(pthread_create(&other, NULL, guard_much, &stop), 0);
	for (int i = 0; i < 2000; i++) {
		volatile int damaged = 0;
		volatile char *at = map(fd);
		assert_int_equal(guard(at, LIMIT, &damaged), 0);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(at[LAYOUT_PAGE], 0);
		assert_int_equal(damaged, 1);
		segment_unguard((void *)at);
		segment_unmap((void *)at, LIMIT);
		assert_int_equal(ftruncate(fd, LIMIT), 0);
	}
	stop = true;
	pthread_join(other, &never);
	assert_null(never);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(segment_create_makes_a_whole_segment, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_create_obeys_the_limit_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_check_says_what_is_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_reserve_takes_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_tells_when_memory_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_map_is_shared_and_obeys_writable, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_guard_gives_zeroes_after_truncation, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_guard_leaves_other_faults_to_the_program, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_guard_leaves_sent_signals_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_guard_takes_no_ones_word_for_a_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_unguard_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_guard_returns_after_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_guard_works_with_a_later_handler, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_guard_tells_when_its_table_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(segment_guard_works_while_others_guard, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
