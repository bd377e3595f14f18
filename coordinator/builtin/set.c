/*
 * set.c: the methods of the built-in class "set": a table whose keys are the members, each a byte for its kind and then
 * its own.
 */
#include "include/stoa/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/builtin/json.h"
#include "coordinator/builtin/table.h"

_Static_assert(sizeof(struct set) == sizeof(struct table) &&
		       offsetof(struct set, own) == offsetof(struct table, buckets),
	       "a set is a table");

STOA_STRUCT(set, STOA_ATTR(struct set, len, .doc = "how many members there are"),
	    STOA_ATTR(struct set, changes, .doc = "how often it was changed"));
STOA_STRUCT(set_member, STOA_ANY(struct set_member, value));
STOA_STRUCT(set_done, STOA_ATTR(struct set_done, done));
STOA_STRUCT(set_json, STOA_ATTR(struct set_json, json));
STOA_STRUCT(set_place, STOA_ATTR(struct set_place, part), STOA_ATTR(struct set_place, after));
STOA_STRUCT(set_entry, STOA_ANY(struct set_entry, value), STOA_ATTR(struct set_entry, part),
	    STOA_ATTR(struct set_entry, after));

static struct table *table_of(struct set *self)
{
	return (struct table *)self;
}

/* A member as a key. Methods run one at a time. */
struct member {
	size_t size;
	unsigned char key[1 + STOA_ANY_MAX];
};

static int member(const struct stoa_any *value, const struct member **ret)
{
	static struct member m;
	struct any_bytes bytes = any_bytes(value);
	int r = any_check(value, false, "the member");
	if (r < 0)
		return r;
	m.key[0] = bytes.kind;
	m.size = 1 + bytes.size;
	if (bytes.size)
		memcpy(m.key + 1, bytes.at, bytes.size);
	*ret = &m;
	return 0;
}

static struct any_bytes value_of(const struct table_entry *e)
{
	const unsigned char *key = e->key;
	return (struct any_bytes){ key[0], key + 1, e->key_size - 1 };
}

static int add(struct table *t, const struct stoa_any *value)
{
	const struct member *m;
	struct table_entry e;
	int r = member(value, &m);
	if (r < 0 || table_find(t, m->key, m->size, &e))
		return r;
	return table_put(t, m->key, m->size, &(struct any_bytes){ 0 });
}

static int discard(struct table *t, const struct stoa_any *value)
{
	const struct member *m;
	struct table_entry e;
	int r = member(value, &m);
	return r < 0 || !table_find(t, m->key, m->size, &e) ? r : table_drop(t, &e);
}

static int set_add(struct set *self, const struct set_member *args, struct set_done *ret)
{
	uint64_t len = table_of(self)->len;
	int r = add(table_of(self), &args->value);
	ret->done = table_of(self)->len != len;
	return r;
}

static int set_discard(struct set *self, const struct set_member *args, struct set_done *ret)
{
	uint64_t len = table_of(self)->len;
	int r = discard(table_of(self), &args->value);
	ret->done = table_of(self)->len != len;
	return r;
}

static int set_remove(struct set *self, const struct set_member *args, stoa_none *ret)
{
	uint64_t len = table_of(self)->len;
	int r = discard(table_of(self), &args->value);
	(void)ret;
	return r == 0 && table_of(self)->len == len ? stoa_fail(-ENOENT, "there is no such member") : r;
}

static int set_contains(struct set *self, const struct set_member *args, struct set_done *ret)
{
	const struct member *m;
	struct table_entry e;
	int r = member(&args->value, &m);
	ret->done = r == 0 && table_find(table_of(self), m->key, m->size, &e);
	return r;
}

static int show(const struct table_entry *e, struct stoa_any *ret)
{
	struct any_bytes value = value_of(e);
	return any_get(&value, ret);
}

static int set_pop(struct set *self, const stoa_none *args, struct set_member *ret)
{
	struct table_entry e;
	(void)args;
	if (!table_next(table_of(self), 0, 0, &e))
		return 0;
	int r = show(&e, &ret->value);
	return r ? r : table_drop(table_of(self), &e);
}

static int add_one(void *data, const stoa_text *key, const struct stoa_any *value)
{
	(void)key;
	return add(data, value);
}

static int discard_one(void *data, const stoa_text *key, const struct stoa_any *value)
{
	(void)key;
	return discard(data, value);
}

static int set_update(struct set *self, const struct set_json *args, stoa_none *ret)
{
	(void)ret;
	return json_read(&args->json, false, add_one, table_of(self));
}

static int set_difference_update(struct set *self, const struct set_json *args, stoa_none *ret)
{
	(void)ret;
	return json_read(&args->json, false, discard_one, table_of(self));
}

static int set_clear(struct set *self, const stoa_none *args, stoa_none *ret)
{
	(void)args, (void)ret;
	table_clear(table_of(self));
	return 0;
}

static int set_members(struct set *self, const stoa_none *args, struct set_json *ret)
{
	uint64_t n = 0;
	struct table_entry *all = table_sorted(table_of(self), &n);
	struct json_out out;
	(void)args;
	json_begin(&out, false);
	for (uint64_t i = 0; all && i < n && json_goes_on(&out); i++) {
		struct any_bytes value = value_of(&all[i]);
		json_value(&out, &value);
	}
	int r = json_end(&out, &ret->json);
	free(all);
	return all ? r : -ENOMEM;
}

static int set_next(struct set *self, const struct set_place *args, struct set_entry *ret)
{
	struct table_entry e;
	if (!table_next(table_of(self), args->part, args->after, &e))
		return 0;
	ret->part = e.part;
	ret->after = e.came;
	return show(&e, &ret->value);
}

/* The members' own bytes are sound, too. */
static int unpack(void *self, uint32_t part, const void *data, size_t size)
{
	struct table_entry e;
	int r = table_unpack(self, part, data, size);
	uint64_t after = 0;
	for (uint32_t at = 0; r == 0 && table_step(self, part, &at, &e); after = e.came) {
		struct any_bytes value = e.key_size ? value_of(&e) : (struct any_bytes){ 0 };
		r = value.kind && any_is_sound(&value) && e.came > after ? 0 : -EPROTO;
	}
	return r;
}

static const struct stoa_hooks hooks = { .init_args = &stoa_none_struct,
					 .init = table_init,
					 .fini = table_fini,
					 .parts = TABLE_PARTS,
					 .pack = table_pack,
					 .unpack = unpack,
					 .by_part = true };

#define WRITES .writes = "len changes"
STOA_METHOD(set, add, set_member, set_done, WRITES, .doc = "put it there; was it new?");
STOA_METHOD(set, discard, set_member, set_done, WRITES, .doc = "take it away; was it there?");
STOA_METHOD(set, remove, set_member, stoa_none, WRITES, .doc = "take it away, which must be there");
STOA_METHOD(set, contains, set_member, set_done, .doc = "is it there?");
STOA_METHOD(set, pop, stoa_none, set_member, WRITES, .doc = "take away one, whichever");
STOA_METHOD(set, update, set_json, stoa_none, WRITES, .doc = "add all of a JSON array");
STOA_METHOD(set, difference_update, set_json, stoa_none, WRITES, .doc = "discard all of a JSON array");
STOA_METHOD(set, clear, stoa_none, stoa_none, WRITES, .doc = "take away all");
STOA_METHOD(set, members, stoa_none, set_json, .ret_max = JSON_MAX, .doc = "all of them, as they came: a JSON array");
STOA_METHOD(set, next, set_place, set_entry, .doc = "the member behind this place, in no order");
STOA_CLASS_HOOKS(set, 1, &hooks, &set_add_row, &set_discard_row, &set_remove_row, &set_contains_row, &set_pop_row,
		 &set_update_row, &set_difference_update_row, &set_clear_row, &set_members_row, &set_next_row);
