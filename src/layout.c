/*
 * layout.c: the offsets of a namespace's segments, computed from its five limits.
 */
#include "src/layout.h"

#include <errno.h>
#include <stdio.h>

static uint64_t place(uint64_t *at, uint64_t size)
{
	uint64_t here = *at;
	*at = (here + size + LAYOUT_PAGE - 1) / LAYOUT_PAGE * LAYOUT_PAGE;
	return here;
}

static int check(const char *option, uint64_t value, uint64_t min, uint64_t max, char text[STOA_ERROR_MAX])
{
	if (value >= min && value <= max)
		return 0;
	snprintf(text, STOA_ERROR_MAX, "option %s is %ju; it can be %ju to %ju", option, (uintmax_t)value,
		 (uintmax_t)min, (uintmax_t)max);
	return -EINVAL;
}

int layout_geometry(struct geometry *g, char text[STOA_ERROR_MAX])
{
	if (check("max_queue", g->queue, LAYOUT_QUEUE_MIN, LAYOUT_QUEUE_MAX, text) ||
	    check("max_threads", g->lanes, 1, THREADS_MAX, text) ||
	    check("max_objects", g->objects, 1, 1u << 24, text) || check("max_attrs", g->flags, 16, 1u << 30, text))
		return -EINVAL;
	if (g->queue & (g->queue - 1)) {
		snprintf(text, STOA_ERROR_MAX, "option max_queue is %u; it must be a power of two", g->queue);
		return -EINVAL;
	}
	uint64_t at = 0;
	place(&at, LAYOUT_PAGE);
	g->lanes_at = place(&at, 2 * (uint64_t)g->lanes * sizeof(struct lane_row));
	g->rejects_at = place(&at, REJECTS * sizeof(struct reject));
	g->trace_at = place(&at, TRACED * sizeof(struct traced));
	g->log_at = place(&at, LOGGED * sizeof(struct logged));
	g->attached_at = place(&at, ATTACHED * sizeof(struct attached));
	g->classes_at = place(&at, CLASSES_MAX * sizeof(struct class_entry));
	g->tallies_at = place(&at, TALLIES * sizeof(struct tallied));
	g->objects_at = place(&at, (uint64_t)g->objects * sizeof(struct object_entry));
	g->object_tallies_at = place(&at, (uint64_t)g->objects * sizeof(struct tallied));
	g->heap_at = at;
	if (check("max_state", g->state, at + LAYOUT_PAGE, UINT64_C(1) << 44, text))
		return -EINVAL;
	at = RING_AT;
	place(&at, (uint64_t)g->queue * sizeof(uint64_t));
	g->parks_at = place(&at, (uint64_t)g->objects * sizeof(uint32_t));
	g->flags_at = place(&at, (uint64_t)g->flags * sizeof(uint64_t));
	g->ingress = at;
	g->queue_log = (uint32_t)__builtin_ctz(g->queue);
	return 0;
}
