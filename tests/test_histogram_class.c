/*
 * test_histogram_class.c: the built-in histogram. Percentiles are those of HdrHistogram (hdr-histogram-js 3.0.1, two
 * digits) for the same values, but that they are not above the greatest; and they are within what is promised of the
 * exact ones.
 */
#include "include/stoa/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

#define VALUES 5000

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "h", &histogram_class, NULL);
}

static void record(struct stoa_proxy *to, uint64_t value)
{
	ok(histogram_record_cast(to, &(struct histogram_args){ value }, SOON));
}

static struct histogram now(struct stoa_proxy *of)
{
	struct histogram h;
	ok(stoa_snapshot(of, &h, sizeof(h), SOON, NULL));
	return h;
}

static uint64_t percentile(struct stoa_proxy *of, double percent)
{
	struct histogram_value value;
	ok(histogram_percentile_call(of, &(struct histogram_percentile){ percent }, &value, SOON));
	return value.value;
}

static int merge(const void *image, size_t size)
{
	return histogram_merge_call(p, &(struct histogram_image){ { (void *)image, size } }, NULL, SOON);
}

/* Ascending: so the exact percentiles are known. */
static uint64_t value(uint64_t i) { return i * i * i * 7 + i * 13; }

static void record_all(struct stoa_proxy *to, uint64_t from, uint64_t step)
{
	for (uint64_t i = from; i < VALUES; i += step)
		record(to, value(i));
}

static void assert_all(struct stoa_proxy *of)
{
	static const struct {
		double p;
		uint64_t value;
	} reference[] = {
		{ 0, 0 },		{ 1, 827391 },		{ 2.5, 13369343 },	{ 10, 872415231 },
		{ 25, 13690208255 },	{ 50, 109521666047 },	{ 75, 369367187455 },	{ 90, 639950127103 },
		{ 99, 850403524607 },	{ 99.9, 871878361087 },	{ 100, 874475169980 },
	};
	for (size_t i = 0; i < sizeof(reference) / sizeof(reference[0]); i++)
		assert_int_equal(percentile(of, reference[i].p), reference[i].value);
	struct histogram h = now(of);
	assert_true(h.n == VALUES && h.min == 0 && h.max == 874475169980 && h.total == 1093312706217500);
	assert_true(h.mean == 1093312706217500.0 / VALUES);
}

static void percentiles_are_those_of_the_reference(void)
{
	start();
	record_all(p, 0, 1);
	assert_all(p);
}

static void percentiles_are_within_what_is_promised(void)
{
	start();
	record_all(p, 0, 1);
	for (int i = 1; i <= 1000; i++) {
		double exact = (double)value((uint64_t)i * VALUES / 1000 - 1), got = (double)percentile(p, i / 10.0);
		if (!(got >= exact && got - exact < (exact > 0 ? exact / 128 : 1)))
			fail_msg("p %g is %.0f, and exactly %.0f", i / 10.0, got, exact);
	}
}

/* Each first and last value of a counter, over the whole range: none is in the wrong place. */
static void every_value_has_its_place(void)
{
	start();
	for (uint64_t v = 0; v < 256; v++)
		record(p, v);
	for (uint64_t v = 0; v < 256; v++)
		assert_int_equal(percentile(p, (double)(v + 1) / 256 * 100), v);
	for (int shift = 1; shift <= 56; shift++)
		for (uint64_t step = 128; step < 256; step += 127) {
			ok(histogram_reset_call(p, NULL, NULL, SOON));
			record(p, step << shift);
			record(p, (step << shift) + (UINT64_C(1) << shift) - 1);
			record(p, UINT64_MAX);
			assert_int_equal(percentile(p, 1), (step << shift) + (UINT64_C(1) << shift) - 1);
		}
	assert_int_equal(percentile(p, 100), UINT64_MAX);
}

static stoa_blob image_of(struct stoa_proxy *of)
{
	struct histogram_image image = { 0 };
	ok(histogram_image_call(of, NULL, &image, SOON));
	return image.image;
}

static void merged_is_as_if_all_was_recorded_there(void)
{
	start();
	struct stoa_proxy *other = harness_create(s, "other", &histogram_class, NULL);
	struct stoa_proxy *empty = harness_create(s, "empty", &histogram_class, NULL);
	record_all(p, 0, 2);
	record_all(other, 1, 2);
	stoa_blob images[] = { image_of(empty), image_of(other) };
	assert_int_equal(images[0].size, 0);
	assert_in_range(images[1].size, 1000, 8000);
	for (int i = 0; i < 2; i++) {
		ok(merge(images[i].data, images[i].size));
		stoa_blob_fini(&images[i]);
	}
	assert_all(p);
}

static void what_is_no_image_changes_nothing(void)
{
	start();
	for (uint64_t v = 1; v < 100000; v *= 3)
		record(p, v);
	stoa_blob image = image_of(p);
	for (size_t n = 1; n < image.size; n++)
		refused(-EINVAL, merge(image.data, n));
	says("no image of a histogram");
	refused(-EINVAL, merge("\5\5\0\10", 4));                     /* the counter of 0 is not that of 5 */
	refused(-EINVAL, merge("\0\0\0\1\2", 5));                    /* one zero, then a counter: not the one of 0 */
	refused(-EINVAL, merge("\0\0\0\0", 4));                      /* none of them */
	refused(-EINVAL, merge("\0\0\0\377\377\377\377\377\17\2", 10)); /* more zeros than counters */
	refused(-EINVAL, merge("\0\0\200\200\200\200\200\200\200\370\377\1\2", 13)); /* the total is -inf */
	says("the image has a total of -inf");
	assert_int_equal(now(p).n, 11);
	refused(-EOVERFLOW, merge("\0\0\0\376\377\377\377\377\377\377\377\377\1", 13)); /* INT64_MAX of 0 */
	says("11 and 9223372036854775807 values are too many");
	assert_int_equal(percentile(p, 0), 1);
	stoa_blob_fini(&image);
}

static void of_none_there_are_no_percentiles(void)
{
	start();
	refused(-ENODATA, histogram_percentile_call(p, &(struct histogram_percentile){ 50 }, NULL, SOON));
	record(p, 1);
	refused(-ERANGE, histogram_percentile_call(p, &(struct histogram_percentile){ -1 }, NULL, SOON));
	says("p is -1: not from 0 to 100");
	refused(-ERANGE, histogram_percentile_call(p, &(struct histogram_percentile){ NAN }, NULL, SOON));
}

/* All or nothing: the first command of two is undone, in a part that has something and in one that has nothing. */
static void what_fails_with_another_command_is_undone(void)
{
	const uint64_t values[] = { 5, 1 << 20 };
	start();
	record(p, 1);
	record(p, 1 << 30);
	for (int i = 0; i < 2; i++) {
		struct stoa_command both[] = {
			{ .proxy = p, .method = &histogram_record_row, .args = &(struct histogram_args){ values[i] } },
			{ .proxy = p, .method = &histogram_merge_row, .args = &(struct histogram_image){ { "\1", 1 } } },
		};
		refused(-EINVAL, stoa_call_many(s, 2, both, SOON));
	}
	record(p, 1 << 10);
	record(p, 1 << 25);
	assert_true(now(p).n == 4 && percentile(p, 50) == (1 << 10) + 7 && percentile(p, 75) == (1 << 25) + (1 << 18) - 1);
}

static void a_new_coordinator_has_all_counters(void)
{
	start();
	record_all(p, 0, 1);
	ok(stoa_sync(s, SOON, NULL));
	harness_kill_coordinator(s);
	assert_all(p);
	ok(histogram_reset_call(p, NULL, NULL, SOON));
	harness_kill_coordinator(s);
	record(p, 1); /* between these there was something before the reset */
	record(p, 100);
	struct histogram h = now(p);
	assert_true(h.n == 2 && h.mean == 50.5 && percentile(p, 50) == 1 && percentile(p, 75) == 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(percentiles_are_those_of_the_reference),
		HARNESS(percentiles_are_within_what_is_promised),
		HARNESS(every_value_has_its_place),
		HARNESS(merged_is_as_if_all_was_recorded_there),
		HARNESS(what_is_no_image_changes_nothing),
		HARNESS(of_none_there_are_no_percentiles),
		HARNESS(what_fails_with_another_command_is_undone),
		HARNESS(a_new_coordinator_has_all_counters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
