/*
 * test_guardian.c: the two daemons of a namespace replace each other, whichever is killed or stopped, and what a method
 * does to its process is that method's fault only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "coordinator/guardian.h"
#include "coordinator/orphan.h"
#include "src/message.h"
#include "tests/harness.h"
#include "tests/scratch.h"

#define DEADLINE (STOA_MS(100 * HARNESS_SLOW) + HARNESS_DYING)

enum act { COUNT, CRASH, LOOP, LEAVE, STOP_ONCE, KILL_GUARDIAN, LOOP_ALONE, FORK };

struct risk {
	int64_t n;
};
struct risk_args {
	int32_t act;
};
STOA_STRUCT(risk, STOA_ATTR(struct risk, n));
STOA_STRUCT(risk_args, STOA_ATTR(struct risk_args, act));
STOA_STUB(risk, run, struct risk_args, stoa_none);

#ifdef __SANITIZE_THREAD__
#define RUN_ON usleep(1) /* it holds signals back from who calls nothing */
#else
#define RUN_ON (void)0
#endif

static _Atomic int *stops; /* shared with the coordinator */

static int risk_run(struct risk *self, const struct risk_args *args, stoa_none *ret)
{
	(void)ret;
	self->n++;
	if (args->act == CRASH)
		abort();
	if (args->act == KILL_GUARDIAN || args->act == LOOP_ALONE)
		kill(getppid(), SIGKILL);
	for (volatile int on = 1; (args->act == LOOP || args->act == LOOP_ALONE) && on;)
		RUN_ON;
	if (args->act == LEAVE)
		exit(0);
	if (args->act == STOP_ONCE && (*stops)++ == 0)
		raise(SIGSTOP);
	if (args->act == FORK && fork() == 0)
		_exit(0);
	return 0;
}
STOA_METHOD(risk, run, risk_args, stoa_none, .writes = "n", .deadline = DEADLINE);
STOA_CLASS(risk, 1, &risk_run_row);

static struct stoa *s;
static struct stoa_proxy *p;

static void begin(void)
{
	stops = harness_shared(sizeof(*stops));
	s = harness_start(STOA_CLASSES(&risk_class));
	p = harness_create(s, "r", &risk_class, NULL);
}

static int act(enum act what)
{
	return risk_run_call(p, &(struct risk_args){ what }, NULL, SOON);
}

static int64_t count(void)
{
	int64_t n = -1;
	ok(STOA_GET(p, struct risk, n, &n, SOON));
	return n;
}

static bool is_gone(pid_t pid)
{
	char path[64], text[256] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	return n <= 0 || strstr(text, ") Z ");
}

/* ---- deaths ------------------------------------------------------------------------------------------------ */

static void guardian_rejects_what_ends_the_process(void)
{
	begin();
	refused(-EFAULT, act(CRASH));
	refused(-EFAULT, act(LEAVE)); /* exit(0) is not the end of the namespace */
	refused(-ETIME, act(LOOP));
	assert_int_equal(count(), 0);
	ok(act(COUNT));
	assert_int_equal(count(), 1);
	assert_int_equal(harness_health(s).rejected, 3);
}

static void coordinator_becomes_guardian_when_that_is_killed(void)
{
	begin();
	for (int i = 1; i <= 3; i++) {
		pid_t guardian = harness_guardian(s), coordinator = harness_coordinator(s);
		kill(guardian, SIGKILL);
		until(harness_guardian(s) == coordinator && harness_coordinator(s) != coordinator);
		ok(act(COUNT));
		assert_int_equal(count(), i);
	}
}

static int connect_only(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/test/socket", getenv("STOA_DIR"));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* A connection that has not said hello is not the guardian's, and must not go on with who becomes it. */
static void newcomer_is_let_go_when_its_coordinator_becomes_guardian(void)
{
	begin();
	pid_t coordinator = harness_coordinator(s);
	int before = scratch_fds_of(coordinator), fd = connect_only();
	until(scratch_fds_of(coordinator) == before + 1); /* it was accepted */
	kill(harness_guardian(s), SIGKILL);
	until(harness_guardian(s) == coordinator);
	struct pollfd end = { .fd = fd, .events = POLLIN };
	until(poll(&end, 1, 0) == 1 && end.revents & POLLHUP);
	close(fd);
}

static void coordinator_becomes_guardian_when_its_method_kills_that(void)
{
	begin();
	pid_t coordinator = harness_coordinator(s);
	ok(act(KILL_GUARDIAN));
	until(harness_guardian(s) == coordinator);
	ok(act(COUNT));
	assert_int_equal(count(), 2);
}

/* They tell a coordinator of its guardian's death. What came just before must not end the new guardian. */
static void signals_on_their_way_do_not_end_who_becomes_guardian(void)
{
	int link[2];
	sigset_t both, old;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link), 0);
	orphan_begin(&(struct namespace){ .link_fd = link[0] });
	sigemptyset(&both);
	sigaddset(&both, SIGALRM);
	sigaddset(&both, SIGIO);
	sigprocmask(SIG_BLOCK, &both, &old);
	raise(SIGALRM);
	raise(SIGIO);
	orphan_end();
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(link[0]);
	close(link[1]);
}

/* Nobody else can end it; who starts next goes on without it. */
static void method_that_runs_on_without_guardian_is_ended_at_its_deadline(void)
{
	begin();
	refused(-ECONNRESET, act(LOOP_ALONE));
	s = harness_start(STOA_CLASSES(&risk_class));
	ok(act(COUNT));
	assert_int_equal(count(), 1);
	assert_int_equal(harness_health(s).rejected, 1);
}

/* The child has the same epoll set, and must not take out of it whom the coordinator waits for. */
static void newcomer_is_heard_when_a_method_forked_meanwhile(void)
{
	struct message m = { .kind = MESSAGE_HELLO, .id = 1, .n_fds = 1 }, answer;
	int fds[MESSAGE_FDS], r;
	begin();
	pid_t coordinator = harness_coordinator(s);
	int before = scratch_fds_of(coordinator), fd = connect_only();
	int pid_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	m.n_fds = pid_fd >= 0; /* valgrind has none */
	until(scratch_fds_of(coordinator) == before + 1);
	ok(act(FORK));
	ok(message_send(fd, &m, &pid_fd));
	until((r = message_receive(fd, &answer, fds)) != -EAGAIN); /* in the end it would lose patience, and hang up */
	ok(r);
	assert_int_equal(answer.kind, MESSAGE_HELLO);
	for (uint32_t i = 0; i < answer.n_fds; i++)
		close(fds[i]);
	if (pid_fd >= 0)
		close(pid_fd);
	close(fd);
}

static void coordinator_stopped_is_replaced(void)
{
	begin();
	pid_t coordinator = harness_coordinator(s);
	harness_stop_process(coordinator);
	ok(act(COUNT)); /* within the grace, and a fork */
	assert_int_not_equal(harness_coordinator(s), coordinator);
	assert_true(is_gone(coordinator));
	assert_int_equal(count(), 1);
}

static void coordinator_stopped_wakes_when_its_guardian_is_killed(void)
{
	begin();
	ok(risk_run_cast(p, &(struct risk_args){ STOP_ONCE }, SOON));
	until(*stops == 1);
	pid_t coordinator = harness_coordinator(s);
	kill(harness_guardian(s), SIGKILL);
	until(harness_guardian(s) == coordinator && harness_coordinator(s) != coordinator);
	assert_int_equal(count(), 1);
}

/* Ctrl-Z on a terminal, and fg: neither the deadline nor the grace has passed while nobody could run. */
static void guardian_blames_nobody_when_both_were_stopped(void)
{
	begin();
	uint64_t restarts = harness_health(s).restarts;
	pid_t coordinator = harness_coordinator(s);
	harness_freeze(s);
	usleep(6500000); /* longer than any of its patience */
	harness_thaw(s);
	ok(act(COUNT));
	assert_int_equal(harness_coordinator(s), coordinator);
	assert_true(harness_health(s).restarts == restarts);
}

/* Frozen with its coordinator, as in a cgroup, and awake first: lateness proves nothing until both could run again. */
static void guardian_is_patient_after_it_was_frozen(void)
{
	struct namespace ns = { .space.state = calloc(1, sizeof(struct state_head)) };
	struct watch w;
	pid_t child = fork();
	if (child == 0)
		for (;;)
			pause();
	watch_begin(&w, child);
	w.forked_ns -= STOA_MS(60000);
	w.looked_ns -= STOA_MS(8000);
	atomic_store(&ns.space.state->pulse.beat_ns, w.looked_ns);
	watch_look(&w, &ns);
	assert_true(w.excused_ns > clock_now() && !w.ended);
	w.excused_ns = clock_now() - STOA_MS(100); /* the excuse is over: five seconds from there on */
	watch_look(&w, &ns);
	assert_false(w.ended);
	w.excused_ns -= STOA_MS(5000);
	watch_look(&w, &ns);
	assert_true(w.ended);
	assert_int_equal(harness_status(child), -SIGKILL);
	free(ns.space.state);
}

static void guardian_ignores_the_terminal_when_embedded(void)
{
	static const int signals[] = { SIGINT, SIGHUP, SIGTERM };
	begin();
	pid_t coordinator = harness_coordinator(s), guardian = harness_guardian(s);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		kill(guardian, signals[i]);
		kill(coordinator, signals[i]);
		ok(act(COUNT));
	}
	assert_int_equal(harness_coordinator(s), coordinator);
	assert_int_equal(harness_guardian(s), guardian);
}

static void serve_ends_well_when_terminated(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		pid_t server = harness_serve(STOA_CLASSES(&risk_class), STOA_OPTIONS(.flags = STOA_VERIFY), &s);
		p = harness_create(s, "r", &risk_class, NULL);
		for (int n = 0; n < 100; n++)
			ok(risk_run_cast(p, &(struct risk_args){ COUNT }, SOON));
		pid_t coordinator = harness_coordinator(s);
		kill(server, signals[i]);
		assert_int_equal(harness_status(server), 0);
		assert_true(is_gone(coordinator));
		struct stoa_health h = harness_health(s);
		assert_int_equal(h.applied, 101); /* drained */
		assert_int_equal(h.verdict, STOA_GONE);
		stoa_close(p);
		stoa_detach(s);
	}
}

static void start_says_what_its_guardian_says(void)
{
	const struct stoa_class bad = { .name = "a/b", .state = &risk_struct };
	refused(-EINVAL, stoa_start("test", STOA_CLASSES(&bad), NULL, &s));
	says("a/b");
	refused(-EINVAL, stoa_start("te/st", NULL, NULL, &s));
	says("namespace name \"te/st\" has '/'");
	refused(-EINVAL, stoa_start("test", NULL, STOA_OPTIONS(.max_queue = 100), &s));
	says("max_queue is 100");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(guardian_rejects_what_ends_the_process),
		HARNESS(coordinator_becomes_guardian_when_that_is_killed),
		HARNESS(coordinator_becomes_guardian_when_its_method_kills_that),
		HARNESS(method_that_runs_on_without_guardian_is_ended_at_its_deadline),
		HARNESS(newcomer_is_heard_when_a_method_forked_meanwhile),
		HARNESS(newcomer_is_let_go_when_its_coordinator_becomes_guardian),
		HARNESS(coordinator_stopped_is_replaced),
		HARNESS(coordinator_stopped_wakes_when_its_guardian_is_killed),
		HARNESS(guardian_blames_nobody_when_both_were_stopped),
		HARNESS(guardian_ignores_the_terminal_when_embedded),
		HARNESS(guardian_is_patient_after_it_was_frozen),
		HARNESS(serve_ends_well_when_terminated),
		HARNESS(signals_on_their_way_do_not_end_who_becomes_guardian),
		HARNESS(start_says_what_its_guardian_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
