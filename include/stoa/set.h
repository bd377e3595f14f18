/*
 * stoa/set.h - the built-in class "set": values of any kind, each once, shared.
 *
 * Create one with stoa_create(stoa, "seen", &set_class, NULL, 0, &proxy). What Python's set does: methods cost the same
 * however many members there are, but those that say otherwise. Two members are the same if kind and bytes are: 1, 1.0
 * and true are three. Since 0.1.
 *
 * A member is a value of <stoa/any.h>, of at most STOA_ANY_MAX bytes, else -EMSGSIZE. How many there are is bounded by
 * max_state (-ENOSPC). A method that fails changes nothing. Attributes: len, how many there are; changes, which grows
 * with each change: wait for it with stoa_wait().
 */
#ifndef STOA_SET_H
#define STOA_SET_H

#include <stoa/any.h>

#ifdef __cplusplus
extern "C" {
#endif

struct set {
	uint64_t len, changes;
	void *own; /* the coordinator's */
};

struct set_member {
	struct stoa_any value; /* in a result: free it with stoa_any_fini; none: there are no more */
};

struct set_done {
	bool done;
};

struct set_json {
	stoa_text json;
};

struct set_place {
	uint32_t part; /* 0, 0: the beginning */
	uint64_t after;
};

struct set_entry {
	struct stoa_any value; /* none: there are no more */
	uint32_t part;	       /* where to go on */
	uint64_t after;
};

STOA__BUILTIN(stoa_class, set_class);
STOA__BUILTIN(stoa_method, set_add_row);
STOA__BUILTIN(stoa_method, set_clear_row);
STOA__BUILTIN(stoa_method, set_contains_row);
STOA__BUILTIN(stoa_method, set_difference_update_row);
STOA__BUILTIN(stoa_method, set_discard_row);
STOA__BUILTIN(stoa_method, set_members_row);
STOA__BUILTIN(stoa_method, set_next_row);
STOA__BUILTIN(stoa_method, set_pop_row);
STOA__BUILTIN(stoa_method, set_remove_row);
STOA__BUILTIN(stoa_method, set_update_row);

STOA_STUB(set, add, struct set_member, struct set_done);     /* done: it was not there */
STOA_STUB(set, discard, struct set_member, struct set_done); /* done: it was there */
STOA_STUB(set, remove, struct set_member, stoa_none);	     /* -ENOENT: it is not there */
STOA_STUB(set, contains, struct set_member, struct set_done);
STOA_STUB(set, pop, stoa_none, struct set_member);  /* takes any; none: the set is empty */
STOA_STUB(set, update, struct set_json, stoa_none); /* adds those of a JSON array: all or nothing */
STOA_STUB(set, difference_update, struct set_json, stoa_none); /* discards them */
STOA_STUB(set, clear, stoa_none, stoa_none);
STOA_STUB(set, members, stoa_none, struct set_json); /* as they came: JSON; looks at all. -EMSGSIZE: over 4 MiB */
STOA_STUB(set, next, struct set_place, struct set_entry);

/*
 * One after the other, in no order: begin with a zeroed entry. 1: it has a member; 0: there are no more. A member that
 * is there all the time comes exactly once. To stop earlier, free the value.
 */
static inline int set_iterate(struct stoa_proxy *proxy, struct set_entry *entry, int64_t timeout)
{
	struct set_place place;
	place.part = entry->part;
	place.after = entry->after;
	int r = stoa_call(proxy, &set_next_row, &place, entry, timeout);
	return r < 0 ? r : entry->value.kind != 0;
}

#ifdef __cplusplus
}
#endif

#endif
