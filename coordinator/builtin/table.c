/*
 * table.c: see table.h. Hash: FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv), 64 bits.
 */
#include "coordinator/builtin/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE 64u
#define AHEAD 1024u /* bytes of a bucket that are fetched at once */

/* In front of each entry's key and value. */
struct head {
	uint64_t came;
	uint16_t size, key_size; /* of the value, of the key */
	uint8_t kind;
	uint8_t hash[3]; /* of what did not choose the bucket */
};
_Static_assert(sizeof(struct head) == 16, "an entry's head has no gaps");
_Static_assert(STOA_ANY_MAX < UINT16_MAX, "sizes fit");

#define TAG_MASK 0xffffffu

static uint64_t hash_of(const void *key, size_t size)
{
	const unsigned char *p = key;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash / TABLE_PARTS) & TAG_MASK;
}

static struct buffer *bucket(const struct table *t, uint32_t part)
{
	return (struct buffer *)t->buckets + part;
}

/* The entry at this place. False: the bucket ends there. */
static bool entry_at(const struct table *t, uint32_t part, uint32_t at, struct head *h, struct table_entry *ret)
{
	const struct buffer *b = bucket(t, part);
	if (at >= b->size)
		return false;
	memcpy(h, b->at + at, sizeof(*h));
	ret->part = part;
	ret->at = at;
	ret->came = h->came;
	ret->key = b->at + at + sizeof(*h);
	ret->key_size = h->key_size;
	ret->value = (struct any_bytes){ h->kind, b->at + at + sizeof(*h) + h->key_size, h->size };
	return true;
}

static bool is_tagged(const struct head *h, uint32_t tag)
{
	return (h->hash[0] | (uint32_t)h->hash[1] << 8 | (uint32_t)h->hash[2] << 16) == tag;
}

static size_t entry_size(const struct table_entry *e)
{
	return sizeof(struct head) + e->key_size + e->value.size;
}

bool table_find(const struct table *t, const void *key, size_t size, struct table_entry *ret)
{
	uint64_t hash = hash_of(key, size);
	struct table_entry e = { 0 };
	struct head h;
	const struct buffer *b = bucket(t, hash % TABLE_PARTS);
	for (uint32_t at = 0; at < b->size && at < AHEAD; at += LINE) /* each entry tells where the next is: too late */
		__builtin_prefetch(b->at + at);
	for (uint32_t at = 0; entry_at(t, hash % TABLE_PARTS, at, &h, &e); at += (uint32_t)entry_size(&e))
		if (is_tagged(&h, tag_of(hash)) && e.key_size == size && memcmp(e.key, key, size) == 0) {
			*ret = e;
			return true;
		}
	return false;
}

/* In a part that was touched. */
static int change(struct table *t, uint32_t part, size_t at, size_t drop, size_t add)
{
	t->changes++;
	return buffer_splice(bucket(t, part), at, drop, add);
}

static void write_entry(struct buffer *b, size_t at, const struct head *h, const void *key, const void *value)
{
	memcpy(b->at + at, h, sizeof(*h));
	memcpy(b->at + at + sizeof(*h), key, h->key_size);
	if (h->size)
		memcpy(b->at + at + sizeof(*h) + h->key_size, value, h->size);
}

int table_put(struct table *t, const void *key, size_t size, const struct any_bytes *value)
{
	uint64_t hash = hash_of(key, size);
	struct table_entry e;
	uint32_t part = hash % TABLE_PARTS, tag = tag_of(hash);
	stoa_touch(part);
	bool found = table_find(t, key, size, &e);
	size_t at = found ? e.at : bucket(t, part)->size;
	int r = change(t, part, at, found ? entry_size(&e) : 0, sizeof(struct head) + size + value->size);
	if (r < 0)
		return r;
	struct head h = { .came = found ? e.came : t->changes,
			  .size = (uint16_t)value->size,
			  .key_size = (uint16_t)size,
			  .kind = value->kind,
			  .hash = { (uint8_t)tag, (uint8_t)(tag >> 8), (uint8_t)(tag >> 16) } };
	write_entry(bucket(t, part), at, &h, key, value->at);
	t->len += !found;
	return 0;
}

int table_drop(struct table *t, const struct table_entry *entry)
{
	stoa_touch(entry->part);
	int r = change(t, entry->part, entry->at, entry_size(entry), 0);
	t->len -= r == 0;
	return r;
}

void table_clear(struct table *t)
{
	for (uint32_t part = 0; part < TABLE_PARTS; part++)
		if (bucket(t, part)->size) {
			stoa_touch(part);
			buffer_fini(bucket(t, part));
		}
	t->changes++;
	t->len = 0;
}

bool table_step(const struct table *t, uint32_t part, uint32_t *at, struct table_entry *ret)
{
	struct head h;
	if (!entry_at(t, part, *at, &h, ret))
		return false;
	*at += (uint32_t)entry_size(ret);
	return true;
}

bool table_next(const struct table *t, uint32_t part, uint64_t after, struct table_entry *ret)
{
	struct table_entry e = { 0 };
	for (; part < TABLE_PARTS; part++, after = 0)
		for (uint32_t at = 0; table_step(t, part, &at, &e);)
			if (e.came > after) {
				*ret = e;
				return true;
			}
	return false;
}

static int older(const void *a, const void *b)
{
	const struct table_entry *x = a, *y = b;
	return (x->came > y->came) - (x->came < y->came);
}

/* As many as the parts have: len may have come from somebody else (stoa_load). */
static uint64_t count(const struct table *t)
{
	struct table_entry e = { 0 };
	uint64_t n = 0;
	for (uint32_t part = 0; part < TABLE_PARTS; part++)
		for (uint32_t at = 0; table_step(t, part, &at, &e);)
			n++;
	return n;
}

struct table_entry *table_sorted(const struct table *t, uint64_t *ret_n)
{
	uint64_t n = count(t), i = 0;
	struct table_entry *all = calloc(n + 1, sizeof(*all));
	for (uint32_t part = 0; all && part < TABLE_PARTS; part++)
		for (uint32_t at = 0; table_step(t, part, &at, &all[i]);)
			i++;
	if (all)
		qsort(all, n, sizeof(*all), older);
	*ret_n = n;
	return all;
}

bool table_newest(const struct table *t, struct table_entry *ret)
{
	struct table_entry e = { 0 };
	ret->came = 0;
	for (uint32_t part = 0; part < TABLE_PARTS; part++)
		for (uint32_t at = 0; table_step(t, part, &at, &e);)
			if (e.came > ret->came)
				*ret = e;
	return ret->came > 0;
}

/* ---- hooks ---- */

int table_init(void *self, const void *args)
{
	struct table *t = self;
	(void)args;
	if (!t->buckets)
		t->buckets = calloc(TABLE_PARTS, sizeof(struct buffer));
	return t->buckets ? 0 : -ENOMEM;
}

void table_fini(void *self)
{
	struct table *t = self;
	for (uint32_t part = 0; t->buckets && part < TABLE_PARTS; part++)
		buffer_fini(bucket(t, part));
	free(t->buckets);
	t->buckets = NULL;
}

int table_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	const struct buffer *b = bucket(self, part);
	return stoa_blob_set(ret, b->at, b->size);
}

/* Entries one behind the other, to the end? */
static bool is_sound(const unsigned char *at, size_t size)
{
	struct head h;
	while (size >= sizeof(h)) {
		memcpy(&h, at, sizeof(h));
		if (h.key_size > size - sizeof(h) || h.size > size - sizeof(h) - h.key_size ||
		    !any_is_sound(&(struct any_bytes){ h.kind, at + sizeof(h) + h.key_size, h.size }))
			return false;
		at += sizeof(h) + h.key_size + h.size;
		size -= sizeof(h) + h.key_size + h.size;
	}
	return size == 0;
}

int table_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	struct table *t = self;
	int r = table_init(t, NULL);
	if (r < 0 || !is_sound(data, size))
		return r < 0 ? r : -EPROTO;
	struct buffer *b = bucket(t, part);
	r = buffer_splice(b, 0, b->size, size);
	if (r == 0 && size)
		memcpy(b->at, data, size);
	return r;
}
