/*
 * options.c: a program's options and classes, checked before anything is made.
 *
 * Zero means the default. Options of an older program are shorter than ours; what it does not know is zero. The class
 * list of a namespace is the program's, then the built-in classes whose names the program does not use.
 */
#include "coordinator/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/builtin.h"
#include "src/class.h"
#include "src/error.h"

#define START_FLAGS (STOA_JOIN | STOA_READ_ONLY | STOA_VERIFY | STOA_KEEP)

static int check(const struct stoa_options *o)
{
	if (o->flags & ~(unsigned)START_FLAGS)
		return error_set(-EINVAL, "options.flags has 0x%x, which a start does not know",
				 o->flags & ~(unsigned)START_FLAGS);
	if (o->timeout < STOA_DEFAULT)
		return error_set(-EINVAL, "options.timeout is %jd ns: it cannot be negative", (intmax_t)o->timeout);
	if (o->deadline < 0)
		return error_set(-EINVAL, "options.deadline is %jd ns: it cannot be negative", (intmax_t)o->deadline);
	if (o->n_uids > 0 && !o->uids)
		return error_set(-EINVAL, "options.n_uids is %u, but options.uids is NULL", o->n_uids);
	if (o->max_state > INT64_MAX - LAYOUT_PAGE)
		return error_set(-EINVAL, "options.max_state is %ju: too large", (uintmax_t)o->max_state);
	return 0;
}

static void fill(struct stoa_options *o)
{
	o->timeout = o->timeout > 0 ? o->timeout : 5 * STOA_MS(1000);
	o->deadline = o->deadline ? o->deadline : STOA_MS(1000);
	o->max_state = o->max_state ? o->max_state : UINT64_C(1) << 30;
	o->max_objects = o->max_objects ? o->max_objects : 65536;
	o->max_threads = o->max_threads ? o->max_threads : 1024;
	o->max_attrs = o->max_attrs ? o->max_attrs : 4194304;
	o->max_queue = o->max_queue ? o->max_queue : 8192;
}

int options_take(struct namespace *ns, const struct stoa_options *given)
{
	struct stoa_options o = { 0 };
	char text[STOA_ERROR_MAX];
	if (given && (given->size == 0 || given->size > sizeof(o)))
		return error_set(-EINVAL, "options.size is %zu, this library knows %zu: use STOA_OPTIONS()",
				 given->size, sizeof(o));
	if (given)
		memcpy(&o, given, given->size);
	int r = check(&o);
	if (r < 0)
		return r;
	fill(&o);
	o.size = sizeof(o);
	struct geometry g = {
		.queue = o.max_queue,
		.lanes = o.max_threads,
		.objects = o.max_objects,
		.flags = o.max_attrs,
		.state = (o.max_state + LAYOUT_PAGE - 1) / LAYOUT_PAGE * LAYOUT_PAGE,
	};
	r = layout_geometry(&g, text);
	if (r < 0)
		return error_set(r, "%s", text);
	ns->options = o;
	ns->space.geometry = g;
	return 0;
}

static const struct stoa_class *find(const struct stoa_class **classes, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(classes[i]->name, name) == 0)
			return classes[i];
	return NULL;
}

static size_t count(const struct stoa_class *const *classes)
{
	size_t n = 0;
	while (classes && classes[n])
		n++;
	return n;
}

static int add_given(const struct stoa_class **all, size_t *n, const struct stoa_class *cls)
{
	char text[STOA_ERROR_MAX];
	int r = class_check(cls, text);
	if (r < 0)
		return error_set(r, "%s", text);
	const struct stoa_class *same = find(all, *n, cls->name);
	if (same == cls)
		return 0;
	if (same)
		return error_set(-EINVAL, "class \"%s\" is given twice, as two tables: rename one", cls->name);
	all[(*n)++] = cls;
	return 0;
}

static int add_builtin(const struct stoa_class **all, size_t *n, const struct stoa_class *cls)
{
	return find(all, *n, cls->name) ? 0 : add_given(all, n, cls);
}

int options_take_classes(struct namespace *ns, const struct stoa_class *const *given)
{
	size_t n = 0, n_given = count(given), n_builtin = count(builtin_classes);
	int r = 0;
	if (n_given + n_builtin > CLASSES_MAX)
		return error_set(-EINVAL, "%zu classes are given; there can be %zu", n_given, CLASSES_MAX - n_builtin);
	const struct stoa_class **all = calloc(n_given + n_builtin + 1, sizeof(*all));
	if (!all)
		return error_set(-ENOMEM, "no memory for %zu classes", n_given);
	for (size_t i = 0; r == 0 && i < n_given; i++)
		r = add_given(all, &n, given[i]);
	for (size_t i = 0; r == 0 && i < n_builtin; i++)
		r = add_builtin(all, &n, builtin_classes[i]);
	if (r < 0)
		free(all);
	else
		ns->classes = all;
	return r;
}
