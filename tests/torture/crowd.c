/*
 * crowd.c: a thousand clients attach, call and leave, sixteen at a time; half of them are killed somewhere on the way.
 *
 * Afterwards guardian and coordinator have as many descriptors as before, and as many lanes and files are there; and
 * the count is what the clients were told.
 */
#include <signal.h>
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

#define SHORT_SECONDS 6
#define SHORT_CLIENTS 200
#define LONG_CLIENTS 1000
#define AT_ONCE 16
#define CALLS 3

static struct {
	_Atomic uint64_t attached, begun, answered, failed;
} *told;

static struct stoa *s;
static struct stoa_proxy *hits;

static struct {
	pid_t pid;
	int64_t killed_ns; /* when it is to be; 0: it is not */
} crowd[AT_ONCE];

/* What there is, when only we are attached. */
struct tally {
	int guardian, coordinator, files;
	uint32_t threads;
};

static struct tally take_tally(void)
{
	struct stoa_health h;
	if (stoa_health(s, &h) < 0)
		abort();
	return (struct tally){ torture_count_fds(h.guardian), torture_count_fds(h.coordinator),
			       torture_count_files(torture.dir), h.threads };
}

static bool is_back(const struct tally *to)
{
	struct tally t = take_tally();
	return t.guardian == to->guardian && t.coordinator == to->coordinator && t.files == to->files &&
	       t.threads == to->threads;
}

static int call_once(struct stoa_proxy *p)
{
	struct counter_value v;
	atomic_fetch_add(&told->begun, 1);
	int r = counter_add_call(p, &(struct counter_args){ 1 }, &v, SOON);
	atomic_fetch_add(&told->answered, r == 0);
	return r;
}

static void be_client(void)
{
	struct stoa *mine;
	struct stoa_proxy *p;
	stoa_detach(s); /* it attaches by itself */
	int r = stoa_attach("crowd", STOA_OPTIONS(.timeout = SOON), &mine);
	r = r ? r : stoa_open(mine, "hits", &counter_class, SOON, &p);
	atomic_fetch_add(&told->attached, r == 0);
	for (int i = 0; r == 0 && i < CALLS; i++)
		r = call_once(p);
	if (r < 0 && atomic_fetch_add(&told->failed, 1) == 0)
		printf("  a client failed with %d: %s\n", r, torture_error());
	if (r == 0)
		stoa_detach(mine);
	_exit(0);
}

static void send_in(int i, bool kill_it)
{
	crowd[i].killed_ns = kill_it ? clock_now() + (int64_t)torture_random(4000000) : 0;
	crowd[i].pid = fork();
	if (crowd[i].pid == 0)
		be_client();
}

/* Kill who is due, and reap who has gone. How many there are still. */
static int look_after(void)
{
	int n = 0;
	for (int i = 0; i < AT_ONCE; i++) {
		if (crowd[i].pid > 0 && crowd[i].killed_ns && clock_now() >= crowd[i].killed_ns) {
			kill(crowd[i].pid, SIGKILL);
			crowd[i].killed_ns = 0;
		}
		if (crowd[i].pid > 0 && waitpid(crowd[i].pid, NULL, WNOHANG) == crowd[i].pid)
			crowd[i].pid = 0;
		n += crowd[i].pid > 0;
	}
	return n;
}

static int free_place(void)
{
	int i = 0;
	while (i < AT_ONCE && crowd[i].pid > 0)
		i++;
	return i;
}

static uint64_t let_through(uint64_t clients)
{
	uint64_t n = 0;
	for (; n < clients && clock_now() < torture.end_ns; n++) {
		torture_check(torture_until((look_after(), free_place() < AT_ONCE)), "no client leaves");
		if (free_place() == AT_ONCE)
			break;
		send_in(free_place(), torture_random(2));
	}
	torture_check(torture_until(look_after() == 0), "clients stay");
	return n;
}

static void check_count(void)
{
	int64_t v = -1;
	uint64_t begun = atomic_load(&told->begun), answered = atomic_load(&told->answered);
	int r = STOA_GET(hits, struct counter, value, &v, SOON);
	torture_check(r == 0 && (uint64_t)v >= answered && (uint64_t)v <= begun,
		      "%ju calls were begun, %ju answered; the count is %jd (%d)", (uintmax_t)begun,
		      (uintmax_t)answered, (intmax_t)v, r);
	torture_check(atomic_load(&told->failed) == 0, "%ju clients failed", (uintmax_t)atomic_load(&told->failed));
}

static void play(void)
{
	struct tally first = take_tally();
	int64_t began = clock_now();
	uint64_t n = let_through(torture.lengthy ? LONG_CLIENTS : SHORT_CLIENTS);
	double seconds = (double)(clock_now() - began) / 1e9;
	torture_where("after %ju clients", (uintmax_t)n);
	if (!torture_until(is_back(&first))) {
		struct tally t = take_tally();
		torture_fail("guardian %d descriptors, then %d; coordinator %d, %d; files %d, %d; threads %u, %u",
			     first.guardian, t.guardian, first.coordinator, t.coordinator, first.files, t.files,
			     first.threads, t.threads);
	}
	check_count();
	printf("  %ju clients in %.2f s, %.0f a second; %ju came to attach, %ju calls were answered\n", (uintmax_t)n,
	       seconds, (double)n / seconds, (uintmax_t)atomic_load(&told->attached),
	       (uintmax_t)atomic_load(&told->answered));
}

int main(void)
{
	torture_begin("crowd", SHORT_SECONDS);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r = stoa_start("crowd", NULL, NULL, &s);
	r = r ? r : stoa_create(s, "hits", &counter_class, NULL, STOA_EXCL, &hits);
	r = r ? r : call_once(hits);
	if (r < 0) {
		printf("cannot start: %s\n", torture_error());
		return 1;
	}
	torture_go();
	do
		play();
	while (torture.lengthy && torture.failures == 0 && clock_now() < torture.end_ns);
	stoa_detach(s);
	while (waitpid(-1, NULL, 0) > 0) {
	}
	return torture_end();
}
