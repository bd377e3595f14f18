/*
 * test_image.c: images held against libtpl, both ways: its bytes are ours, it loads ours, we unpack its. Then round
 * trips of what is hard to carry, and images from elsewhere: truncated, corrupted, random. Those lie in memory of
 * exactly their size, so that the sanitizers see a read past the end.
 */
#include "src/image.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tpl.h>

#include <cmocka.h>

#include "src/value.h"

#define UTF8 "日本語 🎉"

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
	double one[1];
};
STOA_STRUCT(fixed, STOA_ATTR(struct fixed, i8), STOA_ATTR(struct fixed, flag), STOA_ATTR(struct fixed, i16),
	    STOA_ATTR(struct fixed, i32), STOA_ATTR(struct fixed, i64), STOA_ATTR(struct fixed, u8),
	    STOA_ATTR(struct fixed, u16), STOA_ATTR(struct fixed, u32), STOA_ATTR(struct fixed, u64),
	    STOA_ATTR(struct fixed, f32), STOA_ATTR(struct fixed, f64), STOA_ATTR(struct fixed, nested.inner.x),
	    STOA_ATTR(struct fixed, nested.name), STOA_ATTR(struct fixed, lines), STOA_ATTR(struct fixed, m),
	    STOA_ATTR(struct fixed, cube), STOA_ATTR(struct fixed, flags), STOA_ATTR(struct fixed, one));

#define FIXED_FORMAT "ccjiIcvuUuffc#c#f#j#c#f#"

struct loose {
	uint32_t n;
	stoa_text text;
	double x[2];
	stoa_text texts[3];
	stoa_blob blob, blobs[2][1];
	bool flag;
};
STOA_STRUCT(loose, STOA_ATTR(struct loose, n), STOA_ATTR(struct loose, text), STOA_ATTR(struct loose, x),
	    STOA_ATTR(struct loose, texts), STOA_ATTR(struct loose, blob), STOA_ATTR(struct loose, blobs),
	    STOA_ATTR(struct loose, flag));

#define LOOSE_FORMAT "uBf#BBBBBBc"

static const struct fixed fixed_value = {
	.i8 = -128, .flag = true, .i16 = INT16_MIN, .i32 = INT32_MIN, .i64 = INT64_MIN, .u8 = 255, .u16 = UINT16_MAX,
	.u32 = UINT32_MAX, .u64 = UINT64_MAX, .f32 = -FLT_MAX, .f64 = 1e308, .nested = { { 1e-308 }, "seven77" },
	.lines = { "", "abcd", "x" }, .m = { { NAN, INFINITY, -INFINITY }, { -1e308, -0.0, 4.9e-324 } },
	.cube = { { { 1, -2 } }, { { 3, -4 } } }, .flags = { true, false, true }, .one = { M_PI },
};

static const struct loose loose_value = {
	.n = 7, .text = { (char *)UTF8, sizeof(UTF8) - 1 }, .x = { 1.5, -2.5 },
	.texts = { { NULL, 0 }, { (char *)"", 0 }, { (char *)"a\0b", 3 } }, .blob = { (void *)"\0\1", 2 },
	.blobs = { { { NULL, 0 } }, { { (void *)"z", 1 } } }, .flag = true,
};

/* ---- helpers ---------------------------------------------------------------------------------------------- */

static struct image_layout *layout_of(const struct stoa_struct *s)
{
	struct image_layout *layout;

	assert_int_equal(image_layout_new(s->attrs, NULL, s->n_attrs, &layout), 0);
	return layout;
}

static unsigned char *packed(const struct image_layout *layout, const void *from, size_t *ret_size)
{
	unsigned char *image;

	*ret_size = image_size(layout, from);
	image = malloc(*ret_size);
	assert_int_equal(image_pack(layout, from, image), *ret_size);
	assert_int_equal(image_check(layout, image, *ret_size), 0);
	return image;
}

static int check_copy(const struct image_layout *layout, const void *image, size_t size)
{
	void *copy = malloc(size ? size : 1);
	int r;

	memcpy(copy, image, size);
	r = image_check(layout, copy, size);
	free(copy);
	return r;
}

static tpl_node *fixed_map(struct fixed *f)
{
	return tpl_map((char *)FIXED_FORMAT, &f->i8, &f->flag, &f->i16, &f->i32, &f->i64, &f->u8, &f->u16,
		       &f->u32, &f->u64, &f->f32, &f->f64, &f->nested.inner.x, f->nested.name, 8, f->lines, 15, f->m, 6,
		       f->cube, 4, f->flags, 3, f->one, 1);
}

struct loose_bins {
	tpl_bin text, texts[3], blob, blobs[2];
};

static tpl_node *loose_map(struct loose *l, struct loose_bins *b)
{
	return tpl_map((char *)LOOSE_FORMAT, &l->n, &b->text, l->x, 2, &b->texts[0], &b->texts[1], &b->texts[2],
		       &b->blob, &b->blobs[0], &b->blobs[1], &l->flag);
}

static void *dumped(tpl_node *map, size_t *ret_size)
{
	void *image;

	assert_int_equal(tpl_pack(map, 0), 0);
	assert_int_equal(tpl_dump(map, TPL_MEM, &image, ret_size), 0);
	tpl_free(map);
	return image;
}

static void same_fixed(const struct fixed *a, const struct fixed *b)
{
	for (uint32_t i = 0; i < fixed_struct.n_attrs; i++) {
		const struct stoa_attr *attr = &fixed_struct.attrs[i];

		assert_memory_equal((const char *)a + attr->offset, (const char *)b + attr->offset, attr->size);
	}
}

static void same_loose(const struct loose *a, const struct loose *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->x, b->x, sizeof(a->x));
	assert_int_equal(a->flag, b->flag);
	assert_int_equal(b->text.size, sizeof(UTF8) - 1);
	assert_string_equal(b->text.data, UTF8);
	assert_null(b->texts[0].data);
	assert_int_equal(b->texts[0].size, 0);
	assert_string_equal(b->texts[1].data, "");
	assert_int_equal(b->texts[1].size, 0);
	assert_int_equal(b->texts[2].size, 3);
	assert_memory_equal(b->texts[2].data, "a\0b", 4);
	assert_int_equal(b->blob.size, 2);
	assert_memory_equal(b->blob.data, "\0\1", 2);
	assert_null(b->blobs[0][0].data);
	assert_int_equal(b->blobs[1][0].size, 1);
}

/* ---- against libtpl --------------------------------------------------------------------------------------- */

static void image_packs_as_tpl_does_when_fixed(void **state)
{
	struct image_layout *layout = layout_of(&fixed_struct);
	struct fixed from = fixed_value, to;
	size_t size, tpl_size;
	unsigned char *image = packed(layout, &fixed_value, &size);
	void *tpl_image = dumped(fixed_map(&from), &tpl_size);
	tpl_node *map;

	(void)state;
	assert_false(layout->variable);
	assert_string_equal(layout->format, FIXED_FORMAT);
	assert_int_equal(size, layout->size);
	assert_int_equal(tpl_size, size);
	assert_memory_equal(tpl_image, image, size);

	memset(&to, 0, sizeof(to));
	map = fixed_map(&to);
	assert_int_equal(tpl_load(map, TPL_MEM, image, size), 0);
	assert_int_equal(tpl_unpack(map, 0), 1);
	same_fixed(&fixed_value, &to);
	tpl_free(map);

	memset(&to, 0, sizeof(to));
	assert_int_equal(image_check(layout, tpl_image, tpl_size), 0);
	assert_int_equal(image_unpack(layout, tpl_image, &to), 0);
	same_fixed(&fixed_value, &to);
	free(tpl_image);
	free(image);
	image_layout_free(layout);
}

static void image_packs_as_tpl_does_when_variable(void **state)
{
	struct image_layout *layout = layout_of(&loose_struct);
	struct loose from = loose_value, to = { 0 };
	struct loose_bins bins = {
		.text = { (char *)UTF8, sizeof(UTF8) }, .blob = { (char *)"\0\1", 2 },
		.texts = { { NULL, 0 }, { (char *)"", 1 }, { (char *)"a\0b", 4 } },
		.blobs = { { NULL, 0 }, { (char *)"z", 1 } },
	};
	struct loose_bins loaded;
	size_t size, tpl_size;
	unsigned char *image = packed(layout, &loose_value, &size);
	void *tpl_image = dumped(loose_map(&from, &bins), &tpl_size);
	tpl_node *map;

	(void)state;
	assert_true(layout->variable);
	assert_string_equal(layout->format, LOOSE_FORMAT);
	assert_int_equal(tpl_size, size);
	assert_memory_equal(tpl_image, image, size);

	map = loose_map(&to, &loaded);
	assert_int_equal(tpl_load(map, TPL_MEM, image, size), 0);
	assert_int_equal(tpl_unpack(map, 0), 1);
	assert_int_equal(loaded.text.sz, sizeof(UTF8));
	assert_string_equal(loaded.text.addr, UTF8);
	assert_int_equal(loaded.texts[0].sz, 0);
	assert_int_equal(to.flag, true);
	for (tpl_bin *bin = (tpl_bin *)&loaded; bin < (tpl_bin *)(&loaded + 1); bin++)
		if (bin->sz)
			free(bin->addr);
	tpl_free(map);

	to = (struct loose){ 0 };
	assert_int_equal(image_check(layout, tpl_image, tpl_size), 0);
	assert_int_equal(image_unpack(layout, tpl_image, &to), 0);
	same_loose(&loose_value, &to);
	image_fini(layout, &to);
	free(tpl_image);
	free(image);
	image_layout_free(layout);
}

static void image_packs_as_tpl_does_when_there_are_no_attributes(void **state)
{
	struct image_layout *layout = layout_of(&stoa_none_struct);
	uint64_t none = 0x78; /* longer than a stoa_none: what is copied is 8 bytes, if anything */
	size_t size, tpl_size;
	unsigned char *image = packed(layout, &none, &size);
	void *tpl_image = dumped(tpl_map((char *)""), &tpl_size);
	tpl_node *map = tpl_map((char *)"");

	(void)state;
	assert_string_equal(layout->format, "");
	assert_int_equal(size, 9);
	assert_int_equal(tpl_size, size);
	assert_memory_equal(tpl_image, image, size);
	assert_int_equal(tpl_load(map, TPL_MEM, image, size), 0);
	assert_int_equal(image_unpack(layout, image, &none), 0);
	assert_int_equal(none, 0x78);
	tpl_free(map);
	free(tpl_image);
	free(image);
	image_layout_free(layout);
}

/* ---- layouts ---------------------------------------------------------------------------------------------- */

static void image_layout_merges_what_is_contiguous(void **state)
{
	static const uint32_t order[] = { 9, 8 }; /* in the struct the other way round */
	struct image_layout *layout = layout_of(&fixed_struct), *turned;

	(void)state;
	/* i8 flag i16 i32 i64 u8 | u16 u32 u64 f32 | f64 nested lines | m cube flags | one, by the padding between */
	assert_int_equal(layout->n_fields, 18);
	assert_int_equal(layout->n_runs, 5);
	assert_int_equal(layout->runs[0].at, layout->head_size);
	assert_int_equal(layout->runs[0].size, 17);
	assert_int_equal(layout->fields[1].at, layout->head_size + 1);
	assert_int_equal(image_layout_new(fixed_struct.attrs, order, 2, &turned), 0);
	assert_int_equal(turned->n_runs, 2);
	assert_string_equal(turned->format, "uU");
	assert_null(image_layout_free(turned));
	image_layout_free(layout);
	assert_null(image_layout_free(NULL));
}

static void image_layout_tells_places_up_to_the_first_text(void **state)
{
	struct image_layout *layout = layout_of(&loose_struct);

	(void)state;
	assert_int_equal(layout->fields[0].at, layout->head_size);
	assert_int_equal(layout->fields[1].at, layout->head_size + 4);
	assert_int_equal(layout->fields[2].at, 0);
	assert_int_equal(layout->fields[3].count, 3);
	assert_int_equal(layout->size, layout->head_size + 4 + 4 + 16 + 12 + 4 + 8 + 1);
	image_layout_free(layout);
}

static void image_unpack_leaves_the_rest_when_selecting(void **state)
{
	static const uint32_t select[] = { 12, 3 };
	struct image_layout *layout;
	struct fixed to, expected;
	unsigned char *image;
	size_t size;

	(void)state;
	assert_int_equal(image_layout_new(fixed_struct.attrs, select, 2, &layout), 0);
	image = packed(layout, &fixed_value, &size);
	memset(&to, 0x5a, sizeof(to));
	expected = to;
	expected.i32 = fixed_value.i32;
	memcpy(expected.nested.name, fixed_value.nested.name, 8);
	assert_int_equal(image_unpack(layout, image, &to), 0);
	assert_memory_equal(&to, &expected, sizeof(to));
	free(image);
	image_layout_free(layout);
}

/* ---- round trips ------------------------------------------------------------------------------------------ */

struct arrays {
	double one[1], many[10000];
};
STOA_STRUCT(arrays, STOA_ATTR(struct arrays, one), STOA_ATTR(struct arrays, many));

static void image_carries_arrays_of_1_and_10000(void **state)
{
	static struct arrays from, to;
	struct image_layout *layout = layout_of(&arrays_struct);
	unsigned char *image;
	size_t size;

	(void)state;
	from.one[0] = -1;
	for (int i = 0; i < 10000; i++)
		from.many[i] = i / 3.0;
	image = packed(layout, &from, &size);
	assert_int_equal(size, 8 + sizeof("f#f#") + 8 + sizeof(from));
	assert_int_equal(image_unpack(layout, image, &to), 0);
	assert_memory_equal(&from, &to, sizeof(from));
	free(image);
	image_layout_free(layout);
}

static void image_carries_a_blob_of_1_mib(void **state)
{
	struct image_layout *layout = layout_of(&loose_struct);
	struct loose from = loose_value, to = { 0 };
	unsigned char *bytes = malloc(1 << 20), *image;
	size_t size;

	(void)state;
	for (int i = 0; i < 1 << 20; i++)
		bytes[i] = (unsigned char)(i * 31 >> 3);
	from.blob = (stoa_blob){ bytes, 1 << 20 };
	image = packed(layout, &from, &size);
	assert_int_equal(image_unpack(layout, image, &to), 0);
	assert_int_equal(to.blob.size, 1 << 20);
	assert_memory_equal(to.blob.data, bytes, 1 << 20);
	image_fini(layout, &to);
	free(image);
	free(bytes);
	image_layout_free(layout);
}

static void image_borrow_points_into_the_image(void **state)
{
	struct image_layout *layout = layout_of(&loose_struct);
	struct loose to;
	size_t size;
	unsigned char *image = packed(layout, &loose_value, &size);

	(void)state;
	memset(&to, 0xff, sizeof(to)); /* what is there does not matter, as nothing is freed */
	image_borrow(layout, image, &to);
	same_loose(&loose_value, &to);
	assert_true(to.text.data > (char *)image && to.text.data < (char *)image + size);
	assert_true((unsigned char *)to.blob.data > image && (unsigned char *)to.blob.data < image + size);
	free(image);
	image_layout_free(layout);
}

static void image_unpack_replaces_text_but_frees_no_kept_one(void **state)
{
	struct image_layout *layout = layout_of(&loose_struct);
	struct loose to = { 0 };
	size_t size;
	unsigned char *image = packed(layout, &loose_value, &size);
	char *kept;

	(void)state;
	for (int i = 0; i < 3; i++) /* the sanitizer sees what is lost */
		assert_int_equal(image_unpack(layout, image, &to), 0);
	kept = to.text.data;
	value_keep(kept);
	assert_int_equal(image_unpack(layout, image, &to), 0);
	assert_ptr_not_equal(to.text.data, kept);
	assert_string_equal(kept, UTF8);
	value_free(kept);
	same_loose(&loose_value, &to);
	value_keep(to.text.data); /* fini frees it all the same */
	image_fini(layout, &to);
	assert_null(to.text.data);
	assert_null(to.texts[2].data);
	assert_null(to.blobs[1][0].data);
	assert_int_equal(to.n, 7);
	image_fini(layout, &to);
	free(image);
	image_layout_free(layout);
}

static void image_pack_reads_no_more_than_n_chars(void **state)
{
	static const struct stoa_attr attr = {
		.name = "name", .size = 8, .dims = { 8 }, .rank = 1, .kind = STOA_CHARS
	};
	const struct stoa_struct s = { "name", 8, 1, &attr, 1 };
	struct image_layout *layout = layout_of(&s);
	char *name = malloc(8), image[64];
	size_t size;

	(void)state;
	memset(name, 'x', 8);
	size = image_pack(layout, name, image);
	assert_int_equal(size, image_size(layout, name));
	assert_int_equal(image_check(layout, image, size), -EBADMSG);
	free(name);
	image_layout_free(layout);
}

static void image_pack_reads_no_nul_behind_text(void **state)
{
	struct image_layout *layout = layout_of(&loose_struct);
	struct loose from = { .text = { malloc(3), 3 } }, to = { 0 };
	unsigned char *image;
	size_t size;

	(void)state;
	memcpy(from.text.data, "abc", 3);
	image = packed(layout, &from, &size);
	image_borrow(layout, image, &to);
	assert_string_equal(to.text.data, "abc");
	free(from.text.data);
	free(image);
	image_layout_free(layout);
}

/* ---- from elsewhere --------------------------------------------------------------------------------------- */

static void refuses_every_truncation(const struct stoa_struct *s, const void *from)
{
	struct image_layout *layout = layout_of(s);
	size_t size;
	unsigned char *image = packed(layout, from, &size);

	for (uint32_t n = 0; n < size; n++) {
		assert_int_equal(check_copy(layout, image, n), -EBADMSG);
		memcpy(image + 4, &n, sizeof(n)); /* with a length that fits */
		assert_int_equal(check_copy(layout, image, n), -EBADMSG);
	}
	memcpy(image + 4, &(uint32_t){ (uint32_t)size + 1 }, 4);
	image = realloc(image, size + 1);
	image[size] = 0;
	assert_int_equal(check_copy(layout, image, size + 1), -EBADMSG);
	free(image);
	image_layout_free(layout);
}

static void image_check_refuses_when_truncated_or_longer(void **state)
{
	(void)state;
	refuses_every_truncation(&fixed_struct, &fixed_value);
	refuses_every_truncation(&loose_struct, &loose_value);
	refuses_every_truncation(&stoa_none_struct, &(stoa_none){ 0 });
}

static void refuses_every_wrong_head(const struct stoa_struct *s, const void *from)
{
	struct image_layout *layout = layout_of(s);
	size_t size;
	unsigned char *image = packed(layout, from, &size);

	for (uint32_t i = 0; i < layout->head_size; i++)
		for (int delta = 1; delta < 256; delta++) {
			image[i] = (unsigned char)(image[i] + delta);
			assert_int_equal(check_copy(layout, image, size), -EBADMSG);
			image[i] = (unsigned char)(image[i] - delta);
		}
	assert_int_equal(check_copy(layout, image, size), 0);
	free(image);
	image_layout_free(layout);
}

static void image_check_refuses_when_the_head_is_corrupted(void **state)
{
	(void)state;
	refuses_every_wrong_head(&fixed_struct, &fixed_value);
	refuses_every_wrong_head(&loose_struct, &loose_value);
}

static void image_check_refuses_a_bool_of_2_and_text_without_nul(void **state)
{
	struct image_layout *layout = layout_of(&fixed_struct);
	size_t size;
	unsigned char *image = packed(layout, &fixed_value, &size);
	const uint32_t flag = layout->fields[1].at, flags = layout->fields[16].at, lines = layout->fields[13].at;

	(void)state;
	for (const uint32_t *at = (const uint32_t[]){ flag, flags + 2, 0 }; *at; at++) {
		image[*at] = 2;
		assert_int_equal(check_copy(layout, image, size), -EBADMSG);
		image[*at] = 1;
		assert_int_equal(check_copy(layout, image, size), 0);
	}
	image[lines + 9] = 'x'; /* the middle one: "abcdx" */
	assert_int_equal(check_copy(layout, image, size), -EBADMSG);
	image[lines + 9] = 0;
	image[lines + 4] = 'x'; /* behind the NUL of "" */
	assert_int_equal(check_copy(layout, image, size), 0);
	free(image);
	image_layout_free(layout);
}

static void image_check_refuses_lengths_that_lie(void **state)
{
	static const uint32_t lies[] = { 0,	     1,		 11,	     18,	 19,	    100,
					 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffffc, 0xffffffff };
	struct image_layout *layout = layout_of(&loose_struct);
	size_t size;
	unsigned char *image = packed(layout, &loose_value, &size);

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(image + layout->fields[1].at, &lies[i], 4);
		assert_int_equal(check_copy(layout, image, size), -EBADMSG);
	}
	memcpy(image + layout->fields[1].at, &(uint32_t){ sizeof(UTF8) }, 4);
	assert_int_equal(check_copy(layout, image, size), 0);
	image[layout->fields[1].at + 4 + sizeof(UTF8) - 1] = 'x'; /* its NUL */
	assert_int_equal(check_copy(layout, image, size), -EBADMSG);
	free(image);
	image_layout_free(layout);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* Some bytes behind the head are random. What passes must unpack, borrow and pack again to the same bytes. */
static bool survives(const struct image_layout *layout, unsigned char *image, size_t size)
{
	struct loose to = { 0 }, borrowed;
	unsigned char *again;
	size_t size_again;

	if (check_copy(layout, image, size) < 0)
		return false;
	assert_int_equal(image_unpack(layout, image, &to), 0);
	again = packed(layout, &to, &size_again);
	assert_int_equal(size_again, size);
	assert_memory_equal(again, image, size);
	image_borrow(layout, image, &borrowed);
	assert_int_equal(image_size(layout, &borrowed), size);
	image_fini(layout, &to);
	free(again);
	return true;
}

static void image_check_survives_random_bytes(void **state)
{
	struct image_layout *layout = layout_of(&loose_struct);
	size_t size;
	unsigned char *right = packed(layout, &loose_value, &size), *image = malloc(size);
	uint64_t seed = 20240601;
	int passed = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint64_t n = 1 + next_random(&seed) % 4;

		memcpy(image, right, size);
		while (n--) {
			size_t at = layout->head_size + next_random(&seed) % (size - layout->head_size);
			uint64_t r = next_random(&seed);

			image[at] = (unsigned char)(r & 256 ? r : r & 7);
		}
		passed += survives(layout, image, size);
	}
	assert_in_range(passed, 1000, 19000); /* both ways were taken */
	for (int round = 0; round < 1000; round++) {
		for (size_t i = 0; i < size; i++)
			image[i] = (unsigned char)next_random(&seed);
		assert_int_equal(check_copy(layout, image, next_random(&seed) % size), -EBADMSG);
	}
	free(image);
	free(right);
	image_layout_free(layout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_packs_as_tpl_does_when_fixed),
		cmocka_unit_test(image_packs_as_tpl_does_when_variable),
		cmocka_unit_test(image_packs_as_tpl_does_when_there_are_no_attributes),
		cmocka_unit_test(image_layout_merges_what_is_contiguous),
		cmocka_unit_test(image_layout_tells_places_up_to_the_first_text),
		cmocka_unit_test(image_unpack_leaves_the_rest_when_selecting),
		cmocka_unit_test(image_carries_arrays_of_1_and_10000),
		cmocka_unit_test(image_carries_a_blob_of_1_mib),
		cmocka_unit_test(image_borrow_points_into_the_image),
		cmocka_unit_test(image_unpack_replaces_text_but_frees_no_kept_one),
		cmocka_unit_test(image_pack_reads_no_more_than_n_chars),
		cmocka_unit_test(image_pack_reads_no_nul_behind_text),
		cmocka_unit_test(image_check_refuses_when_truncated_or_longer),
		cmocka_unit_test(image_check_refuses_when_the_head_is_corrupted),
		cmocka_unit_test(image_check_refuses_a_bool_of_2_and_text_without_nul),
		cmocka_unit_test(image_check_refuses_lengths_that_lie),
		cmocka_unit_test(image_check_survives_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
