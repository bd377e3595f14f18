/*
 * value.h: library-owned text and blobs. Each has a hidden head in front of its bytes, with one mark: a kept value is
 * the last good one of an object; the setters, stoa_text_fini and stoa_blob_fini replace it without freeing it, so that
 * a failed method can be undone. Who marked it frees it, with value_free. A pointer without a head, such as a string
 * literal that a method put into its state, is neither kept nor freed.
 */
#ifndef STOA_VALUE_H
#define STOA_VALUE_H

#include <stdbool.h>
#include <stddef.h>

void *value_new(const void *from, size_t n); /* a copy of n bytes and a NUL; NULL: no memory, or 4 GiB */
void value_keep(void *data);                 /* mark as kept; NULL is allowed */
bool value_is_kept(const void *data);
void value_free(void *data);                 /* kept or not; NULL is allowed */

#endif
