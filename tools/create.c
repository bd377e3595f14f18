/*
 * create.c: stoa create.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tools/output.h"
#include "tools/tool.h"

/* What a class takes: its init hook's arguments, or its state. */
static const struct stoa_struct *init_struct(const struct stoa_class *cls)
{
	return cls->hooks && cls->hooks->init_args ? cls->hooks->init_args : cls->state;
}

/* The class, and what of it there is to be, malloc'ed or NULL. */
static int find_class(struct tool *tool, int argc, char **argv, const struct stoa_class **ret, void **ret_init)
{
	char whose[STOA_NAME_MAX + 32];
	int r = stoa_find_class(tool->stoa, argv[0], ret);
	if (r < 0)
		return r == -ENOENT ? tool_fail_class(tool, argv[0]) : tool_fail(r);
	snprintf(whose, sizeof(whose), "creating a %s", (*ret)->name);
	if (argc > 1 && !(*ret_init = tool_read_arguments(init_struct(*ret), whose, false, argc - 1, argv + 1)))
		return TOOL_REFUSED;
	return TOOL_DONE;
}

static int create(struct tool *tool, int argc, char **argv)
{
	const struct stoa_class *cls;
	struct stoa_proxy *proxy = NULL;
	const char *name = tool_option(tool, "class");
	bool signals = strcmp(argv[1], "signals") == 0;
	void *init = NULL;
	if (name && !signals)
		return tool_misuse(tool, "--class is for signals");
	int status = signals ? tool_signals(name, argc - 2, argv + 2, &cls)
			     : find_class(tool, argc - 1, argv + 1, &cls, &init);
	if (status != TOOL_DONE)
		return status;
	int r = stoa_create(tool->stoa, argv[0], cls, init, tool_option(tool, "open") ? 0 : STOA_EXCL, &proxy);
	tool_free_struct(init_struct(cls), init);
	if (r < 0)
		return tool_fail(r);
	stoa_close(proxy);
	out_done("created", argv[0]);
	return TOOL_DONE;
}

static const struct verb_option create_options[] = {
	{ .name = "class", .value = "NAME", .doc = "of signals: the name of their class; else their rows make one" },
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
		TOOL_VALUES_TEXT
		"Of the class signals they are rows, which make the class: 'position.x:f64 unit=m', 'name:text[32]', or @FILE, a\n"
		"row a line; stoa_classes(7) has the types.\n",
	.options = create_options,
	.flags = TOOL_VALUES,
	.least = 2,
	.most = INT_MAX,
};
