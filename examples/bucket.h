/*
 * bucket.h: a rate limiter that processes share, the classical token bucket: it fills with `rate` tokens a second up to
 * `burst`, and take(n) takes n of them or none. Both can be assigned while it is in use.
 *
 * A header of this kind is what the author of a class gives to its users: structs, stubs and the name of the class.
 */
#ifndef BUCKET_H
#define BUCKET_H

#include <stoa.h>

struct bucket {
	double rate;  /* tokens a second */
	double burst; /* tokens that it can hold; above 0 */
	double tokens;
	int64_t filled_ns; /* when tokens was right, CLOCK_REALTIME; 0: never, it is full */
	uint64_t granted, refused;
};

struct bucket_take {
	double n;
};

struct bucket_taken {
	bool granted;
	int64_t wait_ns; /* if not: there may be enough after this time; INT64_MAX: the bucket does not fill */
};

STOA_STUB(bucket, take, struct bucket_take, struct bucket_taken);

extern const struct stoa_class bucket_class;

#endif
