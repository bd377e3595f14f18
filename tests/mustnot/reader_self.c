/* reader_self.c: a reader's function has a const self. */
#include "tests/mustnot/hits.h"

#ifdef GOOD
static int hits_record(const struct hits *self, const struct hit *args, struct total *ret)
#else
static int hits_record(struct hits *self, const struct hit *args, struct total *ret)
#endif
{
	(void)self, (void)args, (void)ret;
	return 0;
}
STOA_READER(hits, record, hit, total, .reads = "requests");
