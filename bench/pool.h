/*
 * pool.h: the client processes: forked once, then ordered through shared memory to run one slice after the other.
 *
 * Between slices they sleep. A slice begins for all of them at one moment. In its first half each operation is
 * timed; in its second half they run without a look at the clock, for what they cost. A slice that is parked, or of a
 * fixed rate, has the first half only. A client opens a peer at the first slice of it.
 */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include "bench/bench.h"

/* Parked: a pause before each operation, in which all fall asleep. Rate: each is due at a time; it is timed from then. */
enum pace { PACE_BUSY, PACE_PARKED, PACE_RATE, PACE_COUNT };
extern const char *const pace_names[PACE_COUNT];

#define PARKED_PAUSE_NS 1000000

struct order {
	const struct peer *peer;
	const struct op *op;
	unsigned clients;
	bool pinned;
	enum pace pace;
	double rate; /* of all clients together, a second */
	int64_t length_ns;
};

struct report {
	double cost_ns; /* of an operation: the median; of several clients, or with a finish: as mean_ns */
	double mean_ns; /* time over operations of all clients; parked or rated: the median */
	struct histogram histogram;
	int64_t lasted_ns;
};

int pool_begin(unsigned clients);                                    /* forks; peers are started */
int pool_run(const struct order *order, struct report *ret_report); /* fails with a trouble_text(); -EINTR: by the user */
void pool_end(void);
void pool_catch_signals(void);
bool pool_interrupted(void); /* ^C or a SIGTERM came */

/* For clients, between the halves: until all have come. */
void pool_meet(void);

/*
 * For who hears of a change, and the helper who makes it: none is made before somebody listens. Else one who wakes late
 * would find a later change, and take its time for its own: the longest waits would be left out.
 */
void pool_listen(void);
bool pool_await_listener(const _Atomic bool *stop); /* and until he has had time to fall asleep; false: stopped */

#endif
