/* stub_args.c: a stub takes no struct but its own arguments. */
#include "tests/mustnot/hits.h"

STOA_STUB(hits, record, struct hit, struct total);

int record(struct stoa_proxy *proxy, const struct hit *hit, const struct other *other, struct total *total);
int record(struct stoa_proxy *proxy, const struct hit *hit, const struct other *other, struct total *total)
{
	(void)hit, (void)other, (void)total;
#ifdef GOOD
	return hits_record_cast(proxy, hit, STOA_DEFAULT) + hits_record_cast(proxy, NULL, STOA_NOWAIT) +
	       hits_record_cast(proxy, &(struct hit){ 512 }, STOA_MS(5));
#else
	return hits_record_cast(proxy, other, STOA_DEFAULT);
#endif
}
