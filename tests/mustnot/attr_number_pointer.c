/* attr_number_pointer.c: nor is a pointer to numbers, which is no array. */
#include "tests/mustnot/hits.h"

struct named {
#ifdef GOOD
	double name[2];
#else
	double *name;
#endif
};
STOA_STRUCT(named, STOA_ATTR(struct named, name));

int rank(void);
int rank(void)
{
	return named_struct.attrs[0].rank;
}
