/* attr_pointers.c: nor is an array of pointers. */
#include "tests/mustnot/hits.h"

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
