/* token_type.c: a row of tokens is of struct stoa_token, or of an array of them. */
#include "tests/mustnot/hits.h"

struct desk {
#ifdef GOOD
	struct stoa_token first, rest[4];
#else
	struct stoa_token first;
	uint64_t rest[4][5];
#endif
};
STOA_STRUCT(desk, STOA_TOKENS(struct desk, first, .doc = "who waits"), STOA_TOKENS(struct desk, rest));

int token(void);
int token(void)
{
	return desk_struct.attrs[1].rank;
}
