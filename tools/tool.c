/*
 * tool.c: see tool.h. Attaching, finding, and saying what is wrong.
 */
#include "tools/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "src/nearest.h"

#define BRIEF_NS STOA_MS(1000) /* who only looks does not wait longer for a namespace that nobody serves */

/* ---- errors ---- */

static FILE *errors; /* NULL: standard error */
static bool stale;

void tool_errors_to(FILE *to) { errors = to; }

FILE *tool_errors(void) { return errors ? errors : stderr; }

void tool_doubt(void) { stale = true; }

bool tool_is_stale(void)
{
	bool was = stale;
	stale = false;
	return was;
}

static int exit_status(int code)
{
	return code == -ECONNRESET || code == -ENOTCONN || code == -ESHUTDOWN ? TOOL_GONE : TOOL_REFUSED;
}

int tool_fail(int code)
{
	struct stoa_error e = { 0 };
	stoa_last_error(&e);
	bool told = e.code == code && e.text[0];
	bool doubt = told && e.may_apply && code == -ETIMEDOUT && strcmp(e.text, stoa_strerror(code)) != 0;
	fprintf(tool_errors(), "stoa: %s%s\n", told ? e.text : stoa_strerror(code),
		doubt ? " (it may still be applied)" : "");
	stale = stale || (code == -ESTALE && !(told && e.may_apply));
	return exit_status(code);
}

const char *tool_word(const char *word)
{
	return *word ? word : "\"\"";
}

int tool_refuse(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("stoa: ", tool_errors());
	vfprintf(tool_errors(), format, args);
	fputc('\n', tool_errors());
	va_end(args);
	return TOOL_REFUSED;
}

int tool_misuse(const struct tool *tool, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("stoa: ", tool_errors());
	vfprintf(tool_errors(), format, args);
	va_end(args);
	if (errors)
		fputc('\n', errors);
	else
		fprintf(stderr, "\nTry 'stoa %s%s--help'.\n", tool->verb ? tool->verb->name : "",
			tool->verb ? " " : "");
	return tool->verb && tool->verb->flags & TOOL_MONITOR ? TOOL_UNKNOWN : TOOL_USAGE;
}

void tool_note(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("stoa: note: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* ---- the namespace ---- */

int tool_attach(struct tool *tool)
{
	bool brief = tool->verb->flags & (TOOL_READS | TOOL_BRIEF) && !tool->has_timeout;
	bool reads = tool->verb->flags & TOOL_READS;
	struct stoa **handle = reads ? &tool->reader : &tool->writer;
	int r = *handle ? 0
			: stoa_attach(tool->namespace,
				      STOA_OPTIONS(.flags = reads ? STOA_READ_ONLY : 0,
						   .timeout = brief ? BRIEF_NS : tool->timeout),
				      handle);
	tool->stoa = *handle;
	return r;
}

void tool_detach(struct tool *tool)
{
	tool_forget(tool);
	stoa_detach(tool->reader);
	stoa_detach(tool->writer);
	tool->reader = tool->writer = tool->stoa = NULL;
}

/* ---- objects that stay open ---- */

struct tool_opened {
	char name[STOA_NAME_MAX + 1];
	struct stoa_proxy *proxies[2]; /* through the reader, the writer; NULL: not open */
	UT_hash_handle hh;
};

/* Where the proxy is kept; NULL: nowhere, for want of memory too. */
static struct stoa_proxy **kept(struct tool *tool, const char *object)
{
	struct tool_opened *o;
	size_t n = strlen(object);
	if (!tool->keeps || n > STOA_NAME_MAX)
		return NULL;
	HASH_FIND(hh, tool->opened, object, n, o);
	if (!o && (o = calloc(1, sizeof(*o)))) {
		memcpy(o->name, object, n);
		HASH_ADD_KEYPTR(hh, tool->opened, o->name, n, o);
	}
	return o ? &o->proxies[tool->stoa == tool->writer] : NULL;
}

void tool_forget(struct tool *tool)
{
	struct tool_opened *o, *next;
	HASH_ITER(hh, tool->opened, o, next) {
		HASH_DEL(tool->opened, o);
		stoa_close(o->proxies[0]);
		stoa_close(o->proxies[1]);
		free(o);
	}
}

/* ---- objects ---- */

/* The names of a namespace's objects, or classes. */
struct names {
	char (*names)[STOA_NAME_MAX + 1];
	size_t n, room;
};

static int add_name(void *data, const char *object, const struct stoa_class *cls)
{
	struct names *all = data;
	(void)cls;
	if (all->n == all->room) {
		void *more = realloc(all->names, (all->room = 2 * all->room + 16) * sizeof(*all->names));
		if (!more)
			return 1;
		all->names = more;
	}
	snprintf(all->names[all->n++], sizeof(*all->names), "%s", object);
	return 0;
}

static const char *each_name(const void *data, size_t i)
{
	const struct names *all = data;
	return i < all->n ? all->names[i] : NULL;
}

static int add_class(void *data, const struct stoa_class *cls, uint64_t fingerprint)
{
	(void)fingerprint;
	return add_name(data, cls->name, cls);
}

/* Say it, with the nearest of the names, and let go of them. */
static int fail_name(const char *said, const char *name, struct names *all)
{
	const char *near = nearest(name, strlen(name), each_name, all);
	if (near)
		tool_refuse("%s; did you mean %s?", said, near);
	else
		tool_refuse("%s", said);
	free(all->names);
	return TOOL_REFUSED;
}

int tool_fail_object(const struct tool *tool, const char *object)
{
	struct names all = { 0 };
	struct stoa_error e = { 0 };
	stoa_last_error(&e);
	stoa_list(tool->stoa, NULL, add_name, &all);
	return fail_name(e.text, object, &all);
}

int tool_fail_class(const struct tool *tool, const char *cls)
{
	const struct stoa_class *found;
	struct names all = { 0 };
	struct stoa_error e = { 0 };
	if (stoa_find_class(tool->stoa, cls, &found) < 0)
		stoa_last_error(&e);
	stoa_classes(tool->stoa, add_class, &all);
	return fail_name(e.text, cls, &all);
}

int tool_try_open(struct tool *tool, const char *object, struct stoa_proxy **ret_proxy)
{
	struct stoa_proxy **at = kept(tool, object), *proxy = at ? *at : NULL;
	int r = proxy ? 0 : stoa_open(tool->stoa, object, NULL, STOA_NOWAIT, &proxy);
	if (r < 0)
		return r;
	if (at)
		*at = proxy;
	*ret_proxy = proxy;
	return 0;
}

int tool_open(struct tool *tool, const char *object, struct stoa_proxy **ret_proxy)
{
	int r = tool_try_open(tool, object, ret_proxy);
	return r == -ENOENT ? tool_fail_object(tool, object) : r < 0 ? tool_fail(r) : TOOL_DONE;
}

void tool_close(struct tool *tool, struct stoa_proxy *proxy)
{
	if (!tool->keeps)
		stoa_close(proxy);
}

bool tool_is_pattern(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
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

int tool_misread(const struct tool *tool, const char *text, const char *form)
{
	if (strcspn(text, ".") > STOA_NAME_MAX)
		return tool_misuse(tool, "in \"%s\" the name of the object is longer than %d bytes", text,
				   STOA_NAME_MAX);
	return tool_misuse(tool, "\"%s\" is not %s", text, form);
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
	tool_doubt();
	if (near)
		tool_refuse("class %s has no %s %s; did you mean %s?", cls->name, what, tool_word(name), near);
	else
		tool_refuse("class %s has no %s %s", cls->name, what, tool_word(name));
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
