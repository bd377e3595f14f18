/*
 * set.c: stoa set, assignments. All are read and checked before the first is sent; each is a command of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tool.h"
#include "tools/value.h"

struct assignment {
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
	return tool_refuse("attribute %s of object %s is %s; %s", a->attr->name, object, value_type(a->attr, type), why);
}

static int read_one(const struct tool *tool, const char *text, struct assignment *a)
{
	char object[STOA_NAME_MAX + 1], name[STOA_NAME_MAX + 1];
	const char *attr, *equals = strchr(text, '=');
	if (!equals || !tool_split(text, object, &attr) || attr >= equals || equals - attr > STOA_NAME_MAX)
		return tool_misuse(tool, "%s is not OBJECT.ATTRIBUTE=VALUE", text);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - attr), attr);
	int r = tool_open(tool, object, &a->proxy);
	if (r < 0)
		return tool_fail(r);
	a->attr = tool_find_attr(stoa_class_of(a->proxy), name);
	if (!a->attr)
		return TOOL_REFUSED;
	if (!a->attr->writable)
		return tool_refuse("attribute %s of object %s is not writable", name, object);
	return read_value(object, equals + 1, a);
}

/* Ours are those of this process. */
static int say_rejection(void *data, const struct stoa_rejection *r)
{
	(void)data;
	if (r->pid == (uint32_t)getpid())
		tool_refuse("assigning %s of object %s: %s", r->row, r->object, r->text);
	return 0;
}

static int assign(const struct tool *tool, const struct assignment *all, int n)
{
	uint64_t rejected;
	int r = 0;
	for (int i = 0; r == 0 && i < n; i++)
		r = stoa_assign(all[i].proxy, all[i].attr->offset, all[i].value, all[i].attr->size, tool->timeout);
	r = r ? r : stoa_sync(tool->stoa, tool->timeout, &rejected);
	if (r < 0)
		return tool_fail(r);
	if (rejected == 0)
		return TOOL_DONE;
	stoa_rejected(tool->stoa, 0, say_rejection, NULL);
	return tool_refuse("%ju of %d assignments were rejected", (uintmax_t)rejected, n);
}

int verb_set(struct tool *tool, int argc, char **argv)
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
		stoa_close(all[i].proxy);
	}
	free(all);
	return status;
}
