/*
 * blob.c: the methods of the built-in class "blob".
 */
#include "include/stoa/blob.h"

#include <errno.h>

#include "coordinator/builtin/bytes.h"

STOA_STRUCT(blob, STOA_ATTR(struct blob, value, .writable = true));
STOA_STRUCT(blob_args, STOA_ATTR(struct blob_args, value));
STOA_STRUCT(blob_cas, STOA_ATTR(struct blob_cas, expected, .doc = "the value now"),
	    STOA_ATTR(struct blob_cas, value, .doc = "the new one"));
STOA_STRUCT(blob_size, STOA_ATTR(struct blob_size, size, .unit = "byte", .doc = "after the method"));
STOA_STRUCT(blob_done, STOA_ATTR(struct blob_done, done, .doc = "it was as expected"));

static int keep(struct blob *self, const void *data, size_t n, struct blob_size *ret)
{
	ret->size = n;
	return stoa_blob_set(&self->value, data ? data : "", n);
}

static int blob_set(struct blob *self, const struct blob_args *args, struct blob_size *ret)
{
	return keep(self, args->value.data, args->value.size, ret);
}

static int blob_append(struct blob *self, const struct blob_args *args, struct blob_size *ret)
{
	const stoa_blob *old = &self->value, *more = &args->value;
	void *both = bytes_join(old->data, old->size, more->data, more->size);
	int r = both ? keep(self, both, old->size + more->size, ret) : -ENOMEM;
	free(both);
	return r;
}

static int blob_cas(struct blob *self, const struct blob_cas *args, struct blob_done *ret)
{
	struct blob_size unused;
	ret->done = bytes_same(self->value.data, self->value.size, args->expected.data, args->expected.size);
	return ret->done ? keep(self, args->value.data, args->value.size, &unused) : 0;
}

STOA_METHOD(blob, set, blob_args, blob_size, .writes = "value", .doc = "replace it");
STOA_METHOD(blob, append, blob_args, blob_size, .writes = "value", .doc = "put this behind it");
STOA_METHOD(blob, cas, blob_cas, blob_done, .writes = "value", .doc = "compare, and set if it is as expected");
STOA_CLASS(blob, 1, &blob_set_row, &blob_append_row, &blob_cas_row);
