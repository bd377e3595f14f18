/*
 * served.c: see served.h.
 */
#include "bench/served.h"

#include <string.h>

#include "bench/bench.h"

static struct tally tally;

static size_t answer(const void *from, size_t size, void *ret)
{
	memcpy(ret, from, size);
	return size;
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
