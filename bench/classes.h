/*
 * classes.h: the classes that stoa is measured with: written as a user would, undo on, verify mode off.
 */
#ifndef BENCH_CLASSES_H
#define BENCH_CLASSES_H

#include "bench/bench.h"
#include "include/stoa.h"

struct tally_add {
	uint64_t n, weight;
};
struct tally_value {
	uint64_t value;
};
struct tally_stamp {
	uint64_t ns;
};

STOA_STUB(tally, add, struct tally_add, struct tally_value); /* changes value and total */
STOA_STUB(tally, touch, stoa_none, stoa_none);               /* changes other */
STOA_STUB(tally, stamp, struct tally_stamp, stoa_none);      /* sets other */

/* Objects of 4 KiB and of 1 MiB, in blocks of 1 KiB: each block is a part of its own. */
#define BLOCK_WORDS 128
struct small {
	uint64_t blocks[4][BLOCK_WORDS];
};
struct large {
	uint64_t blocks[1024][BLOCK_WORDS];
};
STOA_STUB(small, touch, stoa_none, stoa_none); /* changes 8 bytes of the last block */
STOA_STUB(large, touch, stoa_none, stoa_none);

extern const struct stoa_class tally_class, page_class, small_class, large_class;

void classes_begin(void); /* before they are used */

#endif
