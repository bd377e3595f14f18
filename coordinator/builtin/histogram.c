/*
 * histogram.c: the methods and hooks of the built-in class "histogram".
 *
 * The counters are HdrHistogram's (Gil Tene, hdrhistogram.org) for two significant digits: 256 of one value each,
 * then 128 for each power of two. Each 128 are a part of their own, so that a record writes one of them. An image has
 * the counters as HdrHistogram's encoding V2 does: numbers as ZigZag LEB128, a negative one standing for so many
 * zeros.
 */
#include "include/stoa/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BITS 7
#define STEPS (1u << BITS)
#define PARTS (64 - BITS + 1)
#define COUNTERS (PARTS * STEPS)
#define NUMBER_MAX 10 /* bytes of a number in an image */

struct counters {
	uint64_t of[COUNTERS];
};

STOA_STRUCT(histogram, STOA_ATTR(struct histogram, n, .doc = "values recorded"), STOA_ATTR(struct histogram, min),
	    STOA_ATTR(struct histogram, max), STOA_ATTR(struct histogram, total), STOA_ATTR(struct histogram, mean));
STOA_STRUCT(histogram_args, STOA_ATTR(struct histogram_args, value, .doc = "of any unit"));
STOA_STRUCT(histogram_percentile, STOA_ATTR(struct histogram_percentile, p, .doc = "0 to 100"));
STOA_STRUCT(histogram_value, STOA_ATTR(struct histogram_value, value, .doc = "less than 1/128 too high"));
STOA_STRUCT(histogram_image, STOA_ATTR(struct histogram_image, image, .doc = "all of a histogram"));

/* ---- counters ---- */

static struct counters *counters_of(const struct histogram *self) { return self->counters; }

static unsigned shift_of(uint64_t value)
{
	unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 0;
	return bits > BITS + 1 ? bits - BITS - 1 : 0;
}

static uint32_t counter_of(uint64_t value)
{
	unsigned shift = shift_of(value);
	return shift * STEPS + (uint32_t)(value >> shift);
}

/* The greatest value that counts there. */
static uint64_t top_of(uint32_t counter)
{
	unsigned shift = counter < 2 * STEPS ? 0 : counter / STEPS - 1;
	uint64_t step = counter - shift * STEPS;
	return (step << shift) + ((UINT64_C(1) << shift) - 1);
}

static void count(struct histogram *self, uint32_t counter, uint64_t n)
{
	stoa_touch(counter / STEPS);
	counters_of(self)->of[counter] += n;
}

static void sum_up(struct histogram *self, uint64_t n, uint64_t min, uint64_t max, double total)
{
	self->min = self->n == 0 || min < self->min ? min : self->min;
	self->max = self->n == 0 || max > self->max ? max : self->max;
	self->n += n;
	self->total += total;
	self->mean = self->total / (double)self->n;
}

static int histogram_record(struct histogram *self, const struct histogram_args *args, stoa_none *ret)
{
	(void)ret;
	if (self->n == INT64_MAX)
		return stoa_fail(-EOVERFLOW, "%ju values are recorded: that is as many as can be", (uintmax_t)self->n);
	count(self, counter_of(args->value), 1);
	sum_up(self, 1, args->value, args->value, (double)args->value);
	return 0;
}

static int histogram_percentile(struct histogram *self, const struct histogram_percentile *args,
				struct histogram_value *ret)
{
	if (!(args->p >= 0 && args->p <= 100))
		return stoa_fail(-ERANGE, "p is %g: not from 0 to 100", args->p);
	if (self->n == 0)
		return stoa_fail(-ENODATA, "nothing was recorded: there are no percentiles");
	double place = args->p * (double)self->n / 100;
	uint64_t sum = 0;
	uint32_t i = counter_of(self->min), last = counter_of(self->max);
	for (; i < last; i++) {
		sum += counters_of(self)->of[i];
		if ((double)sum >= place)
			break;
	}
	ret->value = top_of(i) < self->max ? top_of(i) : self->max;
	return 0;
}

static int histogram_reset(struct histogram *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	for (uint32_t part = 0; part < PARTS; part++)
		stoa_touch(part);
	memset(self->counters, 0, sizeof(struct counters));
	*self = (struct histogram){ .counters = self->counters };
	return 0;
}

/* ---- images: least and greatest value, the bits of the total, then the counters up to the last that has any ---- */

static unsigned char *put(unsigned char *to, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		*to++ = (unsigned char)(n | 0x80);
	*to++ = (unsigned char)n;
	return to;
}

static bool take(const unsigned char **at, const unsigned char *end, uint64_t *ret)
{
	uint64_t n = 0;
	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		unsigned char byte = *(*at)++;
		n |= (uint64_t)(byte & 0x7f) << shift;
		*ret = n;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static unsigned char *put_counters(unsigned char *to, const struct histogram *self)
{
	uint64_t zeros = 0;
	for (uint32_t i = 0; i <= counter_of(self->max); i++) {
		uint64_t n = counters_of(self)->of[i];
		zeros += n == 0;
		if (n == 0)
			continue;
		if (zeros)
			to = put(to, 2 * zeros - 1);
		to = put(to, 2 * n);
		zeros = 0;
	}
	return to;
}

static int histogram_image(struct histogram *self, const stoa_none *args, struct histogram_image *ret)
{
	unsigned char *bytes = malloc((COUNTERS + 3) * NUMBER_MAX), *to = bytes;
	uint64_t total;
	(void)args;
	if (!bytes)
		return -ENOMEM;
	if (self->n > 0) {
		memcpy(&total, &self->total, sizeof(total));
		to = put_counters(put(put(put(to, self->min), self->max), total), self);
	}
	int r = stoa_blob_set(&ret->image, bytes, (size_t)(to - bytes));
	free(bytes);
	return r;
}

/* What an image has of its counters: of the first and the last that has any, and of all. */
struct seen {
	uint32_t first, last;
	uint64_t n;
};

/* Walk through the counters of an image, and add them to self, if that is given. */
static bool walk(const unsigned char *at, const unsigned char *end, struct histogram *self, struct seen *ret)
{
	uint64_t number, i = 0;
	*ret = (struct seen){ COUNTERS, 0, 0 };
	while (at < end) {
		if (!take(&at, end, &number))
			return false;
		uint64_t n = number / 2, skip = number % 2 ? n + 1 : 1;
		if (skip > COUNTERS - i || (number % 2 == 0 && (n == 0 || n > INT64_MAX - ret->n)))
			return false;
		if (number % 2 == 0) {
			ret->first = ret->first < i ? ret->first : (uint32_t)i;
			ret->last = (uint32_t)i;
			ret->n += n;
		}
		if (number % 2 == 0 && self)
			count(self, (uint32_t)i, n);
		i += skip;
	}
	return true;
}

static int histogram_merge(struct histogram *self, const struct histogram_image *args, stoa_none *ret)
{
	const unsigned char *at = args->image.data, *end = at ? at + args->image.size : NULL;
	uint64_t min, max, bits;
	double total;
	struct seen seen;
	(void)ret;
	if (at == end)
		return 0; /* of an empty one */
	if (!take(&at, end, &min) || !take(&at, end, &max) || !take(&at, end, &bits) || !walk(at, end, NULL, &seen) ||
	    min > max || seen.first != counter_of(min) || seen.last != counter_of(max))
		return stoa_fail(-EINVAL, "the %zu bytes are no image of a histogram", args->image.size);
	memcpy(&total, &bits, sizeof(total));
	if (!(total >= 0 && isfinite(total)))
		return stoa_fail(-EINVAL, "the image has a total of %g", total);
	if (seen.n > INT64_MAX - self->n)
		return stoa_fail(-EOVERFLOW, "%ju and %ju values are too many", (uintmax_t)self->n, (uintmax_t)seen.n);
	walk(at, end, self, &seen);
	sum_up(self, seen.n, min, max, total);
	return 0;
}

/* ---- hooks ---- */

static int init(void *self, const void *args)
{
	struct histogram *h = self;
	(void)args;
	h->counters = calloc(1, sizeof(struct counters));
	return h->counters ? 0 : -ENOMEM;
}

static void fini(void *self) { free(((struct histogram *)self)->counters); }

static const uint64_t none[STEPS];

static int pack(const void *self, uint32_t part, stoa_blob *ret)
{
	const uint64_t *counters = counters_of(self)->of + part * STEPS;
	return stoa_blob_set(ret, counters, memcmp(counters, none, sizeof(none)) == 0 ? 0 : sizeof(none));
}

static int unpack(void *self, uint32_t part, const void *data, size_t size)
{
	struct histogram *h = self;
	int r = h->counters ? 0 : init(self, NULL);
	if (r < 0)
		return r;
	if (size != 0 && size != sizeof(none))
		return -EINVAL;
	memcpy(counters_of(h)->of + part * STEPS, size ? data : none, sizeof(none));
	return 0;
}

static const struct stoa_hooks hooks = {
	.init_args = &stoa_none_struct,
	.init = init,
	.fini = fini,
	.parts = PARTS,
	.pack = pack,
	.unpack = unpack,
	.by_part = true,
};

#define ALL "n min max total mean"
STOA_METHOD(histogram, record, histogram_args, stoa_none, .writes = ALL, .doc = "it occurred");
STOA_METHOD(histogram, percentile, histogram_percentile, histogram_value,
	    .doc = "p % of the values were no greater");
STOA_METHOD(histogram, image, stoa_none, histogram_image, .ret_max = 128 << 10, .doc = "all of it, to merge");
STOA_METHOD(histogram, merge, histogram_image, stoa_none, .writes = ALL, .doc = "add what an image has");
STOA_METHOD(histogram, reset, stoa_none, stoa_none, .writes = ALL, .doc = "as new");
STOA_CLASS_HOOKS(histogram, 1, &hooks, &histogram_record_row, &histogram_percentile_row, &histogram_image_row,
		 &histogram_merge_row, &histogram_reset_row);
