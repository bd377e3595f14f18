/*
 * log.c: stoa log, the last messages of the coordinator and its guardian.
 */
#include <syslog.h>

#include "include/stoa/observe.h"
#include "tools/output.h"
#include "tools/tool.h"

static const char *const priorities[] = { "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug" };

static int print(void *data, const struct stoa_logged *l)
{
	char text[sizeof(l->text)];
	int p = l->priority & LOG_PRIMASK;
	(void)data;
	snprintf(text, sizeof(text), "%s", l->text);
	for (char *c = text; !out_json() && *c; c++) /* a line each */
		*c = (unsigned char)*c < ' ' ? ' ' : *c;
	out_begin(OUT_PLAIN);
	if (out_json())
		out_uint("number", l->number);
	out_time("time", l->time_ns);
	out_uint("pid", l->pid);
	out_word("priority", priorities[p], p <= LOG_ERR ? OUT_BAD : p == LOG_WARNING ? OUT_WARN : OUT_NONE);
	out_text("text", text);
	out_end();
	return 0;
}

static int log_verb(struct tool *tool, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	out_many();
	int r = stoa_log(tool->stoa, 0, print, NULL);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

const struct verb verb_log = {
	.name = "log",
	.run = log_verb,
	.operands = "",
	.example = "log",
	.doc = "the last messages of the coordinator",
	.more = "At most 64, of it and its guardian, the oldest first, wherever else they went.\n",
	.flags = TOOL_READS | TOOL_ALL,
};
