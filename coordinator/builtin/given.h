/*
 * given.h: what the built-in classes take from outside of their methods, as first values, assigned, or loaded.
 */
#ifndef STOA_COORDINATOR_BUILTIN_GIVEN_H
#define STOA_COORDINATOR_BUILTIN_GIVEN_H

#include <stoa.h>

/* 0, or -EINVAL by stoa_fail, which names the attribute, and what is allowed. */
int given_only(const struct stoa_struct *state, const void *self, const char *attr); /* else all is 0; "": even that */
int given_amounts(const struct stoa_struct *state, const void *self); /* no f64 or i64 is below 0, or not finite */
int given_finite(const char *name, double value);

#endif
