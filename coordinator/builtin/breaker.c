/*
 * breaker.c: the methods of the built-in class "breaker". What can be assigned is finite and not below 0; what is out
 * of the range that counts, counts as the nearest in it.
 */
#include "include/stoa/breaker.h"

#include "coordinator/builtin/given.h"

#define SLEEP_MAX 1e9 /* seconds: 31 years, which fit behind any time in ns */

STOA_STRUCT(breaker, STOA_ATTR(struct breaker, after, .writable = true, .doc = "shorts that trip it; 0: never"),
	    STOA_ATTR(struct breaker, sleep, .unit = "s", .writable = true, .doc = "after the next trip"),
	    STOA_ATTR(struct breaker, factor, .writable = true, .doc = "a reset multiplies sleep by this"),
	    STOA_ATTR(struct breaker, cap, .unit = "s", .writable = true, .doc = "up to this; 0: 1e9"),
	    STOA_ATTR(struct breaker, first, .unit = "s", .doc = "sleep after reset_backoff; 0: as it is"),
	    STOA_ATTR(struct breaker, broken, .doc = "from a trip to a reset"),
	    STOA_ATTR(struct breaker, times, .doc = "shorts since the last reset"),
	    STOA_ATTR(struct breaker, total_trips),
	    STOA_ATTR(struct breaker, since, .unit = "ns", .doc = "time of the trip; 0: not broken"),
	    STOA_ATTR(struct breaker, until, .unit = "ns", .doc = "when its sleep is over"));
STOA_STRUCT(breaker_state, STOA_ATTR(struct breaker_state, broken),
	    STOA_ATTR(struct breaker_state, wait_ns, .unit = "ns", .doc = "the sleep that is left"));
STOA_STRUCT(breaker_sleep, STOA_ATTR(struct breaker_sleep, sleep, .unit = "s", .doc = "after the next trip"));

/* The sleep that is left. Before the trip it never is: the clock was set back. */
static int64_t left(const struct breaker *self)
{
	int64_t now = stoa_time_ns();
	return self->broken && self->since <= now && now < self->until ? self->until - now : 0;
}

static int tell(const struct breaker *self, struct breaker_state *ret)
{
	ret->broken = self->broken;
	ret->wait_ns = left(self);
	return 0;
}

static double limit(double sleep, double most)
{
	return !(sleep > 0) ? 0 : sleep < most ? sleep : most;
}

static void trip(struct breaker *self)
{
	if (left(self) > 0)
		return;
	self->broken = true;
	self->total_trips++;
	self->since = stoa_time_ns();
	self->until = self->since + (int64_t)(limit(self->sleep, SLEEP_MAX) * 1e9);
}

static int breaker_check(const struct breaker *self, const stoa_none *args, struct breaker_state *ret)
{
	(void)args;
	return tell(self, ret);
}

static int breaker_short(struct breaker *self, const stoa_none *args, struct breaker_state *ret)
{
	(void)args;
	self->times++;
	if (self->after > 0 && self->times >= self->after)
		trip(self);
	return tell(self, ret);
}

static int breaker_trip(struct breaker *self, const stoa_none *args, struct breaker_state *ret)
{
	(void)args;
	trip(self);
	return tell(self, ret);
}

static int breaker_reset(struct breaker *self, const stoa_none *args, struct breaker_sleep *ret)
{
	(void)args;
	self->first = self->first > 0 ? self->first : self->sleep;
	self->sleep = limit(self->factor > 1 ? self->sleep * self->factor : self->sleep,
			    self->cap > 0 ? limit(self->cap, SLEEP_MAX) : SLEEP_MAX);
	self->broken = false;
	self->times = 0;
	self->since = self->until = 0;
	ret->sleep = self->sleep;
	return 0;
}

static int breaker_reset_backoff(struct breaker *self, const stoa_none *args, struct breaker_sleep *ret)
{
	(void)args;
	self->sleep = self->first > 0 ? self->first : self->sleep;
	self->first = 0;
	ret->sleep = self->sleep;
	return 0;
}

STOA_READER(breaker, check, stoa_none, breaker_state, .reads = "broken since until", .doc = "may it be used?");
STOA_METHOD(breaker, short, stoa_none, breaker_state, .writes = "broken times total_trips since until",
	    .doc = "it failed; that may trip it");
STOA_METHOD(breaker, trip, stoa_none, breaker_state, .writes = "broken total_trips since until",
	    .doc = "break it; while it sleeps, nothing");
STOA_METHOD(breaker, reset, stoa_none, breaker_sleep, .writes = "sleep first broken times since until",
	    .doc = "close it, and sleep longer after the next trip");
STOA_METHOD(breaker, reset_backoff, stoa_none, breaker_sleep, .writes = "sleep first",
	    .doc = "sleep as long as at first");

static int breaker_validate(const void *self, bool is_new)
{
	(void)is_new;
	return given_amounts(&breaker_struct, self);
}
STOA_CLASS_VALIDATE(breaker, 1, breaker_validate, &breaker_check_row, &breaker_short_row, &breaker_trip_row,
		    &breaker_reset_row, &breaker_reset_backoff_row);
