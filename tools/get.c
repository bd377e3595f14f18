/*
 * get.c: stoa get, bare values of attributes; several are read at one moment.
 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"
#include "tools/readings.h"
#include "tools/value.h"

/* An attribute of an object, as it was asked for. */
struct wanted {
	const struct reading *reading;
	const struct stoa_attr *attr;
};

struct asked {
	struct readings readings;
	struct wanted *wanted;
	size_t n, room;
	bool named; /* print names, for there are patterns */
};

/* ---- what is asked for ---- */

static int want(struct asked *a, const struct reading *reading, const struct stoa_attr *attr)
{
	if (a->n == a->room) {
		struct wanted *more = realloc(a->wanted, (a->room = 2 * a->room + 8) * sizeof(*more));
		if (!more)
			return tool_refuse("out of memory");
		a->wanted = more;
	}
	a->wanted[a->n++] = (struct wanted){ reading, attr };
	return TOOL_DONE;
}

/* The attributes of one object that are like this. */
static int want_matching(struct asked *a, const struct reading *reading, const char *pattern)
{
	const struct stoa_struct *s = reading->cls->state;
	int status = TOOL_DONE;
	for (uint32_t i = 0; status == TOOL_DONE && i < s->n_attrs; i++)
		if (fnmatch(pattern, s->attrs[i].name, 0) == 0)
			status = want(a, reading, &s->attrs[i]);
	return status;
}

/* Objects of all classes are like "*": those that lack the attribute are passed over, unless all do. */
static int want_of_all(struct asked *a, const char *text, const char *object, const char *attr)
{
	size_t before = a->n;
	int status = TOOL_DONE;
	for (size_t i = 0; status == TOOL_DONE && i < a->readings.n; i++)
		if (fnmatch(object, a->readings.all[i]->object, 0) == 0)
			status = want_matching(a, a->readings.all[i], attr);
	if (status != TOOL_DONE || a->n > before)
		return status;
	tool_doubt();
	return tool_refuse("no attribute is like \"%s\"", text);
}

static int ask(struct asked *a, struct tool *tool, const char *text)
{
	char object[STOA_NAME_MAX + 1];
	const char *name;
	if (*text && !strchr(text, '.') && strlen(text) <= STOA_NAME_MAX)
		return tool_misuse(tool, "\"%s\" is not OBJECT.ATTRIBUTE; \"%s.*\" is all of it", text, text);
	if (!tool_split(text, object, &name))
		return tool_misread(tool, text, "OBJECT.ATTRIBUTE");
	int status = readings_add(&a->readings, tool, object);
	if (status != TOOL_DONE)
		return status;
	a->named = a->named || tool_is_pattern(text);
	if (tool_is_pattern(text))
		return want_of_all(a, text, object, name);
	const struct reading *reading = readings_find(&a->readings, object);
	const struct stoa_attr *attr = tool_find_attr(reading->cls, name);
	return attr ? want(a, reading, attr) : TOOL_REFUSED;
}

/* ---- printing ---- */

static void print_record(const struct wanted *w, const void *value)
{
	out_begin(OUT_PLAIN);
	out_text("object", w->reading->object);
	out_text("attribute", w->attr->name);
	out_value("value", w->attr, value);
	out_end();
}

static void print_named(const struct wanted *w, const void *value)
{
	char name[2 * STOA_NAME_MAX + 2];
	snprintf(name, sizeof(name), "%s.%s", w->reading->object, w->attr->name);
	out_begin(OUT_PLAIN);
	out_text("attribute", name);
	out_value("value", w->attr, value);
	out_end();
}

static void print(const struct asked *a, const struct wanted *w, const void *value)
{
	if (out_style() == OUT_ANSWER && !out_is_many()) {
		out_value(NULL, w->attr, value);
	} else if (out_json()) {
		print_record(w, value);
	} else if (a->named) {
		print_named(w, value);
	} else {
		value_print(out_to(), w->attr, value, VALUE_BARE);
		fputc('\n', out_to());
	}
}

static void *place(const struct wanted *w) { return (char *)w->reading->state + w->attr->offset; }

/* ---- reading ---- */

/* One alone waits for writes to itself only. */
static int take_one(const struct tool *tool, const struct wanted *w, bool peek)
{
	struct stoa_proxy *proxy = w->reading->proxy;
	const struct stoa_attr *a = w->attr;
	return peek ? stoa_peek(proxy, a->offset, place(w), a->size, NULL)
		    : stoa_get(proxy, a->offset, place(w), a->size, tool->timeout, NULL);
}

static int take(struct asked *a, const struct tool *tool)
{
	bool peek = tool_option(tool, "peek");
	int r = 0;
	if (!peek && a->n > 1)
		return readings_take(&a->readings, tool, false);
	for (size_t i = 0; r == 0 && i < a->n; i++)
		r = take_one(tool, &a->wanted[i], peek);
	return r;
}

/* All of it anew; a status, or a negative errno, unsaid. */
static int read_all(struct asked *a, struct tool *tool, int argc, char **argv)
{
	int status = TOOL_DONE;
	readings_fini(&a->readings, tool);
	a->n = 0;
	for (int i = 0; status == TOOL_DONE && i < argc; i++)
		status = ask(a, tool, argv[i]);
	return status == TOOL_DONE ? take(a, tool) : status;
}

static int get(struct tool *tool, int argc, char **argv)
{
	struct asked a = { 0 };
	int tries = 0, status;
	do
		status = read_all(&a, tool, argc, argv);
	while (readings_gone(&a.readings, status) && ++tries < READINGS_TRIES);
	if (status < 0)
		status = tool_fail(status);
	if (argc > 1 || a.named)
		out_many();
	for (size_t i = 0; status == TOOL_DONE && i < a.n; i++)
		print(&a, &a.wanted[i], place(&a.wanted[i]));
	readings_fini(&a.readings, tool);
	free(a.wanted);
	return status;
}

static const struct verb_option options[] = { TOOL_PEEK, { 0 } };

const struct verb verb_get = {
	.name = "get",
	.run = get,
	.operands = "OBJECT.ATTRIBUTE...",
	.example = "get hits.value 'web-*.requests'",
	.doc = "the bare value of attributes",
	.more = "After all writes that were accepted before. Several are read at one moment, and printed a line each.\n"
		"Objects and attributes may be patterns, as the shell has them: then the names are printed, too.\n",
	.options = options,
	.flags = TOOL_READS,
	.least = 1,
	.most = INT_MAX,
};
