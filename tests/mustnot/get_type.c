/* get_type.c: an attribute is read into a variable of its own type. */
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
	uint64_t n;
#else
	uint32_t n;
#endif

	return STOA_GET(proxy, struct hits, requests, &n, STOA_DEFAULT);
}
