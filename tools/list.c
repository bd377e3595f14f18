/*
 * list.c: stoa list, the objects with their classes.
 */
#include "tools/output.h"
#include "tools/tool.h"

static int print(void *data, const char *object, const struct stoa_class *cls)
{
	(void)data;
	out_begin(OUT_PLAIN);
	out_text("object", object);
	out_text("class", cls->name);
	out_end();
	return 0;
}

static int list(struct tool *tool, int argc, char **argv)
{
	out_many();
	int r = stoa_list(tool->stoa, argc ? argv[0] : NULL, print, NULL);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

const struct verb verb_list = {
	.name = "list",
	.run = list,
	.operands = "[PATTERN]",
	.example = "list 'web-*'",
	.doc = "the objects with their classes",
	.more = "PATTERN is as the shell has it: * ? [a-z].\n",
	.flags = TOOL_READS | TOOL_ALL,
	.most = 1,
};
