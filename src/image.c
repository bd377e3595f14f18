/*
 * image.c: the codec between C structs and tpl images. It knows tpl's format by itself and never calls libtpl, because
 * a map of tpl's allocates and copies per pack, and a wrong image makes tpl print.
 *
 * An image: "tpl", flags (0: little endian, no 's'), total length, format and NUL, a length for each '#', then the data
 * without padding. All of it before the data is the head, kept ready with the layout. Layouts are read-only once made,
 * so any number of threads may use one.
 */
#include "src/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/value.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the flags byte says little endian");
_Static_assert(sizeof(_Bool) == 1 && sizeof(float) == 4 && sizeof(double) == 8, "copied as c, u and f");

enum { LENGTH_AT = 4, FORMAT_AT = 8 };

static const char letters[] = {
	[STOA_I8] = 'c',   [STOA_I16] = 'j',   [STOA_I32] = 'i',  [STOA_I64] = 'I',  [STOA_U8] = 'c',
	[STOA_U16] = 'v',  [STOA_U32] = 'u',   [STOA_U64] = 'U',  [STOA_F32] = 'u',  [STOA_F64] = 'f',
	[STOA_BOOL] = 'c', [STOA_CHARS] = 'c', [STOA_TEXT] = 'B', [STOA_BLOB] = 'B',
};

static unsigned char *put32(unsigned char *p, uint32_t n)
{
	memcpy(p, &n, sizeof(n));
	return p + sizeof(n);
}

static uint32_t get32(const unsigned char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

/* ---- layouts ---------------------------------------------------------------------------------------------- */

static void field_init(struct image_field *f, const struct stoa_attr *attr)
{
	uint32_t n = attr->kind == STOA_CHARS && attr->rank ? attr->rank - 1u : attr->rank;

	*f = (struct image_field){ .offset = attr->offset, .size = attr->size, .count = 1, .kind = attr->kind };
	for (uint32_t i = 0; i < n; i++)
		f->count *= attr->dims[i];
	f->pound = attr->rank && !image_is_variable(f->kind);
}

static size_t field_letters(const struct image_field *f)
{
	return image_is_variable(f->kind) ? f->count : 1u + f->pound;
}

static int head_new(struct image_layout *l)
{
	size_t n_letters = 0, n_pounds = 0;
	unsigned char *letter, *length;

	for (uint32_t i = 0; i < l->n_fields; i++) {
		n_letters += field_letters(&l->fields[i]);
		n_pounds += l->fields[i].pound;
	}
	l->head_size = (uint32_t)(FORMAT_AT + n_letters + 1 + 4 * n_pounds);
	l->head = malloc(l->head_size);
	if (!l->head)
		return -ENOMEM;
	memcpy(l->head, "tpl", 4); /* the NUL is the flags */
	letter = l->head + FORMAT_AT;
	length = letter + n_letters + 1;
	for (const struct image_field *f = l->fields; f < l->fields + l->n_fields; f++) {
		memset(letter, letters[f->kind], field_letters(f));
		if (f->pound) {
			letter[1] = '#';
			length = put32(length, f->kind == STOA_CHARS ? f->size : f->count);
		}
		letter += field_letters(f);
	}
	*letter = '\0';
	l->format = (const char *)l->head + FORMAT_AT;
	return 0;
}

static void place_fields(struct image_layout *l)
{
	l->size = l->head_size;
	for (struct image_field *f = l->fields; f < l->fields + l->n_fields; f++) {
		f->at = l->variable ? 0 : l->size;
		l->variable |= image_is_variable(f->kind);
		l->choosy |= f->kind == STOA_CHARS || f->kind == STOA_BOOL;
		l->size += image_is_variable(f->kind) ? 4 * f->count : f->size;
	}
	put32(l->head + LENGTH_AT, l->size);
}

static int runs_new(struct image_layout *l)
{
	struct image_run *run = NULL;

	l->runs = calloc(l->n_fields, sizeof(*l->runs));
	if (!l->runs)
		return -ENOMEM;
	for (const struct image_field *f = l->fields; f < l->fields + l->n_fields; f++) {
		if (run && run->offset + run->size == f->offset) {
			run->size += f->size;
			continue;
		}
		run = &l->runs[l->n_runs++];
		*run = (struct image_run){ .offset = f->offset, .at = f->at, .size = f->size };
	}
	l->small = l->n_runs == 1 && !l->choosy && run->size >= 8 && run->size <= 16 && l->head_size <= 16;
	return 0;
}

int image_layout_new(const struct stoa_attr *attrs, const uint32_t *select, uint32_t n, struct image_layout **ret)
{
	struct image_layout *l = calloc(1, sizeof(*l) + n * sizeof(l->fields[0]));
	int r;

	if (!l)
		return -ENOMEM;
	l->n_fields = n;
	for (uint32_t i = 0; i < n; i++)
		field_init(&l->fields[i], &attrs[select ? select[i] : i]);
	r = head_new(l);
	if (r == 0)
		place_fields(l);
	if (r == 0 && n && !l->variable)
		r = runs_new(l);
	if (r < 0) {
		image_layout_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct image_layout *image_layout_free(struct image_layout *layout)
{
	if (!layout)
		return NULL;
	free(layout->runs);
	free(layout->head);
	free(layout);
	return NULL;
}

/* ---- from struct to image --------------------------------------------------------------------------------- */

struct bytes {
	const void *data;
	size_t size;
};

/* What the struct has as element i of a text or blob; a text goes with its NUL, so that "" differs from none. */
static struct bytes bytes_of(const struct image_field *f, const void *from, uint32_t i)
{
	const void *at = (const char *)from + f->offset;

	if (f->kind == STOA_TEXT) {
		const stoa_text *text = (const stoa_text *)at + i;

		return (struct bytes){ text->data, text->data ? text->size + (text->size < IMAGE_HUGE) : 0 };
	}
	const stoa_blob *blob = (const stoa_blob *)at + i;

	return (struct bytes){ blob->data, blob->data ? blob->size : 0 };
}

size_t image_size_variable(const struct image_layout *layout, const void *from)
{
	size_t size = layout->size;

	for (const struct image_field *f = layout->fields; f < layout->fields + layout->n_fields; f++)
		for (uint32_t i = 0; image_is_variable(f->kind) && i < f->count; i++) {
			size_t n = bytes_of(f, from, i).size;
			size = n < IMAGE_HUGE - size ? size + n : IMAGE_HUGE;
		}
	return size;
}

static unsigned char *put_bytes(unsigned char *p, struct bytes b, bool is_text)
{
	p = put32(p, (uint32_t)b.size);
	if (b.size == 0)
		return p;
	memcpy(p, b.data, b.size - is_text); /* who borrows us their text need not have ended it */
	if (is_text)
		p[b.size - 1] = '\0';
	return p + b.size;
}

static unsigned char *field_pack(const struct image_field *f, const void *from, unsigned char *p)
{
	if (!image_is_variable(f->kind)) {
		image_copy(p, (const char *)from + f->offset, f->size);
		return p + f->size;
	}
	for (uint32_t i = 0; i < f->count; i++)
		p = put_bytes(p, bytes_of(f, from, i), f->kind == STOA_TEXT);
	return p;
}

/* A head has 9 bytes or more, mostly not many: two copies that overlap. */
static void put_head(void *to, const struct image_layout *layout)
{
	size_t n = layout->head_size;
	if (n <= 16) {
		image_copy_short(to, layout->head, n);
	} else if (n <= 32) {
		memcpy(to, layout->head, 16);
		memcpy((char *)to + n - 16, layout->head + n - 16, 16);
	} else {
		memcpy(to, layout->head, n);
	}
}

static size_t pack_variable(const struct image_layout *layout, const void *from, void *dst)
{
	unsigned char *p = (unsigned char *)dst + layout->head_size;

	for (const struct image_field *f = layout->fields; f < layout->fields + layout->n_fields; f++)
		p = field_pack(f, from, p);
	put32((unsigned char *)dst + LENGTH_AT, (uint32_t)(p - (unsigned char *)dst));
	return (size_t)(p - (unsigned char *)dst);
}

size_t image_pack_large(const struct image_layout *layout, const void *from, void *dst)
{
	put_head(dst, layout);
	if (layout->variable)
		return pack_variable(layout, from, dst);
	const struct image_run *run = layout->runs;
	for (uint32_t i = 0; i < layout->n_runs; i++, run++)
		image_copy((char *)dst + run->at, (const char *)from + run->offset, run->size);
	return layout->size;
}

/* ---- is it one? ------------------------------------------------------------------------------------------- */

static bool head_is_right(const struct image_layout *l, const unsigned char *image, size_t size)
{
	return get32(image + LENGTH_AT) == size && memcmp(image, l->head, LENGTH_AT) == 0 &&
	       memcmp(image + FORMAT_AT, l->head + FORMAT_AT, l->head_size - FORMAT_AT) == 0;
}

static bool bools_are_right(const unsigned char *p, uint32_t n)
{
	unsigned char all = 0;

	for (uint32_t i = 0; i < n; i++)
		all |= p[i];
	return all <= 1;
}

static bool chars_are_right(const unsigned char *p, uint32_t size, uint32_t count)
{
	uint32_t length = size / count;

	for (uint32_t i = 0; i < count; i++)
		if (!memchr(p + (size_t)i * length, '\0', length))
			return false;
	return true;
}

/* Bytes that the field takes of those left, or 0 if they are not such a field. */
static size_t fixed_check(const struct image_field *f, const unsigned char *p, size_t left)
{
	if (left < f->size || (f->kind == STOA_BOOL && !bools_are_right(p, f->size)) ||
	    (f->kind == STOA_CHARS && !chars_are_right(p, f->size, f->count)))
		return 0;
	return f->size;
}

static size_t variable_check(const struct image_field *f, const unsigned char *p, size_t left)
{
	size_t at = 0;

	for (uint32_t i = 0; i < f->count; i++) {
		size_t n;

		if (left - at < 4)
			return 0;
		n = get32(p + at);
		at += 4;
		if (n > left - at)
			return 0;
		at += n;
		if (f->kind == STOA_TEXT && n && p[at - 1] != '\0')
			return 0;
	}
	return at;
}

bool image_value_check(const struct stoa_attr *attr, const void *from)
{
	struct image_field f;

	field_init(&f, attr);
	return fixed_check(&f, (const unsigned char *)from + attr->offset, f.size) > 0;
}

int image_check_fields(const struct image_layout *layout, const void *image, size_t size)
{
	const unsigned char *p = image, *end = p + size;

	if (size < layout->size || !head_is_right(layout, image, size))
		return -EBADMSG;
	p += layout->head_size;
	for (const struct image_field *f = layout->fields; f < layout->fields + layout->n_fields; f++) {
		size_t left = (size_t)(end - p);
		size_t n = image_is_variable(f->kind) ? variable_check(f, p, left) : fixed_check(f, p, left);

		if (n == 0)
			return -EBADMSG;
		p += n;
	}
	return p == end ? 0 : -EBADMSG;
}

/* ---- from image to struct --------------------------------------------------------------------------------- */

typedef int take_fn(uint8_t kind, const unsigned char *bytes, uint32_t n, void *to);

static int take_copy(uint8_t kind, const unsigned char *bytes, uint32_t n, void *to)
{
	if (kind == STOA_BLOB)
		return stoa_blob_set(to, bytes, n);
	return n ? stoa_text_set_n(to, (const char *)bytes, n - 1) : stoa_text_set(to, NULL);
}

static int take_borrowed(uint8_t kind, const unsigned char *bytes, uint32_t n, void *to)
{
	void *data = n ? (void *)(uintptr_t)bytes : NULL;

	if (kind == STOA_BLOB)
		*(stoa_blob *)to = (stoa_blob){ data, n };
	else
		*(stoa_text *)to = (stoa_text){ data, n ? n - 1 : 0 };
	return 0;
}

static int field_take(const struct image_field *f, const unsigned char **at, char *to, take_fn *take)
{
	size_t step = f->size / f->count;
	int r = 0;

	if (!image_is_variable(f->kind)) {
		image_copy(to, *at, f->size);
		*at += f->size;
		return 0;
	}
	for (uint32_t i = 0; r == 0 && i < f->count; i++) {
		uint32_t n = get32(*at);

		r = take(f->kind, *at + 4, n, to + i * step);
		*at += 4 + (size_t)n;
	}
	return r;
}

static int take_all(const struct image_layout *l, const unsigned char *image, void *to, take_fn *take)
{
	const unsigned char *at = image + l->head_size;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < l->n_fields; i++)
		r = field_take(&l->fields[i], &at, (char *)to + l->fields[i].offset, take);
	return r;
}

int image_unpack_variable(const struct image_layout *layout, const void *image, void *to)
{
	return take_all(layout, image, to, take_copy);
}

void image_borrow_variable(const struct image_layout *layout, const void *image, void *to)
{
	take_all(layout, image, to, take_borrowed);
}

static void free_values(const struct image_layout *layout, void *of, bool kept_too)
{
	if (!layout->variable)
		return;
	for (const struct image_field *f = layout->fields; f < layout->fields + layout->n_fields; f++) {
		if (!image_is_variable(f->kind))
			continue;
		for (uint32_t i = 0; i < f->count; i++) {
			void *data = (void *)(uintptr_t)bytes_of(f, of, i).data;
			if (kept_too || !value_is_kept(data))
				value_free(data);
		}
		memset((char *)of + f->offset, 0, f->size);
	}
}

void image_fini(const struct image_layout *layout, void *of)
{
	free_values(layout, of, true);
}

void image_drop_variable(const struct image_layout *layout, void *of)
{
	free_values(layout, of, false);
}
