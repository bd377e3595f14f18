/*
 * declared.h: the classes that clients declared, as this coordinator runs them.
 */
#ifndef STOA_COORDINATOR_DECLARED_H
#define STOA_COORDINATOR_DECLARED_H

#include "src/declared.h"

/* The table of a description, which it points into. -ENOSYS and others: as declared_check. Free it with free(). */
int declared_new(const struct stoa_class *described, struct declared **ret, char text[STOA_ERROR_MAX]);

#endif
