/*
 * condition.c: see condition.h.
 */
#include "tools/condition.h"

#include <stdlib.h>
#include <string.h>

#include "tools/value.h"

static const struct {
	const char *text;
	unsigned is;
} operators[] = { /* longer ones first */
	{ "==", CONDITION_EQUAL },
	{ "!=", CONDITION_LESS | CONDITION_GREATER },
	{ "<=", CONDITION_LESS | CONDITION_EQUAL },
	{ ">=", CONDITION_GREATER | CONDITION_EQUAL },
	{ "<", CONDITION_LESS },
	{ ">", CONDITION_GREATER },
	{ "=", CONDITION_EQUAL },
};

int condition_parse(const struct tool *tool, const char *text, struct condition *ret)
{
	const char *at = text + strcspn(text, "<>=!"), *attr;
	size_t i = 0, n = sizeof(operators) / sizeof(operators[0]);
	*ret = (struct condition){ 0 };
	while (i < n && strncmp(at, operators[i].text, strlen(operators[i].text)) != 0)
		i++;
	if (i == n || !tool_split(text, ret->object, &attr) || attr >= at || at - attr > STOA_NAME_MAX)
		return tool_misread(tool, text, "OBJECT.ATTRIBUTE>=VALUE, or with another of == = != < <= >");
	ret->is = operators[i].is;
	ret->text = at + strlen(operators[i].text);
	if (at[-1] == ' ') /* else blanks may belong to a text */
		ret->text += strspn(ret->text, " ");
	while (at > attr + 1 && at[-1] == ' ')
		at--;
	memcpy(ret->attr, attr, (size_t)(at - attr));
	return TOOL_DONE;
}

static bool is_number(const struct stoa_attr *a) { return a->rank == 0 && a->kind <= STOA_F64; }

int condition_bind(struct condition *c, const struct stoa_attr *row)
{
	char why[VALUE_WHY_MAX], type[VALUE_TYPE_MAX];
	bool ordered = c->is != CONDITION_EQUAL && c->is != (CONDITION_LESS | CONDITION_GREATER);
	condition_fini(c);
	if (ordered && !is_number(row))
		return tool_refuse("attribute %s of object %s is %s: it can be == or !=, for it has no order", c->attr,
				   c->object, value_type(row, type));
	c->value = calloc(1, row->size + 1u);
	if (!c->value)
		return tool_refuse("out of memory");
	c->row = row;
	if (value_parse(row, c->text + (is_number(row) ? strspn(c->text, " ") : 0), c->value, why))
		return TOOL_DONE;
	return tool_refuse("attribute %s of object %s is %s; %s", c->attr, c->object, value_type(row, type), why);
}

void condition_fini(struct condition *c)
{
	if (c->value)
		value_fini(c->row, c->value);
	free(c->value);
	c->value = NULL;
}

static unsigned compare_double(double a, double b)
{
	return a < b ? CONDITION_LESS : a == b ? CONDITION_EQUAL : a > b ? CONDITION_GREATER : 0;
}

static unsigned compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? CONDITION_LESS : a == b ? CONDITION_EQUAL : CONDITION_GREATER;
}

/* Whole numbers of any size: the sign bit turned over, they have the order of unsigned ones. */
static uint64_t whole(const struct stoa_attr *a, const void *p)
{
	uint64_t n = 0;
	bool is_signed = a->kind <= STOA_I64;
	memcpy(&n, p, a->size); /* little-endian, as all of it */
	uint64_t sign = UINT64_C(1) << (8 * a->size - 1);
	return is_signed ? n ^ sign : n;
}

static char *bare(const struct stoa_attr *a, const void *value)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);
	if (!to)
		return NULL;
	value_print(to, a, value, VALUE_BARE);
	fclose(to);
	return text;
}

/* As they are printed. */
static unsigned compare_text(const struct stoa_attr *a, const void *x, const void *y)
{
	char *left = bare(a, x), *right = bare(a, y);
	bool same = left && right && strcmp(left, right) == 0;
	free(left);
	free(right);
	return same ? CONDITION_EQUAL : CONDITION_LESS;
}

bool condition_holds(const struct condition *c, const void *value)
{
	const struct stoa_attr *a = c->row;
	unsigned is;
	if (!is_number(a))
		is = compare_text(a, value, c->value);
	else if (a->kind == STOA_F32)
		is = compare_double((double)*(const float *)value, (double)*(const float *)c->value);
	else if (a->kind == STOA_F64)
		is = compare_double(*(const double *)value, *(const double *)c->value);
	else
		is = compare_u64(whole(a, value), whole(a, c->value));
	return is & c->is;
}
