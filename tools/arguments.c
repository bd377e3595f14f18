/*
 * arguments.c: what stands after a method or class on the command line, into the struct that it takes.
 *
 * NAME=VALUE names a field if there is one of that name; everything else fills the next field that has no value yet. A
 * struct stoa_any is one field, or NAME.text=VALUE; it may be left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/any.h"
#include "tools/tool.h"
#include "tools/value.h"

struct filling {
	const struct stoa_struct *s;
	const char *whose;
	char *values;
	bool *filled;
};

void *tool_new_struct(const struct stoa_struct *s)
{
	void *values = calloc(1, s ? s->size + 1u : 1u);
	if (!values)
		tool_refuse("out of memory");
	return values;
}

void *tool_free_struct(const struct stoa_struct *s, void *values)
{
	for (uint32_t i = 0; values && s && i < s->n_attrs; i++)
		value_fini(&s->attrs[i], (char *)values + s->attrs[i].offset);
	free(values);
	return NULL;
}

static uint32_t n_fields(const struct stoa_struct *s) { return s ? s->n_attrs : 0; }

/* "method add of class counter takes n:i64; …" */
static bool complain(const struct filling *f, const char *what)
{
	char type[VALUE_TYPE_MAX];
	tool_doubt();
	fprintf(tool_errors(), "stoa: %s takes ", f->whose);
	for (uint32_t i = 0; i < n_fields(f->s); i += any_size(f->s, i))
		if (any_at(f->s, i))
			fprintf(tool_errors(), "%s%.*s:any", i ? ", " : "", any_name(f->s, i), f->s->attrs[i].name);
		else
			fprintf(tool_errors(), "%s%s:%s", i ? ", " : "", f->s->attrs[i].name,
				value_type(&f->s->attrs[i], type));
	fprintf(tool_errors(), "%s; %s\n", n_fields(f->s) ? "" : "no arguments", what);
	return false;
}

/* Is it the name of field i, or of the struct stoa_any that begins there? */
static bool is_named(const struct stoa_struct *s, uint32_t i, const char *name, size_t n)
{
	return strncmp(s->attrs[i].name, name, n) == 0 &&
	       (s->attrs[i].name[n] == '\0' || (any_at(s, i) && n == (size_t)any_name(s, i)));
}

/* The field named in NAME=VALUE, or n_fields. */
static uint32_t find_named(const struct stoa_struct *s, const char *word)
{
	size_t n = strcspn(word, "=");
	uint32_t i = 0;
	while (i < n_fields(s) && (word[n] != '=' || !is_named(s, i, word, n)))
		i++;
	return i;
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_."

/* One that is a struct stoa_any, or of one, fills all of that. */
static bool fill_field(struct filling *f, uint32_t i, const char *text, bool whole)
{
	char why[VALUE_WHY_MAX], what[VALUE_WHY_MAX + STOA_NAME_MAX + 32];
	const struct stoa_attr *a = &f->s->attrs[i];
	uint32_t any = any_of(f->s, i);
	if (f->filled[i]) {
		snprintf(what, sizeof(what), "%s is given twice", a->name);
		return complain(f, what);
	}
	f->filled[i] = true;
	if (any != UINT32_MAX) {
		memset(f->filled + any, true, ANY_FIELDS);
		any_choose(f->s, any, i, f->values);
	}
	if (any == i && whole ? any_parse(f->s, i, text, f->values, why)
			      : value_parse(a, text, f->values + a->offset, why))
		return true;
	size_t n = strspn(text, LETTERS);
	if (n > 0 && n <= STOA_NAME_MAX && text[n] == '=') /* no value, but meant as a name */
		snprintf(why, sizeof(why), "there is no argument %.*s", (int)n, text);
	return complain(f, why);
}

static bool fill_one(struct filling *f, const char *word)
{
	uint32_t i = find_named(f->s, word);
	const char *text = strchr(word, '=');
	if (i < n_fields(f->s))
		return fill_field(f, i, text + 1, f->s->attrs[i].name[text - word] == '.');
	for (i = 0; i < n_fields(f->s) && f->filled[i];)
		i++;
	return i < n_fields(f->s) ? fill_field(f, i, word, true) : complain(f, "there are too many arguments");
}

static bool is_complete(const struct filling *f)
{
	char what[STOA_NAME_MAX + 32];
	for (uint32_t i = 0; i < n_fields(f->s); i++)
		if (!f->filled[i] && any_of(f->s, i) == UINT32_MAX) {
			snprintf(what, sizeof(what), "%s is missing", f->s->attrs[i].name);
			return complain(f, what);
		}
	return true;
}

void *tool_read_arguments(const struct stoa_struct *s, const char *whose, bool all, int argc, char **argv)
{
	struct filling f = { .s = s, .whose = whose, .values = tool_new_struct(s) };
	f.filled = calloc(n_fields(s) + 1u, sizeof(*f.filled));
	bool good = f.values && f.filled;
	for (int i = 0; good && i < argc; i++)
		good = fill_one(&f, argv[i]);
	good = good && (!all || is_complete(&f));
	free(f.filled);
	return good ? f.values : tool_free_struct(s, f.values);
}
