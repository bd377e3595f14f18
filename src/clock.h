/*
 * clock.h: the two clocks, in nanoseconds, and deadlines on the monotonic one.
 */
#ifndef STOA_CLOCK_H
#define STOA_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline int64_t clock_now(void) { return clock_read(CLOCK_MONOTONIC); }
static inline int64_t clock_real(void) { return clock_read(CLOCK_REALTIME); }

/* now + timeout, never past the end of time. */
static inline int64_t clock_deadline(int64_t timeout)
{
	int64_t now = clock_now();
	return timeout > INT64_MAX - now ? INT64_MAX : now + timeout;
}

#endif
