/*
 * image.h: structs as tpl images. This file owns the mapping of the type vocabulary onto tpl.
 *
 * A layout is compiled once from attributes; packing and unpacking then copy runs of bytes at known offsets, without
 * allocation when every field is fixed. The bytes are those libtpl writes for the same format; tests hold them against
 * it. An image from elsewhere is checked in private memory with image_check before it is unpacked.
 *
 * i8 u8 bool: c   i16: j   u16: v   i32: i   u32 f32: u   i64: I   u64: U   f64: f   char[N]: c#   array: X#
 * text: B with its NUL, so that a method may borrow it as a string (empty: none)   blob: B (empty: none)
 * array of text or blob: one B after the other   no attributes: the format ""
 * X# has the number of all elements of all dimensions, c# of char[M][N] that of the bytes.
 */
#ifndef STOA_IMAGE_H
#define STOA_IMAGE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "include/stoa.h"

struct image_field {
	uint32_t offset; /* in the struct */
	uint32_t at;     /* in the image; of variable layouts only where no text or blob comes before, else 0 */
	uint32_t size;   /* bytes in the struct, and in the image if fixed */
	uint32_t count;  /* elements: 1 for a scalar; char[N] is one element, so size / count is the element's size */
	uint8_t kind;
	bool pound; /* has its length in the head: a fixed array, or char[N] */
};

struct image_run { /* bytes that are contiguous in struct and image */
	uint32_t offset, at, size;
};

struct image_layout {
	uint32_t n_fields, n_runs;
	uint32_t head_size; /* magic, length, format, array lengths: the same in every image of this layout */
	uint32_t size;      /* of the image, if fixed; the smallest, if variable */
	bool variable;      /* has text or blobs */
	bool choosy;        /* has char[N] or bool: not any bytes of a struct make an image, so check what was packed */
	bool small;         /* neither, and one run; that and the head have 8 to 16 bytes */
	const char *format;
	unsigned char *head;
	struct image_run *runs;      /* of a fixed layout */
	struct image_field fields[]; /* in the order given */
};

/*
 * Compile the layout of the attributes select[0..n) (NULL: the first n), in that order; they have passed class_check.
 * -ENOMEM. Free it. A layout does not change afterwards: all threads may use it, and the attributes may go.
 */
int image_layout_new(const struct stoa_attr *attrs, const uint32_t *select, uint32_t n, struct image_layout **ret);
struct image_layout *image_layout_free(struct image_layout *layout);

/* Text and blobs are variable: their bytes are not in the struct. */
static inline bool image_is_variable(uint8_t kind)
{
	return kind == STOA_TEXT || kind == STOA_BLOB;
}

#define IMAGE_HUGE (SIZE_MAX / 2) /* what is larger counts as this: sums of sizes do not overflow */

/* Bytes the image of this struct takes. Over UINT32_MAX there is no such image: the caller refuses it. */
static inline size_t image_size(const struct image_layout *layout, const void *from);

/* Write the image; dst has image_size() bytes. Returns them. Reads no more than N bytes of a char[N], NUL or not. */
static inline size_t image_pack(const struct image_layout *layout, const void *from, void *dst);

/*
 * Is this exactly an image of this layout? 0 or -EBADMSG. Also refuses a bool that is neither 0 nor 1, and text without
 * its NUL. Withstands any bytes.
 */
static inline int image_check(const struct image_layout *layout, const void *image, size_t size);

/* Would image_check take what the struct has there? Only a char[N] without its NUL and a bool can be wrong. */
bool image_value_check(const struct stoa_attr *attr, const void *from);
static inline bool image_is_always_storable(const struct stoa_attr *attr)
{
	return attr->kind != STOA_BOOL && attr->kind != STOA_CHARS;
}
static inline bool image_is_storable(const struct stoa_attr *attr, const void *from)
{
	return image_is_always_storable(attr) || image_value_check(attr, from);
}

/*
 * Take a checked image apart into the struct; what the layout does not select stays. Text and blobs are set as by the
 * public setters: copied, and what the struct held before is freed unless it is kept (value.h), so it must be zeroed or
 * hold library-owned values. -ENOMEM: the values up to there are set.
 */
static inline int image_unpack(const struct image_layout *layout, const void *image, void *to);

/*
 * The same without a copy: text and blobs point into the image, at any alignment; text has its NUL there. For
 * arguments, which are const and short-lived.
 */
static inline void image_borrow(const struct image_layout *layout, const void *image, void *to);

/* The same for a result: what is kept is an object's, which the method has lent. */
static inline void image_drop(const struct image_layout *layout, void *of);

/* Free the text and blobs in the struct, kept or not, and zero them. */
void image_fini(const struct image_layout *layout, void *of);

/* Bytes of an image, as its head has it; at least 8 bytes of it are there. */
static inline uint32_t image_length(const void *image)
{
	uint32_t n;
	memcpy(&n, (const char *)image + 4, sizeof(n));
	return n;
}

/* ---- the same, where no field is variable: inline, for the per-call path ---------------------------------------- */

size_t image_size_variable(const struct image_layout *layout, const void *from);
size_t image_pack_large(const struct image_layout *layout, const void *from, void *dst);
int image_check_fields(const struct image_layout *layout, const void *image, size_t size);
int image_unpack_variable(const struct image_layout *layout, const void *image, void *to);
void image_borrow_variable(const struct image_layout *layout, const void *image, void *to);
void image_drop_variable(const struct image_layout *layout, void *of);

/* 8 to 16 bytes: two copies that may overlap. */
static inline void image_copy_short(void *to, const void *from, size_t n)
{
	memcpy(to, from, 8);
	memcpy((char *)to + n - 8, (const char *)from + n - 8, 8);
}

/* Most runs are a number or two, and a call of memcpy costs more than the copy. */
static inline void image_copy(void *to, const void *from, size_t n)
{
	if (n - 8 <= 8)
		image_copy_short(to, from, n);
	else if (n == 4)
		memcpy(to, from, 4);
	else
		memcpy(to, from, n);
}

static inline bool image_same_word(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x == y;
}

static inline bool image_same_head(const char *image, const struct image_layout *layout)
{
	size_t n = layout->head_size;
	return n <= 16 ? image_same_word(image, layout->head) &&
				 image_same_word(image + n - 8, layout->head + n - 8)
		       : memcmp(image, layout->head, n) == 0;
}

static inline void image_take_runs(const struct image_layout *layout, const char *image, char *to)
{
	const struct image_run *run = layout->runs;
	for (uint32_t i = 0; i < layout->n_runs; i++, run++)
		image_copy(to + run->offset, image + run->at, run->size);
}

static inline size_t image_size(const struct image_layout *layout, const void *from)
{
	return layout->variable ? image_size_variable(layout, from) : layout->size;
}

static inline void image_pack_small(const struct image_layout *layout, const void *from, void *dst)
{
	const struct image_run *run = layout->runs;
	image_copy_short(dst, layout->head, layout->head_size);
	image_copy_short((char *)dst + run->at, (const char *)from + run->offset, run->size);
}

static inline size_t image_pack(const struct image_layout *layout, const void *from, void *dst)
{
	if (!layout->small)
		return image_pack_large(layout, from, dst);
	image_pack_small(layout, from, dst);
	return layout->size;
}

static inline int image_check(const struct image_layout *layout, const void *image, size_t size)
{
	if (layout->variable || layout->choosy)
		return image_check_fields(layout, image, size);
	return size == layout->size && image_same_head(image, layout) ? 0 : -EBADMSG; /* any bytes are values */
}

static inline int image_unpack(const struct image_layout *layout, const void *image, void *to)
{
	if (layout->variable)
		return image_unpack_variable(layout, image, to);
	image_take_runs(layout, image, to);
	return 0;
}

static inline void image_borrow(const struct image_layout *layout, const void *image, void *to)
{
	if (layout->variable)
		image_borrow_variable(layout, image, to);
	else
		image_take_runs(layout, image, to);
}

static inline void image_drop(const struct image_layout *layout, void *of)
{
	if (layout->variable)
		image_drop_variable(layout, of);
}

#endif
