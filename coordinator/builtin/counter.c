/*
 * counter.c: the methods of the built-in class "counter". A sum that does not fit changes nothing.
 */
#include "include/stoa/counter.h"

#include <errno.h>

STOA_STRUCT(counter, STOA_ATTR(struct counter, value, .doc = "what was counted", .writable = true));
STOA_STRUCT(counter_args, STOA_ATTR(struct counter_args, n, .doc = "by how much, or to what"));
STOA_STRUCT(counter_value, STOA_ATTR(struct counter_value, value, .doc = "after the method"));

static int keep(struct counter *self, int64_t value, struct counter_value *ret)
{
	self->value = ret->value = value;
	return 0;
}

static int counter_add(struct counter *self, const struct counter_args *args, struct counter_value *ret)
{
	int64_t sum;
	if (__builtin_add_overflow(self->value, args->n, &sum))
		return stoa_fail(-EOVERFLOW, "%jd + %jd is out of range", (intmax_t)self->value, (intmax_t)args->n);
	return keep(self, sum, ret);
}

static int counter_sub(struct counter *self, const struct counter_args *args, struct counter_value *ret)
{
	int64_t difference;
	if (__builtin_sub_overflow(self->value, args->n, &difference))
		return stoa_fail(-EOVERFLOW, "%jd - %jd is out of range", (intmax_t)self->value, (intmax_t)args->n);
	return keep(self, difference, ret);
}

static int counter_set(struct counter *self, const struct counter_args *args, struct counter_value *ret)
{
	return keep(self, args->n, ret);
}

static int counter_reset(struct counter *self, const stoa_none *args, struct counter_value *ret)
{
	(void)args;
	return keep(self, 0, ret);
}

STOA_METHOD(counter, add, counter_args, counter_value, .writes = "value", .doc = "add n", .folds = true);
STOA_METHOD(counter, sub, counter_args, counter_value, .writes = "value", .doc = "subtract n", .folds = true);
STOA_METHOD(counter, set, counter_args, counter_value, .writes = "value", .doc = "make it n");
STOA_METHOD(counter, reset, stoa_none, counter_value, .writes = "value", .doc = "make it 0");
STOA_CLASS(counter, 1, &counter_add_row, &counter_sub_row, &counter_set_row, &counter_reset_row);
