/* method_returns.c: a method's function returns an int. */
#include <stoa.h>

struct hits {
	uint64_t requests;
	double load[4];
};
struct hit {
	uint32_t bytes;
};
struct other {
	uint32_t bytes;
};
struct total {
	uint64_t n;
};
STOA_STRUCT(hits, STOA_ATTR(struct hits, requests));
STOA_STRUCT(hit, STOA_ATTR(struct hit, bytes));
STOA_STRUCT(total, STOA_ATTR(struct total, n));

#ifdef GOOD
static int hits_record(struct hits *self, const struct hit *args, struct total *ret)
{
	(void)self, (void)args, (void)ret;
	return 0;
}
#else
static long hits_record(struct hits *self, const struct hit *args, struct total *ret)
{
	(void)self, (void)args, (void)ret;
	return 0;
}
#endif
STOA_METHOD(hits, record, hit, total, .writes = "requests");
