/*
 * profile_calls.c: where the time of a call goes. The coordinator notes when it takes the command, has run it, and has
 * committed it; the client, when it has begun, has published, and has its answer. All by one clock.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "bench/cpu.h"
#include "bench/pingpong.h"
#include "bench/profile.h"
#include "bench/ticks.h"
#include "coordinator/command.h"
#include "coordinator/commit.h"
#include "proxy/wait.h"

#define BATCH 1024 /* calls, whose times are looked at together */
#define WARM_UP 10000
#define PINGS 50000
#define PATIENCE_NS INT64_C(5000000000)

/* What the coordinator notes of a command; each is written once, behind the one before, and read in a pause. */
struct noted {
	uint64_t taken, run, over;
};

static struct shared {
	_Atomic bool noting;
	_Alignas(64) _Atomic uint64_t ball;
	_Atomic bool stop;
	double line_ns;
	_Alignas(64) _Atomic uint64_t n;
	struct noted noted[BATCH];
	struct histogram published, taken, run, committed, answered; /* since the call began */
	struct histogram running, committing;
} *shared;

static uint64_t published; /* by the call that is */

/* ---- in the coordinator ---- */

enum command_result __real_command_run(struct coordinator *c, uint64_t word, bool first);
enum command_result __wrap_command_run(struct coordinator *c, uint64_t word, bool first);
enum command_result __wrap_command_run(struct coordinator *c, uint64_t word, bool first)
{
	if (!atomic_load_explicit(&shared->noting, memory_order_acquire))
		return __real_command_run(c, word, first);
	struct noted *noted = &shared->noted[atomic_load_explicit(&shared->n, memory_order_relaxed) % BATCH];
	noted->taken = ticks_now();
	enum command_result r = __real_command_run(c, word, first);
	noted->run = ticks_now();
	return r;
}

uint32_t __real_commit_turn(struct coordinator *c);
uint32_t __wrap_commit_turn(struct coordinator *c);
uint32_t __wrap_commit_turn(struct coordinator *c)
{
	uint32_t n = __real_commit_turn(c);
	if (n && atomic_load_explicit(&shared->noting, memory_order_acquire)) {
		uint64_t at = atomic_load_explicit(&shared->n, memory_order_relaxed);
		shared->noted[at % BATCH].over = ticks_now();
		atomic_store_explicit(&shared->n, at + n, memory_order_release);
	}
	return n;
}

/* ---- in the client ---- */

bool __real_handle_spin_answer(struct lane *lane, const struct record *r, const struct reply *reply, uint64_t need);
bool __wrap_handle_spin_answer(struct lane *lane, const struct record *r, const struct reply *reply, uint64_t need);
bool __wrap_handle_spin_answer(struct lane *lane, const struct record *r, const struct reply *reply, uint64_t need)
{
	published = ticks_now();
	return __real_handle_spin_answer(lane, r, reply, need);
}

static int call(struct stoa_proxy *tally)
{
	struct tally_value ret;
	int r = tally_add_call(tally, &(struct tally_add){ 1, 2 }, &ret, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static void add(struct histogram *h, uint64_t from, uint64_t to)
{
	histogram_add(h, to > from ? (uint64_t)ticks_to_ns(to - from) : 0);
}

/* One that had to wake the coordinator is none of those that are looked at. */
static void add_call(uint64_t begun, uint64_t put, uint64_t ended, const struct noted *noted)
{
	if (put < begun)
		return;
	add(&shared->published, begun, put);
	add(&shared->taken, begun, noted->taken);
	add(&shared->run, begun, noted->run);
	add(&shared->committed, begun, noted->over);
	add(&shared->answered, begun, ended);
	add(&shared->running, noted->taken, noted->run);
	add(&shared->committing, noted->run, noted->over);
}

/* The coordinator's last note comes behind its answer. */
static int await_notes(uint64_t n)
{
	for (int64_t end = clock_deadline(PATIENCE_NS); atomic_load_explicit(&shared->n, memory_order_acquire) < n;)
		if (clock_now() > end)
			return trouble(-ETIMEDOUT, "the coordinator has not noted its commands");
	return 0;
}

static int call_batch(struct stoa_proxy *tally, uint64_t before)
{
	static struct {
		uint64_t begun, published, ended;
	} mine[BATCH];
	int r = 0;
	for (unsigned i = 0; i < BATCH && r == 0; i++) {
		mine[i].begun = ticks_now();
		r = call(tally);
		mine[i].ended = ticks_now();
		mine[i].published = published;
	}
	r = r ? r : await_notes(before + BATCH);
	for (unsigned i = 0; i < BATCH && r == 0; i++)
		add_call(mine[i].begun, mine[i].published, mine[i].ended, &shared->noted[(before + i) % BATCH]);
	return r;
}

/* Nothing is queued when the coordinator begins to note, and it has settled what came before. */
static void settle(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	nanosleep(&pause, NULL);
	atomic_store(&shared->noting, true);
}

struct calling {
	struct stoa_proxy *tally;
	unsigned calls;
};

static int be_caller(unsigned me, void *data)
{
	const struct calling *c = data;
	cpu_pin_self(me + 1);
	uint64_t from = ticks_now();
	for (unsigned i = 0; i < PINGS; i++)
		pingpong_ask(&shared->ball);
	shared->line_ns = ticks_to_ns(ticks_now() - from) / PINGS;
	atomic_store(&shared->stop, true);
	int r = 0;
	for (unsigned i = 0; i < WARM_UP && r == 0; i++)
		r = call(c->tally);
	settle();
	for (uint64_t n = 0; n < c->calls && r == 0; n += BATCH)
		r = call_batch(c->tally, n);
	atomic_store(&shared->noting, false);
	return r;
}

/* ---- the table ---- */

static void row(const char *text, const struct histogram *h)
{
	printf("  %-44s %6ju  (%ju to %ju)\n", text, (uintmax_t)histogram_at(h, 0.5), (uintmax_t)histogram_at(h, 0.25),
	       (uintmax_t)histogram_at(h, 0.75));
}

static void print(void)
{
	printf("\nA call, in ns since it began: the median of %ju calls (and the quartiles)\n", (uintmax_t)shared->answered.n);
	row("it is published", &shared->published);
	row("the coordinator begins to run it", &shared->taken);
	row("it is run", &shared->run);
	row("it is committed, and the coordinator goes on", &shared->committed);
	row("its client has the answer", &shared->answered);
	row("of that: run", &shared->running);
	row("of that: committed, and answered", &shared->committing);
	printf("  a cache line, there and back                 %6.0f\n", shared->line_ns);
}

int calls_begin(void)
{
	shared = profile_share(sizeof(*shared));
	return shared ? 0 : -ENOMEM;
}

int calls_profile(struct stoa *s, struct stoa_proxy *tally, unsigned calls)
{
	struct calling calling = { tally, calls };
	struct stoa_health health;
	pid_t pid;
	int r = stoa_health(s, &health);
	if (r < 0)
		return stoa_trouble(r);
	if (cpu_count() < 2) {
		printf("\nCalls: left out; they want two CPUs\n");
		return 0;
	}
	cpu_pin(health.coordinator, true);
	r = profile_fork(1, be_caller, &calling, &pid);
	if (r < 0)
		return r;
	cpu_pin_self(0);
	pingpong_answer(&shared->ball, &shared->stop);
	r = profile_join(1, &pid);
	cpu_free_self();
	cpu_pin(health.coordinator, false);
	if (r == 0)
		print();
	return r;
}
