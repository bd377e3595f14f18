/* attr_struct.c: a struct is no attribute, its members are. */
#include "tests/mustnot/hits.h"

struct named {
#ifdef GOOD
	int name;
#else
	struct hit name;
#endif
};
STOA_STRUCT(named, STOA_ATTR(struct named, name));

int rank(void);
int rank(void)
{
	return named_struct.attrs[0].rank;
}
