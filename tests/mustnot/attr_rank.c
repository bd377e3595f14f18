/* attr_rank.c: an attribute has three dimensions at most. */
#include "tests/mustnot/hits.h"

struct named {
#ifdef GOOD
	int name[2][2][2];
#else
	int name[2][2][2][2];
#endif
};
STOA_STRUCT(named, STOA_ATTR(struct named, name));

int rank(void);
int rank(void)
{
	return named_struct.attrs[0].rank;
}
