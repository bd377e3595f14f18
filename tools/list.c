/*
 * list.c: stoa list, the objects with their classes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"
#include "tools/value.h"

struct listing {
	bool json;
	size_t width;
};

static int measure(void *data, const char *object, const struct stoa_class *cls)
{
	struct listing *l = data;
	size_t n = strlen(object);
	(void)cls;
	l->width = n > l->width ? n : l->width;
	return 0;
}

static int print(void *data, const char *object, const struct stoa_class *cls)
{
	const struct listing *l = data;
	if (l->json)
		printf("{\"object\":\"%s\",\"class\":\"%s\"}\n", object, cls->name); /* names need no escapes */
	else
		printf("%-*s  %s\n", (int)l->width, object, cls->name);
	return 0;
}

int verb_list(struct tool *tool, int argc, char **argv)
{
	struct listing l = { .json = tool->flags & TOOL_JSON };
	const char *pattern = argc ? argv[0] : NULL;
	int r = l.json ? 0 : stoa_list(tool->stoa, pattern, measure, &l);
	r = r ? r : stoa_list(tool->stoa, pattern, print, &l);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}
