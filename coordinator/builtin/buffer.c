/*
 * buffer.c: see buffer.h.
 */
#include "coordinator/builtin/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAST 64u /* bytes of room */

static int room(struct buffer *b, size_t size)
{
	if (size <= b->room && (b->room <= LEAST || size >= b->room / 4))
		return 0;
	size_t more = size + size / 2 < LEAST ? LEAST : size + size / 2;
	unsigned char *at = more > UINT32_MAX ? NULL : realloc(b->at, more);
	if (!at)
		return size <= b->room ? 0 : more > UINT32_MAX ? -EFBIG : -ENOMEM;
	b->at = at;
	b->room = (uint32_t)more;
	return 0;
}

int buffer_splice(struct buffer *b, size_t at, size_t drop, size_t add)
{
	size_t size = b->size - drop + add, rest = b->size - at - drop;
	if (size == 0) {
		buffer_fini(b);
		return 0;
	}
	int r = size > b->size ? room(b, size) : 0;
	if (r < 0)
		return r;
	memmove(b->at + at + add, b->at + at + drop, rest);
	b->size = (uint32_t)size;
	return room(b, size);
}

int buffer_append(struct buffer *b, const void *from, size_t size)
{
	uint32_t at = b->size;
	int r = buffer_splice(b, at, 0, size);
	if (r == 0 && size)
		memcpy(b->at + at, from, size);
	return r;
}

void buffer_fini(struct buffer *b)
{
	free(b->at);
	*b = (struct buffer){ 0 };
}
