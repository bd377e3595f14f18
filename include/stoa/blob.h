/*
 * stoa/blob.h - the built-in class "blob": one value of any length that processes replace, extend, and compare and set.
 *
 * Create one with stoa_create(stoa, "key", &blob_class, NULL, 0, &proxy), or with a value. It can also be assigned. A
 * blob that never had a value is as good as an empty one. append costs in proportion to what is there. -ENOSPC: the
 * namespace has no room for it. Since 0.1.
 */
#ifndef STOA_BLOB_H
#define STOA_BLOB_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

struct blob {
	stoa_blob value;
};

struct blob_args {
	stoa_blob value;
};

struct blob_cas {
	stoa_blob expected, value;
};

struct blob_size {
	uint64_t size; /* bytes after the method */
};

struct blob_done {
	bool done; /* it was as expected, and is the new value now */
};

STOA__BUILTIN(stoa_class, blob_class);
STOA__BUILTIN(stoa_method, blob_append_row);
STOA__BUILTIN(stoa_method, blob_cas_row);
STOA__BUILTIN(stoa_method, blob_set_row);

STOA_STUB(blob, set, struct blob_args, struct blob_size);
STOA_STUB(blob, append, struct blob_args, struct blob_size);
STOA_STUB(blob, cas, struct blob_cas, struct blob_done); /* value, if it is expected now */

#ifdef __cplusplus
}
#endif

#endif
