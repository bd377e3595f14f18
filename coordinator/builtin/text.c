/*
 * text.c: the methods of the built-in class "text".
 */
#include "include/stoa/text.h"

#include <errno.h>

#include "coordinator/builtin/bytes.h"

STOA_STRUCT(text, STOA_ATTR(struct text, value, .writable = true));
STOA_STRUCT(text_args, STOA_ATTR(struct text_args, value));
STOA_STRUCT(text_cas, STOA_ATTR(struct text_cas, expected, .doc = "the value now"),
	    STOA_ATTR(struct text_cas, value, .doc = "the new one"));
STOA_STRUCT(text_size, STOA_ATTR(struct text_size, size, .unit = "byte", .doc = "after the method"));
STOA_STRUCT(text_done, STOA_ATTR(struct text_done, done, .doc = "it was as expected"));

static int keep(struct text *self, const void *data, size_t n, struct text_size *ret)
{
	ret->size = n;
	return stoa_text_set_n(&self->value, data ? data : "", n);
}

static int text_set(struct text *self, const struct text_args *args, struct text_size *ret)
{
	return keep(self, args->value.data, args->value.size, ret);
}

static int text_append(struct text *self, const struct text_args *args, struct text_size *ret)
{
	const stoa_text *old = &self->value, *more = &args->value;
	void *both = bytes_join(old->data, old->size, more->data, more->size);
	int r = both ? keep(self, both, old->size + more->size, ret) : -ENOMEM;
	free(both);
	return r;
}

static int text_cas(struct text *self, const struct text_cas *args, struct text_done *ret)
{
	struct text_size unused;
	ret->done = bytes_same(self->value.data, self->value.size, args->expected.data, args->expected.size);
	return ret->done ? keep(self, args->value.data, args->value.size, &unused) : 0;
}

STOA_METHOD(text, set, text_args, text_size, .writes = "value", .doc = "replace it");
STOA_METHOD(text, append, text_args, text_size, .writes = "value", .doc = "put this behind it");
STOA_METHOD(text, cas, text_cas, text_done, .writes = "value", .doc = "compare, and set if it is as expected");
STOA_CLASS(text, 1, &text_set_row, &text_append_row, &text_cas_row);
