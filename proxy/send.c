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
#include "proxy/wait.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/flag.h"
#include "src/fold.h"
#include "src/park.h"

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

/* Wait for a commit after `before`, at which there was no room: it frees slots of the ring, and records. */
static int wait_for_room(const struct lane *lane, const char *what, uint64_t before, int64_t deadline)
{
	struct stoa *s = lane->stoa;
	_Atomic uint32_t *word = &s->space.ingress->room;
	/* Where others sleep for it already, there are more than the queue has room for. */
	bool others = atomic_load_explicit(word, memory_order_relaxed) & PARK_FUTEX;
	for (int i = 0; i < 256 && !others; i++) {
		if (handle_committed(s) != before)
			return look_again(lane);
		park_pause();
	}
	if (clock_now() >= deadline)
		return error_set(-EAGAIN, "no room in %s of namespace %s", what, s->name);
	uint32_t value = park_announce(word, PARK_FUTEX);
	atomic_thread_fence(memory_order_seq_cst);
	if (handle_committed(s) == before)
		handle_sleep(s, word, value, deadline);
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
		if (r != -EAGAIN)
			return r;
		r = wait_for_room(w->lane, "this thread's lane", before, send_deadline(w));
		if (r < 0)
			return r;
	}
}

/*
 * The answer begins a line of its own: who waits for it spins there. It is the second line of a unit: at the first one
 * a forged word may lead, and take the answer's ticket for the sequence number of a record.
 */
static ALWAYS_INLINE int begin_in(struct lane *lane, size_t args_size, size_t reply_size, int64_t timeout,
				  struct sending *w)
{
	size_t args_end = sizeof(struct record) + args_size;
	size_t reply_at = reply_size ? ((args_end + 63) & ~(size_t)(LANE_UNIT - 1)) + 64 : 0;
	size_t size = reply_size ? reply_at + reply_size : args_end;
	w->lane = lane;
	w->timeout = timeout;
	w->deadline = 0;
	struct record *rec;
	struct note *note;
	int r;
	while ((r = lane_record(lane, size, reply_size, &rec, &note)) == -EAGAIN) {
		struct sending waiting = { .lane = lane, .timeout = timeout, .deadline = w->deadline };
		r = wait_for_record(&waiting, size);
		if (r < 0)
			return r;
		w->deadline = waiting.deadline;
	}
	if (r)
		return r;
	w->record = rec;
	w->note = note;
	rec->args_size = (uint32_t)args_size;
	rec->reply_at = (uint32_t)reply_at;
	rec->reply_size = (uint32_t)reply_size;
	atomic_store_explicit(&rec->cancel, CANCEL_NOT, memory_order_relaxed);
	if (reply_size) {
		struct reply *reply = (struct reply *)((char *)rec + reply_at);
		atomic_store_explicit(&reply->valid, 0, memory_order_relaxed);
		prefetch_to_write((char *)rec + note->units * LANE_UNIT + reply_at);
	}
	w->args = (char *)(rec + 1);
	return 0;
}

static ALWAYS_INLINE int begin(struct stoa *s, size_t args_size, size_t reply_size, int64_t timeout, struct sending *w)
{
	struct lane *lane;
	int r = handle_whole(s);
	r = r ? r : lane_get(s, timeout, &lane);
	return r ? r : begin_in(lane, args_size, reply_size, timeout, w);
}

int send_begin_in(struct lane *lane, size_t args_size, size_t reply_size, int64_t timeout, struct sending *ret)
{
	int r = handle_whole(lane->stoa);
	return r < 0 ? r : begin_in(lane, args_size, reply_size, timeout, ret);
}

int send_begin(struct stoa *s, size_t args_size, size_t reply_size, int64_t timeout, struct sending *ret)
{
	return begin(s, args_size, reply_size, timeout, ret);
}

/* Origin, object and class stand in a target as in a record. */
#define ADDRESS_SIZE 16
_Static_assert(offsetof(struct record, object) - offsetof(struct record, origin) == 8 &&
		       offsetof(struct target, object) - offsetof(struct target, origin) == 8 &&
		       offsetof(struct record, class_id) - offsetof(struct record, origin) == 12 &&
		       offsetof(struct target, class_id) - offsetof(struct target, origin) == 12,
	       "they are copied at once");

static ALWAYS_INLINE void address(struct record *r, const struct target *t, enum record_kind kind, uint32_t row)
{
	r->kind = (uint16_t)kind;
	r->row = row;
	memcpy(&r->origin, &t->origin, ADDRESS_SIZE);
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
	const struct space *space;
	uint64_t *mark;
	bool folds;
};

static ALWAYS_INLINE void raise_one(struct flags flags, uint64_t ticket)
{
	for (uint32_t i = 0; i < flags.n; i++)
		flag_raise(flags.first + flags.places[i], ticket + 1);
}

static ALWAYS_INLINE void raise_all(const void *data, uint64_t ticket)
{
	const struct raise *r = data;
	*r->mark = fold_mark(r->space, ticket, r->folds);
	raise_one(r->one, ticket);
	for (size_t k = 0; k < r->n_more; k++)
		raise_one(r->more[k], ticket);
}

/* It could not be published at the first try: wait for room, if there is time, or say why not. */
static __attribute__((noinline, cold)) int publish_later(struct sending *w, const struct raise *raise)
{
	struct lane *lane = w->lane;
	struct stoa *s = lane->stoa;
	int r, room = 0;
	do {
		uint64_t before = handle_committed(s);
		r = ring_publish(&s->space, lane->id, lane_units(lane, w->record), raise_all, raise, &lane->committed,
				 &w->ticket);
		if (r == -EAGAIN)
			room = wait_for_room(lane, "the queue", before, send_deadline(w));
	} while (r == -EAGAIN && room == 0);
	if (r == 0)
		return 0;
	lane_unrecord(w->lane, w->record);
	if (room < 0)
		return room;
	if (handle_lost(s)) /* it has stopped */
		return handle_gone(s, false, 0);
	return error_set(r, "the coordinator of namespace %s is stopping", s->name);
}

static ALWAYS_INLINE int publish(struct sending *w, bool folds, struct flags one, const struct flags *more,
				 size_t n_more)
{
	struct lane *lane = w->lane;
	struct stoa *s = lane->stoa;
	const struct raise raise = {
		.one = one, .more = more, .n_more = n_more, .space = &s->space, .mark = &w->mark, .folds = folds
	};
	if (ring_try(&s->space, lane->id, lane_units(lane, w->record), raise_all, &raise, lane->committed,
		     lane->last, &w->ticket)) {
		struct sending later = {
			.lane = lane, .record = w->record, .note = w->note, .timeout = w->timeout, .deadline = w->deadline
		};
		const struct raise once_more = {
			.one = one, .more = more, .n_more = n_more, .space = &s->space, .mark = &later.mark, .folds = folds
		};
		int r = publish_later(&later, &once_more);
		if (r < 0)
			return r;
		w->ticket = later.ticket;
		w->mark = later.mark;
		w->deadline = later.deadline;
	}
	lane->seq++;
	lane->last = w->ticket + 1;
	if (w->note)
		w->note->ticket = w->ticket + 1;
	w->rung = handle_ring(s);
	/* Sequentially consistent, like the CAS before: if this is still the lane's epoch, the next one finds the
	 * command in the ring when it decides how long to keep the lane. */
	if (atomic_load(&s->space.state->life.epoch) != lane->epoch)
		return await_taken(lane, w->ticket, lane->seq - 1);
	return handle_sent(s, w->ticket);
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
				   const void *args, bool answer, int64_t timeout, struct sending *w)
{
	size_t size = image_size(m->args, args);
	if (size > LANE_LIMIT)
		return error_set(-EMSGSIZE, "the arguments of method %s take %zu bytes; at most %ju", m->ours->name, size,
				 (uintmax_t)(LANE_FIRST << LANE_LOGS));
	int r = begin(p->stoa, size, answer ? m->reply_size : 0, timeout, w);
	r = r ? r : pack(w, m->args, args, "the arguments of method", m->ours->name);
	if (r)
		return r;
	address(w->record, t, RECORD_CALL, m->row);
	return publish(w, false, send_flags(t, m->writes, m->n_writes), NULL, 0);
}

int stoa_cast(struct stoa_proxy *p, const struct stoa_method *method, const void *args, int64_t timeout)
{
	const struct bound_method *m = NULL;
	struct target *t;
	struct sending w;
	int r = bind(p, method, &args, &t, &m);
	if (r)
		return r;
	return m->folds ? fold_cast(p, t, m, args, timeout) : send_call(p, t, m, args, false, timeout, &w);
}

int stoa_call(struct stoa_proxy *p, const struct stoa_method *method, const void *args, void *ret, int64_t timeout)
{
	const struct bound_method *m = NULL;
	struct target *t;
	struct sending w;
	if (method && method->reader) {
		int r = read_method(p, method, args, ret, timeout);
		if (r != READ_ELSEWHERE)
			return r;
	}
	int r = bind(p, method, &args, &t, &m);
	r = r ? r : send_call(p, t, m, args, true, timeout, &w);
	if (r)
		return r;
	struct sending sent = w;
	return await_answer(&sent, m, ret);
}

int stoa_submit(struct stoa_proxy *p, const struct stoa_method *method, const void *args, void *ret, void *data,
		int64_t timeout, uint64_t *ret_ticket)
{
	const struct bound_method *m = NULL;
	struct target *t;
	struct sending w = { .lane = NULL };
	int r = bind(p, method, &args, &t, &m);
	r = r ? r : send_call(p, t, m, args, true, STOA_NOWAIT, &w);
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

static int assign_record(struct stoa_proxy *p, const struct target *t, enum record_kind kind, uint32_t row,
			 const struct image_layout *layout, const void *from, const struct flags *flags,
			 int64_t timeout)
{
	struct sending w;
	int r = begin(p->stoa, image_size(layout, from), 0, timeout, &w);
	r = r ? r : pack(&w, layout, from, "the value for object", p->name);
	if (r)
		return r;
	address(w.record, t, kind, row);
	return publish(&w, false, *flags, NULL, 0);
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

int stoa_assign(struct stoa_proxy *p, uint32_t attr, const void *value, size_t size, int64_t timeout)
{
	struct target *t;
	int r = send_target(p, &t);
	if (r < 0)
		return r;
	const struct bound_attr *a;
	r = send_check_assign(p, t, attr, size, &a);
	if (r < 0)
		return r;
	const struct flags flags = send_flags(t, &a->attr, 1);
	return assign_record(p, t, RECORD_ASSIGN, a->attr, a->image, value, &flags, timeout);
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
	const struct flags flags = flags_of_writables(t);
	return assign_record(p, t, RECORD_ASSIGN_ALL, 0, b->writable, from, &flags, timeout);
}
