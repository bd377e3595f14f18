/*
 * fuzz_image.c: tpl images from elsewhere. Input: a layout, which of its fields in which order, and an image, or what
 * stands behind the head of one.
 *
 * What image_check accepts is taken apart, by copy and borrowed, and packed again to the same bytes; with all fields in
 * order, libtpl loads the same values from it. What it refuses is not touched further.
 */
#include <stdlib.h>
#include <string.h>
#include <tpl.h>

#include "src/image.h"
#include "src/value.h"
#include "tests/fuzz/fuzz.h"

struct fixed {
	int8_t i8;
	bool flag;
	int16_t i16;
	int32_t i32;
	int64_t i64;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	float f32;
	double f64;
	struct {
		struct {
			double x;
		} inner;
		char name[8];
	} nested;
	char lines[3][5];
	double m[2][3];
	int16_t cube[2][1][2];
	bool flags[3];
};
STOA_STRUCT(fixed, STOA_ATTR(struct fixed, i8), STOA_ATTR(struct fixed, flag), STOA_ATTR(struct fixed, i16),
	    STOA_ATTR(struct fixed, i32), STOA_ATTR(struct fixed, i64), STOA_ATTR(struct fixed, u8),
	    STOA_ATTR(struct fixed, u16), STOA_ATTR(struct fixed, u32), STOA_ATTR(struct fixed, u64),
	    STOA_ATTR(struct fixed, f32), STOA_ATTR(struct fixed, f64), STOA_ATTR(struct fixed, nested.inner.x),
	    STOA_ATTR(struct fixed, nested.name), STOA_ATTR(struct fixed, lines), STOA_ATTR(struct fixed, m),
	    STOA_ATTR(struct fixed, cube), STOA_ATTR(struct fixed, flags));

struct loose {
	uint32_t n;
	stoa_text text;
	double x[2];
	stoa_text texts[3];
	stoa_blob blob, blobs[2][1];
	bool flag;
	char name[4];
};
STOA_STRUCT(loose, STOA_ATTR(struct loose, n), STOA_ATTR(struct loose, text), STOA_ATTR(struct loose, x),
	    STOA_ATTR(struct loose, texts), STOA_ATTR(struct loose, blob), STOA_ATTR(struct loose, blobs),
	    STOA_ATTR(struct loose, flag), STOA_ATTR(struct loose, name));

union any {
	struct fixed fixed;
	struct loose loose;
};

/* ---- against libtpl ---- */

static void same_fixed(void *image, size_t size, const struct fixed *ours)
{
	struct fixed f = { 0 };
	tpl_node *map = tpl_map((char *)"ccjiIcvuUuffc#c#f#j#c#", &f.i8, &f.flag, &f.i16, &f.i32, &f.i64, &f.u8, &f.u16,
				&f.u32, &f.u64, &f.f32, &f.f64, &f.nested.inner.x, f.nested.name, 8, f.lines, 15, f.m,
				6, f.cube, 4, f.flags, 3);
	fuzz_check(tpl_load(map, TPL_MEM, image, size) == 0 && tpl_unpack(map, 0) == 1, "libtpl does not load it");
	tpl_free(map);
	for (uint32_t i = 0; i < fixed_struct.n_attrs; i++) {
		const struct stoa_attr *a = &fixed_struct.attrs[i];
		fuzz_check(memcmp((char *)&f + a->offset, (const char *)ours + a->offset, a->size) == 0,
			   "libtpl loads another %s", a->name);
	}
}

static void same_bytes(const char *what, tpl_bin *theirs, const void *data, size_t size)
{
	fuzz_check(theirs->sz == size && (size == 0 || memcmp(theirs->addr, data, size) == 0),
		   "libtpl loads another %s", what);
	free(theirs->addr);
}

static void same_text(const char *what, tpl_bin *theirs, const stoa_text *ours)
{
	same_bytes(what, theirs, ours->data, ours->data ? ours->size + 1 : 0);
}

static void same_loose(void *image, size_t size, const struct loose *ours)
{
	struct loose l = { 0 };
	tpl_bin text, texts[3], blob, blobs[2];
	tpl_node *map = tpl_map((char *)"uBf#BBBBBBcc#", &l.n, &text, l.x, 2, &texts[0], &texts[1], &texts[2], &blob,
				&blobs[0], &blobs[1], &l.flag, l.name, 4);
	fuzz_check(tpl_load(map, TPL_MEM, image, size) == 0 && tpl_unpack(map, 0) == 1, "libtpl does not load it");
	tpl_free(map);
	fuzz_check(l.n == ours->n && l.flag == ours->flag && memcmp(l.x, ours->x, sizeof(l.x)) == 0 &&
			   memcmp(l.name, ours->name, sizeof(l.name)) == 0,
		   "libtpl loads another number");
	same_text("text", &text, &ours->text);
	for (int i = 0; i < 3; i++)
		same_text("text of an array", &texts[i], &ours->texts[i]);
	same_bytes("blob", &blob, ours->blob.data, ours->blob.size);
	for (int i = 0; i < 2; i++)
		same_bytes("blob of an array", &blobs[i], ours->blobs[i][0].data, ours->blobs[i][0].size);
}

/* ---- ours ---- */

static void same_image(const struct image_layout *l, const void *from, const void *image, size_t size)
{
	fuzz_check(image_size(l, from) == size, "the values take %zu bytes, the image %zu", image_size(l, from), size);
	void *again = malloc(size);
	fuzz_check(image_pack(l, from, again) == size && memcmp(again, image, size) == 0, "packed again it is another");
	free(again);
}

static void use(const struct image_layout *l, bool whole, bool loose, void *image, size_t size)
{
	union any copied, borrowed;
	memset(&copied, 0, sizeof(copied));
	memset(&borrowed, 0, sizeof(borrowed));
	fuzz_check(image_unpack(l, image, &copied) == 0, "a checked image is not unpacked");
	same_image(l, &copied, image, size);
	image_borrow(l, image, &borrowed);
	same_image(l, &borrowed, image, size);
	if (whole && loose)
		same_loose(image, size, &copied.loose);
	else if (whole)
		same_fixed(image, size, &copied.fixed);
	image_fini(l, &copied);
}

/* The fields, each at most once, in an order that the bytes say; none said: all of them. */
static uint32_t choose(struct input *in, uint32_t n_attrs, uint32_t *select)
{
	uint64_t taken = 0;
	uint32_t n = 0;
	for (uint32_t i = input_u8(in) % 8; i > 0; i--) {
		uint32_t k = input_u8(in) % n_attrs;
		if (!(taken >> k & 1))
			select[n++] = k;
		taken |= UINT64_C(1) << k;
	}
	return n;
}

/* Bytes as they are, or behind the right head with the right length. */
static uint8_t *image_of(const struct image_layout *l, bool headless, struct input *in, size_t *ret_size)
{
	size_t rest, head = headless ? l->head_size : 0;
	uint8_t *body = input_rest(in, &rest), *image = malloc(head + rest + (head + rest == 0));
	uint32_t size = (uint32_t)(head + rest);
	memcpy(image, l->head, head);
	memcpy(image + head, body, rest);
	if (headless)
		memcpy(image + 4, &size, sizeof(size));
	free(body);
	*ret_size = head + rest;
	return image;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint32_t select[32];
	struct image_layout *l;
	uint8_t how = input_u8(&in);
	bool loose = how & 1, headless = how & 2;
	const struct stoa_struct *s = loose ? &loose_struct : &fixed_struct;
	uint32_t n = choose(&in, s->n_attrs, select);
	fuzz_check(image_layout_new(s->attrs, n ? select : NULL, n ? n : s->n_attrs, &l) == 0, "no memory");
	uint8_t *image = image_of(l, headless, &in, &size);
	if (image_check(l, image, size) == 0)
		use(l, n == 0, loose, image, size);
	free(image);
	image_layout_free(l);
	return 0;
}
