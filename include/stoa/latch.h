/*
 * stoa/latch.h - the built-in class "latch": it is counted down, and opens at zero.
 *
 * Create one with stoa_create(stoa, "loaded", &latch_class, &(struct latch){ .left = 4 }, 0, &proxy). Each method
 * returns what is left after it. The value can also be assigned: so it is closed again. Since 0.1.
 */
#ifndef STOA_LATCH_H
#define STOA_LATCH_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

struct latch {
	uint64_t left; /* 0: it is open */
};

struct latch_count {
	uint64_t n;
};

struct latch_left {
	uint64_t left;
};

STOA__BUILTIN(stoa_class, latch_class);
STOA__BUILTIN(stoa_method, latch_down_row);

/* Count down by n. -ERANGE: less is left; the latch is as it was. */
STOA_STUB(latch, down, struct latch_count, struct latch_left);

/*
 * Wait until nothing is left, up to timeout: asleep, and woken. -EAGAIN (STOA_NOWAIT), -ETIMEDOUT: it is not open; the
 * text says what is left. Otherwise errors as of stoa_get and stoa_wait. Read-only clients may wait, too.
 */
STOA_PUBLIC int stoa_latch_wait(struct stoa_proxy *latch, int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
