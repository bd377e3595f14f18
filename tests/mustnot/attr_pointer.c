/* attr_pointer.c: a pointer is no attribute: it means nothing in another process. */
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
	char name[32];
#else
	char *name;
#endif
};
STOA_STRUCT(named, STOA_ATTR(struct named, name));

int rank(void);
int rank(void)
{
	return named_struct.attrs[0].rank;
}
