/*
 * test_statistics.c: what was done to each object and by each method is counted, failures exactly, also where commands
 * are folded or many at once, and across deaths; reads that waited are counted by how long.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "include/stoa/observe.h"
#include "tests/harness.h"

#define NAP_MS 30

struct bed {
	uint64_t naps;
};
STOA_STRUCT(bed, STOA_ATTR(struct bed, naps, .writable = true));

struct nap {
	uint64_t ms;
};
STOA_STRUCT(nap, STOA_ATTR(struct nap, ms));
STOA_STUB(bed, nap, struct nap, stoa_none);

static int bed_nap(struct bed *self, const struct nap *args, stoa_none *ret)
{
	(void)ret;
	if (args->ms > 1000)
		return stoa_fail(-ERANGE, "%ju ms are no nap", (uintmax_t)args->ms);
	if (args->ms)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 * (long)args->ms }, NULL);
	self->naps++;
	return 0;
}
STOA_METHOD(bed, nap, nap, stoa_none, .writes = "naps", .deadline = INT64_C(5000000000));
STOA_CLASS(bed, 1, &bed_nap_row);

/* The same class, as it became later: with a method in front. */
#define bed_class bed_class_later
#define bed_methods bed_methods_later
static int bed_rest(struct bed *self, const stoa_none *args, stoa_none *ret)
{
	(void)self;
	(void)args;
	(void)ret;
	return 0;
}
STOA_METHOD(bed, rest, stoa_none, stoa_none, .writes = "");
STOA_CLASS(bed, 2, &bed_rest_row, &bed_nap_row);
#undef bed_class

/* ---- looking ---- */

static struct stoa_statistic found;
static size_t n_found;

static int find(void *data, const struct stoa_statistic *one)
{
	const char *const *wanted = data;
	const char *name = wanted[0] ? one->object : one->class_name;
	if (strcmp(name, wanted[0] ? wanted[0] : wanted[1]) || strcmp(one->method, wanted[2]))
		return 0;
	found = *one;
	n_found++;
	return 0;
}

static const struct stoa_statistic *look(struct stoa *s, const char *object, const char *class_name, const char *method)
{
	const char *wanted[] = { object, class_name, method };
	n_found = 0;
	memset(&found, 0, sizeof(found));
	ok(stoa_statistics(s, object ? STOA_BY_OBJECT : STOA_BY_METHOD, find, wanted));
	assert_true(n_found <= 1);
	return &found;
}

static void counted(struct stoa *s, const char *object, const char *class_name, const char *method, uint64_t calls,
		    uint64_t failed)
{
	const struct stoa_statistic *is = look(s, object, class_name, method);
	assert_int_equal(n_found, 1);
	assert_int_equal(is->calls, calls);
	assert_int_equal(is->failed, failed);
	assert_true(is->timed <= is->calls);
}

/* ---- tests ---- */

static void statistics_count_calls_and_failures(void)
{
	struct stoa *s = harness_start(STOA_CLASSES(&bed_class));
	struct stoa_proxy *a = harness_create(s, "a", &bed_class, NULL), *b = harness_create(s, "b", &bed_class, NULL);
	counted(s, "a", NULL, "", 0, 0);
	for (int i = 0; i < 5; i++)
		ok(bed_nap_call(a, &(struct nap){ 0 }, NULL, SOON));
	refused(-ERANGE, bed_nap_call(a, &(struct nap){ 2000 }, NULL, SOON));
	ok(bed_nap_call(b, &(struct nap){ 0 }, NULL, SOON));
	ok(STOA_ASSIGN(b, struct bed, naps, &(uint64_t){ 7 }, SOON));
	ok(stoa_sync(s, SOON, NULL));
	counted(s, "a", NULL, "", 6, 1);
	counted(s, "b", NULL, "", 2, 0);
	counted(s, NULL, "bed", "nap", 7, 1);
	counted(s, NULL, "bed", "", 1, 0);
	counted(s, NULL, "counter", "add", 0, 0);
	assert_string_equal(look(s, "a", NULL, "")->class_name, "bed");
}

static void statistics_time_some_calls(void)
{
	struct stoa *s = harness_start(STOA_CLASSES(&bed_class));
	struct stoa_proxy *bed = harness_create(s, "bed", &bed_class, NULL);
	for (int i = 0; i < 200; i++)
		ok(bed_nap_call(bed, &(struct nap){ 2 }, NULL, SOON));
	for (int i = 0; i < 2; i++) {
		const struct stoa_statistic *is = look(s, i ? "bed" : NULL, "bed", i ? "" : "nap");
		assert_in_range(is->timed, 1, 200 / 32 + 1);
		assert_in_range(is->time_ns / (int64_t)is->timed, STOA_MS(2), SOON);
	}
}

static void statistics_count_each_of_many(void)
{
	struct stoa *s = harness_start(STOA_CLASSES(&bed_class));
	struct stoa_proxy *a = harness_create(s, "a", &bed_class, NULL), *b = harness_create(s, "b", &bed_class, NULL);
	struct nap none = { 0 }, too_long = { 2000 };
	struct stoa_command two[2] = { { .proxy = a, .method = &bed_nap_row, .args = &none },
				       { .proxy = b, .method = &bed_nap_row, .args = &none } };
	ok(stoa_call_many(s, 2, two, SOON));
	two[1].args = &too_long;
	refused(-ERANGE, stoa_call_many(s, 2, two, SOON));
	counted(s, "a", NULL, "", 2, 0);
	counted(s, "b", NULL, "", 2, 1);
	counted(s, NULL, "bed", "nap", 4, 1);
	assert_int_equal(look(s, NULL, "bed", "nap")->timed, 0);
}

static void statistics_count_folded_casts(void)
{
	struct stoa *s = harness_start(NULL);
	struct stoa_proxy *hits = harness_create(s, "hits", &counter_class, NULL);
	for (int i = 0; i < 5000; i++)
		ok(counter_add_cast(hits, &(struct counter_args){ 1 }, SOON));
	ok(stoa_sync(s, SOON, NULL));
	counted(s, "hits", NULL, "", 5000, 0);
	counted(s, NULL, "counter", "add", 5000, 0);
}

static void statistics_begin_anew_with_the_object(void)
{
	struct stoa *s = harness_start(NULL);
	struct stoa_proxy *hits = harness_create(s, "hits", &counter_class, NULL);
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
	ok(stoa_remove(s, "hits", SOON));
	look(s, "hits", NULL, "");
	assert_int_equal(n_found, 0);
	stoa_close(harness_create(s, "hits", &counter_class, NULL));
	counted(s, "hits", NULL, "", 0, 0);
	counted(s, NULL, "counter", "add", 1, 0);
	stoa_close(hits);
}

static void statistics_outlive_coordinators(void)
{
	struct stoa *reader, *again;
	struct stoa *s = harness_start(STOA_CLASSES(&bed_class));
	struct stoa_proxy *bed = harness_create(s, "bed", &bed_class, NULL);
	ok(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON));
	harness_kill_coordinator(s);
	ok(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON));
	harness_kill_both(s);
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = STOA_MS(200)), &reader));
	counted(reader, "bed", NULL, "", 2, 0);
	counted(reader, NULL, "bed", "nap", 2, 0);
	stoa_detach(reader);
	ok(stoa_start("test", STOA_CLASSES(&bed_class_later), STOA_OPTIONS(.flags = STOA_VERIFY), &again));
	ok(bed_nap_call(bed, &(struct nap){ 0 }, NULL, SOON));
	counted(s, "bed", NULL, "", 3, 0);
	counted(s, NULL, "bed", "nap", 3, 0);
	counted(s, NULL, "bed", "rest", 0, 0);
	stoa_detach(again);
}

/* ---- the barrier ---- */

static void barrier_counts_reads_that_waited(void)
{
	struct stoa *s = harness_start(STOA_CLASSES(&bed_class));
	struct stoa_proxy *bed = harness_create(s, "bed", &bed_class, NULL);
	struct stoa_barrier b;
	uint64_t naps;
	ok(stoa_barrier(s, &b));
	assert_int_equal(b.waited, 0);
	ok(STOA_GET(bed, struct bed, naps, &naps, SOON));
	ok(bed_nap_cast(bed, &(struct nap){ NAP_MS }, SOON));
	refused(-EAGAIN, STOA_GET(bed, struct bed, naps, &naps, STOA_NOWAIT)); /* it did not wait */
	int64_t begun = clock_now();
	ok(STOA_GET(bed, struct bed, naps, &naps, SOON));
	int64_t took = clock_now() - begun;
	assert_int_equal(naps, 1);
	ok(stoa_barrier(s, &b));
	assert_int_equal(b.waited, 1);
	assert_in_range(b.time_ns, STOA_MS(NAP_MS) / 2, took);
	int step = 0;
	while (!b.steps[step].waited)
		step++;
	assert_in_range(b.time_ns, b.steps[step - 1].below_ns, b.steps[step].below_ns - 1);
}

static void barrier_counts_short_waits_and_is_shared(void)
{
	struct stoa *s = harness_start(STOA_CLASSES(&bed_class)), *reader;
	struct stoa_proxy *bed = harness_create(s, "bed", &bed_class, NULL);
	struct stoa_barrier b;
	uint64_t naps;
	for (int i = 0; i < 100; i++) {
		ok(bed_nap_cast(bed, &(struct nap){ 0 }, SOON));
		ok(STOA_GET(bed, struct bed, naps, &naps, SOON));
	}
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &reader));
	ok(stoa_barrier(reader, &b));
	assert_in_range(b.waited, 1, 100);
	stoa_detach(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(statistics_count_calls_and_failures),
		HARNESS(statistics_time_some_calls),
		HARNESS(statistics_count_each_of_many),
		HARNESS(statistics_count_folded_casts),
		HARNESS(statistics_begin_anew_with_the_object),
		HARNESS(statistics_outlive_coordinators),
		HARNESS(barrier_counts_reads_that_waited),
		HARNESS(barrier_counts_short_waits_and_is_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
