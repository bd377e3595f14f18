/* method_args.c: a method's function takes the arguments that its row names. */
#include "tests/mustnot/hits.h"

#ifdef GOOD
static int hits_record(struct hits *self, const struct hit *args, struct total *ret)
#else
static int hits_record(struct hits *self, const struct other *args, struct total *ret)
#endif
{
	(void)self, (void)args, (void)ret;
	return 0;
}
STOA_METHOD(hits, record, hit, total, .writes = "requests");
