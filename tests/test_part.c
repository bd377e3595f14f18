/*
 * test_part.c: how a class is cut into parts: each attribute is in one, together with its stamp and its place, and what
 * is large or of any length has one of its own.
 */
#include "src/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "src/class.h"

#define MANY 200

struct mixed {
	int64_t a;
	char big[2000];
	int32_t b;
	stoa_text text;
	double c[100];
	stoa_blob blobs[2];
	bool d;
};
STOA_STRUCT(mixed, STOA_ATTR(struct mixed, a), STOA_ATTR(struct mixed, big), STOA_ATTR(struct mixed, b),
	    STOA_ATTR(struct mixed, text), STOA_ATTR(struct mixed, c), STOA_ATTR(struct mixed, blobs),
	    STOA_ATTR(struct mixed, d));
STOA_RECORD(mixed, 1);

/* Each attribute is in the part that says so, once; stamps are numbered through. */
static void consistent(const struct class_plan *plan, const struct stoa_class *cls)
{
	uint32_t seen = 0, stamps = 0;
	assert_int_equal(plan->n_attrs, cls->state->n_attrs);
	for (uint32_t p = 0; p < plan->n_attr_parts; p++) {
		const struct part_plan *part = &plan->parts[p];
		assert_true(part->n_attrs > 0);
		assert_int_equal(part->first_stamp, stamps);
		assert_int_equal(part->image->n_fields, part->n_attrs);
		assert_int_equal(part->image_at % 8, (8 - part->image->head_size % 8) % 8);
		assert_true(part->image_at >= sizeof(struct cell) + part->n_attrs * sizeof(struct stamp));
		for (uint32_t i = 0; i < part->n_attrs; i++, seen++) {
			assert_int_equal(plan->part_of[part->attrs[i]], p);
			assert_int_equal(plan->place_of[part->attrs[i]], i);
		}
		stamps += part->n_attrs;
	}
	assert_int_equal(seen, plan->n_attrs);
}

static void large_and_variable_attributes_have_parts_of_their_own(void **state)
{
	struct class_plan *plan;
	char text[STOA_ERROR_MAX];
	(void)state;
	assert_int_equal(class_check(&mixed_class, text), 0);
	assert_int_equal(part_plan_new(&mixed_class, &plan), 0);
	consistent(plan, &mixed_class);
	assert_int_equal(plan->n_parts, plan->n_attr_parts);
	for (uint32_t i = 0; i < mixed_struct.n_attrs; i++) {
		const struct stoa_attr *a = &mixed_attrs[i];
		if (a->size > 1024 || a->kind >= STOA_TEXT)
			assert_int_equal(plan->parts[plan->part_of[i]].n_attrs, 1);
	}
	assert_int_equal(plan->part_of[0], plan->part_of[2]); /* a and b are together */
	part_plan_free(plan);
	assert_null(part_plan_free(NULL));
}

static void many_attributes_are_cut_at_64(void **state)
{
	static struct stoa_attr attrs[MANY];
	static char names[MANY][16];
	const struct stoa_struct of = { .name = "many", .size = MANY, .align = 1, .attrs = attrs, .n_attrs = MANY };
	const struct stoa_class cls = { .name = "many", .state = &of };
	struct class_plan *plan;
	char text[STOA_ERROR_MAX];
	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "a%u", i);
		attrs[i] = (struct stoa_attr){
			.name = names[i], .offset = i, .size = 1, .dims = { 1, 1, 1 }, .kind = STOA_U8
		};
	}
	assert_int_equal(class_check(&cls, text), 0);
	assert_int_equal(part_plan_new(&cls, &plan), 0);
	consistent(plan, &cls);
	for (uint32_t p = 0; p < plan->n_parts; p++)
		assert_true(plan->parts[p].n_attrs <= 64);
	assert_int_equal(plan->n_parts, 4);
	part_plan_free(plan);
}

static void parts_of_hooks_come_after_those_of_attributes(void **state)
{
	const struct stoa_hooks hooks = { .parts = 3 };
	struct stoa_class cls = { .name = "mixed", .state = &mixed_struct, .hooks = &hooks };
	struct class_plan *plan;
	(void)state;
	assert_int_equal(part_plan_new(&cls, &plan), 0);
	consistent(plan, &cls);
	assert_int_equal(plan->n_parts, plan->n_attr_parts + 3);
	for (uint32_t p = plan->n_attr_parts; p < plan->n_parts; p++) {
		assert_int_equal(plan->parts[p].n_attrs, 0);
		assert_true(plan->parts[p].image->variable);
	}
	part_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_and_variable_attributes_have_parts_of_their_own),
		cmocka_unit_test(many_attributes_are_cut_at_64),
		cmocka_unit_test(parts_of_hooks_come_after_those_of_attributes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
