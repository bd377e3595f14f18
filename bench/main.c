/*
 * main.c: stoa-bench: reads the options, runs the rounds, prints what they say. Exit status: 0, 1 for a failure, 2 for
 * a wrong option, 130 when interrupted, after the table of the rounds that were complete.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cpu.h"
#include "bench/footprint.h"
#include "bench/json.h"
#include "bench/options.h"
#include "bench/plot.h"
#include "bench/run.h"
#include "bench/scaling.h"
#include "bench/servers.h"
#include "bench/table.h"
#include "bench/targets.h"
#include "bench/ticks.h"

static int complain(void)
{
	fprintf(stderr, "stoa-bench: %s\n", trouble_text());
	return 1;
}

/* Whatever cannot be written, the rest is. */
static int output(const struct run *run)
{
	int r = 0;
	if (options.table) {
		table_print(run);
		footprint_print();
		targets_print(run);
		if (fflush(stdout) != 0 || ferror(stdout))
			r = trouble(-EIO, "the table could not be written: %s", strerror(errno));
	}
	if (options.json && json_write(run, options.json_path) < 0)
		r = -EIO;
	if (options.plot_path && plot_write(run, options.plot_path) < 0)
		r = -EIO;
	return r;
}

/* Absent peers are none: they are left out. */
static int check_cells(const struct run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		const struct cell *c = &run->cells[i];
		if (c->failed[0])
			return trouble(-EIO, "%s, %s: %s", c->order.peer->name, c->order.op->name, c->failed);
	}
	return 0;
}

static int measure(void)
{
	struct run run = { 0 };
	int r = run_begin(&run);
	r = r ? r : run_rounds(&run);
	int status = r == -EINTR ? 130 : r < 0 ? complain() : 0;
	if (r == -EINTR && !run.rounds)
		fprintf(stderr, "stoa-bench: interrupted before the first round was complete\n");
	if (r == 0)
		footprint_measure(options.quick);
	if (run.rounds && (output(&run) < 0 || (status == 0 && check_cells(&run) < 0)))
		status = complain();
	run_end(&run);
	return status;
}

static int scale(void)
{
	int r = scaling_run();
	return r == -EINTR ? 130 : r < 0 ? complain() : 0;
}

int main(int argc, char **argv)
{
	enum options_then then = options_read(argc, argv);
	if (then != OPTIONS_RUN)
		return then == OPTIONS_DONE ? 0 : 2;
	cpu_begin();
	ticks_begin();
	pool_catch_signals();
	int status = servers_begin() < 0 ? complain() : options.scaling ? scale() : measure();
	servers_end();
	return status;
}
