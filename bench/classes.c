/*
 * classes.c: see classes.h. The methods do next to nothing, so that what is measured is stoa.
 */
#include "bench/classes.h"

STOA_STRUCT(tally, STOA_ATTR(struct tally, value), STOA_ATTR(struct tally, total), STOA_ATTR(struct tally, other),
	    STOA_ATTR(struct tally, rest));
STOA_STRUCT(tally_add, STOA_ATTR(struct tally_add, n), STOA_ATTR(struct tally_add, weight));
STOA_STRUCT(tally_value, STOA_ATTR(struct tally_value, value));
STOA_STRUCT(tally_stamp, STOA_ATTR(struct tally_stamp, ns));
STOA_STRUCT(page, STOA_ATTR(struct page, value), STOA_ATTR(struct page, body));

static int tally_add(struct tally *self, const struct tally_add *args, struct tally_value *ret)
{
	ret->value = tally_apply(self, args->n, args->weight);
	return 0;
}
STOA_METHOD(tally, add, tally_add, tally_value, .writes = "value total");

static int tally_touch(struct tally *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->other++;
	return 0;
}
STOA_METHOD(tally, touch, stoa_none, stoa_none, .writes = "other");

static int tally_stamp(struct tally *self, const struct tally_stamp *args, stoa_none *ret)
{
	(void)ret;
	self->other = args->ns;
	return 0;
}
STOA_METHOD(tally, stamp, tally_stamp, stoa_none, .writes = "other");

STOA_CLASS(tally, 1, &tally_add_row, &tally_touch_row, &tally_stamp_row);
STOA_RECORD(page, 1);
