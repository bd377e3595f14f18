/*
 * test_remade.c: a namespace whose guardian and coordinator were killed is removed, as stoa clean does it, and made anew
 * under the same name, while handles of the old one are still there: who attaches gets the new one, and who goes on with
 * the old one is told, forked children too.
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"
#include "tests/scratch.h"

#define OLD 1
#define NEW 2

/* Shared by all processes: whose turn it is to serve, who does, and what the test has come to. */
static struct {
	_Atomic int turn, serving, over, may_go_on;
} * now;

static struct stoa *s;
static struct stoa_proxy *p;

/* A program of its own, that stays. Both are there before anybody has a handle, which they would inherit. */
static void serve(int which)
{
	struct stoa *mine;
	until(atomic_load(&now->turn) == which);
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &mine));
	struct stoa_proxy *hits = harness_create(mine, "hits", &counter_class, NULL);
	ok(counter_add_call(hits, &(struct counter_args){ which }, NULL, SOON));
	atomic_store(&now->serving, which);
	until(atomic_load(&now->over));
}

static void remove_files(void)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/test", getenv("STOA_DIR"));
	scratch_remove(path);
}

static void let_serve(int which)
{
	atomic_store(&now->turn, which);
	until(atomic_load(&now->serving) == which);
}

static void begin(const struct stoa_options *options)
{
	now = harness_shared(sizeof(*now));
	harness_spawn(serve, OLD);
	harness_spawn(serve, NEW);
	let_serve(OLD);
	ok(stoa_attach("test", options, &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
}

static void remake(void)
{
	harness_kill_both(s);
	remove_files();
	let_serve(NEW);
}

static int64_t value(struct stoa_proxy *of)
{
	int64_t v = -1;
	ok(STOA_GET(of, struct counter, value, &v, SOON));
	return v;
}

static void end(void)
{
	atomic_store(&now->over, 1);
	harness_join_all();
}

/* Though the old handle, on which its user holds, is of the same name. */
static void attach_the_new_one(unsigned flags)
{
	struct stoa *again;
	struct stoa_proxy *hits;
	ok(stoa_attach("test", STOA_OPTIONS(.flags = flags), &again));
	assert_ptr_not_equal(again, s);
	ok(stoa_open(again, "hits", &counter_class, SOON, &hits));
	assert_int_equal(value(hits), NEW);
	stoa_detach(again);
}

static void who_attaches_gets_the_new_one(void)
{
	begin(NULL);
	ok(counter_add_call(p, &(struct counter_args){ 0 }, NULL, SOON));
	remake();
	attach_the_new_one(0);
	end();
}

static void reader_who_attaches_gets_the_new_one(void)
{
	begin(STOA_OPTIONS(.flags = STOA_READ_ONLY));
	remake();
	attach_the_new_one(STOA_READ_ONLY);
	end();
}

static void who_joins_gets_the_new_one(void)
{
	struct stoa *again;
	begin(NULL);
	remake();
	ok(stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_JOIN), &again));
	assert_ptr_not_equal(again, s);
	end();
}

static void refused_by_all(void)
{
	int64_t v;
	refused(-ESTALE, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	says("made anew");
	refused(-ESTALE, counter_add_cast(p, &(struct counter_args){ 1 }, SOON));
	refused(-ESTALE, STOA_GET(p, struct counter, value, &v, SOON));
	refused(-ESTALE, stoa_sync(s, SOON, NULL));
}

static void old_handle_is_refused(void)
{
	begin(NULL);
	remake();
	refused_by_all();
	end();
}

/* The command was accepted by the old one: it is lost, and its caller may not think that it will be applied. */
static void caller_who_waits_is_told(int unused)
{
	struct stoa_error e;
	(void)unused;
	ok(counter_add_call(p, &(struct counter_args){ 0 }, NULL, SOON)); /* it has a lane */
	atomic_store(&now->may_go_on, 1);
	until(atomic_load(&now->may_go_on) == 2);
	refused(-ESTALE, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	stoa_last_error(&e);
	assert_true(e.may_apply);
	says("may be lost");
}

static void who_called_is_told(void)
{
	begin(NULL);
	pid_t caller = harness_spawn(caller_who_waits_is_told, 0);
	until(atomic_load(&now->may_go_on) == 1);
	remake();
	atomic_store(&now->may_go_on, 2);
	harness_join(caller);
	end();
}

static void go_on_in_a_child(int unused)
{
	(void)unused;
	until(atomic_load(&now->may_go_on));
	refused_by_all();
}

/* It would have had its connection and its lane of the new one, and queued its commands in the old one. */
static void forked_child_is_refused(void)
{
	begin(NULL);
	ok(counter_add_call(p, &(struct counter_args){ 0 }, NULL, SOON));
	pid_t child = harness_spawn(go_on_in_a_child, 0);
	remake();
	atomic_store(&now->may_go_on, 1);
	harness_join(child);
	end();
}

static void health_tells_nothing_of_who_serves_the_new_one(void)
{
	begin(NULL);
	remake();
	for (int i = 0; i < 2; i++) {
		struct stoa_health h = harness_health(s);
		assert_int_equal(h.verdict, STOA_GONE);
		assert_int_equal(h.guardian + h.coordinator, 0);
		refused(-ESTALE, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(forked_child_is_refused),
		HARNESS(health_tells_nothing_of_who_serves_the_new_one),
		HARNESS(old_handle_is_refused),
		HARNESS(reader_who_attaches_gets_the_new_one),
		HARNESS(who_attaches_gets_the_new_one),
		HARNESS(who_called_is_told),
		HARNESS(who_joins_gets_the_new_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
