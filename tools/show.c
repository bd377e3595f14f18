/*
 * show.c: stoa show, one object at one moment: values, types, units and docs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/tool.h"
#include "tools/value.h"

#define SHOWN_MAX 60 /* bytes of a value in the table; stoa get prints all of it */

struct line {
	char type[VALUE_TYPE_MAX + sizeof(" writable")];
	char *value; /* with its unit; malloc'ed */
};

struct widths {
	size_t name, type, value;
};

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

/* As many as a terminal shows, if each has one place. */
static size_t n_characters(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
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

static size_t max(size_t a, size_t b) { return a > b ? a : b; }

static bool make_line(const struct stoa_attr *a, const void *value, struct line *l, struct widths *w)
{
	value_type(a, l->type);
	if (a->writable)
		strcat(l->type, " writable");
	l->value = value_text(a, value);
	w->name = max(w->name, strlen(a->name));
	w->type = max(w->type, strlen(l->type));
	w->value = max(w->value, l->value ? n_characters(l->value) : 0);
	return l->value;
}

static void print_line(const struct stoa_attr *a, const struct line *l, const struct widths *w)
{
	printf("  %-*s  %-*s  %s", (int)w->name, a->name, (int)w->type, l->type, l->value);
	if (a->doc)
		printf("%*s  %s", (int)(w->value - n_characters(l->value)), "", a->doc);
	putchar('\n');
}

static void print_head(const char *object, const struct stoa_class *cls, const struct stoa_stamp *at)
{
	time_t seconds = (time_t)(at->time_ns / 1000000000);
	char time[32] = "";
	struct tm tm;
	if (localtime_r(&seconds, &tm))
		strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s: %s, version %ju", object, cls->name, (uintmax_t)at->version);
	if (at->version)
		printf(", changed %s.%03d by pid %u", time, (int)(at->time_ns / 1000000 % 1000), at->pid);
	putchar('\n');
}

static int print_table(const struct stoa_class *cls, const char *state)
{
	const struct stoa_struct *s = cls->state;
	struct line *lines = calloc(s->n_attrs + 1u, sizeof(*lines));
	struct widths w = { 0 };
	bool good = lines;
	for (uint32_t i = 0; good && i < s->n_attrs; i++)
		good = make_line(&s->attrs[i], state + s->attrs[i].offset, &lines[i], &w);
	for (uint32_t i = 0; good && i < s->n_attrs; i++)
		print_line(&s->attrs[i], &lines[i], &w);
	for (uint32_t i = 0; lines && i < s->n_attrs; i++)
		free(lines[i].value);
	free(lines);
	return good ? TOOL_DONE : tool_refuse("out of memory");
}

static void print_json(const char *object, const struct stoa_class *cls, const char *state, const struct stoa_stamp *at)
{
	const struct stoa_struct *s = cls->state;
	char type[VALUE_TYPE_MAX];
	printf("{\"object\":\"%s\",\"class\":\"%s\",\"version\":%ju,\"time_ns\":%jd,\"pid\":%u,\"values\":{", object,
	       cls->name, (uintmax_t)at->version, (intmax_t)at->time_ns, at->pid);
	for (uint32_t i = 0; i < s->n_attrs; i++) {
		printf("%s\"%s\":", i ? "," : "", s->attrs[i].name);
		value_print(stdout, &s->attrs[i], state + s->attrs[i].offset, VALUE_JSON);
	}
	printf("},\"types\":{");
	for (uint32_t i = 0; i < s->n_attrs; i++)
		printf("%s\"%s\":\"%s\"", i ? "," : "", s->attrs[i].name, value_type(&s->attrs[i], type));
	printf("},\"units\":{");
	for (uint32_t i = 0, n = 0; i < s->n_attrs; i++)
		if (s->attrs[i].unit) {
			printf("%s\"%s\":", n++ ? "," : "", s->attrs[i].name);
			value_print_json(stdout, s->attrs[i].unit);
		}
	printf("}}\n");
}

/* Attribute by attribute; the stamp is that of the newest. */
static int peek(struct stoa_proxy *proxy, char *state, struct stoa_stamp *ret_at)
{
	const struct stoa_struct *s = stoa_class_of(proxy)->state;
	struct stoa_stamp at = { 0 }, one;
	for (uint32_t i = 0; i < s->n_attrs; i++) {
		const struct stoa_attr *a = &s->attrs[i];
		int r = stoa_peek(proxy, a->offset, state + a->offset, a->size, &one);
		if (r < 0)
			return r;
		at = one.version > at.version ? one : at;
	}
	*ret_at = at;
	return 0;
}

static int show(const struct tool *tool, const char *object, struct stoa_proxy *proxy, void *state)
{
	const struct stoa_class *cls = stoa_class_of(proxy);
	struct stoa_stamp at;
	int r = tool->flags & TOOL_PEEK ? peek(proxy, state, &at)
					: stoa_snapshot(proxy, state, cls->state->size, tool->timeout, &at);
	if (r < 0)
		return tool_fail(r);
	if (tool->flags & TOOL_JSON) {
		print_json(object, cls, state, &at);
		return TOOL_DONE;
	}
	print_head(object, cls, &at);
	return print_table(cls, state);
}

int verb_show(struct tool *tool, int argc, char **argv)
{
	struct stoa_proxy *proxy;
	(void)argc;
	int r = tool_open(tool, argv[0], &proxy);
	if (r < 0)
		return tool_fail(r);
	const struct stoa_struct *s = stoa_class_of(proxy)->state;
	void *state = tool_new_struct(s);
	int status = state ? show(tool, argv[0], proxy, state) : TOOL_REFUSED;
	tool_free_struct(s, state);
	stoa_close(proxy);
	return status;
}
