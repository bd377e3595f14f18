/*
 * health.c: stoa health, one line for people and monitors. Its exit status is a Nagios plugin's, not the other verbs'.
 */
#include <errno.h>
#include <stdio.h>

#include "tools/output.h"
#include "tools/tool.h"

enum { HEALTHY, SUSPECT, GONE, UNKNOWN };

static const char *const words[] = { "healthy", "suspect", "gone", "unknown" };

static double seconds(int64_t ns) { return (double)ns / 1e9; }
static double mebibytes(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* A method that leaks shows in the growth. */
static double growth(const struct stoa_health *h)
{
	return mebibytes(h->resident) - mebibytes(h->resident_start);
}

static void print_line(const char *namespace, const struct stoa_health *h)
{
	fprintf(out_to(), "%s; ", h->text);
	if (h->verdict == STOA_HEALTHY && h->running_for > 0)
		fprintf(out_to(), "%s of %s for %.3f s; ", h->method, h->object, seconds(h->running_for));
	if (h->coordinator)
		fprintf(out_to(), "pid %d, heartbeat %.1f s ago, ", (int)h->coordinator, seconds(h->heartbeat_age));
	if (h->coordinator)
		fprintf(out_to(), "memory %.1f MiB (%+.1f since it started), ", mebibytes(h->resident), growth(h));
	fprintf(out_to(), "queue %ju, applied %ju, folded %ju, rejected %ju, abandoned %ju, restarts %ju, objects %u, "
	       "threads %u; namespace %s\n",
	       (uintmax_t)h->queued, (uintmax_t)h->applied, (uintmax_t)h->folded, (uintmax_t)h->rejected,
	       (uintmax_t)h->abandoned, (uintmax_t)h->restarts, h->objects, h->threads, namespace);
}

static void print_counts(const struct stoa_health *h)
{
	out_int("coordinator", h->coordinator);
	out_int("guardian", h->guardian);
	out_duration("heartbeat_age", h->heartbeat_age);
	out_uint("queued", h->queued);
	out_uint("pushed", h->pushed);
	out_uint("applied", h->applied);
	out_uint("folded", h->folded);
	out_uint("rejected", h->rejected);
	out_uint("abandoned", h->abandoned);
	out_uint("restarts", h->restarts);
	out_uint("objects", h->objects);
	out_uint("clients", h->clients);
	out_uint("threads", h->threads);
	out_time("started", h->started_ns);
	out_uint("resident", h->resident);
	out_uint("resident_start", h->resident_start);
	out_duration("running", h->running_for);
	out_text("object", h->running_for ? h->object : NULL);
	out_text("method", h->running_for ? h->method : NULL);
}

/* h: NULL if it could not be told. */
static void print_json(const struct tool *tool, int verdict, const char *text, const struct stoa_health *h)
{
	out_begin(OUT_PLAIN);
	if (!tool->all)
		out_text("namespace", tool->namespace);
	out_text("verdict", words[verdict]);
	out_text("text", text);
	if (h)
		print_counts(h);
	out_end();
}

/* Nobody serves it: gone. Not allowed, damaged or of another layout: cannot tell. */
static int print_failure(const struct tool *tool, int code)
{
	struct stoa_error e = { 0 };
	stoa_last_error(&e);
	int verdict = code == -ENOENT ? GONE : UNKNOWN;
	const char *text = e.code == code && e.text[0] ? e.text : stoa_strerror(code);
	if (out_json())
		print_json(tool, verdict, text, NULL);
	else
		fprintf(out_to(), "%s: %s\n", words[verdict], text);
	return verdict;
}

static int health(struct tool *tool, int argc, char **argv)
{
	struct stoa_health h;
	(void)argc;
	(void)argv;
	int r = tool_attach(tool);
	r = r ? r : stoa_health(tool->stoa, &h);
	if (r < 0)
		return print_failure(tool, r);
	int verdict = h.verdict == STOA_HEALTHY ? HEALTHY : h.verdict == STOA_SUSPECT ? SUSPECT : GONE;
	if (out_json())
		print_json(tool, verdict, h.text, &h);
	else
		print_line(tool->namespace, &h);
	return verdict;
}

const struct verb verb_health = {
	.name = "health",
	.run = health,
	.operands = "",
	.example = "health",
	.doc = "one line: how the coordinator does",
	.more = "Exit status: 0 healthy, 1 suspect, 2 gone, 3 cannot tell, as Nagios has them.\n",
	.flags = TOOL_READS | TOOL_MONITOR | TOOL_ALL,
};
