/*
 * stop.c: stoa stop, the end of a coordinator.
 */
#include "tools/output.h"
#include "tools/tool.h"

static int stop(struct tool *tool, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	int r = stoa_stop(tool->stoa, tool_option(tool, "now") ? STOA_NOW : STOA_DRAIN, tool->timeout);
	if (r < 0)
		return tool_fail(r);
	out_done("stopped", tool->namespace);
	return TOOL_DONE;
}

static const struct verb_option options[] = {
	{ .name = "now", .doc = "what it has accepted is abandoned, and counted" },
	{ 0 },
};

const struct verb verb_stop = {
	.name = "stop",
	.run = stop,
	.operands = "",
	.example = "stop",
	.doc = "end the coordinator, after what it has accepted",
	.options = options,
	.flags = TOOL_BRIEF,
};
