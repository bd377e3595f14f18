/*
 * main.c: the command line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/standard.h"
#include "tools/output.h"
#include "tools/tool.h"

int main(int argc, char **argv)
{
	const char *chosen = getenv("STOA_NAMESPACE");
	struct tool tool = { .namespace = chosen && *chosen ? chosen : NULL, .timeout = STOA_MS(5000) };
	standard_take();
	out_init(OUT_TEXT, stdout);
	int status = tool_command_line(&tool, argc, argv);
	if (!out_flush())
		status = tool_refuse("cannot write: %s", strerror(errno));
	return status;
}
