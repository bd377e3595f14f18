/*
 * test_set.c: the built-in set: members of each kind, what is there already or is not, many processes, and a killed
 * coordinator.
 */
#include "include/stoa/set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "seen", &set_class, NULL);
}

static bool done(const struct stoa_method *method, struct stoa_any value)
{
	struct set_done got;
	ok(stoa_call(p, method, &(struct set_member){ value }, &got, SOON));
	return got.done;
}

static void members_are(const char *wanted)
{
	struct set_json got = { 0 };
	ok(set_members_call(p, NULL, &got, SOON));
	assert_string_equal(got.json.data, wanted);
	stoa_text_fini(&got.json);
}

static void has_len(uint64_t wanted)
{
	uint64_t len;
	ok(STOA_GET(p, struct set, len, &len, SOON));
	assert_int_equal(len, wanted);
}

static int update(const struct stoa_method *method, const char *json)
{
	return stoa_call(p, method, &(struct set_json){ STOA_TEXT_OF(json) }, NULL, SOON);
}

static void member_is_there_once(void)
{
	const struct stoa_any all[] = { stoa_any_i64(1),       stoa_any_f64(1),	  stoa_any_bool(true),
					stoa_any_text("1"),    stoa_any_text(""), stoa_any_blob("1", 1),
					stoa_any_blob(NULL, 0) };
	start();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_false(done(&set_contains_row, all[i]));
		assert_true(done(&set_add_row, all[i]));
		assert_false(done(&set_add_row, all[i]));
	}
	harness_kill_coordinator(s);
	members_are("[1, 1.0, true, \"1\", \"\", \"\\u0030x31\", \"\\u0030x\"]");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_true(done(&set_contains_row, all[i]));
		assert_true(done(&set_discard_row, all[i]));
		assert_false(done(&set_discard_row, all[i]));
	}
	has_len(0);
}

static void what_is_no_member_is_refused(void)
{
	static char text[STOA_ANY_MAX + 2];
	start();
	memset(text, 'x', STOA_ANY_MAX + 1);
	refused(-EMSGSIZE, set_add_call(p, &(struct set_member){ stoa_any_text(text) }, NULL, SOON));
	says("the member has 61441 bytes; at most 61440 can be kept");
	text[STOA_ANY_MAX] = '\0';
	assert_true(done(&set_add_row, stoa_any_text(text)));
	assert_true(done(&set_contains_row, stoa_any_text(text)));
	refused(-EINVAL, set_contains_call(p, &(struct set_member){ stoa_any_text(NULL) }, NULL, SOON));
	says("the member is missing");
	refused(-ENOENT, set_remove_call(p, &(struct set_member){ stoa_any_i64(3) }, NULL, SOON));
	says("there is no such member");
	ok(set_remove_call(p, &(struct set_member){ stoa_any_text(text) }, NULL, SOON));
	has_len(0);
}

static void arrays_are_added_and_taken_away(void)
{
	struct set_member one = { 0 };
	start();
	ok(update(&set_update_row, "[3, \"a\", 1, 3]"));
	ok(update(&set_update_row, "[]"));
	refused(-EINVAL, update(&set_update_row, "[7, \"a\", 1, {}]"));
	members_are("[3, \"a\", 1]");
	ok(update(&set_difference_update_row, "[9, 3]"));
	refused(-EINVAL, update(&set_difference_update_row, "[1, \"a\""));
	members_are("[\"a\", 1]");
	for (uint64_t n = 2; n > 0; n--) {
		ok(set_pop_call(p, NULL, &one, SOON));
		assert_true(one.value.kind);
		stoa_any_fini(&one.value);
		has_len(n - 1);
	}
	ok(set_pop_call(p, NULL, &one, SOON));
	assert_int_equal(one.value.kind, 0);
	ok(update(&set_update_row, "[1]"));
	ok(set_clear_call(p, NULL, NULL, SOON));
	members_are("[]");
}

#define PROCESSES 40

static void merge(int i)
{
	char json[64];
	snprintf(json, sizeof(json), "[%d, %d]", i, (i + 1) % PROCESSES);
	ok(update(&set_update_row, json));
}

static void all_that_many_processes_merge_is_there_once(void)
{
	bool seen[PROCESSES] = { false };
	struct set_entry entry = { 0 };
	int r;
	start();
	harness_spawn_all(PROCESSES, merge);
	harness_join_all();
	has_len(PROCESSES);
	while ((r = set_iterate(p, &entry, SOON)) == 1) {
		assert_false(seen[entry.value.i64]);
		seen[entry.value.i64] = true;
	}
	ok(r);
	assert_null(memchr(seen, false, sizeof(seen)));
}

#define CROWDED 400000 /* members whose hashes collide: looking at each from the first on would take minutes */

/* As they are packed: when it came, sizes of value and key, kind of the value, hash; then the key, here an i64. */
struct packed {
	uint64_t came;
	uint16_t size, key_size;
	uint8_t kind, hash[3];
	uint8_t member[9];
} __attribute__((packed));

static void a_crowded_bucket_is_unpacked_in_time(void)
{
	struct set set = { 0 };
	struct packed *all = calloc(CROWDED, sizeof(*all));
	for (uint64_t i = 0; i < CROWDED; i++) {
		all[i] = (struct packed){ .came = i + 1, .key_size = 9, .member = { STOA_I64 } };
		memcpy(all[i].member + 1, &i, sizeof(i));
	}
	ok(set_class.hooks->unpack(&set, 7, all, CROWDED * sizeof(*all)));
	all[CROWDED - 1].came = 1; /* not the order in which they came */
	refused(-EPROTO, set_class.hooks->unpack(&set, 7, all, CROWDED * sizeof(*all)));
	set_class.hooks->fini(&set);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(a_crowded_bucket_is_unpacked_in_time),
		HARNESS(all_that_many_processes_merge_is_there_once),
		HARNESS(arrays_are_added_and_taken_away),
		HARNESS(member_is_there_once),
		HARNESS(what_is_no_member_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
