/*
 * park.h: sleeping on a word of shared memory.
 *
 * A park word is bit 0 (someone sleeps in a futex), bit 1 (an event loop sleeps on its descriptor) and an epoch of 30
 * bits above. Sleeper: announce (set the bit, remember the word), look again at what it waits for, sleep if the word is
 * still the same. Waker: make it true, full fence, and if a bit is set clear the bits, add one to the epoch, wake. The
 * epoch is what keeps a sleeper whose bit was cleared for somebody else from sleeping on (tests/model/park.pml: without
 * it a wake is lost). The bits are cleared, so a dead sleeper costs one idle wake and not one per commit.
 */
#ifndef STOA_PARK_H
#define STOA_PARK_H

#include <stdatomic.h>
#include <stdint.h>

#define PARK_FUTEX 1u
#define PARK_EVENT 2u

/* Set a bit; returns the word to sleep on. Sequentially consistent with the look that follows. */
static inline uint32_t park_announce(_Atomic uint32_t *word, uint32_t bit) { return atomic_fetch_or(word, bit) | bit; }

/* Sleep while *word is still value, at most timeout ns. The mapping may be read-only. */
void park_sleep(const _Atomic uint32_t *word, uint32_t value, int64_t timeout);

/* Which bits were set; all sleepers in the futex are woken. The caller has fenced after making their wish true. */
uint32_t park_wake(_Atomic uint32_t *word);

/*
 * How long to spin from now on before one sleeps, if one has spun for spin_ns in vain and then slept for slept_ns: after
 * less than PARK_SPIN_MOST_NS asleep, twice what would have been enough, from least_ns up to that; else half as long as
 * before, or not at all. The way in which KVM polls for a halted CPU (Linux, Documentation/virt/kvm/halt-polling.rst),
 * and its bound.
 */
#define PARK_SPIN_MOST_NS 200000
int64_t park_learn(int64_t spin_ns, int64_t slept_ns, int64_t least_ns);

/* One turn of a busy wait. */
static inline void park_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
