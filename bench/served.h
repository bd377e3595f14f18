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

/* Does it; the answer, of so many bytes, goes to ret. 0: none is wanted. */
size_t served_do(const struct ask *ask, void *ret);

#endif
