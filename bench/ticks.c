/*
 * ticks.c: see ticks.h.
 */
#include "bench/ticks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CALIBRATE_NS 50000000
#define READINGS 100000

struct ticks ticks = { .ns = 1 };

#if defined(__x86_64__)
/* The counter runs at one rate, whatever the processor does beside. */
static bool is_even(void)
{
	unsigned a, b, c, d = 0;
	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}
#else
static bool is_even(void)
{
	return false;
}
#endif

static void calibrate(void)
{
	int64_t from_ns = clock_now();
	uint64_t from = ticks_counter();
	while (clock_now() < from_ns + CALIBRATE_NS) {}
	int64_t ns = clock_now() - from_ns;
	ticks.ns = (double)ns / (double)(ticks_counter() - from);
}

void ticks_begin(void)
{
	ticks.processor = is_even();
	if (ticks.processor)
		calibrate();
	uint64_t from = ticks_now();
	for (int i = 1; i < READINGS; i++)
		ticks_now();
	ticks.reading_ns = ticks_to_ns(ticks_now() - from) / READINGS;
}
