/*
 * arguments.c: what stands after a method or class on the command line, into the struct that it takes.
 *
 * NAME=VALUE names a field if there is one of that name; everything else fills the next field that has no value yet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	for (uint32_t i = 0; i < n_fields(f->s); i++)
		fprintf(tool_errors(), "%s%s:%s", i ? ", " : "", f->s->attrs[i].name,
			value_type(&f->s->attrs[i], type));
	fprintf(tool_errors(), "%s; %s\n", n_fields(f->s) ? "" : "no arguments", what);
	return false;
}

/* The field named in NAME=VALUE, or n_fields. */
static uint32_t find_named(const struct stoa_struct *s, const char *word)
{
	size_t n = strcspn(word, "=");
	uint32_t i = 0;
	while (i < n_fields(s) && (word[n] != '=' || strncmp(s->attrs[i].name, word, n) != 0 || s->attrs[i].name[n]))
		i++;
	return i;
}

static bool fill_field(struct filling *f, uint32_t i, const char *text)
{
	char why[VALUE_WHY_MAX], what[VALUE_WHY_MAX + STOA_NAME_MAX + 32];
	if (f->filled[i]) {
		snprintf(what, sizeof(what), "%s is given twice", f->s->attrs[i].name);
		return complain(f, what);
	}
	f->filled[i] = true;
	if (value_parse(&f->s->attrs[i], text, f->values + f->s->attrs[i].offset, why))
		return true;
	return complain(f, why);
}

static bool fill_one(struct filling *f, const char *word)
{
	uint32_t i = find_named(f->s, word);
	if (i < n_fields(f->s))
		return fill_field(f, i, strchr(word, '=') + 1);
	for (i = 0; i < n_fields(f->s) && f->filled[i];)
		i++;
	return i < n_fields(f->s) ? fill_field(f, i, word) : complain(f, "there are too many arguments");
}

static bool is_complete(const struct filling *f)
{
	char what[STOA_NAME_MAX + 32];
	for (uint32_t i = 0; i < n_fields(f->s); i++)
		if (!f->filled[i]) {
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
