/*
 * json.h: flat JSON (RFC 8259) in and out of the built-in dict, list, set and queue: an array of values or an object of
 * them, no deeper. A whole number that fits is an i64, any other number an f64. What it has no value for is a text: a
 * blob "0x" and its bytes in hexadecimal, and "nan", "inf" and "-inf"; the first character of these is escaped, \u0030x,
 * so that they are read as what they were.
 */
#ifndef STOA_COORDINATOR_BUILTIN_JSON_H
#define STOA_COORDINATOR_BUILTIN_JSON_H

#include "coordinator/builtin/any.h"
#include "coordinator/builtin/buffer.h"

/*
 * Call each() for all that an array or an object ({) has; in an array key is NULL. What it gets is valid during the
 * call. Stops with what each() returns below 0. -EINVAL, with a text that has the byte: it is not of that form.
 */
int json_read(const stoa_text *text, bool object,
	      int (*each)(void *data, const stoa_text *key, const struct stoa_any *value), void *data);

/*
 * An array or object as it grows; what fails is told at its end. Text that is not UTF-8 has U+FFFD there.
 */
#define JSON_MAX (4u << 20) /* bytes of an answer with all that there is */

struct json_out {
	struct buffer text;
	bool object;
	uint64_t n;
	int r;
};

void json_begin(struct json_out *out, bool object);
bool json_goes_on(const struct json_out *out); /* false: it failed, or is too long */
void json_key(struct json_out *out, const void *key, size_t size); /* of an object: before each value */
void json_value(struct json_out *out, const struct any_bytes *value);
void json_text(struct json_out *out, const void *text, size_t size); /* a value that is this text */

/* -EMSGSIZE, with a text: over JSON_MAX. -ENOMEM. */
int json_end(struct json_out *out, stoa_text *ret);

#endif
