/* hits.h: what most of them are about. */
#ifndef MUSTNOT_HITS_H
#define MUSTNOT_HITS_H

#include <stoa.h>

struct hits {
	uint64_t requests;
	double load[4];
};
struct hit {
	uint32_t bytes;
};
struct other {
	uint32_t bytes;
};
struct total {
	uint64_t n;
};
STOA_STRUCT(hits, STOA_ATTR(struct hits, requests));
STOA_STRUCT(hit, STOA_ATTR(struct hit, bytes));
STOA_STRUCT(total, STOA_ATTR(struct total, n));

#endif
