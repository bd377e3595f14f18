/*
 * table.c: see table.h.
 */
#include "bench/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/cpu.h"
#include "bench/options.h"
#include "bench/ticks.h"

const char *table_ns(double ns)
{
	static char texts[16][24];
	static unsigned turn;
	static const char *const units[] = { "ns", "us", "ms", "s" };
	char *text = texts[turn++ % 16];
	unsigned u = 0;
	for (; u < 3 && ns >= 999.5; u++)
		ns /= 1000;
	snprintf(text, sizeof(texts[0]), "%.*f %s", ns < 9.95 ? 2 : ns < 99.5 ? 1 : 0, ns, units[u]);
	return text;
}

static const char *digits(double x)
{
	static char texts[8][24];
	static unsigned turn;
	char *text = texts[turn++ % 8];
	snprintf(text, sizeof(texts[0]), "%.*f", x < 9.95 ? 2 : x < 99.5 ? 1 : 0, x);
	return text;
}

static const char *ratio(struct spread s)
{
	static char texts[4][64];
	static unsigned turn;
	char *text = texts[turn++ % 4];
	if (s.n == 0)
		return "";
	snprintf(text, sizeof(texts[0]), "%s (%s-%s)", digits(s.median), digits(s.low), digits(s.high));
	return text;
}

/* ---- what comes before ---- */

void table_print_probe(const struct run *run)
{
	unsigned slow = 0;
	printf("Cache line ping-pong, by round:");
	for (unsigned i = 0; i < run->rounds; i++) {
		printf(" %.0f", run->probe_ns[i]);
		slow += run->probe_ns[i] > SLOW_KIND_NS;
	}
	printf(" ns: %u of the fast kind, %u of the slow one (above %d ns)\n", run->rounds - slow, slow, SLOW_KIND_NS);
}

static void print_head(const struct run *run)
{
	char cpu[128];
	printf("stoa-bench " PACKAGE_VERSION ": %u CPUs, %s; %u rounds, slices of %g ms", cpu_count(),
	       cpu_name(cpu, sizeof(cpu)), run->rounds, (double)options.slice_ns / 1e6);
	if (options.rate)
		printf(", %g operations a second of all clients", options.rate);
	putchar('\n');
	table_print_probe(run);
	printf("mean: time over operations of all clients (parked, rate: the median), in the median round. cost: the same, but\n"
	       "for one client that waits for each operation: the median of an operation, which others' processes do not touch.\n"
	       "p50 to max: of single calls, in all rounds, nothing trimmed; a reading of the clock, %.0f ns, is in each.\n"
	       "Ratios are formed in each round: median (and quartiles). x stoa: above 1, stoa costs less.\n"
	       "parked: a pause of 1 ms before each call. pin: servers on one CPU, a client on another.\n",
	       ticks.reading_ns);
}

/* ---- a row ---- */

static const char *mode(const struct order *o)
{
	static char text[24];
	snprintf(text, sizeof(text), "%s%s", o->pace == PACE_BUSY ? "" : pace_names[o->pace],
		 !o->pinned ? "" : o->pace == PACE_BUSY ? "pin" : ", pin");
	return text;
}

static void print_row(const struct run *run, const struct cell *c)
{
	const struct histogram *h = &c->histogram;
	const char *floor_name = "";
	const double *floor_ns = run_floor(run, c, &floor_name);
	const struct cell *stoa = run_stoa(run, c);
	printf("%-10s %-21s %4u %-11s ", c->order.peer->name, c->order.op->name, c->order.clients, mode(&c->order));
	if (c->failed[0]) {
		printf("failed: %s\n", c->failed);
		return;
	}
	printf("%8s %8s %8s %8s %8s %8s  ", table_ns(run_spread(c->cost_ns, run->rounds).median),
	       table_ns(run_spread(c->mean_ns, run->rounds).median), table_ns((double)histogram_at(h, 0.5)),
	       table_ns((double)histogram_at(h, 0.99)), table_ns((double)histogram_at(h, 0.999)), table_ns((double)h->most));
	printf("%-18s %s\n", floor_ns ? ratio(run_ratio(run, c->cost_ns, floor_ns)) : "",
	       stoa && stoa != c ? ratio(run_ratio(run, c->cost_ns, stoa->cost_ns)) : "");
}

static bool belongs(const struct cell *c, enum kind kind, enum pace pace, bool pinned, unsigned clients)
{
	const struct order *o = &c->order;
	return o->op->kind == kind && o->pace == pace && o->pinned == pinned && o->clients == clients;
}

/* ---- the whole ---- */

static const char *const titles[KIND_COUNT] = {
	"Floors",	     "W: update, and go on",
	"R: read one attribute", "S: read the whole object",
	"C: update, with the new value", "RW: update, and read it back",
	"N: hear of a change",
};

static void print_kind_head(const struct run *run, enum kind kind)
{
	const char *floor_name = "";
	for (size_t i = 0; i < run->n; i++)
		if (run->cells[i].order.op->kind == kind && run->cells[i].order.pace != PACE_PARKED)
			run_floor(run, &run->cells[i], &floor_name);
	printf("\n%s%s%s\n", titles[kind], *floor_name ? ". x floor: over a " : "", floor_name);
	if (kind == KIND_C)
		printf("(parked: over a futex ping-pong with the same pauses)\n");
	printf("%-10s %-21s %4s %-11s %8s %8s %8s %8s %8s %8s  %-18s %s\n", "", "", "proc", "", "cost", "mean", "p50", "p99",
	       "p99.9", "max", kind ? "x floor" : "", kind ? "x stoa" : "");
}

static void print_rows(const struct run *run, enum kind kind)
{
	for (enum pace pace = 0; pace < PACE_COUNT; pace++)
		for (int pinned = 0; pinned <= 1; pinned++)
			for (unsigned clients = 1; clients <= BENCH_CLIENTS_MAX; clients++)
				for (size_t i = 0; i < run->n; i++)
					if (belongs(&run->cells[i], kind, pace, pinned, clients))
						print_row(run, &run->cells[i]);
}

static bool has_kind(const struct run *run, enum kind kind)
{
	for (size_t i = 0; i < run->n; i++)
		if (run->cells[i].order.op->kind == kind)
			return true;
	return false;
}

void table_print(const struct run *run)
{
	print_head(run);
	for (enum kind kind = 0; kind < KIND_COUNT; kind++)
		if (has_kind(run, kind)) {
			print_kind_head(run, kind);
			print_rows(run, kind);
		}
	for (size_t i = 0; i < run->n_absent; i++)
		if (run->absent[i].why[0])
			printf("\nnot here: %s: %s", run->absent[i].peer->name, run->absent[i].why);
	putchar('\n');
}
