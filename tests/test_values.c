/*
 * test_values.c: values of every kind, and their edges, are the same after a round trip: assigned, passed to a method
 * and returned by it, read one by one and in a snapshot.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

#define MANY 10000
#define MIB (1 << 20)

/* The same twice: what arguments and results are made of is not writable. */
#define FIELDS                                                                                                         \
	int8_t i8;                                                                                                     \
	int16_t i16;                                                                                                   \
	int32_t i32;                                                                                                   \
	int64_t i64;                                                                                                   \
	uint8_t u8;                                                                                                    \
	uint16_t u16;                                                                                                  \
	uint32_t u32;                                                                                                  \
	uint64_t u64;                                                                                                  \
	float f32;                                                                                                     \
	double f64;                                                                                                    \
	bool yes;                                                                                                      \
	char name[32];                                                                                                 \
	stoa_text text;                                                                                                \
	stoa_blob blob;                                                                                                \
	double one[1];                                                                                                 \
	double many[MANY];                                                                                             \
	int16_t grid[3][4];                                                                                            \
	stoa_text lines[3];                                                                                            \
	struct {                                                                                                       \
		double x, y;                                                                                           \
	} at;
struct all {
	FIELDS
};
struct given {
	FIELDS
};
#define ALL(m) STOA_ATTR(struct all, m, .writable = true)
#define GIVEN(m) STOA_ATTR(struct given, m)
STOA_STRUCT(all, ALL(i8), ALL(i16), ALL(i32), ALL(i64), ALL(u8), ALL(u16), ALL(u32), ALL(u64), ALL(f32), ALL(f64),
	    ALL(yes), ALL(name), ALL(text), ALL(blob), ALL(one), ALL(many), ALL(grid), ALL(lines), ALL(at.x),
	    ALL(at.y));
STOA_STRUCT(given, GIVEN(i8), GIVEN(i16), GIVEN(i32), GIVEN(i64), GIVEN(u8), GIVEN(u16), GIVEN(u32), GIVEN(u64),
	    GIVEN(f32), GIVEN(f64), GIVEN(yes), GIVEN(name), GIVEN(text), GIVEN(blob), GIVEN(one), GIVEN(many),
	    GIVEN(grid), GIVEN(lines), GIVEN(at.x), GIVEN(at.y));

static void copy(struct all *to, const struct all *from)
{
	stoa_text text = to->text, lines[3];
	stoa_blob blob = to->blob;
	memcpy(lines, to->lines, sizeof(lines));
	*to = *from;
	to->text = text;
	to->blob = blob;
	memcpy(to->lines, lines, sizeof(lines));
	stoa_text_set_n(&to->text, from->text.data, from->text.size);
	stoa_blob_set(&to->blob, from->blob.data, from->blob.size);
	for (int i = 0; i < 3; i++)
		stoa_text_set_n(&to->lines[i], from->lines[i].data, from->lines[i].size);
}

/* Returns what was there. */
static int all_replace(struct all *self, const struct given *args, struct given *ret)
{
	copy((struct all *)ret, self);
	copy(self, (const struct all *)args);
	return 0;
}
STOA_METHOD(all, replace, given, given, .writes = "*", .ret_max = 2 * MIB);
STOA_CLASS(all, 1, &all_replace_row);

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(STOA_CLASSES(&all_class));
	p = harness_create(s, "all", &all_class, NULL);
}

static void fini(struct all *a)
{
	stoa_text_fini(&a->text);
	stoa_blob_fini(&a->blob);
	for (int i = 0; i < 3; i++)
		stoa_text_fini(&a->lines[i]);
}

/* ---- values ------------------------------------------------------------------------------------------------- */

static struct all lowest, highest, odd;

static void make_values(void)
{
	static char bytes[MIB];
	for (int i = 0; i < MIB; i++)
		bytes[i] = (char)(i * 31 + i / 256);
	lowest = (struct all){ .i8 = INT8_MIN, .i16 = INT16_MIN, .i32 = INT32_MIN, .i64 = INT64_MIN, .f32 = -INFINITY,
			       .f64 = -INFINITY };
	highest = (struct all){ .i8 = INT8_MAX,
				.i16 = INT16_MAX,
				.i32 = INT32_MAX,
				.i64 = INT64_MAX,
				.u8 = UINT8_MAX,
				.u16 = UINT16_MAX,
				.u32 = UINT32_MAX,
				.u64 = UINT64_MAX,
				.f32 = INFINITY,
				.f64 = INFINITY,
				.yes = true,
				.name = "a name of thirty-one characters" };
	highest.text = STOA_TEXT_OF("日本語 🎉");
	assert_int_equal(highest.text.size, strlen("日本語 🎉"));
	highest.blob = (stoa_blob){ bytes, sizeof(bytes) };
	highest.one[0] = 1e308;
	for (int i = 0; i < MANY; i++)
		highest.many[i] = i / 7.0;
	for (int i = 0; i < 12; i++)
		highest.grid[i / 4][i % 4] = (int16_t)(i - 6);
	highest.lines[0] = STOA_TEXT_OF("first");
	highest.lines[2] = STOA_TEXT_OF("");
	highest.at.x = -0.0;
	highest.at.y = 1e-308;
	odd = (struct all){ .f32 = NAN, .f64 = NAN, .name = "日本語 🎉" };
	odd.text = STOA_TEXT_OF("");
	odd.blob = (stoa_blob){ (char *)"", 0 };
	odd.one[0] = -1e-308;
	odd.many[MANY - 1] = 5e-324;
	odd.at.x = -1e308;
}

static void same_text(const stoa_text *a, const stoa_text *b)
{
	assert_int_equal(!a->data, !b->data); /* none is not the same as empty */
	assert_int_equal(a->size, b->size);
	if (a->data && b->data) {
		assert_memory_equal(a->data, b->data, a->size);
		assert_int_equal(b->data[b->size], 0);
	}
}

/* Bit for bit: NaN is NaN, and -0.0 is not 0.0. */
static void same(const struct all *a, const struct all *b)
{
	assert_memory_equal(&a->i8, &b->i8, 1);
	assert_memory_equal(&a->i16, &b->i16, 2);
	assert_memory_equal(&a->i32, &b->i32, 4);
	assert_memory_equal(&a->i64, &b->i64, 8);
	assert_memory_equal(&a->u8, &b->u8, 1);
	assert_memory_equal(&a->u16, &b->u16, 2);
	assert_memory_equal(&a->u32, &b->u32, 4);
	assert_memory_equal(&a->u64, &b->u64, 8);
	assert_memory_equal(&a->f32, &b->f32, 4);
	assert_memory_equal(&a->f64, &b->f64, 8);
	assert_int_equal(a->yes, b->yes);
	assert_string_equal(a->name, b->name);
	same_text(&a->text, &b->text);
	assert_int_equal(a->blob.size, b->blob.size); /* an empty blob is none */
	if (a->blob.size)
		assert_memory_equal(a->blob.data, b->blob.data, a->blob.size);
	assert_memory_equal(a->one, b->one, sizeof(a->one));
	assert_memory_equal(a->many, b->many, sizeof(a->many));
	assert_memory_equal(a->grid, b->grid, sizeof(a->grid));
	for (int i = 0; i < 3; i++)
		same_text(&a->lines[i], &b->lines[i]);
	assert_memory_equal(&a->at, &b->at, sizeof(a->at));
}

/* ---- ways there and back ------------------------------------------------------------------------------------ */

static void same_when_read(const struct all *wanted)
{
	struct all got = { 0 };
	for (uint32_t i = 0; i < all_struct.n_attrs; i++) {
		const struct stoa_attr *a = &all_attrs[i];
		ok(stoa_get(p, a->offset, (char *)&got + a->offset, a->size, STOA_DEFAULT, NULL));
	}
	same(wanted, &got);
	fini(&got);
	got = (struct all){ 0 };
	ok(stoa_snapshot(p, &got, sizeof(got), STOA_DEFAULT, NULL));
	same(wanted, &got);
	ok(stoa_snapshot(p, &got, sizeof(got), STOA_DEFAULT, NULL)); /* into what an earlier one left */
	same(wanted, &got);
	fini(&got);
}

static void values_are_the_same_when_assigned_one_by_one(void)
{
	const struct all *const all[] = { &lowest, &highest, &odd };
	start();
	make_values();
	for (int k = 0; k < 3; k++) {
		for (uint32_t i = 0; i < all_struct.n_attrs; i++) {
			const struct stoa_attr *a = &all_attrs[i];
			ok(stoa_assign(p, a->offset, (const char *)all[k] + a->offset, a->size, STOA_DEFAULT));
		}
		same_when_read(all[k]);
	}
}

static void values_are_the_same_when_assigned_together(void)
{
	const struct all *const all[] = { &lowest, &highest, &odd };
	start();
	make_values();
	for (int k = 0; k < 3; k++) {
		ok(stoa_assign_all(p, all[k], sizeof(*all[k]), STOA_DEFAULT));
		same_when_read(all[k]);
	}
}

static void values_are_the_same_when_passed_and_returned(void)
{
	const struct all *const all[] = { &lowest, &highest, &odd, &lowest };
	struct all back = { 0 };
	start();
	make_values();
	for (int k = 0; k < 4; k++) {
		ok(stoa_call(p, &all_replace_row, all[k], &back, STOA_DEFAULT));
		if (k)
			same(all[k - 1], &back);
		same_when_read(all[k]);
	}
	fini(&back);
}

static void values_are_the_same_when_created_with(void)
{
	make_values();
	s = harness_start(STOA_CLASSES(&all_class));
	p = harness_create(s, "all", &all_class, &highest);
	same_when_read(&highest);
}

static void values_are_the_same_after_a_crash(void)
{
	start();
	make_values();
	ok(stoa_assign_all(p, &highest, sizeof(highest), STOA_DEFAULT));
	ok(stoa_sync(s, STOA_DEFAULT, NULL));
	harness_kill_coordinator(s);
	same_when_read(&highest);
	ok(stoa_assign_all(p, &odd, sizeof(odd), STOA_DEFAULT));
	same_when_read(&odd);
}

static void values_are_the_same_in_another_process_without_the_class(void)
{
	uint32_t attr;
	struct stoa_proxy *named;
	struct all got = { 0 };
	start();
	make_values();
	ok(stoa_assign_all(p, &highest, sizeof(highest), STOA_DEFAULT));
	ok(stoa_open(s, "all", NULL, STOA_DEFAULT, &named));
	ok(stoa_find_attr(named, "text", STOA_TEXT, &attr));
	ok(stoa_get(named, attr, &got.text, sizeof(got.text), STOA_DEFAULT, NULL));
	same_text(&highest.text, &got.text);
	ok(stoa_find_attr(named, "at.y", STOA_F64, &attr));
	ok(stoa_get(named, attr, &got.at.y, sizeof(double), STOA_DEFAULT, NULL));
	assert_true(got.at.y == 1e-308);
	ok(stoa_find_attr(named, "grid", STOA_I16, &attr));
	ok(stoa_get(named, attr, got.grid, sizeof(got.grid), STOA_DEFAULT, NULL));
	assert_memory_equal(got.grid, highest.grid, sizeof(got.grid));
	fini(&got);
}

static void text_may_grow_and_shrink_many_times(void)
{
	stoa_text text, got = { 0 };
	static char bytes[40000];
	start();
	memset(bytes, 'x', sizeof(bytes));
	for (size_t n = 1; n < sizeof(bytes); n = n * 7 / 3 + 1)
		for (int down = 0; down < 2; down++) {
			text = (stoa_text){ bytes, down ? n / 3 : n };
			bytes[text.size] = '\0';
			ok(STOA_ASSIGN(p, struct all, text, &text, STOA_DEFAULT));
			bytes[text.size] = 'x';
			ok(STOA_GET(p, struct all, text, &got, STOA_DEFAULT));
			assert_int_equal(got.size, text.size);
			assert_memory_equal(got.data, bytes, got.size);
		}
	stoa_text_fini(&got);
}

/* Refused where it is given, and not when it is applied. */
static void value_that_is_none_of_its_type_is_refused(void)
{
	static struct all bad;
	char name[sizeof(bad.name)];
	start();
	memset(name, 'x', sizeof(name));
	refused(-EINVAL, stoa_assign(p, offsetof(struct all, name), name, sizeof(name), STOA_DEFAULT));
	says("a char[] has no NUL within its size");
	refused(-EINVAL, stoa_assign(p, offsetof(struct all, yes), "\2", 1, STOA_DEFAULT));
	memset(bad.name, 'x', sizeof(bad.name));
	refused(-EINVAL, stoa_assign_all(p, &bad, sizeof(bad), STOA_DEFAULT));
	refused(-EINVAL, stoa_call(p, &all_replace_row, &bad, NULL, STOA_DEFAULT));
	assert_int_equal(harness_health(s).rejected, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(text_may_grow_and_shrink_many_times),
		HARNESS(value_that_is_none_of_its_type_is_refused),
		HARNESS(values_are_the_same_after_a_crash),
		HARNESS(values_are_the_same_in_another_process_without_the_class),
		HARNESS(values_are_the_same_when_assigned_one_by_one),
		HARNESS(values_are_the_same_when_assigned_together),
		HARNESS(values_are_the_same_when_created_with),
		HARNESS(values_are_the_same_when_passed_and_returned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
