/*
 * gauge.c: the methods of the built-in class "gauge". What is not a finite number is refused: min and max would be lost
 * to it, or it to them.
 */
#include "include/stoa/gauge.h"

#include <errno.h>
#include <math.h>

#include "coordinator/builtin/given.h"

STOA_STRUCT(gauge, STOA_ATTR(struct gauge, value, .doc = "what it shows"),
	    STOA_ATTR(struct gauge, min, .doc = "the least it was; nothing while n is 0"),
	    STOA_ATTR(struct gauge, max, .doc = "the greatest it was; nothing while n is 0"),
	    STOA_ATTR(struct gauge, n, .doc = "values since the start or the last reset"));
STOA_STRUCT(gauge_args, STOA_ATTR(struct gauge_args, x, .doc = "by how much, or to what"));
STOA_STRUCT(gauge_cas, STOA_ATTR(struct gauge_cas, expected, .doc = "the value now"),
	    STOA_ATTR(struct gauge_cas, value, .doc = "the new one"));
STOA_STRUCT(gauge_value, STOA_ATTR(struct gauge_value, value, .doc = "after the method"));
STOA_STRUCT(gauge_done, STOA_ATTR(struct gauge_done, done, .doc = "it was as expected"),
	    STOA_ATTR(struct gauge_done, value, .doc = "after the method"));

static void keep(struct gauge *self, double value)
{
	self->value = value;
	self->min = self->n == 0 || value < self->min ? value : self->min;
	self->max = self->n == 0 || value > self->max ? value : self->max;
	self->n++;
}

static int make(struct gauge *self, double value, char operation, double x, struct gauge_value *ret)
{
	if (!isfinite(value))
		return stoa_fail(-ERANGE, "%g %c %g is not a finite number", self->value, operation, x);
	keep(self, value);
	ret->value = value;
	return 0;
}

static int refuse(double value)
{
	return stoa_fail(-ERANGE, "the new value is %g, which is not a finite number", value);
}

static int gauge_set(struct gauge *self, const struct gauge_args *args, struct gauge_value *ret)
{
	if (!isfinite(args->x))
		return refuse(args->x);
	keep(self, args->x);
	ret->value = args->x;
	return 0;
}

static int gauge_add(struct gauge *self, const struct gauge_args *args, struct gauge_value *ret)
{
	return make(self, self->value + args->x, '+', args->x, ret);
}

static int gauge_mul(struct gauge *self, const struct gauge_args *args, struct gauge_value *ret)
{
	return make(self, self->value * args->x, '*', args->x, ret);
}

static int gauge_cas(struct gauge *self, const struct gauge_cas *args, struct gauge_done *ret)
{
	if (!isfinite(args->value))
		return refuse(args->value);
	ret->done = self->value == args->expected;
	if (ret->done)
		keep(self, args->value);
	ret->value = self->value;
	return 0;
}

static int gauge_reset(struct gauge *self, const stoa_none *args, struct gauge_value *ret)
{
	(void)args;
	(void)ret;
	*self = (struct gauge){ 0 };
	return 0;
}

#define ALL "value min max n"
STOA_METHOD(gauge, set, gauge_args, gauge_value, .writes = ALL, .doc = "make it x");
STOA_METHOD(gauge, add, gauge_args, gauge_value, .writes = ALL, .doc = "add x");
STOA_METHOD(gauge, mul, gauge_args, gauge_value, .writes = ALL, .doc = "multiply by x");
STOA_METHOD(gauge, cas, gauge_cas, gauge_done, .writes = ALL, .doc = "compare, and set if it is as expected");
STOA_METHOD(gauge, reset, stoa_none, gauge_value, .writes = ALL, .doc = "make all 0");

static int gauge_validate(const void *self, bool is_new)
{
	const struct gauge *g = self;
	int r = is_new ? given_only(&gauge_struct, self, "value") : 0;
	return r ? r : given_finite("value", g->value);
}
STOA_CLASS_VALIDATE(gauge, 1, gauge_validate, &gauge_set_row, &gauge_add_row, &gauge_mul_row, &gauge_cas_row,
		    &gauge_reset_row);
