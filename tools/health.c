/*
 * health.c: stoa health, one line for people and monitors. Its exit status is a Nagios plugin's, not the other verbs'.
 */
#include <errno.h>
#include <stdio.h>

#include "tools/tool.h"
#include "tools/value.h"

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
	printf("%s; ", h->text);
	if (h->verdict == STOA_HEALTHY && h->running_for > 0)
		printf("%s of %s for %.3f s; ", h->method, h->object, seconds(h->running_for));
	if (h->coordinator)
		printf("pid %d, heartbeat %.1f s ago, ", (int)h->coordinator, seconds(h->heartbeat_age));
	if (h->coordinator)
		printf("memory %.1f MiB (%+.1f since it started), ", mebibytes(h->resident), growth(h));
	printf("queue %ju, applied %ju, folded %ju, rejected %ju, abandoned %ju, restarts %ju, objects %u, threads %u; "
	       "namespace %s\n",
	       (uintmax_t)h->queued, (uintmax_t)h->applied, (uintmax_t)h->folded, (uintmax_t)h->rejected,
	       (uintmax_t)h->abandoned, (uintmax_t)h->restarts, h->objects, h->threads, namespace);
}

static void print_json(const char *namespace, const struct stoa_health *h)
{
	printf("{\"namespace\":");
	value_print_json(stdout, namespace);
	printf(",\"verdict\":\"%s\",\"text\":", words[h->verdict]);
	value_print_json(stdout, h->text);
	printf(",\"coordinator\":%d,\"guardian\":%d,\"heartbeat_age_ns\":%jd,\"queued\":%ju,\"pushed\":%ju,\"applied\":%ju,"
	       "\"folded\":%ju,\"rejected\":%ju,\"abandoned\":%ju,\"restarts\":%ju,\"objects\":%u,\"threads\":%u,\"resident\":%ju,"
	       "\"resident_start\":%ju,\"running_ns\":%jd,",
	       (int)h->coordinator, (int)h->guardian, (intmax_t)h->heartbeat_age, (uintmax_t)h->queued,
	       (uintmax_t)h->pushed, (uintmax_t)h->applied, (uintmax_t)h->folded, (uintmax_t)h->rejected,
	       (uintmax_t)h->abandoned, (uintmax_t)h->restarts, h->objects, h->threads, (uintmax_t)h->resident,
	       (uintmax_t)h->resident_start, (intmax_t)h->running_for);
	printf("\"object\":");
	value_print_json(stdout, h->running_for ? h->object : NULL);
	printf(",\"method\":");
	value_print_json(stdout, h->running_for ? h->method : NULL);
	printf("}\n");
}

/* Nobody serves it: gone. Not allowed, damaged or of another layout: cannot tell. */
static int print_failure(const struct tool *tool, int code)
{
	struct stoa_error e = { 0 };
	stoa_last_error(&e);
	int verdict = code == -ENOENT ? GONE : UNKNOWN;
	const char *text = e.code == code && e.text[0] ? e.text : stoa_strerror(code);
	if (!(tool->flags & TOOL_JSON)) {
		printf("%s: %s\n", words[verdict], text);
		return verdict;
	}
	printf("{\"namespace\":");
	value_print_json(stdout, tool->namespace);
	printf(",\"verdict\":\"%s\",\"text\":", words[verdict]);
	value_print_json(stdout, text);
	printf("}\n");
	return verdict;
}

int verb_health(struct tool *tool, int argc, char **argv)
{
	struct stoa_health h;
	(void)argc;
	(void)argv;
	int r = tool_attach(tool);
	r = r ? r : stoa_health(tool->stoa, &h);
	if (r < 0)
		return print_failure(tool, r);
	if (tool->flags & TOOL_JSON)
		print_json(tool->namespace, &h);
	else
		print_line(tool->namespace, &h);
	return h.verdict == STOA_HEALTHY ? HEALTHY : h.verdict == STOA_SUSPECT ? SUSPECT : GONE;
}
