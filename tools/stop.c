/*
 * stop.c: stoa stop, the end of a coordinator.
 */
#include "tools/tool.h"

int verb_stop(struct tool *tool, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	int r = stoa_stop(tool->stoa, tool->flags & TOOL_NOW ? STOA_NOW : STOA_DRAIN, tool->timeout);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}
