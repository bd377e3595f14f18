/*
 * builtin.h: the classes that every namespace has, unless its program brings one of the same name.
 */
#ifndef STOA_BUILTIN_H
#define STOA_BUILTIN_H

#include "include/stoa.h"

extern const struct stoa_class *const builtin_classes[]; /* ended by NULL */

#endif
