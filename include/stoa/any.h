/*
 * stoa/any.h - one value of a kind that is known only when it is there: what the built-in dict, list, set and queue
 * hold. For members of the arguments and results of your own classes, too.
 *
 * kind says which of the other members is meant: STOA_BOOL: flag, STOA_I64: i64, STOA_F64: f64, STOA_TEXT: text,
 * STOA_BLOB: blob; 0: none of them. Make one with a function below. In arguments the text or the blob is yours,
 * borrowed; in a result it is yours too, and you free it with stoa_any_fini(). Since 0.1.
 *
 * stoa(1) takes and prints such a member as one value: what reads as a JSON number, true, false or "text" is that, and
 * all else is text.
 */
#ifndef STOA_ANY_H
#define STOA_ANY_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STOA_ANY_MAX (60u << 10) /* bytes of a text or blob that a built-in class takes: answers have 64 KiB */

struct stoa_any {
	uint8_t kind; /* enum stoa_kind, or 0 */
	bool flag;
	int64_t i64;
	double f64;
	stoa_text text;
	stoa_blob blob;
};

static inline struct stoa_any stoa__any(enum stoa_kind kind)
{
	struct stoa_any any;
	__builtin_memset(&any, 0, sizeof(any));
	any.kind = (uint8_t)kind;
	return any;
}

static inline struct stoa_any stoa_any_bool(bool flag)
{
	struct stoa_any any = stoa__any(STOA_BOOL);
	any.flag = flag;
	return any;
}

static inline struct stoa_any stoa_any_i64(int64_t i64)
{
	struct stoa_any any = stoa__any(STOA_I64);
	any.i64 = i64;
	return any;
}

static inline struct stoa_any stoa_any_f64(double f64)
{
	struct stoa_any any = stoa__any(STOA_F64);
	any.f64 = f64;
	return any;
}

static inline struct stoa_any stoa_any_text(const char *text)
{
	struct stoa_any any = stoa__any(STOA_TEXT);
	any.text = STOA_TEXT_OF(text);
	return any;
}

static inline struct stoa_any stoa_any_blob(const void *data, size_t size)
{
	struct stoa_any any = stoa__any(STOA_BLOB);
	any.blob.data = (void *)data;
	any.blob.size = size;
	return any;
}

/* Frees what the library put there, and makes it none. */
static inline void stoa_any_fini(struct stoa_any *any)
{
	stoa_text_fini(&any->text);
	stoa_blob_fini(&any->blob);
	any->kind = 0;
}

/* Its rows: STOA_STRUCT(put, STOA_ATTR(struct put, key), STOA_ANY(struct put, value)). */
#define STOA_ANY(T, member)                                                                                            \
	STOA_ATTR(T, member.kind), STOA_ATTR(T, member.flag), STOA_ATTR(T, member.i64), STOA_ATTR(T, member.f64),      \
		STOA_ATTR(T, member.text), STOA_ATTR(T, member.blob)

#ifdef __cplusplus
}
#endif

#endif
