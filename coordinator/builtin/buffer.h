/*
 * buffer.h: a row of bytes that grows and shrinks: what the built-in dict, list, set and queue keep in one part, as it
 * is packed.
 */
#ifndef STOA_COORDINATOR_BUILTIN_BUFFER_H
#define STOA_COORDINATOR_BUILTIN_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	unsigned char *at;
	uint32_t size, room;
};

/* At `at`, add bytes (not set yet) instead of drop bytes. -ENOMEM, -EFBIG (4 GiB): as before. */
int buffer_splice(struct buffer *b, size_t at, size_t drop, size_t add);
int buffer_append(struct buffer *b, const void *from, size_t size);
void buffer_fini(struct buffer *b); /* leaves it empty */

#endif
