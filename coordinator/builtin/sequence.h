/*
 * sequence.h: the row of values under the built-in list and queue.
 *
 * A ring of SEQUENCE_PARTS chunks, each one part: its values lie one behind the other, as they are packed. At the ends
 * a chunk takes values up to a limit of bytes, 4 KiB while less than a quarter of the parts are used, then 8, 16 and
 * 32; a larger value has one to itself. In the middle a chunk grows to twice that, then it is cut, and the parts behind
 * it move up. So a change at an end costs a chunk, whatever the length.
 *
 * Every change touches its parts first, so that a method may fail behind it.
 */
#ifndef STOA_COORDINATOR_BUILTIN_SEQUENCE_H
#define STOA_COORDINATOR_BUILTIN_SEQUENCE_H

#include "coordinator/builtin/any.h"

#define SEQUENCE_PARTS 4096u

/* The state of a class that is one begins with these members; all but the last are its attributes. */
struct sequence {
	uint64_t len, changes;
	uint32_t first, used; /* parts: which one begins, and how many there are */
	void *chunks;	      /* struct chunk[SEQUENCE_PARTS] */
};

struct sequence_place {
	uint32_t chunk, at, nth; /* from the first chunk; byte and value in it */
};

/* index is below len. False: the state is damaged. */
bool sequence_find(const struct sequence *s, uint64_t index, struct sequence_place *ret);

/* The value at this place, which becomes the next one. Begin with a zeroed place, or a found one. False: no more. */
bool sequence_next(const struct sequence *s, struct sequence_place *place, struct any_bytes *ret);

/* Before the value with this index; len: at the end. -ENOSPC, with a text: all parts are full. -ENOMEM. */
int sequence_insert(struct sequence *s, uint64_t index, const struct any_bytes *value);
int sequence_replace(struct sequence *s, uint64_t index, const struct any_bytes *value);
int sequence_remove(struct sequence *s, uint64_t index);
void sequence_clear(struct sequence *s);

/* All of it, or of some of it, as a JSON array. */
int sequence_json(const struct sequence *s, uint64_t from, uint64_t to, stoa_text *ret);

/* For struct stoa_hooks, with SEQUENCE_PARTS parts, by_part. */
int sequence_init(void *self, const void *args);
void sequence_fini(void *self);
int sequence_pack(const void *self, uint32_t part, stoa_blob *ret);
int sequence_unpack(void *self, uint32_t part, const void *data, size_t size);

#endif
