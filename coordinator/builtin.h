/*
 * builtin.h: the classes that every namespace has, unless its program brings one of the same name; and what their
 * objects may be from outside: the methods keep to it themselves.
 */
#ifndef STOA_BUILTIN_H
#define STOA_BUILTIN_H

#include "include/stoa.h"

extern const struct stoa_class *const builtin_classes[]; /* ended by NULL */

/* What is given or assigned from outside, or comes from a dump. */
struct builtin_rule {
	const struct stoa_class *code;
	const char *given; /* all that a new one may be given, "" for nothing: the rest is 0; NULL: any */
	int (*check)(const struct stoa_class *code, const void *self);
};

const struct builtin_rule *builtin_rule(const struct stoa_class *code); /* NULL: it has none */

/* Does this state do, for a new object or else? -EINVAL by stoa_fail: it names the attribute, and what is allowed. */
int builtin_check_new(const struct builtin_rule *rule, const void *self);
int builtin_check(const struct builtin_rule *rule, const void *self);

#endif
