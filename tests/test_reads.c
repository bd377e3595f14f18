/*
 * test_reads.c: reading behind the barrier, without it, and waiting for a change; and what a pending write delays.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

struct duo {
	int64_t a, b;
};
STOA_STRUCT(duo, STOA_ATTR(struct duo, a, .writable = true), STOA_ATTR(struct duo, b, .writable = true));
STOA_RECORD(duo, 1);

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(STOA_CLASSES(&duo_class));
	p = harness_create(s, "duo", &duo_class, &(struct duo){ 5, 6 });
}

static void assign_b(int64_t v)
{
	ok(STOA_ASSIGN(p, struct duo, b, &v, STOA_DEFAULT));
}

static int64_t get_b(void)
{
	int64_t v;
	ok(STOA_GET(p, struct duo, b, &v, STOA_DEFAULT));
	return v;
}

/* ---- the barrier -------------------------------------------------------------------------------------------- */

static void pending_write_delays_only_reads_of_its_attribute(void)
{
	int64_t v = 0;
	struct duo d = { 0 };
	struct stoa_stamp stamp;
	start();
	harness_freeze(s);
	assign_b(7);
	int64_t before = clock_now();
	ok(STOA_GET(p, struct duo, a, &v, STOA_MS(1)));
	assert_int_equal(v, 5);
	refused(-ETIMEDOUT, STOA_GET(p, struct duo, b, &v, STOA_MS(50)));
	assert_true(clock_now() - before >= STOA_MS(50));
	assert_int_equal(v, 5); /* untouched */
	refused(-EAGAIN, STOA_GET(p, struct duo, b, &v, STOA_NOWAIT));
	refused(-ETIMEDOUT, stoa_snapshot(p, &d, sizeof(d), STOA_MS(50), NULL));
	ok(stoa_peek(p, offsetof(struct duo, b), &v, sizeof(v), &stamp));
	assert_int_equal(v, 6);
	harness_thaw(s);
	assert_int_equal(get_b(), 7);
	ok(stoa_snapshot(p, &d, sizeof(d), STOA_DEFAULT, NULL));
	assert_int_equal(d.a, 5);
	assert_int_equal(d.b, 7);
}

static void read_b_of_the_parent(int i)
{
	(void)i;
	assert_int_equal(get_b(), 7);
}

static void read_waits_when_another_process_has_a_write_pending(void)
{
	start();
	harness_freeze(s);
	assign_b(7);
	pid_t reader = harness_spawn(read_b_of_the_parent, 0);
	harness_thaw(s);
	harness_join(reader);
}

/* ---- stamps ------------------------------------------------------------------------------------------------- */

static void assign_from_a_child(int i)
{
	assign_b(i);
}

static void stamp_tells_who_wrote_and_when(void)
{
	struct stoa_stamp first, second, of_a, of_all;
	struct duo d;
	int64_t v, before = clock_real();
	start();
	assign_b(1);
	ok(stoa_get(p, offsetof(struct duo, b), &v, sizeof(v), STOA_DEFAULT, &first));
	assert_int_equal(first.pid, getpid());
	assert_true(first.time_ns >= before && first.time_ns <= clock_real());
	pid_t child = harness_spawn(assign_from_a_child, 2);
	harness_join(child);
	ok(stoa_get(p, offsetof(struct duo, b), &v, sizeof(v), STOA_DEFAULT, &second));
	assert_int_equal(v, 2);
	assert_true(second.version > first.version);
	assert_int_equal(second.changes, first.changes + 1);
	assert_int_equal(second.pid, child);
	assert_int_not_equal(second.client, first.client);
	assert_true(second.time_ns >= first.time_ns && second.time_ns <= clock_real());
	ok(stoa_get(p, offsetof(struct duo, a), &v, sizeof(v), STOA_DEFAULT, &of_a));
	assert_true(of_a.version < first.version);
	ok(stoa_snapshot(p, &d, sizeof(d), STOA_DEFAULT, &of_all));
	assert_int_equal(of_all.version, second.version);
	assert_int_equal(of_all.changes, of_a.changes + second.changes);
	assert_int_equal(of_all.pid, child);
}

static void assigning_the_same_value_is_a_change(void)
{
	struct stoa_stamp first, second;
	int64_t v;
	start();
	assign_b(1);
	ok(stoa_get(p, offsetof(struct duo, b), &v, sizeof(v), STOA_DEFAULT, &first));
	assign_b(1);
	ok(stoa_get(p, offsetof(struct duo, b), &v, sizeof(v), STOA_DEFAULT, &second));
	assert_true(second.version > first.version);
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

static _Atomic uint32_t *waiting;

static void wait_for_b(int i)
{
	struct stoa_stamp at;
	int64_t v;
	ok(stoa_get(p, offsetof(struct duo, b), &v, sizeof(v), STOA_DEFAULT, &at));
	atomic_fetch_add(waiting, 1);
	ok(stoa_wait(p, i % 2 ? STOA_ALL : offsetof(struct duo, b), at.version, SOON, &at));
	assert_int_equal(get_b(), 42);
	assert_int_equal(at.changes, i % 2 ? 3 : 2);
}

static void wait_returns_when_the_attribute_changes(void)
{
	start();
	waiting = harness_shared(sizeof(*waiting));
	harness_spawn_all(4, wait_for_b);
	until(atomic_load(waiting) == 4);
	assign_b(42);
	harness_join_all();
}

#define ROUNDS 100

static void echo(int i)
{
	int64_t v;
	(void)i;
	for (uint64_t n = 0, version = atomic_load(waiting); n < ROUNDS; n++) {
		struct stoa_stamp at;
		ok(stoa_wait(p, offsetof(struct duo, a), version, SOON, &at));
		version = at.version;
		v = (int64_t)n;
		assign_b(v);
	}
}

/* A sleeper looks every 100 ms whether anyone is left to wake it: it must not live on that. */
static void wait_is_woken_and_does_not_poll(void)
{
	struct stoa_stamp at;
	int64_t v;
	start();
	waiting = harness_shared(sizeof(*waiting));
	ok(stoa_get(p, offsetof(struct duo, a), &v, sizeof(v), STOA_DEFAULT, &at));
	atomic_store(waiting, (uint32_t)at.version);
	ok(stoa_get(p, offsetof(struct duo, b), &v, sizeof(v), STOA_DEFAULT, &at));
	pid_t child = harness_spawn(echo, 0);
	int64_t before = clock_now();
	for (int64_t i = 0; i < ROUNDS; i++) {
		ok(STOA_ASSIGN(p, struct duo, a, &i, SOON));
		ok(stoa_wait(p, offsetof(struct duo, b), at.version, SOON, &at));
	}
	assert_true(clock_now() - before < ROUNDS * STOA_MS(40 * HARNESS_SLOW));
	harness_join(child);
}

static void wait_times_out_when_only_another_attribute_changes(void)
{
	struct stoa_stamp at;
	int64_t v = 9;
	start();
	ok(stoa_get(p, offsetof(struct duo, b), &v, sizeof(v), STOA_DEFAULT, &at));
	ok(STOA_ASSIGN(p, struct duo, a, &v, STOA_DEFAULT));
	refused(-ETIMEDOUT, stoa_wait(p, offsetof(struct duo, b), at.version, STOA_MS(50), NULL));
	refused(-EAGAIN, stoa_wait(p, offsetof(struct duo, b), at.version, STOA_NOWAIT, NULL));
	ok(stoa_wait(p, STOA_ALL, at.version, STOA_MS(50), NULL));
	ok(stoa_wait(p, offsetof(struct duo, b), 0, STOA_NOWAIT, NULL));
}

/* ---- read-only clients --------------------------------------------------------------------------------------- */

static void look_only(int i)
{
	struct stoa *reader;
	struct stoa_proxy *duo;
	struct stoa_stamp at;
	uint32_t b;
	int64_t v = 1;
	(void)i;
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &reader));
	ok(stoa_open(reader, "duo", NULL, STOA_DEFAULT, &duo));
	ok(stoa_find_attr(duo, "b", STOA_I64, &b));
	refused(-EINVAL, stoa_find_attr(duo, "b", STOA_U64, &b));
	says("is i64");
	refused(-ENOENT, stoa_find_attr(duo, "c", STOA_I64, &b));
	ok(stoa_get(duo, b, &v, sizeof(v), STOA_DEFAULT, &at));
	assert_int_equal(v, 6);
	refused(-EACCES, stoa_assign(duo, b, &v, sizeof(v), STOA_DEFAULT));
	refused(-EACCES, stoa_stop(reader, STOA_NOW, STOA_DEFAULT));
	atomic_fetch_add(waiting, 1);
	ok(stoa_wait(duo, b, at.version, SOON, NULL));
	ok(stoa_get(duo, b, &v, sizeof(v), STOA_DEFAULT, &at));
	assert_int_equal(v, 42);
	stoa_detach(reader);
}

static void read_only_client_reads_and_waits_and_writes_nothing(void)
{
	start();
	waiting = harness_shared(sizeof(*waiting));
	harness_spawn(look_only, 0);
	until(atomic_load(waiting) == 1);
	assign_b(42);
	harness_join_all();
}

static void wait_only(int i)
{
	struct stoa *reader;
	struct stoa_proxy *duo;
	struct stoa_stamp at;
	int64_t v;
	(void)i;
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &reader));
	ok(stoa_open(reader, "duo", &duo_class, STOA_DEFAULT, &duo));
	ok(stoa_get(duo, offsetof(struct duo, b), &v, sizeof(v), STOA_DEFAULT, &at));
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		atomic_store(waiting, n);
		ok(stoa_wait(duo, offsetof(struct duo, b), at.version, SOON, &at));
	}
	stoa_detach(reader);
}

/* Nor must one that cannot announce itself. */
static void wait_of_a_read_only_client_is_woken_and_does_not_poll(void)
{
	start();
	waiting = harness_shared(sizeof(*waiting));
	pid_t child = harness_spawn(wait_only, 0);
	until(atomic_load(waiting) == 1);
	int64_t before = clock_now();
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		until(atomic_load(waiting) == n);
		usleep(2000); /* it sleeps by now, mostly */
		assign_b(n);
	}
	harness_join(child);
	assert_true(clock_now() - before < ROUNDS * STOA_MS(40 * HARNESS_SLOW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(assigning_the_same_value_is_a_change),
		HARNESS(pending_write_delays_only_reads_of_its_attribute),
		HARNESS(read_only_client_reads_and_waits_and_writes_nothing),
		HARNESS(read_waits_when_another_process_has_a_write_pending),
		HARNESS(stamp_tells_who_wrote_and_when),
		HARNESS(wait_is_woken_and_does_not_poll),
		HARNESS(wait_of_a_read_only_client_is_woken_and_does_not_poll),
		HARNESS(wait_returns_when_the_attribute_changes),
		HARNESS(wait_times_out_when_only_another_attribute_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
