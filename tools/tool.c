/*
 * tool.c: see tool.h. Attaching, finding, and saying what is wrong.
 */
#include "tools/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/nearest.h"

#define BRIEF_NS STOA_MS(1000) /* who only looks does not wait longer for a namespace that nobody serves */

/* ---- errors ---- */

int tool_fail(int code)
{
	struct stoa_error e = { 0 };
	stoa_last_error(&e);
	bool told = e.code == code && e.text[0];
	bool doubt = told && e.may_apply && code == -ETIMEDOUT && strcmp(e.text, stoa_strerror(code)) != 0;
	fprintf(stderr, "stoa: %s%s\n", told ? e.text : stoa_strerror(code),
		doubt ? " (it may still be applied)" : "");
	return code == -ECONNRESET || code == -ENOTCONN || code == -ESHUTDOWN ? TOOL_GONE : TOOL_REFUSED;
}

int tool_refuse(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("stoa: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return TOOL_REFUSED;
}

int tool_misuse(const struct tool *tool, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("stoa: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry 'stoa %s%s--help'.\n", tool->verb ? tool->verb->name : "", tool->verb ? " " : "");
	return tool->verb && tool->verb->flags & TOOL_MONITOR ? TOOL_UNKNOWN : TOOL_USAGE;
}

/* ---- the namespace and its objects ---- */

int tool_attach(struct tool *tool)
{
	bool brief = tool->verb->flags & (TOOL_READS | TOOL_BRIEF) && !tool->has_timeout;
	return stoa_attach(tool->namespace,
			   STOA_OPTIONS(.flags = tool->verb->flags & TOOL_READS ? STOA_READ_ONLY : 0,
					.timeout = brief ? BRIEF_NS : tool->timeout),
			   &tool->stoa);
}

int tool_open(const struct tool *tool, const char *object, struct stoa_proxy **ret_proxy)
{
	return stoa_open(tool->stoa, object, NULL, STOA_NOWAIT, ret_proxy);
}

bool tool_split(const char *text, char object[STOA_NAME_MAX + 1], const char **ret_attr)
{
	size_t n = strcspn(text, ".");
	if (n == 0 || n > STOA_NAME_MAX || text[n] == '\0' || text[n + 1] == '\0')
		return false;
	memcpy(object, text, n);
	object[n] = '\0';
	*ret_attr = text + n + 1;
	return true;
}

/* ---- names ---- */

static const char *each_attr(const void *data, size_t i)
{
	const struct stoa_struct *s = data;
	return i < s->n_attrs ? s->attrs[i].name : NULL;
}

static const char *each_method(const void *data, size_t i)
{
	const struct stoa_method *const *methods = data;
	return methods && methods[i] ? methods[i]->name : NULL;
}

static void say_unknown(const struct stoa_class *cls, const char *what, const char *name, const char *near)
{
	if (near)
		tool_refuse("class %s has no %s %s; did you mean %s?", cls->name, what, name, near);
	else
		tool_refuse("class %s has no %s %s", cls->name, what, name);
}

const struct stoa_attr *tool_find_attr(const struct stoa_class *cls, const char *name)
{
	for (uint32_t i = 0; i < cls->state->n_attrs; i++)
		if (strcmp(cls->state->attrs[i].name, name) == 0)
			return &cls->state->attrs[i];
	say_unknown(cls, "attribute", name, nearest(name, strlen(name), each_attr, cls->state));
	return NULL;
}

const struct stoa_method *tool_find_method(const struct stoa_class *cls, const char *name)
{
	for (size_t i = 0; cls->methods && cls->methods[i]; i++)
		if (strcmp(cls->methods[i]->name, name) == 0)
			return cls->methods[i];
	say_unknown(cls, "method", name, nearest(name, strlen(name), each_method, cls->methods));
	return NULL;
}
