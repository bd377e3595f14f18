/*
 * test_batch.c: several commands as one: all of them, in order, or none; and command bytes that no honest client sends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/stoa/blob.h"
#include "include/stoa/counter.h"
#include "proxy/send.h"
#include "src/ring.h"
#include "src/segment.h"
#include "tests/harness.h"

struct label {
	char text[16];
};
STOA_STRUCT(label, STOA_ATTR(struct label, text, .writable = true));
STOA_RECORD(label, 1);

static struct stoa *s;
static struct stoa_proxy *p, *q;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "x", &counter_class, NULL);
	q = harness_create(s, "y", &counter_class, &(struct counter){ INT64_MAX - 1 });
}

static int64_t value(struct stoa_proxy *of)
{
	int64_t v;
	ok(STOA_GET(of, struct counter, value, &v, STOA_DEFAULT));
	return v;
}

/* ---- several as one ----------------------------------------------------------------------------------------- */

static const struct counter_args one = { 1 }, ten = { 10 };

static void batch_applies_all_in_order_and_returns_each_result(void)
{
	struct counter_value v[3];
	struct stoa_command c[] = {
		{ .proxy = p, .method = &counter_add_row, .args = &one, .ret = &v[0] },
		{ .proxy = q, .method = &counter_add_row, .args = &one, .ret = &v[1] },
		{ .proxy = p, .method = &counter_add_row, .args = &ten, .ret = &v[2] },
	};
	start();
	c[0].proxy = c[2].proxy = p;
	c[1].proxy = q;
	ok(stoa_call_many(s, 3, c, STOA_DEFAULT));
	assert_int_equal(v[0].value, 1);
	assert_true(v[1].value == INT64_MAX);
	assert_int_equal(v[2].value, 11);
	assert_int_equal(value(p), 11);
	assert_int_equal(c[0].status | c[1].status | c[2].status, 0);
	assert_int_equal(harness_health(s).applied, 3);
}

static void batch_changes_nothing_when_one_fails(void)
{
	struct stoa_error e;
	struct counter_value v = { 77 };
	start();
	struct stoa_command c[] = {
		{ .proxy = p, .method = &counter_add_row, .args = &one, .ret = &v },
		{ .proxy = q, .method = &counter_add_row, .args = &one },
		{ .proxy = q, .method = &counter_add_row, .args = &ten }, /* has no place */
		{ .proxy = p, .method = &counter_add_row, .args = &one },
	};
	refused(-EOVERFLOW, stoa_call_many(s, 4, c, STOA_DEFAULT));
	stoa_last_error(&e);
	assert_int_equal(e.origin, STOA_FROM_METHOD);
	assert_int_equal(c[2].status, -EOVERFLOW);
	assert_int_equal(c[0].status, -ECANCELED);
	assert_int_equal(c[1].status, -ECANCELED);
	assert_int_equal(c[3].status, -ECANCELED);
	assert_int_equal(v.value, 77);
	assert_int_equal(value(p), 0);
	assert_true(value(q) == INT64_MAX - 1);
	assert_int_equal(harness_health(s).rejected, 1);
}

static void batch_has_a_limit_and_may_be_empty(void)
{
	static struct stoa_command c[257];
	start();
	for (int i = 0; i < 257; i++)
		c[i] = (struct stoa_command){ .proxy = p, .method = &counter_add_row, .args = &one };
	ok(stoa_call_many(s, 0, NULL, STOA_DEFAULT));
	ok(stoa_call_many(s, 256, c, STOA_DEFAULT));
	assert_int_equal(value(p), 256);
	refused(-EINVAL, stoa_call_many(s, 257, c, STOA_DEFAULT));
	says("at most 256");
	assert_int_equal(value(p), 256);
}

static void batch_is_refused_when_an_object_is_gone(void)
{
	start();
	struct stoa_command c[] = {
		{ .proxy = p, .method = &counter_add_row, .args = &one },
		{ .proxy = q, .method = &counter_sub_row, .args = &one },
	};
	ok(stoa_remove(s, "y", STOA_DEFAULT));
	refused(-ESTALE, stoa_call_many(s, 2, c, STOA_DEFAULT));
	assert_int_equal(value(p), 0);
}

static void batch_survives_a_killed_coordinator(void)
{
	start();
	struct stoa_command c[] = {
		{ .proxy = p, .method = &counter_add_row, .args = &one },
		{ .proxy = q, .method = &counter_sub_row, .args = &one },
	};
	for (int i = 0; i < 3; i++) {
		ok(stoa_call_many(s, 2, c, SOON));
		harness_kill_coordinator(s);
	}
	assert_int_equal(value(p), 3);
	assert_true(value(q) == INT64_MAX - 4);
}

/* ---- bytes that make no sense -------------------------------------------------------------------------------- */

/* A record for p.add as the library would write it, but for what change() does to it. */
static void send_bytes(void (*change)(struct sending *w), uint32_t args_size)
{
	struct sending w;
	struct target *t;
	ok(send_target(p, &t));
	ok(send_begin(s, args_size, 0, STOA_DEFAULT, &w));
	memset(w.args, 0x5a, args_size);
	send_address(w.record, t, RECORD_CALL, 0);
	change(&w);
	ok(send_publish(&w, NULL, 0));
}

static void as_it_is(struct sending *w)
{
	(void)w;
}
static void of_no_kind(struct sending *w)
{
	w->record->kind = 77;
}
static void of_no_object(struct sending *w)
{
	w->record->object = 0xfffffff0;
}
static void of_no_class(struct sending *w)
{
	w->record->class_id = 0xfff0;
}
static void of_no_row(struct sending *w)
{
	w->record->row = 0xfffffff0;
}
static void too_long(struct sending *w)
{
	w->record->args_size = UINT32_MAX;
}
static void create_too_long(struct sending *w)
{
	w->record->kind = RECORD_CREATE;
	w->record->args_size = UINT32_MAX;
}
static void answered_outside(struct sending *w)
{
	w->record->reply_at = 0xfffffff8;
	w->record->reply_size = 0xfffffff0;
}
static void many_of_nothing(struct sending *w)
{
	w->record->kind = RECORD_MANY;
	w->record->row = 0xfffffff0;
}
static void many_of_rubbish(struct sending *w)
{
	w->record->kind = RECORD_MANY;
	w->record->row = 3;
}
static void create_of_rubbish(struct sending *w)
{
	w->record->kind = RECORD_CREATE;
}
static void remove_of_nothing(struct sending *w)
{
	w->record->kind = RECORD_REMOVE;
	w->record->origin = 12345678;
}

static void undecodable_arguments_are_rejected_and_counted(void)
{
	uint64_t rejected;
	start();
	for (uint32_t size = 0; size < 200; size += 7)
		send_bytes(as_it_is, size);
	ok(counter_add_cast(p, &(struct counter_args){ 1 }, STOA_DEFAULT));
	ok(stoa_sync(s, STOA_DEFAULT, &rejected));
	assert_int_equal(rejected, 29);
	assert_int_equal(value(p), 1);
	const struct reject *e = space_reject(&s->space, 1);
	assert_int_equal(e->code, -EBADMSG);
	assert_string_equal(e->object, "x");
	assert_string_equal(e->row, "add");
	assert_int_equal(harness_health(s).restarts, 0);
}

static void records_that_make_no_sense_are_rejected_and_counted(void)
{
	void (*const changes[])(struct sending *) = { of_no_kind, of_no_object, of_no_class, of_no_row, many_of_nothing,
						      many_of_rubbish, create_of_rubbish, remove_of_nothing };
	uint64_t n = sizeof(changes) / sizeof(changes[0]), rejected;
	start();
	for (size_t i = 0; i < n; i++)
		send_bytes(changes[i], 300);
	ok(stoa_sync(s, STOA_DEFAULT, &rejected));
	assert_int_equal(rejected, n);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	assert_int_equal(value(p), 1);
	assert_int_equal(harness_health(s).rejected, n);
	assert_int_equal(harness_health(s).restarts, 0);
}

static void record_that_is_published_again_is_not_applied_again(void)
{
	struct sending w;
	struct target *t;
	uint64_t ticket;
	const struct image_layout *layout;
	const struct bound_method *m = NULL;
	start();
	ok(send_target(p, &t));
	ok(binding_method(t->binding, &counter_add_row, &m));
	layout = m->args;
	ok(send_begin(s, layout->size, 0, STOA_DEFAULT, &w));
	image_pack(layout, &one, w.args);
	send_address(w.record, t, RECORD_CALL, m->row);
	ok(send_publish(&w, NULL, 0));
	for (int i = 0; i < 3; i++)
		ok(ring_publish(&s->space, w.lane->id, lane_units(w.lane, w.record), NULL, NULL, &(uint64_t){ 0 }, &ticket));
	until(harness_health(s).rejected == 3);
	assert_int_equal(value(p), 1);
	ok(counter_add_call(p, &one, NULL, SOON)); /* the lane is still in step */
	assert_int_equal(value(p), 2);
}

/* Nobody publishes them, though others are queued before them. */
static void records_that_are_taken_back_leave_their_room(void)
{
	struct lane *lane = NULL;
	char no_text[16];
	memset(no_text, 'x', sizeof(no_text));
	s = harness_start_with(NULL, STOA_OPTIONS(.max_queue = 16));
	p = harness_create(s, "x", &counter_class, NULL);
	q = harness_create(s, "y", &label_class, NULL);
	ok(lane_get(s, SOON, &lane));
	harness_freeze(s);
	ok(counter_set_cast(p, &ten, SOON));
	for (int i = 0; i < 10000; i++)
		assert_int_equal(STOA_ASSIGN(q, struct label, text, &no_text, STOA_NOWAIT), -EINVAL);
	while (counter_set_cast(p, &ten, STOA_NOWAIT) == 0) {}
	for (int i = 0; i < 10000; i++)
		assert_int_equal(counter_set_cast(p, &ten, STOA_NOWAIT), -EAGAIN);
	assert_int_equal(lane->size_log, 0);
	harness_thaw(s);
	assert_int_equal(value(p), 10);
}

/* Of our own mapping, as /proc/self/pagemap tells. */
static bool page_is_there(const char *at)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)at / LAYOUT_PAGE * sizeof(entry)));
	close(fd);
	return n == (ssize_t)sizeof(entry) && entry >> 63;
}

static void find_pages_of_room(const struct lane *lane)
{
	for (const char *at = lane->newest; at < lane->room_end; at += LAYOUT_PAGE)
		assert_true(page_is_there(at) && page_is_there((char *)lane_note(lane, at)));
}

static void casts_find_the_pages_of_their_lane(void)
{
	struct lane *lane = NULL;
	const char *room_end = NULL;
	start();
	ok(lane_get(s, SOON, &lane));
	harness_freeze(s);
	while (lane->size_log < 5) {
		if (room_end != lane->room_end)
			find_pages_of_room(lane);
		room_end = lane->room_end;
		ok(counter_set_cast(p, &ten, SOON));
	}
	harness_thaw(s);
	assert_int_equal(value(p), 10);
}

static void so_do_casts_behind_a_record_without_room(void)
{
	struct lane *lane = NULL;
	struct blob_args big = { { calloc(1, 18 << 20), 18 << 20 } };
	start();
	struct stoa_proxy *blob = harness_create(s, "b", &blob_class, NULL);
	ok(lane_get(s, SOON, &lane));
	harness_freeze(s);
	ok(blob_set_cast(blob, &big, SOON)); /* in the largest ring */
	assert_int_equal(blob_set_cast(blob, &big, STOA_NOWAIT), -EAGAIN);
	find_pages_of_room(lane);
	harness_thaw(s);
	free((void *)big.value.data);
}

/* As if the coordinator had been stopped between its commit and the mark of the answer: that store is still to come. */
static void record_is_kept_until_its_answer_is_marked(void)
{
	struct lane *lane = NULL;
	start();
	ok(stoa_sync(s, SOON, NULL));
	ok(lane_get(s, SOON, &lane));
	struct record *r = (struct record *)lane->newest, before;
	ok(counter_add_call(p, &one, NULL, SOON));
	struct reply *reply = (struct reply *)((char *)r + r->reply_at);
	until(atomic_load(&reply->valid) == reply->done);
	atomic_store(&reply->valid, 0);
	before = *r;
	harness_freeze(s);
	for (int i = 0; i < 600; i++) /* more than the lane has room for */
		ok(counter_set_cast(p, &ten, SOON));
	assert_memory_equal(r, &before, sizeof(before));
	harness_thaw(s);
	ok(stoa_sync(s, SOON, NULL));
	for (int i = 0; i < 1000; i++) /* once another turn is committed it is as good as marked */
		ok(counter_set_call(p, &ten, NULL, SOON));
	assert_int_equal(value(p), 10);
}

/* After these the lane is out of step, which only hurts the one who lied: another process is served as before. */
static void lie(int i)
{
	static void (*const changes[])(struct sending *) = { create_too_long, too_long, answered_outside };
	send_bytes(changes[i], 40);
	ok(stoa_sync(s, STOA_DEFAULT, NULL));
}

static void be_honest(int i)
{
	(void)i;
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
}

static void lying_client_hurts_only_itself(void)
{
	start();
	harness_kill_coordinator(s); /* the next one has seen no command yet */
	for (int i = 0; i < 3; i++) {
		harness_join(harness_spawn(lie, i));
		harness_join(harness_spawn(be_honest, 0));
	}
	assert_int_equal(value(p), 3);
	assert_int_equal(harness_health(s).rejected, 3);
	assert_int_equal(harness_health(s).restarts, 1);
}

/* Random bytes all over the client's own lane and the ingress, while an honest client goes on. */
static void scribble(int i)
{
	unsigned seed = (unsigned)i * 7919 + 17;
	struct lane *lane = NULL;
	ok(lane_get(s, STOA_DEFAULT, &lane));
	uint64_t *words = (uint64_t *)((char *)lane->head + LANE_ARENA);
	for (int n = 0; n < 2000; n++) {
		for (int k = 0; k < 64; k++)
			words[(unsigned)rand_r(&seed) % 2048] = (uint64_t)rand_r(&seed)
								<< (unsigned)(rand_r(&seed) % 40);
		uint64_t ticket;
		ring_publish(&s->space, lane->id, 32 + (unsigned)rand_r(&seed) % 64, NULL, NULL, &(uint64_t){ 0 }, &ticket);
		if (n % 16 == 0)
			atomic_store(&s->space.ingress->tail,
				     atomic_load(&s->space.state->committed) + (unsigned)rand_r(&seed) % 9000);
	}
}

static void scribbling_client_crashes_nobody(void)
{
	start();
	for (int i = 0; i < 3; i++)
		harness_spawn(scribble, i);
	for (int i = 0; i < 200; i++)
		ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	harness_join_all();
	assert_int_equal(value(p), 200);
	assert_int_equal(harness_health(s).restarts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(batch_applies_all_in_order_and_returns_each_result),
		HARNESS(batch_changes_nothing_when_one_fails),
		HARNESS(batch_has_a_limit_and_may_be_empty),
		HARNESS(batch_is_refused_when_an_object_is_gone),
		HARNESS(batch_survives_a_killed_coordinator),
		HARNESS(lying_client_hurts_only_itself),
		HARNESS(casts_find_the_pages_of_their_lane),
		HARNESS(so_do_casts_behind_a_record_without_room),
		HARNESS(record_is_kept_until_its_answer_is_marked),
		HARNESS(record_that_is_published_again_is_not_applied_again),
		HARNESS(records_that_are_taken_back_leave_their_room),
		HARNESS(records_that_make_no_sense_are_rejected_and_counted),
		HARNESS(scribbling_client_crashes_nobody),
		HARNESS(undecodable_arguments_are_rejected_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
