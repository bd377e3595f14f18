/*
 * scaling.c: see scaling.h. One client, pinned to a CPU of its own; rounds and ratios as in run.h.
 */
#include "bench/scaling.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/options.h"
#include "bench/run.h"
#include "bench/scaled.h"
#include "bench/table.h"

struct scaling {
	double *cost_ns[WORLDS_MOST][SCALED_OPS]; /* of each round */
	char failed[160];			  /* the last that failed */
	struct run rounds;			  /* their number, for run_ratio(), and their ping-pongs */
};

static int run_one(struct scaling *s, unsigned world, unsigned op, unsigned round)
{
	static struct report report;
	struct order o = { .peer = &worlds[world].peer,
			   .op = &scaled_ops[op],
			   .clients = 1,
			   .pinned = true,
			   .length_ns = options.slice_ns };
	int r = pool_run(&o, &report);
	if (r == -EINTR || pool_interrupted())
		return -EINTR;
	s->cost_ns[world][op][round] = r < 0 ? NAN : report.cost_ns;
	if (r < 0)
		snprintf(s->failed, sizeof(s->failed), "%s %u: %s", worlds[world].dimension, worlds[world].n,
			 trouble_text());
	return 0;
}

static int run_all(struct scaling *s)
{
	int r = 0;
	for (unsigned round = 0; round < options.rounds && r == 0; round++) {
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\rround %u of %u \033[K", round + 1, options.rounds);
		r = run_probe(&s->rounds.probe_ns[round]);
		for (unsigned op = 0; op < SCALED_OPS; op++)
			for (unsigned world = 0; world < n_worlds && r == 0; world++)
				r = run_one(s, world, op, round);
		s->rounds.rounds += r == 0;
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	return r;
}

/* ---- the output ---- */

static unsigned first_of(unsigned world)
{
	while (world && worlds[world - 1].dimension == worlds[world].dimension)
		world--;
	return world;
}

static struct spread ratio_of(const struct scaling *s, unsigned world, unsigned op)
{
	return run_ratio(&s->rounds, s->cost_ns[world][op], s->cost_ns[first_of(world)][op]);
}

static void print_cell(const struct scaling *s, unsigned world, unsigned op)
{
	struct spread cost = run_spread(s->cost_ns[world][op], s->rounds.rounds), ratio = ratio_of(s, world, op);
	char text[64] = "";
	if (first_of(world) != world && ratio.n)
		snprintf(text, sizeof(text), "%.2f (%.2f-%.2f)", ratio.median, ratio.low, ratio.high);
	printf("  %8s %-18s", cost.n ? table_ns(cost.median) : "failed", text);
}

static void print_table(const struct scaling *s)
{
	printf("What one object costs beside others, by one client, pinned: %u rounds, slices of %g ms.\n"
	       "Behind each: over the first of its kind, by round: median (and quartiles). Of many objects and attributes\n"
	       "the last is used; of namespaces, all in turn; bytes are those of the object, 8 of which change; keys are\n"
	       "those of a dict: 64 of them, all over it, are added to, and how many there are is read; of clients\n"
	       "one works. The coordinators of namespaces share a CPU, and each call waits for one that has slept.\n",
	       s->rounds.rounds, (double)options.slice_ns / 1e6);
	table_print_probe(&s->rounds);
	putchar('\n');
	printf("%-11s %8s  %-27s  %-27s  %-27s\n", "", "", "R: get", "W: cast", "C: call");
	for (unsigned world = 0; world < n_worlds; world++) {
		if (world && first_of(world) == world)
			putchar('\n');
		printf("%-11s %8u", first_of(world) == world ? worlds[world].dimension : "", worlds[world].n);
		for (unsigned op = 0; op < SCALED_OPS; op++)
			print_cell(s, world, op);
		putchar('\n');
	}
	if (s->failed[0])
		printf("\nfailed: %s\n", s->failed);
}

static void write_rounds(FILE *to, const char *name, const double *values, unsigned n)
{
	fprintf(to, ",\"%s\":[", name);
	for (unsigned i = 0; i < n; i++)
		fprintf(to, isfinite(values[i]) ? "%s%.6g" : "%snull", i ? "," : "", values[i]);
	fputc(']', to);
}

static int write_json(const struct scaling *s)
{
	FILE *to = options.json_path ? fopen(options.json_path, "we") : stdout;
	if (!to)
		return trouble(-errno, "%s: %s", options.json_path, strerror(errno));
	fprintf(to, "{\"stoa_bench\":\"%s\",\"rounds\":%u", PACKAGE_VERSION, s->rounds.rounds);
	write_rounds(to, "ping_pong", s->rounds.probe_ns, s->rounds.rounds);
	fputs(",\"scaling\":[", to);
	for (unsigned world = 0; world < n_worlds; world++) {
		fprintf(to, "%s\n{\"dimension\":\"%s\",\"n\":%u", world ? "," : "", worlds[world].dimension, worlds[world].n);
		for (unsigned op = 0; op < SCALED_OPS; op++)
			write_rounds(to, scaled_ops[op].name, s->cost_ns[world][op], s->rounds.rounds);
		fputc('}', to);
	}
	fputs("]}\n", to);
	bool good = !ferror(to);
	if (options.json_path && fclose(to) != 0)
		good = false;
	return good ? 0 : trouble(-EIO, "JSON could not be written");
}

static int begin(struct scaling *s)
{
	for (unsigned world = 0; world < WORLDS_MOST; world++)
		for (unsigned op = 0; op < SCALED_OPS; op++) {
			s->cost_ns[world][op] = calloc(options.rounds, sizeof(double));
			if (!s->cost_ns[world][op])
				return trouble(-ENOMEM, "no memory");
		}
	s->rounds.probe_ns = calloc(options.rounds, sizeof(double));
	int r = s->rounds.probe_ns ? scaled_begin(options.quick) : trouble(-ENOMEM, "no memory");
	r = r ? r : peers[0]->start(); /* the floors */
	return r ? r : pool_begin(1);
}

static void end(struct scaling *s)
{
	pool_end();
	scaled_end();
	free(s->rounds.probe_ns);
	for (unsigned world = 0; world < WORLDS_MOST; world++)
		for (unsigned op = 0; op < SCALED_OPS; op++)
			free(s->cost_ns[world][op]);
}

int scaling_run(void)
{
	static struct scaling s;
	int r = begin(&s);
	r = r ? r : run_all(&s);
	if (s.rounds.rounds && options.table)
		print_table(&s);
	if (s.rounds.rounds && options.json && write_json(&s) < 0)
		r = -EIO;
	end(&s);
	return r;
}
