/*
 * test_text.c: the built-in text: nothing is as good as "", compare-and-set lets one win, no append is lost.
 */
#include "include/stoa/text.h"

#include <stdio.h>
#include <string.h>

#include "tests/harness.h"

#define WRITERS 4
#define LINES 100

static struct stoa_proxy *p;
static struct shared {
	_Atomic int won;
} *shared;

static void start(void)
{
	p = harness_create(harness_start(NULL), "motd", &text_class, NULL);
}

static void assert_text(const char *wanted)
{
	stoa_text value = { 0 };
	ok(STOA_GET(p, struct text, value, &value, SOON));
	assert_int_equal(value.size, strlen(wanted));
	assert_memory_equal(value.data, wanted, value.size + 1);
	stoa_text_fini(&value);
}

static bool cas(const char *expected, const char *value)
{
	struct text_done d;
	ok(text_cas_call(p, &(struct text_cas){ STOA_TEXT_OF(expected), STOA_TEXT_OF(value) }, &d, SOON));
	return d.done;
}

static uint64_t append(const char *value)
{
	struct text_size after;
	ok(text_append_call(p, &(struct text_args){ STOA_TEXT_OF(value) }, &after, SOON));
	return after.size;
}

static void methods_replace_and_extend_it(void)
{
	struct text_size after;
	start();
	assert_int_equal(append("to"), 2);
	assert_int_equal(append(""), 2);
	assert_int_equal(append(NULL), 2);
	assert_int_equal(append(" \xe6\x97\xa5"), 6);
	assert_text("to \xe6\x97\xa5");
	ok(text_set_call(p, &(struct text_args){ STOA_TEXT_OF("tea") }, &after, SOON));
	assert_int_equal(after.size, 3);
	assert_text("tea");
	ok(text_set_call(p, &(struct text_args){ STOA_TEXT_OF(NULL) }, &after, SOON));
	assert_text("");
}

static void cas_sets_only_what_is_as_expected(void)
{
	start();
	assert_false(cas("tea", "milk"));
	assert_true(cas("", "tea"));
	assert_false(cas("te", "milk"));
	assert_false(cas("tea ", "milk"));
	assert_false(cas("pea", "milk"));
	assert_false(cas(NULL, "milk"));
	assert_text("tea");
	assert_true(cas("tea", ""));
	assert_true(cas(NULL, "end"));
	assert_text("end");
}

static void try_to_win(int i)
{
	char mine[8];
	snprintf(mine, sizeof(mine), "%d", i);
	if (cas("", mine))
		shared->won++;
}

static void one_of_many_wins(void)
{
	start();
	shared = harness_shared(sizeof(*shared));
	harness_spawn_all(WRITERS, try_to_win);
	harness_join_all();
	assert_int_equal(shared->won, 1);
}

static void write_lines(int i)
{
	char line[] = "a\n";
	line[0] += (char)i;
	for (int n = 0; n < LINES; n++)
		ok(text_append_cast(p, &(struct text_args){ STOA_TEXT_OF(line) }, SOON));
}

static void no_append_is_lost(void)
{
	stoa_text value = { 0 };
	int count[WRITERS] = { 0 };
	start();
	harness_spawn_all(WRITERS, write_lines);
	harness_join_all();
	ok(STOA_GET(p, struct text, value, &value, SOON));
	assert_int_equal(value.size, 2 * WRITERS * LINES);
	for (size_t i = 0; i < value.size; i += 2)
		count[value.data[i] - 'a']++;
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(count[i], LINES);
	stoa_text_fini(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(methods_replace_and_extend_it),
		HARNESS(cas_sets_only_what_is_as_expected),
		HARNESS(one_of_many_wins),
		HARNESS(no_append_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
