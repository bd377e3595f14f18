/*
 * stop.c: ending the coordinator, and waiting until it has ended.
 */
#include <errno.h>
#include <poll.h>

#include "proxy/connection.h"
#include "proxy/wait.h"
#include "src/cancel.h"
#include "src/clock.h"
#include "src/error.h"

/* Or did both die before? Whoever is there in another epoch is there since the end of this one. */
static bool has_ended(const struct stoa *s, uint64_t epoch)
{
	const struct life *life = &s->space.state->life;
	return atomic_load(&life->phase) == LIFE_ENDED || atomic_load(&life->epoch) != epoch;
}

/* The guardian closes our connection when everything is done. */
static int await_end(const struct stoa *s, uint64_t epoch, int64_t deadline)
{
	while (!handle_lost(s)) {
		int64_t left = deadline - clock_now();
		struct pollfd p = { .fd = s->conn_fd, .events = POLLRDHUP };
		if (left <= 0)
			return error_set(-ETIMEDOUT, "the coordinator of namespace %s has not ended in time", s->name);
		poll(&p, 1, (int)(left / 1000000) + 1);
	}
	return has_ended(s, epoch) ? 0 : handle_gone(s, false, 0);
}

int stoa_stop(struct stoa *s, enum stoa_stop how, int64_t timeout)
{
	CANCEL_LATER;
	struct message m = { .kind = MESSAGE_STOP, .a = how }, in;
	int fds[MESSAGE_FDS];
	int64_t deadline = handle_deadline(s, timeout);
	if (s->read_only)
		return error_set(-EACCES, "namespace %s is attached read-only", s->name);
	int r = handle_renew(s, timeout);
	if (r < 0)
		return r;
	uint64_t epoch = atomic_load(&s->epoch);
	pthread_mutex_lock(&s->talk);
	r = connection_ask(s, &m, NULL, deadline, &in, fds);
	pthread_mutex_unlock(&s->talk);
	handle_ring(s);
	/* It may have ended before its answer was read:
	 * by another's stop, or with our question, asked again, unheard. */
	return r < 0 && r != -ECONNRESET ? r : await_end(s, epoch, deadline);
}
