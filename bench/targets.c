/*
 * targets.c: see targets.h. A target is a row: how its figure is formed, and its limit. A row whose figure this run has
 * not measured is left out.
 */
#include "bench/targets.h"

#include <math.h>
#include <string.h>

#include "bench/footprint.h"

enum pin { FREE, PIN };

/* ---- figures: what is over what ---- */

static struct spread none(void)
{
	return (struct spread){ 0 };
}

static struct spread exactly(double x)
{
	return (struct spread){ .n = 1, .median = x, .low = x, .high = x };
}

static struct spread over(const struct run *run, const struct cell *a, const struct cell *b)
{
	return a && b ? run_ratio(run, a->cost_ns, b->cost_ns) : none();
}

static const struct cell *stoa_cell(const struct run *run, const char *op, unsigned clients, enum pin pin, enum pace pace)
{
	return run_find(run, "stoa", op, clients, pin == PIN, pace);
}

static const struct cell *floor_at(const struct run *run, const char *op, enum pin pin, enum pace pace)
{
	return run_find(run, "floor", op, 1, pin == PIN, pace);
}

/* How many times cheaper stoa's operation is than a peer's. */
static struct spread ahead(const struct run *run, const char *peer, const char *its, const char *ours, unsigned clients,
			   enum pin pin, enum pace pace)
{
	return over(run, run_find(run, peer, its, clients, pin == PIN, pace), stoa_cell(run, ours, clients, pin, pace));
}

/* The worst of all numbers of clients from least on. */
static struct spread ahead_at_all(const struct run *run, const char *peer, const char *its, const char *ours,
				  unsigned least)
{
	struct spread worst = none();
	for (unsigned clients = least; clients <= BENCH_CLIENTS_MAX; clients++) {
		struct spread s = ahead(run, peer, its, ours, clients, FREE, PACE_BUSY);
		if (s.n && (!worst.n || s.median < worst.median))
			worst = s;
	}
	return worst;
}

static struct spread over_probe(const struct run *run, const struct cell *c)
{
	return c ? run_ratio(run, c->cost_ns, c->probe_ns) : none();
}

/* ---- the rows ---- */

static struct spread read_idle(const struct run *run)
{
	return over(run, stoa_cell(run, "get", 1, PIN, PACE_BUSY), floor_at(run, "seqlock read, 64 B", PIN, PACE_BUSY));
}

/* By the 99th percentile: who waits for a commit takes ten times longer. */
static struct spread read_beside_writer(const struct run *run)
{
	const struct cell *beside = stoa_cell(run, "get, other written", 1, PIN, PACE_BUSY);
	return beside ? exactly((double)histogram_at(&beside->histogram, 0.99)) : none();
}

static struct spread cast_alone(const struct run *run)
{
	return over_probe(run, stoa_cell(run, "cast", 1, PIN, PACE_BUSY));
}

/* The worst of all numbers of clients. */
static struct spread cast_by_more(const struct run *run)
{
	const struct cell *alone = stoa_cell(run, "cast", 1, FREE, PACE_BUSY);
	struct spread worst = none();
	for (unsigned clients = 2; clients <= BENCH_CLIENTS_MAX; clients++) {
		struct spread s = over(run, stoa_cell(run, "cast", clients, FREE, PACE_BUSY), alone);
		if (s.n && s.median > worst.median)
			worst = s;
	}
	return worst;
}

static struct spread call_spinning(const struct run *run)
{
	return over_probe(run, stoa_cell(run, "call", 1, PIN, PACE_BUSY));
}

static struct spread call_parked(const struct run *run)
{
	return over(run, stoa_cell(run, "call", 1, FREE, PACE_PARKED),
		    floor_at(run, "futex ping-pong", FREE, PACE_PARKED));
}

static struct spread call_parked_apart(const struct run *run)
{
	return over(run, stoa_cell(run, "call", 1, PIN, PACE_PARKED),
		    floor_at(run, "futex ping-pong", PIN, PACE_PARKED));
}

static struct spread call_by_16(const struct run *run)
{
	return over(run, stoa_cell(run, "call", 16, FREE, PACE_BUSY), stoa_cell(run, "call", 2, FREE, PACE_BUSY));
}

static struct spread call_by_16_late(const struct run *run)
{
	const struct cell *c = stoa_cell(run, "call", 16, FREE, PACE_BUSY);
	return c ? exactly((double)histogram_at(&c->histogram, 0.99) / 1e6) : none();
}

static struct spread redis_call(const struct run *run)
{
	return ahead(run, "redis", "INCR", "call", 1, FREE, PACE_BUSY);
}

static struct spread redis_call_apart(const struct run *run)
{
	return ahead(run, "redis", "INCR", "call", 1, PIN, PACE_BUSY);
}

static struct spread redis_call_parked(const struct run *run)
{
	return ahead(run, "redis", "INCR", "call", 1, FREE, PACE_PARKED);
}

static struct spread redis_call_parked_apart(const struct run *run)
{
	return ahead(run, "redis", "INCR", "call", 1, PIN, PACE_PARKED);
}

static struct spread redis_read(const struct run *run)
{
	return ahead(run, "redis", "GET", "get", 1, FREE, PACE_BUSY);
}

static struct spread redis_read_apart(const struct run *run)
{
	return ahead(run, "redis", "GET", "get", 1, PIN, PACE_BUSY);
}

static struct spread redis_cast(const struct run *run)
{
	return ahead(run, "redis", "INCR, 64 pipelined", "cast", 1, FREE, PACE_BUSY);
}

static struct spread redis_cast_apart(const struct run *run)
{
	return ahead(run, "redis", "INCR, 64 pipelined", "cast", 1, PIN, PACE_BUSY);
}

static struct spread lmdb_call(const struct run *run)
{
	return ahead(run, "lmdb", "transaction, value", "call", 4, FREE, PACE_BUSY);
}

static struct spread lmdb_read(const struct run *run)
{
	return ahead(run, "lmdb", "get", "get", 1, FREE, PACE_BUSY);
}

static struct spread lmdb_read_pinned(const struct run *run)
{
	return ahead(run, "lmdb", "get", "get", 1, PIN, PACE_BUSY);
}

static struct spread iceoryx_call(const struct run *run)
{
	return ahead(run, "iceoryx", "request, polling", "call", 1, PIN, PACE_BUSY);
}

static struct spread robust_read(const struct run *run)
{
	return ahead_at_all(run, "robust", "read", "get", 1);
}

static struct spread robust_cast_late(const struct run *run)
{
	const struct cell *its = run_find(run, "robust", "update", 4, false, PACE_BUSY);
	const struct cell *ours = stoa_cell(run, "cast", 4, FREE, PACE_BUSY);
	return its && ours ? exactly((double)histogram_at(&its->histogram, 0.999) /
				     (double)histogram_at(&ours->histogram, 0.999))
			   : none();
}

static struct spread robust_counter(const struct run *run)
{
	return ahead_at_all(run, "robust", "update", "cast, counter", 2);
}

static struct spread commit_by_call(const struct run *run)
{
	return over(run, stoa_cell(run, "call, 8 of 1 MiB", 1, PIN, PACE_BUSY),
		    stoa_cell(run, "call, 8 of 4 KiB", 1, PIN, PACE_BUSY));
}

static struct spread commit_by_cast(const struct run *run)
{
	return over(run, stoa_cell(run, "cast, 8 of 1 MiB", 1, PIN, PACE_BUSY),
		    stoa_cell(run, "cast, 8 of 4 KiB", 1, PIN, PACE_BUSY));
}

static struct spread of_footprint(double x)
{
	return footprint.is_there ? exactly(x) : none();
}

static struct spread idle_wakeups(const struct run *run)
{
	(void)run;
	return of_footprint(footprint.wakeups);
}

static struct spread idle_cpu(const struct run *run)
{
	(void)run;
	return of_footprint(footprint.idle_cpu * 100);
}

static struct spread load_syscalls(const struct run *run)
{
	(void)run;
	return footprint.syscalls < 0 ? none() : of_footprint(footprint.syscalls);
}

static struct spread memory_idle(const struct run *run)
{
	(void)run;
	return of_footprint(footprint.resident / (1 << 20));
}

static struct spread memory_thread(const struct run *run)
{
	(void)run;
	return of_footprint(footprint.thread / 1024);
}

static const struct target {
	const char *what, *unit;
	struct spread (*figure)(const struct run *run);
	double limit;
	bool at_least;
} targets[] = {
	{ "R: get, pinned, over a 64-byte seqlock read", "x", read_idle, 2, false },
	{ "R: get while another attribute is written, pinned: p99", "ns", read_beside_writer, 1000, false },
	{ "W: cast by one, pinned, over a ping-pong (8 M/s at 125 ns)", "x", cast_alone, 1, false },
	{ "W: cast by two or more, over cast by one, in total, the worst", "x", cast_by_more, 1, false },
	{ "C: call, both spinning, pinned, over a ping-pong", "x", call_spinning, 2, false },
	{ "C: call, parked, over a futex ping-pong", "x", call_parked, 1.3, false },
	{ "C: call, parked, pinned apart, over a futex ping-pong", "x", call_parked_apart, 1.3, false },
	{ "C: call by 16, over call by 2, in total", "x", call_by_16, 1, false },
	{ "C: call by 16: p99", "ms", call_by_16_late, 1, false },
	{ "idle: wake-ups of the coordinator", "/s", idle_wakeups, 15, false },
	{ "idle: CPU of coordinator and guardian", "%", idle_cpu, 0.1, false },
	{ "load: system calls of the coordinator for a cast, none folded", "", load_syscalls, 0.01, false },
	{ "Redis: its INCR over our call, busy, pinned apart", "x", redis_call_apart, 50, true },
	{ "Redis: its INCR over our call, busy, unpinned (one CPU)", "x", redis_call, 50, true },
	{ "Redis: its INCR over our call, parked, pinned apart", "x", redis_call_parked_apart, 1, true },
	{ "Redis: its INCR over our call, parked, unpinned", "x", redis_call_parked, 1, true },
	{ "Redis: its GET over our get, pinned apart", "x", redis_read_apart, 5000, true },
	{ "Redis: its GET over our get, unpinned (one CPU)", "x", redis_read, 5000, true },
	{ "Redis: its pipelined INCR over our cast, pinned apart", "x", redis_cast_apart, 5, true },
	{ "Redis: its pipelined INCR over our cast, unpinned (one CPU)", "x", redis_cast, 5, true },
	{ "LMDB: its transaction over our call, 4 clients, unpinned, in total", "x", lmdb_call, 1, true },
	{ "LMDB: its get over our get, 1 client, pinned", "x", lmdb_read_pinned, 5, true },
	{ "LMDB: its get over our get, 1 client, unpinned", "x", lmdb_read, 5, true },
	{ "iceoryx: its polled request over our call, 1 client, pinned apart", "x", iceoryx_call, 4, true },
	{ "robust mutex: its read over our get, unpinned, the worst of all", "x", robust_read, 1, true },
	{ "robust mutex: its update over our cast, 4 clients, unpinned: p99.9", "x", robust_cast_late, 1, true },
	{ "robust mutex: its update over our counter, worst from 2 clients on", "x", robust_counter, 1, true },
	{ "commit: a call that changes 8 of 1 MiB, over 8 of 4 KiB", "x", commit_by_call, 2, false },
	{ "commit: a cast that changes 8 of 1 MiB, over 8 of 4 KiB", "x", commit_by_cast, 2, false },
	{ "memory: an idle coordinator", "MiB", memory_idle, 2, false },
	{ "memory: an attached thread", "KiB", memory_thread, 100, false },
};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static bool is_met(const struct target *t, struct spread s)
{
	return t->at_least ? s.median >= t->limit : s.median <= t->limit;
}

static void print_row(const struct target *t, struct spread s)
{
	char figure[64], limit[32];
	double x = fabs(s.median);
	int digits = x < 0.095 ? 4 : x < 9.95 ? 2 : x < 99.5 ? 1 : 0;
	snprintf(figure, sizeof(figure), "%.*f %s", digits, s.median, t->unit);
	snprintf(limit, sizeof(limit), "%s %g %s", t->at_least ? "at least" : "at most", t->limit, t->unit);
	printf("%-8s %-67s %-12s %s\n", is_met(t, s) ? "met" : "NOT MET", t->what, figure, limit);
}

void targets_print(const struct run *run)
{
	unsigned measured = 0, met = 0;
	printf("\nTargets\n"
	       "(one CPU): where the scheduler mostly has a server and a client that wait for each other in turn: a round\n"
	       "trip then wakes no other CPU. Pinned apart, it does, if they sleep. Our cast is of a general method, not folded.\n");
	for (size_t i = 0; i < TARGETS; i++) {
		struct spread s = targets[i].figure(run);
		if (s.n == 0)
			continue;
		print_row(&targets[i], s);
		measured++;
		met += is_met(&targets[i], s);
	}
	printf("%u of %u that this run measured are met; not measured: %zu\n", met, measured, TARGETS - measured);
}

void targets_write_json(const struct run *run, FILE *to)
{
	const char *comma = "";
	fputc('[', to);
	for (size_t i = 0; i < TARGETS; i++) {
		const struct target *t = &targets[i];
		struct spread s = t->figure(run);
		if (s.n == 0)
			continue;
		fprintf(to, "%s{\"what\":\"%s\",\"unit\":\"%s\",\"%s\":%g,\"figure\":%g,\"low\":%g,\"high\":%g,\"met\":%s}",
			comma, t->what, t->unit, t->at_least ? "at_least" : "at_most", t->limit, s.median, s.low, s.high,
			is_met(t, s) ? "true" : "false");
		comma = ",";
	}
	fputc(']', to);
}
