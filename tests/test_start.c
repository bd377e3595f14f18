/*
 * test_start.c: who may start a namespace and when, and what an embedded guardian takes from the program: nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static void still_serves(void)
{
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

/* ---- twice -------------------------------------------------------------------------------------------------- */

static void start_is_refused_with_the_pid_when_it_is_served(void)
{
	char pid[32];
	struct stoa *again;
	start();
	refused(-EEXIST, stoa_start("test", NULL, NULL, &again));
	snprintf(pid, sizeof(pid), "%d", (int)harness_guardian(s));
	says(pid);
	still_serves();
}

static void start_joins_when_it_is_asked_to(void)
{
	struct stoa *again;
	start();
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_JOIN), &again));
	assert_ptr_equal(again, s);
	stoa_detach(again);
	still_serves();
}

static _Atomic int *won, *lost, *go;

static void race(int join)
{
	struct stoa *mine;
	atomic_fetch_add(go, 1);
	until(atomic_load(go) >= 3);
	int r = stoa_start("test", NULL, STOA_OPTIONS(.flags = join ? STOA_JOIN : 0), &mine);
	atomic_fetch_add(r ? lost : won, 1);
	if (r)
		refused(-EEXIST, r);
	until(atomic_load(won) + atomic_load(lost) == 3);
}

static void three_race(int join, int winners)
{
	won = harness_shared(3 * sizeof(*won));
	lost = won + 1;
	go = won + 2;
	for (int i = 0; i < 3; i++)
		harness_spawn(race, join);
	harness_join_all();
	assert_int_equal(atomic_load(won), winners);
}

static void one_wins_when_three_start_at_once(void)
{
	three_race(0, 1);
}

static void all_win_when_three_join_at_once(void)
{
	three_race(1, 3);
}

/* How many sockets there are by the name of the namespace's: one listens, and one is there for each who came. */
static int count_sockets(void)
{
	char line[512], path[256];
	int n = 0;
	snprintf(path, sizeof(path), " %s/test/socket", getenv("STOA_DIR"));
	FILE *f = fopen("/proc/net/unix", "re");
	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, path) != NULL;
	if (f)
		fclose(f);
	return n;
}

static void join_when_told(int unused)
{
	(void)unused;
	until(atomic_load(go) == 1);
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_JOIN | STOA_VERIFY), &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p)); /* he took over from the dead */
	still_serves();
	s = stoa_detach(s);
}

static void joiner_starts_anew_when_whom_it_found_has_ended(void)
{
	go = harness_shared(sizeof(*go));
	pid_t joiner = harness_spawn(join_when_told, 0);
	start();
	harness_freeze(s);
	int sockets = count_sockets();
	atomic_store(go, 1);
	until(count_sockets() > sockets); /* he has been told that it is served, and is about to attach */
	harness_kill_both(s);
	s = stoa_detach(s);
	harness_join(joiner);
}

static void start_attaches_a_handle_whose_coordinator_died(void)
{
	struct stoa *again;
	start();
	harness_kill_both(s);
	until(count_sockets() == 0); /* the kernel closes them after it let go of their locks */
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &again));
	assert_ptr_equal(again, s);
	assert_int_equal(count_sockets(), 2);
	still_serves();
}

static void start_waits_for_a_predecessor_that_is_ending(void)
{
	for (int i = 0; i < 20; i++) {
		start();
		still_serves();
		stoa_detach(s);
	}
}

static void two_served_namespaces_are_refused_too(void)
{
	pid_t server = harness_serve(NULL, STOA_OPTIONS(0), &s);
	p = harness_create(s, "hits", &counter_class, NULL);
	refused(-EEXIST, stoa_serve("test", NULL, NULL));
	still_serves();
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(server);
}

static void *wait_to_end(void *unused)
{
	(void)unused;
	until(atomic_load(go));
	return NULL;
}

static void start_is_refused_when_threads_run(void)
{
	pthread_t t;
	go = harness_shared(sizeof(*go));
	assert_int_equal(pthread_create(&t, NULL, wait_to_end, NULL), 0);
	refused(-EBUSY, stoa_start("test", NULL, NULL, &s));
	says("threads");
	atomic_store(go, 1);
	pthread_join(t, NULL);
}

static void attach_is_refused_when_nobody_serves(void)
{
	refused(-ENOENT, stoa_attach("test", STOA_OPTIONS(.timeout = STOA_MS(50)), &s));
	says("nobody serves namespace test");
}

static void attaching_twice_is_counted(void)
{
	struct stoa *again;
	start();
	ok(stoa_attach("test", NULL, &again));
	assert_ptr_equal(again, s);
	stoa_detach(again);
	still_serves();
}

/* ---- what the guardian is to the program --------------------------------------------------------------------- */

static void wait_loop_of_the_program_ends(void)
{
	start();
	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			_exit(0);
	while (wait(NULL) > 0) {
	}
	assert_int_equal(errno, ECHILD);
	still_serves();
}

static void read_proc(pid_t pid, const char *file, char *buffer, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buffer, size - 1);
	assert_true(n >= 0);
	buffer[n] = '\0';
	close(fd);
}

static void guardian_and_coordinator_show_the_name(void)
{
	char name[256];
	start();
	read_proc(harness_guardian(s), "comm", name, sizeof(name));
	assert_string_equal(name, "stoa:test\n");
#ifndef UNDER_VALGRIND /* there the kernel has valgrind's command line */
	read_proc(harness_guardian(s), "cmdline", name, sizeof(name));
	assert_string_equal(name, "stoa:test");
	read_proc(harness_coordinator(s), "cmdline", name, sizeof(name));
	assert_string_equal(name, "stoa:test");
#endif
}

static void both_live_on_when_the_group_is_interrupted(void)
{
	start();
	pid_t guardian = harness_guardian(s), coordinator = harness_coordinator(s);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	kill(0, SIGINT);
	kill(0, SIGTERM);
	kill(0, SIGHUP);
	kill(guardian, SIGINT);
	kill(guardian, SIGTERM);
	kill(coordinator, SIGINT);
	still_serves();
	assert_int_equal(harness_guardian(s), guardian);
	assert_int_equal(harness_coordinator(s), coordinator);
}

static void guardian_keeps_no_descriptor_of_the_program(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	char path[64], link[64];
	struct stat st, ours;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(fstat(listener, &ours), 0);
	start();
	for (int fd = 0; fd < 64; fd++) {
		const pid_t both[] = { harness_guardian(s), harness_coordinator(s) };
		for (int i = 0; i < 2; i++) {
			snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)both[i], fd);
			if (stat(path, &st) == 0 && st.st_ino == ours.st_ino && st.st_dev == ours.st_dev)
				fail_msg("%s is our socket", path);
			if (fd < 3 && readlink(path, link, sizeof(link)) > 0)
				assert_memory_equal(link, "/dev/null", 9);
		}
	}
	close(listener);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	close(listener);
}

static void first_coordinator_keeps_no_pipe_of_the_start(void)
{
	char path[64], link[64] = "";
	start();
	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)harness_coordinator(s), fd);
		if (readlink(path, link, sizeof(link)) > 0 && memcmp(link, "pipe:", 5) == 0)
			fail_msg("%s is %.40s", path, link);
	}
}

static void guardian_has_no_signal_of_the_program_blocked(void)
{
	char status[4096];
	unsigned long long blocked = 1;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	start();
	const pid_t both[] = { harness_guardian(s), harness_coordinator(s) };
	for (int i = 0; i < 2; i++) {
		read_proc(both[i], "status", status, sizeof(status));
		const char *line = strstr(status, "SigBlk:");
		assert_non_null(line);
		assert_int_equal(sscanf(line, "SigBlk: %llx", &blocked), 1);
		assert_false(blocked & (1ull << (SIGUSR1 - 1) | 1ull << (SIGALRM - 1)));
	}
}

static void guardian_ends_when_the_program_dies_at_once(void)
{
	start();
	pid_t guardian = harness_guardian(s);
	p = NULL;
	s = stoa_detach(s);
	pid_t child = fork();
	if (child == 0) {
		start();
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(harness_status(child), -SIGKILL);
	until(harness_has_ended(guardian));
}

/* ---- names -------------------------------------------------------------------------------------------------- */

static void namespaces_with_bad_names_are_refused(void)
{
	char long_name[201];
	static const char *const bad[] = {
		"", ".", "..", "a/b", "a.b", "a b", "a\nb", "\001", "-a", "\xff", "ä", NULL
	};
	memset(long_name, 'x', 200);
	long_name[200] = '\0';
	for (int i = 0; bad[i]; i++) {
		refused(-EINVAL, stoa_start(bad[i], NULL, NULL, &s));
		refused(-EINVAL, stoa_attach(bad[i], NULL, &s));
		refused(-EINVAL, stoa_serve(bad[i], NULL, NULL));
	}
	refused(-EINVAL, stoa_start(long_name, NULL, NULL, &s));
	refused(-EINVAL, stoa_attach(long_name, NULL, &s));
}

#define NAMESPACES (HARNESS_FEWER == 1 ? 64 : 8)

static void sixty_four_namespaces_do_not_see_each_other(void)
{
	static struct stoa *many[NAMESPACES];
	static struct stoa_proxy *hits[NAMESPACES];
	struct stoa_proxy *none;
	char name[32];
	for (int i = 0; i < NAMESPACES; i++) {
		snprintf(name, sizeof(name), "test-%d", i);
		ok(stoa_start(name, NULL, STOA_OPTIONS(.flags = STOA_VERIFY, .max_state = HARNESS_STATE), &many[i]));
		ok(stoa_create(many[i], "hits", &counter_class, &(struct counter){ i }, STOA_EXCL, &hits[i]));
		snprintf(name, sizeof(name), "only-%d", i);
		ok(stoa_create(many[i], name, &counter_class, NULL, STOA_EXCL, &none));
	}
	for (int i = 0; i < NAMESPACES; i++)
		ok(counter_add_cast(hits[i], &(struct counter_args){ 1000 }, STOA_DEFAULT));
	for (int i = 0; i < NAMESPACES; i++) {
		int64_t v;
		ok(STOA_GET(hits[i], struct counter, value, &v, STOA_DEFAULT));
		assert_int_equal(v, 1000 + i);
		assert_int_equal(harness_health(many[i]).objects, 2);
		snprintf(name, sizeof(name), "only-%d", (i + 1) % NAMESPACES);
		refused(-ENOENT, stoa_open(many[i], name, &counter_class, STOA_NOWAIT, &none));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(all_win_when_three_join_at_once),
		HARNESS(attach_is_refused_when_nobody_serves),
		HARNESS(attaching_twice_is_counted),
		HARNESS(both_live_on_when_the_group_is_interrupted),
		HARNESS(first_coordinator_keeps_no_pipe_of_the_start),
		HARNESS(guardian_and_coordinator_show_the_name),
		HARNESS(guardian_ends_when_the_program_dies_at_once),
		HARNESS(guardian_has_no_signal_of_the_program_blocked),
		HARNESS(guardian_keeps_no_descriptor_of_the_program),
		HARNESS(joiner_starts_anew_when_whom_it_found_has_ended),
		HARNESS(namespaces_with_bad_names_are_refused),
		HARNESS(one_wins_when_three_start_at_once),
		HARNESS(sixty_four_namespaces_do_not_see_each_other),
		HARNESS(start_attaches_a_handle_whose_coordinator_died),
		HARNESS(start_is_refused_when_threads_run),
		HARNESS(start_is_refused_with_the_pid_when_it_is_served),
		HARNESS(start_joins_when_it_is_asked_to),
		HARNESS(start_waits_for_a_predecessor_that_is_ending),
		HARNESS(two_served_namespaces_are_refused_too),
		HARNESS(wait_loop_of_the_program_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
