/*
 * cancel.h: no function of the library is a cancellation point. A thread that is cancelled in one goes on to its end:
 * else it would leave locks held and descriptors open. Code that waits, or that makes system calls which are
 * cancellation points, begins with CANCEL_LATER, which holds for the rest of its block.
 */
#ifndef STOA_CANCEL_H
#define STOA_CANCEL_H

#include <pthread.h>

static inline int cancel_disable(void)
{
	int state;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static inline void cancel_restore(const int *state)
{
	pthread_setcancelstate(*state, NULL);
}

#define CANCEL_LATER int cancel_state_ __attribute__((unused, cleanup(cancel_restore))) = cancel_disable()

#endif
