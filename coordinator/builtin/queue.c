/*
 * queue.c: the methods of the built-in class "queue".
 */
#include "include/stoa/queue.h"

#include "coordinator/builtin/json.h"
#include "coordinator/builtin/sequence.h"

_Static_assert(offsetof(struct queue, max) == sizeof(struct sequence) &&
		       offsetof(struct queue, own) == offsetof(struct sequence, chunks),
	       "a queue begins as a sequence");

STOA_STRUCT(queue, STOA_ATTR(struct queue, len, .doc = "how many values wait"),
	    STOA_ATTR(struct queue, changes, .doc = "how often it was changed"),
	    STOA_ATTR(struct queue, first, .doc = "its first part"),
	    STOA_ATTR(struct queue, used, .doc = "how many parts it has"),
	    STOA_ATTR(struct queue, max, .doc = "how many may wait; 0: no limit", .writable = true));
STOA_STRUCT(queue_options, STOA_ATTR(struct queue_options, max, .doc = "how many may wait; 0: no limit"));
STOA_STRUCT(queue_value, STOA_ANY(struct queue_value, value));
STOA_STRUCT(queue_json, STOA_ATTR(struct queue_json, json));

static struct sequence *sequence_of(struct queue *self)
{
	return (struct sequence *)self;
}

static int put(struct queue *self, const struct stoa_any *value)
{
	struct sequence *s = sequence_of(self);
	struct any_bytes bytes = any_bytes(value);
	int r = any_check(value, false, "the value");
	if (r == 0 && self->max && s->len >= self->max)
		return stoa_fail(-ENOBUFS, "the queue is full: %ju values wait", (uintmax_t)s->len);
	return r ? r : sequence_insert(s, s->len, &bytes);
}

static int queue_put(struct queue *self, const struct queue_value *args, stoa_none *ret)
{
	(void)ret;
	return put(self, &args->value);
}

static int queue_peek(struct queue *self, const stoa_none *args, struct queue_value *ret)
{
	struct sequence_place p = { 0 };
	struct any_bytes bytes;
	(void)args;
	return sequence_next(sequence_of(self), &p, &bytes) ? any_get(&bytes, &ret->value) : 0;
}

static int queue_get(struct queue *self, const stoa_none *args, struct queue_value *ret)
{
	int r = queue_peek(self, args, ret);
	return r || !ret->value.kind ? r : sequence_remove(sequence_of(self), 0);
}

static int put_one(void *data, const stoa_text *key, const struct stoa_any *value)
{
	(void)key;
	return put(data, value);
}

static int queue_extend(struct queue *self, const struct queue_json *args, stoa_none *ret)
{
	(void)ret;
	return json_read(&args->json, false, put_one, self);
}

static int queue_items(struct queue *self, const stoa_none *args, struct queue_json *ret)
{
	(void)args;
	return sequence_json(sequence_of(self), 0, sequence_of(self)->len, &ret->json);
}

static int queue_clear(struct queue *self, const stoa_none *args, stoa_none *ret)
{
	(void)args, (void)ret;
	sequence_clear(sequence_of(self));
	return 0;
}

static int init(void *self, const void *args)
{
	((struct queue *)self)->max = ((const struct queue_options *)args)->max;
	return sequence_init(self, NULL);
}

static const struct stoa_hooks hooks = { .init_args = &queue_options_struct,
					 .init = init,
					 .fini = sequence_fini,
					 .parts = SEQUENCE_PARTS,
					 .pack = sequence_pack,
					 .unpack = sequence_unpack,
					 .by_part = true };

#define WRITES .writes = "len changes first used"
STOA_METHOD(queue, put, queue_value, stoa_none, WRITES, .doc = "value at the end");
STOA_METHOD(queue, get, stoa_none, queue_value, WRITES, .doc = "take away the first");
STOA_METHOD(queue, peek, stoa_none, queue_value, .doc = "the first, which stays");
STOA_METHOD(queue, extend, queue_json, stoa_none, WRITES, .doc = "all of a JSON array at the end");
STOA_METHOD(queue, items, stoa_none, queue_json, .ret_max = JSON_MAX, .doc = "all that wait: a JSON array");
STOA_METHOD(queue, clear, stoa_none, stoa_none, WRITES, .doc = "take away all");
STOA_CLASS_HOOKS(queue, 1, &hooks, &queue_put_row, &queue_get_row, &queue_peek_row, &queue_extend_row, &queue_items_row,
		 &queue_clear_row);
