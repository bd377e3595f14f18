/*
 * module.h: classes from shared objects, for stoad. A module defines them with STOA_MODULE(&first_class, …).
 */
#ifndef STOA_MODULE_H
#define STOA_MODULE_H

#include "include/stoa.h"

/*
 * Load a module and append its classes to the list *classes (ended by NULL, malloc'ed; NULL: empty). A path without '/'
 * is a file here if there is one, and else searched for as dlopen(3) does. -EINVAL: it cannot be loaded, or is no
 * module; text says why. -ENOMEM. The module stays loaded.
 */
int module_load(const char *path, const struct stoa_class ***classes, char text[STOA_ERROR_MAX]);

#endif
