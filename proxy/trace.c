/*
 * trace.c: the last commands, read from the flight recorder in the state (coordinator/trace.h writes it).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/stoa/observe.h"
#include "proxy/bind.h"
#include "proxy/names.h"
#include "src/cancel.h"
#include "src/error.h"
#include "src/ring.h"

#define ROUNDS 16

static const char *const kinds[] = {
	[RECORD_CALL] = "call",	    [RECORD_ASSIGN] = "assign", [RECORD_ASSIGN_ALL] = "assign",
	[RECORD_CREATE] = "create", [RECORD_REMOVE] = "remove", [RECORD_MANY] = "many",
	[RECORD_FOLD] = "fold",	    [RECORD_DECLARE] = "declare",
	[RECORD_STAGE] = "stage",
};

/* What the coordinator itself publishes is of coordinator/leave.h. */
static const char *kind_name(uint32_t kind, uint32_t lane)
{
	if (kind == RECORD_MANY && lane == RING_LANE_SPECIAL)
		return "leave";
	return kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[kind] ? kinds[kind] : "?";
}

/* What stands in its place, if that is of this ticket and was not being written meanwhile. */
static bool copy(const struct stoa *s, uint64_t ticket, struct traced *ret)
{
	const struct traced *e = space_traced(&s->space, ticket);
	if (atomic_load_explicit(&e->ticket, memory_order_acquire) != ticket + 1)
		return false;
	memcpy(ret, e, sizeof(*ret));
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&e->ticket, memory_order_relaxed) == ticket + 1;
}

/*
 * The commands from `after` on that are kept, oldest first: copied before anything else is done with them, as the next
 * ones are written over them. Once more, where so many came meanwhile that the newest may be lost, too.
 */
static size_t copy_all(const struct stoa *s, uint64_t after, struct traced *all)
{
	size_t n = 0;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t end = handle_committed(s), first = end > TRACED ? end - TRACED : 0;
		n = 0;
		for (uint64_t i = after > first ? after : first; i < end; i++)
			n += copy(s, i, &all[n]);
		if (handle_committed(s) - end < TRACED / 2)
			break;
	}
	return n;
}

static bool has_row(uint32_t kind)
{
	return kind == RECORD_CALL || kind == RECORD_FOLD || kind == RECORD_ASSIGN;
}

static void fill(struct stoa *s, const struct traced *e, struct stoa_traced *ret)
{
	uint16_t bits = atomic_load_explicit(&e->kind, memory_order_acquire);
	uint16_t kind = bits & (uint16_t) ~(TRACED_TIMED | TRACED_TICKS);
	bool exact = bits & TRACED_TIMED && !(bits & TRACED_TICKS);
	*ret = (struct stoa_traced){ .ticket = atomic_load(&e->ticket) - 1,
				     .time_ns = e->time_ns,
				     .run_ns = bits & TRACED_TIMED ? atomic_load(&e->run_ns) : -1,
				     .queued_ns = exact ? e->queued_ns : -1,
				     .about = bits & TRACED_TICKS,
				     .status = e->status,
				     .pid = (uint32_t)e->pid,
				     .client = e->lane,
				     .n = kind == RECORD_MANY ? e->row : 1 };
	snprintf(ret->kind, sizeof(ret->kind), "%s", kind_name(kind, e->lane));
	names_object(s, e->object, e->origin, ret->object);
	names_class(s, e->class_id, ret->class_name);
	if (has_row(kind))
		names_row(s, e->class_id, e->row, kind == RECORD_ASSIGN, ret->row);
}

/* The one that runs, or ran when the coordinator died, as the heartbeat and the queue have it. */
static bool find_running(struct stoa *s, struct stoa_traced *ret)
{
	const struct pulse *p = &s->space.state->pulse;
	uint64_t running = atomic_load_explicit(&p->running, memory_order_acquire), word;
	uint32_t object = atomic_load(&p->object);
	if (running == 0 || running == PULSE_LOADING || running <= handle_committed(s))
		return false;
	*ret = (struct stoa_traced){ .ticket = running - 1, .run_ns = -1, .queued_ns = -1, .n = 1, .running = true };
	snprintf(ret->kind, sizeof(ret->kind), "call");
	uint32_t class_id = names_object(s, object, 0, ret->object);
	names_class(s, class_id, ret->class_name);
	names_row(s, class_id, atomic_load(&p->row), false, ret->row);
	ret->client = UINT32_MAX;
	if (ring_take(&s->space, running - 1, &word) && ring_word_lane(word) < space_lanes(&s->space)) {
		ret->client = ring_word_lane(word);
		ret->pid = (uint32_t)atomic_load(&space_lane(&s->space, ret->client)->pid);
	}
	return atomic_load(&p->running) == running;
}

int stoa_trace(struct stoa *s, uint64_t after, int (*each)(void *, const struct stoa_traced *), void *data)
{
	CANCEL_LATER;
	struct traced *all = malloc(TRACED * sizeof(*all));
	struct stoa_traced t;
	bool enough = false;
	if (!all)
		return error_set(-ENOMEM, "no memory for the last commands");
	size_t n = copy_all(s, after, all);
	for (size_t i = 0; i < n && !enough; i++) {
		fill(s, &all[i], &t);
		enough = each(data, &t);
	}
	free(all);
	if (!enough && find_running(s, &t) && t.ticket >= after)
		each(data, &t);
	return 0;
}
