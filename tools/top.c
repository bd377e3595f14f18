/*
 * top.c: stoa top, what goes on, from look to look: commands, waits, and by object, method and client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tools/look.h"
#include "tools/output.h"

#define CLEAR "\033[H\033[J"
#define FIRST 0.5 /* seconds until there is something to see */

static const char *const titles[LOOKS_OF] = { "object", "method", "client" };
static const char *const keys[LOOKS_OF] = { "objects", "methods", "clients" };

typedef double order_key(const struct look_row *row);

struct top {
	order_key *order;
	size_t lines; /* of each table */
	double interval, looks;
	bool redraws;
};

/* ---- order: the greatest first, then by name ---- */

/* Estimated from those that were timed. */
static double time_of(const struct look_row *row)
{
	return row->timed ? look_mean_ns(row) * (double)row->calls : -1;
}
static double rate_of(const struct look_row *row) { return row->rate; }
static double calls_of(const struct look_row *row) { return (double)row->calls; }
static double failed_of(const struct look_row *row) { return (double)row->failed; }
static double pending_of(const struct look_row *row) { return (double)row->pending; }
static double same(const struct look_row *row)
{
	(void)row;
	return 0;
}

static const struct {
	const char *name;
	order_key *key;
} orders[] = {
	{ "rate", rate_of },	  { "calls", calls_of }, { "failed", failed_of }, { "time", time_of },
	{ "mean", look_mean_ns }, { "name", same },	 { "pending", pending_of },
};

static int compare(const void *a, const void *b, void *key)
{
	const struct look_row *row_a = a, *row_b = b;
	order_key *const *of = key;
	double key_a = (*of)(row_a), key_b = (*of)(row_b);
	return key_a < key_b ? 1 : key_a > key_b ? -1 : strcmp(row_a->name, row_b->name);
}

/* ---- printing ---- */

/* With a digit behind the point, unless they are small. */
static void print_rate(const char *name, double rate)
{
	out_real(name, rate < 100 ? (double)(int64_t)(rate * 10 + 0.5) / 10 : (double)(int64_t)(rate + 0.5));
}

static void print_wait(const char *name, const char *null_name, int64_t ns)
{
	if (ns < 0 || ns == INT64_MAX)
		out_null(null_name);
	else
		out_duration(name, ns);
}

static void print_times(const struct look_row *row)
{
	if (row->timed) {
		out_duration("mean", (int64_t)look_mean_ns(row));
		out_duration("time", (int64_t)time_of(row));
	} else {
		out_null("mean_ns");
		out_null("time_ns");
	}
	if (out_json())
		out_uint("timed", row->timed);
}

static void print_name(const struct look_row *row, enum look_of of)
{
	if (!out_json()) {
		out_text(titles[of], row->name);
		return;
	}
	if (of == LOOK_CLIENTS) {
		out_uint("pid", row->pid);
		out_uint("tid", row->tid);
		return;
	}
	if (of == LOOK_OBJECTS)
		out_text("object", row->name);
	out_text("class", row->class_name);
	if (of == LOOK_METHODS)
		out_text("method", *row->method ? row->method : NULL);
}

static void print_row(const struct look_row *row, enum look_of of)
{
	out_begin(OUT_HEADED);
	print_name(row, of);
	if (of == LOOK_CLIENTS)
		out_text("name", row->program);
	print_rate(out_json() ? "rate" : "/s", row->rate);
	out_uint(of == LOOK_CLIENTS ? "pushed" : "calls", row->calls);
	out_uint(of == LOOK_CLIENTS ? "rejected" : "failed", row->failed);
	print_rate(out_json() ? "failed_rate" : "failed/s", row->failed_rate);
	if (of == LOOK_CLIENTS)
		out_uint("pending", row->pending);
	else
		print_times(row);
	out_end();
}

static void print_table(struct top *top, struct look_table *t, enum look_of of)
{
	size_t n = t->n < top->lines ? t->n : top->lines;
	if (t->n)
		qsort_r(t->rows, t->n, sizeof(*t->rows), compare, &top->order);
	out_open(keys[of], '[');
	if (!out_json() && n)
		fputc('\n', out_to());
	for (size_t i = 0; i < n; i++)
		print_row(&t->rows[i], of);
	if (!out_json())
		out_flush();
	out_close(']');
}

static uint64_t done(const struct look *l)
{
	return l->health.applied + l->health.rejected + l->health.folded;
}

static void print_head(const struct tool *tool, const struct look *l, const struct look *before)
{
	double seconds = (double)(l->at_ns - before->at_ns) / 1e9;
	if (out_json())
		out_text("namespace", tool->namespace);
	else
		fprintf(out_to(), "%s%s%s: %s\n", out_colour(OUT_BOLD), tool->namespace, out_colour(OUT_NONE),
			l->health.text);
	if (out_json())
		out_text("text", l->health.text);
	print_rate(out_json() ? "commands" : "commands/s", (double)look_grown(done(l), done(before)) / seconds);
	print_rate(out_json() ? "rejected" : "rejected/s",
		   (double)look_grown(l->health.rejected, before->health.rejected) / seconds);
	out_uint("queued", l->health.queued);
	print_rate(out_json() ? "waited" : "reads waited/s", (double)l->barrier.waited / seconds);
	print_wait(out_json() ? "wait_p50" : "p50 below", out_json() ? "wait_p50_ns" : "p50 below",
		   look_wait(&l->barrier, 0.5));
	print_wait(out_json() ? "wait_p99" : "p99 below", out_json() ? "wait_p99_ns" : "p99 below",
		   look_wait(&l->barrier, 0.99));
	out_uint(out_json() ? "n_objects" : "objects", l->of[LOOK_OBJECTS].n); /* in JSON the list has that name */
	out_uint("threads", l->health.threads);
}

static void print(const struct tool *tool, struct top *top, struct look *l, const struct look *before)
{
	out_begin(OUT_HEADED);
	print_head(tool, l, before);
	if (!out_json()) {
		out_end();
		out_flush();
	}
	for (int i = 0; i < LOOKS_OF; i++)
		print_table(top, &l->of[i], (enum look_of)i);
	if (out_json())
		out_end();
	if (!out_json() && (tool->all || (!top->redraws && top->looks != 1)))
		fputc('\n', out_to());
	fflush(out_to());
}

/* ---- looking ---- */

static void rest(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
	while (nanosleep(&t, &t) < 0 && errno == EINTR) {
	}
}

/* The barrier as it was counted is kept for the next look: of the one that is shown it is the difference. */
static int look_again(const struct tool *tool, struct top *top, struct look *before)
{
	struct look now;
	int r = look_take(&now, tool);
	struct stoa_barrier counted = now.barrier;
	if (r == 0) {
		look_compare(&now, before);
		print(tool, top, &now, before);
	}
	look_fini(before);
	*before = now;
	before->barrier = counted;
	return r;
}

/* before: zeroed, of each namespace. */
static int look_on(const struct tool *tool, struct top *top, struct look *before)
{
	int r = 0;
	for (size_t k = 0; r == 0 && k < tool->n_each; k++)
		r = look_take(&before[k], &tool->each[k]);
	for (double i = 0; r == 0 && !ferror(out_to()) && (top->looks == 0 || i < top->looks); i++) {
		rest(i == 0 && top->redraws && top->interval > FIRST ? FIRST : top->interval);
		if (top->redraws)
			fputs(CLEAR, out_to());
		for (size_t k = 0; r == 0 && k < tool->n_each; k++)
			r = look_again(&tool->each[k], top, &before[k]);
	}
	for (size_t k = 0; k < tool->n_each; k++)
		look_fini(&before[k]);
	return r;
}

/* As many of each table as the terminal has room for, for n namespaces. */
static size_t lines_of_terminal(size_t n)
{
	struct winsize size;
	size_t lines = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : 24;
	lines /= n;
	return lines > 16 ? (lines - 10) / LOOKS_OF : 2;
}

static int read_order(const struct tool *tool, struct top *top)
{
	const char *key = tool_option(tool, "sort");
	top->order = key ? NULL : rate_of;
	for (size_t i = 0; key && i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strcmp(key, orders[i].name) == 0)
			top->order = orders[i].key;
	return top->order ? TOOL_DONE
			  : tool_misuse(tool, "--sort takes rate, calls, failed, time, mean, pending or name, and not %s",
					key);
}

static int top(struct tool *tool, int argc, char **argv)
{
	struct top how = { .interval = 0 };
	double lines = 0;
	bool once = tool_option(tool, "once");
	(void)argc;
	(void)argv;
	if (!tool_option_number(tool, "interval", 0.01, 86400, &how.interval) ||
	    !tool_option_number(tool, "count", 1, 1e15, &how.looks) ||
	    !tool_option_number(tool, "lines", 1, 1e9, &lines) || read_order(tool, &how) != TOOL_DONE)
		return TOOL_USAGE;
	how.interval = how.interval > 0 ? how.interval : once ? 1 : 2;
	how.looks = once ? 1 : how.looks;
	how.redraws = !once && !out_json() && isatty(STDOUT_FILENO);
	how.lines = lines > 0 ? (size_t)lines : how.redraws ? lines_of_terminal(tool->n_each) : SIZE_MAX;
	struct look *before = calloc(tool->n_each, sizeof(*before));
	int r = before ? look_on(tool, &how, before) : -ENOMEM;
	free(before);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

static const struct verb_option options[] = {
	{ .name = "count", .letter = 'n', .value = "N", .doc = "end after N looks; the namespace goes before the verb" },
	{ .name = "interval", .letter = 'i', .value = "SECONDS", .doc = "between looks: 2" },
	{ .name = "lines", .letter = 'l', .value = "N", .doc = "of each table: all, or what the terminal has room for" },
	{ .name = "once", .doc = "one look, over 1 second or the interval" },
	{ .name = "sort", .letter = 's', .value = "KEY", .doc = "rate, calls, failed, time, mean, pending, name" },
	{ 0 },
};

const struct verb verb_top = {
	.name = "top",
	.run = top,
	.operands = "",
	.example = "top --once --sort time",
	.doc = "what goes on: rates, waits, and by object, method and client",
	.more = "Drawn anew on a terminal, else a look after the other; with --json, an object a look. Rates are between two\n"
		"looks, calls and failures since the object or namespace was made, of clients since they attached. Times\n"
		"are estimates, from the calls that are timed, about one of 64. Waits are those of reads for pending\n"
		"writes: half of them, and 99 of 100, were shorter than this. Read-only clients do not count theirs.\n",
	.options = options,
	.flags = TOOL_READS | TOOL_LONG | TOOL_ALL | TOOL_TOGETHER,
};
