/*
 * plot.c: see plot.h.
 */
#include "bench/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/cpu.h"
#include "bench/options.h"
#include "bench/ticks.h"

#define WIDTH 1260
#define HEAD 64      /* above the panels: the title */
#define LEFT 74      /* of a panel: the labels of latencies */
#define GAP_X 90
#define PANEL_W 440
#define PANEL_H 300
#define GAP_Y 78     /* below a panel: the labels of percentiles, and the title of the next */
#define LEGEND_X 1104
#define NINES 6      /* to the right edge: 99.9999 % */
#define BOTTOM_NS 10 /* lower edge */
#define DECADES 7    /* to 100 ms */
#define COLUMNS 2

static const char *const colours[] = {
	"#9a9a9a", "#d62728", "#1f77b4", "#7fc4e8", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b",
	"#e377c2", "#d8c93a", "#123f7a", "#7f9c2f", "#00a6a6", "#222222", "#b08a5a",
};

struct panel {
	FILE *to;
	double x, y; /* of its upper left corner */
};

/* ---- where things are ---- */

static double x_of(const struct panel *p, double beyond) /* beyond: the share that takes longer */
{
	double nines = -log10(beyond);
	return p->x + PANEL_W * (nines < NINES ? nines : NINES) / NINES;
}

static double y_of(const struct panel *p, double ns)
{
	double decades = log10((ns > BOTTOM_NS ? ns : BOTTOM_NS) / BOTTOM_NS);
	return p->y + PANEL_H * (1 - (decades < DECADES ? decades : DECADES) / DECADES);
}

static unsigned index_of(const struct peer *peer)
{
	unsigned i = 0;
	while (peers[i] && peers[i] != peer)
		i++;
	return i;
}

static const char *colour_of(const struct peer *peer)
{
	return colours[index_of(peer) % (sizeof(colours) / sizeof(colours[0]))];
}

static double thickness_of(const struct peer *peer)
{
	return strcmp(peer->name, "stoa") == 0 ? 3 : 1.6;
}

/* ---- the grid ---- */

static void draw_line(const struct panel *p, double x1, double y1, double x2, double y2)
{
	fprintf(p->to, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x1, y1, x2, y2);
}

static void draw_percentiles(const struct panel *p)
{
	static const char *const labels[] = { "0", "90", "99", "99.9", "99.99", "99.999", "99.9999 %" };
	for (int i = 0; i <= NINES; i++) {
		double x = x_of(p, pow(10, -i));
		draw_line(p, x, p->y, x, p->y + PANEL_H);
		fprintf(p->to, "<text class=\"small\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x,
			p->y + PANEL_H + 16, labels[i]);
	}
}

static void draw_latencies(const struct panel *p)
{
	static const char *const labels[] = { "10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms" };
	for (int i = 0; i <= DECADES; i++) {
		double y = y_of(p, BOTTOM_NS * pow(10, i));
		draw_line(p, p->x, y, p->x + PANEL_W, y);
		fprintf(p->to, "<text class=\"small\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", p->x - 6,
			y + 4, labels[i]);
	}
}

/* ---- a panel ---- */

/* Where many share a value there is a step, as there is in truth. */
static void draw_curve(const struct panel *p, const struct cell *c)
{
	const struct histogram *h = &c->histogram;
	double last = 1.0 / (double)h->n;
	fprintf(p->to, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" points=\"", colour_of(c->order.peer),
		thickness_of(c->order.peer));
	for (double beyond = 1; beyond > last && beyond > pow(10, -NINES); beyond *= 0.93)
		fprintf(p->to, "%.1f,%.1f ", x_of(p, beyond), y_of(p, (double)histogram_at(h, 1 - beyond)));
	fprintf(p->to, "%.1f,%.1f\"><title>%s, %s</title></polyline>\n",
		x_of(p, last), y_of(p, (double)(last < pow(10, -NINES) ? histogram_at(h, 1 - pow(10, -NINES)) : h->most)),
		c->order.peer->name, c->order.op->name);
}

/* A peer's first operation of that kind, unpinned if it was measured so. */
static const struct cell *cell_of(const struct run *run, const struct peer *peer, enum kind kind, unsigned clients)
{
	const struct cell *found = NULL;
	for (size_t i = 0; i < run->n; i++) {
		const struct order *o = &run->cells[i].order;
		if (o->peer == peer && o->op->kind == kind && o->clients == clients && o->pace != PACE_PARKED &&
		    !run->cells[i].failed[0] && run->cells[i].histogram.n && (!found || (found->order.pinned && !o->pinned)))
			found = &run->cells[i];
	}
	return found;
}

static const struct cell *floor_of(const struct run *run, enum kind kind)
{
	const char *name = kind == KIND_R ? "seqlock read, 64 B" : "cache line ping-pong";
	const struct cell *c = run_find(run, "floor", name, 1, true, PACE_BUSY);
	return c ? c : run_find(run, "floor", name, 1, false, PACE_BUSY);
}

static void draw_panel(const struct panel *p, const struct run *run, enum kind kind, unsigned clients)
{
	static const char *const titles[KIND_COUNT] = { [KIND_W] = "W: update, and go on",
							[KIND_R] = "R: read one attribute",
							[KIND_C] = "C: update, with the new value" };
	fprintf(p->to, "<text class=\"title\" x=\"%.1f\" y=\"%.1f\">%s, %u client%s</text>\n", p->x, p->y - 10,
		titles[kind], clients, clients == 1 ? "" : "s");
	draw_percentiles(p);
	draw_latencies(p);
	const struct cell *c = floor_of(run, kind);
	if (c)
		draw_curve(p, c);
	for (size_t i = 1; peers[i]; i++) {
		c = cell_of(run, peers[i], kind, clients);
		if (c)
			draw_curve(p, c);
	}
}

/* ---- the page ---- */

static bool was_measured(const struct run *run, const struct peer *peer)
{
	for (size_t i = 0; i < run->n; i++)
		if (run->cells[i].order.peer == peer)
			return true;
	return false;
}

static void draw_legend(FILE *to, const struct run *run)
{
	double y = HEAD + 10;
	for (size_t i = 0; peers[i]; i++) {
		if (!was_measured(run, peers[i]))
			continue;
		fprintf(to, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n",
			LEGEND_X, y, LEGEND_X + 26, y, colour_of(peers[i]), thickness_of(peers[i]) + 0.6);
		fprintf(to, "<text class=\"legend\" x=\"%d\" y=\"%.1f\">%s</text>\n", LEGEND_X + 34, y + 4,
			peers[i]->name);
		y += 21;
	}
	fprintf(to, "<text class=\"small\" x=\"%d\" y=\"%.1f\">floor: a seqlock read,</text>\n", LEGEND_X, y + 8);
	fprintf(to, "<text class=\"small\" x=\"%d\" y=\"%.1f\">a ping-pong of a line</text>\n", LEGEND_X, y + 23);
}

static void draw_head(FILE *to, const struct run *run, unsigned rows)
{
	char cpu[128];
	int height = HEAD + (int)rows * (PANEL_H + GAP_Y);
	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", WIDTH,
		height, WIDTH, height);
	fputs("<style>text{font-family:sans-serif;fill:#222}.head{font-size:18px;font-weight:bold}"
	      ".title{font-size:14px;font-weight:bold}.legend{font-size:13px}.small{font-size:11px;fill:#555}"
	      ".grid{stroke:#ddd;stroke-width:1}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
	      to);
	fprintf(to, "<text class=\"head\" x=\"20\" y=\"26\">Latency of single calls, by percentile</text>\n");
	fprintf(to, "<text class=\"small\" x=\"20\" y=\"43\">stoa-bench %s, %u CPUs, %s, %u rounds%s; "
		"unpinned, if that was measured; of each peer the first of its ways in the table; a reading of the clock, "
		"%.0f ns, is in each</text>\n",
		PACKAGE_VERSION, cpu_count(), cpu_name(cpu, sizeof(cpu)), run->rounds,
		options.rate ? ", at a fixed rate" : "", ticks.reading_ns);
}

static bool has_any(const struct run *run, enum kind kind, unsigned clients)
{
	for (size_t i = 1; peers[i]; i++)
		if (cell_of(run, peers[i], kind, clients))
			return true;
	return false;
}

/* The first number of clients that was asked for; and four, or the last. */
static unsigned clients_of_column(unsigned column)
{
	unsigned last = options.clients[options.n_clients - 1];
	for (unsigned i = 0; i < options.n_clients; i++)
		if (options.clients[i] == 4)
			last = 4;
	return column ? last : options.clients[0];
}

static void draw_all(FILE *to, const struct run *run)
{
	static const enum kind kinds[] = { KIND_R, KIND_W, KIND_C };
	unsigned columns = clients_of_column(0) == clients_of_column(1) ? 1 : COLUMNS, rows = 0, row = 0;
	for (unsigned k = 0; k < 3; k++)
		rows += has_any(run, kinds[k], clients_of_column(0));
	draw_head(to, run, rows);
	for (unsigned k = 0; k < 3; k++) {
		if (!has_any(run, kinds[k], clients_of_column(0)))
			continue;
		for (unsigned column = 0; column < columns; column++) {
			struct panel p = { to, LEFT + column * (PANEL_W + GAP_X), HEAD + 20 + row * (PANEL_H + GAP_Y) };
			draw_panel(&p, run, kinds[k], clients_of_column(column));
		}
		row++;
	}
	draw_legend(to, run);
	fputs("</svg>\n", to);
}

int plot_write(const struct run *run, const char *path)
{
	FILE *to = fopen(path, "we");
	if (!to)
		return trouble(-errno, "%s: %s", path, strerror(errno));
	draw_all(to, run);
	bool good = !ferror(to);
	if (fclose(to) != 0)
		good = false;
	return good ? 0 : trouble(-EIO, "%s: it could not be written: %s", path, strerror(errno));
}
