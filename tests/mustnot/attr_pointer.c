/* attr_pointer.c: a pointer is no attribute: it means nothing in another process. */
#include "tests/mustnot/hits.h"

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
