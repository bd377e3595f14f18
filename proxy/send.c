/*
 * send.c: see send.h. The per-call path: no system call, no allocation, no lock, no name.
 */
#include "proxy/send.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "proxy/await.h"
#include "proxy/fold.h"
#include "proxy/many.h"
#include "proxy/read.h"
#include "proxy/route.h"
#include "proxy/wait.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/flag.h"
#include "src/fold.h"
#include "src/park.h"
#include "src/ring.h"

/*
 * The steps of a call are one function in the end: each is called in two or three places, and does little. What it works
 * with stays in registers, since nothing of it has an address: what seldom happens is told of copies.
 */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* ---- room ---- */

/* There may be room. A command from a lane of an epoch before would be rejected. */
static int look_again(const struct lane *lane)
{
	const struct stoa *s = lane->stoa;
	if (s->damaged)
		return handle_whole(s);
	return atomic_load(&s->space.state->life.epoch) == lane->epoch ? 0 : handle_gone(s, false, 0);
}

#define ASIDE_NS 3000000 /* about what the scheduler gives one that runs before another may */
#define ASIDE_MOST_NS (4 * ASIDE_NS) /* for a command: who cannot leave that CPU has his turn, too */

/* Does the coordinator, which has work, wait for this very CPU? */
static bool is_in_the_way(const struct stoa *s)
{
	return handle_shares_cpu(s) && ring_holds(&s->space, handle_committed(s));
}

static void sleep_for_room(struct stoa *s, uint64_t before, int64_t deadline)
{
	_Atomic uint32_t *word = &s->space.ingress->room;
	uint32_t value = park_announce(word, PARK_FUTEX);
	atomic_thread_fence(memory_order_seq_cst);
	if (handle_committed(s) != before)
		return;
	park_wake(&s->space.ingress->aside);
	handle_sleep(s, word, value, deadline);
}

/*
 * A producer that the scheduler has put where the coordinator runs takes half of that CPU, and with it half of what all
 * producers can send: each wake for room preempts who makes room. So it sleeps until the coordinator has run dry, or for
 * a while, in which others send or the scheduler moves it. (sched_yield is no way to say so: who is of another session
 * or control group, as the coordinator is, gains nothing by it.) If the ring holds a command behind our announcement, the
 * coordinator is to commit it, and looks at our bit when it then finds no more. False: it is not in the way, in haste, or
 * has done so for long enough.
 */
static bool stand_aside(struct lane *lane, int64_t deadline)
{
	struct stoa *s = lane->stoa;
	_Atomic uint32_t *word = &s->space.ingress->aside;
	int64_t now = clock_now(), until = now + ASIDE_NS;
	if (until + ASIDE_NS > deadline || !is_in_the_way(s))
		return false;
	lane->aside_end = lane->aside_end ? lane->aside_end : now + ASIDE_MOST_NS;
	if (now >= lane->aside_end)
		return false;
	uint32_t value = park_announce(word, PARK_FUTEX);
	atomic_thread_fence(memory_order_seq_cst);
	if (is_in_the_way(s))
		handle_sleep(s, word, value, until);
	return true;
}

/* Wait for a commit after `before`, at which there was no room: it frees slots of the ring, and records. */
static int wait_for_room(struct lane *lane, const char *what, uint64_t before, int64_t deadline)
{
	struct stoa *s = lane->stoa;
	/* Where others sleep for it already, there are more than the queue has room for. */
	bool others = atomic_load_explicit(&s->space.ingress->room, memory_order_relaxed) & PARK_FUTEX;
	bool spins = !others && !is_in_the_way(s);
	for (int i = 0; i < 256 && spins; i++) {
		if (handle_committed(s) != before)
			return look_again(lane);
		park_pause();
	}
	if (handle_committed(s) != before)
		return look_again(lane);
	if (clock_now() >= deadline)
		return error_set(-EAGAIN, "no room in %s of namespace %s", what, s->name);
	if (!stand_aside(lane, deadline)) {
		sleep_for_room(s, before, deadline);
		stand_aside(lane, deadline); /* it may have been woken there */
	}
	if (handle_committed(s) == before && handle_gone_for_good(s))
		return handle_gone(s, false, 0);
	return look_again(lane);
}

int64_t send_deadline(struct sending *w)
{
	if (w->deadline == 0)
		w->deadline = w->timeout == STOA_NOWAIT ? 1 : handle_deadline(w->lane->stoa, w->timeout);
	return w->deadline;
}

static int wait_for_record(struct sending *w, uint64_t size)
{
	for (;;) {
		uint64_t before = handle_committed(w->lane->stoa);
		int r = lane_make_room(w->lane, size);
		if (r != -EAGAIN) {
			w->lane->aside_end = 0;
			return r;
		}
		r = wait_for_room(w->lane, "this thread's lane", before, send_deadline(w));
		if (r < 0)
			return r;
	}
}

/* The record of this place has been taken. */
static ALWAYS_INLINE void start_at(struct lane *lane, char *at, struct note *note, struct sending *w)
{
	w->lane = lane;
	w->record = (struct record *)at;
	w->note = note;
	w->args = (char *)(w->record + 1);
}

/* Take a record of size bytes, and wait for it if need be. */
static ALWAYS_INLINE int take(struct lane *lane, size_t size, bool answered, int64_t timeout, struct sending *w)
{
	char *at;
	struct note *note;
	int r;
	w->timeout = timeout;
	w->deadline = 0;
	while ((r = lane_record(lane, size, answered, &at, &note)) == -EAGAIN) {
		struct sending waiting = { .lane = lane, .timeout = timeout, .deadline = w->deadline };
		if ((r = wait_for_record(&waiting, size)) < 0)
			return r;
		w->deadline = waiting.deadline;
	}
	if (r == 0)
		start_at(lane, at, note, w);
	return r;
}

/*
 * The answer begins a line of its own: who waits for it spins there. It is the second line of a unit: at the first one
 * a forged word may lead, and take the answer's ticket for the sequence number of a record.
 */
static inline size_t reply_place(size_t args_size)
{
	return ((sizeof(struct record) + args_size + 63) & ~(size_t)(LANE_UNIT - 1)) + 64;
}

static ALWAYS_INLINE void begin_reply(const struct sending *w, size_t reply_at, size_t reply_size)
{
	struct reply *reply = (struct reply *)((char *)w->record + reply_at);
	w->record->reply_at = (uint32_t)reply_at;
	w->record->reply_size = (uint32_t)reply_size;
	atomic_store_explicit(&reply->valid, 0, memory_order_relaxed);
	prefetch_to_write((char *)reply + w->note->units * LANE_UNIT);
}

static ALWAYS_INLINE int begin_in(struct lane *lane, size_t args_size, size_t reply_size, int64_t timeout, struct sending *w)
{
	size_t reply_at = reply_place(args_size);
	int r = take(lane, reply_size ? reply_at + reply_size : sizeof(struct record) + args_size, reply_size, timeout, w);
	if (r)
		return r;
	w->record->args_size = (uint32_t)args_size;
	w->record->reply_at = w->record->reply_size = 0;
	w->record->timed = 0;
	lane_time(lane, w->record);
	atomic_store_explicit(&w->record->cancel, CANCEL_NOT, memory_order_relaxed);
	if (reply_size)
		begin_reply(w, reply_at, reply_size);
	return 0;
}

int send_begin_in(struct lane *lane, size_t args_size, size_t reply_size, int64_t timeout, struct sending *ret)
{
	int r = handle_whole(lane->stoa);
	return r < 0 ? r : begin_in(lane, args_size, reply_size, timeout, ret);
}

static ALWAYS_INLINE int begin(struct stoa *s, size_t args_size, size_t reply_size, int64_t timeout, struct sending *w)
{
	struct lane *lane;
	int r = handle_whole(s);
	r = r ? r : lane_get(s, timeout, &lane);
	return r ? r : begin_in(lane, args_size, reply_size, timeout, w);
}

int send_begin(struct stoa *s, size_t args_size, size_t reply_size, int64_t timeout, struct sending *ret)
{
	return begin(s, args_size, reply_size, timeout, ret);
}

static ALWAYS_INLINE void address(struct record *r, const struct target *t, enum record_kind kind, uint32_t row)
{
	r->kind = (uint8_t)kind;
	r->row = row;
	r->origin = t->origin;
	r->object = t->object;
	r->class_id = (uint16_t)t->class_id;
}

void send_address(struct record *r, const struct target *t, enum record_kind kind, uint32_t row)
{
	address(r, t, kind, row);
}

struct flags send_flags(const struct target *t, const uint32_t *attrs, uint32_t n)
{
	return (struct flags){ .first = t->flags + 1, .places = attrs, .n = n };
}

static struct flags flags_of_writables(const struct target *t)
{
	static const uint32_t place;
	return (struct flags){ .first = t->flags, .places = &place, .n = 1 };
}

struct raise {
	struct flags one;
	const struct flags *more;
	size_t n_more;
	uint64_t *mark; /* of its run, if it folds */
};

static ALWAYS_INLINE void raise_one(struct flags flags, uint64_t ticket)
{
	for (uint32_t i = 0; i < flags.n; i++)
		flag_raise(flags.first + flags.places[i], ticket + 1);
}

static ALWAYS_INLINE void raise_all(const void *data, const struct ring_producer *p, uint64_t ticket)
{
	const struct raise *r = data;
	if (r->mark)
		*r->mark = fold_mark(p, ticket);
	else
		fold_break(p, ticket);
	raise_one(r->one, ticket);
	for (size_t k = 0; k < r->n_more; k++)
		raise_one(r->more[k], ticket);
}

/* It could not be published at the first try: wait for room, if there is time, or say why not. */
static __attribute__((noinline, cold)) int publish_later(struct sending *w, ring_ready *ready, const void *data)
{
	struct lane *lane = w->lane;
	struct stoa *s = lane->stoa;
	int r, room = 0;
	do {
		r = ring_publish(&s->space, lane->id, lane_units(lane, w->record), ready, data, &lane->ring.room,
				 &w->ticket);
		if (r == -EAGAIN) /* behind a look at `committed` */
			room = wait_for_room(lane, "the queue", lane->ring.room - s->space.geometry.queue,
					     send_deadline(w));
	} while (r == -EAGAIN && room == 0);
	lane->aside_end = 0;
	if (r == 0)
		return 0;
	lane_unrecord(w->lane, w->record);
	if (room < 0)
		return room;
	if (handle_lost(s)) /* it has stopped */
		return handle_gone(s, false, 0);
	return error_set(r, "the coordinator of namespace %s is stopping", s->name);
}

static ALWAYS_INLINE bool publish_now(struct sending *w, ring_ready *ready, const void *data)
{
	return ring_try(&w->lane->ring, lane_word(w->lane, w->record), ready, data, &w->ticket);
}

/* The lane goes on behind this command. */
static ALWAYS_INLINE void advance(const struct sending *w)
{
	w->lane->seq++;
	w->lane->ring.last = w->ticket + 1;
}

static ALWAYS_INLINE void published(struct sending *w)
{
	advance(w);
	if (w->note)
		w->note->ticket = w->ticket + 1;
}

/*
 * It is published: have the coordinator see it. Sequentially consistent, like the CAS before: if this is still the lane's
 * epoch, the next one finds the command in the ring when it decides how long to keep the lane.
 */
static int see_taken(struct lane *lane, bool *ret_rung)
{
	const struct stoa *s = lane->stoa;
	*ret_rung = handle_ring(s);
	if (atomic_load(&s->space.state->life.epoch) != lane->epoch)
		return await_taken(lane, lane->ring.last - 1, lane->seq - 1);
	return handle_sent(s, lane->ring.last - 1);
}

static ALWAYS_INLINE int publish(struct sending *w, bool folds, struct flags one, const struct flags *more,
				 size_t n_more)
{
	const struct raise raise = { .one = one, .more = more, .n_more = n_more, .mark = folds ? &w->mark : NULL };
	lane_written(w->lane, w->record);
	if (ring_is_ending(&w->lane->stoa->space) || !publish_now(w, raise_all, &raise)) {
		struct sending later = {
			.lane = w->lane, .record = w->record, .timeout = w->timeout, .deadline = w->deadline
		};
		const struct raise again = {
			.one = one, .more = more, .n_more = n_more, .mark = folds ? &later.mark : NULL
		};
		int r = publish_later(&later, raise_all, &again);
		if (r < 0)
			return r;
		w->ticket = later.ticket;
		w->mark = later.mark;
		w->deadline = later.deadline;
	}
	published(w);
	return see_taken(w->lane, &w->rung);
}

int send_publish(struct sending *w, const struct flags *flags, size_t n)
{
	static const struct flags none;
	bool folds = w->record->kind == RECORD_FOLD;
	return n ? publish(w, folds, flags[0], flags + 1, n - 1) : publish(w, folds, none, NULL, 0);
}

/* ---- calls of methods ---- */

/* What is no value of its type is refused before it is sent. */
static __attribute__((noinline)) int pack_large(const struct sending *w, const struct image_layout *layout,
						 const void *from, const char *what, const char *name)
{
	size_t size = image_pack(layout, from, w->args);
	if (!layout->choosy || image_check(layout, w->args, size) == 0)
		return 0;
	lane_unrecord(w->lane, w->record);
	return error_set(-EINVAL, "in %s %s a char[] has no NUL within its size, or a bool is neither 0 nor 1", what,
			 name);
}

static ALWAYS_INLINE int pack(const struct sending *w, const struct image_layout *layout, const void *from,
			      const char *what, const char *name)
{
	if (!layout->small) {
		struct sending packed = { .lane = w->lane, .record = w->record, .args = w->args };
		return pack_large(&packed, layout, from, what, name);
	}
	image_pack_small(layout, from, w->args);
	return 0;
}

static ALWAYS_INLINE int find_target(struct stoa_proxy *p, struct target **ret)
{
	*ret = proxy_target(p);
	if (!target_dead(*ret, UINT64_MAX))
		return 0;
	int r = proxy_retarget(p);
	*ret = proxy_target(p);
	return r;
}

int send_target(struct stoa_proxy *p, struct target **ret)
{
	return find_target(p, ret);
}

/* What a call needs: its target, the method as bound, arguments. */
static ALWAYS_INLINE int bind(struct stoa_proxy *p, const struct stoa_method *method, const void **args,
			      struct target **ret_target, const struct bound_method **ret_method)
{
	static const stoa_none none;
	int r = find_target(p, ret_target);
	r = r ? r : binding_method((*ret_target)->binding, method, ret_method);
	if (r)
		return r;
	if (!*args && (*ret_method)->args->n_fields)
		return error_set(-EINVAL, "method %s of object %s takes arguments; none were given", method->name,
				 p->name);
	*args = *args ? *args : &none;
	return 0;
}

static ALWAYS_INLINE int send_call(struct stoa_proxy *p, const struct target *t, const struct bound_method *m,
				   const void *args, bool answered, int64_t timeout, struct sending *w)
{
	size_t size = image_size(m->args, args);
	if (size > LANE_LIMIT)
		return error_set(-EMSGSIZE, "the arguments of method %s take %zu bytes; at most %ju", m->ours->name, size,
				 (uintmax_t)(LANE_FIRST << LANE_LOGS));
	int r = begin(p->stoa, size, answered ? m->reply_size : 0, timeout, w);
	r = r ? r : pack(w, m->args, args, "the arguments of method", m->ours->name);
	if (r)
		return r;
	address(w->record, t, RECORD_CALL, m->row);
	return publish(w, false, send_flags(t, m->writes, m->n_writes), NULL, 0);
}

/*
 * ---- plain calls ----
 * What they need stands in the route. It holds when they begin; whether it still does is looked at once more, behind the
 * publication, for all that may have changed.
 */

static ALWAYS_INLINE void raise_along(const void *data, const struct ring_producer *p, uint64_t ticket)
{
	const struct route *route = data;
	fold_break(p, ticket);
	for (int i = 0; i < ROUTE_WRITES; i++)
		flag_raise(route->raised[i], ticket + 1);
}

static ALWAYS_INLINE bool publish_along(const struct route *route, struct sending *w)
{
	lane_written(w->lane, w->record);
	return publish_now(w, raise_along, route);
}

/* A call, or a submit. */
static ALWAYS_INLINE int send_along(const struct route *route, const struct stoa *s, const void *args, int64_t timeout,
				    struct sending *sent)
{
	struct sending w;
	size_t reply_at = reply_place(route->args_size), reply_size = route->method->reply_size;
	int r = take(route->lane, reply_at + reply_size, true, timeout, &w);
	if (r)
		return r;
	route_head(route, w.record);
	lane_time(w.lane, w.record);
	begin_reply(&w, reply_at, reply_size);
	image_pack_small(route->args, args, w.args);
	*sent = (struct sending){
		.lane = w.lane, .record = w.record, .note = w.note, .timeout = timeout, .deadline = w.deadline
	};
	if (publish_along(route, &w)) {
		sent->ticket = w.ticket;
	} else {
		r = publish_later(sent, raise_along, route);
		if (r < 0)
			return r;
	}
	published(sent);
	return route_is_quiet(route, s) ? 0 : see_taken(w.lane, &sent->rung);
}

/*
 * A cast is done in cast_at, or goes on in another of these as its last act: it keeps nothing over a call. Their
 * parameters are in the order in which they lie in registers by then.
 */

/* There is no place in the queue at once. */
static __attribute__((noinline, cold)) int cast_later(struct lane *lane, const struct route *route, int64_t timeout)
{
	struct record *record = (struct record *)(lane->newest - route->cast_size);
	struct sending w = { .lane = lane, .record = record, .timeout = timeout };
	int r = publish_later(&w, raise_along, route);
	if (r < 0)
		return r;
	published(&w);
	return see_taken(lane, &w.rung);
}

/* The coordinator is asleep, or something has changed. */
static __attribute__((noinline, cold)) int cast_end(struct lane *lane)
{
	bool rung;
	return see_taken(lane, &rung);
}

/* Its record is here. first: of its run. */
static ALWAYS_INLINE int cast_at(struct lane *lane, const struct route *route, char *at, const void *args,
				 int64_t timeout, bool first)
{
	struct sending w;
	start_at(lane, at, NULL, &w);
	route_head(route, w.record);
	if (first)
		lane_time(lane, w.record);
	image_pack_small(route->args, args, w.args);
	if (!publish_along(route, &w))
		return cast_later(lane, route, timeout);
	advance(&w);
	return route_is_quiet(route, lane->stoa) ? 0 : cast_end(lane);
}

/* Wait for room to begin a run; *timeout is what is left of it then. */
static __attribute__((noinline, cold)) int wait_for_run(struct lane *lane, uint64_t size, int64_t *timeout)
{
	struct sending waiting = { .lane = lane, .timeout = *timeout };
	int r;
	do {
		r = wait_for_record(&waiting, size);
		if (r < 0)
			return r;
	} while ((r = lane_begin_run(lane, size)) == -EAGAIN);
	if (waiting.deadline > 1) {
		int64_t left = waiting.deadline - clock_now();
		*timeout = left > 0 ? left : STOA_NOWAIT;
	}
	return r;
}

/* It begins a run … */
static __attribute__((noinline)) int cast_first(struct lane *lane, const struct route *route, const void *args,
						int64_t timeout)
{
	int r = lane_begin_run(lane, route->cast_size);
	if (r == -EAGAIN)
		r = wait_for_run(lane, route->cast_size, &timeout);
	if (r < 0)
		return r;
	char *at = lane->newest;
	lane_put(lane, at, route->cast_size);
	return cast_at(lane, route, at, args, timeout, true);
}

/* … or it folds. */
static int cast_apart(struct lane *lane, const struct route *route, const void *args, int64_t timeout)
{
	return route->cast_size == ROUTE_FOLDS ? fold_cast(lane, route->to, route->method, args, timeout)
					       : cast_first(lane, route, args, timeout);
}

static ALWAYS_INLINE int cast_along(const struct route *route, const void *args, int64_t timeout)
{
	struct lane *lane = route->lane;
	char *at;
	return lane_join(lane, route->cast_size, &at) ? cast_at(lane, route, at, args, timeout, false)
						       : cast_apart(lane, route, args, timeout);
}

/* ---- calls ---- */

static __attribute__((noinline)) int cast_any(struct stoa_proxy *p, const struct stoa_method *method, const void *args,
					      int64_t timeout)
{
	uint64_t changes = route_changes(p->stoa);
	const struct bound_method *m = NULL;
	struct target *t;
	struct sending w = { .lane = NULL };
	int r = bind(p, method, &args, &t, &m);
	if (r)
		return r;
	if (m->folds) {
		r = handle_whole(p->stoa);
		r = r ? r : lane_get(p->stoa, timeout, &w.lane);
		r = r ? r : fold_cast(w.lane, t, m, args, timeout);
	} else {
		r = send_call(p, t, m, args, false, timeout, &w);
	}
	if (r == 0)
		route_keep(t, m, w.lane, changes);
	return r;
}

int stoa_cast(struct stoa_proxy *p, const struct stoa_method *method, const void *args, int64_t timeout)
{
	const struct route *route = route_get(p, route_to_method(method));
	return route && args ? cast_along(route, args, timeout) : cast_any(p, method, args, timeout);
}

static __attribute__((noinline)) int call_any(struct stoa_proxy *p, const struct stoa_method *method, const void *args,
					      int64_t timeout, struct sending *sent, const struct bound_method **ret_bound)
{
	uint64_t changes = route_changes(p->stoa);
	struct target *t;
	struct sending w = { .lane = NULL };
	int r = bind(p, method, &args, &t, ret_bound);
	r = r ? r : send_call(p, t, *ret_bound, args, true, timeout, &w);
	if (r)
		return r;
	route_keep(t, *ret_bound, w.lane, changes);
	*sent = (struct sending){ .lane = w.lane,
				  .record = w.record,
				  .note = w.note,
				  .ticket = w.ticket,
				  .timeout = timeout,
				  .deadline = w.deadline,
				  .rung = w.rung };
	return 0;
}

/* What is to be answered. */
static ALWAYS_INLINE int send_answered(struct stoa_proxy *p, const struct stoa_method *method, const void *args,
				       int64_t timeout, struct sending *sent, const struct bound_method **ret_bound)
{
	const struct route *route = route_get(p, route_to_method(method));
	if (!route || !args)
		return call_any(p, method, args, timeout, sent, ret_bound);
	*ret_bound = route->method;
	return send_along(route, p->stoa, args, timeout, sent);
}

int stoa_call(struct stoa_proxy *p, const struct stoa_method *method, const void *args, void *ret, int64_t timeout)
{
	struct sending sent;
	const struct bound_method *m = NULL;
	if (method && method->reader) {
		int r = read_method(p, method, args, ret, timeout);
		if (r != READ_ELSEWHERE)
			return r;
	}
	int r = send_answered(p, method, args, timeout, &sent, &m);
	return r ? r : await_answer(&sent, m, ret);
}

int stoa_submit(struct stoa_proxy *p, const struct stoa_method *method, const void *args, void *ret, void *data,
		int64_t timeout, uint64_t *ret_ticket)
{
	struct sending w;
	const struct bound_method *m = NULL;
	int r = send_answered(p, method, args, STOA_NOWAIT, &w, &m);
	if (r)
		return r;
	struct pending wanted = { .ticket = w.ticket,
				  .record = w.record,
				  .note = w.note,
				  .method = m,
				  .ret = ret,
				  .data = data,
				  .deadline = handle_deadline(p->stoa, timeout),
				  .event = true };
	r = pending_add(w.lane, &wanted);
	if (r < 0)
		return error_set_command(r, STOA_FROM_LIBRARY, true, w.ticket, NULL, 0);
	if (ret_ticket)
		*ret_ticket = w.ticket;
	return 0;
}

/* ---- assignments ---- */

static ALWAYS_INLINE int assign_record(struct stoa_proxy *p, const struct target *t, enum record_kind kind, uint32_t row,
				       const struct image_layout *layout, const void *from, struct flags flags,
				       int64_t timeout, struct sending *w)
{
	int r = begin(p->stoa, image_size(layout, from), 0, timeout, w);
	r = r ? r : pack(w, layout, from, "the value for object", p->name);
	if (r)
		return r;
	address(w->record, t, kind, row);
	return publish(w, false, flags, NULL, 0);
}

int send_check_assign(const struct stoa_proxy *p, const struct target *t, uint32_t attr, size_t size,
		      const struct bound_attr **ret)
{
	const struct bound_attr *a;
	int r = binding_attr(t->binding, attr, &a);
	if (r < 0)
		return r;
	*ret = a;
	if (size == a->size && a->writable)
		return 0;
	const char *name = t->binding->view->described->state->attrs[a->attr].name;
	if (size != a->size)
		return error_set(-EINVAL, "attribute %s of object %s has %u bytes; %zu were given", name, p->name,
				 a->size, size);
	return error_set(-EPERM, "attribute %s of object %s is not writable", name, p->name);
}

static __attribute__((noinline)) int assign_any(struct stoa_proxy *p, uint32_t attr, const void *value, size_t size,
						int64_t timeout)
{
	uint64_t changes = route_changes(p->stoa);
	struct target *t;
	const struct bound_attr *a;
	struct sending w = { .lane = NULL };
	int r = find_target(p, &t);
	if (r < 0)
		return r;
	r = send_check_assign(p, t, attr, size, &a);
	if (r < 0)
		return r;
	r = assign_record(p, t, RECORD_ASSIGN, a->attr, a->image, value, send_flags(t, &a->attr, 1), timeout, &w);
	if (r == 0)
		route_keep_attr(t, attr, a, w.lane, changes);
	return r;
}

int stoa_assign(struct stoa_proxy *p, uint32_t attr, const void *value, size_t size, int64_t timeout)
{
	const struct route *route = route_get(p, route_to_attr(attr));
	return route && size == route->value_size ? cast_along(route, value, timeout)
						   : assign_any(p, attr, value, size, timeout);
}

int stoa_assign_all(struct stoa_proxy *p, const void *from, size_t size, int64_t timeout)
{
	struct target *t;
	int r = send_target(p, &t);
	if (r < 0)
		return r;
	const struct binding *b = t->binding;
	if (size != b->ours->state->size)
		return error_set(-EINVAL, "class %s has %u bytes; %zu were given", b->ours->name, b->ours->state->size,
				 size);
	if (b->whole)
		return error_set(-EPROTO, "%s", b->whole->bad);
	if (!b->writable)
		return many_assign(p, t, from, timeout); /* the coordinator has attributes that we lack */
	struct sending w;
	return assign_record(p, t, RECORD_ASSIGN_ALL, 0, b->writable, from, flags_of_writables(t), timeout, &w);
}
