/*
 * any.c: see any.h.
 */
#include "coordinator/builtin/any.h"

#include <errno.h>
#include <string.h>

struct any_bytes any_bytes(const struct stoa_any *any)
{
	switch (any->kind) {
	case STOA_BOOL:
		return (struct any_bytes){ STOA_BOOL, &any->flag, sizeof(any->flag) };
	case STOA_I64:
		return (struct any_bytes){ STOA_I64, &any->i64, sizeof(any->i64) };
	case STOA_F64:
		return (struct any_bytes){ STOA_F64, &any->f64, sizeof(any->f64) };
	case STOA_TEXT:
		return (struct any_bytes){ STOA_TEXT, any->text.data, any->text.size };
	case STOA_BLOB:
		return (struct any_bytes){ STOA_BLOB, any->blob.data, any->blob.size };
	default:
		return (struct any_bytes){ 0, NULL, 0 };
	}
}

int any_check(const struct stoa_any *any, bool or_none, const char *what)
{
	struct any_bytes bytes = any_bytes(any);
	if (any->kind == 0 && or_none)
		return 0;
	if (any->kind == 0 || (any->kind == STOA_TEXT && !bytes.at))
		return stoa_fail(-EINVAL, "%s is missing", what);
	if (bytes.kind == 0)
		return stoa_fail(-EINVAL, "%s is of kind %u; it can be a bool, i64, f64, text or blob", what,
				 any->kind);
	if (bytes.size > STOA_ANY_MAX)
		return stoa_fail(-EMSGSIZE, "%s has %zu bytes; at most %u can be kept", what, bytes.size, STOA_ANY_MAX);
	return 0;
}

int any_get(const struct any_bytes *bytes, struct stoa_any *ret)
{
	ret->kind = bytes->kind;
	switch (bytes->kind) {
	case STOA_BOOL:
		memcpy(&ret->flag, bytes->at, sizeof(ret->flag));
		return 0;
	case STOA_I64:
		memcpy(&ret->i64, bytes->at, sizeof(ret->i64));
		return 0;
	case STOA_F64:
		memcpy(&ret->f64, bytes->at, sizeof(ret->f64));
		return 0;
	case STOA_TEXT:
		return stoa_text_set_n(&ret->text, bytes->size ? bytes->at : "", bytes->size);
	case STOA_BLOB:
		return stoa_blob_set(&ret->blob, bytes->at, bytes->size);
	default:
		return 0;
	}
}

bool any_same(const struct any_bytes *a, const struct any_bytes *b)
{
	return a->kind == b->kind && a->size == b->size && (a->size == 0 || memcmp(a->at, b->at, a->size) == 0);
}

bool any_is_sound(const struct any_bytes *bytes)
{
	switch (bytes->kind) {
	case 0:
		return bytes->size == 0;
	case STOA_BOOL:
		return bytes->size == 1 && *(const unsigned char *)bytes->at <= 1;
	case STOA_I64:
	case STOA_F64:
		return bytes->size == 8;
	case STOA_TEXT:
	case STOA_BLOB:
		return bytes->size <= STOA_ANY_MAX;
	default:
		return false;
	}
}
