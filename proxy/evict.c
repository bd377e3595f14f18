/*
 * evict.c: having another process detached, and waiting until nothing that it sends is taken any more.
 */
#include <errno.h>
#include <time.h>

#include "proxy/connection.h"
#include "proxy/wait.h"
#include "src/cancel.h"
#include "src/clock.h"
#include "src/error.h"

#define STEP_NS 1000000 /* between questions whether what it had queued is done */

/* 1: all is done; 0: not yet. */
static int ask(struct stoa *s, pid_t pid, int64_t deadline)
{
	struct message m = { .kind = MESSAGE_EVICT, .a = (uint64_t)pid }, in;
	int fds[MESSAGE_FDS];
	pthread_mutex_lock(&s->talk);
	int r = connection_ask(s, &m, NULL, deadline, &in, fds);
	pthread_mutex_unlock(&s->talk);
	if (r == -ECONNRESET) {
		handle_evicted(s); /* each the other? */
		return handle_gone(s, false, 0);
	}
	return r < 0 ? r : in.a != 0;
}

int stoa_evict(struct stoa *s, pid_t pid, int64_t timeout)
{
	CANCEL_LATER;
	const struct timespec step = { .tv_nsec = STEP_NS };
	int64_t deadline = handle_deadline(s, timeout);
	if (s->read_only)
		return error_set(-EACCES, "namespace %s is attached read-only", s->name);
	int r = handle_renew(s, timeout);
	if (r < 0)
		return r;
	bool told = false; /* at least once */
	while ((r = ask(s, pid, deadline)) == 0 && clock_now() < deadline) {
		told = true;
		nanosleep(&step, NULL);
	}
	if (r == 0)
		return error_set(-ETIMEDOUT,
				 "process %d is evicted, but what it had queued in namespace %s is not done yet",
				 (int)pid, s->name);
	if (r == -ETIMEDOUT && !told)
		return error_set(r, "the coordinator of namespace %s does not answer; it may evict process %d later",
				 s->name, (int)pid);
	return r > 0 || (r == -ENOENT && told) ? 0 : r; /* it has ended meanwhile */
}
