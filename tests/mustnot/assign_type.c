/* assign_type.c: an attribute is assigned from a variable of its own type. */
#include "tests/mustnot/hits.h"

int get(struct stoa_proxy *proxy);
int get(struct stoa_proxy *proxy)
{
#ifdef GOOD
	const uint64_t n = 1;
#else
	const int64_t n = 1;
#endif

	return STOA_ASSIGN(proxy, struct hits, requests, &n, STOA_DEFAULT);
}
