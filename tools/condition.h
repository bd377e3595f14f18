/*
 * condition.h: "OBJECT.ATTRIBUTE>=VALUE", and whether it holds.
 */
#ifndef STOA_TOOL_CONDITION_H
#define STOA_TOOL_CONDITION_H

#include "tools/tool.h"

enum condition_is { CONDITION_LESS = 1, CONDITION_EQUAL = 2, CONDITION_GREATER = 4 }; /* any of them will do */

struct condition {
	char object[STOA_NAME_MAX + 1], attr[STOA_NAME_MAX + 1];
	unsigned is; /* enum condition_is */
	const char *text;     /* the value as it was typed */
	const struct stoa_attr *row; /* what value is of; NULL: not bound yet */
	void *value;
};

/* == = != < <= > >=. A status: it has another form, and it was said. Text is
 * borrowed. Blanks may be around the operator. */
int condition_parse(const struct tool *tool, const char *text, struct condition *ret);

/* Read the value as that attribute has it; a status. Numbers have an order; all else is equal or not. */
int condition_bind(struct condition *c, const struct stoa_attr *row);

bool condition_holds(const struct condition *c, const void *value);
void condition_fini(struct condition *c);

#endif
