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

extern const struct stoa_class tally_class, page_class;

#endif
