/* method_ret.c: a method's function writes the result that its row names. */
#include "tests/mustnot/hits.h"

#ifdef GOOD
static int hits_record(struct hits *self, const struct hit *args, struct total *ret)
#else
static int hits_record(struct hits *self, const struct hit *args, struct other *ret)
#endif
{
	(void)self, (void)args, (void)ret;
	return 0;
}
STOA_METHOD(hits, record, hit, total, .writes = "requests");
