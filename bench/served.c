/*
 * served.c: see served.h.
 */
#include "bench/served.h"

#include <errno.h>
#include <string.h>

#include "bench/bench.h"

static struct tally tally;

static size_t answer(const void *from, size_t size, void *ret)
{
	memcpy(ret, from, size);
	return size;
}

/* Of what this client did itself, nothing may be lost; others add to it meanwhile. */
int served_check(void *link, const struct ask *ask, const void *answer, int size)
{
	struct link *l = link;
	uint64_t value, least = l->value + l->quiet + ask->n;
	if (size != (ask->what == SERVED_TALLY ? (int)sizeof(tally) : (int)sizeof(value)))
		return trouble(-EPROTO, "an answer of %d bytes", size);
	memcpy(&value, answer, sizeof(value)); /* comes first in both */
	if (value < least)
		return trouble(-EPROTO, "updates were lost: %ju, not %ju", (uintmax_t)value, (uintmax_t)least);
	l->value = value;
	l->quiet = 0;
	return 0;
}

int served_trip(void *link, struct ask ask)
{
	struct link *l = link;
	_Alignas(8) char answer[SERVED_ANSWER];
	int r = l->say(link, &ask);
	if (r < 0)
		return r;
	r = l->hear(link, answer);
	return r < 0 ? r : served_check(link, &ask, answer, r);
}

int64_t served_update(void *link)
{
	return served_trip(link, ASK_ADD);
}

int64_t served_update_quietly(void *link)
{
	struct link *l = link;
	l->quiet++;
	return l->say(link, &ASK_ADD_QUIETLY);
}

int served_await_updates(void *link)
{
	return served_trip(link, ASK_VALUE);
}

size_t served_do(const struct ask *ask, void *ret)
{
	if (ask->what == SERVED_ADD)
		tally_apply(&tally, ask->n, ask->weight);
	if (ask->quiet)
		return 0;
	return ask->what == SERVED_TALLY ? answer(&tally, sizeof(tally), ret)
					 : answer(&tally.value, sizeof(tally.value), ret);
}
