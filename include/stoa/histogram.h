/*
 * stoa/histogram.h - the built-in class "histogram": how often which values occurred, of any range, and percentiles
 * of all of them.
 *
 * Create one with stoa_create(stoa, "latency", &histogram_class, NULL, 0, &proxy). Values are whole numbers, of any
 * unit, and counted as HdrHistogram does with two digits (hdrhistogram.org): exactly below 256, and above in 128
 * equal steps from each power of two to the next. So a percentile is never below the value that it stands for, and
 * less than 1/128 (0.79 %) above it; n, min and max are exact, total and mean but for rounding.
 *
 * image gives all of it in a few bytes, for merge, into this or another histogram, in this or another namespace. A
 * record rewrites 1 KiB; the whole takes up to 58 KiB. The methods run in the coordinator. Since 0.1.
 */
#ifndef STOA_HISTOGRAM_H
#define STOA_HISTOGRAM_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

struct histogram {
	uint64_t n; /* values recorded: at most INT64_MAX */
	uint64_t min, max;
	double total, mean;
	void *counters; /* the coordinator's: nothing elsewhere */
};

struct histogram_args {
	uint64_t value;
};

struct histogram_percentile {
	double p; /* 0 to 100; others: -ERANGE */
};

struct histogram_value {
	uint64_t value;
};

struct histogram_image {
	stoa_blob image;
};

STOA__BUILTIN(stoa_class, histogram_class);
STOA__BUILTIN(stoa_method, histogram_image_row);
STOA__BUILTIN(stoa_method, histogram_merge_row);
STOA__BUILTIN(stoa_method, histogram_percentile_row);
STOA__BUILTIN(stoa_method, histogram_record_row);
STOA__BUILTIN(stoa_method, histogram_reset_row);

STOA_STUB(histogram, record, struct histogram_args, stoa_none);
STOA_STUB(histogram, percentile, struct histogram_percentile, struct histogram_value); /* -ENODATA: it is empty */
STOA_STUB(histogram, image, stoa_none, struct histogram_image);
STOA_STUB(histogram, merge, struct histogram_image, stoa_none); /* -EINVAL: not an image; -EOVERFLOW: n */
STOA_STUB(histogram, reset, stoa_none, stoa_none);              /* as new */

#ifdef __cplusplus
}
#endif

#endif
