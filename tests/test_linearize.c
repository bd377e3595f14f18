/*
 * test_linearize.c: the judge of tests/torture/linear.c is fed histories made by hand, right ones and wrong ones, and
 * its verdict on small random ones is compared with that of trying every order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/torture/linearize.h"

enum { XA, XB, YA, YB };

#define GET(c, v)                                                                                                      \
	{                                                                                                              \
		.kind = STEP_READ, .cell = (c), .answered = true, .answer = (v)                                        \
	}
#define SET(c, v)                                                                                                      \
	{                                                                                                              \
		.kind = STEP_SET, .cell = (c), .value = (v)                                                            \
	}
#define ADD(c, v)                                                                                                      \
	{                                                                                                              \
		.kind = STEP_ADD, .cell = (c), .value = (v)                                                            \
	}
#define ADDED(c, v, to)                                                                                                \
	{                                                                                                              \
		.kind = STEP_ADD, .cell = (c), .value = (v), .answered = true, .answer = (to)                          \
	}
#define COPY(c, f)                                                                                                     \
	{                                                                                                              \
		.kind = STEP_COPY, .cell = (c), .from = (f)                                                            \
	}

/* An operation from stamp to stamp, of up to four steps. */
#define OP(from, to, ...)                                                                                              \
	{                                                                                                              \
		.began = (from), .ended = (to), .how = "", .steps = { __VA_ARGS__ },                                   \
		.n_steps = sizeof((struct step[]){ __VA_ARGS__ }) / sizeof(struct step)                                \
	}
#define OPEN LINEAR_OPEN

static bool judge_ops(const struct op *ops, size_t n)
{
	struct explanation e;
	struct history h = { .n = (uint32_t)n };
	for (size_t i = 0; i < n; i++)
		h.ops[i] = ops[i];
	bool good = linearize(&h, &e);
	assert_true(!good || e.n <= n);
	return good;
}
#define judge(...)                                                                                                     \
	judge_ops((const struct op[]){ __VA_ARGS__ }, sizeof((const struct op[]){ __VA_ARGS__ }) / sizeof(struct op))

static void linearize_accepts_one_after_another(void **state)
{
	(void)state;
	assert_true(judge_ops(NULL, 0));
	assert_true(judge(OP(1, 2, SET(XA, 5)), OP(3, 4, ADDED(XA, 2, 7)), OP(5, 6, GET(XA, 7)), OP(7, 8, GET(XB, 0))));
}

static void linearize_accepts_either_order_of_what_overlaps(void **state)
{
	(void)state;
	assert_true(judge(OP(1, 4, SET(XA, 5)), OP(2, 3, GET(XA, 0))));
	assert_true(judge(OP(1, 4, SET(XA, 5)), OP(2, 3, GET(XA, 5))));
	assert_true(judge(OP(1, 3, SET(XA, 5)), OP(2, 4, SET(XA, 6)), OP(5, 6, GET(XA, 5))));
	assert_true(judge(OP(1, 3, SET(XA, 5)), OP(2, 4, SET(XA, 6)), OP(5, 6, GET(XA, 6))));
}

static void linearize_lets_the_unknown_apply_late_or_never(void **state)
{
	(void)state;
	assert_true(judge(OP(1, OPEN, SET(XA, 5)), OP(2, 3, GET(XA, 0)), OP(4, 5, GET(XA, 0))));
	assert_true(judge(OP(1, OPEN, SET(XA, 5)), OP(2, 3, GET(XA, 0)), OP(4, 5, GET(XA, 5))));
	assert_false(judge(OP(1, OPEN, SET(XA, 5)), OP(2, 3, GET(XA, 5)), OP(4, 5, GET(XA, 0))));
	assert_false(judge(OP(1, 2, GET(XA, 5)), OP(3, OPEN, SET(XA, 5))));
	assert_false(judge(OP(1, OPEN, ADD(XA, 5)), OP(2, 3, GET(XA, 10))));
}

static void linearize_finds_a_stale_read(void **state)
{
	(void)state;
	assert_false(judge(OP(1, 2, SET(XA, 5)), OP(3, 4, GET(XA, 0))));
	assert_false(judge(OP(1, 6, SET(XA, 5)), OP(2, 3, GET(XA, 5)), OP(4, 5, GET(XA, 0))));
}

static void linearize_finds_a_lost_update(void **state)
{
	(void)state;
	assert_false(judge(OP(1, 3, ADDED(XA, 1, 1)), OP(2, 4, ADDED(XA, 1, 1))));
	assert_false(judge(OP(1, 3, ADD(XA, 1)), OP(2, 4, ADD(XA, 2)), OP(5, 6, GET(XA, 2))));
}

static void linearize_finds_a_duplicate(void **state)
{
	(void)state;
	assert_false(judge(OP(1, 2, ADD(XA, 1)), OP(3, 4, GET(XA, 2))));
	assert_false(judge(OP(1, 4, SET(XA, 5)), OP(2, 3, SET(XA, 6)), OP(5, 6, GET(XA, 5)), OP(7, 8, GET(XA, 6)),
			   OP(9, 10, GET(XA, 5))));
}

static void linearize_finds_a_torn_snapshot(void **state)
{
	(void)state;
	assert_true(judge(OP(1, 4, SET(XA, 1), SET(YB, 1)), OP(2, 3, GET(XA, 1), GET(YB, 1))));
	assert_false(judge(OP(1, 4, SET(XA, 1), SET(YB, 1)), OP(2, 3, GET(XA, 1), GET(YB, 0))));
}

/* Each object alone is right here: the first snapshot says x before y, the second y before x. */
static void linearize_finds_what_only_all_objects_show(void **state)
{
	(void)state;
	assert_false(judge(OP(1, 8, SET(XA, 1)), OP(2, 7, SET(YA, 1)), OP(3, 6, GET(XA, 1), GET(YA, 0)),
			   OP(4, 5, GET(XA, 0), GET(YA, 1))));
	assert_true(judge(OP(1, 8, SET(XA, 1)), OP(2, 7, SET(YA, 1)), OP(3, 6, GET(XA, 1), GET(YA, 0)),
			  OP(4, 5, GET(XA, 0), GET(YA, 0))));
}

/* A write that nobody waits for yet, and one behind it that has used its value. */
static void linearize_finds_a_value_used_before_its_time(void **state)
{
	(void)state;
	assert_false(
		judge(OP(1, OPEN, SET(XA, 1)), OP(2, 3, COPY(XB, XA)), OP(4, 5, GET(XA, 0)), OP(6, 7, GET(XB, 1))));
	assert_true(judge(OP(1, OPEN, SET(XA, 1)), OP(2, 3, COPY(XB, XA)), OP(4, 5, GET(XA, 0)), OP(6, 7, GET(XB, 0))));
}

/* ---- against every order ---- */

static uint64_t drawn = 1;

static uint64_t draw(uint64_t below)
{
	drawn = drawn * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (drawn >> 33) % below;
}

static struct op random_op(uint64_t at)
{
	struct op op = { .began = at, .how = "", .n_steps = 1 + (uint32_t)draw(2) };
	op.ended = draw(8) == 0 ? OPEN : at + 1 + 2 * draw(8);
	for (uint32_t i = 0; i < op.n_steps; i++) {
		struct step *s = &op.steps[i];
		*s = (struct step){ .kind = (enum step_kind)draw(4),
				    .cell = (uint8_t)draw(2),
				    .from = (uint8_t)draw(2),
				    .value = 1 + draw(2),
				    .answer = draw(3) };
		s->answered = op.ended != OPEN && (s->kind == STEP_READ || draw(3) == 0);
	}
	return op;
}

static bool follows(const struct op *ops, uint32_t n, uint32_t left, uint64_t *cells)
{
	bool all = true;
	for (uint32_t i = 0; i < n; i++) {
		if (!(left >> i & 1))
			continue;
		all = all && ops[i].ended == OPEN;
		bool may = true;
		for (uint32_t k = 0; k < n; k++)
			may = may && (!(left >> k & 1) || ops[k].ended > ops[i].began);
		uint64_t next[2] = { cells[0], cells[1] };
		for (uint32_t k = 0; may && k < ops[i].n_steps; k++) {
			const struct step *s = &ops[i].steps[k];
			next[s->cell] = s->kind == STEP_SET    ? s->value
					: s->kind == STEP_ADD  ? next[s->cell] + s->value
					: s->kind == STEP_COPY ? next[s->from]
							       : next[s->cell];
			may = !s->answered || next[s->cell] == s->answer;
		}
		if (may && follows(ops, n, left & ~(1u << i), next))
			return true;
	}
	return all;
}

static void linearize_agrees_with_every_order_tried(void **state)
{
	(void)state;
	int good = 0, bad = 0;
	for (int round = 0; round < 20000; round++) {
		struct op ops[6];
		uint32_t n = 1 + (uint32_t)draw(6);
		for (uint32_t i = 0; i < n; i++)
			ops[i] = random_op(2 * i);
		bool expected = follows(ops, n, (1u << n) - 1, (uint64_t[]){ 0, 0 });
		assert_int_equal(judge_ops(ops, n), expected);
		good += expected;
		bad += !expected;
	}
	assert_true(good > 1000 && bad > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linearize_accepts_one_after_another),
		cmocka_unit_test(linearize_accepts_either_order_of_what_overlaps),
		cmocka_unit_test(linearize_lets_the_unknown_apply_late_or_never),
		cmocka_unit_test(linearize_finds_a_stale_read),
		cmocka_unit_test(linearize_finds_a_lost_update),
		cmocka_unit_test(linearize_finds_a_duplicate),
		cmocka_unit_test(linearize_finds_a_torn_snapshot),
		cmocka_unit_test(linearize_finds_what_only_all_objects_show),
		cmocka_unit_test(linearize_finds_a_value_used_before_its_time),
		cmocka_unit_test(linearize_agrees_with_every_order_tried),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
