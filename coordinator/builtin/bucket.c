/*
 * bucket.c: the method of the built-in class "bucket".
 */
#include "include/stoa/bucket.h"

#include <errno.h>

#include "coordinator/builtin/given.h"

STOA_STRUCT(bucket, STOA_ATTR(struct bucket, rate, .unit = "1/s", .writable = true, .doc = "tokens that come in"),
	    STOA_ATTR(struct bucket, burst, .writable = true, .doc = "tokens that it can hold"),
	    STOA_ATTR(struct bucket, tokens, .doc = "tokens in it at the last take"),
	    STOA_ATTR(struct bucket, filled_ns, .unit = "ns", .doc = "time of the last take"),
	    STOA_ATTR(struct bucket, granted, .doc = "takes that got theirs"),
	    STOA_ATTR(struct bucket, refused, .doc = "takes that came too early"));
STOA_STRUCT(bucket_take, STOA_ATTR(struct bucket_take, n, .doc = "tokens wanted"));
STOA_STRUCT(bucket_taken, STOA_ATTR(struct bucket_taken, granted),
	    STOA_ATTR(struct bucket_taken, wait_ns, .unit = "ns"));

/* The time is the command's: the same if the command has to be run again. */
static void fill(struct bucket *self)
{
	int64_t now = stoa_time_ns(), passed = now > self->filled_ns ? now - self->filled_ns : 0; /* clocks are set */
	double more = self->rate > 0 ? self->rate * (double)passed / 1e9 : 0;
	self->tokens = self->filled_ns != 0 && self->tokens + more < self->burst ? self->tokens + more : self->burst;
	self->filled_ns = now;
}

static int bucket_take(struct bucket *self, const struct bucket_take *take, struct bucket_taken *ret)
{
	if (!(take->n > 0 && take->n <= self->burst))
		return stoa_fail(-EINVAL, "n is %g: not above 0 and up to the burst, which is %g", take->n,
				 self->burst);
	fill(self);
	double lack = take->n - self->tokens;
	if (lack <= 0) {
		self->tokens -= take->n;
		self->granted++;
		ret->granted = true;
		return 0;
	}
	double wait_ns = self->rate > 0 ? lack / self->rate * 1e9 : 1e300;
	self->refused++;
	ret->wait_ns = wait_ns < 9e18 ? (int64_t)wait_ns + 1 : INT64_MAX;
	return 0;
}
STOA_METHOD(bucket, take, bucket_take, bucket_taken, .writes = "tokens filled_ns granted refused",
	    .doc = "take n tokens, or be told how long to wait");

static int bucket_validate(const void *self, bool is_new)
{
	(void)is_new;
	return given_amounts(&bucket_struct, self);
}
STOA_CLASS_VALIDATE(bucket, 1, bucket_validate, &bucket_take_row);
