/* assign_type.c: an attribute is assigned from a variable of its own type. */
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

int get(struct stoa_proxy *proxy);
int get(struct stoa_proxy *proxy)
{
#ifdef GOOD
	const uint64_t n = 1;
#else
	const int64_t n = 1;
#endif

	return STOA_ASSIGN(proxy, struct hits, requests, &n, STOA_DEFAULT);
}
