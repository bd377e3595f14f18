/*
 * test_defer.c: answers given later: to calls, submits and awaits, by another client's command, all or nothing with it;
 * refused where nobody waits; each accepted one taken once, whoever dies meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "proxy/lane.h"
#include "proxy/later.h"
#include "src/ring.h"
#include "tests/harness.h"

/* ---- a class whose questions are answered by others ---- */

#define PLACES 8

struct desk {
	uint64_t asked, answered;
	struct stoa_token who[PLACES]; /* question n at n % PLACES */
};
struct question {
	int64_t n;
	bool fails; /* after it has deferred */
	bool waits; /* before that, until `go` */
};
struct answer {
	int64_t n;
	stoa_text text;
};
enum then { THEN_NOTHING, THEN_FAIL, THEN_CRASH, THEN_DIE_ONCE, THEN_TWICE };
struct reply_args {
	uint64_t which;
	int64_t n;
	int32_t status;
	uint32_t then;
	char text[32];
};
STOA_STRUCT(desk, STOA_ATTR(struct desk, asked), STOA_ATTR(struct desk, answered),
	    STOA_TOKENS(struct desk, who, .doc = "who waits", .writable = true));
STOA_STRUCT(question, STOA_ATTR(struct question, n), STOA_ATTR(struct question, fails),
	    STOA_ATTR(struct question, waits));
STOA_STRUCT(answer, STOA_ATTR(struct answer, n), STOA_ATTR(struct answer, text));
STOA_STRUCT(reply_args, STOA_ATTR(struct reply_args, which), STOA_ATTR(struct reply_args, n),
	    STOA_ATTR(struct reply_args, status), STOA_ATTR(struct reply_args, then),
	    STOA_ATTR(struct reply_args, text));

static struct shared {
	_Atomic int deaths, ready, result, stop, go;
	_Atomic int64_t answer;
	char text[STOA_ERROR_MAX];
} *shared;

static int desk_ask(struct desk *self, const struct question *args, struct answer *ret)
{
	ret->n = -1; /* not seen: it is answered later */
	while (args->waits && !atomic_load(&shared->go))
		usleep(500);
	int r = stoa_defer(&self->who[self->asked++ % PLACES]);
	return r == 0 && args->fails ? stoa_fail(-EINTR, "not this time") : r;
}

static int then(struct desk *self, const struct reply_args *args)
{
	if (args->then == THEN_CRASH)
		abort();
	if (args->then == THEN_DIE_ONCE && atomic_fetch_add(&shared->deaths, 1) == 0)
		raise(SIGKILL);
	if (args->then == THEN_TWICE)
		return stoa_answer(&self->who[args->which % PLACES], 0, &(struct answer){ 0 });
	return args->then == THEN_FAIL ? stoa_fail(-EINTR, "on second thoughts") : 0;
}

static int desk_reply(struct desk *self, const struct reply_args *args, stoa_none *ret)
{
	const struct stoa_token *token = &self->who[args->which % PLACES];
	struct answer a = { .n = args->n, .text = STOA_TEXT_OF(args->text) };
	(void)ret;
	int r = stoa_answer(token, args->status, args->status < 0 ? (const void *)args->text : &a);
	if (r == 0 && stoa_wanted(token))
		return stoa_fail(-EPROTO, "it is wanted though it is given");
	self->answered += r == 0;
	return r ? r : then(self, args);
}

/* A read-only method can neither. */
static int desk_peek(const struct desk *self, const stoa_none *args, stoa_none *ret)
{
	struct stoa_token token;
	(void)args, (void)ret;
	int r = stoa_answer(&self->who[0], 0, NULL);
	return r == -EINVAL ? stoa_defer(&token) : 0;
}

STOA_METHOD(desk, ask, question, answer, .writes = "asked who", .ret_max = 4096);
STOA_METHOD(desk, reply, reply_args, stoa_none, .writes = "answered");
STOA_READER(desk, peek, stoa_none, stoa_none);
STOA_STUB(desk, ask, struct question, struct answer);
STOA_STUB(desk, reply, struct reply_args, stoa_none);
STOA_CLASS(desk, 1, &desk_ask_row, &desk_reply_row, &desk_peek_row);

/* ---- a class that hands out numbers, and never at once ---- */

#define POOL_PLACES 32

struct pool {
	uint32_t n;
	struct stoa_token who[POOL_PLACES];
};
struct number {
	int64_t n;
};
STOA_STRUCT(pool, STOA_ATTR(struct pool, n), STOA_TOKENS(struct pool, who));
STOA_STRUCT(number, STOA_ATTR(struct number, n));

static void pool_shift(struct pool *self)
{
	self->n--;
	memmove(self->who, self->who + 1, self->n * sizeof(self->who[0]));
}

static int pool_take(struct pool *self, const stoa_none *args, struct number *ret)
{
	(void)args, (void)ret;
	if (self->n == POOL_PLACES)
		pool_shift(self); /* he waits in vain */
	int r = stoa_defer(&self->who[self->n]);
	self->n += r == 0;
	return r;
}

/* -ENOENT: there was nobody. */
static int pool_give(struct pool *self, const struct number *args, stoa_none *ret)
{
	(void)ret;
	int r = -ESTALE;
	while (self->n && r == -ESTALE) {
		r = stoa_answer(&self->who[0], 0, args);
		pool_shift(self);
	}
	return r == -ESTALE ? -ENOENT : r;
}

STOA_METHOD(pool, take, stoa_none, number, .writes = "*");
STOA_METHOD(pool, give, number, stoa_none, .writes = "*");
STOA_STUB(pool, take, stoa_none, struct number);
STOA_STUB(pool, give, struct number, stoa_none);
STOA_CLASS(pool, 1, &pool_take_row, &pool_give_row);

/* ---- what the tests are made of ---- */

static struct stoa *s;
static struct stoa_proxy *p;
static const struct stoa_class *const classes[] = { &desk_class, &pool_class, NULL };

static void start(void)
{
	shared = harness_shared(sizeof(*shared));
	s = harness_start(classes);
	p = harness_create(s, "desk", &desk_class, NULL);
}

static int ask(struct answer *ret, int64_t timeout)
{
	return desk_ask_call(p, &(struct question){ 0 }, ret, timeout);
}

static int reply_as(uint64_t which, int64_t n, const struct reply_args *how)
{
	struct reply_args args = *how;
	args.which = which;
	args.n = n;
	snprintf(args.text, sizeof(args.text), "number %jd", (intmax_t)n);
	return desk_reply_call(p, &args, NULL, SOON);
}

static int reply(uint64_t which, int64_t n)
{
	return reply_as(which, n, &(struct reply_args){ 0 });
}

static uint64_t asked(void)
{
	uint64_t n;
	ok(STOA_GET(p, struct desk, asked, &n, SOON));
	return n;
}

static uint64_t answered(void)
{
	uint64_t n;
	ok(STOA_GET(p, struct desk, answered, &n, SOON));
	return n;
}

static void is(struct answer *a, int64_t n)
{
	char text[32];
	snprintf(text, sizeof(text), "number %jd", (intmax_t)n);
	assert_int_equal(a->n, n);
	assert_string_equal(a->text.data, text);
	stoa_text_fini(&a->text);
}

static bool may_apply(void)
{
	struct stoa_error e;
	stoa_last_error(&e);
	return e.may_apply;
}

/* In a child: ask, and tell what came of it. */
static void ask_for(int ms)
{
	struct answer a = { 0 };
	struct stoa_error e;
	int r = ask(&a, STOA_MS(ms));
	stoa_last_error(&e);
	memcpy(shared->text, e.text, sizeof(e.text));
	atomic_store(&shared->answer, a.n);
	atomic_store(&shared->result, r);
	atomic_store(&shared->ready, 1);
	stoa_text_fini(&a.text);
}

/* One that has asked, and waits. */
static pid_t asker(int ms)
{
	uint64_t before = asked();
	atomic_store(&shared->ready, 0);
	pid_t pid = harness_spawn(ask_for, ms);
	until(asked() > before);
	return pid;
}

static void asker_got(pid_t pid, int status, int64_t n)
{
	harness_join(pid);
	assert_int_equal(atomic_load(&shared->result), status);
	if (status == 0)
		assert_int_equal(atomic_load(&shared->answer), n);
}

static uint64_t submit(struct answer *ret, int64_t timeout)
{
	uint64_t ticket;
	ok(stoa_submit(p, &desk_ask_row, &(struct question){ 0 }, ret, ret, timeout, &ticket));
	return ticket;
}

/* The next event, sleeping on the descriptor alone. */
static struct stoa_event next(void)
{
	struct stoa_event e;
	int r;
	while ((r = stoa_next(s, &e)) == 0) {
		struct pollfd f = { .fd = stoa_fd(s), .events = POLLIN };
		assert_int_equal(poll(&f, 1, (int)(SOON / 1000000)), 1);
	}
	assert_int_equal(r, 1);
	return e;
}

/* ---- answered ---------------------------------------------------------------------------------------------- */

static void call_is_answered_by_anothers_command(void)
{
	start();
	pid_t pid = asker(10000);
	assert_int_equal(answered(), 0);
	ok(reply(0, 7));
	asker_got(pid, 0, 7);
	refused(-ESTALE, reply(0, 8)); /* once */
	assert_int_equal(answered(), 1);
}

static void answer_may_be_an_error(void)
{
	start();
	pid_t pid = asker(10000);
	ok(reply_as(0, 7, &(struct reply_args){ .status = -EDOM }));
	asker_got(pid, -EDOM, 0);
	assert_string_equal(shared->text, "number 7");
}

static void large_answer_comes_whole(void)
{
	struct answer a = { 0 };
	start();
	uint64_t ticket = submit(&a, SOON);
	ok(reply(0, INT64_MIN));
	ok(stoa_await(s, ticket, SOON));
	is(&a, INT64_MIN);
}

static void answers_come_as_events_in_the_order_they_are_given(void)
{
	struct answer a[4] = { { 0 } };
	int64_t none;
	start();
	struct stoa_proxy *hits = harness_create(s, "hits", &counter_class, NULL);
	for (int i = 0; i < 4; i++)
		submit(&a[i], SOON);
	ok(stoa_submit(hits, &counter_add_row, &(struct counter_args){ 1 }, NULL, &none, SOON, NULL));
	assert_ptr_equal(next().data, &none);
	for (int i = 3; i >= 0; i--) {
		ok(reply((uint64_t)i, i));
		struct stoa_event e = next();
		assert_int_equal(e.what, STOA_ANSWER);
		assert_int_equal(e.status, 0);
		assert_ptr_equal(e.data, &a[i]);
		is(&a[i], i);
	}
}

static void reply_in_child(int which)
{
	until(asked() > (uint64_t)which);
	ok(reply((uint64_t)which, which));
}

static void sleeping_loop_is_woken(void)
{
	struct answer a = { 0 };
	struct stoa_event e;
	start();
	assert_int_equal(stoa_next(s, &e), 0);
	submit(&a, SOON);
	pid_t pid = harness_spawn(reply_in_child, 0);
	assert_ptr_equal(next().data, &a);
	is(&a, 0);
	harness_join(pid);
}

static void await_waits_for_it(void)
{
	struct answer a = { 0 };
	start();
	uint64_t ticket = submit(&a, SOON);
	until(asked() == 1);
	refused(-ETIMEDOUT, stoa_await(s, ticket, STOA_MS(1)));
	says("has not been given yet");
	assert_false(may_apply());
	refused(-ETIMEDOUT, stoa_await(s, ticket, STOA_NOWAIT));
	pid_t pid = harness_spawn(reply_in_child, 0);
	ok(stoa_await(s, ticket, SOON));
	is(&a, 0);
	harness_join(pid);
	refused(-ENOENT, stoa_await(s, ticket, SOON));
}

/* Then the time of both is over, and it is closed. */
static void await_ends_with_the_submit(void)
{
	struct answer a = { 0 };
	start();
	uint64_t ticket = submit(&a, STOA_MS(1));
	until(asked() == 1);
	refused(-ETIMEDOUT, stoa_await(s, ticket, STOA_MS(5)));
	says("no answer came, and none will");
	refused(-ESTALE, reply(0, 7));
	refused(-ENOENT, stoa_await(s, ticket, SOON));
}

/* Records are reused all around those that wait, and the lane does not grow for it. */
static void waiting_records_are_kept_while_others_come_and_go(void)
{
	struct answer a[PLACES] = { { 0 } };
	struct lane *lane = NULL;
	unsigned seed = 1;
	start();
	struct stoa_proxy *hits = harness_create(s, "hits", &counter_class, NULL);
	for (int i = 0; i < PLACES - 1; i++)
		submit(&a[i], SOON);
	ok(lane_get(s, SOON, &lane));
	for (int64_t i = 0; i < 60; i++) { /* all are answered in turn, and wait in other places again */
		submit(&a[(i + PLACES - 1) % PLACES], SOON);
		for (int k = 100 + rand_r(&seed) % 200; k > 0; k--)
			ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
		ok(reply((uint64_t)i, i));
		assert_ptr_equal(next().data, &a[i % PLACES]);
		is(&a[i % PLACES], i);
		assert_true(lane->size_log <= 1);
	}
}

/* ---- refused ----------------------------------------------------------------------------------------------- */

static int ask_in_loop(int64_t timeout)
{
	static struct answer a;
	submit(&a, timeout);
	return next().status;
}

/* It has asked, and then its time is over. */
static void give_up(bool in_loop)
{
	struct answer a = { 0 };
	int r = -ECANCELED;
	while (r == -ECANCELED || may_apply()) { /* it was too late for that */
		r = in_loop ? ask_in_loop(STOA_MS(2)) : ask(&a, STOA_MS(2));
		refused(r == -ECANCELED ? r : -ETIMEDOUT, r);
	}
	says("timed out: no answer came, and none will");
}

/* In this thread's lane: before its memory is used again. */
static void is_closed(uint64_t which)
{
	struct stoa_token who[PLACES];
	struct lane *lane = NULL;
	ok(STOA_GET(p, struct desk, who, &who, SOON));
	ok(lane_get(s, SOON, &lane));
	const uint64_t *w = who[which % PLACES].word;
	const char *record = (const char *)lane->head + (uint32_t)w[2];
	const struct later *later = (const struct later *)(record + (w[3] >> 32) + sizeof(struct reply));
	assert_int_equal(atomic_load(&later->state), later_state(w[0] - 1, LATER_CLOSED));
}

static void who_timed_out_is_not_answered(void)
{
	start();
	for (int i = 0; i < 200; i++) { /* the lane goes round and round */
		give_up(i % 2);
		is_closed(asked() - 1);
		refused(-ESTALE, reply(asked() - 1, 7));
		says("nobody waits for the answer");
	}
	assert_int_equal(answered(), 0);
}

/* His method runs by then, and is told that nobody waits. */
static void who_times_out_before_he_waits_is_cancelled(void)
{
	struct answer a = { 0 };
	struct stoa_error e;
	int r;
	start();
	do /* where it is not taken in time, it is not run */
		r = desk_ask_call(p, &(struct question){ .waits = true }, &a, STOA_MS(20));
	while (r == -ECANCELED);
	refused(-ETIMEDOUT, r);
	stoa_last_error(&e);
	assert_true(e.may_apply);
	atomic_store(&shared->go, 1);
	refused(-ECANCELED, stoa_await(s, e.ticket, SOON));
	says("cancelled before it was applied");
	assert_int_equal(asked(), 0);
}

/* He has said so while it was not committed yet, and has not come to close it. */
static void mark_alone_is_enough(void)
{
	struct answer a = { 0 };
	struct lane *lane = NULL;
	start();
	uint64_t ticket = submit(&a, SOON);
	until(asked() == 1);
	ok(lane_get(s, SOON, &lane));
	atomic_store(&lane->pending->record->cancel, CANCEL_LET_GO);
	refused(-ESTALE, reply(0, 7));
	refused(-ETIMEDOUT, stoa_await(s, ticket, SOON));
}

static void who_is_dead_is_not_answered(void)
{
	start();
	harness_needs_pidfds();
	pid_t pid = asker(10000);
	kill(pid, SIGKILL);
	assert_int_equal(harness_status(pid), -SIGKILL);
	refused(-ESTALE, reply(0, 7));
}

static void *submit_and_end(void *unused)
{
	static struct answer a;
	(void)unused;
	submit(&a, SOON);
	until(asked() == 1);
	return NULL;
}

static void thread_that_ended_is_not_answered(void)
{
	pthread_t thread;
	start();
	pthread_create(&thread, NULL, submit_and_end, NULL);
	pthread_join(thread, NULL);
	refused(-ESTALE, reply(0, 7));
}

static void who_cancels_is_not_answered(void)
{
	struct answer a = { 0 };
	start();
	uint64_t ticket = submit(&a, SOON);
	until(asked() == 1);
	ok(stoa_cancel(s, &a));
	refused(-ESTALE, reply(0, 7));
	refused(-ETIMEDOUT, stoa_await(s, ticket, SOON));
	says("it was dropped");
}

static void submit_and_detach(int i)
{
	struct stoa *own = NULL;
	struct answer a;
	(void)i;
	ok(stoa_attach("test", NULL, &own));
	submit(&a, SOON);
	until(asked() == 1);
	stoa_detach(own);
	stoa_detach(s);
	atomic_store(&shared->ready, 1);
	pause();
}

static void who_detached_is_not_answered(void)
{
	start();
	pid_t pid = harness_spawn(submit_and_detach, 0);
	until(atomic_load(&shared->ready));
	refused(-ESTALE, reply(0, 7));
	kill(pid, SIGKILL);
	assert_int_equal(harness_status(pid), -SIGKILL);
}

static void evicted_is_told_and_not_answered(void)
{
	start();
	harness_needs_pidfds();
	pid_t pid = asker(10000);
	ok(stoa_evict(s, pid, SOON));
	refused(-ESTALE, reply(0, 7));
	asker_got(pid, -ECONNABORTED, 0);
}

static void casts_readers_and_batches_cannot_wait(void)
{
	struct answer a = { 0 };
	struct question q = { 0 };
	uint64_t rejected;
	start();
	ok(desk_ask_cast(p, &q, SOON));
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 1);
	struct stoa_command two[] = { { .proxy = p, .method = &desk_ask_row, .args = &q, .ret = &a },
				      { .proxy = p, .method = &desk_ask_row, .args = &q, .ret = &a } };
	refused(-EINVAL, stoa_call_many(s, 2, two, SOON));
	says("call it alone");
	refused(-EINVAL, stoa_call(p, &desk_peek_row, NULL, NULL, SOON));
	assert_int_equal(asked(), 0);
}

static void answers_that_are_wrong_are_refused(void)
{
	struct answer a = { 0 };
	start();
	refused(-EINVAL, reply(0, 7)); /* no token */
	uint64_t ticket = submit(&a, SOON);
	refused(-EINVAL, reply_as(0, 7, &(struct reply_args){ .status = 1 }));
	refused(-ESTALE, reply_as(0, 7, &(struct reply_args){ .then = THEN_TWICE }));
	ok(reply(0, 9)); /* all of that has answered nothing */
	ok(stoa_await(s, ticket, SOON));
	is(&a, 9);
}

/* ---- all or nothing ---------------------------------------------------------------------------------------- */

static void failed_method_has_deferred_nothing(void)
{
	struct answer a = { 0 };
	start();
	refused(-EINTR, desk_ask_call(p, &(struct question){ .fails = true }, &a, SOON));
	says("not this time");
	assert_int_equal(asked(), 0);
	refused(-EINVAL, reply(0, 7));
}

static void failed_method_has_answered_nothing(void)
{
	start();
	pid_t pid = asker(10000);
	refused(-EINTR, reply_as(0, 1, &(struct reply_args){ .then = THEN_FAIL }));
	refused(-EFAULT, reply_as(0, 2, &(struct reply_args){ .then = THEN_CRASH }));
	assert_int_equal(answered(), 0);
	assert_int_equal(atomic_load(&shared->ready), 0);
	ok(reply(0, 3));
	asker_got(pid, 0, 3);
}

static void batch_that_fails_has_answered_nothing(void)
{
	struct answer a = { 0 };
	start();
	uint64_t ticket = submit(&a, SOON);
	struct reply_args good = { .which = 0, .n = 1 }, bad = { .which = 1 };
	struct stoa_command two[] = { { .proxy = p, .method = &desk_reply_row, .args = &good },
				      { .proxy = p, .method = &desk_reply_row, .args = &bad } };
	refused(-EINVAL, stoa_call_many(s, 2, two, SOON));
	ok(reply(0, 2));
	ok(stoa_await(s, ticket, SOON));
	is(&a, 2);
}

/* ---- deaths ------------------------------------------------------------------------------------------------ */

static void answer_survives_the_coordinator(void)
{
	start();
	pid_t pid = asker(10000);
	harness_kill_coordinator(s);
	ok(reply_as(0, 4, &(struct reply_args){ .then = THEN_DIE_ONCE }));
	assert_int_equal(atomic_load(&shared->deaths), 2); /* and was run once more */
	asker_got(pid, 0, 4);
	assert_int_equal(answered(), 1);
}

static void answer_survives_the_guardian(void)
{
	struct answer a = { 0 };
	start();
	pid_t pid = asker(10000), guardian = harness_guardian(s);
	uint64_t ticket = submit(&a, SOON);
	until(asked() == 2);
	kill(guardian, SIGKILL);
	until(harness_guardian(s) != guardian);
	ok(reply(0, 4));
	ok(reply(1, 5));
	asker_got(pid, 0, 4);
	ok(stoa_await(s, ticket, SOON));
	is(&a, 5);
}

/* What was asked in a lane that is void since. */
static void loop_hears_after_a_new_start(void)
{
	struct answer a = { 0 };
	struct stoa_event e;
	start();
	submit(&a, SOON);
	until(asked() == 1);
	harness_kill_both(s);
	ok(stoa_start("test", classes, STOA_OPTIONS(.flags = STOA_VERIFY), &(struct stoa *){ NULL }));
	refused(-ESTALE, reply(0, 7));
	while ((e = next()).what != STOA_ANSWER)
		;
	assert_int_equal(e.status, -ECONNRESET);
	assert_ptr_equal(e.data, &a);
	uint64_t ticket = submit(&a, SOON);
	ok(reply(1, 8));
	ok(stoa_await(s, ticket, SOON));
	is(&a, 8);
}

static void who_waits_hears_that_both_are_dead(void)
{
	start();
	pid_t pid = asker(10000);
	int64_t since = clock_now();
	harness_kill_both(s);
	asker_got(pid, -ECONNRESET, 0);
	assert_true(clock_now() - since < STOA_MS(2000) * HARNESS_SLOW);
	assert_non_null(strstr(shared->text, "no answer will come"));
	ok(stoa_start("test", classes, STOA_OPTIONS(.flags = STOA_VERIFY), &(struct stoa *){ NULL }));
	refused(-ESTALE, reply(0, 7));
	pid = asker(10000);
	ok(reply(1, 8));
	asker_got(pid, 0, 8);
}

static void who_waits_hears_that_it_is_stopped(void)
{
	struct answer a;
	start();
	pid_t pid = asker(10000);
	submit(&a, SOON);
	int64_t since = clock_now();
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	asker_got(pid, -ECONNRESET, 0);
	assert_true(clock_now() - since < STOA_MS(2000) * HARNESS_SLOW);
	for (struct stoa_event e = next(); e.what != STOA_ANSWER; e = next())
		assert_int_equal(e.what, STOA_LOST);
}

/* ---- each number once -------------------------------------------------------------------------------------- */

#define NUMBERS (20000 / HARNESS_FEWER)
#define GIVERS 2
#define TAKERS 4
#define KILLS (400 / HARNESS_FEWER)

static _Atomic int *times; /* by number */
static struct stoa_proxy *pool;

static void give(int i)
{
	for (int k = i; k < NUMBERS; k += GIVERS)
		for (int r = -ENOENT; r != 0;) {
			r = pool_give_call(pool, &(struct number){ k }, NULL, SOON);
			if (r != 0)
				refused(-ENOENT, r);
		}
	atomic_fetch_add(&shared->stop, 1);
}

/* With no patience: mostly it has given up when its number comes. */
static void take(int i)
{
	unsigned seed = (unsigned)i;
	while (atomic_load(&shared->stop) < GIVERS) {
		struct number n = { -1 };
		int r = pool_take_call(pool, NULL, &n, STOA_MS(1) * (1 + rand_r(&seed) % 20) / 10);
		if (r == 0)
			atomic_fetch_add(&times[n.n], 1);
		else if (r != -ETIMEDOUT && r != -ECANCELED)
			refused(-ETIMEDOUT, r);
	}
}

/* Several at once, in an event loop. */
static void take_as_they_come(int i)
{
	struct number n[3];
	struct stoa_event e;
	int waiting = 3;
	for (int k = 0; k < 3; k++)
		ok(stoa_submit(pool, &pool_take_row, NULL, &n[k], &n[k], STOA_MS(1 + k + i), NULL));
	while (waiting) {
		struct pollfd f = { .fd = stoa_fd(s), .events = POLLIN };
		int r = stoa_next(s, &e);
		if (r == 0)
			poll(&f, 1, 5);
		if (r == 0 || e.what != STOA_ANSWER)
			continue;
		if (e.status == 0)
			atomic_fetch_add(&times[((struct number *)e.data)->n], 1);
		else if (e.status != -ETIMEDOUT && e.status != -ECANCELED)
			refused(-ETIMEDOUT, e.status);
		waiting--;
		if (atomic_load(&shared->stop) == GIVERS) /* what was given must still be taken */
			continue;
		ok(stoa_submit(pool, &pool_take_row, NULL, e.data, e.data, STOA_MS(1 + i), NULL));
		waiting++;
	}
}

static void exchange(int i)
{
	if (i < GIVERS)
		give(i);
	else if (i % 2)
		take(i);
	else
		take_as_they_come(i);
}

/* Not of `applied`: where all is slow, most time out. */
static uint64_t taken(void)
{
	struct stoa_health h = harness_health(s);
	return h.pushed - h.queued;
}

static bool comes_on(uint64_t before)
{
	return (harness_health(s).queued < 1000 && taken() > before + NUMBERS / 1000) ||
	       atomic_load(&shared->stop) == GIVERS;
}

static void each_number_is_taken_once_though_the_coordinator_is_killed(void)
{
	unsigned seed = 1;
	times = harness_shared(NUMBERS * sizeof(*times));
	start();
	pool = harness_create(s, "pool", &pool_class, NULL);
	harness_spawn_all(GIVERS + TAKERS, exchange);
	for (int i = 0; i < KILLS && atomic_load(&shared->stop) < GIVERS; i++) {
		uint64_t before = taken();
		usleep(1000 * HARNESS_SLOW * (1 + (unsigned)rand_r(&seed) % 15));
		until(comes_on(before)); /* else, where starts are slow, none serves, and the queue is full */
		harness_kill_coordinator(s);
	}
	harness_join_all();
	for (int i = 0; i < NUMBERS; i++)
		assert_int_equal(times[i], 1);
}

/* ---- the hostile ------------------------------------------------------------------------------------------- */

static uint64_t draw(unsigned *seed)
{
	return (uint64_t)rand_r(seed) << 33 ^ (uint64_t)rand_r(seed);
}

/* What lies where its answer is to come, over and over: anything, or what was there with a bit turned. */
static void scribble(int i)
{
	struct answer a;
	struct lane *lane = NULL;
	unsigned seed = (unsigned)i;
	submit(&a, SOON);
	until(asked() > (uint64_t)i);
	ok(lane_get(s, SOON, &lane));
	uint64_t *at = (uint64_t *)lane->pending->record;
	size_t n = ((size_t)lane->pending->record->reply_at + sizeof(struct reply) + sizeof(struct later)) / 8;
	atomic_fetch_add(&shared->ready, 1);
	while (!atomic_load(&shared->stop)) {
		size_t k = (size_t)rand_r(&seed) % n;
		uint64_t was = at[k];
		at[k] = rand_r(&seed) % 2 ? draw(&seed) : was ^ UINT64_C(1) << rand_r(&seed) % 64;
		if (rand_r(&seed) % 2)
			at[k] = was;
	}
	_exit(0);
}

static void lies_in_a_lane_harm_nobody_else(void)
{
	struct answer a = { 0 };
	start();
	uint64_t ticket = submit(&a, SOON);
	until(asked() == 1);
	pid_t one = harness_spawn(scribble, 1);
	until(atomic_load(&shared->ready) == 1);
	pid_t two = harness_spawn(scribble, 2);
	until(atomic_load(&shared->ready) == 2);
	for (int i = 0; i < 300; i++) {
		int r = reply(1 + (uint64_t)i % 2, i);
		if (r != 0)
			refused(-ESTALE, r);
	}
	assert_int_equal(harness_health(s).restarts, 0);
	ok(reply(0, 6));
	ok(stoa_await(s, ticket, SOON));
	is(&a, 6);
	atomic_store(&shared->stop, 1);
	harness_join(one);
	harness_join(two);
}

/* A class may let clients write its tokens: they lead nowhere but to who waits. */
static void forged_tokens_lead_nowhere(void)
{
	struct answer a = { 0 };
	struct stoa_token good[PLACES], forged[PLACES];
	unsigned seed = 1;
	start();
	uint64_t ticket = submit(&a, SOON);
	until(asked() == 1);
	ok(STOA_GET(p, struct desk, who, &good, SOON));
	for (int i = 0; i < 2000; i++) {
		memcpy(forged, good, sizeof(good));
		uint64_t *word = &forged[0].word[i % 5];
		*word = i % 3 ? *word ^ UINT64_C(1) << rand_r(&seed) % 64 : draw(&seed);
		ok(STOA_ASSIGN(p, struct desk, who, &forged, SOON));
		int r = reply(0, 1);
		if (r != -EINVAL && r != -ESTALE && r != -EPROTO && r != -EMSGSIZE && r != 0)
			refused(-ESTALE, r);
		if (r == 0) { /* a row, or a room, that fits as well */
			assert_true(word == &forged[0].word[3] || word == &forged[0].word[4]);
			ticket = submit(&a, SOON);
			uint64_t n = asked() - 1;
			ok(STOA_GET(p, struct desk, who, &good, SOON));
			good[0] = good[n % PLACES];
		}
	}
	assert_int_equal(harness_health(s).restarts, 0);
	ok(STOA_ASSIGN(p, struct desk, who, &good, SOON));
	ok(reply(0, 3));
	ok(stoa_await(s, ticket, SOON));
	is(&a, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(answer_may_be_an_error),
		HARNESS(answer_survives_the_coordinator),
		HARNESS(answer_survives_the_guardian),
		HARNESS(answers_come_as_events_in_the_order_they_are_given),
		HARNESS(answers_that_are_wrong_are_refused),
		HARNESS(await_ends_with_the_submit),
		HARNESS(await_waits_for_it),
		HARNESS(batch_that_fails_has_answered_nothing),
		HARNESS(call_is_answered_by_anothers_command),
		HARNESS(casts_readers_and_batches_cannot_wait),
		HARNESS_SECONDS(each_number_is_taken_once_though_the_coordinator_is_killed, 120),
		HARNESS(evicted_is_told_and_not_answered),
		HARNESS(failed_method_has_answered_nothing),
		HARNESS(failed_method_has_deferred_nothing),
		HARNESS_SECONDS(forged_tokens_lead_nowhere, 60),
		HARNESS(large_answer_comes_whole),
		HARNESS(loop_hears_after_a_new_start),
		HARNESS_SECONDS(lies_in_a_lane_harm_nobody_else, 60),
		HARNESS(mark_alone_is_enough),
		HARNESS(sleeping_loop_is_woken),
		HARNESS(thread_that_ended_is_not_answered),
		HARNESS(waiting_records_are_kept_while_others_come_and_go),
		HARNESS(who_cancels_is_not_answered),
		HARNESS(who_detached_is_not_answered),
		HARNESS(who_is_dead_is_not_answered),
		HARNESS(who_timed_out_is_not_answered),
		HARNESS(who_times_out_before_he_waits_is_cancelled),
		HARNESS(who_waits_hears_that_both_are_dead),
		HARNESS(who_waits_hears_that_it_is_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
