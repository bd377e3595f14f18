/*
 * test_dict.c: the built-in dict. Values of each kind, what is refused, the order of keys, many keys, many processes,
 * and a coordinator that is killed while they write.
 */
#include "include/stoa/dict.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"
#include "tests/scratch.h"

static struct stoa *s;
static struct stoa_proxy *d;

static void start(void)
{
	s = harness_start(NULL);
	d = harness_create(s, "d", &dict_class, NULL);
}

static int put(const char *key, struct stoa_any value)
{
	return dict_put_call(d, &(struct dict_item){ STOA_TEXT_OF(key), value }, NULL, SOON);
}

static struct stoa_any none(void)
{
	return (struct stoa_any){ 0 };
}

static void same(const struct stoa_any *a, struct stoa_any b)
{
	assert_int_equal(a->kind, b.kind);
	assert_int_equal(a->flag, b.flag);
	assert_int_equal(a->i64, b.i64);
	assert_true(a->f64 == b.f64);
	assert_int_equal(a->text.size, b.text.size);
	assert_int_equal(a->blob.size, b.blob.size);
	if (b.text.size)
		assert_memory_equal(a->text.data, b.text.data, b.text.size);
	if (b.blob.size)
		assert_memory_equal(a->blob.data, b.blob.data, b.blob.size);
}

static void has(const char *key, struct stoa_any wanted)
{
	struct dict_value got = { 0 };
	ok(dict_get_call(d, &(struct dict_query){ .key = STOA_TEXT_OF(key) }, &got, SOON));
	same(&got.value, wanted);
	stoa_any_fini(&got.value);
}

static void has_len(uint64_t wanted)
{
	uint64_t len;
	ok(STOA_GET(d, struct dict, len, &len, SOON));
	assert_int_equal(len, wanted);
}

static void json_is(const struct stoa_method *method, const char *wanted)
{
	struct dict_json got = { 0 };
	ok(stoa_call(d, method, NULL, &got, SOON));
	assert_string_equal(got.json.data, wanted);
	stoa_text_fini(&got.json);
}

static int update(const char *json)
{
	return dict_update_call(d, &(struct dict_json){ STOA_TEXT_OF(json) }, NULL, SOON);
}

static bool cas(const char *key, struct stoa_any expected, struct stoa_any value)
{
	struct dict_done got = { 0 };
	ok(dict_cas_call(d, &(struct dict_exchange){ STOA_TEXT_OF(key), expected, value }, &got, SOON));
	return got.done;
}

static int pop(const char *key, struct stoa_any fallback, struct dict_value *ret)
{
	return dict_pop_call(d, &(struct dict_query){ STOA_TEXT_OF(key), fallback }, ret, SOON);
}

static int64_t added(const char *key, int64_t n)
{
	struct dict_number got;
	ok(dict_add_call(d, &(struct dict_amount){ STOA_TEXT_OF(key), n }, &got, SOON));
	return got.value;
}

/* ---- one by one ---------------------------------------------------------------------------------------------- */

static void values_of_each_kind_come_back(void)
{
	start();
	for (int i = 0; i < 2; i++) {
		ok(put("i", stoa_any_i64(INT64_MIN)));
		ok(put("f", stoa_any_f64(-0.5)));
		ok(put("b", stoa_any_bool(true)));
		ok(put("t", stoa_any_text("tea")));
		ok(put("", stoa_any_text("")));
		ok(put("x", stoa_any_blob("\0\1\2", 3)));
		ok(put("nothing", stoa_any_blob(NULL, 0)));
		has("i", stoa_any_i64(INT64_MIN));
		has("f", stoa_any_f64(-0.5));
		has("b", stoa_any_bool(true));
		has("t", stoa_any_text("tea"));
		has("", stoa_any_text(""));
		has("x", stoa_any_blob("\0\1\2", 3));
		has("nothing", stoa_any_blob(NULL, 0));
		has("none", none());
		has_len(7);
		harness_kill_coordinator(s);
	}
	ok(put("t", stoa_any_i64(1))); /* shorter, and longer */
	ok(put("i", stoa_any_text("a longer text than it was")));
	has("t", stoa_any_i64(1));
	has("i", stoa_any_text("a longer text than it was"));
	has_len(7);
}

static void what_is_not_there_is_as_in_python(void)
{
	struct dict_value got = { 0 };
	struct dict_done is;
	start();
	ok(put("a", stoa_any_i64(1)));
	ok(dict_get_call(d, &(struct dict_query){ STOA_TEXT_OF("b"), stoa_any_text("else") }, &got, SOON));
	same(&got.value, stoa_any_text("else"));
	stoa_any_fini(&got.value);
	ok(pop("a", none(), &got));
	assert_int_equal(got.value.i64, 1);
	refused(-ENOENT, pop("a", none(), &got));
	says("there is no key \"a\"");
	got = (struct dict_value){ 0 };
	ok(pop("a", stoa_any_bool(true), &got));
	same(&got.value, stoa_any_bool(true));
	ok(dict_contains_call(d, &(struct dict_key){ STOA_TEXT_OF("a") }, &is, SOON));
	assert_false(is.done);
	got = (struct dict_value){ 0 };
	ok(dict_setdefault_call(d, &(struct dict_item){ STOA_TEXT_OF("a"), stoa_any_i64(3) }, &got, SOON));
	ok(dict_setdefault_call(d, &(struct dict_item){ STOA_TEXT_OF("a"), stoa_any_i64(4) }, &got, SOON));
	assert_int_equal(got.value.i64, 3);
	ok(dict_contains_call(d, &(struct dict_key){ STOA_TEXT_OF("a") }, &is, SOON));
	assert_true(is.done);
	has_len(1);
	refused(-ENOENT, (ok(dict_clear_call(d, NULL, NULL, SOON)), dict_popitem_call(d, NULL, NULL, SOON)));
	says("the dict is empty");
}

static void value_is_exchanged_only_if_it_is_the_expected_one(void)
{
	start();
	assert_false(cas("k", stoa_any_i64(1), stoa_any_i64(2)));
	assert_true(cas("k", none(), stoa_any_i64(2)));
	assert_false(cas("k", none(), stoa_any_i64(3)));
	assert_false(cas("k", stoa_any_f64(2), stoa_any_i64(3))); /* of another kind */
	assert_true(cas("k", stoa_any_i64(2), stoa_any_text("two")));
	assert_true(cas("k", stoa_any_text("two"), none()));
	has_len(0);
	assert_true(cas("k", none(), none()));
	has_len(0);
}

static void numbers_are_added_under_a_key(void)
{
	start();
	assert_int_equal(added("hits", 2), 2);
	assert_int_equal(added("hits", -5), -3);
	ok(put("most", stoa_any_i64(INT64_MAX)));
	refused(-EOVERFLOW, dict_add_call(d, &(struct dict_amount){ STOA_TEXT_OF("most"), 1 }, NULL, SOON));
	ok(put("t", stoa_any_text("x")));
	refused(-EINVAL, dict_add_call(d, &(struct dict_amount){ STOA_TEXT_OF("t"), 1 }, NULL, SOON));
	says("the value of key \"t\" is not a whole number");
}

static void keys_keep_the_order_in_which_they_came(void)
{
	struct dict_item last = { 0 };
	start();
	json_is(&dict_keys_row, "[]");
	json_is(&dict_items_row, "{}");
	ok(update(" { \"z\" : 1, \"a\":-2.5 ,\"m\":true,\"q\":\"tea \\u00e9\\n\\ud83d\\ude00\" , \"z\":\"again\"}"));
	ok(put("blob", stoa_any_blob("\xab\1", 2)));
	ok(put("bad", stoa_any_text("a\xff\"\x7f")));
	ok(put("f", stoa_any_f64(3)));
	json_is(&dict_keys_row, "[\"z\", \"a\", \"m\", \"q\", \"blob\", \"bad\", \"f\"]");
	json_is(&dict_items_row, "{\"z\": \"again\", \"a\": -2.5, \"m\": true, \"q\": \"tea é\\u000a😀\", "
				 "\"blob\": \"\\u0030xab01\", \"bad\": \"a\\ufffd\\\"\\u007f\", \"f\": 3.0}");
	harness_kill_coordinator(s);
	ok(dict_popitem_call(d, NULL, &last, SOON));
	assert_string_equal(last.key.data, "f");
	stoa_text_fini(&last.key);
	json_is(&dict_values_row, "[\"again\", -2.5, true, \"tea é\\u000a😀\", \"\\u0030xab01\", \"a\\ufffd\\\"\\u007f\"]");
	has_len(6);
}

static void what_json_has_no_value_for_is_read_as_what_it_was(void)
{
	static const char all[] = "{\"b\": \"\\u0030x00ff\", \"e\": \"\\u0030x\", \"n\": \"\\u006ean\", \"i\": "
				  "\"\\u0069nf\", \"m\": \"\\u002dinf\", \"0x31\": \"0x31\", \"t\": \"nan\"}";
	start();
	ok(put("b", stoa_any_blob("\0\xff", 2)));
	ok(put("e", stoa_any_blob("", 0)));
	ok(put("n", stoa_any_f64(NAN)));
	ok(put("i", stoa_any_f64(INFINITY)));
	ok(put("m", stoa_any_f64(-INFINITY)));
	ok(put("0x31", stoa_any_text("0x31")));
	ok(put("t", stoa_any_text("nan")));
	json_is(&dict_items_row, all);
	ok(dict_clear_call(d, NULL, NULL, SOON));
	ok(update(all));
	json_is(&dict_items_row, all);
	assert_true(cas("b", stoa_any_blob("\0\xff", 2), stoa_any_i64(1)));
	assert_true(cas("i", stoa_any_f64(INFINITY), stoa_any_i64(1)));
}

static void bad_json_changes_nothing(void)
{
	static const char *const bad[] = { "",
					   "{",
					   "[1]",
					   "{\"a\":1",
					   "{\"a\":1}x",
					   "{\"a\"1}",
					   "{a:1}",
					   "{\"a\":}",
					   "{\"a\":null}",
					   "{\"a\":[1]}",
					   "{\"a\":1,}",
					   "{\"a\":1e999}",
					   "{\"a\":\"\\x\"}",
					   "{\"a\":\"\\ud800\"}",
					   "{\"a\":\"\\u0030x0\"}",
					   "{\"a\":\"\\u0030x0g\"}",
					   "{\"a\":\"\\u0030x00",
					   "{\"a\":\"" };
	start();
	ok(put("k", stoa_any_i64(1)));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(-EINVAL, update(bad[i]));
	refused(-EINVAL, update("{\"k\": 2, \"l\": 3, \"m\": nil}"));
	says("this is no flat JSON: at byte 22 there should be a number, true, false or a text in quotes");
	json_is(&dict_items_row, "{\"k\": 1}");
	has_len(1);
}

static void what_is_too_long_or_of_no_kind_is_refused(void)
{
	static char text[STOA_ANY_MAX + 2];
	struct stoa_any odd = { .kind = 77 };
	start();
	memset(text, 'x', sizeof(text) - 1);
	refused(-EMSGSIZE, put("k", stoa_any_text(text)));
	says("the value has 61441 bytes; at most 61440 can be kept");
	text[STOA_ANY_MAX] = '\0';
	ok(put("k", stoa_any_text(text)));
	has("k", stoa_any_text(text));
	refused(-EINVAL, put("k", odd));
	says("the value is of kind 77");
	refused(-EINVAL, put("k", none()));
	says("the value is missing");
	refused(-EINVAL, put(NULL, stoa_any_i64(1)));
	says("the key is missing");
	text[DICT_KEY_MAX + 1] = '\0';
	refused(-EMSGSIZE, put(text, stoa_any_i64(1)));
	says("the key has 1025 bytes; at most 1024 are allowed");
	text[DICT_KEY_MAX] = '\0';
	ok(put(text, stoa_any_i64(1)));
	has(text, stoa_any_i64(1));
	has_len(2);
}

static void several_commands_are_undone_together(void)
{
	start();
	ok(put("a", stoa_any_i64(1)));
	struct stoa_command many[] = {
		{ .proxy = d,
		  .method = &dict_put_row,
		  .args = &(struct dict_item){ STOA_TEXT_OF("a"), stoa_any_text("changed") } },
		{ .proxy = d, .method = &dict_clear_row },
		{ .proxy = d,
		  .method = &dict_put_row,
		  .args = &(struct dict_item){ STOA_TEXT_OF("b"), stoa_any_i64(1) } },
		{ .proxy = d, .method = &dict_pop_row, .args = &(struct dict_query){ .key = STOA_TEXT_OF("none") } },
	};
	refused(-ENOENT, stoa_call_many(s, 4, many, SOON));
	json_is(&dict_items_row, "{\"a\": 1}");
	ok(stoa_call_many(s, 3, many, SOON));
	json_is(&dict_items_row, "{\"b\": 1}");
	harness_kill_coordinator(s);
	json_is(&dict_items_row, "{\"b\": 1}");
}

/* ---- many ---------------------------------------------------------------------------------------------------- */

#define KEYS 20000

static void many_keys_are_found_and_each_comes_once(void)
{
	static bool seen[KEYS];
	struct dict_entry entry = { 0 };
	char key[16];
	int r, n = 0;
	start();
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		ok(dict_put_cast(d, &(struct dict_item){ STOA_TEXT_OF(key), stoa_any_i64(i) }, SOON));
	}
	has_len(KEYS);
	harness_kill_coordinator(s);
	has("k0", stoa_any_i64(0));
	has("k19999", stoa_any_i64(KEYS - 1));
	for (; (r = dict_iterate(d, &entry, SOON)) == 1; n++) {
		assert_int_equal(entry.value.i64, strtol(entry.key.data + 1, NULL, 10));
		assert_false(seen[entry.value.i64]);
		seen[entry.value.i64] = true;
	}
	ok(r);
	assert_int_equal(n, KEYS);
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		ok(dict_pop_cast(d, &(struct dict_query){ .key = STOA_TEXT_OF(key) }, SOON));
	}
	has_len(0);
	json_is(&dict_items_row, "{}");
}

#define PROCESSES 40

static void merge(int i)
{
	char json[64];
	snprintf(json, sizeof(json), "{\"key-%d\": %d, \"all\": \"was here\"}", i, i);
	ok(update(json));
	added("sum", 1);
}

static void all_that_many_processes_merge_is_there(void)
{
	char key[16];
	start();
	harness_spawn_all(PROCESSES, merge);
	harness_join_all();
	has_len(PROCESSES + 2);
	has("sum", stoa_any_i64(PROCESSES));
	for (int i = 0; i < PROCESSES; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		has(key, stoa_any_i64(i));
	}
}

#define WRITERS 4
#define ROUNDS 2000

static void storm(int i)
{
	char key[16];
	for (int k = 0; k < ROUNDS; k++) {
		snprintf(key, sizeof(key), "n-%d", k % 50);
		ok(dict_add_cast(d, &(struct dict_amount){ STOA_TEXT_OF(key), 1 }, SOON));
		snprintf(key, sizeof(key), "w%d-%d", i, k);
		ok(dict_put_cast(d, &(struct dict_item){ STOA_TEXT_OF(key), stoa_any_i64(k) }, SOON));
	}
	ok(stoa_sync(s, SOON, NULL));
}

static void counts_are_exact_though_the_coordinator_is_killed(void)
{
	char key[16];
	uint64_t len = 0;
	start();
	harness_spawn_all(WRITERS, storm);
	for (uint64_t wait = 1; wait < 5; wait++) {
		until((STOA_GET(d, struct dict, len, &len, SOON), len > wait * ROUNDS / 2));
		harness_kill_coordinator(s);
	}
	harness_join_all();
	has_len(50 + WRITERS * ROUNDS);
	for (int i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "n-%d", i);
		has(key, stoa_any_i64(WRITERS * ROUNDS / 50));
	}
	for (int i = 0; i < WRITERS; i++) {
		snprintf(key, sizeof(key), "w%d-%d", i, ROUNDS - 1);
		has(key, stoa_any_i64(ROUNDS - 1));
	}
}

/* A locale with a comma in its numbers, made here: there may be none. */
static bool choose_comma(void)
{
	char dir[] = "/dev/shm/stoa-locale.XXXXXX", command[256];
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "cd %s && printf '%%s\\n' LC_NUMERIC 'decimal_point \"<U002C>\"' 'thousands_sep \"\"' 'grouping -1' "
		 "'END LC_NUMERIC' >comma.src && localedef -c -i comma.src ./comma >/dev/null 2>&1",
		 dir);
	bool made = system(command) >= 0 && setenv("LOCPATH", dir, 1) == 0 && setlocale(LC_NUMERIC, "comma");
	scratch_remove(dir);
	return made;
}

static void numbers_have_a_point_whatever_the_locale_of_the_program(void)
{
	struct dict_json items = { 0 };
	if (!choose_comma()) {
		print_message("localedef makes no locale here: not tested\n");
		return;
	}
	start();
	ok(dict_update_call(d, &(struct dict_json){ STOA_TEXT_OF("{\"a\": 2.5}") }, NULL, SOON));
	has("a", stoa_any_f64(2.5));
	ok(dict_items_call(d, NULL, &items, SOON));
	assert_string_equal(items.json.data, "{\"a\": 2.5}");
	stoa_text_fini(&items.json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(all_that_many_processes_merge_is_there),
		HARNESS(what_json_has_no_value_for_is_read_as_what_it_was),
		HARNESS(bad_json_changes_nothing),
		HARNESS_SECONDS(counts_are_exact_though_the_coordinator_is_killed, 60),
		HARNESS(keys_keep_the_order_in_which_they_came),
		HARNESS_SECONDS(many_keys_are_found_and_each_comes_once, 60),
		HARNESS(numbers_are_added_under_a_key),
		HARNESS(numbers_have_a_point_whatever_the_locale_of_the_program),
		HARNESS(several_commands_are_undone_together),
		HARNESS(value_is_exchanged_only_if_it_is_the_expected_one),
		HARNESS(values_of_each_kind_come_back),
		HARNESS(what_is_not_there_is_as_in_python),
		HARNESS(what_is_too_long_or_of_no_kind_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
