/*
 * park.c: the futex behind park.h.
 */
#include "src/park.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void park_sleep(const _Atomic uint32_t *word, uint32_t value, int64_t timeout)
{
	struct timespec t = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
	if (timeout > 0)
		syscall(SYS_futex, word, FUTEX_WAIT, value, &t, NULL, 0);
}

int64_t park_learn(int64_t spin_ns, int64_t slept_ns, int64_t least_ns)
{
	bool was_short = slept_ns < PARK_SPIN_MOST_NS;
	int64_t next = was_short ? 2 * (spin_ns + slept_ns) : spin_ns / 2;
	if (next < least_ns)
		return was_short ? least_ns : 0;
	return next < PARK_SPIN_MOST_NS ? next : PARK_SPIN_MOST_NS;
}

uint32_t park_wake(_Atomic uint32_t *word)
{
	uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
	uint32_t bits;
	do {
		bits = seen & (PARK_FUTEX | PARK_EVENT);
		if (!bits)
			return 0;
	} while (!atomic_compare_exchange_weak(word, &seen, (seen & ~(PARK_FUTEX | PARK_EVENT)) + 4));
	if (bits & PARK_FUTEX)
		syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return bits;
}
