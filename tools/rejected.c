/*
 * rejected.c: stoa rejected, the last commands that were not applied, and why.
 */
#include "tools/output.h"
#include "tools/tool.h"

static void print_json(const struct stoa_rejection *r)
{
	out_begin(OUT_PLAIN);
	out_uint("number", r->number);
	out_uint("ticket", r->ticket);
	out_time("time", r->time_ns);
	out_int("code", r->code);
	out_bool("from_method", r->origin == STOA_FROM_METHOD);
	out_uint("pid", r->pid);
	out_text("object", r->object);
	out_text("class", r->class_name);
	out_text("row", r->row);
	out_text("text", r->text);
	out_end();
}

static int print(void *data, const struct stoa_rejection *r)
{
	const struct tool *tool = data;
	char when[40];
	if (out_json()) {
		print_json(r);
		return 0;
	}
	out_print_time(when, sizeof(when), r->time_ns);
	fprintf(out_to(), "%s%s%ju  %.19s  pid %u  %s%s%s: %s\n", tool->all ? tool->namespace : "",
		tool->all ? "  " : "", (uintmax_t)r->number, when, r->pid, *r->object ? r->object : "-", *r->row ? "." : "", r->row, r->text);
	return 0;
}

static int rejected(struct tool *tool, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	out_many();
	int r = stoa_rejected(tool->stoa, 0, print, tool);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

const struct verb verb_rejected = {
	.name = "rejected",
	.run = rejected,
	.operands = "",
	.example = "rejected",
	.doc = "the last commands that were not applied, and why",
	.more = "At most 256, the oldest first.\n",
	.flags = TOOL_READS | TOOL_ALL,
};
