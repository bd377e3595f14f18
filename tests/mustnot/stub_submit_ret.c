/* stub_submit_ret.c: the same of a submitted command. */
#include "tests/mustnot/hits.h"

STOA_STUB(hits, record, struct hit, struct total);

int record(struct stoa_proxy *proxy, const struct hit *hit, const struct other *other, struct total *total);
int record(struct stoa_proxy *proxy, const struct hit *hit, const struct other *other, struct total *total)
{
	(void)hit, (void)other, (void)total;
#ifdef GOOD
	return hits_record_submit(proxy, hit, total, NULL, STOA_DEFAULT);
#else
	struct other result;

	return hits_record_submit(proxy, hit, &result, NULL, STOA_DEFAULT);
#endif
}
