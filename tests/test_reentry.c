/*
 * test_reentry.c: a method that calls stoa on its own namespace would wait for itself. Every call that sends or waits
 * is refused there with EDEADLK: in the coordinator, and in the client where a read-only method runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

struct self {
	int64_t n;
};
struct which {
	int32_t call;
};
struct came {
	int32_t code;
};
STOA_STRUCT(self, STOA_ATTR(struct self, n, .writable = true));
STOA_STRUCT(which, STOA_ATTR(struct which, call));
STOA_STRUCT(came, STOA_ATTR(struct came, code));
STOA_STUB(self, try, struct which, struct came);
STOA_STUB(self, look, struct which, struct came);

static struct stoa *s;
static struct stoa_proxy *p;

/* ---- the calls ----------------------------------------------------------------------------------------------- */

static const struct which none = { -1 };
static struct self now;
static struct came answer;

static int call_attach(void)
{
	struct stoa *again;
	int r = stoa_attach("test", NULL, &again);
	if (r == 0)
		stoa_detach(again);
	return r;
}
static int call_start(void)
{
	struct stoa *again;
	return stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_JOIN), &again);
}
static int call_attach_thread(void) { return stoa_attach_thread(s); }
static int call_sync(void) { return stoa_sync(s, SOON, NULL); }
static int call_stop(void) { return stoa_stop(s, STOA_DRAIN, SOON); }
static int call_create(void) { return stoa_create(s, "x", &counter_class, NULL, 0, &(struct stoa_proxy *){ NULL }); }
static int call_open(void) { return stoa_open(s, "x", NULL, SOON, &(struct stoa_proxy *){ NULL }); }
static int call_remove(void) { return stoa_remove(s, "self", SOON); }
static int call_cast(void) { return self_try_cast(p, &none, SOON); }
static int call_call(void) { return self_try_call(p, &none, NULL, SOON); }
static int call_submit(void) { return self_try_submit(p, &none, &answer, NULL, SOON); }
static int call_await(void) { return stoa_await(s, 1, SOON); }
static int call_assign(void) { return STOA_ASSIGN(p, struct self, n, &now.n, SOON); }
static int call_assign_all(void) { return stoa_assign_all(p, &now, sizeof(now), SOON); }
static int call_many(void)
{
	struct stoa_command many[] = { { .proxy = p, .method = &self_try_row, .args = &none } };
	return stoa_call_many(s, 1, many, SOON);
}
static int call_get(void) { return STOA_GET(p, struct self, n, &now.n, SOON); }
static int call_snapshot(void) { return stoa_snapshot(p, &now, sizeof(now), SOON, NULL); }
static int call_snapshot_many(void) { return stoa_snapshot_many(1, &p, (void *[]){ &now }, SOON, NULL); }
static int call_wait(void) { return stoa_wait(p, STOA_ALL, UINT64_MAX, SOON, NULL); }
static int call_watch(void) { return stoa_watch(p, STOA_ALL, &now); }
static int call_fd(void) { return stoa_fd(s); }

static const struct call {
	const char *name;
	int (*call)(void);
} calls[] = {
	{ "start", call_start },
	{ "attach", call_attach },
	{ "attach_thread", call_attach_thread },
	{ "sync", call_sync },
	{ "stop", call_stop },
	{ "create", call_create },
	{ "open", call_open },
	{ "remove", call_remove },
	{ "cast", call_cast },
	{ "call", call_call },
	{ "submit", call_submit },
	{ "await", call_await },
	{ "assign", call_assign },
	{ "assign_all", call_assign_all },
	{ "call_many", call_many },
	{ "get", call_get },
	{ "snapshot", call_snapshot },
	{ "snapshot_many", call_snapshot_many },
	{ "wait", call_wait },
	{ "watch", call_watch },
	{ "fd", call_fd },
};
#define CALLS (int)(sizeof(calls) / sizeof(calls[0]))

static int self_try(struct self *self, const struct which *args, struct came *ret)
{
	self->n++;
	if (args->call >= 0)
		ret->code = calls[args->call].call();
	return 0;
}
static int self_look(const struct self *self, const struct which *args, struct came *ret)
{
	(void)self;
	ret->code = calls[args->call].call();
	return 0;
}
STOA_METHOD(self, try, which, came, .writes = "n", .deadline = STOA_MS(3000));
STOA_READER(self, look, which, came, .reads = "n");
STOA_CLASS(self, 1, &self_try_row, &self_look_row);

static void start(void)
{
	ok(stoa_start("test", STOA_CLASSES(&self_class), NULL, &s));
	p = harness_create(s, "self", &self_class, NULL);
}

static void check(const char *where, int (*run)(struct stoa_proxy *, const struct which *, struct came *))
{
	int bad = 0;
	for (int i = 0; i < CALLS; i++) {
		struct came came = { 1 };
		ok(run(p, &(struct which){ i }, &came));
		if (came.code != -EDEADLK)
			print_error("stoa_%s in %s returned %d\n", calls[i].name, where, came.code);
		bad += came.code != -EDEADLK;
	}
	assert_int_equal(bad, 0);
}

static int run_try(struct stoa_proxy *of, const struct which *args, struct came *ret)
{
	return self_try_call(of, args, ret, SOON);
}
static int run_look(struct stoa_proxy *of, const struct which *args, struct came *ret)
{
	return self_look_call(of, args, ret, SOON);
}

/* The coordinator was forked from a process with a handle of an earlier namespace of this name. */
static void method_is_refused_every_call_that_waits(void)
{
	start();
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	start();
	check("a method", run_try);
	ok(STOA_GET(p, struct self, n, &now.n, SOON));
	assert_int_equal(now.n, CALLS);
	assert_int_equal(harness_health(s).objects, 1);
}

static void reader_is_refused_every_call_that_waits(void)
{
	start();
	uint64_t pushed = harness_health(s).pushed;
	check("a reader", run_look);
	assert_int_equal(harness_health(s).pushed, pushed);
	assert_int_equal(harness_health(s).objects, 1);
	ok(self_try_call(p, &none, NULL, SOON)); /* afterwards it may */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(method_is_refused_every_call_that_waits),
		HARNESS(reader_is_refused_every_call_that_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
