/*
 * nearest.h: what somebody may have meant by a name that is not there, for messages of the library and of the command
 * line. Inline, as the command line has only what the library exports.
 */
#ifndef STOA_NEAREST_H
#define STOA_NEAREST_H

#include <stddef.h>
#include <string.h>

#include "include/stoa.h"

/* How many letters of word (n of them, at most STOA_NAME_MAX) to change, insert or drop: Levenshtein's distance. */
static inline size_t nearest_distance(const char *word, size_t n, const char *name)
{
	size_t row[STOA_NAME_MAX + 1];
	for (size_t i = 0; i <= n; i++)
		row[i] = i;
	for (; *name; name++) {
		size_t corner = row[0]++;
		for (size_t i = 0; i < n; i++) {
			size_t above = row[i + 1], longer = (above < row[i] ? above : row[i]) + 1;
			size_t changed = corner + (word[i] != *name);
			row[i + 1] = longer < changed ? longer : changed;
			corner = above;
		}
	}
	return row[n];
}

/* The candidate most like word, of n bytes; NULL: none is near. each gives number i, or NULL at the end. */
static inline const char *nearest(const char *word, size_t n, const char *(*each)(const void *data, size_t i),
				  const void *data)
{
	const char *best = NULL, *name;
	size_t near = n / 3 + 2; /* below it, a likely slip of the fingers */
	for (size_t i = 0; n <= STOA_NAME_MAX && (name = each(data, i)); i++) {
		size_t d = nearest_distance(word, n, name);
		if (d < near && d < strlen(name)) {
			near = d;
			best = name;
		}
	}
	return best;
}

#endif
