/*
 * served.h: the object of the peers that only carry messages: kept by one serving process of ours, which does what it
 * is asked, as a user of such a library would write it.
 */
#ifndef BENCH_SERVED_H
#define BENCH_SERVED_H

#include <stddef.h>
#include <stdint.h>

#define SERVED_ANSWER 64 /* bytes at most */

enum served_what { SERVED_ADD, SERVED_VALUE, SERVED_TALLY };

struct ask {
	uint32_t what;  /* enum served_what */
	uint32_t quiet; /* wants no answer */
	uint64_t n, weight;
};
#define ASK_ADD ((struct ask){ SERVED_ADD, 0, 1, 2 })
#define ASK_ADD_QUIETLY ((struct ask){ SERVED_ADD, 1, 1, 2 })
#define ASK_VALUE ((struct ask){ SERVED_VALUE, 0, 0, 0 })

/*
 * A client: how its library carries a question to the server, and brings an answer. The operations that are the same
 * whatever carries them take it for their client; so it comes first in what a peer keeps.
 */
struct link {
	int (*say)(void *link, const struct ask *ask);
	int (*hear)(void *link, void *ret_answer); /* SERVED_ANSWER bytes at most; how many, or negative */
	uint64_t value, quiet;                     /* the last that was heard, and what has been said quietly since */
};
int served_trip(void *link, struct ask ask); /* checks the answer, too */
int served_check(void *link, const struct ask *ask, const void *answer, int size);
int64_t served_update(void *link);
int64_t served_update_quietly(void *link);
int served_await_updates(void *link);

/* Does it; the answer, of so many bytes, goes to ret. 0: none is wanted. */
size_t served_do(const struct ask *ask, void *ret);

#endif
