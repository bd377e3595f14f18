/*
 * meet.c: waiting for what the built-in classes lease, latch and rendezvous wait for. Each looks at the version of an
 * attribute, then asks, then sleeps until there is a newer version: what changes between is not missed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "include/stoa/latch.h"
#include "include/stoa/lease.h"
#include "include/stoa/rendezvous.h"
#include "proxy/proxy.h"
#include "proxy/wait.h"
#include "src/clock.h"
#include "src/error.h"

struct patience {
	bool none; /* STOA_NOWAIT */
	int64_t deadline;
};

static struct patience patience(const struct stoa_proxy *p, int64_t timeout)
{
	return (struct patience){ timeout == STOA_NOWAIT, handle_deadline(p->stoa, timeout) };
}

/* Sleep until the attribute has changed since `after`, or most_ns have passed. 0: look again; -EAGAIN, -ETIMEDOUT: in
 * vain. */
static int sleep_on(struct stoa_proxy *p, uint32_t attr, uint64_t after, const struct patience *wait, int64_t most_ns)
{
	int64_t left = wait->deadline - clock_now();
	if (wait->none)
		return -EAGAIN;
	if (left <= 0)
		return -ETIMEDOUT;
	int r = stoa_wait(p, attr, after, left < most_ns ? left : most_ns, NULL);
	return r == -ETIMEDOUT ? 0 : r; /* whose time is over is seen at the next look */
}

static int held_by(const struct stoa_proxy *p, int code, const struct lease_answer *by)
{
	return error_set(code, "lease %s is held by \"%s\", pid %u", p->name, by->owner, by->pid);
}

int stoa_lease_take(struct stoa_proxy *p, const char *owner, int64_t ttl_ns, int64_t timeout, uint64_t *ret_token)
{
	struct lease_want want = { .ttl_ns = ttl_ns };
	struct lease_answer answer;
	struct stoa_stamp stamp;
	uint64_t number;
	const uint32_t attr = offsetof(struct lease, number);
	const struct patience wait = patience(p, timeout);
	if (owner && strlen(owner) >= sizeof(want.owner))
		return error_set(-ENAMETOOLONG, "the owner's text has %zu bytes; at most %zu", strlen(owner),
				 sizeof(want.owner) - 1);
	snprintf(want.owner, sizeof(want.owner), "%s", owner ? owner : "");
	for (int r = 0;;) {
		r = stoa_peek(p, attr, &number, sizeof(number), &stamp);
		r = r ? r : lease_acquire_call(p, &want, &answer, STOA_DEFAULT);
		if (r < 0)
			return r;
		if (answer.granted) {
			*ret_token = answer.token;
			return 0;
		}
		r = sleep_on(p, attr, stamp.version, &wait, answer.wait_ns ? answer.wait_ns : INT64_MAX);
		if (r < 0)
			return r == -EAGAIN || r == -ETIMEDOUT ? held_by(p, r, &answer) : r;
	}
}

int stoa_latch_wait(struct stoa_proxy *p, int64_t timeout)
{
	const struct patience wait = patience(p, timeout);
	const uint32_t attr = offsetof(struct latch, left);
	struct stoa_stamp stamp;
	uint64_t left;
	for (int r = 0;;) {
		r = stoa_get(p, attr, &left, sizeof(left), STOA_DEFAULT, &stamp);
		if (r < 0 || left == 0)
			return r;
		r = sleep_on(p, attr, stamp.version, &wait, INT64_MAX);
		if (r == -EAGAIN || r == -ETIMEDOUT)
			return error_set(r, "latch %s is not open: %ju are left", p->name, (uintmax_t)left);
		if (r < 0)
			return r;
	}
}

/* Is the step over, or in doubt? What became of it, withdrawing tells. */
static int step_look(struct stoa_proxy *p, uint64_t mine, bool *ret_decided)
{
	uint64_t step;
	bool broken;
	int r = stoa_peek(p, offsetof(struct rendezvous, step), &step, sizeof(step), NULL);
	r = r ? r : stoa_peek(p, offsetof(struct rendezvous, broken), &broken, sizeof(broken), NULL);
	*ret_decided = r == 0 && (step >= mine || broken);
	return r;
}

/* Sleep until the step is decided. 0, or why it is not. */
static int step_wait(struct stoa_proxy *p, uint64_t mine, const struct patience *wait)
{
	const uint32_t attr = offsetof(struct rendezvous, news);
	struct stoa_stamp stamp;
	uint64_t news;
	bool decided = false;
	for (int r = 0;;) {
		r = stoa_peek(p, attr, &news, sizeof(news), &stamp);
		r = r ? r : step_look(p, mine, &decided);
		if (r < 0 || decided)
			return r;
		r = sleep_on(p, attr, stamp.version, wait, INT64_MAX);
		if (r < 0)
			return r;
	}
}

int stoa_rendezvous_meet(struct stoa_proxy *p, uint64_t seat, int64_t timeout)
{
	const struct patience wait = patience(p, timeout);
	struct rendezvous_arrival arrival;
	struct rendezvous_end end;
	int r = rendezvous_arrive_call(p, &(struct rendezvous_seat){ seat }, &arrival, STOA_DEFAULT);
	if (r < 0 || arrival.done)
		return r;
	int waited = step_wait(p, arrival.step, &wait);
	r = rendezvous_withdraw_call(p, &(struct rendezvous_doubt){ seat, arrival.step }, &end, STOA_DEFAULT);
	if (r < 0 || end.done)
		return r;
	return end.broken ? error_set(-EOWNERDEAD, "a party of rendezvous %s was lost; reset it, and let all join again",
				      p->name)
			  : error_set(waited, "not all parties of rendezvous %s are there for step %ju", p->name,
				      (uintmax_t)arrival.step);
}
