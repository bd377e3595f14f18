/*
 * builtin.c: the list of the built-in classes, and what may be given to some. Each has its own file in
 * coordinator/builtin/, and its public header in include/stoa/.
 */
#include "coordinator/builtin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "include/stoa/blob.h"
#include "include/stoa/breaker.h"
#include "include/stoa/bucket.h"
#include "include/stoa/counter.h"
#include "include/stoa/dict.h"
#include "include/stoa/gauge.h"
#include "include/stoa/histogram.h"
#include "include/stoa/latch.h"
#include "include/stoa/lease.h"
#include "include/stoa/list.h"
#include "include/stoa/queue.h"
#include "include/stoa/rendezvous.h"
#include "include/stoa/set.h"
#include "include/stoa/text.h"
#include "include/stoa/timer.h"

const struct stoa_class *const builtin_classes[] = {
	&blob_class,
	&breaker_class,
	&bucket_class,
	&counter_class,
	&dict_class,
	&gauge_class,
	&histogram_class,
	&latch_class,
	&lease_class,
	&list_class,
	&queue_class,
	&rendezvous_class,
	&set_class,
	&text_class,
	&timer_class,
	NULL,
};

/* ---- what may be given ---- */

static int refuse(const struct stoa_attr *a, const void *at, const char *allowed)
{
	const char *name = a->name;
	double number;
	int64_t n;
	memcpy(&number, at, a->kind == STOA_F64 ? sizeof(number) : 0);
	memcpy(&n, at, a->kind == STOA_I64 || a->kind == STOA_U64 ? sizeof(n) : 0);
	switch (a->kind) {
	case STOA_F64: return stoa_fail(-EINVAL, "%s is %g; %s", name, number, allowed);
	case STOA_I64: return stoa_fail(-EINVAL, "%s is %jd; %s", name, (intmax_t)n, allowed);
	case STOA_U64: return stoa_fail(-EINVAL, "%s is %ju; %s", name, (uintmax_t)n, allowed);
	case STOA_U32: return stoa_fail(-EINVAL, "%s is %u; %s", name, *(const uint32_t *)at, allowed);
	default: return stoa_fail(-EINVAL, "%s is \"%s\"; %s", name, (const char *)at, allowed);
	}
}

static bool is_amount(const struct stoa_attr *a, const void *at)
{
	double number = 0;
	int64_t n = 0;
	if (a->kind == STOA_F64)
		memcpy(&number, at, sizeof(number));
	if (a->kind == STOA_I64)
		memcpy(&n, at, sizeof(n));
	return isfinite(number) && number >= 0 && n >= 0;
}

/* No number in it is below 0, or none at all. */
static int check_amounts(const struct stoa_class *code, const void *self)
{
	for (const struct stoa_attr *a = code->state->attrs; a < code->state->attrs + code->state->n_attrs; a++)
		for (uint32_t i = 0; (a->kind == STOA_F64 || a->kind == STOA_I64) && i < a->size; i += 8)
			if (!is_amount(a, (const char *)self + a->offset + i))
				return refuse(a, (const char *)self + a->offset + i,
					      "it can be any finite number that is not below 0");
	return 0;
}

static int check_range(double min, double value, double max)
{
	return min <= value && value <= max
		       ? 0
		       : stoa_fail(-EINVAL, "min, value and max are %g, %g and %g; none can be below the one "
				   "before it", min, value, max);
}

static int check_gauge(const struct stoa_class *code, const void *self)
{
	const struct gauge *g = self;
	if (!isfinite(g->value))
		return refuse(&code->state->attrs[0], &g->value, "it can be any finite number");
	return g->n ? check_range(g->min, g->value, g->max) : 0;
}

static int check_timer(const struct stoa_class *code, const void *self)
{
	const struct timer *t = self;
	int r = check_amounts(code, self);
	return r || t->n == 0 ? r : check_range(t->min, t->last, t->max);
}

static const struct builtin_rule rules[] = {
	{ &breaker_class, NULL, check_amounts },
	{ &bucket_class, NULL, check_amounts },
	{ &gauge_class, "value", check_gauge },
	{ &lease_class, "", check_amounts },
	{ &timer_class, "", check_timer },
};

const struct builtin_rule *builtin_rule(const struct stoa_class *code)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].code == code)
			return &rules[i];
	return NULL;
}

static bool is_zero(const char *at, size_t size)
{
	return size == 0 || (at[0] == 0 && memcmp(at, at + 1, size - 1) == 0);
}

int builtin_check(const struct builtin_rule *rule, const void *self)
{
	return rule->check(rule->code, self);
}

int builtin_check_new(const struct builtin_rule *rule, const void *self)
{
	const struct stoa_struct *state = rule->code->state;
	for (uint32_t i = 0; rule->given && i < state->n_attrs; i++) {
		const struct stoa_attr *a = &state->attrs[i];
		const char *at = (const char *)self + a->offset;
		if (strcmp(a->name, rule->given) != 0 && !is_zero(at, a->size))
			return refuse(a, at, "of a new one it can only be 0: it is what the methods make of it");
	}
	return builtin_check(rule, self);
}
