/* stub_ret.c: a stub writes its result nowhere but into a struct of the result's type. */
#include "tests/mustnot/hits.h"

STOA_STUB(hits, record, struct hit, struct total);

int record(struct stoa_proxy *proxy, const struct hit *hit, const struct other *other, struct total *total);
int record(struct stoa_proxy *proxy, const struct hit *hit, const struct other *other, struct total *total)
{
	(void)hit, (void)other, (void)total;
#ifdef GOOD
	return hits_record_call(proxy, hit, total, STOA_DEFAULT) + hits_record_call(proxy, hit, NULL, STOA_DEFAULT);
#else
	return hits_record_call(proxy, hit, &total->n, STOA_DEFAULT);
#endif
}
