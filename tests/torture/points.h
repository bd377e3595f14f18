/*
 * points.h: which points of a recorded run are taken, and in what order.
 */
#ifndef STOA_POINTS_H
#define STOA_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/torture/trace.h"

/* One instruction of the run; with pairs, also one of the next victim's run, which goes the same way. */
struct pick {
	uint32_t k, next;
};

struct points {
	const struct trace *trace;
	uint32_t *list;	 /* those that others can tell apart, and then the rest; each in an order of the seed's */
	size_t n, apart; /* in the list */
	size_t there, done,
		missed; /* there: points, or pairs of them; missed: that run went another way, and its end was the point */
	uint32_t *pairs; /* of those that others can tell apart; NULL: single points are taken */
};

void points_make(struct points *p, const struct trace *t, bool every, bool pairs);
void points_fini(struct points *p);

bool points_next(struct points *p, struct pick *ret); /* false: all were taken, or ROUNDS of them */
bool points_are_left(const struct points *p);
void points_where(const struct points *p, struct pick at, const char *what);
void points_print(const struct points *p, const char *what);

#endif
