/*
 * many.h: several commands as one record, all or nothing.
 */
#ifndef STOA_MANY_H
#define STOA_MANY_H

#include "proxy/proxy.h"

/* Assign every attribute of ours that is writable, as one command; waits for the answer. */
int many_assign(struct stoa_proxy *p, const struct target *t, const void *from, int64_t timeout);

#endif
