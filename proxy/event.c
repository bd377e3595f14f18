/*
 * event.c: a thread's event loop: one descriptor for answers, changes, and the loss and return of the coordinator.
 *
 * The descriptor is an epoll of three: the lane's socket, to which the coordinator sends when the thread has said that
 * it sleeps (PARK_EVENT in its word, and its bit among the watchers); a timer for deadlines; the connection, for its
 * end. stoa_next looks, and only when there is nothing says so and looks once more: nothing between look and sleep is
 * lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "proxy/await.h"
#include "proxy/connection.h"
#include "proxy/lane.h"
#include "proxy/later.h"
#include "proxy/read.h"
#include "proxy/wait.h"
#include "src/cancel.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/park.h"

#define DOUBT_NS 1000000   /* between looks at an answer that is being given when its time is over */
#define RETRY_NS 100000000 /* between looks for a lost coordinator */
#define OLD_NS 20000000	   /* between looks at answers that come into a lane of an earlier epoch, where nobody rings */

struct watch {
	struct stoa_proxy *proxy;
	uint32_t attr;
	void *data;
	uint64_t version, changes; /* told so far */
	struct watch *next;
};

struct loop {
	int epoll_fd, timer_fd;
	int conn_fd, event_fd; /* in the epoll: our own of the connection, the lane's */
	uint64_t epoch;	       /* of that connection */
	bool lost;
	int64_t retry_ns, next_deadline; /* of a lost coordinator; of the pending answers: none is earlier */
	struct watch *watches, *cursor;	 /* cursor: where the last event was found */
};

/* ---- the loop ---- */

static void watch_remove(struct loop *l, struct watch *w)
{
	struct watch **at = &l->watches;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	l->cursor = NULL;
	proxy_unref(w->proxy);
	free(w);
}

static void loop_free(struct loop *l)
{
	CANCEL_LATER;
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	if (l->conn_fd >= 0)
		close(l->conn_fd);
	while (l->watches)
		watch_remove(l, l->watches);
	free(l);
}

void event_free(struct lane *lane)
{
	if (!lane->loop)
		return;
	/* In a forked child the lane is its parent's, who goes on watching. */
	if (lane->loop->watches && lane->head && atomic_load(&lane->stoa->mark->generation) == lane->generation)
		atomic_fetch_and(&lane->stoa->space.ingress->watchers[lane->id / 64], ~(UINT64_C(1) << lane->id % 64));
	loop_free(lane->loop);
	lane->loop = NULL;
}

void event_forget_fds(struct lane *lane)
{
	if (lane->loop)
		lane->loop->epoll_fd = lane->loop->timer_fd = lane->loop->conn_fd = -1;
}

static int add(const struct loop *l, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };
	return fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 || errno == EEXIST ? 0 : -errno;
}

static int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->conn_fd = l->event_fd = -1; /* next_deadline is 0: there may be pending answers already */
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int r = l->epoll_fd < 0 || l->timer_fd < 0 ? -errno : add(l, l->timer_fd, EPOLLIN);
	if (r < 0) {
		loop_free(l);
		return error_set(r, "cannot make the descriptors of an event loop: %s", strerror(-r));
	}
	*ret = l;
	return 0;
}

static void drop(const struct loop *l, int *fd)
{
	if (*fd >= 0)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	*fd = -1;
}

/*
 * Descriptors of the lane and the connection change with the epoch. What is watched of the connection is a descriptor of
 * our own: the handle's number may mean the next one at any moment, and the old one, which a forked child may still have
 * open, could not be taken out any more.
 */
static void loop_follow(struct loop *l, const struct lane *lane)
{
	const struct stoa *s = lane->stoa;
	if (l->event_fd < 0 && add(l, lane->event_fd, EPOLLIN) == 0)
		l->event_fd = lane->event_fd;
	if (l->conn_fd >= 0 || l->lost)
		return;
	CANCEL_LATER;
	l->epoch = atomic_load(&s->epoch);
	int fd = fcntl(s->conn_fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && add(l, fd, EPOLLRDHUP) == 0)
		l->conn_fd = fd;
	else if (fd >= 0)
		close(fd);
}

void event_take_over(struct lane *lane, struct lane *old)
{
	if (!old->loop)
		return;
	drop(old->loop, &old->loop->event_fd);
	lane->loop = old->loop;
	old->loop = NULL;
}

static int loop_get(struct stoa *s, struct lane **ret_lane, struct loop **ret)
{
	int r = lane_get(s, STOA_DEFAULT, ret_lane);
	if (r == 0 && !(*ret_lane)->loop)
		r = loop_new(&(*ret_lane)->loop);
	if (r < 0)
		return r;
	*ret = (*ret_lane)->loop;
	loop_follow(*ret, *ret_lane);
	return 0;
}

int stoa_fd(struct stoa *s)
{
	struct lane *lane;
	struct loop *l;
	int r = loop_get(s, &lane, &l);
	return r < 0 ? r : l->epoll_fd;
}

/* ---- answers ---- */

/* Answers come in ticket order, but for those that are given later: the oldest that is wanted is mostly the first. */
static struct pending **first_wanted(struct lane *lane)
{
	struct pending **at = &lane->pending;
	while (*at && !(*at)->event)
		at = &(*at)->next;
	return at;
}

static int next_answer(struct lane *lane, struct stoa_event *e)
{
	struct pending **at = first_wanted(lane);
	for (; *at && handle_committed(lane->stoa) > (*at)->ticket; at = &(*at)->next) {
		int status = (*at)->event ? await_take(lane, *at) : AWAIT_LATER;
		if (status == AWAIT_LATER)
			continue;
		*e = (struct stoa_event){
			.what = STOA_ANSWER, .status = status, .data = (*at)->data, .ticket = (*at)->ticket
		};
		pending_drop(lane, at);
		return 1;
	}
	return 0;
}

/* The earliest deadline that has passed. Its answer is kept for stoa_await, without the caller's memory. */
static int next_timeout(struct lane *lane, struct loop *l, struct stoa_event *e)
{
	int64_t now = clock_now();
	if (now < l->next_deadline)
		return 0;
	l->next_deadline = INT64_MAX;
	for (struct pending *p = lane->pending; p; p = p->next) {
		if (!p->event)
			continue;
		if (p->deadline > now) {
			l->next_deadline = p->deadline < l->next_deadline ? p->deadline : l->next_deadline;
			continue;
		}
		bool never = await_cancel(lane, p->record, p->ticket);
		if (!never && later_look(lane, p->record, p->ticket) == LATER_WAITS && !l->lost) {
			l->next_deadline = now + DOUBT_NS < l->next_deadline ? now + DOUBT_NS : l->next_deadline;
			continue;
		}
		l->next_deadline = now; /* there may be more */
		if (!never && next_answer(lane, e)) /* it came just in time, or none will come */
			return 1;
		*e = (struct stoa_event){ .what = STOA_ANSWER,
					  .data = p->data,
					  .ticket = p->ticket,
					  .status = never ? -ECANCELED : -ETIMEDOUT };
		error_set_command(e->status, STOA_FROM_LIBRARY, !never, p->ticket, NULL, 0);
		pending_unwant(lane, p);
		return 1;
	}
	return 0;
}

void event_pending(struct lane *lane, int64_t deadline)
{
	if (lane->loop && deadline < lane->loop->next_deadline)
		lane->loop->next_deadline = deadline;
}

/* ---- changes ---- */

static int watch_look(struct watch *w, struct stoa_event *e)
{
	struct stoa_stamp stamp;
	int r = read_stamp(w->proxy, w->attr, &stamp);
	if (r == 0 && stamp.version <= w->version)
		return 0;
	*e = (struct stoa_event){ .what = STOA_CHANGE, .status = r, .data = w->data };
	if (r == 0) {
		e->version = stamp.version;
		e->skipped = stamp.changes > w->changes ? stamp.changes - w->changes - 1 : 0;
		w->version = stamp.version;
		w->changes = stamp.changes;
	}
	return r == 0 ? 1 : r;
}

static void drop_closed(struct loop *l)
{
	for (struct watch *w = l->watches, *next; w; w = next) {
		next = w->next;
		if (atomic_load_explicit(&w->proxy->closed, memory_order_relaxed))
			watch_remove(l, w);
	}
}

/* One after the other, from where the last event was: a busy object does not starve the others. */
static int next_change(struct loop *l, struct stoa_event *e)
{
	drop_closed(l);
	struct watch *start = l->cursor && l->cursor->next ? l->cursor->next : l->watches;
	for (struct watch *w = start; w;) {
		int r = watch_look(w, e);
		if (r < 0)
			watch_remove(l, w); /* its object is gone: this is the last that is said of it */
		else if (r > 0)
			l->cursor = w;
		if (r)
			return 1;
		w = w->next ? w->next : l->watches;
		if (w == start)
			break;
	}
	return 0;
}

int stoa_watch(struct stoa_proxy *p, uint32_t attr, void *data)
{
	struct lane *lane;
	struct loop *l;
	struct stoa_stamp stamp;
	int r = read_stamp(p, attr, &stamp);
	r = r ? r : loop_get(p->stoa, &lane, &l);
	if (r < 0)
		return r;
	struct watch *w = malloc(sizeof(*w));
	if (!w)
		return error_set(-ENOMEM, "no memory to watch object %s", p->name);
	*w = (struct watch){ p, attr, data, stamp.version, stamp.changes, l->watches };
	atomic_fetch_add(&p->refs, 1);
	l->watches = w;
	return 0;
}

int stoa_cancel(struct stoa *s, void *data)
{
	struct lane *lane;
	struct loop *l;
	bool any = false;
	int r = loop_get(s, &lane, &l);
	if (r < 0)
		return r;
	for (struct watch *w = l->watches, *next; w; w = next) {
		next = w->next;
		if (w->data == data) {
			watch_remove(l, w);
			any = true;
		}
	}
	for (struct pending *p = lane->pending, *next; p; p = next) {
		next = p->next;
		if (p->event && p->data == data) {
			pending_unwant(lane, p);
			any = true;
		}
	}
	return any ? 0 : error_set(-ENOENT, "nothing is pending or watched with this data");
}

/* ---- loss and return ---- */

/* Though another call may have found the next coordinator already. */
static bool has_lost(const struct stoa *s, const struct loop *l)
{
	if (l->conn_fd < 0)
		return handle_lost(s);
	return l->epoch != atomic_load(&s->epoch) || connection_ended(l->conn_fd);
}

static int next_loss(struct stoa *s, struct loop *l, struct stoa_event *e)
{
	if (!l->lost) {
		if (!has_lost(s, l))
			return 0;
		CANCEL_LATER;
		int fd = l->conn_fd;
		drop(l, &l->conn_fd); /* at its end it would poll readable for ever */
		if (fd >= 0)
			close(fd);
		l->lost = true;
		l->retry_ns = 0;
		*e = (struct stoa_event){ .what = STOA_LOST };
		return 1;
	}
	if (clock_now() < l->retry_ns)
		return 0;
	l->retry_ns = clock_deadline(RETRY_NS);
	if (handle_renew(s, STOA_MS(5)) < 0)
		return 0;
	l->lost = false;
	*e = (struct stoa_event){ .what = STOA_BACK };
	return 1;
}

/* ---- next ---- */

static void arm(struct lane *lane, struct loop *l)
{
	CANCEL_LATER;
	struct stoa *s = lane->stoa;
	char rung;
	while (recv(lane->event_fd, &rung, sizeof(rung), MSG_DONTWAIT) >= 0) {
	}
	if (errno != EAGAIN)
		return;
	if (l->watches)
		atomic_fetch_or(&s->space.ingress->watchers[lane->id / 64], UINT64_C(1) << lane->id % 64);
	park_announce(&lane->head->answer, PARK_EVENT);
	for (const struct watch *w = l->watches; w; w = w->next)
		park_announce(target_park(s, proxy_target(w->proxy)), PARK_EVENT);
	atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in commit() */
	int64_t at = l->next_deadline, now = clock_now();
	if (l->lost && l->retry_ns < at)
		at = l->retry_ns;
	if (lane->before && *first_wanted(lane) && now + OLD_NS < at)
		at = now + OLD_NS;
	at = at == INT64_MAX ? 0 : at > now ? at : now + 1;
	struct itimerspec t = { .it_value = { at / 1000000000, at % 1000000000 } };
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
	if (*first_wanted(lane))
		handle_ring(s);
}

static int look(struct stoa *s, struct lane *lane, struct loop *l, struct stoa_event *e)
{
	if (next_answer(lane, e) || next_timeout(lane, l, e) || next_change(l, e))
		return 1;
	return next_loss(s, l, e);
}

int stoa_next(struct stoa *s, struct stoa_event *ret)
{
	struct lane *lane;
	struct loop *l;
	struct stoa_event e;
	int r = loop_get(s, &lane, &l);
	if (r < 0)
		return r;
	r = look(s, lane, l, &e);
	if (r == 0) {
		arm(lane, l);
		r = look(s, lane, l, &e);
		r = r ? r : handle_whole(s); /* nobody would wake us */
	}
	if (r > 0)
		*ret = e;
	return r;
}
