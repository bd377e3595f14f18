/*
 * set.c: stoa set, assignments: one command, all or nothing.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"
#include "tools/tool.h"
#include "tools/value.h"

struct assignment {
	char object[STOA_NAME_MAX + 1];
	struct stoa_proxy *proxy;
	const struct stoa_attr *attr;
	void *value;
};

static int read_value(const char *object, const char *text, struct assignment *a)
{
	char why[VALUE_WHY_MAX], type[VALUE_TYPE_MAX];
	a->value = calloc(1, a->attr->size + 1u);
	if (!a->value)
		return tool_refuse("out of memory");
	if (value_parse(a->attr, text, a->value, why))
		return TOOL_DONE;
	tool_doubt();
	return tool_refuse("attribute %s of object %s is %s; %s", a->attr->name, object, value_type(a->attr, type),
			   why);
}

static int read_one(struct tool *tool, const char *text, struct assignment *a)
{
	char object[STOA_NAME_MAX + 1], name[STOA_NAME_MAX + 1];
	const char *attr, *equals = strchr(text, '=');
	if (!equals || !tool_split(text, object, &attr) || attr >= equals || equals - attr > STOA_NAME_MAX)
		return tool_misread(tool, text, "OBJECT.ATTRIBUTE=VALUE");
	snprintf(name, sizeof(name), "%.*s", (int)(equals - attr), attr);
	int status = tool_open(tool, object, &a->proxy);
	if (status != TOOL_DONE)
		return status;
	memcpy(a->object, object, sizeof(object));
	a->attr = tool_find_attr(stoa_class_of(a->proxy), name);
	if (!a->attr)
		return TOOL_REFUSED;
	if (a->attr->writable)
		return read_value(object, equals + 1, a);
	tool_doubt();
	return tool_refuse("attribute %s of object %s is not writable", name, object);
}

static void print(const struct assignment *a)
{
	out_begin(OUT_PLAIN);
	out_text("object", a->object);
	out_text("attribute", a->attr->name);
	out_value("value", a->attr, a->value);
	out_end();
}

static int assign(const struct tool *tool, const struct assignment *all, int n)
{
	struct stoa_command *commands = calloc((size_t)n, sizeof(*commands));
	if (!commands)
		return tool_refuse("out of memory");
	for (int i = 0; i < n; i++) {
		commands[i].proxy = all[i].proxy;
		commands[i].attr = all[i].attr->offset;
		commands[i].args = all[i].value;
		commands[i].size = all[i].attr->size;
	}
	int r = stoa_call_many(tool->stoa, (size_t)n, commands, tool->timeout);
	free(commands);
	for (int i = 0; r == 0 && out_style() == OUT_JSON && i < n; i++)
		print(&all[i]);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

static int set(struct tool *tool, int argc, char **argv)
{
	struct assignment *all = calloc((size_t)argc, sizeof(*all));
	int status = all ? TOOL_DONE : tool_refuse("out of memory");
	for (int i = 0; status == TOOL_DONE && i < argc; i++)
		status = read_one(tool, argv[i], &all[i]);
	if (status == TOOL_DONE)
		status = assign(tool, all, argc);
	for (int i = 0; all && i < argc; i++) {
		if (all[i].value)
			value_fini(all[i].attr, all[i].value);
		free(all[i].value);
		tool_close(tool, all[i].proxy);
	}
	free(all);
	return status;
}

const struct verb verb_set = {
	.name = "set",
	.run = set,
	.operands = "OBJECT.ATTRIBUTE=VALUE...",
	.example = "set hits.value=7",
	.doc = "assign attributes, all or nothing",
	.more = "When it returns, they are committed, as one change.\n" TOOL_VALUES_TEXT,
	.flags = TOOL_VALUES,
	.least = 1,
	.most = INT_MAX,
};
