/*
 * trace.c: stoa trace, the last commands as they were run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/stoa/observe.h"
#include "tools/output.h"
#include "tools/tool.h"

#define ALL 1025 /* stoa_trace() tells of 1024, and the one that runs */

/* The last `most` of them, as they come in order: others come and go while we look, so they are kept and printed then. */
struct window {
	struct stoa_traced *kept;
	size_t most, n; /* room; how many there were */
};

static int keep(void *data, const struct stoa_traced *t)
{
	struct window *w = data;
	w->kept[w->n++ % w->most] = *t;
	return 0;
}

static void print_duration(const char *name, const char *null_name, int64_t ns)
{
	if (ns < 0)
		out_null(null_name);
	else
		out_duration(name, ns);
}

static void print_outcome(const struct stoa_traced *t)
{
	if (t->running)
		out_word("outcome", "running", OUT_WARN);
	else if (t->status == 0)
		out_word("outcome", "applied", OUT_NONE);
	else
		out_word("outcome", stoa_strerror(t->status), OUT_BAD);
}

static void print_what(const struct stoa_traced *t)
{
	char what[2 * STOA_NAME_MAX + 32];
	if (out_json()) {
		out_text("object", *t->object ? t->object : NULL);
		out_text("class", *t->class_name ? t->class_name : NULL);
		out_text("row", *t->row ? t->row : NULL);
		out_uint("commands", t->n);
		return;
	}
	snprintf(what, sizeof(what), "%s%s%s", *t->object ? t->object : "-", *t->row ? "." : "", t->row);
	if (t->n > 1)
		snprintf(what + strlen(what), sizeof(what) - strlen(what), " and %u more", t->n - 1);
	out_text("what", what);
}

static void print(const struct stoa_traced *t)
{
	out_begin(OUT_HEADED);
	if (t->time_ns)
		out_time("time", t->time_ns);
	else
		out_null("time_ns");
	out_uint("ticket", t->ticket);
	out_uint("pid", t->pid);
	out_text("kind", t->kind);
	print_what(t);
	print_duration("run", "run_ns", t->run_ns);
	print_duration("queued", "queued_ns", t->queued_ns);
	print_outcome(t);
	if (out_json()) {
		out_bool("about", t->about);
		out_bool("running", t->running);
		out_int("code", t->status);
	}
	out_end();
}

static int trace_last(const struct tool *tool, size_t most)
{
	struct window w = { .kept = calloc(most, sizeof(*w.kept)), .most = most };
	int r = w.kept ? stoa_trace(tool->stoa, 0, keep, &w) : -ENOMEM;
	for (size_t i = w.n > most ? w.n - most : 0; r == 0 && i < w.n; i++)
		print(&w.kept[i % most]);
	free(w.kept);
	return r;
}

static int trace(struct tool *tool, int argc, char **argv)
{
	double most = 0;
	(void)argc;
	(void)argv;
	if (!tool_option_number(tool, "last", 1, 1e9, &most))
		return TOOL_USAGE;
	out_many();
	int r = trace_last(tool, most > 0 && most < ALL ? (size_t)most : ALL);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

const struct verb verb_trace = {
	.name = "trace",
	.run = trace,
	.operands = "",
	.example = "trace --last 20",
	.doc = "the last commands, as they were run",
	.more = "At most 1024, the oldest first, and last the one that runs, or ran when the coordinator died.\n"
		"About one of 64 of each thread is timed, and all that take more than some milliseconds.\n",
	.options = (const struct verb_option[]){ { .name = "last", .value = "N", .doc = "only so many" }, { 0 } },
	.flags = TOOL_READS | TOOL_ALL,
};
