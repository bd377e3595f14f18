/*
 * any.c: see any.h.
 */
#include "tools/any.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint8_t kind;
} fields[ANY_FIELDS] = {
	{ ".kind", STOA_U8 },  { ".flag", STOA_BOOL }, { ".i64", STOA_I64 },
	{ ".f64", STOA_F64 }, { ".text", STOA_TEXT }, { ".blob", STOA_BLOB },
};

static size_t stem(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot ? (size_t)(dot - name) : strlen(name);
}

bool any_at(const struct stoa_struct *s, uint32_t i)
{
	if (i + ANY_FIELDS > s->n_attrs)
		return false;
	size_t n = stem(s->attrs[i].name);
	for (uint32_t k = 0; k < ANY_FIELDS; k++) {
		const struct stoa_attr *a = &s->attrs[i + k];
		if (a->kind != fields[k].kind || a->rank || strncmp(a->name, s->attrs[i].name, n) != 0 ||
		    strcmp(a->name + n, fields[k].name) != 0)
			return false;
	}
	return true;
}

int any_name(const struct stoa_struct *s, uint32_t i)
{
	return (int)(any_at(s, i) ? stem(s->attrs[i].name) : strlen(s->attrs[i].name));
}

uint32_t any_size(const struct stoa_struct *s, uint32_t i)
{
	return any_at(s, i) ? ANY_FIELDS : 1;
}

uint32_t any_of(const struct stoa_struct *s, uint32_t i)
{
	for (uint32_t k = 0; k < ANY_FIELDS && k <= i; k++)
		if (any_at(s, i - k))
			return i - k;
	return UINT32_MAX;
}

static uint8_t *kind_of(const struct stoa_struct *s, uint32_t i, char *values)
{
	return (uint8_t *)values + s->attrs[i].offset;
}

const struct stoa_attr *any_field(const struct stoa_struct *s, uint32_t i, const char *values)
{
	uint8_t kind = *kind_of(s, i, (char *)values);
	for (uint32_t k = 1; k < ANY_FIELDS; k++)
		if (kind == fields[k].kind)
			return &s->attrs[i + k];
	return NULL;
}

void any_choose(const struct stoa_struct *s, uint32_t i, uint32_t k, char *values)
{
	if (k > i)
		*kind_of(s, i, values) = s->attrs[k].kind;
}

/* -0.5e3: no leading zeros, nor anything else that a number may be elsewhere. */
static bool is_number(const char *text, bool *ret_whole)
{
	const char *at = text + (*text == '-');
	size_t n = strspn(at, "0123456789");
	if (n == 0 || (n > 1 && *at == '0'))
		return false;
	at += n;
	*ret_whole = *at == '\0';
	if (*at == '.') {
		n = strspn(++at, "0123456789");
		at += n;
	}
	if (n && (*at == 'e' || *at == 'E')) {
		at += 1 + (at[1] == '-' || at[1] == '+');
		n = strspn(at, "0123456789");
		at += n;
	}
	return n && *at == '\0';
}

static bool choose(const struct stoa_struct *s, uint32_t i, uint32_t field, const char *text, char *values,
		   char why[VALUE_WHY_MAX])
{
	const struct stoa_attr *a = &s->attrs[i + field];
	any_choose(s, i, i + field, values);
	return value_parse(a, text, values + a->offset, why);
}

bool any_parse(const struct stoa_struct *s, uint32_t i, const char *text, char *values, char why[VALUE_WHY_MAX])
{
	enum { FLAG = 1, I64, F64, TEXT };
	bool whole = false;
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return choose(s, i, FLAG, text, values, why);
	if (is_number(text, &whole))
		return (whole && choose(s, i, I64, text, values, why)) || choose(s, i, F64, text, values, why);
	char *unquoted = value_unquote(text);
	bool good = choose(s, i, TEXT, unquoted ? unquoted : text, values, why);
	free(unquoted);
	return good;
}
