/* attr_pointers.c: nor is an array of pointers. */
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
struct named {
#ifdef GOOD
	char name[4][32];
#else
	const char *name[4];
#endif
};
STOA_STRUCT(named, STOA_ATTR(struct named, name));

int rank(void);
int rank(void)
{
	return named_struct.attrs[0].rank;
}
