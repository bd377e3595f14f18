/*
 * sequence.c: see sequence.h.
 */
#include "coordinator/builtin/sequence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/builtin/buffer.h"
#include "coordinator/builtin/json.h"

#define LIMIT 4096u /* bytes of a chunk to which an end adds */

struct chunk {
	struct buffer bytes;
	uint32_t n; /* values in it */
};

/* In front of each value. */
struct head {
	uint16_t size;
	uint8_t kind, unused;
};
_Static_assert(sizeof(struct head) == 4 && STOA_ANY_MAX < UINT16_MAX, "a value's head has no gaps, and holds its size");

static uint32_t part_of(const struct sequence *s, uint32_t k)
{
	return (s->first + k) % SEQUENCE_PARTS;
}

static struct chunk *chunk(const struct sequence *s, uint32_t k)
{
	return (struct chunk *)s->chunks + part_of(s, k);
}

static uint32_t limit(const struct sequence *s)
{
	return LIMIT << 4 * s->used / (SEQUENCE_PARTS + 1);
}

static void touch(const struct sequence *s, uint32_t from, uint32_t to)
{
	for (uint32_t k = from; k < to; k++)
		stoa_touch(part_of(s, k));
}

static size_t size_at(const struct buffer *b, uint32_t at, struct any_bytes *ret)
{
	struct head h;
	memcpy(&h, b->at + at, sizeof(h));
	*ret = (struct any_bytes){ h.kind, b->at + at + sizeof(h), h.size };
	return sizeof(h) + h.size;
}

/* ---- finding ---- */

/* The chunk with this value, from the nearer end; before: how many values there are before it. */
static uint32_t find_chunk(const struct sequence *s, uint64_t index, uint64_t *before)
{
	uint32_t k = 0;
	*before = 0;
	if (index < s->len / 2) {
		while (k < s->used && index - *before >= chunk(s, k)->n)
			*before += chunk(s, k++)->n;
		return k;
	}
	*before = s->len;
	for (k = s->used; k > 0 && *before > index; k--)
		*before -= *before < chunk(s, k - 1)->n ? *before : chunk(s, k - 1)->n;
	return k;
}

bool sequence_find(const struct sequence *s, uint64_t index, struct sequence_place *ret)
{
	uint64_t before;
	uint32_t k = find_chunk(s, index, &before);
	if (k >= s->used || index < before || index - before >= chunk(s, k)->n)
		return false;
	struct sequence_place p = { .chunk = k };
	struct any_bytes value;
	for (; p.nth < index - before; p.nth++)
		p.at += (uint32_t)size_at(&chunk(s, k)->bytes, p.at, &value);
	*ret = p;
	return true;
}

bool sequence_next(const struct sequence *s, struct sequence_place *place, struct any_bytes *ret)
{
	while (place->chunk < s->used && place->at >= chunk(s, place->chunk)->bytes.size)
		*place = (struct sequence_place){ .chunk = place->chunk + 1 };
	if (place->chunk >= s->used)
		return false;
	place->at += (uint32_t)size_at(&chunk(s, place->chunk)->bytes, place->at, ret);
	place->nth++;
	return true;
}

static int damaged(void)
{
	return stoa_fail(-EPROTO, "its parts have fewer values than it should have");
}

/* ---- chunks ---- */

static void swap(struct chunk *a, struct chunk *b)
{
	struct chunk was = *a;
	*a = *b;
	*b = was;
}

/* Gather the values in as few chunks as there can be, whose limit is what it is. */
static int compact(struct sequence *s)
{
	uint32_t to = 0, most = limit(s);
	touch(s, 0, s->used);
	for (uint32_t k = 1; k < s->used; k++) {
		struct chunk *a = chunk(s, to), *b = chunk(s, k);
		if (a->bytes.size + b->bytes.size > most) {
			swap(chunk(s, ++to), b);
			continue;
		}
		int r = buffer_append(&a->bytes, b->bytes.at, b->bytes.size);
		if (r < 0)
			return r;
		a->n += b->n;
		buffer_fini(&b->bytes);
		b->n = 0;
	}
	s->used = to + 1;
	return 0;
}

static int room_for_chunk(struct sequence *s)
{
	int r = s->used < SEQUENCE_PARTS ? 0 : compact(s);
	return r < 0 || s->used < SEQUENCE_PARTS
		       ? r
		       : stoa_fail(-ENOSPC, "it is full, with %ju values in %u parts", (uintmax_t)s->len,
				   SEQUENCE_PARTS);
}

/* A place at the end for so many bytes. */
static int place_at_end(struct sequence *s, size_t size, struct sequence_place *ret)
{
	int r = 0;
	if (s->used == 0 || chunk(s, s->used - 1)->bytes.size + size > limit(s)) {
		r = room_for_chunk(s);
		s->used += r == 0;
	}
	if (r == 0)
		*ret = (struct sequence_place){ .chunk = s->used - 1, .at = chunk(s, s->used - 1)->bytes.size };
	return r;
}

static int place_at_begin(struct sequence *s, size_t size, struct sequence_place *ret)
{
	int r = 0;
	if (s->used == 0 || chunk(s, 0)->bytes.size + size > limit(s)) {
		r = room_for_chunk(s);
		s->first = r ? s->first : part_of(s, SEQUENCE_PARTS - 1);
		s->used += r == 0;
	}
	*ret = (struct sequence_place){ 0 };
	return r;
}

/* What is behind this place moves into a chunk of its own, and the chunks behind it move up. */
static int cut(struct sequence *s, const struct sequence_place *p)
{
	touch(s, p->chunk, s->used + 1);
	for (uint32_t k = s->used++; k > p->chunk + 1; k--)
		swap(chunk(s, k), chunk(s, k - 1));
	struct chunk *a = chunk(s, p->chunk), *b = chunk(s, p->chunk + 1);
	int r = buffer_append(&b->bytes, a->bytes.at + p->at, a->bytes.size - p->at);
	if (r < 0)
		return r;
	b->n = a->n - p->nth;
	a->n = p->nth;
	return buffer_splice(&a->bytes, p->at, a->bytes.size - p->at, 0);
}

static int place_within(struct sequence *s, uint64_t index, size_t size, struct sequence_place *ret)
{
	if (!sequence_find(s, index, ret))
		return damaged();
	if (chunk(s, ret->chunk)->bytes.size + size <= 2 * limit(s))
		return 0;
	int r = room_for_chunk(s);
	if (r == 0 && !sequence_find(s, index, ret)) /* it may have been moved */
		r = damaged();
	return r ? r : cut(s, ret);
}

/* An empty chunk is none: those behind it move down. */
static void close_gap(struct sequence *s, uint32_t k)
{
	if (k == 0) {
		s->first = part_of(s, 1);
		s->used--;
		return;
	}
	touch(s, k, s->used);
	for (s->used--; k < s->used; k++)
		swap(chunk(s, k), chunk(s, k + 1));
}

/* ---- changing ---- */

static int write_at(struct sequence *s, const struct sequence_place *p, size_t drop, const struct any_bytes *value)
{
	struct buffer *b = &chunk(s, p->chunk)->bytes;
	struct head h = { .size = (uint16_t)value->size, .kind = value->kind };
	touch(s, p->chunk, p->chunk + 1);
	int r = buffer_splice(b, p->at, drop, sizeof(h) + value->size);
	if (r < 0)
		return r;
	memcpy(b->at + p->at, &h, sizeof(h));
	if (value->size)
		memcpy(b->at + p->at + sizeof(h), value->at, value->size);
	s->changes++;
	return 0;
}

int sequence_insert(struct sequence *s, uint64_t index, const struct any_bytes *value)
{
	struct sequence_place p;
	size_t size = sizeof(struct head) + value->size;
	int r = index == s->len ? place_at_end(s, size, &p)
		: index == 0	? place_at_begin(s, size, &p)
				: place_within(s, index, size, &p);
	r = r ? r : write_at(s, &p, 0, value);
	if (r < 0)
		return r;
	chunk(s, p.chunk)->n++;
	s->len++;
	return 0;
}

int sequence_remove(struct sequence *s, uint64_t index)
{
	struct sequence_place p;
	struct any_bytes value;
	if (!sequence_find(s, index, &p))
		return damaged();
	struct chunk *c = chunk(s, p.chunk);
	touch(s, p.chunk, p.chunk + 1);
	int r = buffer_splice(&c->bytes, p.at, size_at(&c->bytes, p.at, &value), 0);
	if (r < 0)
		return r;
	s->len--;
	s->changes++;
	if (--c->n == 0)
		close_gap(s, p.chunk);
	return 0;
}

int sequence_replace(struct sequence *s, uint64_t index, const struct any_bytes *value)
{
	struct sequence_place p;
	struct any_bytes was;
	if (!sequence_find(s, index, &p))
		return damaged();
	const struct chunk *c = chunk(s, p.chunk);
	size_t drop = size_at(&c->bytes, p.at, &was);
	if (c->n == 1 || value->size <= was.size || c->bytes.size + value->size - was.size <= 2 * limit(s))
		return write_at(s, &p, drop, value);
	int r = sequence_remove(s, index);
	return r ? r : sequence_insert(s, index, value);
}

void sequence_clear(struct sequence *s)
{
	touch(s, 0, s->used);
	for (uint32_t k = 0; k < s->used; k++) {
		buffer_fini(&chunk(s, k)->bytes);
		chunk(s, k)->n = 0;
	}
	s->len = 0;
	s->used = 0;
	s->changes++;
}

int sequence_json(const struct sequence *s, uint64_t from, uint64_t to, stoa_text *ret)
{
	struct sequence_place p = { 0 };
	struct any_bytes value;
	struct json_out out;
	if (from < to && !sequence_find(s, from, &p))
		return damaged();
	json_begin(&out, false);
	for (; from < to && json_goes_on(&out) && sequence_next(s, &p, &value); from++)
		json_value(&out, &value);
	return json_end(&out, ret);
}

/* ---- hooks ---- */

int sequence_init(void *self, const void *args)
{
	struct sequence *s = self;
	(void)args;
	if (!s->chunks)
		s->chunks = calloc(SEQUENCE_PARTS, sizeof(struct chunk));
	return s->chunks ? 0 : -ENOMEM;
}

void sequence_fini(void *self)
{
	struct sequence *s = self;
	for (uint32_t part = 0; s->chunks && part < SEQUENCE_PARTS; part++)
		buffer_fini(&((struct chunk *)s->chunks)[part].bytes);
	free(s->chunks);
	s->chunks = NULL;
}

int sequence_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	const struct chunk *c = (const struct chunk *)((const struct sequence *)self)->chunks + part;
	return stoa_blob_set(ret, c->bytes.at, c->bytes.size);
}

/* How many values lie there, one behind the other, to the end. -EPROTO: something else does. */
static int count(const struct buffer *b, uint32_t *ret)
{
	struct head h;
	uint32_t at = 0, n = 0;
	for (; b->size - at >= sizeof(h); n++) {
		memcpy(&h, b->at + at, sizeof(h));
		at += sizeof(h);
		if (h.size > b->size - at || !h.kind ||
		    !any_is_sound(&(struct any_bytes){ h.kind, b->at + at, h.size }))
			return -EPROTO;
		at += h.size;
	}
	*ret = n;
	return at == b->size ? 0 : -EPROTO;
}

int sequence_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	struct sequence *s = self;
	int r = s->used <= SEQUENCE_PARTS ? sequence_init(s, NULL) : -EPROTO;
	if (r < 0)
		return r;
	struct chunk *c = (struct chunk *)s->chunks + part;
	r = buffer_splice(&c->bytes, 0, c->bytes.size, size);
	if (r < 0)
		return r;
	if (size)
		memcpy(c->bytes.at, data, size);
	return count(&c->bytes, &c->n);
}
