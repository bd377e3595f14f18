/*
 * linear.c: short histories of concurrent commands, reads and snapshots on two objects of two attributes, thousands of
 * them, each judged by linearize.c: is there one order that explains all answers?
 *
 * Five threads of four processes run them; in a share of them the coordinator, the guardian, both or a client is
 * killed, or a client is stopped for a while. Each operation is stamped before its call and behind its return from one
 * shared counter: its increments are ordered like the instructions around them, on all processors, which a clock does
 * not promise. An operation whose outcome nobody knows may take effect late or never. Before a history everything is
 * assigned anew, and behind it everything is read, so that what was lost or done twice shows. Peeks are not in it: they
 * promise no more than an old value.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa.h"
#include "tests/torture/linearize.h"
#include "tests/torture/torture.h"

#define SHORT_SECONDS 6
#define CLIENTS 4
#define WORKERS 5 /* the last two are threads of the last client */
#define OPS 8	  /* of a worker in a history, at most */
#define TOLD 2	  /* failed histories that are printed */

/* ---- the class ---- */

struct pair {
	uint64_t a, b;
};
struct pair_args {
	uint64_t by;
};
struct pair_ret {
	uint64_t now;
};
STOA_STRUCT(pair, STOA_ATTR(struct pair, a, .writable = true), STOA_ATTR(struct pair, b, .writable = true));
STOA_STRUCT(pair_args, STOA_ATTR(struct pair_args, by));
STOA_STRUCT(pair_ret, STOA_ATTR(struct pair_ret, now));

struct pair_state {
	uint64_t a, b;
};
STOA_STRUCT(pair_state, STOA_ATTR(struct pair_state, a), STOA_ATTR(struct pair_state, b));

static int pair_add_a(struct pair *self, const struct pair_args *args, struct pair_ret *ret)
{
	ret->now = self->a += args->by;
	return 0;
}
STOA_METHOD(pair, add_a, pair_args, pair_ret, .writes = "a");

static int pair_add_b(struct pair *self, const struct pair_args *args, struct pair_ret *ret)
{
	ret->now = self->b += args->by;
	return 0;
}
STOA_METHOD(pair, add_b, pair_args, pair_ret, .writes = "b");

/* What it reads, others may have queued and not yet be done with. */
static int pair_copy(struct pair *self, const stoa_none *args, struct pair_ret *ret)
{
	(void)args;
	ret->now = self->b = self->a;
	return 0;
}
STOA_METHOD(pair, copy, stoa_none, pair_ret, .writes = "b");

static int pair_both(const struct pair *self, const stoa_none *args, struct pair_state *ret)
{
	(void)args;
	*ret = (struct pair_state){ self->a, self->b };
	return 0;
}
STOA_READER(pair, both, stoa_none, pair_state, .reads = "a b");
STOA_CLASS(pair, 1, &pair_add_a_row, &pair_add_b_row, &pair_copy_row, &pair_both_row);

static const struct stoa_class *const classes[] = { &pair_class, NULL };
static const struct stoa_method *const add_rows[] = { &pair_add_a_row, &pair_add_b_row };

/* ---- what the processes share ---- */

static struct arena {
	_Alignas(64) _Atomic uint64_t stamp;
	_Alignas(64) _Atomic uint32_t round; /* the history that is on; slept on */
	_Atomic uint32_t gathered;
	_Atomic int stop;
	_Atomic int64_t timeout;
	struct worker {
		_Alignas(64) _Atomic uint32_t done; /* its newest round that is over */
		_Atomic uint32_t n;
		uint64_t refused;
		struct op ops[OPS];
	} workers[WORKERS];
} * arena;

static struct stoa *s;
static struct stoa_proxy *objects[2];

/* ---- operations ---- */

static uint64_t stamp(void)
{
	return atomic_fetch_add(&arena->stamp, 1) + 1;
}

static void op_begin(struct op *op, const char *how, uint32_t who)
{
	op->how = how;
	op->who = who;
	op->ended = LINEAR_OPEN;
	op->began = stamp();
}

/* False: it was refused, and so has not happened. What only reads happens when it returns, or not at all. */
static bool op_end(struct op *op, int r)
{
	struct stoa_error e = { 0 };
	if (r < 0)
		stoa_last_error(&e);
	if (r == 0)
		op->ended = stamp();
	return r == 0 || (e.may_apply && op->steps[0].kind != STEP_READ);
}

static void op_step(struct op *op, enum step_kind kind, uint32_t cell, uint64_t value)
{
	op->steps[op->n_steps++] =
		(struct step){ .kind = kind, .cell = (uint8_t)cell, .from = (uint8_t)(cell & ~1u), .value = value };
}

static void op_answer(struct op *op, uint32_t i, int r, uint64_t answer)
{
	op->steps[i].answered = r == 0;
	op->steps[i].answer = answer;
}

static void op_answer_pair(struct op *op, uint32_t i, int r, const struct pair *answer)
{
	op_answer(op, i, r, answer->a);
	op_answer(op, i + 1, r, answer->b);
}

static void op_read_pair(struct op *op, uint32_t object)
{
	op_step(op, STEP_READ, 2 * object, 0);
	op_step(op, STEP_READ, 2 * object + 1, 0);
}

static uint32_t attr_of(uint32_t cell)
{
	return cell & 1 ? offsetof(struct pair, b) : offsetof(struct pair, a);
}

static int do_assign(struct op *op, uint32_t cell, uint64_t value, int64_t timeout)
{
	op_step(op, STEP_SET, cell, value);
	op_begin(op, "assign", op->who);
	return stoa_assign(objects[cell / 2], attr_of(cell), &value, sizeof value, timeout);
}

static int do_assign_all(struct op *op, uint32_t object, uint64_t value, int64_t timeout)
{
	op_step(op, STEP_SET, 2 * object, value);
	op_step(op, STEP_SET, 2 * object + 1, value);
	op_begin(op, "assign_all", op->who);
	return stoa_assign_all(objects[object], &(struct pair){ value, value }, sizeof(struct pair), timeout);
}

static int do_add(struct op *op, uint32_t cell, uint64_t by, bool call, int64_t timeout)
{
	struct pair_ret ret = { 0 };
	op_step(op, STEP_ADD, cell, by);
	op_begin(op, call ? "call" : "cast", op->who);
	if (!call)
		return stoa_cast(objects[cell / 2], add_rows[cell & 1], &by, timeout);
	int r = stoa_call(objects[cell / 2], add_rows[cell & 1], &by, &ret, timeout);
	op_answer(op, 0, r, ret.now);
	return r;
}

static int do_copy(struct op *op, uint32_t object, bool call, int64_t timeout)
{
	struct pair_ret ret = { 0 };
	op_step(op, STEP_COPY, 2 * object + 1, 0);
	op_begin(op, call ? "call" : "cast", op->who);
	if (!call)
		return stoa_cast(objects[object], &pair_copy_row, NULL, timeout);
	int r = stoa_call(objects[object], &pair_copy_row, NULL, &ret, timeout);
	op_answer(op, 0, r, ret.now);
	return r;
}

/* An increment and an assignment of the other object, at one moment. */
static int do_many(struct op *op, uint32_t cell, uint64_t by, uint64_t value, int64_t timeout)
{
	struct pair_ret ret = { 0 };
	uint32_t other = (cell + 2) % LINEAR_CELLS;
	struct stoa_command commands[2] = {
		{ .proxy = objects[cell / 2], .method = add_rows[cell & 1], .args = &by, .ret = &ret },
		{ .proxy = objects[other / 2], .attr = attr_of(other), .args = &value, .size = sizeof value },
	};
	op_step(op, STEP_ADD, cell, by);
	op_step(op, STEP_SET, other, value);
	op_begin(op, "call_many", op->who);
	int r = stoa_call_many(s, 2, commands, timeout);
	op_answer(op, 0, r, ret.now);
	return r;
}

static int do_get(struct op *op, uint32_t cell, int64_t timeout)
{
	uint64_t value = 0;
	op_step(op, STEP_READ, cell, 0);
	op_begin(op, "get", op->who);
	int r = stoa_get(objects[cell / 2], attr_of(cell), &value, sizeof value, timeout, NULL);
	op_answer(op, 0, r, value);
	return r;
}

static int do_snapshot(struct op *op, uint32_t object, bool reader, int64_t timeout)
{
	struct pair pair = { 0 };
	op_read_pair(op, object);
	op_begin(op, reader ? "reader" : "snapshot", op->who);
	int r = reader ? stoa_call(objects[object], &pair_both_row, NULL, &pair, timeout)
		       : stoa_snapshot(objects[object], &pair, sizeof pair, timeout, NULL);
	op_answer_pair(op, 0, r, &pair);
	return r;
}

static int do_snapshot_many(struct op *op, int64_t timeout)
{
	struct pair pairs[2] = { { 0, 0 }, { 0, 0 } };
	op_read_pair(op, 0);
	op_read_pair(op, 1);
	op_begin(op, "snapshot_many", op->who);
	int r = stoa_snapshot_many(2, objects, (void *[]){ &pairs[0], &pairs[1] }, timeout, NULL);
	op_answer_pair(op, 0, r, &pairs[0]);
	op_answer_pair(op, 2, r, &pairs[1]);
	return r;
}

/* ---- the workers ---- */

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* An assigned value stands above bit 40 and is like no other;
 * each increment of a history has a bit of its own below. */
static uint64_t value_of(uint32_t round, uint32_t nth)
{
	return ((uint64_t)round * (LINEAR_OPS) + nth + 1) << 40;
}

static int do_one(struct op *op, uint64_t draw, uint64_t value, uint64_t by, int64_t timeout)
{
	uint32_t cell = draw >> 8 & 3, kind = draw & 31;
	bool call = draw >> 10 & 1;
	if (kind < 5)
		return do_assign(op, cell, value, timeout);
	if (kind < 11)
		return do_add(op, cell, by, call, timeout);
	if (kind < 15)
		return do_copy(op, cell / 2, call, timeout);
	if (kind < 16)
		return do_assign_all(op, cell / 2, value, timeout);
	if (kind < 19)
		return do_many(op, cell, by, value, timeout);
	if (kind < 24)
		return do_get(op, cell, timeout);
	if (kind < 27)
		return do_snapshot(op, cell / 2, call, timeout);
	return do_snapshot_many(op, timeout);
}

/* All begin together, if they come soon. */
static void gather(void)
{
	int64_t end = clock_deadline(STOA_MS(1) / 5);
	atomic_fetch_add(&arena->gathered, 1);
	while (atomic_load(&arena->gathered) < WORKERS && clock_now() < end)
		sched_yield();
}

static void play_part(uint32_t i, uint32_t round)
{
	struct worker *w = &arena->workers[i];
	int64_t timeout = atomic_load(&arena->timeout);
	uint64_t draw = mix(torture.seed ^ (uint64_t)round << 8 ^ i);
	uint32_t n = 5 + (uint32_t)(draw % (OPS - 4));
	gather();
	for (uint32_t k = 0; k < n; k++) {
		uint32_t nth = i * OPS + k, at = atomic_load(&w->n);
		draw = mix(draw + k);
		w->ops[at] = (struct op){ .who = i };
		atomic_store(&w->n, at + 1); /* who is killed in it has begun it, perhaps */
		int r = do_one(&w->ops[at], draw, value_of(round, nth), UINT64_C(1) << nth, timeout);
		if (!op_end(&w->ops[at], r)) {
			w->refused++;
			atomic_store(&w->n, at);
		}
		if ((draw >> 16 & 3) == 0)
			sched_yield();
	}
}

static void *be_worker(void *index)
{
	uint32_t i = (uint32_t)(uintptr_t)index, last = atomic_load(&arena->workers[i].done);
	while (!atomic_load(&arena->stop)) {
		uint32_t round = atomic_load(&arena->round);
		if (round == last) {
			syscall(SYS_futex, &arena->round, FUTEX_WAIT, last, NULL, NULL, 0);
			continue;
		}
		play_part(i, round);
		atomic_store(&arena->workers[i].done, last = round);
	}
	return NULL;
}

static uint32_t first_worker(uint32_t client)
{
	return client;
}
static uint32_t end_worker(uint32_t client)
{
	return client == CLIENTS - 1 ? WORKERS : client + 1;
}

static pid_t clients[CLIENTS];

static void spawn_client(uint32_t i)
{
	pthread_t thread;
	clients[i] = fork();
	if (clients[i] != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint32_t k = first_worker(i) + 1; k < end_worker(i); k++)
		if (pthread_create(&thread, NULL, be_worker, (void *)(uintptr_t)k) != 0)
			_exit(1);
	be_worker((void *)(uintptr_t)first_worker(i));
	_exit(0);
}

/* ---- who is killed ---- */

enum victim { NOBODY, STOPPED, CLIENT, COORDINATOR, GUARDIAN, BOTH };
static const char *const victims[] = { "nobody", "client stopped", "client", "coordinator", "guardian", "both" };
static unsigned strikes[BOTH + 1];

static enum victim draw_victim(void)
{
	uint64_t n = torture_random(100);
	return n < 64 ? NOBODY : n < 76 ? STOPPED : n < 80 ? CLIENT : n < 94 ? COORDINATOR : n < 97 ? GUARDIAN : BOTH;
}

static void serve(unsigned flags)
{
	if (fork() != 0)
		return;
	setpgid(0, 0);
	int r = stoa_serve("linear", classes,
			   STOA_OPTIONS(.flags = flags, .max_threads = 64, .max_objects = 16, .max_attrs = 256,
					.max_queue = 256, .timeout = STOA_MS(5000)));
	if (r < 0)
		printf("FAILED stoa_serve: %s\n", torture_error());
	_exit(r < 0);
}

/* What it had begun stays in the history, as unknown. */
static void kill_client(uint32_t i, uint32_t round)
{
	kill(clients[i], SIGKILL);
	waitpid(clients[i], NULL, 0);
	for (uint32_t k = first_worker(i); k < end_worker(i); k++)
		atomic_store(&arena->workers[k].done, round);
	spawn_client(i);
}

static void strike_client(enum victim v, uint32_t round)
{
	uint32_t i = (uint32_t)torture_random(CLIENTS);
	if (v == CLIENT) {
		kill_client(i, round);
		return;
	}
	kill(clients[i], SIGSTOP);
	usleep((useconds_t)torture_random(2000));
	kill(clients[i], SIGCONT);
}

static void strike(enum victim v, uint32_t round)
{
	int64_t end = clock_deadline((int64_t)torture_random(200000));
	while (v != NOBODY && clock_now() < end)
		sched_yield();
	if (v == STOPPED || v == CLIENT)
		strike_client(v, round);
	else if (v != NOBODY && !torture_kill(s, v != GUARDIAN, v != COORDINATOR))
		return;
	strikes[v]++;
	if (v == BOTH) {
		usleep((useconds_t)torture_random(1000));
		serve(STOA_KEEP);
	}
}

static void reap(void)
{
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
		for (uint32_t i = 0; i < CLIENTS; i++)
			if (clients[i] == pid) {
				torture_fail("client %u died by itself", i);
				kill_client(i, atomic_load(&arena->round));
			}
}

/* ---- one history ---- */

static uint64_t n_histories, n_ops, n_open, n_overlapping;
static unsigned n_told;

/* Everything that was ever queued is committed when this returns: the call is behind it. */
static void flush(void)
{
	uint64_t nothing = 0;
	struct pair_ret ret;
	torture_check(torture_until(stoa_call(objects[0], &pair_add_a_row, &nothing, &ret, STOA_MS(2000)) == 0),
		      "it is not served: %s", torture_error());
}

static struct op *history_op(struct history *h)
{
	h->ops[h->n] = (struct op){ .who = 9 }; /* none of the workers */
	return &h->ops[h->n];
}

static void history_keep(struct history *h, int r)
{
	h->n += op_end(&h->ops[h->n], r);
}

static void begin_history(struct history *h, uint32_t round)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		atomic_store(&arena->workers[i].n, 0);
	for (uint32_t object = 0; object < 2; object++)
		history_keep(h, do_assign_all(history_op(h), object, value_of(round, WORKERS * OPS + object), SOON));
	atomic_store(&arena->gathered, 0);
	atomic_store(&arena->round, round);
	syscall(SYS_futex, &arena->round, FUTEX_WAKE, WORKERS, NULL, NULL, 0);
}

static bool all_done(uint32_t round)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		if (atomic_load(&arena->workers[i].done) != round)
			return false;
	return true;
}

static void tell_hanging(uint32_t round)
{
	struct stoa_health health = { 0 };
	stoa_health(s, &health);
	for (uint32_t i = 0; i < WORKERS; i++) {
		const struct worker *w = &arena->workers[i];
		uint32_t n = atomic_load(&w->n);
		if (atomic_load(&w->done) != round)
			torture_fail("thread %u hangs in operation %u, %s; %s, %ju queued", i, n,
				     n ? w->ops[n - 1].how : "none", health.text, (uintmax_t)health.queued);
	}
}

static void end_history(struct history *h, uint32_t round)
{
	if (!torture_until(all_done(round)))
		tell_hanging(round);
	for (uint32_t i = 0; i < CLIENTS; i++)
		for (uint32_t k = first_worker(i); k < end_worker(i); k++)
			if (atomic_load(&arena->workers[k].done) != round)
				kill_client(i, round);
	reap();
	flush();
	for (uint32_t i = 0; i < WORKERS; i++)
		for (uint32_t k = 0; k < atomic_load(&arena->workers[i].n); k++) {
			const struct op *op = &arena->workers[i].ops[k];
			if (op->began && (op->ended != LINEAR_OPEN || op->steps[0].kind != STEP_READ))
				h->ops[h->n++] = *op;
		}
	int r = do_snapshot_many(history_op(h), SOON);
	torture_check(r == 0, "the state cannot be read: %s", torture_error());
	history_keep(h, r);
}

static void count(const struct history *h)
{
	n_histories++;
	n_ops += h->n;
	for (uint32_t i = 0; i < h->n; i++) {
		bool overlaps = false;
		for (uint32_t k = 0; k < h->n; k++)
			overlaps = overlaps ||
				   (k != i && h->ops[k].began < h->ops[i].ended && h->ops[i].began < h->ops[k].ended);
		n_overlapping += overlaps;
		n_open += h->ops[i].ended == LINEAR_OPEN;
	}
}

static void judge(struct history *h)
{
	struct explanation e;
	struct step *final = h->ops[h->n - 1].steps;
	uint64_t now[LINEAR_CELLS] = { final[0].answer, final[1].answer, final[2].answer, final[3].answer };
	count(h);
	if (!linearize(h, &e)) {
		torture_fail("no order explains it");
		if (n_told++ < TOLD)
			linear_print(h, &e);
	}
	memcpy(h->start, now, sizeof now);
}

static void run_histories(void)
{
	static struct history h;
	for (uint32_t round = 1; round <= torture.rounds && clock_now() < torture.end_ns; round++) {
		enum victim v = draw_victim();
		torture_where("history %u (struck: %s), seed %ju", round, victims[v], (uintmax_t)torture.seed);
		bool hurry = v >= COORDINATOR && torture_random(2);
		atomic_store(&arena->timeout, hurry ? STOA_MS(1) : SOON);
		h.n = 0;
		begin_history(&h, round);
		strike(v, round);
		end_history(&h, round);
		judge(&h);
	}
}

/* ---- begin and end ---- */

static int start(void)
{
	serve(STOA_KEEP);
	int r = stoa_attach("linear", STOA_OPTIONS(.timeout = SOON), &s);
	r = r ? r : stoa_create(s, "x", &pair_class, NULL, STOA_EXCL, &objects[0]);
	r = r ? r : stoa_create(s, "y", &pair_class, NULL, STOA_EXCL, &objects[1]);
	return r;
}

static void end_clients(void)
{
	atomic_store(&arena->stop, 1);
	atomic_fetch_add(&arena->round, 1);
	syscall(SYS_futex, &arena->round, FUTEX_WAKE, WORKERS, NULL, NULL, 0);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		kill(clients[i], SIGKILL);
		waitpid(clients[i], NULL, 0);
	}
}

/* Nothing is kept: the next one takes over and leaves nothing behind. */
static void finish(void)
{
	torture_where("at the end");
	end_clients();
	flush();
	torture_check(stoa_stop(s, STOA_DRAIN, SOON) == 0, "it does not stop: %s", torture_error());
	s = stoa_detach(s);
	while (wait(NULL) > 0) {
	}
	serve(0);
	int r = stoa_attach("linear", STOA_OPTIONS(.timeout = SOON), &s);
	torture_check(r == 0 && stoa_stop(s, STOA_DRAIN, SOON) == 0, "it does not end: %s", torture_error());
	s = stoa_detach(s);
	while (wait(NULL) > 0) {
	}
}

int main(void)
{
	torture_begin("linear", SHORT_SECONDS);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (start() < 0) {
		printf("cannot start: %s\n", torture_error());
		return 1;
	}
	torture_go();
	for (uint32_t i = 0; i < CLIENTS; i++)
		spawn_client(i);
	run_histories();
	uint64_t refused = 0;
	for (uint32_t i = 0; i < WORKERS; i++)
		refused += arena->workers[i].refused;
	finish();
	printf("  %ju histories of %ju operations: %ju overlap another, %ju of unknown outcome; %ju were refused\n",
	       (uintmax_t)n_histories, (uintmax_t)n_ops, (uintmax_t)n_overlapping, (uintmax_t)n_open,
	       (uintmax_t)refused);
	printf("  struck:");
	for (enum victim v = STOPPED; v <= BOTH; v++)
		printf(" %s %u%s", victims[v], strikes[v], v < BOTH ? "," : "\n");
	torture_check(n_overlapping > 0, "nothing was concurrent");
	return torture_end();
}
