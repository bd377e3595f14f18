/*
 * any.h: values of any kind as bytes, for the built-in dict, list, set and queue. A value is its kind, kept elsewhere,
 * and these bytes: of a number 8, of a bool 1, of a text or blob its own.
 */
#ifndef STOA_COORDINATOR_BUILTIN_ANY_H
#define STOA_COORDINATOR_BUILTIN_ANY_H

#include "include/stoa/any.h"

struct any_bytes {
	uint8_t kind;
	const void *at;
	size_t size;
};

/* Is it one that may be stored, or none where that is allowed? Else -EINVAL, -EMSGSIZE, with a text about `what`. */
int any_check(const struct stoa_any *any, bool or_none, const char *what);

struct any_bytes any_bytes(const struct stoa_any *any);		  /* borrowed from it */
int any_get(const struct any_bytes *bytes, struct stoa_any *ret); /* a copy; -ENOMEM */
bool any_same(const struct any_bytes *a, const struct any_bytes *b); /* of one kind, and the same bytes */
bool any_is_sound(const struct any_bytes *bytes); /* what came out of the state: its size is right for its kind */

#endif
