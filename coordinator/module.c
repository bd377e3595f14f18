/*
 * module.c: a module is a shared object with the array stoa_module, ended by NULL.
 *
 * It is loaded with all its symbols resolved: one that is missing is an error of the start, not of some call. It is
 * never unloaded, since its rows are used until the process ends.
 */
#include "coordinator/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int append(const struct stoa_class ***classes, const struct stoa_class *const *more)
{
	size_t n = 0, n_more = 0;
	while (*classes && (*classes)[n])
		n++;
	while (more[n_more])
		n_more++;
	const struct stoa_class **all = realloc(*classes, (n + n_more + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	memcpy(all + n, more, (n_more + 1) * sizeof(*all));
	*classes = all;
	return 0;
}

/* dlerror() mostly begins with the path, too. */
static int fail(int code, char text[STOA_ERROR_MAX], const char *path, const char *why)
{
	size_t n = strlen(path);
	if (strncmp(why, path, n) == 0 && strncmp(why + n, ": ", 2) == 0)
		why += n + 2;
	snprintf(text, STOA_ERROR_MAX, "module %s: %s", path, why);
	return code;
}

int module_load(const char *path, const struct stoa_class ***classes, char text[STOA_ERROR_MAX])
{
	char here[PATH_MAX];
	int n = snprintf(here, sizeof(here), "./%s", path);
	bool is_here = !strchr(path, '/') && n < (int)sizeof(here) && access(here, F_OK) == 0;
	void *module = dlopen(is_here ? here : path, RTLD_NOW | RTLD_LOCAL);
	if (!module)
		return fail(-EINVAL, text, path, dlerror());
	const struct stoa_class *const *more = dlsym(module, "stoa_module");
	if (!more)
		return fail(-EINVAL, text, path, "has no stoa_module: define it with STOA_MODULE(&some_class)");
	if (append(classes, more) < 0)
		return fail(-ENOMEM, text, path, "out of memory");
	return 0;
}
