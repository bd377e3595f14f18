/*
 * table.h: the hash table under the built-in dict and set. Keys are bytes, and so are the values.
 *
 * TABLE_PARTS buckets, each one part: the entries of a bucket lie one behind the other, as they are packed, the oldest
 * first. A key's bucket is its hash (FNV-1a of 64 bits, folded) modulo their number. `changes` counts what was changed;
 * an entry keeps the count at which it came, so they have an order.
 *
 * Every change touches the part first, so that a method may fail behind it.
 */
#ifndef STOA_COORDINATOR_BUILTIN_TABLE_H
#define STOA_COORDINATOR_BUILTIN_TABLE_H

#include "coordinator/builtin/any.h"
#include "coordinator/builtin/buffer.h"

#define TABLE_PARTS 4096u

/* The state of a class that is one: it has these members, and the first two are its attributes. */
struct table {
	uint64_t len, changes;
	void *buckets; /* struct buffer[TABLE_PARTS] */
};

struct table_entry {
	uint32_t part, at; /* where */
	uint64_t came;     /* at which count */
	const void *key;   /* valid until the next change */
	size_t key_size;
	struct any_bytes value;
};

bool table_find(const struct table *t, const void *key, size_t size, struct table_entry *ret);

/* Put a value there, in the entry's place if the key has one. -ENOMEM. */
int table_put(struct table *t, const void *key, size_t size, const struct any_bytes *value);
int table_drop(struct table *t, const struct table_entry *entry);
void table_clear(struct table *t);

/* The entry behind this place (part, and count at which the last one came; 0, 0: the first). False: there is none. */
bool table_next(const struct table *t, uint32_t part, uint64_t after, struct table_entry *ret);

/* The entry at this place of the part, from 0 on, which moves behind it. False: the part ends there. */
bool table_step(const struct table *t, uint32_t part, uint32_t *at, struct table_entry *ret);

/* All entries, as they came: malloc'ed. NULL: no memory. */
struct table_entry *table_sorted(const struct table *t, uint64_t *ret_n);
bool table_newest(const struct table *t, struct table_entry *ret); /* false: there is none */

/* For struct stoa_hooks, with TABLE_PARTS parts, by_part. */
int table_init(void *self, const void *args);
void table_fini(void *self);
int table_pack(const void *self, uint32_t part, stoa_blob *ret);
int table_unpack(void *self, uint32_t part, const void *data, size_t size);

#endif
