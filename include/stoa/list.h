/*
 * stoa/list.h - the built-in class "list": values of any kind in a row, shared.
 *
 * Create one with stoa_create(stoa, "log", &list_class, NULL, 0, &proxy). What Python's list does, and appendleft and
 * popleft of its deque: at both ends methods cost the same however long it is. get and set look at up to 4096 parts;
 * insert and delete in the middle may move as many. An index below 0 counts from the end. Since 0.1.
 *
 * A value is one of <stoa/any.h>, of at most STOA_ANY_MAX bytes, else -EMSGSIZE. There is room for over 3 million
 * numbers (60 MiB of short values), and for 4096 values of any size; then -ENOSPC. A method that fails changes
 * nothing. Two values are the same if kind and bytes are. Attributes: len; changes, which grows with each change:
 * wait for it with stoa_wait(); first and used, of its parts.
 */
#ifndef STOA_LIST_H
#define STOA_LIST_H

#include <stoa/any.h>

#ifdef __cplusplus
extern "C" {
#endif

struct list {
	uint64_t len, changes;
	uint32_t first, used;
	void *own; /* the coordinator's */
};

struct list_value {
	struct stoa_any value; /* in a result: free it with stoa_any_fini */
};

struct list_item {
	int64_t index;
	struct stoa_any value;
};

struct list_index {
	int64_t index;
};

struct list_exchange {
	int64_t index;
	struct stoa_any expected, value;
};

struct list_range {
	int64_t start, stop; /* without it */
};

struct list_count {
	uint64_t n;
};

struct list_done {
	bool done;
};

struct list_json {
	stoa_text json;
};

STOA__BUILTIN(stoa_class, list_class);
STOA__BUILTIN(stoa_method, list_append_row);
STOA__BUILTIN(stoa_method, list_appendleft_row);
STOA__BUILTIN(stoa_method, list_cas_row);
STOA__BUILTIN(stoa_method, list_clear_row);
STOA__BUILTIN(stoa_method, list_contains_row);
STOA__BUILTIN(stoa_method, list_count_row);
STOA__BUILTIN(stoa_method, list_delete_row);
STOA__BUILTIN(stoa_method, list_extend_row);
STOA__BUILTIN(stoa_method, list_get_row);
STOA__BUILTIN(stoa_method, list_index_row);
STOA__BUILTIN(stoa_method, list_insert_row);
STOA__BUILTIN(stoa_method, list_items_row);
STOA__BUILTIN(stoa_method, list_pop_row);
STOA__BUILTIN(stoa_method, list_popleft_row);
STOA__BUILTIN(stoa_method, list_remove_row);
STOA__BUILTIN(stoa_method, list_set_row);
STOA__BUILTIN(stoa_method, list_slice_row);

STOA_STUB(list, append, struct list_value, stoa_none);
STOA_STUB(list, appendleft, struct list_value, stoa_none);
STOA_STUB(list, extend, struct list_json, stoa_none); /* with a JSON array: all or nothing */
STOA_STUB(list, insert, struct list_item, stoa_none); /* before index; beyond an end: at that end */
STOA_STUB(list, get, struct list_index, struct list_value); /* -ERANGE: there is none */
STOA_STUB(list, set, struct list_item, stoa_none);	     /* the same */
STOA_STUB(list, cas, struct list_exchange, struct list_done); /* compare and set. -ERANGE */
STOA_STUB(list, pop, stoa_none, struct list_value);	     /* the last. -ENOENT: the list is empty */
STOA_STUB(list, popleft, stoa_none, struct list_value);	     /* the first */
STOA_STUB(list, delete, struct list_index, struct list_value); /* takes it away. -ERANGE */
STOA_STUB(list, remove, struct list_value, stoa_none); /* the first that is the same. -ENOENT. Looks at all */
STOA_STUB(list, index, struct list_value, struct list_index); /* of the first; -1: none. Looks at all */
STOA_STUB(list, count, struct list_value, struct list_count); /* how many are the same. Looks at all */
STOA_STUB(list, contains, struct list_value, struct list_done); /* looks at all */
STOA_STUB(list, slice, struct list_range, struct list_json); /* JSON, as [start:stop]. -EMSGSIZE: over 4 MiB */
STOA_STUB(list, items, stoa_none, struct list_json);	     /* all of it */
STOA_STUB(list, clear, stoa_none, stoa_none);

#ifdef __cplusplus
}
#endif

#endif
