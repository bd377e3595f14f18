/*
 * stoa/bucket.h - the built-in class "bucket": a rate limiter that processes share, the classical token bucket. It
 * fills with `rate` tokens a second up to `burst`, and is full at first; take(n) takes n of them or none.
 *
 * Create one with stoa_create(stoa, "limit", &bucket_class, &(struct bucket){ .rate = 10, .burst = 20 }, 0, &proxy).
 * Both can be assigned while it is in use. -EINVAL: n is not above 0, or more than burst. Since 0.1.
 *
 * Times are of CLOCK_REALTIME. When that is set back, the bucket goes on from there, and no token is lost; when it is
 * set forward, the bucket fills.
 */
#ifndef STOA_BUCKET_H
#define STOA_BUCKET_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bucket {
	double rate;  /* tokens a second; finite, as burst is, and not below 0: -EINVAL */
	double burst; /* tokens that it can hold; above 0 */
	double tokens;
	int64_t filled_ns; /* when tokens was right, since 1970; 0: never, it is full */
	uint64_t granted, refused;
};

struct bucket_take {
	double n;
};

struct bucket_taken {
	bool granted;
	int64_t wait_ns; /* if not: there may be enough after this time; INT64_MAX: the bucket does not fill */
};

STOA__BUILTIN(stoa_class, bucket_class);
STOA__BUILTIN(stoa_method, bucket_take_row);

STOA_STUB(bucket, take, struct bucket_take, struct bucket_taken);

#ifdef __cplusplus
}
#endif

#endif
