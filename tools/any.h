/*
 * any.h: members of the type struct stoa_any (include/stoa/any.h) in arguments and results. On the command line each is
 * one value.
 */
#ifndef STOA_TOOLS_ANY_H
#define STOA_TOOLS_ANY_H

#include <stdbool.h>
#include <stdint.h>

#include "include/stoa.h"
#include "tools/value.h"

#define ANY_FIELDS 6 /* kind, flag, i64, f64, text, blob */

bool any_at(const struct stoa_struct *s, uint32_t i); /* one begins with field i */
uint32_t any_of(const struct stoa_struct *s, uint32_t i); /* where the one begins that i is of; UINT32_MAX: of none */
int any_name(const struct stoa_struct *s, uint32_t i); /* bytes of its name, without .kind if one begins there */
uint32_t any_size(const struct stoa_struct *s, uint32_t i); /* fields: ANY_FIELDS if one begins there, else 1 */

/* Of what stands there, the field that counts; NULL: none does. */
const struct stoa_attr *any_field(const struct stoa_struct *s, uint32_t i, const char *values);

/* Field k of the one that begins at i was read: it is what counts. */
void any_choose(const struct stoa_struct *s, uint32_t i, uint32_t k, char *values);

/* As JSON has numbers, true, false and "text"; all else is text. */
bool any_parse(const struct stoa_struct *s, uint32_t i, const char *text, char *values, char why[VALUE_WHY_MAX]);

#endif
