/*
 * show.c: stoa show, one object at one moment: values, types, units and docs.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"
#include "tools/readings.h"
#include "tools/value.h"

#define SHOWN_MAX 60 /* bytes of a value in the table; stoa get prints all of it */

/* Cut at the end of a character. */
static void shorten(char *text)
{
	size_t n = SHOWN_MAX - 3;
	if (strlen(text) <= SHOWN_MAX)
		return;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	strcpy(text + n, "...");
}

static char *value_text(const struct stoa_attr *a, const void *value)
{
	char *text = NULL, *with_unit = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);
	if (!to)
		return NULL;
	value_print(to, a, value, VALUE_SHOWN);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	shorten(text);
	if (!a->unit || asprintf(&with_unit, "%s %s", text, a->unit) < 0)
		return text;
	free(text);
	return with_unit;
}

static void print_head(const struct reading *r)
{
	char when[40];
	fprintf(out_to(), "%s%s%s: %s, version %ju", out_colour(OUT_BOLD), r->object, out_colour(OUT_NONE),
		r->cls->name, (uintmax_t)r->at.version);
	out_print_time(when, sizeof(when), r->at.time_ns);
	if (r->at.version && r->at.pid)
		fprintf(out_to(), ", changed %s by pid %u", when, r->at.pid);
	else if (r->at.version)
		fprintf(out_to(), ", changed %s by the coordinator", when);
	fputc('\n', out_to());
}

static int print_attr(const struct stoa_attr *a, const void *value)
{
	char type[VALUE_TYPE_MAX + sizeof(" writable")], name[STOA_NAME_MAX + 3];
	char *text = value_text(a, value);
	if (!text)
		return tool_refuse("out of memory");
	snprintf(name, sizeof(name), "  %s", a->name);
	value_type(a, type);
	strcat(type, a->writable ? " writable" : "");
	out_begin(OUT_PLAIN);
	out_text("attribute", name);
	out_text("type", type);
	out_text("value", text);
	out_text("doc", a->doc ? a->doc : "");
	out_end();
	free(text);
	return TOOL_DONE;
}

static int print_table(const struct reading *r)
{
	const struct stoa_struct *s = r->cls->state;
	int status = TOOL_DONE;
	print_head(r);
	for (uint32_t i = 0; status == TOOL_DONE && i < s->n_attrs; i++)
		status = print_attr(&s->attrs[i], (char *)r->state + s->attrs[i].offset);
	out_flush();
	return status;
}

static void print_values(const struct reading *r)
{
	const struct stoa_struct *s = r->cls->state;
	char type[VALUE_TYPE_MAX];
	out_open("values", '{');
	for (uint32_t i = 0; i < s->n_attrs; i++)
		out_value(s->attrs[i].name, &s->attrs[i], (char *)r->state + s->attrs[i].offset);
	out_close('}');
	out_open("types", '{');
	for (uint32_t i = 0; i < s->n_attrs; i++)
		out_text(s->attrs[i].name, value_type(&s->attrs[i], type));
	out_close('}');
	out_open("units", '{');
	for (uint32_t i = 0; i < s->n_attrs; i++)
		if (s->attrs[i].unit)
			out_text(s->attrs[i].name, s->attrs[i].unit);
	out_close('}');
}

static void print_json(const struct reading *r)
{
	out_begin(OUT_PLAIN);
	out_text("object", r->object);
	out_text("class", r->cls->name);
	out_uint("version", r->at.version);
	out_time("time", r->at.time_ns);
	out_uint("pid", r->at.pid);
	print_values(r);
	out_end();
}

static int print(const struct reading *r, bool first)
{
	if (out_json()) {
		print_json(r);
		return TOOL_DONE;
	}
	if (!first)
		fputc('\n', out_to());
	return print_table(r);
}

/* All of them anew; a status, or what readings_take says. */
static int read_all(struct readings *r, struct tool *tool, int argc, char **argv)
{
	int status = TOOL_DONE;
	readings_fini(r, tool);
	for (int i = 0; status == TOOL_DONE && i < argc; i++)
		status = readings_add(r, tool, argv[i]);
	return status == TOOL_DONE ? readings_take(r, tool, tool_option(tool, "peek")) : status;
}

static int show(struct tool *tool, int argc, char **argv)
{
	struct readings r = { 0 };
	int tries = 0, status;
	do
		status = read_all(&r, tool, argc, argv);
	while (readings_gone(&r, status) && ++tries < READINGS_TRIES);
	if (status < 0)
		status = tool_fail(status);
	if (argc > 1 || r.patterns)
		out_many();
	for (size_t i = 0; status == TOOL_DONE && i < r.n; i++)
		status = print(r.all[i], i == 0);
	readings_fini(&r, tool);
	return status;
}

static const struct verb_option options[] = { TOOL_PEEK, { 0 } };

const struct verb verb_show = {
	.name = "show",
	.run = show,
	.operands = "OBJECT...",
	.example = "show hits 'web-*'",
	.doc = "all attributes of objects, at one moment",
	.more = "An object may be a pattern, as the shell has it. Long values are shortened; get and --json give all.\n"
		"With --json, a line for each object; nan and inf are strings there, and bytes are \"0x...\".\n",
	.options = options,
	.flags = TOOL_READS,
	.least = 1,
	.most = INT_MAX,
};
