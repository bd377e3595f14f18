/*
 * rejected.c: the records of rejections, read from the state.
 */
#include <stdio.h>

#include "proxy/handle.h"
#include "src/cancel.h"
#include "src/cell.h"

/* How many were ever rejected, as committed: the records up to there count. */
static uint64_t count(const struct stoa *s)
{
	const struct state_head *state = s->space.state;
	for (;;) {
		uint64_t tag;
		int k = cell_current(&state->totals_tags, handle_committed(s), &tag);
		uint64_t n = k < 0 ? 0 : state->totals[k].rejected;
		if (k < 0 ? tag == 0 : cell_still(&state->totals_tags, k, tag))
			return n;
	}
}

/* A record is overwritten by the one REJECTS later; before that is committed, `count` tells that it may be. */
static bool copy(const struct stoa *s, uint64_t number, struct stoa_rejection *ret)
{
	const struct reject *e = space_reject(&s->space, number);
	*ret = (struct stoa_rejection){ .number = atomic_load_explicit(&e->number, memory_order_acquire),
					.ticket = e->ticket,
					.time_ns = e->time_ns,
					.code = e->code,
					.origin = (enum stoa_origin)e->origin,
					.pid = (uint32_t)e->pid,
					.client = e->lane };
	snprintf(ret->object, sizeof(ret->object), "%.*s", STOA_NAME_MAX, e->object);
	snprintf(ret->class_name, sizeof(ret->class_name), "%.*s", STOA_NAME_MAX, e->class_name);
	snprintf(ret->row, sizeof(ret->row), "%.*s", STOA_NAME_MAX, e->row);
	snprintf(ret->text, sizeof(ret->text), "%.*s", STOA_ERROR_MAX - 1, e->text);
	atomic_thread_fence(memory_order_acquire);
	return ret->number == number && atomic_load_explicit(&e->number, memory_order_relaxed) == number;
}

int stoa_rejected(struct stoa *s, uint64_t after, int (*each)(void *, const struct stoa_rejection *), void *data)
{
	CANCEL_LATER;
	uint64_t n = count(s), first = n > REJECTS ? n - REJECTS + 1 : 1;
	for (uint64_t i = after + 1 > first ? after + 1 : first; i <= n; i++) {
		struct stoa_rejection r;
		if (copy(s, i, &r) && each(data, &r))
			break;
	}
	return 0;
}
