/*
 * fold.h: casts of folding methods: they join this thread's newest one while that is queued (src/fold.h).
 */
#ifndef STOA_PROXY_FOLD_H
#define STOA_PROXY_FOLD_H

#include "proxy/send.h"

/* Cast a method that folds. Errors as of stoa_cast. */
int fold_cast(struct lane *lane, const struct target *t, const struct bound_method *m, const void *args,
	      int64_t timeout);

#endif
