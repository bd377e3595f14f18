/*
 * options.h: what a program gives to stoa_start or stoa_serve, checked and made complete.
 */
#ifndef STOA_OPTIONS_H
#define STOA_OPTIONS_H

#include "coordinator/namespace.h"

/* Fill in ns->options and ns->space.geometry, or ns->classes. -EINVAL, with the thread's error, for what is wrong. */
int options_take(struct namespace *ns, const struct stoa_options *given);
int options_take_classes(struct namespace *ns, const struct stoa_class *const *given);

#endif
