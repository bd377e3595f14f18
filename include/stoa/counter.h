/*
 * stoa/counter.h - the built-in class "counter": one number that many processes count with.
 *
 * Create one with stoa_create(stoa, "hits", &counter_class, &(struct counter){ .value = 0 }, 0, &proxy). Each method
 * returns the value after it. -EOVERFLOW: the sum has no place in 64 bits; the counter is as it was. The value can also
 * be assigned. Since 0.1.
 *
 * add and sub fold: casts of a thread that are still queued may run as one, with the sum of their n (stoa_class(3)). A
 * refusal then concerns all of them, and so does a success: 1 and -1 fit together where 1 alone does not.
 */
#ifndef STOA_COUNTER_H
#define STOA_COUNTER_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

struct counter {
	int64_t value;
};

struct counter_args {
	int64_t n;
};

struct counter_value {
	int64_t value;
};

STOA__BUILTIN(stoa_class, counter_class);
STOA__BUILTIN(stoa_method, counter_add_row);
STOA__BUILTIN(stoa_method, counter_reset_row);
STOA__BUILTIN(stoa_method, counter_set_row);
STOA__BUILTIN(stoa_method, counter_sub_row);

STOA_STUB(counter, add, struct counter_args, struct counter_value);
STOA_STUB(counter, sub, struct counter_args, struct counter_value);
STOA_STUB(counter, set, struct counter_args, struct counter_value);
STOA_STUB(counter, reset, stoa_none, struct counter_value); /* to 0 */

#ifdef __cplusplus
}
#endif

#endif
