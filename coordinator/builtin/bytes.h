/*
 * bytes.h: what the built-in classes "text" and "blob" have in common. NULL with size 0 is as good as nothing at all.
 */
#ifndef STOA_BUILTIN_BYTES_H
#define STOA_BUILTIN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static inline bool bytes_same(const void *a, size_t n_a, const void *b, size_t n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a) == 0);
}

/* Both, one behind the other: malloc'ed, or NULL. */
static inline void *bytes_join(const void *a, size_t n_a, const void *b, size_t n_b)
{
	char *both = malloc(n_a + n_b + 1);
	if (both && n_a)
		memcpy(both, a, n_a);
	if (both && n_b)
		memcpy(both + n_a, b, n_b);
	return both;
}

#endif
