/*
 * test_blob.c: the built-in blob, with bytes that are no text, and more of them than there is room for.
 */
#include "include/stoa/blob.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/harness.h"

#define OF(bytes) { (void *)(bytes), sizeof(bytes) - 1 }

static struct stoa_proxy *p;

static void start(void)
{
	struct stoa *s = harness_start_with(NULL, STOA_OPTIONS(.max_state = 12 << 20));
	p = harness_create(s, "key", &blob_class, NULL);
}

static void assert_blob(const void *wanted, size_t size)
{
	stoa_blob value = { 0 };
	ok(STOA_GET(p, struct blob, value, &value, SOON));
	assert_int_equal(value.size, size);
	assert_memory_equal(value.data, wanted, size);
	stoa_blob_fini(&value);
}

static bool cas(stoa_blob expected, stoa_blob value)
{
	struct blob_done d;
	ok(blob_cas_call(p, &(struct blob_cas){ expected, value }, &d, SOON));
	return d.done;
}

static void bytes_are_kept_as_they_are(void)
{
	struct blob_size after;
	start();
	ok(blob_append_call(p, &(struct blob_args){ OF("\0\1") }, &after, SOON));
	ok(blob_append_call(p, &(struct blob_args){ OF("\xff\0") }, &after, SOON));
	assert_int_equal(after.size, 4);
	assert_blob("\0\1\xff\0", 4);
	ok(blob_set_call(p, &(struct blob_args){ OF("\0") }, &after, SOON));
	assert_int_equal(after.size, 1);
	assert_blob("\0", 1);
}

static void cas_sets_only_what_is_as_expected(void)
{
	start();
	assert_true(cas((stoa_blob){ 0 }, (stoa_blob)OF("a\0b")));
	assert_false(cas((stoa_blob)OF("a\0c"), (stoa_blob)OF("new")));
	assert_false(cas((stoa_blob)OF("a"), (stoa_blob)OF("new")));
	assert_blob("a\0b", 3);
	assert_true(cas((stoa_blob)OF("a\0b"), (stoa_blob){ 0 }));
	assert_blob("", 0);
}

static void what_has_no_room_changes_nothing(void)
{
	struct blob_size after = { 0 };
	const size_t size = 64 << 10;
	void *bytes = calloc(1, size);
	int r = 0, n = 0;
	start();
	for (; r == 0 && n < 1000; n++)
		r = blob_append_call(p, &(struct blob_args){ { bytes, size } }, &after, SOON);
	refused(-ENOSPC, r);
	says("state");
	assert_int_equal(after.size, (size_t)(n - 1) * size);
	stoa_blob value = { 0 };
	ok(STOA_GET(p, struct blob, value, &value, SOON));
	assert_int_equal(value.size, after.size);
	ok(blob_set_call(p, &(struct blob_args){ OF("x") }, &after, SOON));
	stoa_blob_fini(&value);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(bytes_are_kept_as_they_are),
		HARNESS(cas_sets_only_what_is_as_expected),
		HARNESS(what_has_no_room_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
