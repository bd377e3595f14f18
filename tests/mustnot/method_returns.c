/* method_returns.c: a method's function returns an int. */
#include "tests/mustnot/hits.h"

#ifdef GOOD
static int hits_record(struct hits *self, const struct hit *args, struct total *ret)
#else
static long hits_record(struct hits *self, const struct hit *args, struct total *ret)
#endif
{
	(void)self, (void)args, (void)ret;
	return 0;
}
STOA_METHOD(hits, record, hit, total, .writes = "requests");
