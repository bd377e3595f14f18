/*
 * test_layout.c: every table has its place, and no limit that would not fit is taken.
 */
#include "src/layout.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct geometry usual = {
	.queue = 8192, .lanes = 1024, .objects = 65536, .flags = 4194304, .state = UINT64_C(1) << 30
};
static const struct geometry least = { .queue = 16, .lanes = 1, .objects = 1, .flags = 16, .state = UINT64_C(1) << 24 };

static void check_order(const struct geometry *g)
{
	assert_true(g->lanes_at >= sizeof(struct state_head));
	assert_true(g->rejects_at >= g->lanes_at + (g->lanes + 1) * sizeof(struct lane_row));
	assert_true(g->trace_at >= g->rejects_at + REJECTS * sizeof(struct reject));
	assert_true(g->log_at >= g->trace_at + TRACED * sizeof(struct traced));
	assert_true(g->attached_at >= g->log_at + LOGGED * sizeof(struct logged));
	assert_true(g->classes_at >= g->attached_at + ATTACHED * sizeof(struct attached));
	assert_true(g->tallies_at >= g->classes_at + CLASSES_MAX * sizeof(struct class_entry));
	assert_true(g->objects_at >= g->tallies_at + TALLIES * sizeof(struct tallied));
	assert_true(g->object_tallies_at >= g->objects_at + g->objects * sizeof(struct object_entry));
	assert_true(g->heap_at >= g->object_tallies_at + g->objects * sizeof(struct tallied));
	assert_true(g->state > g->heap_at);
	assert_true(RING_AT >= sizeof(struct ingress_head));
	assert_true(g->parks_at >= RING_AT + g->queue * sizeof(uint64_t));
	assert_true(g->flags_at >= g->parks_at + g->objects * sizeof(uint32_t));
	assert_true(g->ingress >= g->flags_at + g->flags * sizeof(uint64_t));
	const uint64_t at[] = { g->lanes_at,   g->rejects_at, g->trace_at, g->log_at,	g->attached_at, g->classes_at,
				g->tallies_at, g->objects_at, g->object_tallies_at,	g->heap_at,
				g->parks_at,   g->flags_at,   g->ingress };
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		assert_true(at[i] % LAYOUT_PAGE == 0);
}

static void layout_geometry_places_tables_apart(void **state)
{
	struct geometry g = usual;
	char text[STOA_ERROR_MAX];
	(void)state;
	assert_int_equal(layout_geometry(&g, text), 0);
	check_order(&g);
	g = least;
	assert_int_equal(layout_geometry(&g, text), 0);
	check_order(&g);
}

static void layout_geometry_is_repeatable(void **state)
{
	struct geometry once = usual, twice;
	char text[STOA_ERROR_MAX];
	(void)state;
	assert_int_equal(layout_geometry(&once, text), 0);
	twice = once;
	assert_int_equal(layout_geometry(&twice, text), 0);
	assert_memory_equal(&once, &twice, sizeof(once));
}

static void refused(struct geometry g, const char *option)
{
	char text[STOA_ERROR_MAX] = "";
	assert_int_equal(layout_geometry(&g, text), -EINVAL);
	assert_non_null(strstr(text, option));
}

static void layout_geometry_names_the_option_out_of_range(void **state)
{
	struct geometry g;
	(void)state;
	g = usual, g.queue = 8, refused(g, "max_queue is 8");
	g = usual, g.queue = 1u << 23, refused(g, "max_queue");
	g = usual, g.queue = 100, refused(g, "max_queue is 100; it must be a power of two");
	g = usual, g.lanes = 0, refused(g, "max_threads is 0");
	g = usual, g.lanes = LANES_MAX + 1, refused(g, "max_threads");
	g = usual, g.objects = 0, refused(g, "max_objects");
	g = usual, g.objects = UINT32_MAX, refused(g, "max_objects");
	g = usual, g.flags = 15, refused(g, "max_attrs");
	g = usual, g.flags = UINT32_MAX, refused(g, "max_attrs");
	g = usual, g.state = LAYOUT_PAGE, refused(g, "max_state");
	g = usual, g.state = UINT64_MAX, refused(g, "max_state");
}

static void space_addresses_stay_inside(void **state)
{
	struct geometry g = least;
	char text[STOA_ERROR_MAX];
	static char memory[8]; /* only addresses are computed */
	(void)state;
	assert_int_equal(layout_geometry(&g, text), 0);
	struct space s = { g, (struct state_head *)memory, (struct ingress_head *)memory };
	assert_ptr_equal(space_lane(&s, 1), memory + g.lanes_at + sizeof(struct lane_row));
	assert_ptr_equal(space_object(&s, 0), memory + g.objects_at);
	assert_ptr_equal(space_reject(&s, REJECTS + 3), space_reject(&s, 3));
	assert_ptr_equal(space_traced(&s, TRACED + 5), memory + g.trace_at + 5 * sizeof(struct traced));
	assert_ptr_equal(space_logged(&s, LOGGED + 1), memory + g.log_at + sizeof(struct logged));
	assert_ptr_equal(space_tally(&s, 3), memory + g.tallies_at + 3 * sizeof(struct tallied));
	assert_ptr_equal(space_object_tally(&s, 4), memory + g.object_tallies_at + 4 * sizeof(struct tallied));
	assert_ptr_equal(space_attached(&s, 2), memory + g.attached_at + 2 * sizeof(struct attached));
	assert_ptr_equal(space_flags(&s, 1), memory + g.flags_at + sizeof(uint64_t));
	assert_ptr_equal(space_park(&s, 2), memory + g.parks_at + 2 * sizeof(uint32_t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_geometry_places_tables_apart),
		cmocka_unit_test(layout_geometry_is_repeatable),
		cmocka_unit_test(layout_geometry_names_the_option_out_of_range),
		cmocka_unit_test(space_addresses_stay_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
