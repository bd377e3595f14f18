/* get_type.c: an attribute is read into a variable of its own type. */
#include "tests/mustnot/hits.h"

int get(struct stoa_proxy *proxy);
int get(struct stoa_proxy *proxy)
{
#ifdef GOOD
	uint64_t n;
#else
	uint32_t n;
#endif

	return STOA_GET(proxy, struct hits, requests, &n, STOA_DEFAULT);
}
