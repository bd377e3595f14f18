/*
 * prefetch.h: have a cache line come while something else is done. A hint: nothing depends on it, any address is right.
 */
#ifndef STOA_PREFETCH_H
#define STOA_PREFETCH_H

static inline void prefetch_to_read(const void *at)
{
	__builtin_prefetch(at, 0);
}

/* For itself alone: a later store does not have to ask for it. */
static inline void prefetch_to_write(const void *at)
{
#if defined(__x86_64__)
	/* Without -mprfchw the compiler takes the one for reading. No x86-64 processor faults on this one. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
#else
	__builtin_prefetch(at, 1);
#endif
}

#endif
