/*
 * stoa/queue.h - the built-in class "queue": values of any kind, first in, first out, shared.
 *
 * Create one with stoa_create(stoa, "jobs", &queue_class, &(struct queue_options){ .max = 1000 }, 0, &proxy). What
 * Python's queue does: put and get cost the same however many values wait. Since 0.1.
 *
 * A value is one of <stoa/any.h>, of at most STOA_ANY_MAX bytes, else -EMSGSIZE. put: -ENOBUFS: max values wait;
 * without max there is room for over 3 million numbers (60 MiB of short values), and for 4096 values of any size, then
 * -ENOSPC. A method that fails changes nothing. get of an empty queue is no failure: it has no value. Each value is got
 * once; who got it and dies has it.
 *
 * take waits for a value, as long as its call or submit does: what is put goes to who has waited longest, and is never
 * in the queue. Who has timed out or died is passed over, and no value is lost by it. Up to QUEUE_TAKERS wait, then
 * -EUSERS. A cast of take fails (-ESTALE), and so does one of several commands (-EINVAL).
 *
 * Attributes: len, how many values wait; takers, how many wait for one, with those who have given up since the last
 * value came; changes, which grows with each change; max; first and used, of its parts.
 */
#ifndef STOA_QUEUE_H
#define STOA_QUEUE_H

#include <stoa/any.h>

#ifdef __cplusplus
extern "C" {
#endif

struct queue {
	uint64_t len, changes;
	uint32_t first, used;
	void *own; /* the coordinator's */
	uint64_t max;
	uint32_t takers;
	void *waiting; /* the coordinator's */
};

#define QUEUE_TAKERS 128 /* that wait at a time */

struct queue_options {
	uint64_t max; /* 0: no limit */
};

struct queue_value {
	struct stoa_any value; /* in a result: free it with stoa_any_fini; none: the queue is empty */
};

struct queue_json {
	stoa_text json;
};

STOA__BUILTIN(stoa_class, queue_class);
STOA__BUILTIN(stoa_method, queue_clear_row);
STOA__BUILTIN(stoa_method, queue_extend_row);
STOA__BUILTIN(stoa_method, queue_get_row);
STOA__BUILTIN(stoa_method, queue_items_row);
STOA__BUILTIN(stoa_method, queue_peek_row);
STOA__BUILTIN(stoa_method, queue_put_row);
STOA__BUILTIN(stoa_method, queue_take_row);

STOA_STUB(queue, put, struct queue_value, stoa_none);
STOA_STUB(queue, get, stoa_none, struct queue_value);	/* takes away the first */
STOA_STUB(queue, take, stoa_none, struct queue_value);	/* the same, or what comes within the timeout of the call */
STOA_STUB(queue, peek, stoa_none, struct queue_value);	/* leaves it there */
STOA_STUB(queue, extend, struct queue_json, stoa_none); /* puts all of a JSON array, or nothing */
STOA_STUB(queue, items, stoa_none, struct queue_json);	/* all that wait: a JSON array. -EMSGSIZE: over 4 MiB */
STOA_STUB(queue, clear, stoa_none, stoa_none);

#ifdef __cplusplus
}
#endif

#endif
