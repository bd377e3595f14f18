/*
 * stoa/breaker.h - the built-in class "breaker": a circuit breaker. Processes that use something that may be down
 * count its failures here; after some, it is broken, and all of them leave it alone for a while.
 *
 * Create one with stoa_create(stoa, "db", &breaker_class, &(struct breaker){ .after = 5, .sleep = 1, .factor = 2,
 * .cap = 60 }, 0, &proxy). Before a use, check: wait_ns is 0, or how long to leave it alone. When it fails: short. Of
 * a breaker that is broken and whose sleep is over, wait_ns is 0: try. If that works: reset, which closes it and
 * makes the next sleep longer, and once it goes well again, reset_backoff. If not: short or trip, for another sleep.
 *
 * Times are of CLOCK_REALTIME, of the machine. When that is set back to before the trip, the sleep is over; when it
 * is set forward, it ends sooner. What is below 0, or not finite, is refused when it is created or assigned: -EINVAL.
 * Since 0.1.
 */
#ifndef STOA_BREAKER_H
#define STOA_BREAKER_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

struct breaker {
	uint32_t after; /* shorts that trip it; 0: only trip does */
	double sleep;   /* seconds, after the next trip; never more than 1e9 */
	double factor;  /* a reset multiplies sleep by this; what is not above 1 is 1 */
	double cap;     /* up to so many seconds; 0: 1e9 */
	double first;   /* what reset_backoff makes of sleep; 0: there was no reset yet */
	bool broken;    /* from a trip to a reset */
	uint64_t times; /* shorts since the last reset */
	uint64_t total_trips;
	int64_t since, until; /* ns since 1970: when it tripped, and when its sleep is over; 0: it is not broken */
};

struct breaker_state {
	bool broken;
	int64_t wait_ns; /* the sleep that is left; 0: use it, or try */
};

struct breaker_sleep {
	double sleep; /* seconds, after the next trip */
};

STOA__BUILTIN(stoa_class, breaker_class);
STOA__BUILTIN(stoa_method, breaker_check_row);
STOA__BUILTIN(stoa_method, breaker_reset_backoff_row);
STOA__BUILTIN(stoa_method, breaker_reset_row);
STOA__BUILTIN(stoa_method, breaker_short_row);
STOA__BUILTIN(stoa_method, breaker_trip_row);

STOA_STUB(breaker, check, stoa_none, struct breaker_state); /* a reader: changes nothing */
STOA_STUB(breaker, short, stoa_none, struct breaker_state); /* once more; that may trip it */
STOA_STUB(breaker, trip, stoa_none, struct breaker_state);  /* while it sleeps: nothing */
STOA_STUB(breaker, reset, stoa_none, struct breaker_sleep);
STOA_STUB(breaker, reset_backoff, stoa_none, struct breaker_sleep);

#ifdef __cplusplus
}
#endif

#endif
