/*
 * given.c: see given.h.
 */
#include "coordinator/builtin/given.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

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

static bool is_zero(const char *at, size_t size)
{
	return size == 0 || (at[0] == 0 && memcmp(at, at + 1, size - 1) == 0);
}

int given_only(const struct stoa_struct *state, const void *self, const char *attr)
{
	for (const struct stoa_attr *a = state->attrs; a < state->attrs + state->n_attrs; a++) {
		const char *at = (const char *)self + a->offset;
		if (strcmp(a->name, attr) != 0 && !is_zero(at, a->size))
			return refuse(a, at, "of a new one it can only be 0: it is what the methods make of it");
	}
	return 0;
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

int given_amounts(const struct stoa_struct *state, const void *self)
{
	for (const struct stoa_attr *a = state->attrs; a < state->attrs + state->n_attrs; a++)
		for (uint32_t i = 0; (a->kind == STOA_F64 || a->kind == STOA_I64) && i < a->size; i += 8)
			if (!is_amount(a, (const char *)self + a->offset + i))
				return refuse(a, (const char *)self + a->offset + i,
					      "it can be any finite number that is not below 0");
	return 0;
}

int given_finite(const char *name, double value)
{
	return isfinite(value) ? 0 : stoa_fail(-EINVAL, "%s is %g; it can be any finite number", name, value);
}
