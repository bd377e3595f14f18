/*
 * run.c: see run.h. Cells that pin come after those that do not, as servers are pinned in between.
 */
#include "bench/run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/cpu.h"
#include "bench/options.h"
#include "bench/servers.h"
#include "src/clock.h"

#define PROBE_NS 4000000
#define PROBES 3
#define PROBE_MOST_NS 10000 /* no line takes so long: somebody else had one of the CPUs */
#define PROBE_EVERY 8 /* cells: the machine changes its mind within minutes, a round may take ten seconds */

/* ---- the plan ---- */

static bool is_floor(const struct peer *p)
{
	return strcmp(p->name, "floor") == 0;
}

static bool is_stoa(const struct peer *p)
{
	return strcmp(p->name, "stoa") == 0;
}

static bool is_wanted(const struct peer *p, const struct op *op)
{
	return is_floor(p) || options_want(options.kinds, kind_names[op->kind]);
}

static int add_cell(struct run *run, const struct order *order)
{
	struct cell *cells = realloc(run->cells, (run->n + 1) * sizeof(*cells));
	if (!cells)
		return trouble(-ENOMEM, "no memory");
	run->cells = cells;
	struct cell *c = &cells[run->n];
	*c = (struct cell){ .order = *order };
	c->cost_ns = calloc(options.rounds, sizeof(double));
	c->mean_ns = calloc(options.rounds, sizeof(double));
	c->probe_ns = calloc(options.rounds, sizeof(double));
	if (!c->cost_ns || !c->mean_ns || !c->probe_ns)
		return trouble(-ENOMEM, "no memory");
	run->n++;
	return 0;
}

static bool does_pin(const struct op *op, unsigned clients, bool pinned)
{
	if (op->flags & OP_PINNED)
		return pinned;
	if (options.pinning == PINNING_BOTH)
		return true;
	if (options.pinning == PINNING_MIXED)
		return !pinned || clients == 1;
	return pinned == (options.pinning == PINNING_ALL);
}

/* Clients beyond the CPUs take turns of some milliseconds each. */
static int64_t length_of(unsigned clients)
{
	unsigned cpus = cpu_count();
	return options.slice_ns * ((clients + cpus - 1) / cpus);
}

static bool does_pace(const struct op *op, unsigned clients, enum pace pace)
{
	bool may_park = (op->flags & OP_PARKS) && (clients == 1 || options.all_parked);
	if (pace == PACE_PARKED)
		return (op->flags & OP_WAITS) || (may_park && !options.rate);
	if (op->flags & OP_WAITS)
		return false;
	return (pace == PACE_RATE) == (options.rate && !op->loop && op->kind != KIND_FLOOR);
}

static int plan_op(struct run *run, const struct peer *peer, const struct op *op, unsigned clients, bool pinned)
{
	int r = 0;
	if (!does_pin(op, clients, pinned) || (op->most && clients > op->most) || !is_wanted(peer, op))
		return 0;
	for (enum pace pace = 0; pace < PACE_COUNT && r == 0; pace++)
		if (does_pace(op, clients, pace))
			r = add_cell(run, &(struct order){ .peer = peer,
							   .op = op,
							   .clients = clients,
							   .pinned = pinned,
							   .pace = pace,
							   .rate = options.rate,
							   .length_ns = length_of(clients) });
	return r;
}

static bool is_absent(const struct run *run, const struct peer *peer)
{
	for (size_t i = 0; i < run->n_absent; i++)
		if (run->absent[i].peer == peer)
			return true;
	return false;
}

/* An operation of one client is measured whatever the list of clients is. */
static int plan_peer(struct run *run, const struct peer *peer, bool pinned)
{
	int r = 0;
	for (size_t k = 0; k < peer->n_ops && r == 0; k++) {
		const struct op *op = &peer->ops[k];
		if (op->most == 1)
			r = plan_op(run, peer, op, 1, pinned);
		for (unsigned i = 0; i < options.n_clients && op->most != 1 && r == 0; i++)
			r = plan_op(run, peer, op, options.clients[i], pinned);
	}
	return r;
}

static int plan(struct run *run)
{
	int r = 0;
	for (int pinned = 0; pinned <= 1; pinned++)
		for (size_t i = 0; peers[i] && r == 0; i++)
			if (!is_absent(run, peers[i]))
				r = plan_peer(run, peers[i], pinned);
	return r;
}

/* ---- peers ---- */

static bool is_chosen(const struct peer *p)
{
	return is_floor(p) || is_stoa(p) || options_want(options.peers, p->name);
}

/* stoa and the floors must start; without another we go on. */
static int start_peer(struct run *run, const struct peer *p)
{
	int r = p->start ? p->start() : 0;
	if (pool_interrupted())
		return -EINTR;
	if (r == 0 || is_floor(p) || is_stoa(p))
		return r;
	run->absent[run->n_absent].peer = p;
	snprintf(run->absent[run->n_absent++].why, sizeof(run->absent[0].why), "%s", trouble_text());
	return 0;
}

/* stoa comes first: it wants to be started before there is much to inherit. */
static int start_peers(struct run *run)
{
	int r = 0;
	for (int turn = 0; turn < 2; turn++)
		for (size_t i = 0; peers[i] && r == 0; i++)
			if (is_stoa(peers[i]) == (turn == 0)) {
				if (is_chosen(peers[i]))
					r = start_peer(run, peers[i]);
				else
					run->absent[run->n_absent++].peer = peers[i];
			}
	return r;
}

static unsigned most_clients(void)
{
	unsigned most = 1;
	for (unsigned i = 0; i < options.n_clients; i++)
		most = options.clients[i] > most ? options.clients[i] : most;
	return most;
}

int run_begin(struct run *run)
{
	run->probe_ns = calloc(options.rounds, sizeof(double));
	int r = run->probe_ns ? start_peers(run) : trouble(-ENOMEM, "no memory");
	r = r ? r : plan(run);
	return r ? r : pool_begin(most_clients());
}

void run_end(struct run *run)
{
	pool_end();
	for (size_t i = 0; peers[i]; i++)
		if (peers[i]->stop && !is_absent(run, peers[i]))
			peers[i]->stop();
	for (size_t i = 0; i < run->n; i++) {
		free(run->cells[i].cost_ns);
		free(run->cells[i].mean_ns);
		free(run->cells[i].probe_ns);
	}
	free(run->cells);
	free(run->probe_ns);
}

/* ---- the rounds ---- */

/* Tried again where the machine has not let one of the two run: what was measured in minutes is not to end for that. */
int run_probe(double *ret_ns)
{
	struct report report;
	const struct peer *floors = peers[0];
	struct order o = {
		.peer = floors, .op = &floors->ops[0], .clients = 1, .pinned = true, .length_ns = PROBE_NS
	};
	int r = -EAGAIN;
	for (unsigned tries = 0; tries < PROBES && r != -EINTR && (r < 0 || report.cost_ns > PROBE_MOST_NS); tries++)
		r = pool_run(&o, &report);
	if (r == 0)
		*ret_ns = report.cost_ns;
	return r;
}

/* A cell that failed is not measured again: it may take half a minute to fail. */
static int run_cell(struct cell *c, unsigned round, double probe_ns)
{
	static struct report report;
	c->cost_ns[round] = c->mean_ns[round] = NAN;
	c->probe_ns[round] = probe_ns;
	if (c->failed[0])
		return 0;
	int r = pool_run(&c->order, &report);
	if (r == -EINTR || pool_interrupted())
		return -EINTR;
	if (r < 0) {
		snprintf(c->failed, sizeof(c->failed), "%s", trouble_text());
		return 0;
	}
	c->cost_ns[round] = report.cost_ns;
	c->mean_ns[round] = report.mean_ns;
	histogram_merge(&c->histogram, &report.histogram);
	return 0;
}

static void tell_progress(const struct run *run, unsigned round, size_t cell, int64_t from_ns)
{
	double done = (double)(round * run->n + cell) / (double)(options.rounds * run->n);
	double left_s = done > 0 ? (double)(clock_now() - from_ns) / 1e9 * (1 - done) / done : 0;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rround %u of %u, %zu of %zu, %.0f s left \033[K", round + 1, options.rounds, cell,
			run->n, left_s);
}

static int run_round(struct run *run, unsigned round, int64_t from_ns)
{
	double now_ns = 0;
	int r = 0;
	for (size_t i = 0; i < run->n && r == 0; i++) {
		if (i % PROBE_EVERY == 0)
			r = run_probe(&now_ns);
		if (i == 0)
			run->probe_ns[round] = now_ns;
		tell_progress(run, round, i, from_ns);
		r = r ? r : run_cell(&run->cells[i], round, now_ns);
	}
	return r;
}

int run_rounds(struct run *run)
{
	int64_t from_ns = clock_now();
	int r = 0;
	while (run->rounds < options.rounds && r == 0) {
		r = run_round(run, run->rounds, from_ns);
		run->rounds += r == 0;
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	return r;
}
