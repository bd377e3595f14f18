/*
 * pingpong.h: one cache line, there and back between two CPUs: the floor of whatever asks another process. An odd ball is
 * that one's.
 */
#ifndef BENCH_PINGPONG_H
#define BENCH_PINGPONG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static inline void pingpong_ask(_Atomic uint64_t *ball)
{
	uint64_t even = atomic_load_explicit(ball, memory_order_relaxed);
	atomic_store_explicit(ball, even + 1, memory_order_release);
	while (atomic_load_explicit(ball, memory_order_acquire) == even + 1) {}
}

static inline void pingpong_answer(_Atomic uint64_t *ball, const _Atomic bool *stop)
{
	while (!atomic_load_explicit(stop, memory_order_relaxed)) {
		uint64_t seen = atomic_load_explicit(ball, memory_order_acquire);
		if (seen & 1)
			atomic_store_explicit(ball, seen + 1, memory_order_release);
	}
}

#endif
