/*
 * declared.c: see declared.h.
 */
#include "src/declared.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/class.h"

STOA_STRUCT(stoa_signals_add, STOA_ATTR(struct stoa_signals_add, signal, .doc = "which"),
	    STOA_ATTR(struct stoa_signals_add, amount, .doc = "how much; of a whole number, a whole one up to 2^53"));
STOA_STRUCT(stoa_signals_value, STOA_ATTR(struct stoa_signals_value, value, .doc = "after the method"));

void declared_init(struct declared *to, const char *name, const struct stoa_struct *state,
		   int (*run)(void *, const void *, void *))
{
	*to = (struct declared){ .cls = { .name = name, .abi = STOA_ABI, .version = 1, .state = state } };
	to->add = (struct stoa_method){ .name = "add",
					.class_name = name,
					.run = run,
					.args = &stoa_signals_add_struct,
					.ret = &stoa_signals_value_struct,
					.writes = "*",
					.doc = "add to one of the numbers",
					.index = &to->index };
	to->methods[0] = &to->add;
	to->cls.methods = to->methods;
}

static bool same_text(char *a, char *b, bool *ret_same)
{
	bool good = a && b;
	*ret_same = good && strcmp(a, b) == 0;
	free(a);
	free(b);
	return good;
}

bool declared_adds(const struct stoa_class *cls)
{
	struct declared ours;
	bool same;
	if (class_n_methods(cls) != 1 || strcmp(cls->methods[0]->name, "add") != 0)
		return false;
	declared_init(&ours, cls->name, cls->state, NULL);
	char *theirs = class_method_text(cls, cls->methods[0]);
	return same_text(theirs, class_method_text(&ours.cls, &ours.add), &same) && same;
}

/* Units and docs are shown to people, at terminals: no control characters, then. */
static bool is_shown(const char *text)
{
	for (; text && *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static const struct stoa_attr *find_unshown(const struct stoa_struct *s)
{
	for (uint32_t i = 0; i < s->n_attrs; i++)
		if (!is_shown(s->attrs[i].unit) || !is_shown(s->attrs[i].doc))
			return &s->attrs[i];
	return NULL;
}

static int wrong(int code, char text[STOA_ERROR_MAX], const char *format, ...) __attribute__((format(printf, 3, 4)));

static int wrong(int code, char text[STOA_ERROR_MAX], const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(text, STOA_ERROR_MAX, format, args);
	va_end(args);
	return code;
}

/* Members that are no attributes would cost memory that no limit counts; gaps for alignment are right. */
static bool is_full(const struct stoa_struct *s)
{
	uint64_t used = 16;
	for (uint32_t i = 0; i < s->n_attrs; i++)
		used += s->attrs[i].size + 7u;
	return s->size <= used;
}

int declared_check(const struct stoa_class *cls, char text[STOA_ERROR_MAX])
{
	const struct stoa_struct *s = cls->state;
	if (cls->hooks || (class_n_methods(cls) > 0 && !declared_adds(cls)))
		return -ENOSYS;
	if (s->n_attrs == 0 || s->n_attrs > DECLARED_ATTRS_MAX)
		return wrong(-EINVAL, text, "class %s has %u attributes; without code, 1 to %u are possible", cls->name,
			     s->n_attrs, DECLARED_ATTRS_MAX);
	if (s->size > DECLARED_SIZE_MAX)
		return wrong(-EINVAL, text, "class %s has %u bytes; without code, at most %u are possible", cls->name,
			     s->size, DECLARED_SIZE_MAX);
	if (!is_full(s))
		return wrong(-EINVAL, text, "class %s has %u bytes; without code, all of its members are to be attributes",
			     cls->name, s->size);
	const struct stoa_attr *bad = find_unshown(s);
	if (bad || !is_shown(cls->doc))
		return wrong(-EINVAL, text, "class %s: the unit or doc of %s has control characters", cls->name,
			     bad ? bad->name : "the class");
	return 0;
}

static bool same_methods(const struct stoa_class *ours, const struct stoa_class *theirs)
{
	return !ours->hooks && !theirs->hooks && class_n_methods(ours) == class_n_methods(theirs) &&
	       declared_adds(ours) == declared_adds(theirs);
}

static int attr_same(const struct stoa_class *ours, const struct stoa_attr *a, const struct stoa_class *theirs,
		     char text[STOA_ERROR_MAX])
{
	char type[64];
	bool same;
	int k = class_find_attr(theirs->state, a->name);
	if (k < 0)
		return wrong(-EPROTO, text, "class %s is there already, without attribute %s; give yours another name",
			     ours->name, a->name);
	const struct stoa_attr *b = &theirs->state->attrs[k];
	if (!same_text(class_attr_text(a), class_attr_text(b), &same))
		return -ENOMEM;
	return same ? 0
		    : wrong(-EPROTO, text, "class %s is there already, with %s:%s%s; give yours another name",
			    ours->name, b->name, class_type_text(b, type), b->writable ? " writable" : "");
}

int declared_same(const struct stoa_class *ours, const struct stoa_class *theirs, char text[STOA_ERROR_MAX])
{
	uint64_t fingerprint = class_fingerprint(ours);
	int r = 0;
	if (fingerprint && fingerprint == class_fingerprint(theirs))
		return 0;
	if (!same_methods(ours, theirs))
		return wrong(-EPROTO, text, "class %s is there already, with other methods; give yours another name",
			     ours->name);
	for (uint32_t i = 0; r == 0 && i < ours->state->n_attrs; i++)
		r = attr_same(ours, &ours->state->attrs[i], theirs, text);
	if (r == 0 && ours->state->n_attrs != theirs->state->n_attrs)
		r = wrong(-EPROTO, text,
			  "class %s is there already, with %u attributes and not %u; give yours another name", ours->name,
			  theirs->state->n_attrs, ours->state->n_attrs);
	return r;
}
