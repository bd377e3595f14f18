/*
 * log.c: the last messages of guardian and coordinator, read from the state.
 */
#include <stdio.h>

#include "include/stoa/observe.h"
#include "proxy/handle.h"
#include "src/cancel.h"

static bool copy(const struct stoa *s, uint64_t number, struct stoa_logged *ret)
{
	const struct logged *e = space_logged(&s->space, number);
	*ret = (struct stoa_logged){ .number = atomic_load_explicit(&e->number, memory_order_acquire),
				     .time_ns = e->time_ns,
				     .priority = e->priority,
				     .pid = (uint32_t)e->pid };
	snprintf(ret->text, sizeof(ret->text), "%.*s", (int)sizeof(e->text) - 1, e->text);
	atomic_thread_fence(memory_order_acquire);
	return ret->number == number && atomic_load_explicit(&e->number, memory_order_relaxed) == number;
}

int stoa_log(struct stoa *s, uint64_t after, int (*each)(void *, const struct stoa_logged *), void *data)
{
	CANCEL_LATER;
	uint64_t n = atomic_load_explicit(&s->space.state->life.logged, memory_order_acquire);
	uint64_t before = n > LOGGED ? n - LOGGED : 0;
	for (uint64_t i = after > before ? after : before; i < n; i++) { /* i + 1 <= n, whatever n is */
		struct stoa_logged l;
		if (copy(s, i + 1, &l) && each(data, &l))
			break;
	}
	return 0;
}
