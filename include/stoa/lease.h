/*
 * stoa/lease.h - the built-in class "lease": a named lock, which its owner's death frees.
 *
 * Create one with stoa_create(stoa, "nightly", &lease_class, NULL, 0, &proxy), take it with stoa_lease_take, and give it back
 * with the method release. One client at a time has it: a client is a process, with all its threads. It is free again
 *
 *   - when it is released,
 *   - when its time (ttl_ns) is over, if it was taken for a time; by CLOCK_BOOTTIME of the coordinator's machine, which
 *     nobody sets and which goes on while the machine sleeps,
 *   - when its owner's process dies or detaches: within milliseconds, and if the coordinator was down meanwhile, as soon
 *     as it is back (of one that has said nothing since a new start and detaches while nobody serves again: when its
 *     process ends).
 *
 * Whoever waits is woken at once; of several, any may be the next.
 *
 * The token is a fence: each time the lease is taken it is greater than ever before. Send it along with what you do
 * under the lease, and refuse, where that arrives, what has a smaller one than was seen: so a client that was stopped
 * while its time ran out does no harm when it goes on. Since 0.1.
 */
#ifndef STOA_LEASE_H
#define STOA_LEASE_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEASE_OWNER 64 /* bytes of the owner's text, with its NUL */

struct lease {
	uint64_t number;   /* whose it is: struct stoa_client's; 0: nobody's */
	uint64_t token;    /* of whoever took it last */
	int64_t until_ns;  /* CLOCK_BOOTTIME when it is free without more ado; 0: never */
	uint32_t pid;      /* of the owner, for people */
	char owner[LEASE_OWNER]; /* as he called himself */
};

struct lease_want {
	char owner[LEASE_OWNER]; /* shown to the others; may be "" */
	int64_t ttl_ns;    /* for how long; 0: until it is released */
};

struct lease_answer {
	bool granted;
	uint64_t token;    /* of yours, if it is granted; else of the owner's */
	int64_t wait_ns;   /* not granted: when its time is over, from now; 0: it has no end */
	uint32_t pid;      /* not granted: of the owner */
	char owner[LEASE_OWNER]; /* not granted: his text */
};

struct lease_token {
	uint64_t token;
};

struct lease_more {
	uint64_t token;
	int64_t ttl_ns;    /* from now; 0: without an end */
};

STOA__BUILTIN(stoa_class, lease_class);
STOA__BUILTIN(stoa_method, lease_acquire_row);
STOA__BUILTIN(stoa_method, lease_release_row);
STOA__BUILTIN(stoa_method, lease_renew_row);

/* Take it if it is free, and tell at once. It is not taken twice, not by its owner either. -EINVAL: ttl_ns < 0. */
STOA_STUB(lease, acquire, struct lease_want, struct lease_answer);
/* Have it for another time. -ENOLCK: it is not held with this token any more. Any client that knows the token may. */
STOA_STUB(lease, renew, struct lease_more, stoa_none);
/* Give it back. -ENOLCK: as above. */
STOA_STUB(lease, release, struct lease_token, stoa_none);

/*
 * Take it, waiting for it up to timeout: asleep, and woken when it is free. owner: at most 63 bytes, or NULL; ttl_ns as
 * above. -EAGAIN (STOA_NOWAIT), -ETIMEDOUT: another has it; the text says who. -ENAMETOOLONG: owner. Otherwise errors as
 * stoa_call: of the command, which has options.timeout on top, should the coordinator not answer.
 */
STOA_PUBLIC int stoa_lease_take(struct stoa_proxy *lease, const char *owner, int64_t ttl_ns, int64_t timeout,
				uint64_t *ret_token);

#ifdef __cplusplus
}
#endif

#endif
