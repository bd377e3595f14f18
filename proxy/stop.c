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

/* The guardian closes our connection when everything is done. */
static int await_end(const struct stoa *s, int64_t deadline)
{
	while (!handle_lost(s)) {
		int64_t left = deadline - clock_now();
		struct pollfd p = { .fd = s->conn_fd, .events = POLLRDHUP };
		if (left <= 0)
			return error_set(-ETIMEDOUT, "the coordinator of namespace %s has not ended in time", s->name);
		poll(&p, 1, (int)(left / 1000000) + 1);
	}
	return 0;
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
	pthread_mutex_lock(&s->talk);
	r = connection_ask(s, &m, NULL, deadline, &in, fds);
	pthread_mutex_unlock(&s->talk);
	handle_ring(s);
	/* It may have ended before its answer was read:
	 * by another's stop, or with our question, asked again, unheard. */
	if (r == -ECONNRESET && atomic_load(&s->space.state->life.phase) == LIFE_ENDED)
		return 0;
	if (r == -ECONNRESET)
		return handle_gone(s, false, 0);
	return r < 0 ? r : await_end(s, deadline);
}
