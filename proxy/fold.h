/*
 * fold.h: casts of folding methods: they join this thread's newest one while that is queued (src/fold.h).
 */
#ifndef STOA_PROXY_FOLD_H
#define STOA_PROXY_FOLD_H

#include "proxy/route.h"

/* Cast a method that folds. Errors as of stoa_cast. */
int fold_cast(const struct route *route, const void *args, int64_t timeout);

#endif
