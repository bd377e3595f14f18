/*
 * test_methods.c: what methods may do, and what becomes of those that fail, crash, overrun, touch what they have not
 * declared or call back: nothing changes, the caller learns why, and the others go on.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "tests/harness.h"

/* ---- a class that behaves ----------------------------------------------------------------------------------- */

struct duo {
	int64_t a, b;
	stoa_text note;
};
struct sum {
	int64_t sum;
};
STOA_STRUCT(duo, STOA_ATTR(struct duo, a, .writable = true), STOA_ATTR(struct duo, b, .writable = true),
	    STOA_ATTR(struct duo, note));
STOA_STRUCT(sum, STOA_ATTR(struct sum, sum));
STOA_STUB(duo, total, stoa_none, struct sum);
STOA_STUB(duo, sly, stoa_none, struct sum);
STOA_STUB(duo, fail, stoa_none, stoa_none);
STOA_STUB(duo, positive, stoa_none, stoa_none);
STOA_STUB(duo, wander, stoa_none, stoa_none);
STOA_STUB(duo, crash, stoa_none, stoa_none);
STOA_STUB(duo, leave, stoa_none, stoa_none);
STOA_STUB(duo, hang, stoa_none, stoa_none);
STOA_STUB(duo, recurse, stoa_none, stoa_none);
STOA_STUB(duo, who, stoa_none, struct sum);

static struct stoa *s;
static struct stoa_proxy *p;
static int ran; /* in this process */

static int duo_total(const struct duo *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	ran++;
	ret->sum = self->a + self->b;
	return 0;
}

static int duo_sly(const struct duo *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	ret->sum = self->a + self->b;
	return 0;
}

static int duo_fail(struct duo *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->a = 999;
	stoa_text_set(&self->note, "half done");
	return stoa_fail(-EDOM, "a was %d, and that is wrong", 5);
}

static int duo_positive(struct duo *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->a = 999;
	return 1;
}

static int duo_wander(struct duo *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->a++;
	self->b = 999; /* not declared */
	return 0;
}

static int duo_crash(struct duo *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->a = 999;
	raise(SIGSEGV);
	return 0;
}

static int duo_leave(struct duo *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->a = 999;
	_exit(0);
}

static int duo_hang(struct duo *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->a = 999;
	for (;;)
		pause();
	return 0;
}

/* The coordinator was forked from a process with a handle of an earlier namespace of this name. */
static int duo_recurse(struct duo *self, const stoa_none *args, stoa_none *ret)
{
	struct stoa *again;
	int64_t v = 0;
	(void)args;
	(void)ret;
	int r = stoa_attach("test", NULL, &again);
	if (r != -EDEADLK)
		return stoa_fail(-EPROTO, "attach returned %d", r);
	r = duo_fail_cast(p, NULL, STOA_DEFAULT);
	if (r != -EDEADLK)
		return stoa_fail(-EPROTO, "cast returned %d", r);
	r = STOA_ASSIGN(p, struct duo, a, &v, STOA_DEFAULT);
	if (r != -EDEADLK)
		return stoa_fail(-EPROTO, "assign returned %d", r);
	r = stoa_sync(s, STOA_DEFAULT, NULL);
	if (r != -EDEADLK)
		return stoa_fail(-EPROTO, "sync returned %d", r);
	self->b++;
	return -EDEADLK;
}

static int duo_who(struct duo *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	self->a = stoa_time_ns();
	self->b = stoa_caller()->uid;
	ret->sum = stoa_caller()->pid;
	return stoa_time_ns() == self->a ? 0 : -EPROTO;
}

STOA_READER(duo, total, stoa_none, sum, .reads = "a b");
STOA_READER(duo, sly, stoa_none, sum, .reads = "a");
STOA_METHOD(duo, fail, stoa_none, stoa_none, .writes = "a note");
STOA_METHOD(duo, positive, stoa_none, stoa_none, .writes = "a");
STOA_METHOD(duo, wander, stoa_none, stoa_none, .writes = "a");
STOA_METHOD(duo, crash, stoa_none, stoa_none, .writes = "a");
STOA_METHOD(duo, leave, stoa_none, stoa_none, .writes = "a");
STOA_METHOD(duo, hang, stoa_none, stoa_none, .writes = "a", .deadline = STOA_MS(100));
STOA_METHOD(duo, recurse, stoa_none, stoa_none, .writes = "b");
STOA_METHOD(duo, who, stoa_none, sum, .writes = "a b");
STOA_CLASS(duo, 1, &duo_total_row, &duo_sly_row, &duo_fail_row, &duo_positive_row, &duo_wander_row, &duo_crash_row,
	   &duo_leave_row, &duo_hang_row, &duo_recurse_row, &duo_who_row);

static void start(void)
{
	s = harness_start(STOA_CLASSES(&duo_class));
	p = harness_create(s, "duo", &duo_class, &(struct duo){ .a = 5, .b = 6 });
}

/* The object is as it was made: nothing of a method that came to nothing is left. */
static void unchanged(void)
{
	struct duo now = { 0 };
	ok(stoa_snapshot(p, &now, sizeof(now), STOA_DEFAULT, NULL));
	assert_int_equal(now.a, 5);
	assert_int_equal(now.b, 6);
	assert_null(now.note.data);
	/* Nor in what the coordinator goes on from. */
	struct sum sum;
	ok(duo_total_call(p, NULL, &sum, SOON));
	assert_int_equal(sum.sum, 11);
	ok(STOA_ASSIGN(p, struct duo, b, &now.b, SOON));
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	assert_int_equal(now.a, 5);
	assert_null(now.note.data);
}

static enum stoa_origin origin(void)
{
	struct stoa_error e;
	stoa_last_error(&e);
	assert_false(e.may_apply);
	return e.origin;
}

/* Everybody else is served as before. */
static void others_go_on(void)
{
	struct stoa_proxy *hits;
	struct counter_value v;
	ok(stoa_create(s, "hits", &counter_class, NULL, 0, &hits));
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, &v, STOA_DEFAULT));
	stoa_close(hits);
}

/* ---- methods that do ---------------------------------------------------------------------------------------- */

static void method_returns_the_sum_of_what_was_set(void)
{
	const int64_t two = 2, three = 3;
	struct sum sum;
	start();
	ok(STOA_ASSIGN(p, struct duo, a, &two, STOA_DEFAULT));
	ok(STOA_ASSIGN(p, struct duo, b, &three, STOA_DEFAULT));
	ok(duo_total_call(p, NULL, &sum, STOA_DEFAULT));
	assert_int_equal(sum.sum, 5);
}

static void reader_runs_here_when_its_code_is_here(void)
{
	struct sum sum;
	ok(stoa_start("test", STOA_CLASSES(&duo_class), NULL, &s)); /* in verify mode the coordinator runs it, to check it */
	p = harness_create(s, "duo", &duo_class, &(struct duo){ .a = 2, .b = 3 });
	uint64_t applied = harness_health(s).applied;
	ok(duo_total_call(p, NULL, &sum, STOA_DEFAULT));
	assert_int_equal(sum.sum, 5);
	assert_int_equal(ran, 1);
	assert_int_equal(harness_health(s).applied, applied);
}

static void reader_runs_in_the_coordinator_when_its_code_is_not_here(void)
{
	const struct stoa_method *total;
	struct stoa_proxy *named;
	struct sum sum;
	ok(stoa_start("test", STOA_CLASSES(&duo_class), NULL, &s));
	p = harness_create(s, "duo", &duo_class, &(struct duo){ .a = 2, .b = 3 });
	ok(stoa_open(s, "duo", NULL, STOA_DEFAULT, &named));
	ok(stoa_find_method(named, "total", &total));
	ok(stoa_call(named, total, NULL, &sum, STOA_DEFAULT));
	assert_int_equal(sum.sum, 5);
	assert_int_equal(ran, 0);
	assert_int_equal(harness_health(s).applied, 2);
}

static void method_knows_its_caller_and_one_time(void)
{
	struct sum pid;
	struct duo now = { 0 };
	start();
	int64_t before = clock_real();
	ok(duo_who_call(p, NULL, &pid, STOA_DEFAULT));
	assert_int_equal(pid.sum, getpid());
	ok(stoa_snapshot(p, &now, sizeof(now), STOA_DEFAULT, NULL));
	assert_int_equal(now.b, getuid());
	assert_true(now.a >= before && now.a <= clock_real());
}

/* ---- methods that fail -------------------------------------------------------------------------------------- */

static void failing_method_changes_nothing_and_says_so(void)
{
	start();
	refused(-EDOM, duo_fail_call(p, NULL, NULL, STOA_DEFAULT));
	says("a was 5, and that is wrong");
	assert_int_equal(origin(), STOA_FROM_METHOD);
	unchanged();
	assert_int_equal(harness_health(s).rejected, 1);
}

static void failing_cast_is_counted_and_recorded(void)
{
	uint64_t rejected = 0;
	start();
	ok(duo_fail_cast(p, NULL, STOA_DEFAULT));
	ok(duo_fail_cast(p, NULL, STOA_DEFAULT));
	ok(stoa_sync(s, STOA_DEFAULT, &rejected));
	assert_int_equal(rejected, 2);
	unchanged();
	assert_int_equal(harness_health(s).rejected, 2);
	const struct reject *e = space_reject(&s->space, 2);
	assert_int_equal(e->number, 2);
	assert_int_equal(e->code, -EDOM);
	assert_int_equal(e->pid, getpid());
	assert_string_equal(e->object, "duo");
	assert_string_equal(e->class_name, "duo");
	assert_string_equal(e->row, "fail");
	assert_string_equal(e->text, "a was 5, and that is wrong");
}

static void method_that_returns_a_positive_value_is_refused(void)
{
	start();
	refused(-EINVAL, duo_positive_call(p, NULL, NULL, STOA_DEFAULT));
	says("method positive of class duo returned 1");
	assert_int_equal(origin(), STOA_FROM_LIBRARY);
	unchanged();
}

static void undeclared_write_is_caught_by_name_and_undone(void)
{
	start();
	refused(-EACCES, duo_wander_call(p, NULL, NULL, STOA_DEFAULT));
	says("method wander of class duo wrote b");
	assert_int_equal(origin(), STOA_FROM_LIBRARY);
	unchanged();
}

static void undeclared_read_is_caught_by_name_in_verify_mode(void)
{
	struct sum sum = { 0 };
	start();
	refused(-EACCES, duo_sly_call(p, NULL, &sum, STOA_DEFAULT));
	says("method sly of class duo read b");
	ok(duo_total_call(p, NULL, &sum, STOA_DEFAULT));
	assert_int_equal(sum.sum, 11);
}

static void method_that_calls_stoa_is_told_of_a_deadlock(void)
{
	start();
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	start(); /* the first handle is still there */
	refused(-EDEADLK, duo_recurse_call(p, NULL, NULL, STOA_DEFAULT));
	assert_int_equal(origin(), STOA_FROM_METHOD);
	unchanged();
}

/* ---- methods that leave what cannot be kept ------------------------------------------------------------------ */

struct label {
	char name[2][8];
	bool on;
	int64_t n;
};
struct told {
	char text[4];
};
STOA_STRUCT(label, STOA_ATTR(struct label, name), STOA_ATTR(struct label, on), STOA_ATTR(struct label, n));
STOA_STRUCT(told, STOA_ATTR(struct told, text));
STOA_STUB(label, fill, stoa_none, stoa_none);
STOA_STUB(label, blur, stoa_none, stoa_none);
STOA_STUB(label, tell, stoa_none, struct told);
STOA_STUB(label, set, stoa_none, struct told);

static int label_fill(struct label *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	memset(self->name[1], 'x', sizeof(self->name[1]));
	self->n++;
	return 0;
}

static int label_blur(struct label *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	memset(&self->on, 2, sizeof(self->on));
	self->n++;
	return 0;
}

static int label_tell(struct label *self, const stoa_none *args, struct told *ret)
{
	(void)args;
	memset(ret->text, 'x', sizeof(ret->text));
	self->n++;
	return 0;
}

static int label_set(struct label *self, const stoa_none *args, struct told *ret)
{
	(void)args;
	memset(self->name[1], 'x', sizeof(self->name[1]) - 1);
	memset(ret->text, 'x', sizeof(ret->text) - 1);
	self->on = true;
	self->n++;
	return 0;
}
STOA_METHOD(label, fill, stoa_none, stoa_none, .writes = "name n");
STOA_METHOD(label, blur, stoa_none, stoa_none, .writes = "on n");
STOA_METHOD(label, tell, stoa_none, told, .writes = "n");
STOA_METHOD(label, set, stoa_none, told, .writes = "*");
STOA_CLASS(label, 1, &label_fill_row, &label_blur_row, &label_tell_row, &label_set_row);

static void value_that_no_successor_would_take_fails_its_method(void)
{
	const struct {
		const struct stoa_method *row;
		const char *says;
	} unfit[] = {
		{ &label_fill_row, "method fill of class label left name without a NUL within its size" },
		{ &label_blur_row, "method blur of class label left on neither 0 nor 1" },
		{ &label_tell_row, "method tell of class label left text of its result without a NUL" },
	};
	struct label now;
	struct told told;
	s = harness_start(STOA_CLASSES(&label_class));
	p = harness_create(s, "label", &label_class, NULL);
	for (int i = 0; i < 3; i++) {
		struct stoa_command many[] = {
			{ .proxy = p, .method = &label_set_row, .ret = &told },
			{ .proxy = p, .method = unfit[i].row, .ret = &told },
		};
		refused(-EINVAL, stoa_call(p, unfit[i].row, NULL, &told, SOON));
		says(unfit[i].says);
		assert_int_equal(origin(), STOA_FROM_LIBRARY);
		refused(-EINVAL, stoa_call_many(s, 2, many, SOON));
		says(unfit[i].says);
		assert_int_equal(many[1].status, -EINVAL);
		ok(stoa_cast(p, unfit[i].row, NULL, SOON));
		harness_kill_coordinator(s);
		ok(label_set_call(p, NULL, &told, SOON));
		assert_string_equal(told.text, "xxx");
	}
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	assert_int_equal(now.n, 3);
	assert_string_equal(now.name[1], "xxxxxxx");
	assert_true(now.on);
	assert_int_equal(harness_health(s).rejected, 9);
}

/* ---- methods that take the coordinator with them ------------------------------------------------------------ */

static void crashing_method_is_rejected_after_its_second_crash(void)
{
	start();
	refused(-EFAULT, duo_crash_call(p, NULL, NULL, SOON));
	says("crashed");
	assert_int_equal(origin(), STOA_FROM_LIBRARY);
	unchanged();
	assert_int_equal(harness_health(s).restarts, 2);
	others_go_on();
}

static void cast_among_crashes_is_applied_once(void)
{
	struct stoa_proxy *hits;
	int64_t v;
	start();
	hits = harness_create(s, "hits", &counter_class, NULL);
	for (int i = 0; i < 3; i++) {
		ok(counter_add_cast(hits, &(struct counter_args){ 1 }, STOA_DEFAULT));
		ok(duo_crash_cast(p, NULL, STOA_DEFAULT));
		ok(counter_add_cast(hits, &(struct counter_args){ 1 }, STOA_DEFAULT));
	}
	uint64_t rejected;
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 3);
	ok(STOA_GET(hits, struct counter, value, &v, STOA_DEFAULT));
	assert_int_equal(v, 6);
	unchanged();
}

static void method_that_exits_is_rejected(void)
{
	start();
	refused(-EFAULT, duo_leave_call(p, NULL, NULL, SOON));
	unchanged();
	others_go_on();
}

static void method_past_its_deadline_is_ended(void)
{
	start();
	refused(-ETIME, duo_hang_call(p, NULL, NULL, SOON));
	says("deadline");
	assert_int_equal(origin(), STOA_FROM_LIBRARY);
	unchanged();
	others_go_on();
}

static void health_tells_what_runs(void)
{
	struct stoa_health h;
	start();
	ok(duo_hang_cast(p, NULL, STOA_DEFAULT));
	until((h = harness_health(s), h.running_for > 0));
	assert_string_equal(h.object, "duo");
	assert_string_equal(h.method, "hang");
}

/* ---- timings ------------------------------------------------------------------------------------------------ */

struct timing {
	uint64_t n;
	double total, mean;
};
struct seconds {
	double seconds;
};
STOA_STRUCT(timing, STOA_ATTR(struct timing, n), STOA_ATTR(struct timing, total), STOA_ATTR(struct timing, mean));
STOA_STRUCT(seconds, STOA_ATTR(struct seconds, seconds));
STOA_STUB(timing, record, struct seconds, stoa_none);

static int timing_record(struct timing *self, const struct seconds *args, stoa_none *ret)
{
	(void)ret;
	self->n++;
	self->total += args->seconds;
	self->mean = self->total / (double)self->n;
	return 0;
}
STOA_METHOD(timing, record, seconds, stoa_none, .writes = "*");
STOA_CLASS(timing, 1, &timing_record_row);

static void timings_add_up(void)
{
	struct timing t;
	s = harness_start(STOA_CLASSES(&timing_class));
	p = harness_create(s, "timing", &timing_class, NULL);
	for (int i = 1; i <= 3; i++)
		ok(timing_record_cast(p, &(struct seconds){ i }, STOA_DEFAULT));
	ok(stoa_snapshot(p, &t, sizeof(t), STOA_DEFAULT, NULL));
	assert_int_equal(t.n, 3);
	assert_true(t.total == 6 && t.mean == 2);
}

static void a_thousand_timings_add_up(void)
{
	struct timing t;
	s = harness_start(STOA_CLASSES(&timing_class));
	p = harness_create(s, "timing", &timing_class, NULL);
	for (int i = 0; i < 1000; i++)
		ok(timing_record_cast(p, &(struct seconds){ i / 100.0 }, STOA_DEFAULT));
	ok(stoa_snapshot(p, &t, sizeof(t), STOA_DEFAULT, NULL));
	assert_int_equal(t.n, 1000);
	assert_float_equal(t.total, 4995, 1e-3);
}

/* ---- large objects ------------------------------------------------------------------------------------------ */

struct large {
	int32_t x;
	char filler[6000];
	int32_t y;
};
STOA_STRUCT(large, STOA_ATTR(struct large, x), STOA_ATTR(struct large, filler), STOA_ATTR(struct large, y));
STOA_STUB(large, wander, stoa_none, stoa_none);

static int large_wander(struct large *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->x++;
	self->y = 999;
	return 0;
}
STOA_METHOD(large, wander, stoa_none, stoa_none, .writes = "x");
STOA_CLASS(large, 1, &large_wander_row);

static void undeclared_write_to_a_large_object_is_caught_in_verify_mode(void)
{
	struct large now;
	s = harness_start(STOA_CLASSES(&large_class));
	p = harness_create(s, "large", &large_class, &(struct large){ .x = 1, .y = 2 });
	refused(-EACCES, large_wander_call(p, NULL, NULL, STOA_DEFAULT));
	says("wrote y");
	ok(stoa_snapshot(p, &now, sizeof(now), STOA_DEFAULT, NULL));
	assert_int_equal(now.x, 1);
	assert_int_equal(now.y, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(a_thousand_timings_add_up),
		HARNESS(cast_among_crashes_is_applied_once),
		HARNESS(crashing_method_is_rejected_after_its_second_crash),
		HARNESS(failing_cast_is_counted_and_recorded),
		HARNESS(failing_method_changes_nothing_and_says_so),
		HARNESS(health_tells_what_runs),
		HARNESS(method_knows_its_caller_and_one_time),
		HARNESS(method_past_its_deadline_is_ended),
		HARNESS(method_returns_the_sum_of_what_was_set),
		HARNESS(method_that_calls_stoa_is_told_of_a_deadlock),
		HARNESS(method_that_exits_is_rejected),
		HARNESS(method_that_returns_a_positive_value_is_refused),
		HARNESS(reader_runs_here_when_its_code_is_here),
		HARNESS(reader_runs_in_the_coordinator_when_its_code_is_not_here),
		HARNESS(timings_add_up),
		HARNESS(undeclared_read_is_caught_by_name_in_verify_mode),
		HARNESS(undeclared_write_is_caught_by_name_and_undone),
		HARNESS(undeclared_write_to_a_large_object_is_caught_in_verify_mode),
		HARNESS(value_that_no_successor_would_take_fails_its_method),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
