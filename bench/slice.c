/*
 * slice.c: see slice.h.
 */
#include "bench/slice.h"

#include <errno.h>
#include <time.h>

#include "bench/ticks.h"

#define BATCH_NS 5000     /* the clock is read about so often in the second half */
#define BATCH_MOST 65536u
#define SPIN_NS 100000    /* before an operation is due: a sleep may end that late */

static void sleep_until(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

static void spin_until(int64_t ns)
{
	if (ns - clock_now() > SPIN_NS)
		sleep_until(ns - SPIN_NS);
	while (clock_now() < ns) {}
}

static uint64_t ticks_at(int64_t ns)
{
	return ticks_now() + (uint64_t)(int64_t)((double)(ns - clock_now()) / ticks.ns);
}

/* ---- the first half: how long each one takes; one at least, even if its time is over when we get a CPU ---- */

static int64_t time_one(const struct op *op, void *client, struct histogram *h)
{
	uint64_t from = ticks_now();
	int64_t r = op->run(client);
	uint64_t took = ticks_now() - from;
	if (r >= 0)
		histogram_add(h, r > 0 ? (uint64_t)r : (uint64_t)ticks_to_ns(took));
	return r < 0 ? r : 0;
}

static int64_t time_busy(const struct order *o, void *client, int64_t start_ns, struct seat *seat)
{
	uint64_t end = ticks_at(start_ns + o->length_ns / 2);
	int64_t r;
	do
		r = time_one(o->op, client, &seat->histogram);
	while (r == 0 && ticks_now() < end);
	return r;
}

/* ---- the second half: what an operation costs ---- */

static int64_t run_batch(const struct op *op, void *client, unsigned n)
{
	int64_t r = 0;
	for (unsigned i = 0; i < n && r >= 0; i++)
		r = op->run(client);
	return r < 0 ? r : 0;
}

/* Brief enough that the end is not overrun by much, long enough that the clock costs nothing. */
static unsigned next_batch(unsigned batch, double took_ns)
{
	if (took_ns < BATCH_NS && batch < BATCH_MOST)
		return batch * 2;
	return took_ns > 4 * BATCH_NS && batch > 1 ? batch / 2 : batch;
}

static int64_t run_batches(const struct op *op, void *client, int64_t ns, struct seat *seat)
{
	uint64_t now = ticks_now(), end = now + (uint64_t)((double)ns / ticks.ns);
	int64_t r = 0;
	for (unsigned batch = 1; now < end && r == 0;) {
		uint64_t from = now;
		r = run_batch(op, client, batch);
		now = ticks_now();
		double took_ns = ticks_to_ns(now - from);
		histogram_add_many(&seat->costs, (uint64_t)(took_ns * SLICE_COST_UNIT / batch), batch);
		batch = next_batch(batch, took_ns);
	}
	return r;
}

/* The scheduler has had the first half to sort out who runs where. */
static int64_t measure_cost(const struct order *o, void *client, struct seat *seat)
{
	seat->from_ns = clock_now();
	int64_t r = run_batches(o->op, client, o->length_ns / 2, seat);
	if (r == 0 && o->op->finish)
		r = o->op->finish(client);
	seat->until_ns = clock_now();
	seat->n = seat->costs.n * (o->op->each ? o->op->each : 1);
	return r;
}

/* ---- a slice ---- */

/* An operation that waits by nature has its pause from the helper. */
static int64_t time_parked(const struct order *o, void *client, struct seat *seat)
{
	int64_t end = clock_now() + o->length_ns, r;
	do {
		if (!(o->op->flags & OP_WAITS))
			sleep_until(clock_now() + PARKED_PAUSE_NS);
		r = time_one(o->op, client, &seat->histogram);
	} while (r == 0 && clock_now() < end);
	return r;
}

/*
 * Latency counts from when the operation was due, so that a late one does not hide how late its followers are, nor a
 * client that got no CPU when the slice began, what it then should have done. The clients' turns are spread evenly.
 */
static int64_t time_rated(const struct order *o, unsigned me, void *client, int64_t start_ns, struct seat *seat)
{
	double gap = 1e9 * o->clients * (o->op->each ? o->op->each : 1) / o->rate;
	double due = (double)start_ns + gap * me / o->clients;
	int64_t end = start_ns + o->length_ns, r = 0;
	for (; r >= 0 && due < (double)end; due += gap) {
		spin_until((int64_t)due);
		r = o->op->run(client);
		int64_t late = clock_now() - (int64_t)due;
		if (r >= 0)
			histogram_add(&seat->histogram, (uint64_t)late);
	}
	return r < 0 ? r : 0;
}

/* The other program times one after the other; how long it takes to tell the times is not of them. */
static int64_t run_loop(const struct order *o, void *client, struct seat *seat)
{
	int64_t r = o->op->loop(client, o->length_ns, &seat->histogram);
	seat->until_ns = (int64_t)seat->histogram.sum;
	seat->n = seat->histogram.n;
	return r;
}

static int64_t run_halves(const struct order *o, void *client, int64_t start_ns, struct seat *seat)
{
	int64_t r = time_busy(o, client, start_ns, seat);
	if (r == 0 && o->op->finish)
		r = o->op->finish(client);
	pool_meet(); /* nothing of the first half is left, of anyone, when the second begins */
	return r ? r : measure_cost(o, client, seat);
}

int slice_run(const struct order *o, unsigned me, void *client, int64_t start_ns, struct seat *seat)
{
	int64_t r;
	spin_until(start_ns);
	if (o->op->loop)
		r = run_loop(o, client, seat);
	else if (o->pace == PACE_RATE)
		r = time_rated(o, me, client, start_ns, seat);
	else
		r = o->pace == PACE_PARKED ? time_parked(o, client, seat) : run_halves(o, client, start_ns, seat);
	if (r == 0 && o->op->finish)
		r = o->op->finish(client);
	seat->status = (int)r;
	return seat->status;
}
