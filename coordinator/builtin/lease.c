/*
 * lease.c: the methods of the built-in class "lease". It is held by a client that is there, as long as its time is not
 * over: both are judged whenever somebody looks, and a client that is not there any more also when it leaves.
 */
#include "include/stoa/lease.h"

#include <errno.h>
#include <string.h>

#include "coordinator/builtin/given.h"
#include "src/clock.h"

STOA_STRUCT(lease, STOA_ATTR(struct lease, number, .doc = "of the client that has it; 0: free"),
	    STOA_ATTR(struct lease, token, .doc = "grows each time it is taken"),
	    STOA_ATTR(struct lease, until_ns, .unit = "ns", .doc = "CLOCK_BOOTTIME of its end; 0: none"),
	    STOA_ATTR(struct lease, pid, .doc = "of the client that has it"),
	    STOA_ATTR(struct lease, owner, .doc = "as that client called itself"));
STOA_STRUCT(lease_want, STOA_ATTR(struct lease_want, owner, .doc = "who wants it, for people"),
	    STOA_ATTR(struct lease_want, ttl_ns, .unit = "ns", .doc = "for how long; 0: until it is released"));
STOA_STRUCT(lease_answer, STOA_ATTR(struct lease_answer, granted), STOA_ATTR(struct lease_answer, token),
	    STOA_ATTR(struct lease_answer, wait_ns, .unit = "ns", .doc = "to the end of the owner's time; 0: none"),
	    STOA_ATTR(struct lease_answer, pid), STOA_ATTR(struct lease_answer, owner));
STOA_STRUCT(lease_token, STOA_ATTR(struct lease_token, token, .doc = "as it was granted"));
STOA_STRUCT(lease_more, STOA_ATTR(struct lease_more, token, .doc = "as it was granted"),
	    STOA_ATTR(struct lease_more, ttl_ns, .unit = "ns", .doc = "for how long from now; 0: without an end"));
STOA_STUB(lease, look, stoa_none, stoa_none);

static int check_ttl(int64_t ttl_ns)
{
	return ttl_ns >= 0 ? 0 : stoa_fail(-EINVAL, "ttl_ns is %jd; 0 is without an end", (intmax_t)ttl_ns);
}

static int64_t end_of(int64_t ttl_ns, int64_t now)
{
	return ttl_ns == 0 ? 0 : ttl_ns > INT64_MAX - now ? INT64_MAX : now + ttl_ns;
}

static bool is_held(const struct lease *self, int64_t now)
{
	return stoa_attached(self->number) && (self->until_ns == 0 || now < self->until_ns);
}

static void set_free(struct lease *self)
{
	self->number = 0;
	self->until_ns = 0;
	self->pid = 0;
	memset(self->owner, 0, sizeof(self->owner));
}

static int lease_acquire(struct lease *self, const struct lease_want *args, struct lease_answer *ret)
{
	int64_t now = clock_read(CLOCK_BOOTTIME);
	int r = check_ttl(args->ttl_ns);
	if (r < 0)
		return r;
	ret->granted = !is_held(self, now);
	if (ret->granted) {
		self->number = stoa_caller()->number;
		self->token++;
		self->until_ns = end_of(args->ttl_ns, now);
		self->pid = (uint32_t)stoa_caller()->pid;
		memcpy(self->owner, args->owner, sizeof(self->owner));
	} else {
		ret->wait_ns = self->until_ns ? self->until_ns - now : 0;
		ret->pid = self->pid;
		memcpy(ret->owner, self->owner, sizeof(ret->owner));
	}
	ret->token = self->token;
	return 0;
}

static int check_token(const struct lease *self, uint64_t token)
{
	if (token != self->token || !is_held(self, clock_read(CLOCK_BOOTTIME)))
		return stoa_fail(-ENOLCK, "the lease is not held with token %ju any more; its last is %ju",
				 (uintmax_t)token, (uintmax_t)self->token);
	return 0;
}

static int lease_renew(struct lease *self, const struct lease_more *args, stoa_none *ret)
{
	int r = check_token(self, args->token);
	(void)ret;
	r = r ? r : check_ttl(args->ttl_ns);
	if (r == 0)
		self->until_ns = end_of(args->ttl_ns, clock_read(CLOCK_BOOTTIME));
	return r;
}

static int lease_release(struct lease *self, const struct lease_token *args, stoa_none *ret)
{
	int r = check_token(self, args->token);
	(void)ret;
	if (r == 0)
		set_free(self);
	return r;
}

static int lease_look(struct lease *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	if (self->number && !stoa_attached(self->number))
		set_free(self);
	return 0;
}

STOA_METHOD(lease, acquire, lease_want, lease_answer, .writes = "*", .doc = "take it, if it is free");
STOA_METHOD(lease, renew, lease_more, stoa_none, .writes = "until_ns", .doc = "have it for another time");
STOA_METHOD(lease, release, lease_token, stoa_none, .writes = "number until_ns pid owner", .doc = "give it back");
STOA_METHOD(lease, look, stoa_none, stoa_none, .writes = "number until_ns pid owner",
	    .doc = "free it if its owner is gone", .on_leave = true);

static int lease_validate(const void *self, bool is_new)
{
	return is_new ? given_only(&lease_struct, self, "") : 0;
}
STOA_CLASS_VALIDATE(lease, 1, lease_validate, &lease_acquire_row, &lease_renew_row, &lease_release_row,
		    &lease_look_row);
