/*
 * takeover.c: a client is stopped just before it puts its command into the ring; guardian and coordinator are killed,
 * the next ones take over; then the client goes on. Or the service is stopped meanwhile.
 *
 * Its lane is one of an epoch that is over. Its command is applied once, or the client is told that it was not. Behind
 * a stop nothing is accepted.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa.h"
#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "src/park.h"
#include "src/ring.h"
#include "tests/torture/torture.h"
#include "tests/torture/trace.h"

#define SHORT_SECONDS 3

static struct shared {
	_Atomic int ready, go, done;
	int status;
} *shared;

static struct stoa *s;
static struct stoa_proxy *hits;
static pid_t server;
static struct region ring[2];
static int64_t want;

static bool is_done(void) { return atomic_load(&shared->done); }
static const struct watched one_command = { .over = is_done, .regions = ring };

static void serve(unsigned flags)
{
	server = fork();
	if (server != 0)
		return;
	setpgid(0, 0);
	int r = stoa_serve("takeover", NULL,
			   STOA_OPTIONS(.flags = flags, .max_threads = 8, .max_objects = 4, .max_attrs = 64,
					.max_queue = 1024));
	if (r < 0)
		printf("FAILED stoa_serve: %s\n", torture_error());
	_exit(r < 0);
}

static void be_client(bool call)
{
	struct counter_value v;
	const struct counter_args one = { 1 };
	if (stoa_attach_thread(s) < 0)
		_exit(1);
	atomic_store(&shared->ready, 1);
	while (!atomic_load(&shared->go))
		park_pause();
	shared->status = call ? counter_add_call(hits, &one, &v, SOON) : counter_add_cast(hits, &one, SOON);
	atomic_store(&shared->done, 1);
	for (;;)
		pause();
}

static pid_t fork_client(bool call)
{
	*shared = (struct shared){ 0 };
	pid_t pid = fork();
	if (pid == 0)
		be_client(call);
	torture_check(torture_until(atomic_load(&shared->ready)), "the client does not attach");
	torture_check(trace_hold(pid), "the client cannot be held");
	atomic_store(&shared->go, 1);
	return pid;
}

static int64_t value(void)
{
	int64_t v = -1;
	int r = STOA_GET(hits, struct counter, value, &v, SOON);
	torture_check(r == 0, "no value: %s", torture_error());
	return v;
}

static bool call_once(void)
{
	struct counter_value v;
	int r = counter_add_call(hits, &(struct counter_args){ 1 }, &v, SOON);
	want += r == 0;
	return r == 0;
}

/* Where the ring changes: the instruction before point i. */
static size_t find_publish(const struct trace *t)
{
	for (size_t i = 1; i < t->n; i++)
		if (t->points[i].changed)
			return i - 1;
	return 0;
}

static void replace_both(void)
{
	if (server <= 1)
		abort();
	kill(-server, SIGKILL); /* at one moment: neither sees the other die */
	waitpid(server, NULL, 0);
	serve(STOA_KEEP);
	/* A call, and the looks of an idle coordinator: what was of the epoch before is cleared away by now. */
	torture_check(torture_until(call_once()), "nobody took over: %s", torture_error());
	torture_check(torture_until(call_once()), "it is not served: %s", torture_error());
	usleep(20000);
}

static void one_round(const struct trace *t, size_t at, bool call)
{
	struct stoa_health h;
	int64_t before = want = value();
	pid_t pid = fork_client(call);
	torture_check(trace_run(pid, &one_command, t, at) == TRACE_THERE, "it did not come to publish");
	replace_both();
	before = want;
	trace_let_go(pid, 0);
	torture_check(torture_until(is_done()), "it does not go on");
	torture_check(torture_until(stoa_health(s, &h) == 0 && h.queued == 0), "its command stays in the queue");
	int64_t got = value() - before;
	torture_check(got == (shared->status == 0), "its command returned %d and was applied %jd times; %ju rejected",
		      shared->status, (intmax_t)got, (uintmax_t)h.rejected);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The point before it is published; 0: there is none. */
static size_t learn(bool call, struct trace *ret)
{
	pid_t pid = fork_client(call);
	torture_check(trace_record(pid, &one_command, false, ret) == TRACE_OVER, "the client died");
	trace_kill(pid);
	size_t at = find_publish(ret);
	torture_check(at > 0, "it does not publish");
	return at;
}

static void play(bool call)
{
	struct trace t;
	torture_where("a %s held before it is published", call ? "call" : "cast");
	size_t at = learn(call, &t);
	for (int i = 0; at && i < 3; i++)
		one_round(&t, at, call);
	trace_fini(&t);
}

/* Ends the service. */
static void play_stop(void)
{
	struct trace t;
	torture_where("a cast held before it is published, and a stop");
	size_t at = learn(false, &t);
	pid_t pid = fork_client(false);
	torture_check(trace_run(pid, &one_command, &t, at) == TRACE_THERE, "it did not come to publish");
	torture_check(stoa_stop(s, STOA_DRAIN, SOON) == 0, "it does not end: %s", torture_error());
	trace_let_go(pid, 0);
	torture_check(torture_until(is_done()), "it does not go on");
	torture_check(shared->status < 0, "a cast was accepted behind the end");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	trace_fini(&t);
}

static void watch_ring(void)
{
	ring[0] = (struct region){ space_ring(&s->space), s->space.geometry.queue * 8 };
}

int main(void)
{
	torture_begin("takeover", SHORT_SECONDS);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (TORTURE_SLOW)
		torture_skip("most instructions are those of the sanitizer, or of valgrind");
	if (!trace_allowed())
		torture_skip("no ptrace here");
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	serve(STOA_KEEP);
	int r = stoa_attach("takeover", STOA_OPTIONS(.timeout = SOON), &s);
	r = r ? r : stoa_create(s, "hits", &counter_class, NULL, STOA_EXCL, &hits);
	if (r < 0) {
		printf("cannot start: %s\n", torture_error());
		return 1;
	}
	watch_ring();
	play(false);
	play(true);
	stoa_stop(s, STOA_DRAIN, SOON);
	stoa_detach(s);
	waitpid(server, NULL, 0);
	serve(0);
	r = stoa_attach("takeover", STOA_OPTIONS(.timeout = SOON), &s);
	r = r ? r : stoa_open(s, "hits", &counter_class, SOON, &hits);
	torture_check(r == 0, "it does not serve again: %s", torture_error());
	watch_ring();
	play_stop();
	stoa_detach(s);
	waitpid(server, NULL, 0);
	return torture_end();
}
