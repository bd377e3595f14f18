/*
 * remove.c: stoa remove. What patterns mean is settled before anything is removed, and told.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"
#include "tools/tool.h"

struct doomed {
	char name[STOA_NAME_MAX + 1];
	bool matched; /* by a pattern: if it is gone by then, all the better */
};

struct doom {
	struct doomed *all;
	size_t n, room;
	size_t found; /* by the pattern in hand */
	int status;
	bool told;    /* one by one: there are patterns */
};

static bool is_listed(const struct doom *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->all[i].name, name) == 0)
			return true;
	return false;
}

static int add(struct doom *d, const char *name, bool matched)
{
	if (d->n == d->room) {
		struct doomed *more = realloc(d->all, (d->room = 2 * d->room + 16) * sizeof(*more));
		if (!more)
			return tool_refuse("out of memory");
		d->all = more;
	}
	struct doomed *one = &d->all[d->n++];
	snprintf(one->name, sizeof(one->name), "%s", name);
	one->matched = matched;
	return TOOL_DONE;
}

static int add_match(void *data, const char *object, const struct stoa_class *cls)
{
	struct doom *d = data;
	(void)cls;
	d->found++;
	d->status = is_listed(d, object) ? TOOL_DONE : add(d, object, true);
	return d->status;
}

static int add_matching(struct tool *tool, struct doom *d, const char *pattern)
{
	d->found = 0;
	d->told = true;
	int r = stoa_list(tool->stoa, pattern, add_match, d);
	if (r < 0)
		return tool_fail(r);
	if (d->found == 0)
		return tool_refuse("no object of namespace %s is like \"%s\"", tool->namespace, pattern);
	return d->status;
}

static int remove_one(struct tool *tool, const struct doom *d, const struct doomed *one)
{
	int r = stoa_remove(tool->stoa, one->name, tool->timeout);
	if (r == -ENOENT && one->matched)
		return TOOL_DONE;
	if (r < 0)
		return r == -ENOENT ? tool_fail_object(tool, one->name) : tool_fail(r);
	if (!d->told) {
		out_done("removed", one->name);
		return TOOL_DONE;
	}
	out_begin(OUT_STREAM);
	out_text("removed", one->name);
	out_end();
	return TOOL_DONE;
}

static int remove_all(struct tool *tool, int argc, char **argv)
{
	struct doom d = { 0 };
	int status = TOOL_DONE;
	for (int i = 0; status == TOOL_DONE && i < argc; i++)
		if (tool_is_pattern(argv[i]))
			status = add_matching(tool, &d, argv[i]);
		else if (!d.told || !is_listed(&d, argv[i]))
			status = add(&d, argv[i], false);
	if (d.told)
		out_many();
	for (size_t i = 0; status == TOOL_DONE && i < d.n; i++)
		status = remove_one(tool, &d, &d.all[i]);
	free(d.all);
	return status;
}

const struct verb verb_remove = {
	.name = "remove",
	.run = remove_all,
	.operands = "OBJECT...",
	.example = "remove hits 'web-*'",
	.doc = "remove objects",
	.more = "An object may be a pattern, as the shell has it: * ? [a-z]; then what is removed is printed. Nothing is, if a\n"
		"pattern is like no object.\n",
	.flags = TOOL_BRIEF,
	.least = 1,
	.most = INT_MAX,
};
