/*
 * dict.c: the methods of the built-in class "dict".
 */
#include "include/stoa/dict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/builtin/json.h"
#include "coordinator/builtin/table.h"

_Static_assert(sizeof(struct dict) == sizeof(struct table) &&
		       offsetof(struct dict, own) == offsetof(struct table, buckets),
	       "a dict is a table");

STOA_STRUCT(dict, STOA_ATTR(struct dict, len, .doc = "how many keys there are"),
	    STOA_ATTR(struct dict, changes, .doc = "how often it was changed"));
STOA_STRUCT(dict_key, STOA_ATTR(struct dict_key, key));
STOA_STRUCT(dict_item, STOA_ATTR(struct dict_item, key), STOA_ANY(struct dict_item, value));
STOA_STRUCT(dict_query, STOA_ATTR(struct dict_query, key), STOA_ANY(struct dict_query, fallback));
STOA_STRUCT(dict_exchange, STOA_ATTR(struct dict_exchange, key), STOA_ANY(struct dict_exchange, expected),
	    STOA_ANY(struct dict_exchange, value));
STOA_STRUCT(dict_amount, STOA_ATTR(struct dict_amount, key), STOA_ATTR(struct dict_amount, n, .doc = "by how much"));
STOA_STRUCT(dict_number, STOA_ATTR(struct dict_number, value, .doc = "after the method"));
STOA_STRUCT(dict_value, STOA_ANY(struct dict_value, value));
STOA_STRUCT(dict_done, STOA_ATTR(struct dict_done, done));
STOA_STRUCT(dict_json, STOA_ATTR(struct dict_json, json));
STOA_STRUCT(dict_place, STOA_ATTR(struct dict_place, part), STOA_ATTR(struct dict_place, after));
STOA_STRUCT(dict_entry, STOA_ATTR(struct dict_entry, key), STOA_ANY(struct dict_entry, value),
	    STOA_ATTR(struct dict_entry, part), STOA_ATTR(struct dict_entry, after));

static struct table *table_of(struct dict *self)
{
	return (struct table *)self;
}

static int check_key(const stoa_text *key)
{
	if (!key->data)
		return stoa_fail(-EINVAL, "the key is missing");
	if (key->size > DICT_KEY_MAX)
		return stoa_fail(-EMSGSIZE, "the key has %zu bytes; at most %d are allowed", key->size, DICT_KEY_MAX);
	return 0;
}

static int no_key(const stoa_text *key)
{
	return stoa_fail(-ENOENT, "there is no key \"%.*s\"", key->size < 80 ? (int)key->size : 80, key->data);
}

static bool find(struct dict *self, const stoa_text *key, struct table_entry *ret)
{
	return table_find(table_of(self), key->data, key->size, ret);
}

/* A copy of what was found, or of what is given instead. */
static int answer(bool found, const struct table_entry *e, const struct stoa_any *otherwise, struct stoa_any *ret)
{
	struct any_bytes bytes = found ? e->value : any_bytes(otherwise);
	return any_get(&bytes, ret);
}

static int put(struct table *t, const stoa_text *key, const struct stoa_any *value)
{
	struct any_bytes bytes = any_bytes(value);
	int r = check_key(key);
	r = r ? r : any_check(value, false, "the value");
	return r ? r : table_put(t, key->data, key->size, &bytes);
}

static int dict_put(struct dict *self, const struct dict_item *args, stoa_none *ret)
{
	(void)ret;
	return put(table_of(self), &args->key, &args->value);
}

static int check_query(const struct dict_query *args)
{
	int r = check_key(&args->key);
	return r ? r : any_check(&args->fallback, true, "the fallback");
}

static int dict_get(struct dict *self, const struct dict_query *args, struct dict_value *ret)
{
	struct table_entry e;
	int r = check_query(args);
	return r ? r : answer(find(self, &args->key, &e), &e, &args->fallback, &ret->value);
}

static int dict_pop(struct dict *self, const struct dict_query *args, struct dict_value *ret)
{
	struct table_entry e;
	int r = check_query(args);
	bool found = r == 0 && find(self, &args->key, &e);
	if (r == 0 && !found && args->fallback.kind == 0)
		return no_key(&args->key);
	r = r ? r : answer(found, &e, &args->fallback, &ret->value);
	return r == 0 && found ? table_drop(table_of(self), &e) : r;
}

static int dict_setdefault(struct dict *self, const struct dict_item *args, struct dict_value *ret)
{
	struct table_entry e;
	int r = check_key(&args->key);
	r = r ? r : any_check(&args->value, false, "the value");
	bool found = r == 0 && find(self, &args->key, &e);
	r = r ? r : answer(found, &e, &args->value, &ret->value);
	return r || found ? r : put(table_of(self), &args->key, &args->value);
}

static int dict_contains(struct dict *self, const struct dict_key *args, struct dict_done *ret)
{
	struct table_entry e;
	int r = check_key(&args->key);
	ret->done = r == 0 && find(self, &args->key, &e);
	return r;
}

static int dict_cas(struct dict *self, const struct dict_exchange *args, struct dict_done *ret)
{
	struct table_entry e = { 0 };
	int r = check_key(&args->key);
	r = r ? r : any_check(&args->expected, true, "what is expected");
	r = r ? r : any_check(&args->value, true, "the value");
	if (r < 0)
		return r;
	struct any_bytes expected = any_bytes(&args->expected);
	bool found = find(self, &args->key, &e);
	ret->done = any_same(&e.value, &expected);
	if (!ret->done || (!found && args->value.kind == 0))
		return 0;
	return args->value.kind ? put(table_of(self), &args->key, &args->value) : table_drop(table_of(self), &e);
}

static int dict_add(struct dict *self, const struct dict_amount *args, struct dict_number *ret)
{
	struct table_entry e;
	struct stoa_any sum = stoa_any_i64(0);
	int r = check_key(&args->key);
	if (r < 0)
		return r;
	if (find(self, &args->key, &e)) {
		if (e.value.kind != STOA_I64)
			return stoa_fail(-EINVAL, "the value of key \"%.80s\" is not a whole number", args->key.data);
		any_get(&e.value, &sum);
	}
	if (__builtin_add_overflow(sum.i64, args->n, &ret->value))
		return stoa_fail(-EOVERFLOW, "%jd + %jd is out of range", (intmax_t)sum.i64, (intmax_t)args->n);
	sum.i64 = ret->value;
	return put(table_of(self), &args->key, &sum);
}

static int put_one(void *data, const stoa_text *key, const struct stoa_any *value)
{
	return put(data, key, value);
}

static int dict_update(struct dict *self, const struct dict_json *args, stoa_none *ret)
{
	(void)ret;
	return json_read(&args->json, true, put_one, table_of(self));
}

static int show(const struct table_entry *e, stoa_text *ret_key, struct stoa_any *ret_value)
{
	int r = any_get(&e->value, ret_value);
	return r ? r : stoa_text_set_n(ret_key, e->key, e->key_size);
}

static int dict_popitem(struct dict *self, const stoa_none *args, struct dict_item *ret)
{
	struct table_entry e;
	(void)args;
	if (!table_newest(table_of(self), &e))
		return stoa_fail(-ENOENT, "the dict is empty");
	int r = show(&e, &ret->key, &ret->value);
	return r ? r : table_drop(table_of(self), &e);
}

static int dict_clear(struct dict *self, const stoa_none *args, stoa_none *ret)
{
	(void)args, (void)ret;
	table_clear(table_of(self));
	return 0;
}

static int dict_next(struct dict *self, const struct dict_place *args, struct dict_entry *ret)
{
	struct table_entry e;
	if (!table_next(table_of(self), args->part, args->after, &e))
		return 0;
	ret->part = e.part;
	ret->after = e.came;
	return show(&e, &ret->key, &ret->value);
}

/* ---- all of it ---- */

static int write_all(struct dict *self, bool key, bool value, stoa_text *ret)
{
	uint64_t n = 0;
	struct table_entry *all = table_sorted(table_of(self), &n);
	struct json_out out;
	json_begin(&out, key && value);
	for (uint64_t i = 0; all && i < n && json_goes_on(&out); i++) {
		if (key && value)
			json_key(&out, all[i].key, all[i].key_size);
		if (value)
			json_value(&out, &all[i].value);
		else
			json_text(&out, all[i].key, all[i].key_size);
	}
	int r = json_end(&out, ret);
	free(all);
	return all ? r : -ENOMEM;
}

static int dict_keys(struct dict *self, const stoa_none *args, struct dict_json *ret)
{
	(void)args;
	return write_all(self, true, false, &ret->json);
}

static int dict_values(struct dict *self, const stoa_none *args, struct dict_json *ret)
{
	(void)args;
	return write_all(self, false, true, &ret->json);
}

static int dict_items(struct dict *self, const stoa_none *args, struct dict_json *ret)
{
	(void)args;
	return write_all(self, true, true, &ret->json);
}

static const struct stoa_hooks hooks = { .init_args = &stoa_none_struct,
					 .init = table_init,
					 .fini = table_fini,
					 .parts = TABLE_PARTS,
					 .pack = table_pack,
					 .unpack = table_unpack,
					 .by_part = true };

#define WRITES .writes = "len changes"
STOA_METHOD(dict, put, dict_item, stoa_none, WRITES, .doc = "value under key");
STOA_METHOD(dict, get, dict_query, dict_value, .doc = "the value of key, or the fallback");
STOA_METHOD(dict, pop, dict_query, dict_value, WRITES, .doc = "the same, and take it away");
STOA_METHOD(dict, setdefault, dict_item, dict_value, WRITES, .doc = "the value of key, made value if there is none");
STOA_METHOD(dict, contains, dict_key, dict_done, .doc = "is there such a key?");
STOA_METHOD(dict, cas, dict_exchange, dict_done, WRITES, .doc = "value under key if expected is there; none: no key");
STOA_METHOD(dict, add, dict_amount, dict_number, WRITES, .doc = "add n to the whole number under key, or to 0");
STOA_METHOD(dict, update, dict_json, stoa_none, WRITES, .doc = "put all of a JSON object");
STOA_METHOD(dict, popitem, stoa_none, dict_item, WRITES, .doc = "take away the key that came last");
STOA_METHOD(dict, clear, stoa_none, stoa_none, WRITES, .doc = "take away all");
STOA_METHOD(dict, keys, stoa_none, dict_json, .ret_max = JSON_MAX, .doc = "all keys, as they came: a JSON array");
STOA_METHOD(dict, values, stoa_none, dict_json, .ret_max = JSON_MAX, .doc = "all values: a JSON array");
STOA_METHOD(dict, items, stoa_none, dict_json, .ret_max = JSON_MAX, .doc = "all of it: a JSON object");
STOA_METHOD(dict, next, dict_place, dict_entry, .doc = "the key behind this place, in no order");
STOA_CLASS_HOOKS(dict, 1, &hooks, &dict_put_row, &dict_get_row, &dict_pop_row, &dict_setdefault_row, &dict_contains_row,
		 &dict_cas_row, &dict_add_row, &dict_update_row, &dict_popitem_row, &dict_clear_row, &dict_keys_row,
		 &dict_values_row, &dict_items_row, &dict_next_row);
