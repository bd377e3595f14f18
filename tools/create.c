/*
 * create.c: stoa create and stoa remove.
 */
#include <stdio.h>

#include "tools/tool.h"

/* What a class takes: its init hook's arguments, or its state. */
static const struct stoa_struct *init_struct(const struct stoa_class *cls)
{
	return cls->hooks && cls->hooks->init_args ? cls->hooks->init_args : cls->state;
}

int verb_create(struct tool *tool, int argc, char **argv)
{
	const struct stoa_class *cls;
	struct stoa_proxy *proxy = NULL;
	char whose[STOA_NAME_MAX + 32];
	void *init = NULL;
	int r = stoa_find_class(tool->stoa, argv[1], &cls);
	if (r < 0)
		return tool_fail(r);
	const struct stoa_struct *s = init_struct(cls);
	snprintf(whose, sizeof(whose), "creating a %s", cls->name);
	if (argc > 2 && !(init = tool_read_arguments(s, whose, false, argc - 2, argv + 2)))
		return TOOL_REFUSED;
	r = stoa_create(tool->stoa, argv[0], cls, init, tool->flags & TOOL_OPEN ? 0 : STOA_EXCL, &proxy);
	int status = r < 0 ? tool_fail(r) : TOOL_DONE;
	tool_free_struct(s, init);
	stoa_close(proxy);
	return status;
}

int verb_remove(struct tool *tool, int argc, char **argv)
{
	int r = 0;
	for (int i = 0; r == 0 && i < argc; i++)
		r = stoa_remove(tool->stoa, argv[i], tool->timeout);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}
