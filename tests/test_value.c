/*
 * test_value.c: library-owned text and blobs. What is freed too early, twice or never is the sanitizers' to see: each
 * case frees all it made.
 */
#include "src/value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/stoa.h"

static void value_new_copies_and_ends_with_nul(void **state)
{
	char from[] = { 'a', '\0', 'b' };
	char *data = value_new(from, 3), *none = value_new(NULL, 0);

	(void)state;
	from[0] = 'x';
	assert_memory_equal(data, "a\0b", 4);
	assert_int_equal(none[0], '\0');
	value_free(data);
	value_free(none);
	value_free(NULL);
}

static void value_new_aligns_to_16(void **state)
{
	(void)state;
	for (size_t n = 0; n < 100; n++) {
		void *data = value_new("", 0);

		assert_int_equal((uintptr_t)data % 16, 0);
		value_free(data);
	}
}

static void value_new_fails_when_too_large(void **state)
{
	stoa_text text = { 0 };
	stoa_blob blob = { 0 };

	(void)state;
	for (size_t less = 0; less < 20; less++)
		assert_null(value_new("x", SIZE_MAX - less));
	assert_null(value_new("x", UINT32_MAX)); /* which no image can carry */
	assert_int_equal(stoa_text_set(&text, "old"), 0);
	assert_int_equal(stoa_blob_set(&blob, "old", 3), 0);
	assert_int_equal(stoa_text_set_n(&text, "x", SIZE_MAX), -ENOMEM);
	assert_int_equal(stoa_blob_set(&blob, "x", SIZE_MAX), -ENOMEM);
	assert_string_equal(text.data, "old");
	assert_int_equal(text.size, 3);
	assert_int_equal(blob.size, 3);
	stoa_text_fini(&text);
	stoa_blob_fini(&blob);
}

static void value_is_kept_when_marked_only(void **state)
{
	char *data = value_new("x", 1);
	char foreign[64];

	(void)state;
	memset(foreign, 'x', sizeof(foreign));
	assert_false(value_is_kept(data));
	value_keep(data);
	assert_true(value_is_kept(data));
	assert_false(value_is_kept(NULL));
	value_keep(NULL);
	value_keep(foreign + 32); /* not one of ours: neither kept nor freed */
	assert_false(value_is_kept(foreign + 32));
	value_free(foreign + 32);
	value_free(data);
}

static void stoa_text_set_copies_when_given_text(void **state)
{
	stoa_text text = { 0 };
	char from[] = "日本語 🎉";

	(void)state;
	assert_int_equal(stoa_text_set(&text, from), 0);
	from[0] = 'x';
	assert_string_equal(text.data, "日本語 🎉");
	assert_int_equal(text.size, sizeof(from) - 1);
	assert_int_equal(stoa_text_set(&text, ""), 0);
	assert_non_null(text.data);
	assert_int_equal(text.size, 0);
	assert_int_equal(stoa_text_set_n(&text, "a\0b", 3), 0);
	assert_memory_equal(text.data, "a\0b", 4);
	assert_int_equal(text.size, 3);
	assert_int_equal(stoa_text_set(&text, NULL), 0);
	assert_null(text.data);
	assert_int_equal(text.size, 0);
}

static void stoa_text_set_works_from_its_own_text(void **state)
{
	stoa_text text = { 0 };

	(void)state;
	assert_int_equal(stoa_text_set(&text, "abcdef"), 0);
	assert_int_equal(stoa_text_set(&text, text.data), 0);
	assert_string_equal(text.data, "abcdef");
	assert_int_equal(stoa_text_set_n(&text, text.data + 2, 3), 0);
	assert_string_equal(text.data, "cde");
	stoa_text_fini(&text);
}

static void stoa_blob_set_copies_and_has_no_empty_blob(void **state)
{
	stoa_blob blob = { 0 };

	(void)state;
	assert_int_equal(stoa_blob_set(&blob, "\0\1\2", 3), 0);
	assert_int_equal(blob.size, 3);
	assert_memory_equal(blob.data, "\0\1\2", 3);
	assert_int_equal(stoa_blob_set(&blob, (char *)blob.data + 1, 2), 0);
	assert_memory_equal(blob.data, "\1\2", 2);
	assert_int_equal(stoa_blob_set(&blob, "x", 0), 0);
	assert_null(blob.data);
	assert_int_equal(stoa_blob_set(&blob, NULL, 5), 0);
	assert_null(blob.data);
	assert_int_equal(blob.size, 0);
}

static void stoa_set_and_fini_leave_what_is_kept(void **state)
{
	stoa_text text = { 0 };
	stoa_blob blob = { 0 };
	char *kept_text;
	void *kept_blob;

	(void)state;
	stoa_text_set(&text, "last good");
	stoa_blob_set(&blob, "last good", 9);
	kept_text = text.data;
	kept_blob = blob.data;
	value_keep(kept_text);
	value_keep(kept_blob);
	stoa_text_set(&text, "new");
	stoa_text_set(&text, "newer");
	stoa_blob_fini(&blob);
	assert_string_equal(kept_text, "last good");
	assert_memory_equal(kept_blob, "last good", 9);
	assert_null(blob.data);
	stoa_text_fini(&text);
	value_free(kept_text);
	value_free(kept_blob);
}

static void stoa_fini_empties_and_allows_null(void **state)
{
	stoa_text text = { 0 };
	stoa_blob blob = { 0 };

	(void)state;
	stoa_text_set(&text, "x");
	stoa_blob_set(&blob, "x", 1);
	for (int i = 0; i < 2; i++) {
		stoa_text_fini(&text);
		stoa_blob_fini(&blob);
		assert_null(text.data);
		assert_null(blob.data);
		assert_int_equal(text.size + blob.size, 0);
	}
	stoa_text_fini(NULL);
	stoa_blob_fini(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_new_copies_and_ends_with_nul),
		cmocka_unit_test(value_new_aligns_to_16),
		cmocka_unit_test(value_new_fails_when_too_large),
		cmocka_unit_test(value_is_kept_when_marked_only),
		cmocka_unit_test(stoa_text_set_copies_when_given_text),
		cmocka_unit_test(stoa_text_set_works_from_its_own_text),
		cmocka_unit_test(stoa_blob_set_copies_and_has_no_empty_blob),
		cmocka_unit_test(stoa_set_and_fini_leave_what_is_kept),
		cmocka_unit_test(stoa_fini_empties_and_allows_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
