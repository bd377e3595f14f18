/*
 * classes.c: see classes.h. The methods do next to nothing, so that what is measured is stoa.
 */
#include "bench/classes.h"

#include <stdio.h>

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

/* ---- of many blocks: too many to write down, so their attributes are made at the start ---- */

static struct stoa_attr small_attrs[4], large_attrs[1024];
static const struct stoa_struct small_struct = {
	.name = "small", .size = sizeof(struct small), .align = 8, .attrs = small_attrs, .n_attrs = 4
};
static const struct stoa_struct large_struct = {
	.name = "large", .size = sizeof(struct large), .align = 8, .attrs = large_attrs, .n_attrs = 1024
};

static int small_touch(struct small *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->blocks[3][BLOCK_WORDS / 2]++;
	return 0;
}
STOA_METHOD(small, touch, stoa_none, stoa_none, .writes = "b3");

static int large_touch(struct large *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->blocks[1023][BLOCK_WORDS / 2]++;
	return 0;
}
STOA_METHOD(large, touch, stoa_none, stoa_none, .writes = "b1023");

STOA_CLASS(small, 1, &small_touch_row);
STOA_CLASS(large, 1, &large_touch_row);

static void fill(struct stoa_attr *attrs, uint32_t n)
{
	static char names[1024][16];
	for (uint32_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "b%u", i);
		attrs[i] = (struct stoa_attr){ .name = names[i],
					       .offset = i * BLOCK_WORDS * 8,
					       .size = BLOCK_WORDS * 8,
					       .dims = { BLOCK_WORDS, 1, 1 },
					       .rank = 1,
					       .kind = STOA_U64 };
	}
}

void classes_begin(void)
{
	fill(small_attrs, 4);
	fill(large_attrs, 1024);
}
