/*
 * points.c: see points.h.
 */
#include "tests/torture/points.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/torture/torture.h"

static uint32_t *shuffled(size_t n)
{
	uint32_t *list = calloc(n + 1, sizeof *list);
	if (!list)
		abort();
	for (uint32_t i = 0; i < n; i++)
		list[i] = i;
	torture_shuffle(list, n);
	return list;
}

static void append(struct points *p, bool shared)
{
	const size_t from = p->n;
	for (uint32_t i = 0; i < p->trace->n; i++)
		if (p->trace->points[i].shared == shared)
			p->list[p->n++] = i;
	torture_shuffle(p->list + from, p->n - from);
}

void points_make(struct points *p, const struct trace *t, bool every, bool pairs)
{
	*p = (struct points){ .trace = t, .list = calloc(t->n + 1, sizeof *p->list) };
	if (!p->list)
		abort();
	append(p, true);
	p->apart = p->n;
	if (every)
		append(p, false);
	p->there = pairs ? p->apart * p->apart : p->n;
	p->pairs = pairs ? shuffled(p->there) : NULL;
}

void points_fini(struct points *p)
{
	free(p->list);
	free(p->pairs);
	*p = (struct points){ 0 };
}

bool points_are_left(const struct points *p)
{
	return p->done < p->there && p->done < torture.rounds;
}

bool points_next(struct points *p, struct pick *ret)
{
	if (!points_are_left(p))
		return false;
	size_t i = p->done++;
	if (p->pairs)
		*ret = (struct pick){ p->list[p->pairs[i] / p->apart], p->list[p->pairs[i] % p->apart] };
	else
		*ret = (struct pick){ p->list[i], p->list[i] };
	return true;
}

void points_where(const struct points *p, struct pick at, const char *what)
{
	const struct point *points = p->trace->points;
	char next[128] = "";
	if (p->pairs)
		snprintf(next, sizeof next, ", then %u (%s, time %u)", at.next, trace_name(points[at.next].pc),
			 points[at.next].nth);
	torture_where("%s, k = %u (%s, time %u)%s", what, at.k, trace_name(points[at.k].pc), points[at.k].nth, next);
}

void points_print(const struct points *p, const char *what)
{
	const size_t apart = p->done < p->apart ? p->done : p->apart;
	const size_t most = p->pairs ? p->done * 3 / 4 : p->done / 2;
	if (p->pairs)
		printf("%s: %zu of %zu pairs of points that others can tell apart", what, p->done, p->there);
	else
		printf("%s: %zu of %zu points that others can tell apart, %zu of %zu others", what, apart, p->apart,
		       p->done - apart, p->trace->n - p->apart);
	printf(", %zu missed\n", p->missed);
	torture_check(p->missed <= 1 + most, "%s: too many points were missed", what);
}
