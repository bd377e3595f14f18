/*
 * create.c: stoa create and stoa remove.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "tools/output.h"
#include "tools/tool.h"

/* What a class takes: its init hook's arguments, or its state. */
static const struct stoa_struct *init_struct(const struct stoa_class *cls)
{
	return cls->hooks && cls->hooks->init_args ? cls->hooks->init_args : cls->state;
}

static int create(struct tool *tool, int argc, char **argv)
{
	const struct stoa_class *cls;
	struct stoa_proxy *proxy = NULL;
	char whose[STOA_NAME_MAX + 32];
	void *init = NULL;
	int r = stoa_find_class(tool->stoa, argv[1], &cls);
	if (r < 0)
		return r == -ENOENT ? tool_fail_class(tool, argv[1]) : tool_fail(r);
	const struct stoa_struct *s = init_struct(cls);
	snprintf(whose, sizeof(whose), "creating a %s", cls->name);
	if (argc > 2 && !(init = tool_read_arguments(s, whose, false, argc - 2, argv + 2)))
		return TOOL_REFUSED;
	r = stoa_create(tool->stoa, argv[0], cls, init, tool_option(tool, "open") ? 0 : STOA_EXCL, &proxy);
	tool_free_struct(s, init);
	if (r < 0)
		return tool_fail(r);
	stoa_close(proxy);
	out_done("created", argv[0]);
	return TOOL_DONE;
}

static const struct verb_option create_options[] = {
	{ .name = "open", .doc = "an object of this class that is there already stays as it is" },
	{ 0 },
};

const struct verb verb_create = {
	.name = "create",
	.run = create,
	.operands = "OBJECT CLASS [ARGUMENT]...",
	.example = "create hits counter 42",
	.doc = "create an object",
	.more = "Arguments are its first state, or what its class asks for; what is not given is zero.\n"
		TOOL_VALUES_TEXT,
	.options = create_options,
	.flags = TOOL_VALUES,
	.least = 2,
	.most = INT_MAX,
};

static int remove_all(struct tool *tool, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		int r = stoa_remove(tool->stoa, argv[i], tool->timeout);
		if (r < 0)
			return r == -ENOENT ? tool_fail_object(tool, argv[i]) : tool_fail(r);
		out_done("removed", argv[i]);
	}
	return TOOL_DONE;
}

const struct verb verb_remove = {
	.name = "remove",
	.run = remove_all,
	.operands = "OBJECT...",
	.example = "remove hits",
	.doc = "remove objects",
	.flags = TOOL_BRIEF,
	.least = 1,
	.most = INT_MAX,
};
