/*
 * read.h: reading the state: behind the barrier or not, one attribute, one struct, several at one moment.
 *
 * Linearisation point of a read: the load of `committed` for which its copies were found whole.
 */
#ifndef STOA_READ_H
#define STOA_READ_H

#include "proxy/proxy.h"

/* Run a read-only method here. READ_ELSEWHERE: the coordinator must. */
#define READ_ELSEWHERE 1
int read_method(struct stoa_proxy *p, const struct stoa_method *method, const void *args, void *ret, int64_t timeout);

/* Wait until all writes to the object that were accepted are committed. Errors as stoa_snapshot. */
int read_barrier(struct stoa_proxy *p, int64_t timeout);

/* The stamp of an attribute, or the newest of all with their changes summed, as committed. -ESTALE. */
int read_stamp(struct stoa_proxy *p, uint32_t attr, struct stoa_stamp *ret);

#endif
