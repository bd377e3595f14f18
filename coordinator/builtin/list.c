/*
 * list.c: the methods of the built-in class "list".
 */
#include "include/stoa/list.h"

#include <errno.h>

#include "coordinator/builtin/json.h"
#include "coordinator/builtin/sequence.h"

_Static_assert(sizeof(struct list) == sizeof(struct sequence) &&
		       offsetof(struct list, own) == offsetof(struct sequence, chunks),
	       "a list is a sequence");

STOA_STRUCT(list, STOA_ATTR(struct list, len, .doc = "how many values there are"),
	    STOA_ATTR(struct list, changes, .doc = "how often it was changed"),
	    STOA_ATTR(struct list, first, .doc = "its first part"),
	    STOA_ATTR(struct list, used, .doc = "how many parts it has"));
STOA_STRUCT(list_value, STOA_ANY(struct list_value, value));
STOA_STRUCT(list_item, STOA_ATTR(struct list_item, index), STOA_ANY(struct list_item, value));
STOA_STRUCT(list_index, STOA_ATTR(struct list_index, index));
STOA_STRUCT(list_exchange, STOA_ATTR(struct list_exchange, index), STOA_ANY(struct list_exchange, expected),
	    STOA_ANY(struct list_exchange, value));
STOA_STRUCT(list_range, STOA_ATTR(struct list_range, start), STOA_ATTR(struct list_range, stop));
STOA_STRUCT(list_count, STOA_ATTR(struct list_count, n));
STOA_STRUCT(list_done, STOA_ATTR(struct list_done, done));
STOA_STRUCT(list_json, STOA_ATTR(struct list_json, json));

static struct sequence *sequence_of(struct list *self)
{
	return (struct sequence *)self;
}

/* Where an index is, as Python counts. -ERANGE. */
static int resolve(const struct sequence *s, int64_t index, uint64_t *ret)
{
	int64_t len = (int64_t)s->len, at = index < 0 ? index + len : index;
	if (at < 0 || at >= len)
		return stoa_fail(-ERANGE, "index %jd is out of range: the list has %jd values", (intmax_t)index,
				 (intmax_t)len);
	*ret = (uint64_t)at;
	return 0;
}

/* The same for a place between values: beyond an end is that end. */
static uint64_t clamp(const struct sequence *s, int64_t index)
{
	int64_t len = (int64_t)s->len, at = index < 0 ? index + len : index;
	return (uint64_t)(at < 0 ? 0 : at > len ? len : at);
}

static int insert(struct sequence *s, uint64_t index, const struct stoa_any *value)
{
	struct any_bytes bytes = any_bytes(value);
	int r = any_check(value, false, "the value");
	return r ? r : sequence_insert(s, index, &bytes);
}

static int value_at(const struct sequence *s, uint64_t index, struct any_bytes *ret)
{
	struct sequence_place p;
	if (!sequence_find(s, index, &p) || !sequence_next(s, &p, ret))
		return stoa_fail(-EPROTO, "its parts have fewer values than it should have");
	return 0;
}

static int take(struct sequence *s, uint64_t index, struct stoa_any *ret)
{
	struct any_bytes bytes;
	int r = value_at(s, index, &bytes);
	r = r ? r : any_get(&bytes, ret);
	return r ? r : sequence_remove(s, index);
}

static int list_append(struct list *self, const struct list_value *args, stoa_none *ret)
{
	(void)ret;
	return insert(sequence_of(self), sequence_of(self)->len, &args->value);
}

static int list_appendleft(struct list *self, const struct list_value *args, stoa_none *ret)
{
	(void)ret;
	return insert(sequence_of(self), 0, &args->value);
}

static int append_one(void *data, const stoa_text *key, const struct stoa_any *value)
{
	struct sequence *s = data;
	(void)key;
	return insert(s, s->len, value);
}

static int list_extend(struct list *self, const struct list_json *args, stoa_none *ret)
{
	(void)ret;
	return json_read(&args->json, false, append_one, sequence_of(self));
}

static int list_insert(struct list *self, const struct list_item *args, stoa_none *ret)
{
	(void)ret;
	return insert(sequence_of(self), clamp(sequence_of(self), args->index), &args->value);
}

static int list_get(struct list *self, const struct list_index *args, struct list_value *ret)
{
	struct any_bytes bytes;
	uint64_t at = 0;
	int r = resolve(sequence_of(self), args->index, &at);
	r = r ? r : value_at(sequence_of(self), at, &bytes);
	return r ? r : any_get(&bytes, &ret->value);
}

static int list_set(struct list *self, const struct list_item *args, stoa_none *ret)
{
	struct any_bytes bytes = any_bytes(&args->value);
	uint64_t at = 0;
	(void)ret;
	int r = any_check(&args->value, false, "the value");
	r = r ? r : resolve(sequence_of(self), args->index, &at);
	return r ? r : sequence_replace(sequence_of(self), at, &bytes);
}

static int list_cas(struct list *self, const struct list_exchange *args, struct list_done *ret)
{
	struct any_bytes is, expected = any_bytes(&args->expected), value = any_bytes(&args->value);
	uint64_t at = 0;
	int r = any_check(&args->expected, false, "what is expected");
	r = r ? r : any_check(&args->value, false, "the value");
	r = r ? r : resolve(sequence_of(self), args->index, &at);
	r = r ? r : value_at(sequence_of(self), at, &is);
	ret->done = r == 0 && any_same(&is, &expected);
	return ret->done ? sequence_replace(sequence_of(self), at, &value) : r;
}

static int list_pop(struct list *self, const stoa_none *args, struct list_value *ret)
{
	struct sequence *s = sequence_of(self);
	(void)args;
	return s->len ? take(s, s->len - 1, &ret->value) : stoa_fail(-ENOENT, "the list is empty");
}

static int list_popleft(struct list *self, const stoa_none *args, struct list_value *ret)
{
	struct sequence *s = sequence_of(self);
	(void)args;
	return s->len ? take(s, 0, &ret->value) : stoa_fail(-ENOENT, "the list is empty");
}

static int list_delete(struct list *self, const struct list_index *args, struct list_value *ret)
{
	uint64_t at = 0;
	int r = resolve(sequence_of(self), args->index, &at);
	return r ? r : take(sequence_of(self), at, &ret->value);
}

/* The first value that is the same, from here on; and go behind it. -1: none. */
static int64_t find_same(const struct sequence *s, const struct stoa_any *value, struct sequence_place *p,
			 int64_t index)
{
	struct any_bytes is, wanted = any_bytes(value);
	for (; sequence_next(s, p, &is); index++)
		if (any_same(&is, &wanted))
			return index;
	return -1;
}

static int list_index(struct list *self, const struct list_value *args, struct list_index *ret)
{
	struct sequence_place p = { 0 };
	int r = any_check(&args->value, false, "the value");
	ret->index = r ? -1 : find_same(sequence_of(self), &args->value, &p, 0);
	return r;
}

static int list_contains(struct list *self, const struct list_value *args, struct list_done *ret)
{
	struct list_index at;
	int r = list_index(self, args, &at);
	ret->done = at.index >= 0;
	return r;
}

static int list_remove(struct list *self, const struct list_value *args, stoa_none *ret)
{
	struct list_index at;
	int r = list_index(self, args, &at);
	(void)ret;
	if (r == 0 && at.index < 0)
		return stoa_fail(-ENOENT, "there is no such value");
	return r ? r : sequence_remove(sequence_of(self), (uint64_t)at.index);
}

static int list_count(struct list *self, const struct list_value *args, struct list_count *ret)
{
	struct sequence_place p = { 0 };
	int r = any_check(&args->value, false, "the value");
	while (r == 0 && find_same(sequence_of(self), &args->value, &p, 0) >= 0)
		ret->n++;
	return r;
}

static int list_slice(struct list *self, const struct list_range *args, struct list_json *ret)
{
	const struct sequence *s = sequence_of(self);
	return sequence_json(s, clamp(s, args->start), clamp(s, args->stop), &ret->json);
}

static int list_items(struct list *self, const stoa_none *args, struct list_json *ret)
{
	(void)args;
	return sequence_json(sequence_of(self), 0, sequence_of(self)->len, &ret->json);
}

static int list_clear(struct list *self, const stoa_none *args, stoa_none *ret)
{
	(void)args, (void)ret;
	sequence_clear(sequence_of(self));
	return 0;
}

static const struct stoa_hooks hooks = { .init_args = &stoa_none_struct,
					 .init = sequence_init,
					 .fini = sequence_fini,
					 .parts = SEQUENCE_PARTS,
					 .pack = sequence_pack,
					 .unpack = sequence_unpack,
					 .by_part = true };

#define WRITES .writes = "len changes first used"
STOA_METHOD(list, append, list_value, stoa_none, WRITES, .doc = "value at the end");
STOA_METHOD(list, appendleft, list_value, stoa_none, WRITES, .doc = "value at the beginning");
STOA_METHOD(list, extend, list_json, stoa_none, WRITES, .doc = "all of a JSON array at the end");
STOA_METHOD(list, insert, list_item, stoa_none, WRITES, .doc = "value before index");
STOA_METHOD(list, get, list_index, list_value, .doc = "the value at index; below 0: from the end");
STOA_METHOD(list, set, list_item, stoa_none, WRITES, .doc = "value at index");
STOA_METHOD(list, cas, list_exchange, list_done, WRITES, .doc = "value at index if expected is there");
STOA_METHOD(list, pop, stoa_none, list_value, WRITES, .doc = "take away the last");
STOA_METHOD(list, popleft, stoa_none, list_value, WRITES, .doc = "take away the first");
STOA_METHOD(list, delete, list_index, list_value, WRITES, .doc = "take away the one at index");
STOA_METHOD(list, remove, list_value, stoa_none, WRITES, .doc = "take away the first that is value");
STOA_METHOD(list, index, list_value, list_index, .doc = "where the first is that is value; -1: nowhere");
STOA_METHOD(list, count, list_value, list_count, .doc = "how many are value");
STOA_METHOD(list, contains, list_value, list_done, .doc = "is one value?");
STOA_METHOD(list, slice, list_range, list_json, .ret_max = JSON_MAX, .doc = "from start to before stop: JSON");
STOA_METHOD(list, items, stoa_none, list_json, .ret_max = JSON_MAX, .doc = "all of them: a JSON array");
STOA_METHOD(list, clear, stoa_none, stoa_none, WRITES, .doc = "take away all");
STOA_CLASS_HOOKS(list, 1, &hooks, &list_append_row, &list_appendleft_row, &list_extend_row, &list_insert_row,
		 &list_get_row, &list_set_row, &list_cas_row, &list_pop_row, &list_popleft_row, &list_delete_row,
		 &list_remove_row, &list_index_row, &list_count_row, &list_contains_row, &list_slice_row,
		 &list_items_row, &list_clear_row);
