/* get_array.c: an array is read into an array as long. */
#include "tests/mustnot/hits.h"

int get(struct stoa_proxy *proxy);
int get(struct stoa_proxy *proxy)
{
#ifdef GOOD
	double load[4];
#else
	double load[3];
#endif

	return STOA_GET(proxy, struct hits, load, &load, STOA_DEFAULT);
}
