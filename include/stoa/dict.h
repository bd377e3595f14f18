/*
 * stoa/dict.h - the built-in class "dict": values of any kind by name, shared.
 *
 * Create one with stoa_create(stoa, "prices", &dict_class, NULL, 0, &proxy). What Python's dict does, as far as it
 * makes sense here: keys keep the order in which they came. All methods cost the same however many keys there are,
 * but those that say otherwise. Since 0.1.
 *
 * A key is a text of 0 to DICT_KEY_MAX bytes; a value is one of <stoa/any.h>, of at most STOA_ANY_MAX bytes, else
 * -EMSGSIZE. How many there are is bounded by max_state (-ENOSPC). A method that fails changes nothing; what is not
 * there is no failure where Python has none either. Attributes: len, how many keys there are; changes, which grows
 * with each change: wait for it with stoa_wait().
 */
#ifndef STOA_DICT_H
#define STOA_DICT_H

#include <stoa/any.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DICT_KEY_MAX 1024

struct dict {
	uint64_t len, changes;
	void *own; /* the coordinator's */
};

struct dict_key {
	stoa_text key;
};

struct dict_item {
	stoa_text key;
	struct stoa_any value;
};

struct dict_query {
	stoa_text key;
	struct stoa_any fallback; /* what to answer if the key is not there; may be none */
};

struct dict_exchange {
	stoa_text key;
	struct stoa_any expected; /* none: the key is not there */
	struct stoa_any value;    /* none: take the key away */
};

struct dict_amount {
	stoa_text key;
	int64_t n;
};

struct dict_number {
	int64_t value;
};

struct dict_value {
	struct stoa_any value; /* free it with stoa_any_fini */
};

struct dict_done {
	bool done;
};

struct dict_json {
	stoa_text json;
};

struct dict_place {
	uint32_t part; /* 0, 0: the beginning */
	uint64_t after;
};

struct dict_entry {
	stoa_text key; /* no text: there are no more */
	struct stoa_any value;
	uint32_t part; /* where to go on */
	uint64_t after;
};

STOA__BUILTIN(stoa_class, dict_class);
STOA__BUILTIN(stoa_method, dict_add_row);
STOA__BUILTIN(stoa_method, dict_cas_row);
STOA__BUILTIN(stoa_method, dict_clear_row);
STOA__BUILTIN(stoa_method, dict_contains_row);
STOA__BUILTIN(stoa_method, dict_get_row);
STOA__BUILTIN(stoa_method, dict_items_row);
STOA__BUILTIN(stoa_method, dict_keys_row);
STOA__BUILTIN(stoa_method, dict_next_row);
STOA__BUILTIN(stoa_method, dict_pop_row);
STOA__BUILTIN(stoa_method, dict_popitem_row);
STOA__BUILTIN(stoa_method, dict_put_row);
STOA__BUILTIN(stoa_method, dict_setdefault_row);
STOA__BUILTIN(stoa_method, dict_update_row);
STOA__BUILTIN(stoa_method, dict_values_row);

STOA_STUB(dict, put, struct dict_item, stoa_none);
STOA_STUB(dict, get, struct dict_query, struct dict_value); /* not there: the fallback */
STOA_STUB(dict, pop, struct dict_query, struct dict_value); /* the same; -ENOENT if there is no fallback */
STOA_STUB(dict, setdefault, struct dict_item, struct dict_value); /* what is there, or the value, then put there */
STOA_STUB(dict, contains, struct dict_key, struct dict_done);
STOA_STUB(dict, cas, struct dict_exchange, struct dict_done); /* compare and set: kind and bytes must be the same */
STOA_STUB(dict, add, struct dict_amount, struct dict_number); /* to an i64, or to none as 0. -EOVERFLOW, -EINVAL */
STOA_STUB(dict, update, struct dict_json, stoa_none); /* from a JSON object: all or nothing */
STOA_STUB(dict, popitem, stoa_none, struct dict_item); /* the key that came last; looks at all. -ENOENT: none */
STOA_STUB(dict, clear, stoa_none, stoa_none);
STOA_STUB(dict, keys, stoa_none, struct dict_json); /* a JSON array; looks at all. -EMSGSIZE: over 4 MiB: use next */
STOA_STUB(dict, values, stoa_none, struct dict_json);
STOA_STUB(dict, items, stoa_none, struct dict_json); /* a JSON object */
STOA_STUB(dict, next, struct dict_place, struct dict_entry);

/*
 * One after the other, in no order: begin with a zeroed entry. 1: it has a key and its value; 0: there are no more, and
 * it is zeroed again. A key that is there all the time comes exactly once. To stop earlier, free key and value.
 */
static inline int dict_iterate(struct stoa_proxy *proxy, struct dict_entry *entry, int64_t timeout)
{
	struct dict_place place;
	place.part = entry->part;
	place.after = entry->after;
	int r = stoa_call(proxy, &dict_next_row, &place, entry, timeout);
	return r < 0 ? r : entry->key.data != NULL;
}

#ifdef __cplusplus
}
#endif

#endif
