/*
 * value.c: the memory of text and blobs in states and results, and the public setters.
 *
 * Every value is one block: a head of 16 bytes, the bytes, a NUL. The head has a magic number, so that a pointer that
 * did not come from here is left alone and not freed, and the mark of kept values. Not for two threads at one value.
 */
#include "src/value.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "include/stoa.h"

#define VALUE_MAGIC 0x65756c6176616f74u

struct value {
	uint64_t magic;
	bool kept;
	_Alignas(16) char data[];
};

_Static_assert(sizeof(struct value) == 16 && offsetof(struct value, data) == 16, "data is aligned as malloc aligns");

static struct value *value_of(const void *data)
{
	struct value *v = data ? (struct value *)((uintptr_t)data - sizeof(*v)) : NULL;

	return v && v->magic == VALUE_MAGIC ? v : NULL;
}

void *value_new(const void *from, size_t n)
{
	struct value *v = n < UINT32_MAX ? malloc(sizeof(*v) + n + 1) : NULL; /* an image cannot carry more */

	if (!v)
		return NULL;
	v->magic = VALUE_MAGIC;
	v->kept = false;
	if (n)
		memcpy(v->data, from, n);
	v->data[n] = '\0';
	return v->data;
}

void value_keep(void *data)
{
	struct value *v = value_of(data);

	if (v)
		v->kept = true;
}

bool value_is_kept(const void *data)
{
	const struct value *v = value_of(data);

	return v && v->kept;
}

void value_free(void *data)
{
	free(value_of(data));
}

/* The last good value stays where undo finds it. */
static void value_drop(void *data)
{
	if (!value_is_kept(data))
		value_free(data);
}

int stoa_text_set_n(stoa_text *text, const char *from, size_t n)
{
	char *data = from ? value_new(from, n) : NULL;

	if (from && !data)
		return -ENOMEM;
	value_drop(text->data); /* after the copy: from may be part of it */
	*text = (stoa_text){ data, data ? n : 0 };
	return 0;
}

int stoa_text_set(stoa_text *text, const char *from)
{
	return stoa_text_set_n(text, from, from ? strlen(from) : 0);
}

int stoa_blob_set(stoa_blob *blob, const void *from, size_t n)
{
	void *data = from && n ? value_new(from, n) : NULL;

	if (from && n && !data)
		return -ENOMEM;
	value_drop(blob->data);
	*blob = (stoa_blob){ data, data ? n : 0 };
	return 0;
}

void stoa_text_fini(stoa_text *text)
{
	if (text)
		stoa_text_set(text, NULL);
}

void stoa_blob_fini(stoa_blob *blob)
{
	if (blob)
		stoa_blob_set(blob, NULL, 0);
}
