/*
 * test_list.c: the built-in list against an array that does the same; both ends, indexes, what is refused, many
 * processes, and a killed coordinator.
 */
#include "include/stoa/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/builtin/sequence.h"
#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "l", &list_class, NULL);
}

static void items_are(const char *wanted)
{
	struct list_json got = { 0 };
	ok(list_items_call(p, NULL, &got, SOON));
	assert_string_equal(got.json.data, wanted);
	stoa_text_fini(&got.json);
}

static void slice_is(int64_t from, int64_t to, const char *wanted)
{
	struct list_json got = { 0 };
	ok(list_slice_call(p, &(struct list_range){ from, to }, &got, SOON));
	assert_string_equal(got.json.data, wanted);
	stoa_text_fini(&got.json);
}

static void has_len(uint64_t wanted)
{
	uint64_t len;
	ok(STOA_GET(p, struct list, len, &len, SOON));
	assert_int_equal(len, wanted);
}

static int extend(const char *json)
{
	return list_extend_call(p, &(struct list_json){ STOA_TEXT_OF(json) }, NULL, SOON);
}

static int append(int64_t n)
{
	return list_append_cast(p, &(struct list_value){ stoa_any_i64(n) }, SOON);
}

static int64_t taken(const struct stoa_method *method)
{
	struct list_value got = { 0 };
	ok(stoa_call(p, method, NULL, &got, SOON));
	return got.value.i64;
}

/* ---- one by one ---------------------------------------------------------------------------------------------- */

static void values_go_in_and_out_at_both_ends(void)
{
	start();
	ok(extend("[1, 2.5, \"three\", true]"));
	ok(list_appendleft_call(p, &(struct list_value){ stoa_any_i64(0) }, NULL, SOON));
	ok(append(5));
	items_are("[0, 1, 2.5, \"three\", true, 5]");
	harness_kill_coordinator(s);
	assert_int_equal(taken(&list_pop_row), 5);
	assert_int_equal(taken(&list_popleft_row), 0);
	items_are("[1, 2.5, \"three\", true]");
	ok(list_clear_call(p, NULL, NULL, SOON));
	items_are("[]");
	refused(-ENOENT, list_pop_call(p, NULL, NULL, SOON));
	says("the list is empty");
	refused(-ENOENT, list_popleft_call(p, NULL, NULL, SOON));
}

static void indexes_count_as_in_python(void)
{
	struct list_value got = { 0 };
	struct list_done is;
	start();
	ok(extend("[10, 11, 12, 13]"));
	ok(list_get_call(p, &(struct list_index){ -1 }, &got, SOON));
	assert_int_equal(got.value.i64, 13);
	refused(-ERANGE, list_get_call(p, &(struct list_index){ 4 }, NULL, SOON));
	says("index 4 is out of range: the list has 4 values");
	refused(-ERANGE, list_delete_call(p, &(struct list_index){ -5 }, NULL, SOON));
	ok(list_set_call(p, &(struct list_item){ -4, stoa_any_text("ten") }, NULL, SOON));
	ok(list_delete_call(p, &(struct list_index){ 1 }, &got, SOON));
	assert_int_equal(got.value.i64, 11);
	ok(list_insert_call(p, &(struct list_item){ 99, stoa_any_i64(99) }, NULL, SOON));
	ok(list_insert_call(p, &(struct list_item){ -99, stoa_any_i64(-99) }, NULL, SOON));
	ok(list_insert_call(p, &(struct list_item){ -1, stoa_any_i64(50) }, NULL, SOON));
	items_are("[-99, \"ten\", 12, 13, 50, 99]");
	slice_is(1, 3, "[\"ten\", 12]");
	slice_is(-2, 100, "[50, 99]");
	slice_is(3, 3, "[]");
	slice_is(5, 1, "[]");
	ok(list_cas_call(p, &(struct list_exchange){ 2, stoa_any_i64(11), stoa_any_i64(1) }, &is, SOON));
	assert_false(is.done);
	ok(list_cas_call(p, &(struct list_exchange){ 2, stoa_any_i64(12), stoa_any_i64(1) }, &is, SOON));
	assert_true(is.done);
	slice_is(2, 3, "[1]");
}

static void values_are_looked_for(void)
{
	struct list_index at;
	struct list_count count;
	struct list_done is;
	start();
	ok(extend("[\"a\", 1, \"a\", true]"));
	ok(list_index_call(p, &(struct list_value){ stoa_any_bool(true) }, &at, SOON));
	assert_int_equal(at.index, 3);
	ok(list_index_call(p, &(struct list_value){ stoa_any_f64(1) }, &at, SOON));
	assert_int_equal(at.index, -1);
	ok(list_count_call(p, &(struct list_value){ stoa_any_text("a") }, &count, SOON));
	assert_int_equal(count.n, 2);
	ok(list_contains_call(p, &(struct list_value){ stoa_any_i64(1) }, &is, SOON));
	assert_true(is.done);
	ok(list_remove_call(p, &(struct list_value){ stoa_any_text("a") }, NULL, SOON));
	refused(-ENOENT, list_remove_call(p, &(struct list_value){ stoa_any_text("b") }, NULL, SOON));
	says("there is no such value");
	items_are("[1, \"a\", true]");
	refused(-EINVAL, list_append_call(p, &(struct list_value){ 0 }, NULL, SOON));
	says("the value is missing");
	refused(-EINVAL, extend("[1, [2]]"));
	items_are("[1, \"a\", true]");
}

/* ---- many ---------------------------------------------------------------------------------------------------- */

#define STEPS 6000
#define MOST 4000
#define LONG 1500 /* bytes: few of them fill a part */

static struct {
	int64_t of[MOST];
	uint32_t n;
} model;

static void model_insert(uint32_t at, int64_t n)
{
	memmove(model.of + at + 1, model.of + at, (model.n++ - at) * sizeof(n));
	model.of[at] = n;
}

static void model_remove(uint32_t at)
{
	memmove(model.of + at, model.of + at + 1, (--model.n - at) * sizeof(model.of[0]));
}

/* Each seventh is a long text that begins with the number. */
static struct stoa_any value_of(int64_t n)
{
	static char text[LONG + 1];
	if (n % 7)
		return stoa_any_i64(n);
	memset(text, 'x', LONG);
	text[snprintf(text, 24, "%jd", (intmax_t)n)] = ' ';
	return stoa_any_text(text);
}

static void compare(void)
{
	has_len(model.n);
	for (uint32_t i = 0; i < model.n; i++) {
		struct list_value got = { 0 };
		ok(list_get_call(p, &(struct list_index){ i }, &got, SOON));
		assert_int_equal(got.value.kind, model.of[i] % 7 ? STOA_I64 : STOA_TEXT);
		assert_int_equal(model.of[i] % 7 ? got.value.i64 : strtoll(got.value.text.data, NULL, 10), model.of[i]);
		stoa_any_fini(&got.value);
	}
}

/* All of it is changed, and then one of the commands fails. */
static void change_in_vain(void)
{
	struct list_item wrong = { .index = 1 << 30, .value = stoa_any_i64(1) };
	struct list_item middle = { .index = model.n / 2, .value = value_of(7) };
	struct stoa_command many[] = {
		{ .proxy = p, .method = &list_insert_row, .args = &middle },
		{ .proxy = p, .method = &list_insert_row, .args = &middle },
		{ .proxy = p, .method = &list_popleft_row },
		{ .proxy = p, .method = &list_clear_row },
		{ .proxy = p, .method = &list_set_row, .args = &wrong },
	};
	refused(-ERANGE, stoa_call_many(s, 5, many, SOON));
}

static void step(int64_t i)
{
	bool grows = (i / 1500) % 2 == 0 ? rand() % 3 : rand() % 3 == 0;
	uint32_t at = rand() % 3 == 0 ? 0 : rand() % 2 ? model.n : (uint32_t)rand() % (model.n + 1);
	struct list_item item = { .index = at, .value = value_of(i) };
	if (grows || model.n == 0) {
		ok(list_insert_call(p, &item, NULL, SOON));
		model_insert(at, i);
	} else if (rand() % 4 == 0 && at < model.n) {
		ok(list_set_call(p, &item, NULL, SOON));
		model.of[at] = i;
	} else {
		at = at < model.n ? at : model.n - 1;
		ok(list_delete_call(p, &(struct list_index){ at }, NULL, SOON));
		model_remove(at);
	}
}

static void list_does_what_an_array_does(void)
{
	start();
	srand(1);
	for (int64_t i = 0; i < STEPS; i++) {
		step(i);
		if (i % 500 == 499)
			change_in_vain();
		if (i % 1500 == 1499)
			compare();
		if (i % 2000 == 1999)
			harness_kill_coordinator(s);
	}
	compare();
	while (model.n) {
		ok(list_popleft_cast(p, NULL, SOON));
		model_remove(0);
	}
	has_len(0);
	items_are("[]");
}

static void parts_that_move_are_kept(void)
{
	start();
	for (int i = 0; i < 40; i++) {
		ok(list_append_call(p, &(struct list_value){ value_of(7 * i) }, NULL, SOON));
		model_insert(model.n, 7 * i);
	}
	for (int i = 0; i < 4; i++) { /* two parts in the middle are empty then */
		ok(list_delete_call(p, &(struct list_index){ 20 }, NULL, SOON));
		model_remove(20);
	}
	harness_kill_coordinator(s);
	compare();
	for (int i = 0; i < 10; i++) { /* and some are cut */
		ok(list_insert_call(p, &(struct list_item){ 11, value_of(7 * i) }, NULL, SOON));
		model_insert(11, 7 * i);
	}
	harness_kill_coordinator(s);
	compare();
}

/* Without a coordinator: values that have a part each; then there is room if some become small. */
static void full_list_refuses_and_makes_room_again(void)
{
	static char text[33000];
	struct any_bytes big = { STOA_TEXT, text, sizeof(text) }, value = { 0 };
	struct sequence q = { 0 };
	struct sequence_place place = { 0 };
	ok(sequence_init(&q, NULL));
	for (uint64_t i = 0; i < SEQUENCE_PARTS; i++)
		ok(sequence_insert(&q, i / 2, &big));
	for (uint64_t at = 0; at <= q.len; at += q.len / 2) {
		refused(-ENOSPC, sequence_insert(&q, at, &big));
		says("it is full, with 4096 values in 4096 parts");
	}
	for (int64_t i = 1000; i < 2000; i++)
		ok(sequence_replace(&q, (uint64_t)i, &(struct any_bytes){ STOA_I64, &i, sizeof(i) }));
	for (uint64_t at = 0; at <= q.len; at += q.len / 2)
		ok(sequence_insert(&q, at, &big));
	assert_true(q.used < SEQUENCE_PARTS - 900);
	for (int64_t i = 0; sequence_next(&q, &place, &value); i++) {
		bool number = i > 1000 && i <= 2000;
		assert_int_equal(value.kind, number ? STOA_I64 : STOA_TEXT);
		assert_true(!number || memcmp(value.at, &(int64_t){ i - 1 }, sizeof(i)) == 0);
	}
	sequence_fini(&q);
}

#define PROCESSES 40

static void merge(int i)
{
	char json[32];
	snprintf(json, sizeof(json), "[%d]", i);
	ok(extend(json));
}

static void all_that_many_processes_merge_is_there(void)
{
	bool seen[PROCESSES] = { false };
	start();
	harness_spawn_all(PROCESSES, merge);
	harness_join_all();
	has_len(PROCESSES);
	for (int i = 0; i < PROCESSES; i++)
		seen[taken(&list_popleft_row)] = true;
	assert_null(memchr(seen, false, sizeof(seen)));
}

#define WRITERS 4
#define ROUNDS 3000

static void storm(int i)
{
	for (int k = 0; k < ROUNDS; k++)
		ok(append((int64_t)i * ROUNDS + k));
	ok(stoa_sync(s, SOON, NULL));
}

static void each_value_is_there_once_though_the_coordinator_is_killed(void)
{
	static bool seen[WRITERS * ROUNDS];
	int64_t last[WRITERS] = { -1, -1, -1, -1 };
	uint64_t len = 0;
	start();
	harness_spawn_all(WRITERS, storm);
	for (uint64_t wait = 1; wait < 5; wait++) {
		until((STOA_GET(p, struct list, len, &len, SOON), len > wait * ROUNDS / 2));
		harness_kill_coordinator(s);
	}
	harness_join_all();
	has_len(WRITERS * ROUNDS);
	for (int i = 0; i < WRITERS * ROUNDS; i++) {
		int64_t n = taken(&list_popleft_row);
		assert_false(seen[n]);
		seen[n] = true;
		assert_true(n > last[n / ROUNDS]); /* each writer's in their order */
		last[n / ROUNDS] = n;
	}
	has_len(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(all_that_many_processes_merge_is_there),
		HARNESS_SECONDS(each_value_is_there_once_though_the_coordinator_is_killed, 60),
		HARNESS(full_list_refuses_and_makes_room_again),
		HARNESS(indexes_count_as_in_python),
		HARNESS_SECONDS(list_does_what_an_array_does, 120),
		HARNESS(parts_that_move_are_kept),
		HARNESS(values_are_looked_for),
		HARNESS(values_go_in_and_out_at_both_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
