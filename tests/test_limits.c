/*
 * test_limits.c: many and large: what must be possible, and at each limit an error that names it and its option.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/bind.h"
#include "proxy/proxy.h"
#include "tests/harness.h"

static struct stoa *s;
static struct stoa_proxy *p;

#define ATTRS 4096
#define OBJECTS 4096

/* ---- what must be possible ----------------------------------------------------------------------------------- */

static int64_t first[ATTRS], got[ATTRS];

/* An object of so many attributes. */
static void start_broad(uint32_t n)
{
	static struct stoa_attr attrs[ATTRS];
	static char names[ATTRS][16];
	static struct stoa_struct state;
	static struct stoa_class broad;
	state = (struct stoa_struct){ .name = "broad", .size = n * 8, .align = 8, .attrs = attrs, .n_attrs = n };
	broad = (struct stoa_class){ .name = "broad", .version = 1, .state = &state };
	for (uint32_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "a%u", i);
		attrs[i] = (struct stoa_attr){ .name = names[i],
					       .offset = i * 8,
					       .size = 8,
					       .dims = { 1, 1, 1 },
					       .kind = STOA_I64,
					       .writable = true };
		first[i] = i * 3;
	}
	s = harness_start(STOA_CLASSES(&broad));
	p = harness_create(s, "broad", &broad, first);
}

static void a_class_may_have_4096_attributes(void)
{
	start_broad(ATTRS);
	ok(stoa_snapshot(p, got, sizeof(got), SOON, NULL));
	assert_memory_equal(got, first, sizeof(got));
	for (uint32_t i = 0; i < ATTRS; i += 97) {
		first[i] = -1;
		ok(stoa_assign(p, i * 8, &first[i], 8, SOON));
	}
	ok(stoa_snapshot(p, got, sizeof(got), SOON, NULL));
	assert_memory_equal(got, first, sizeof(got));
	first[7] = 8;
	ok(stoa_assign_all(p, first, sizeof(first), SOON));
	harness_kill_coordinator(s);
	ok(stoa_snapshot(p, got, sizeof(got), SOON, NULL));
	assert_memory_equal(got, first, sizeof(got));
}

static void each_of_many_attributes_is_found_at_the_first_look(void)
{
	start_broad(1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_non_null(binding_quick(proxy_target(p)->binding, i * 8));
}

static void a_namespace_may_have_4096_objects(void)
{
	static struct stoa_proxy *many[OBJECTS];
	char name[32];
	int64_t v;
	s = harness_start(NULL);
	for (int i = 0; i < OBJECTS; i++) {
		snprintf(name, sizeof(name), "object-%d", i);
		many[i] = harness_create(s, name, &counter_class, &(struct counter){ i });
	}
	for (int i = 0; i < OBJECTS; i++)
		ok(counter_add_cast(many[i], &(struct counter_args){ 10000 }, SOON));
	for (int i = 0; i < OBJECTS; i++) {
		ok(STOA_GET(many[i], struct counter, value, &v, SOON));
		assert_int_equal(v, 10000 + i);
	}
	assert_int_equal(harness_health(s).objects, OBJECTS);
	harness_kill_coordinator(s);
	ok(counter_add_call(many[OBJECTS - 1], &(struct counter_args){ 1 }, NULL, SOON));
	ok(STOA_GET(many[OBJECTS - 1], struct counter, value, &v, SOON));
	assert_int_equal(v, 10000 + OBJECTS);
}

#define BIG (8 << 20)
struct big {
	char bytes[BIG];
	uint32_t n;
};
STOA_STRUCT(big, STOA_ATTR(struct big, bytes, .writable = true), STOA_ATTR(struct big, n, .writable = true));
STOA_RECORD(big, 1);

static void state_may_be_64_mib(void)
{
	static struct big big;
	struct stoa_proxy *many[8];
	char name[16];
	s = harness_start(STOA_CLASSES(&big_class));
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "big-%d", i);
		memset(big.bytes, 'a' + i, BIG - 1);
		big.n = (uint32_t)i;
		many[i] = harness_create(s, name, &big_class, &big);
	}
	for (int i = 0; i < 8; i++) {
		memset(&big, 0, sizeof(big));
		ok(stoa_snapshot(many[i], &big, sizeof(big), SOON, NULL));
		assert_int_equal(big.n, i);
		assert_int_equal(big.bytes[0], 'a' + i);
		assert_int_equal(big.bytes[BIG - 2], 'a' + i);
	}
}

/* ---- at the limits -------------------------------------------------------------------------------------------- */

struct page {
	stoa_text text;
	stoa_blob blob;
};
struct page_args {
	stoa_text text;
};
STOA_STRUCT(page, STOA_ATTR(struct page, text, .writable = true), STOA_ATTR(struct page, blob, .writable = true));
STOA_STRUCT(page_args, STOA_ATTR(struct page_args, text));

static int page_write(struct page *self, const struct page_args *args, stoa_none *ret)
{
	(void)ret;
	return stoa_text_set_n(&self->text, args->text.data, args->text.size);
}
STOA_METHOD(page, write, page_args, stoa_none, .writes = "text");
STOA_CLASS(page, 1, &page_write_row);

static void limit_of_a_command_is_named_for_any_size(void)
{
	const size_t sizes[] = { 40u << 20,
				 65u << 20,
				 UINT32_MAX - 100u,
				 UINT32_MAX - 8u,
				 UINT32_MAX,
				 (size_t)UINT32_MAX + 1,
				 (size_t)UINT32_MAX * 2,
				 SIZE_MAX / 2 - 8,
				 SIZE_MAX - (1u << 20),
				 SIZE_MAX - 8,
				 SIZE_MAX - 1,
				 SIZE_MAX };
	static char bytes[8]; /* nobody reads them */
	s = harness_start(STOA_CLASSES(&page_class));
	p = harness_create(s, "page", &page_class, NULL);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct page all = { .blob = { bytes, sizes[i] } };
		struct page_args args = { { bytes, sizes[i] } };
		struct stoa_command many[2] = {
			{ .proxy = p,
			  .attr = offsetof(struct page, blob),
			  .args = &all.blob,
			  .size = sizeof(all.blob) },
			{ .proxy = p, .method = &page_write_row, .args = &args },
		};
		struct stoa_proxy *none;
		refused(-EMSGSIZE, STOA_ASSIGN(p, struct page, blob, &all.blob, SOON));
		refused(-EMSGSIZE, STOA_ASSIGN(p, struct page, text, &args.text, SOON));
		refused(-EMSGSIZE, stoa_assign_all(p, &all, sizeof(all), SOON));
		says("at most");
		refused(-EMSGSIZE, stoa_call(p, &page_write_row, &args, NULL, SOON));
		refused(-EMSGSIZE, stoa_call_many(s, 2, many, SOON));
		says("at most");
		refused(-EMSGSIZE, stoa_create(s, "large", &page_class, &all, 0, &none));
		says("at most");
	}
	ok(stoa_call(p, &page_write_row, &(struct page_args){ { "x", 1 } }, NULL, SOON));
}

static void limit_of_objects_is_named(void)
{
	char name[32];
	int r = 0, n = 0;
	s = harness_start_with(NULL, STOA_OPTIONS(.max_objects = 8));
	for (; r == 0 && n < 100; n++) {
		snprintf(name, sizeof(name), "object-%d", n);
		r = stoa_create(s, name, &counter_class, NULL, 0, &p);
	}
	assert_int_equal(n, 9);
	refused(-ENOSPC, r);
	says("max_objects");
	ok(stoa_remove(s, "object-3", SOON));
	ok(stoa_create(s, "again", &counter_class, NULL, 0, &p));
}

static void limit_of_state_is_named(void)
{
	static struct big big;
	s = harness_start_with(STOA_CLASSES(&big_class), STOA_OPTIONS(.max_state = 24 << 20));
	p = harness_create(s, "first", &big_class, &big);
	int r = stoa_create(s, "second", &big_class, &big, 0, &p);
	r = r ? r : stoa_create(s, "third", &big_class, &big, 0, &p);
	r = r ? r : stoa_create(s, "fourth", &big_class, &big, 0, &p);
	refused(-ENOSPC, r);
	says("max_state");
	p = NULL;
	ok(stoa_open(s, "first", &big_class, SOON, &p));
	ok(stoa_snapshot(p, &big, sizeof(big), SOON, NULL));
}

static void limit_of_attributes_is_named(void)
{
	char name[32];
	int r = 0, n = 0;
	s = harness_start_with(STOA_CLASSES(&big_class), STOA_OPTIONS(.max_attrs = 64));
	for (; r == 0 && n < 100; n++) {
		snprintf(name, sizeof(name), "object-%d", n);
		r = stoa_create(s, name, &counter_class, NULL, 0, &p);
	}
	assert_true(n > 2 && n <= 33);
	refused(-ENOSPC, r);
	says("max_attrs");
}

static _Atomic int attached, refusals;
static int hold[2]; /* a pipe: threads stay until it is closed */

static void *attach(void *unused)
{
	(void)unused;
	int r = stoa_attach_thread(s);
	if (r < 0) {
		refused(-EMFILE, r);
		says("max_threads");
		atomic_fetch_add(&refusals, 1);
	}
	atomic_fetch_add(&attached, 1);
	char c;
	return read(hold[0], &c, 1) == 0 ? NULL : &hold;
}

static void limit_of_threads_is_named(void)
{
	pthread_t t[8];
	assert_int_equal(pipe(hold), 0);
	s = harness_start_with(NULL, STOA_OPTIONS(.max_threads = 6));
	p = harness_create(s, "hits", &counter_class, NULL);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, attach, NULL), 0);
	until(atomic_load(&attached) == 8);
	assert_int_equal(atomic_load(&refusals), 3);
	assert_int_equal(harness_health(s).threads, 6);
	close(hold[1]);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	close(hold[0]);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

/* It asks five times a second, until it is answered. */
static void thread_that_asks_while_nobody_answers_takes_one_place(void)
{
	pthread_t t[2];
	assert_int_equal(pipe(hold), 0);
	s = harness_start_with(NULL, STOA_OPTIONS(.max_threads = 3));
	ok(stoa_attach_thread(s));
	for (int i = 0; i < 2; i++) {
		harness_freeze(s);
		assert_int_equal(pthread_create(&t[i], NULL, attach, NULL), 0);
		usleep(1100000); /* for several questions; with fewer the test sees less, and does not fail */
		harness_thaw(s);
		until(atomic_load(&attached) == i + 1);
	}
	assert_int_equal(atomic_load(&refusals), 0);
	assert_int_equal(harness_health(s).threads, 3);
	close(hold[1]);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	close(hold[0]);
}

#define THREADS 256 /* of each of four processes; the test has a lane, too */

static _Atomic int *there, *refused_there;

static void *attach_there(void *unused)
{
	int r = stoa_attach_thread(s);
	if (r < 0) {
		refused(-EMFILE, r);
		says("all 1024 threads of namespace test are attached; start it with a larger max_threads");
		atomic_fetch_add(refused_there, 1);
	}
	atomic_fetch_add(there, 1);
	for (;;)
		pause();
	return unused;
}

static void attach_many(int unused)
{
	pthread_attr_t small;
	pthread_t t;
	(void)unused;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t, &small, attach_there, NULL))
			fail_msg("thread %d could not be made", i);
	for (;;)
		pause();
}

static void thread_1025_is_refused_until_another_is_gone(void)
{
	pid_t pids[4];
	there = harness_shared(2 * sizeof(*there));
	refused_there = there + 1;
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	for (int i = 0; i < 4; i++)
		pids[i] = harness_spawn(attach_many, i);
	until(atomic_load(there) == 4 * THREADS);
	assert_int_equal(atomic_load(refused_there), 1);
	assert_int_equal(harness_health(s).threads, 4 * THREADS);
	kill(pids[0], SIGKILL);
	assert_int_equal(harness_status(pids[0]), -SIGKILL);
	pids[0] = harness_spawn(attach_many, 0);
	until(atomic_load(there) == 5 * THREADS);
	assert_true(atomic_load(refused_there) <= 2); /* the one that was refused may have been among the dead */
	for (int i = 0; i < 4; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(harness_status(pids[i]), -SIGKILL);
	}
	until(harness_health(s).threads == 1);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

static void a_thousand_threads_may_attach(void)
{
	static pthread_t t[1000];
	pthread_attr_t small;
	assert_int_equal(pipe(hold), 0);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	for (int i = 0; i < 1000; i++)
		if (pthread_create(&t[i], &small, attach, NULL))
			fail_msg("thread %d could not be made", i);
	until(atomic_load(&attached) == 1000);
	assert_int_equal(atomic_load(&refusals), 0);
	assert_int_equal(harness_health(s).threads, 1001);
	close(hold[1]);
	for (int i = 0; i < 1000; i++)
		pthread_join(t[i], NULL);
	close(hold[0]);
}

struct talk {
	int64_t n;
};
struct speech {
	stoa_text text;
};
STOA_STRUCT(talk, STOA_ATTR(struct talk, n));
STOA_STRUCT(speech, STOA_ATTR(struct speech, text));
STOA_STUB(talk, echo, struct speech, struct speech);

static int talk_echo(struct talk *self, const struct speech *args, struct speech *ret)
{
	self->n++;
	return stoa_text_set_n(&ret->text, args->text.data, args->text.size);
}
STOA_METHOD(talk, echo, speech, speech, .writes = "n", .ret_max = 64);
STOA_CLASS(talk, 1, &talk_echo_row);

/* A result that is too long undoes its method, whether anybody waits for it or not. */
static void limit_of_a_result_is_named(void)
{
	char bytes[200];
	struct speech said = { 0 };
	int64_t n, fits = 0;
	memset(bytes, 'x', sizeof(bytes));
	s = harness_start(STOA_CLASSES(&talk_class));
	p = harness_create(s, "t", &talk_class, NULL);
	for (size_t size = 0; size < sizeof(bytes); size++) {
		int r = talk_echo_call(p, &(struct speech){ { bytes, size } }, &said, SOON);
		if (r < 0)
			break;
		assert_int_equal(said.text.size, size);
		fits++;
	}
	assert_true(fits > 0 && fits < 64);
	says("the result of method echo has");
	says("over its limit of 64 (.ret_max)");
	for (size_t size = (size_t)fits; size < sizeof(bytes); size++)
		refused(-EMSGSIZE, talk_echo_call(p, &(struct speech){ { bytes, size } }, &said, SOON));
	assert_int_equal(said.text.size, fits - 1);
	ok(STOA_GET(p, struct talk, n, &n, SOON));
	assert_int_equal(n, fits);
	ok(talk_echo_cast(p, &(struct speech){ { bytes, sizeof(bytes) } }, SOON));
	ok(STOA_GET(p, struct talk, n, &n, SOON));
	assert_int_equal(n, fits);
	stoa_text_fini(&said.text);
}

static void options_that_make_no_sense_are_refused(void)
{
	refused(-EINVAL, stoa_start("test", NULL, STOA_OPTIONS(.max_queue = 100), &s));
	says("max_queue");
	refused(-EINVAL, stoa_start("test", NULL, STOA_OPTIONS(.max_threads = 100000), &s));
	says("max_threads");
	refused(-EINVAL, stoa_start("test", NULL, STOA_OPTIONS(.flags = 1u << 30), &s));
	says("flags");
	refused(-EINVAL, stoa_start("test", NULL, &(struct stoa_options){ 0 }, &s));
	says("STOA_OPTIONS");
	refused(-EINVAL,
		stoa_start("test",
			   STOA_CLASSES(&big_class, &(struct stoa_class){ .name = "big", .state = &big_struct }), NULL,
			   &s));
	says("\"big\" is given twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(a_class_may_have_4096_attributes),
		HARNESS(a_namespace_may_have_4096_objects),
		HARNESS(a_thousand_threads_may_attach),
		HARNESS(each_of_many_attributes_is_found_at_the_first_look),
		HARNESS(limit_of_a_command_is_named_for_any_size),
		HARNESS(limit_of_a_result_is_named),
		HARNESS(limit_of_attributes_is_named),
		HARNESS(limit_of_objects_is_named),
		HARNESS(limit_of_state_is_named),
		HARNESS(limit_of_threads_is_named),
		HARNESS(options_that_make_no_sense_are_refused),
		HARNESS(state_may_be_64_mib),
		HARNESS_SECONDS(thread_1025_is_refused_until_another_is_gone, 60),
		HARNESS(thread_that_asks_while_nobody_answers_takes_one_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
