/*
 * queue.c: the methods of the built-in class "queue". Its last part has the tokens of those who wait for a value, the
 * longest waiting first; while there are any who have not given up, there is no value.
 */
#include "include/stoa/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/builtin/json.h"
#include "coordinator/builtin/sequence.h"

_Static_assert(offsetof(struct queue, max) == sizeof(struct sequence) &&
		       offsetof(struct queue, own) == offsetof(struct sequence, chunks),
	       "a queue begins as a sequence");

STOA_STRUCT(queue, STOA_ATTR(struct queue, len, .doc = "how many values wait"),
	    STOA_ATTR(struct queue, changes, .doc = "how often it was changed"),
	    STOA_ATTR(struct queue, first, .doc = "its first part"),
	    STOA_ATTR(struct queue, used, .doc = "how many parts it has"),
	    STOA_ATTR(struct queue, max, .doc = "how many may wait; 0: no limit", .writable = true),
	    STOA_ATTR(struct queue, takers, .doc = "how many wait for a value, or did"));
STOA_STRUCT(queue_options, STOA_ATTR(struct queue_options, max, .doc = "how many may wait; 0: no limit"));
STOA_STRUCT(queue_value, STOA_ANY(struct queue_value, value));
STOA_STRUCT(queue_json, STOA_ATTR(struct queue_json, json));

static struct sequence *sequence_of(struct queue *self)
{
	return (struct sequence *)self;
}

/* ---- who waits ---- */

#define TAKERS_PART SEQUENCE_PARTS

static struct stoa_token *takers_of(const struct queue *self)
{
	return self->waiting;
}

static int takers_room(struct queue *self)
{
	if (!self->waiting)
		self->waiting = calloc(QUEUE_TAKERS, sizeof(struct stoa_token));
	return self->waiting ? 0 : -ENOMEM;
}

/* Strike the first. */
static void takers_shift(struct queue *self)
{
	stoa_touch(TAKERS_PART);
	self->takers--;
	memmove(takers_of(self), takers_of(self) + 1, self->takers * sizeof(struct stoa_token));
}

/* Strike those who have given up. */
static void takers_tidy(struct queue *self)
{
	uint32_t n = 0;
	stoa_touch(TAKERS_PART);
	for (uint32_t i = 0; i < self->takers; i++)
		if (stoa_wanted(&takers_of(self)[i]))
			takers_of(self)[n++] = takers_of(self)[i];
	self->takers = n;
}

static int takers_add(struct queue *self)
{
	struct stoa_token token;
	int r = takers_room(self);
	r = r ? r : stoa_defer(&token);
	if (r < 0)
		return r;
	if (self->takers == QUEUE_TAKERS)
		takers_tidy(self);
	if (self->takers == QUEUE_TAKERS)
		return stoa_fail(-EUSERS, "%d wait for a value of this queue already", QUEUE_TAKERS);
	stoa_touch(TAKERS_PART);
	takers_of(self)[self->takers++] = token;
	return 0;
}

/* Hand the value to who has waited longest. *ret_given: there was one. */
static int takers_give(struct queue *self, const struct stoa_any *value, bool *ret_given)
{
	const struct queue_value taken = { *value };
	int r = -ESTALE;
	while (self->takers && r == -ESTALE) {
		r = stoa_answer(&takers_of(self)[0], 0, &taken);
		takers_shift(self);
	}
	*ret_given = r == 0;
	self->changes += r == 0;
	return r == -ESTALE ? 0 : r;
}

/* ---- methods ---- */

static int put(struct queue *self, const struct stoa_any *value)
{
	struct sequence *s = sequence_of(self);
	struct any_bytes bytes = any_bytes(value);
	bool given = false;
	int r = any_check(value, false, "the value");
	if (r == 0 && self->takers)
		r = takers_give(self, value, &given);
	if (r < 0 || given)
		return r;
	if (self->max && s->len >= self->max)
		return stoa_fail(-ENOBUFS, "the queue is full: %ju values wait", (uintmax_t)s->len);
	return sequence_insert(s, s->len, &bytes);
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

static int queue_take(struct queue *self, const stoa_none *args, struct queue_value *ret)
{
	int r = queue_get(self, args, ret);
	return r || ret->value.kind ? r : takers_add(self);
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

/* ---- hooks ---- */

static int init(void *self, const void *args)
{
	((struct queue *)self)->max = ((const struct queue_options *)args)->max;
	return sequence_init(self, NULL);
}

static void fini(void *self)
{
	struct queue *q = self;
	free(q->waiting);
	q->waiting = NULL;
	sequence_fini(self);
}

static int pack(const void *self, uint32_t part, stoa_blob *ret)
{
	const struct queue *q = self;
	return part < TAKERS_PART ? sequence_pack(self, part, ret)
				  : stoa_blob_set(ret, q->waiting, q->takers * sizeof(struct stoa_token));
}

static int unpack(void *self, uint32_t part, const void *data, size_t size)
{
	struct queue *q = self;
	if (part < TAKERS_PART)
		return sequence_unpack(self, part, data, size);
	if (q->takers > QUEUE_TAKERS || size > QUEUE_TAKERS * sizeof(struct stoa_token))
		return -EPROTO;
	int r = takers_room(q);
	if (r == 0 && size) /* how many there are is an attribute, undone after this */
		memcpy(q->waiting, data, size);
	return r;
}

static const struct stoa_hooks hooks = { .init_args = &queue_options_struct,
					 .init = init,
					 .fini = fini,
					 .parts = SEQUENCE_PARTS + 1,
					 .pack = pack,
					 .unpack = unpack,
					 .by_part = true };

#define WRITES .writes = "len changes first used takers"
STOA_METHOD(queue, put, queue_value, stoa_none, WRITES, .doc = "value at the end");
STOA_METHOD(queue, get, stoa_none, queue_value, WRITES, .doc = "take away the first");
STOA_METHOD(queue, take, stoa_none, queue_value, WRITES, .doc = "take away the first, or wait for one");
STOA_METHOD(queue, peek, stoa_none, queue_value, .doc = "the first, which stays");
STOA_METHOD(queue, extend, queue_json, stoa_none, WRITES, .doc = "all of a JSON array at the end");
STOA_METHOD(queue, items, stoa_none, queue_json, .ret_max = JSON_MAX, .doc = "all that wait: a JSON array");
STOA_METHOD(queue, clear, stoa_none, stoa_none, WRITES, .doc = "take away all");
STOA_CLASS_HOOKS(queue, 1, &hooks, &queue_put_row, &queue_get_row, &queue_peek_row, &queue_extend_row, &queue_items_row,
		 &queue_clear_row, &queue_take_row);
