/*
 * crashers.c: a method that only ever crashes cannot take down the service of other objects.
 *
 * Four clients send a hundred good commands for each one that crashes, each kind to an object of its own. All the good
 * ones are applied, all the others rejected after two runs, and the counts add up. How long it took, and how long each
 * good call waited, is printed beside the same without crashes.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa.h"
#include "include/stoa/counter.h"
#include "tests/torture/torture.h"

#define SHORT_SECONDS 20
#define SHORT_CRASHES 100
#define CRASHES 1000
#define CLIENTS 4
#define GOOD 100  /* for each that crashes */
#define CALLED 25 /* one good one in so many is called, and the others cast */

struct bad {
	uint64_t n;
};
struct how {
	int32_t how;
};
STOA_STRUCT(bad, STOA_ATTR(struct bad, n));
STOA_STRUCT(how, STOA_ATTR(struct how, how));
STOA_STUB(bad, crash, struct how, stoa_none);

static struct shared {
	_Atomic uint64_t runs;	    /* of the method that crashes */
	_Atomic uint64_t good, bad; /* accepted */
	_Atomic uint64_t failed;    /* calls that ended otherwise than they should */
	_Atomic uint64_t n_ns;
	int64_t ns[CLIENTS * CRASHES * GOOD / CALLED]; /* of good calls */
} *shared;

static struct stoa *s;
static struct stoa_proxy *bad, *good[CLIENTS];
static uint64_t crashes; /* to be sent by each client */

static int bad_crash(struct bad *self, const struct how *args, stoa_none *ret)
{
	(void)ret;
	self->n++;
	atomic_fetch_add(&shared->runs, 1);
	switch (args->how) {
	case 0:
		abort();
	case 1:
		_exit(0);
	default:
		*(volatile char *)(self + 1) = 'x';
	}
	return 0;
}
STOA_METHOD(bad, crash, how, stoa_none, .writes = "n");
STOA_CLASS(bad, 1, &bad_crash_row);

/* ---- clients ------------------------------------------------------------------------------------------------- */

static void count_failure(const char *what, int r)
{
	if (atomic_fetch_add(&shared->failed, 1) == 0)
		printf("  %s: %d, %s\n", what, r, torture_error());
}

static void send_good(int client, int i)
{
	const struct counter_args one = { 1 };
	int64_t before = clock_now();
	int r = i % CALLED ? counter_add_cast(good[client], &one, SOON)
			   : counter_add_call(good[client], &one, NULL, SOON);
	if (r < 0)
		count_failure("a good command", r);
	else
		atomic_fetch_add(&shared->good, 1);
	if (i % CALLED == 0)
		shared->ns[atomic_fetch_add(&shared->n_ns, 1)] = clock_now() - before;
}

static void send_bad(uint64_t n)
{
	const struct how how = { (int32_t)(n % 3) };
	bool called = n % 10 == 0;
	int r = called ? bad_crash_call(bad, &how, NULL, SOON) : bad_crash_cast(bad, &how, SOON);
	if (r != (called ? -EFAULT : 0))
		count_failure("a bad command", r);
	atomic_fetch_add(&shared->bad, 1);
}

static void be_client(int client, bool with_crashes)
{
	for (uint64_t n = 0; n < crashes && clock_now() < torture.end_ns; n++) {
		for (int i = 0; i < GOOD; i++)
			send_good(client, i);
		if (with_crashes)
			send_bad(n);
	}
	int r = stoa_sync(s, SOON, NULL);
	if (r < 0)
		count_failure("a sync", r);
	fflush(NULL);
	_exit(0);
}

/* ---- the run ------------------------------------------------------------------------------------------------- */

static uint64_t sum_good(void)
{
	uint64_t sum = 0;
	for (int i = 0; i < CLIENTS; i++) {
		int64_t v = 0;
		torture_check(STOA_GET(good[i], struct counter, value, &v, SOON) == 0, "cannot read: %s",
			      torture_error());
		sum += (uint64_t)v;
	}
	return sum;
}

static void check_counts(uint64_t sent_good, uint64_t sent_bad)
{
	struct stoa_health h;
	uint64_t n = 1;
	torture_check(atomic_load(&shared->failed) == 0, "%ju calls ended otherwise than they should",
		      (uintmax_t)atomic_load(&shared->failed));
	torture_check(sum_good() == sent_good, "%ju good ones accepted, %ju counted", (uintmax_t)sent_good,
		      (uintmax_t)sum_good());
	torture_check(STOA_GET(bad, struct bad, n, &n, SOON) == 0 && n == 0, "%ju crashes left something",
		      (uintmax_t)n);
	torture_check(atomic_load(&shared->runs) == 2 * sent_bad, "%ju commands that crash ran %ju times",
		      (uintmax_t)sent_bad, (uintmax_t)atomic_load(&shared->runs));
	torture_check(stoa_health(s, &h) == 0 && h.rejected == sent_bad && h.applied + h.folded == sent_good + CLIENTS + 1 &&
			      h.abandoned == 0 && h.queued == 0 && h.pushed == h.applied + h.rejected,
		      "%ju pushed, %ju applied, %ju rejected, %ju abandoned, %ju queued", (uintmax_t)h.pushed,
		      (uintmax_t)h.applied, (uintmax_t)h.rejected, (uintmax_t)h.abandoned, (uintmax_t)h.queued);
}

static void run(bool with_crashes, const char *what)
{
	struct times times = { 0 };
	uint64_t good_before = atomic_load(&shared->good);
	int64_t begun = clock_now();
	torture_where("%s", what);
	atomic_store(&shared->n_ns, 0);
	fflush(NULL);
	for (int i = 0; i < CLIENTS; i++)
		if (fork() == 0)
			be_client(i, with_crashes);
	for (int i = 0; i < CLIENTS; i++) {
		int status = -1;
		torture_check(wait(&status) > 0 && status == 0, "a client ended with %d", status);
	}
	double seconds = (double)(clock_now() - begun) / 1e9;
	uint64_t n_good = atomic_load(&shared->good) - good_before, n_bad = atomic_load(&shared->bad);
	printf("  %s: %ju good and %ju bad commands in %.2f s, %.0f/s\n", what, (uintmax_t)n_good, (uintmax_t)n_bad,
	       seconds, (double)(n_good + n_bad) / seconds);
	for (uint64_t i = 0; i < atomic_load(&shared->n_ns); i++)
		times_add(&times, shared->ns[i]);
	times_print(&times, "a good call");
	free(times.ns);
	check_counts(atomic_load(&shared->good), n_bad);
}

static int start(void)
{
	char name[16];
	int r = stoa_start("crashers", ((const struct stoa_class *const[]){ &bad_class, NULL }),
			   STOA_OPTIONS(.deadline = TORTURE_DYING, .max_state = TORTURE_STATE), &s);
	r = r ? r : stoa_create(s, "bad", &bad_class, NULL, STOA_EXCL, &bad);
	for (int i = 0; r == 0 && i < CLIENTS; i++) {
		snprintf(name, sizeof name, "good-%d", i);
		r = stoa_create(s, name, &counter_class, NULL, STOA_EXCL, &good[i]);
	}
	return r;
}

int main(void)
{
	torture_begin("crashers", SHORT_SECONDS);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t all = torture.rounds != UINT64_MAX ? torture.rounds : torture.lengthy ? CRASHES : SHORT_CRASHES;
	crashes = (all < CRASHES ? all : CRASHES) / CLIENTS;
	if (shared == MAP_FAILED || start() < 0) {
		printf("cannot start: %s\n", torture_error());
		return 1;
	}
	torture_go();
	run(false, "without crashes");
	run(true, "with crashes");
	torture_check(stoa_stop(s, STOA_DRAIN, SOON) == 0, "it does not stop: %s", torture_error());
	s = stoa_detach(s);
	while (wait(NULL) > 0) {
	}
	return torture_end();
}
