/*
 * test_grow.c: a class that grew: the namespace is kept and served again by a program with a newer class; state is
 * found by name, old clients go on, and a row that differs is refused, by name, to who uses it. And classes with hooks.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "tests/harness.h"

/* ---- three ages of a class, each as some program has it ------------------------------------------------------ */

struct old {
	int64_t a, b;
};
struct new {
	double extra;
	int64_t b, a;
	stoa_text note;
};
struct changed {
	int64_t a;
	double b;
};
struct sum {
	int64_t sum;
};
struct wide {
	double sum;
};
STOA_STRUCT(sum, STOA_ATTR(struct sum, sum));
STOA_STRUCT(wide, STOA_ATTR(struct wide, sum));
STOA_STRUCT(old, STOA_ATTR(struct old, a, .writable = true), STOA_ATTR(struct old, b, .writable = true));
STOA_STRUCT(new, STOA_ATTR(struct new, extra, .writable = true),
	    STOA_ATTR(struct new, b, .writable = true, .unit = "m"),
	    STOA_ATTR(struct new, a, .writable = true, .doc = "first"), STOA_ATTR(struct new, note, .writable = true));
STOA_STRUCT(changed, STOA_ATTR(struct changed, a, .writable = true), STOA_ATTR(struct changed, b, .writable = true));

static int old_up(struct old *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	ret->sum = ++self->a + self->b;
	return 0;
}
/* Shared, where a reader is to be there while the first command is still at it. */
static _Atomic int *reading;

static void await_reader(void)
{
	if (!reading || atomic_load(reading) > 1)
		return;
	for (int i = 0; i < 400 && atomic_load(reading) == 0; i++)
		usleep(1000);
	usleep(100000);
	atomic_store(reading, 2);
}

static int new_up(struct new *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	await_reader();
	ret->sum = ++self->a + self->b;
	return 0;
}
static int new_more(struct new *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	self->extra += 0.5;
	ret->sum = self->a * 2;
	return 0;
}
static int changed_up(struct changed *self, const stoa_none *args, struct wide *ret)
{
	(void)args;
	ret->sum = (double)++self->a;
	return 0;
}
STOA_METHOD(old, up, stoa_none, sum, .writes = "a");
STOA_METHOD(new, up, stoa_none, sum, .writes = "a");
STOA_METHOD(new, more, stoa_none, sum, .writes = "extra");
STOA_METHOD(changed, up, stoa_none, wide, .writes = "a");
STOA_CLASS(old, 1, &old_up_row);
STOA_CLASS(new, 2, &new_more_row, &new_up_row);
STOA_CLASS(changed, 3, &changed_up_row);

/* All of them are called "thing". */
static struct stoa_class old_thing, new_thing, changed_thing;
static struct stoa_method rows[4];
static const struct stoa_method *old_rows[] = { &rows[0], NULL }, *new_rows[] = { &rows[1], &rows[2], NULL },
				*changed_rows[] = { &rows[3], NULL };

static void name_things(void)
{
	const struct stoa_method *const from[] = { &old_up_row, &new_more_row, &new_up_row, &changed_up_row };
	for (int i = 0; i < 4; i++) {
		memcpy(&rows[i], from[i], sizeof(rows[i]));
		rows[i].class_name = "thing";
	}
	old_thing = old_class;
	old_thing.name = "thing";
	old_thing.methods = old_rows;
	new_thing = new_class;
	new_thing.name = "thing";
	new_thing.methods = new_rows;
	changed_thing = changed_class;
	changed_thing.name = "thing";
	changed_thing.methods = changed_rows;
}

#define QUEUE 16

static struct stoa *s;
static struct stoa_proxy *p;

static uint64_t max_state; /* 0: the default */

static pid_t serve(const struct stoa_class *cls)
{
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0); /* for harness_kill_both */
		ok(stoa_serve("test", STOA_CLASSES(cls),
			      STOA_OPTIONS(.flags = STOA_VERIFY | STOA_KEEP, .max_queue = QUEUE,
					   .max_state = max_state)));
		_exit(0);
	}
	return pid;
}

/* The last one takes over what was kept, and leaves nothing. */
static void end(pid_t server)
{
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(server);
	harness_settle(s);
	stoa_detach(s);
	struct stoa *last;
	ok(stoa_start("test", NULL, NULL, &last));
}

/* Until then nobody is there, or what it finds is not in the new form yet. */
static void await_server(pid_t server)
{
	const struct life *life = &s->space.state->life;
	until(atomic_load(&life->guardian) == server && atomic_load(&life->phase) == LIFE_SERVING);
}

/* Stop one coordinator and start another on what it kept; the handle stays. */
static pid_t serve_instead(pid_t server, const struct stoa_class *cls)
{
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(server);
	server = serve(cls);
	await_server(server);
	return server;
}

static void state_is_found_by_name_and_old_clients_go_on(void)
{
	struct sum sum;
	struct new now = { 0 };
	struct old then;
	struct stoa_proxy *grown;
	name_things();
	pid_t server = serve(&old_thing);
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	p = harness_create(s, "it", &old_thing, &(struct old){ 1, 2 });
	ok(stoa_call(p, &rows[0], NULL, &sum, STOA_DEFAULT));
	assert_int_equal(sum.sum, 4);
	server = serve_instead(server, &new_thing);
	ok(stoa_call(p, &rows[0], NULL, &sum, SOON)); /* the same proxy, of the old class */
	assert_int_equal(sum.sum, 5);
	ok(stoa_snapshot(p, &then, sizeof(then), SOON, NULL));
	assert_int_equal(then.a, 3);
	assert_int_equal(then.b, 2);
	then = (struct old){ 10, 20 };
	ok(stoa_assign_all(p, &then, sizeof(then), SOON));
	ok(stoa_open(s, "it", &new_thing, SOON, &grown));
	ok(stoa_call(grown, &rows[1], NULL, &sum, SOON));
	assert_int_equal(sum.sum, 20);
	ok(stoa_snapshot(grown, &now, sizeof(now), SOON, NULL));
	assert_int_equal(now.a, 10);
	assert_int_equal(now.b, 20);
	assert_true(now.extra == 0.5 && !now.note.data);
	end(server);
}

/* As many as the queue holds, by the row with which they were made. Who reads waits for all of them. */
static void queued_commands_are_applied_by_the_newer_class(void)
{
	int64_t v, n = 0;
	struct stoa_proxy *grown;
	name_things();
	pid_t server = serve(&old_thing);
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	p = harness_create(s, "it", &old_thing, &(struct old){ 1, 2 });
	harness_freeze(s);
	while (stoa_cast(p, &rows[0], NULL, STOA_NOWAIT) == 0)
		n++;
	says("the queue");
	assert_int_equal(n, QUEUE);
	harness_kill_both(s);
	assert_int_equal(harness_status(server), -SIGKILL);
	reading = harness_shared(sizeof(*reading));
	server = serve(&new_thing);
	await_server(server);
	ok(stoa_open(s, "it", &new_thing, SOON, &grown)); /* which has not seen the flags of the old form */
	atomic_store(reading, 1);
	ok(stoa_get(grown, offsetof(struct new, a), &v, sizeof(v), SOON, NULL));
	assert_int_equal(v, 1 + n);
	ok(stoa_get(p, offsetof(struct old, a), &v, sizeof(v), SOON, NULL));
	assert_int_equal(v, 1 + n);
	end(server);
}

static void row_that_differs_is_refused_only_when_it_is_used(void)
{
	double d;
	int64_t v;
	struct changed all;
	name_things();
	pid_t server = serve(&old_thing);
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	harness_create(s, "it", &old_thing, &(struct old){ 1, 2 });
	ok(stoa_open(s, "it", &changed_thing, SOON, &p));
	ok(stoa_get(p, offsetof(struct changed, a), &v, sizeof(v), SOON, NULL));
	assert_int_equal(v, 1);
	refused(-EPROTO, stoa_get(p, offsetof(struct changed, b), &d, sizeof(d), SOON, NULL));
	says("b:f64");
	says("b:i64");
	refused(-EPROTO, stoa_snapshot(p, &all, sizeof(all), SOON, NULL));
	says("b:");
	refused(-EPROTO, stoa_call(p, &rows[3], NULL, NULL, SOON));
	says("up(");
	v = 7;
	ok(stoa_assign(p, offsetof(struct changed, a), &v, sizeof(v), SOON));
	ok(stoa_open(s, "it", &new_thing, SOON, &p));
	refused(-EPROTO, stoa_get(p, offsetof(struct new, extra), &d, sizeof(d), SOON, NULL));
	says("extra");
	refused(-EPROTO, stoa_call(p, &rows[1], NULL, NULL, SOON));
	says("more");
	struct sum sum;
	ok(stoa_call(p, &rows[2], NULL, &sum, SOON)); /* units and docs, order and version do not matter */
	assert_int_equal(sum.sum, 10);
	end(server);
}

static void attribute_that_changed_its_type_begins_anew(void)
{
	int64_t v;
	double d = 1;
	name_things();
	pid_t server = serve(&old_thing);
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	p = harness_create(s, "it", &old_thing, &(struct old){ 1, 2 });
	server = serve_instead(server, &changed_thing);
	ok(stoa_get(p, offsetof(struct old, a), &v, sizeof(v), SOON, NULL));
	assert_int_equal(v, 1);
	refused(-EPROTO, stoa_get(p, offsetof(struct old, b), &v, sizeof(v), SOON, NULL));
	struct stoa_proxy *q;
	ok(stoa_open(s, "it", &changed_thing, SOON, &q));
	ok(stoa_get(q, offsetof(struct changed, b), &d, sizeof(d), SOON, NULL));
	assert_true(d == 0);
	end(server);
}

/* ---- no room for the larger class --------------------------------------------------------------------------- */

struct large {
	int64_t a, b;
	uint8_t filler[4000];
};
STOA_STRUCT(large, STOA_ATTR(struct large, a, .writable = true), STOA_ATTR(struct large, b, .writable = true),
	    STOA_ATTR(struct large, filler));

static int large_up(struct large *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	ret->sum = ++self->a + self->b;
	return 0;
}
STOA_METHOD(large, up, stoa_none, sum, .writes = "a");
STOA_CLASS(large, 2, &large_up_row);

static void counter_name(char name[32], int i)
{
	snprintf(name, 32, "counter-%d", i);
}

static int fill_up(void)
{
	char name[32];
	int r = 0, n = 0;
	for (struct stoa_proxy *made; r == 0; n += r == 0) {
		counter_name(name, n);
		r = stoa_create(s, name, &counter_class, NULL, STOA_EXCL, &made);
		stoa_close(r == 0 ? made : NULL);
	}
	refused(-ENOSPC, r);
	return n;
}

static void remove_some(int from, int to)
{
	char name[32];
	for (int i = from; i < to; i++) {
		counter_name(name, i);
		ok(stoa_remove(s, name, SOON));
	}
}

/* True: it is one of the larger class. False: there was no room for that; it can be read, not called. */
static bool is_brought_over(struct stoa_proxy *counter)
{
	struct sum sum;
	struct old then;
	ok(counter_add_call(counter, &(struct counter_args){ 1 }, NULL, SOON)); /* others are served, whatever is */
	int r = stoa_call(p, &rows[0], NULL, &sum, SOON);
	if (r < 0) {
		refused(-EFAULT, r);
		says("object it is quarantined: its class has changed, and it could not be brought over");
	}
	ok(stoa_snapshot(p, &then, sizeof(then), SOON, NULL));
	assert_int_equal(then.a, r < 0 ? 1 : 2);
	assert_int_equal(then.b, 2);
	return r == 0;
}

/* Not even for the description of the class; for that, and not for the object; for both. */
static void object_without_room_for_its_larger_class_is_read_only(void)
{
	struct stoa_proxy *counter;
	int removed = 0, refusals = 0;
	name_things();
	struct stoa_method up = large_up_row;
	struct stoa_class larger = large_class;
	up.class_name = larger.name = "thing";
	larger.methods = (const struct stoa_method *const[]){ &up, NULL };
	max_state = (12 << 20) + (64 << 10);
	pid_t server = serve(&old_thing);
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	p = harness_create(s, "it", &old_thing, &(struct old){ 1, 2 });
	counter = harness_create(s, "count", &counter_class, NULL);
	ok(counter_add_call(counter, &(struct counter_args){ 1 }, NULL, SOON)); /* it has what it needs */
	int n = fill_up();
	for (bool over = false; !over; removed += 3) {
		server = serve_instead(server, &larger);
		over = is_brought_over(counter);
		if (over)
			break;
		refusals++;
		assert_int_equal(harness_health(s).restarts, 0);
		harness_kill_coordinator(s); /* a successor leaves it as it is */
		assert_false(is_brought_over(counter));
		assert_true(removed + 3 < n);
		remove_some(removed, removed + 3);
		assert_int_equal(harness_health(s).restarts, 1); /* by us: no other has died */
	}
	assert_true(refusals >= 2);
	end(server);
}

/* ---- hooks: a list of numbers on the heap, in parts of ten ---------------------------------------------------- */

#define PARTS 8
#define PER_PART 10

struct list {
	uint64_t n;
	int64_t *numbers; /* PARTS * PER_PART of them */
};
struct first {
	int64_t fill;
};
struct set {
	uint32_t at;
	int64_t value;
};
STOA_STRUCT(list, STOA_ATTR(struct list, n));
STOA_STRUCT(first, STOA_ATTR(struct first, fill));
STOA_STRUCT(set, STOA_ATTR(struct set, at), STOA_ATTR(struct set, value));
STOA_STUB(list, put, struct set, stoa_none);
STOA_STUB(list, put_and_fail, struct set, stoa_none);
STOA_STUB(list, sum, stoa_none, struct sum);

static int list_init(void *self, const void *args)
{
	struct list *l = self;
	const struct first *f = args;
	l->numbers = calloc(PARTS * PER_PART, sizeof(*l->numbers));
	if (!l->numbers)
		return -ENOMEM;
	if (f && f->fill < 0)
		return stoa_fail(-ERANGE, "fill is %jd, below 0", (intmax_t)f->fill);
	for (int i = 0; f && i < PARTS * PER_PART; i++)
		l->numbers[i] = f->fill;
	return 0;
}
static void list_fini(void *self)
{
	free(((struct list *)self)->numbers);
}
static int list_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	const struct list *l = self;
	return stoa_blob_set(ret, l->numbers + part * PER_PART, PER_PART * sizeof(*l->numbers));
}
static int list_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	struct list *l = self;
	if (size != PER_PART * sizeof(*l->numbers))
		return -EBADMSG;
	if (!l->numbers && !(l->numbers = calloc(PARTS * PER_PART, sizeof(*l->numbers))))
		return -ENOMEM;
	memcpy(l->numbers + part * PER_PART, data, size);
	return 0;
}
static int list_put(struct list *self, const struct set *args, stoa_none *ret)
{
	(void)ret;
	self->n++;
	self->numbers[args->at] = args->value;
	stoa_touch(args->at / PER_PART);
	return 0;
}
static int list_put_and_fail(struct list *self, const struct set *args, stoa_none *ret)
{
	list_put(self, args, ret);
	return -EDOM;
}
static int list_sum(struct list *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	for (int i = 0; i < PARTS * PER_PART; i++)
		ret->sum += self->numbers[i];
	return 0;
}
static const struct stoa_hooks list_hooks = { .init_args = &first_struct,
					      .init = list_init,
					      .fini = list_fini,
					      .parts = PARTS,
					      .pack = list_pack,
					      .unpack = list_unpack };
STOA_METHOD(list, put, set, stoa_none, .writes = "n");
STOA_METHOD(list, put_and_fail, set, stoa_none, .writes = "n");
STOA_METHOD(list, sum, stoa_none, sum);
STOA_CLASS_HOOKS(list, 1, &list_hooks, &list_put_row, &list_put_and_fail_row, &list_sum_row);

static int64_t sum(void)
{
	struct sum now;
	ok(list_sum_call(p, NULL, &now, SOON));
	return now.sum;
}

static void hooks_keep_state_on_the_heap_through_failures_and_crashes(void)
{
	uint64_t n;
	s = harness_start(STOA_CLASSES(&list_class));
	p = harness_create(s, "list", &list_class, &(struct first){ 2 });
	assert_int_equal(sum(), 2 * PARTS * PER_PART);
	ok(list_put_call(p, &(struct set){ 35, 102 }, NULL, SOON));
	assert_int_equal(sum(), 260);
	refused(-EDOM, list_put_and_fail_call(p, &(struct set){ 36, 1000 }, NULL, SOON));
	assert_int_equal(sum(), 260);
	for (uint32_t i = 0; i < 100; i++) {
		ok(list_put_cast(p, &(struct set){ i % 80, 2 }, SOON));
		ok(list_put_and_fail_cast(p, &(struct set){ i % 80, 77 }, SOON));
	}
	assert_int_equal(sum(), 160);
	ok(list_put_call(p, &(struct set){ 79, 5 }, NULL, SOON));
	harness_kill_coordinator(s);
	assert_int_equal(sum(), 163);
	ok(STOA_GET(p, struct list, n, &n, SOON));
	assert_int_equal(n, 102);
	refused(-ERANGE, stoa_create(s, "other", &list_class, &(struct first){ -1 }, 0, &p));
	says("fill is -1");
	assert_int_equal(harness_health(s).objects, 1);
}

static void hooks_run_without_create_arguments(void)
{
	s = harness_start(STOA_CLASSES(&list_class));
	p = harness_create(s, "list", &list_class, NULL);
	assert_int_equal(sum(), 0);
	ok(list_put_call(p, &(struct set){ 1, 5 }, NULL, SOON));
	struct stoa_command both[] = {
		{ .proxy = p, .method = &list_put_row, .args = &(struct set){ 2, 6 } },
		{ .proxy = p, .method = &list_put_and_fail_row, .args = &(struct set){ 3, 7 } },
	};
	refused(-EDOM, stoa_call_many(s, 2, both, SOON));
	assert_int_equal(sum(), 5);
	ok(stoa_call_many(s, 1, both, SOON));
	assert_int_equal(sum(), 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(attribute_that_changed_its_type_begins_anew),
		HARNESS(hooks_keep_state_on_the_heap_through_failures_and_crashes),
		HARNESS(hooks_run_without_create_arguments),
		HARNESS_SECONDS(object_without_room_for_its_larger_class_is_read_only, 60),
		HARNESS(queued_commands_are_applied_by_the_newer_class),
		HARNESS(row_that_differs_is_refused_only_when_it_is_used),
		HARNESS(state_is_found_by_name_and_old_clients_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
