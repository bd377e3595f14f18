/*
 * test_order.c: one order for all: each thread's commands apply as it issued them, what was written is seen by whoever
 * reads afterwards, and a snapshot shows one moment.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"

#define WRITERS 10
#define PUSHES 20000
#define WRITES_NS STOA_MS(4000 * HARNESS_SLOW) /* after which fewer will do */

struct journal {
	uint32_t last[WRITERS];
	uint64_t taken, wrong;
};
struct word {
	uint64_t word;
};
STOA_STRUCT(journal, STOA_ATTR(struct journal, last), STOA_ATTR(struct journal, taken),
	    STOA_ATTR(struct journal, wrong));
STOA_STRUCT(word, STOA_ATTR(struct word, word));
STOA_STUB(journal, push, struct word, stoa_none);

static int journal_push(struct journal *self, const struct word *args, stoa_none *ret)
{
	uint32_t id = (uint32_t)(args->word >> 32), seq = (uint32_t)args->word;
	(void)ret;
	self->taken++;
	self->wrong += id >= WRITERS || seq != self->last[id % WRITERS] + 1;
	self->last[id % WRITERS] = seq;
	return 0;
}
STOA_METHOD(journal, push, word, stoa_none, .writes = "last taken wrong");
STOA_CLASS(journal, 1, &journal_push_row);

struct pair {
	int64_t a, b;
};
STOA_STRUCT(pair, STOA_ATTR(struct pair, a), STOA_ATTR(struct pair, b));
STOA_STUB(pair, up_a, stoa_none, stoa_none);
STOA_STUB(pair, up_b, stoa_none, stoa_none);

static int pair_up_a(struct pair *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->a++;
	return 0;
}
static int pair_up_b(struct pair *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->b++;
	return 0;
}
STOA_METHOD(pair, up_a, stoa_none, stoa_none, .writes = "a");
STOA_METHOD(pair, up_b, stoa_none, stoa_none, .writes = "b");
STOA_CLASS(pair, 1, &pair_up_a_row, &pair_up_b_row);

struct sheet {
	uint64_t n[8192];
};
STOA_STRUCT(sheet, STOA_ATTR(struct sheet, n));
STOA_STUB(sheet, turn, stoa_none, stoa_none);

static int sheet_turn(struct sheet *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	for (size_t i = 0; i < sizeof(self->n) / sizeof(self->n[0]); i++)
		self->n[i]++;
	return 0;
}
STOA_METHOD(sheet, turn, stoa_none, stoa_none, .writes = "n");
STOA_CLASS(sheet, 1, &sheet_turn_row);

static struct stoa *s;
static struct stoa_proxy *p, *q;
static _Atomic int64_t *written; /* by how many writes that have returned; -1: the writer is done */

/* Readers never sleep: a call that must wait for a processor at each wake may take a thousand times longer. */
static bool goes_on(int i, int most)
{
	static int64_t end;
	end = i == 0 ? clock_deadline(WRITES_NS) : end;
	return i < most && clock_now() < end;
}

/* ---- each writer's order ------------------------------------------------------------------------------------ */

static void push_often(int id)
{
	for (uint32_t seq = 1; seq <= PUSHES; seq++)
		ok(journal_push_cast(p, &(struct word){ (uint64_t)id << 32 | seq }, STOA_MS(20000)));
}

static void commands_of_each_process_keep_their_order(void)
{
	struct journal j;
	s = harness_start(STOA_CLASSES(&journal_class));
	p = harness_create(s, "journal", &journal_class, NULL);
	harness_spawn_all(WRITERS, push_often);
	harness_join_all();
	ok(stoa_snapshot(p, &j, sizeof(j), STOA_DEFAULT, NULL));
	assert_int_equal(j.taken, WRITERS * PUSHES);
	assert_int_equal(j.wrong, 0);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(j.last[i], PUSHES);
}

/* ---- no stale reads ----------------------------------------------------------------------------------------- */

static void read_what_is_written(int i)
{
	int64_t seen = 0, at_least;
	while ((at_least = atomic_load(written)) >= 0) {
		if (i % 2)
			ok(STOA_GET(p, struct counter, value, &seen, STOA_DEFAULT));
		else
			ok(stoa_snapshot(p, &seen, sizeof(seen), STOA_DEFAULT, NULL));
		if (seen < at_least)
			fail_msg("read %jd after %jd were written", (intmax_t)seen, (intmax_t)at_least);
	}
}

static void reads_see_every_write_that_returned_before(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	written = harness_shared(sizeof(*written));
	harness_spawn_all(3, read_what_is_written);
	for (int i = 0; goes_on(i, 200000); i++) {
		ok(counter_add_cast(p, &(struct counter_args){ 1 }, STOA_DEFAULT));
		atomic_store(written, i + 1);
	}
	atomic_store(written, -1);
	harness_join_all();
}

/* ---- one moment --------------------------------------------------------------------------------------------- */

static void read_pairs(int i)
{
	struct pair now;
	(void)i;
	for (long n = 0; atomic_load(written) >= 0 || n < 100; n++) {
		ok(stoa_snapshot(p, &now, sizeof(now), STOA_DEFAULT, NULL));
		if (now.a - now.b != 0 && now.a - now.b != 1)
			fail_msg("a %jd, b %jd", (intmax_t)now.a, (intmax_t)now.b);
	}
}

static void snapshot_is_one_moment_when_two_methods_take_turns(void)
{
	s = harness_start(STOA_CLASSES(&pair_class));
	p = harness_create(s, "pair", &pair_class, NULL);
	written = harness_shared(sizeof(*written));
	harness_spawn_all(3, read_pairs);
	for (int i = 0; goes_on(i, 100000); i++) {
		ok(pair_up_a_cast(p, NULL, STOA_DEFAULT));
		ok(pair_up_b_cast(p, NULL, STOA_DEFAULT));
	}
	atomic_store(written, -1);
	harness_join_all();
}

static void read_sheet(int i)
{
	static struct sheet now;
	for (long n = 0; atomic_load(written) >= 0 || n < 100; n++) {
		if (i % 2)
			ok(stoa_get(p, offsetof(struct sheet, n), now.n, sizeof(now.n), SOON, NULL));
		else
			ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
		for (size_t k = 1; k < sizeof(now.n) / sizeof(now.n[0]); k++)
			if (now.n[k] != now.n[0])
				fail_msg("element %zu is %ju, the first %ju", k, (uintmax_t)now.n[k],
					 (uintmax_t)now.n[0]);
	}
}

/* Large, so that it is written again while it is copied. */
static void read_is_whole_while_a_large_attribute_changes(void)
{
	s = harness_start(STOA_CLASSES(&sheet_class));
	p = harness_create(s, "sheet", &sheet_class, NULL);
	written = harness_shared(sizeof(*written));
	harness_spawn_all(2, read_sheet);
	for (int i = 0; goes_on(i, 5000); i++)
		ok(sheet_turn_call(p, NULL, NULL, SOON));
	atomic_store(written, -1);
	harness_join_all();
}

static void read_both(int i)
{
	struct stoa_proxy *const both[] = { p, q };
	struct counter x, y;
	struct stoa_stamp at[2];
	(void)i;
	for (long n = 0; atomic_load(written) >= 0 || n < 100; n++) {
		ok(stoa_snapshot_many(2, both, (void *const[]){ &x, &y }, STOA_DEFAULT, at));
		if (x.value && at[0].version != at[1].version)
			fail_msg("one is of version %ju, the other of %ju", (uintmax_t)at[0].version,
				 (uintmax_t)at[1].version);
		if (x.value != y.value)
			fail_msg("one has %jd, the other %jd", (intmax_t)x.value, (intmax_t)y.value);
	}
}

static void snapshot_of_two_is_one_moment_when_one_command_changes_both(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "x", &counter_class, NULL);
	q = harness_create(s, "y", &counter_class, NULL);
	written = harness_shared(sizeof(*written));
	harness_spawn_all(3, read_both);
	for (int i = 0; goes_on(i, 50000); i++) {
		const struct counter_args one = { 1 };
		struct stoa_command both[] = {
			{ .proxy = p, .method = &counter_add_row, .args = &one },
			{ .proxy = q, .method = &counter_add_row, .args = &one },
		};
		ok(stoa_call_many(s, 2, both, STOA_DEFAULT));
	}
	atomic_store(written, -1);
	harness_join_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(commands_of_each_process_keep_their_order),
		HARNESS(read_is_whole_while_a_large_attribute_changes),
		HARNESS(reads_see_every_write_that_returned_before),
		HARNESS(snapshot_is_one_moment_when_two_methods_take_turns),
		HARNESS(snapshot_of_two_is_one_moment_when_one_command_changes_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
