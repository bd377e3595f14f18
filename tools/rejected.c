/*
 * rejected.c: stoa rejected, the last commands that were not applied, and why.
 */
#include <stdio.h>
#include <time.h>

#include "tools/tool.h"
#include "tools/value.h"

static void print_json(const struct stoa_rejection *r)
{
	printf("{\"number\":%ju,\"ticket\":%ju,\"time_ns\":%jd,\"code\":%d,\"from_method\":%s,\"pid\":%u,"
	       "\"object\":\"%s\",\"class\":\"%s\",\"row\":\"%s\",\"text\":",
	       (uintmax_t)r->number, (uintmax_t)r->ticket, (intmax_t)r->time_ns, r->code,
	       r->origin == STOA_FROM_METHOD ? "true" : "false", r->pid, r->object, r->class_name, r->row);
	value_print_json(stdout, r->text);
	printf("}\n");
}

static int print(void *data, const struct stoa_rejection *r)
{
	const struct tool *tool = data;
	char when[32];
	struct tm tm;
	time_t seconds = r->time_ns / 1000000000;
	if (tool->flags & TOOL_JSON) {
		print_json(r);
		return 0;
	}
	strftime(when, sizeof(when), "%F %T", localtime_r(&seconds, &tm));
	printf("%ju  %s  pid %u  %s%s%s: %s\n", (uintmax_t)r->number, when, r->pid, *r->object ? r->object : "-",
	       *r->row ? "." : "", r->row, r->text);
	return 0;
}

int verb_rejected(struct tool *tool, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	int r = stoa_rejected(tool->stoa, 0, print, tool);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}
