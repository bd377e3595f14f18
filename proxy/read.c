/*
 * read.c: see read.h.
 */
#include "proxy/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/lane.h"
#include "proxy/moment.h"
#include "proxy/wait.h"
#include "src/cell.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/flag.h"
#include "src/park.h"

/* ---- the barrier ---- */

static uint64_t pending_of(const struct stoa *s, const struct target *t, uint32_t attr, bool writable)
{
	uint64_t need = flag_pending(&s->space, t->flags + 1 + attr);
	uint64_t all = writable ? flag_pending(&s->space, t->flags) : 0;
	return need > all ? need : all;
}

static int64_t read_deadline(const struct stoa *s, int64_t timeout)
{
	return timeout == STOA_NOWAIT ? 0 : handle_deadline(s, timeout);
}

/* Read-only clients cannot say it. */
static void say_waited(const struct stoa *s, uint64_t ns)
{
	struct barrier *b = &s->space.ingress->barrier;
	int step = 0;
	if (s->read_only)
		return;
	while (step < BARRIER_STEPS - 1 && ns >= (uint64_t)BARRIER_FIRST << step)
		step++;
	atomic_fetch_add_explicit(&b->waited[step], 1, memory_order_relaxed);
	if (ns)
		atomic_fetch_add_explicit(&b->ns, ns, memory_order_relaxed);
}

/* Most waits are shorter than a look at the clock is worth. */
static int await_pending(struct stoa *s, const struct target *t, uint64_t need, int64_t timeout)
{
	handle_ring(s); /* the publisher may have died before it did */
	bool soon = timeout != STOA_NOWAIT && handle_spin_short(&s->space.state->committed, need);
	int64_t begun = soon || timeout == STOA_NOWAIT ? 0 : clock_now();
	int r = soon ? 0 : handle_await(s, target_park(s, t), t->object, need, read_deadline(s, timeout));
	if (timeout != STOA_NOWAIT)
		say_waited(s, begun ? (uint64_t)(clock_now() - begun) : 0);
	return r;
}

static int barrier_wait(struct stoa_proxy *p, const struct target *t, uint64_t need, int64_t timeout)
{
	struct stoa *s = p->stoa;
	int r = await_pending(s, t, need, timeout);
	if (r == -ECONNRESET)
		return handle_gone(s, false, 0);
	if (r == -ETIMEDOUT)
		return error_set(timeout == STOA_NOWAIT ? -EAGAIN : r,
				 "a write to object %s is pending and was not committed in "
				 "time; stoa_peek (stoa get --peek) reads the value before it",
				 p->name);
	return r;
}

static uint64_t pending_of_all(const struct stoa *s, const struct target *t)
{
	uint64_t need = 0;
	for (uint32_t i = 0; i <= t->binding->view->plan->n_attrs; i++) {
		uint64_t f = flag_pending(&s->space, t->flags + i);
		need = f > need ? f : need;
	}
	return need;
}

static uint64_t pending_of_reads(const struct stoa *s, const struct target *t, const struct bound_method *reader)
{
	uint64_t need = 0;
	for (uint32_t i = 0; i < reader->n_reads; i++) {
		uint64_t f = pending_of(s, t, reader->reads[i], true);
		need = f > need ? f : need;
	}
	return need;
}

int read_barrier(struct stoa_proxy *p, int64_t timeout)
{
	const struct target *t = proxy_target(p);
	uint64_t need = pending_of_all(p->stoa, t);
	return need ? barrier_wait(p, t, need, timeout) : 0;
}

/* Were the flags that the barrier looked at those that all see? */
static int sound(const struct stoa *s, int r)
{
	return r == 0 ? handle_whole(s) : r;
}

/* ---- copies ---- */

/* Take the copies of one object apart, into its struct. */
static int unpack(const struct target *t, const struct copy *copies, void *to)
{
	const struct binding *b = t->binding;
	const struct class_plan *plan = b->view->plan;
	int r = 0;
	for (uint32_t p = 0; r == 0 && p < plan->n_attr_parts; p++)
		if (b->parts[p])
			r = image_unpack(b->parts[p], copies[p].bytes + plan->parts[p].image_at, to);
	for (uint32_t i = 0; r == 0 && i < b->n_attrs; i++) {
		const struct bound_attr *a = &b->attrs[i];
		if (!b->parts[a->part]) /* a part with attributes that we lack: take ours out */
			memcpy((char *)to + a->offset, copies[a->part].bytes + a->at, a->size);
	}
	return r < 0 ? error_set(r, "no memory for the state of an object") : 0;
}

static void stamp_join(struct stoa_stamp *to, const struct stamp *from)
{
	if (from->version >= to->version) {
		to->version = from->version;
		to->time_ns = from->time_ns;
		to->pid = from->pid;
		to->client = from->client;
	}
	to->changes += from->changes;
}

static void stamps_join(const struct target *t, const struct copy *copies, struct stoa_stamp *ret)
{
	const struct class_plan *plan = t->binding->view->plan;
	struct stoa_stamp all = { 0 };
	for (uint32_t p = 0; p < plan->n_attr_parts; p++)
		for (uint32_t i = 0; i < plan->parts[p].n_attrs; i++)
			stamp_join(&all, &cell_stamps((struct cell *)copies[p].bytes)[i]);
	*ret = all;
}

/* ---- one attribute ---- */

/* Its target is dead: 0 if it has another. */
static int retarget(struct stoa_proxy *p, struct target **t)
{
	int r = proxy_retarget(p);
	*t = proxy_target(p);
	return r;
}

/* The value goes through our own memory: a torn copy, or one of an object that is gone, is nobody's to see. 1: it is in
 * copy; 0: the part is being written, or is not ours any more. */
static inline int take_fixed(const struct stoa *s, const struct target *t, const struct bound_attr *a, void *copy,
			     struct stamp *stamp)
{
	const struct part *part = &t->body->parts[a->part];
	uint64_t tag, g = handle_committed(s);
	int k = cell_current(&part->tags, g, &tag);
	uint64_t at = k < 0 ? 0 : atomic_load_explicit(&part->cell[k], memory_order_relaxed);
	if (at < s->space.geometry.heap_at || at > s->space.geometry.state - a->at - a->size)
		return target_dead(t, g) ? -ESTALE : 0;
	struct cell *cell = space_state(&s->space, at);
	memcpy(copy, (char *)cell + a->at, a->size);
	if (stamp)
		*stamp = cell_stamps(cell)[a->stamp];
	if (!cell_still(&part->tags, k, tag))
		return 0;
	return target_dead(t, g) ? -ESTALE : 1;
}

static int read_fixed(const struct stoa *s, const struct target *t, const struct bound_attr *a, void *ret,
		      int64_t timeout, struct stoa_stamp *ret_stamp)
{
	char small[64];
	struct stamp stamp = { 0 };
	int64_t deadline = 0;
	int r;
	void *copy = a->size <= sizeof(small) ? small : lane_scratch(a->size);
	if (!copy)
		return error_set(-ENOMEM, "no memory for %u bytes", a->size);
	for (int round = 1; (r = take_fixed(s, t, a, copy, ret_stamp ? &stamp : NULL)) == 0; round++)
		if ((r = moment_again(s, round, timeout, &deadline)) < 0)
			return r;
	if (r < 0)
		return r;
	if (ret)
		memcpy(ret, copy, a->size);
	if (ret_stamp)
		*ret_stamp = (struct stoa_stamp){ .version = stamp.version,
						  .changes = stamp.changes,
						  .time_ns = stamp.time_ns,
						  .pid = stamp.pid,
						  .client = stamp.client };
	return 0;
}

/* 1: the part is in copy. */
static int take_variable(const struct stoa *s, const struct target *t, struct copy *copy, int64_t timeout)
{
	int64_t deadline = 0;
	int r = 0;
	for (int round = 1; r == 0; round++) {
		r = copy_take(&s->space, copy, handle_committed(s));
		if (r >= 0 && target_dead(t, handle_committed(s)))
			r = -ESTALE;
		if (r == 0)
			r = moment_again(s, round, timeout, &deadline);
	}
	return r;
}

static int read_variable(const struct stoa *s, const struct target *t, const struct bound_attr *a, void *ret,
			 int64_t timeout, struct stoa_stamp *ret_stamp)
{
	const struct part_plan *plan = &t->binding->view->plan->parts[a->part];
	struct copy copy = { .part = &t->body->parts[a->part], .plan = plan };
	int r = take_variable(s, t, &copy, timeout);
	if (r > 0 && ret)
		r = image_unpack(a->image, copy.bytes + plan->image_at, ret);
	if (r >= 0 && ret_stamp) {
		struct stoa_stamp stamp = { 0 };
		stamp_join(&stamp, &cell_stamps((struct cell *)copy.bytes)[a->stamp]);
		*ret_stamp = stamp;
	}
	if (copy.own)
		free(copy.bytes);
	return r < 0 ? r : 0;
}

static int read_attr(struct stoa_proxy *p, uint32_t attr, void *ret, size_t size, bool barrier, int64_t timeout,
		     struct stoa_stamp *ret_stamp)
{
	struct target *t = proxy_target(p);
	const struct stoa *s = p->stoa;
	int r = handle_enter(s);
	if (r < 0)
		return r;
	for (;;) {
		const struct bound_attr *a;
		r = binding_attr(t->binding, attr, &a);
		if (r == 0 && size != a->size)
			r = error_set(-EINVAL, "attribute %s of object %s has %u bytes; %zu were given",
				      t->binding->view->described->state->attrs[a->attr].name, p->name, a->size, size);
		uint64_t need = r == 0 && barrier ? pending_of(s, t, a->attr, a->writable) : 0;
		if (need)
			r = barrier_wait(p, t, need, timeout);
		if (r < 0)
			return r;
		r = a->variable ? read_variable(s, t, a, ret, timeout, ret_stamp)
				: read_fixed(s, t, a, ret, timeout, ret_stamp);
		if (r != -ESTALE)
			return sound(s, r);
		r = retarget(p, &t);
		if (r < 0)
			return r;
	}
}

/* Of 8 bytes, or of 4, and no more: behind them the memory may end. Through a register, as a copy of so many would not. */
static inline uint64_t number_load(const void *from, size_t size)
{
	uint64_t eight;
	uint32_t four;
	if (size == sizeof(eight)) {
		memcpy(&eight, from, sizeof(eight));
		return eight;
	}
	memcpy(&four, from, sizeof(four));
	return four;
}

static inline void number_store(void *to, size_t size, uint64_t value)
{
	if (size == sizeof(value))
		memcpy(to, &value, sizeof(value));
	else
		memcpy(to, &value, sizeof(uint32_t));
}

/* A number, if nothing is pending for it and nobody is writing it: as it mostly is. False: look closer. */
static inline bool read_quick(const struct stoa_proxy *p, uint32_t attr, void *ret, size_t size)
{
	const struct stoa *s = p->stoa;
	const struct target *t = atomic_load_explicit(&p->target, memory_order_acquire);
	const struct bound_attr *a = binding_quick(t->binding, attr);
	if (!a || a->size != size || handle_in_method())
		return false;
	const _Atomic uint64_t *flags = t->flags;
	uint64_t flag = atomic_load_explicit(&flags[a->flags[0]], memory_order_acquire);
	uint64_t all = atomic_load_explicit(&flags[a->flags[1]], memory_order_acquire);
	uint64_t g = handle_committed(s), tag, value;
	if (flag > g || all > g || s->damaged) /* cut off meanwhile: the flags tell nothing */
		return false;
	const struct part *part = (const struct part *)((const char *)t->body + a->part_at);
	int k = cell_current(&part->tags, g, &tag);
	if (k < 0)
		return false;
	uint64_t at = atomic_load_explicit(&part->cell[k], memory_order_relaxed) + a->at;
	if (at < s->space.geometry.heap_at || at > s->space.geometry.state - sizeof(value))
		return false;
	value = number_load(space_state(&s->space, at), size);
	if (!cell_still(&part->tags, k, tag) || target_dead(t, g))
		return false;
	number_store(ret, size, value);
	return true;
}

/* Its last act: stoa_get saves nothing for it. */
static __attribute__((noinline)) int read_closely(struct stoa_proxy *p, uint32_t attr, void *ret, size_t size,
						  int64_t timeout, struct stoa_stamp *ret_stamp)
{
	return read_attr(p, attr, ret, size, true, timeout, ret_stamp);
}

int stoa_get(struct stoa_proxy *p, uint32_t attr, void *ret, size_t size, int64_t timeout, struct stoa_stamp *ret_stamp)
{
	if (ret && !ret_stamp && read_quick(p, attr, ret, size))
		return 0;
	return read_closely(p, attr, ret, size, timeout, ret_stamp);
}

int stoa_peek(struct stoa_proxy *p, uint32_t attr, void *ret, size_t size, struct stoa_stamp *ret_stamp)
{
	return read_attr(p, attr, ret, size, false, STOA_DEFAULT, ret_stamp);
}

/* ---- structs ---- */

static int check_struct(const struct stoa_proxy *p, const struct target *t, size_t size)
{
	const struct binding *b = t->binding;
	if (size != b->ours->state->size)
		return error_set(-EINVAL, "class %s of object %s has %u bytes; %zu were given", b->ours->name, p->name,
				 b->ours->state->size, size);
	return b->whole ? error_set(-EPROTO, "%s", b->whole->bad) : 0;
}

int stoa_snapshot(struct stoa_proxy *p, void *ret, size_t size, int64_t timeout, struct stoa_stamp *ret_stamp)
{
	struct target *t = proxy_target(p);
	int r = handle_enter(p->stoa);
	if (r < 0)
		return r;
	for (;;) {
		struct moment m;
		r = check_struct(p, t, size);
		uint64_t need = r == 0 ? pending_of_all(p->stoa, t) : 0;
		if (need)
			r = barrier_wait(p, t, need, timeout);
		r = r ? r : moment_begin(&m, &t, 1, 0);
		if (r < 0)
			return r;
		r = moment_take(p->stoa, &m, &t, 1, timeout);
		r = r ? r : unpack(t, m.copies, ret);
		if (r == 0 && ret_stamp)
			stamps_join(t, m.copies, ret_stamp);
		moment_end(&m);
		if (r != -ESTALE)
			return sound(p->stoa, r);
		r = retarget(p, &t);
		if (r < 0)
			return r;
	}
}

static int barrier_many(size_t n, struct stoa_proxy *const *proxies, struct target **targets, int64_t timeout)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		targets[i] = proxy_target(proxies[i]);
		if (proxies[i]->stoa != proxies[0]->stoa)
			return error_set(-EINVAL, "objects %s and %s are of two namespaces", proxies[0]->name,
					 proxies[i]->name);
		if (target_dead(targets[i], handle_committed(proxies[i]->stoa)))
			r = retarget(proxies[i], &targets[i]);
		r = r ? r : check_struct(proxies[i], targets[i], targets[i]->binding->ours->state->size);
		uint64_t need = r == 0 ? pending_of_all(proxies[i]->stoa, targets[i]) : 0;
		if (need)
			r = barrier_wait(proxies[i], targets[i], need, timeout);
	}
	return r;
}

int stoa_snapshot_many(size_t n, struct stoa_proxy *const *proxies, void *const *rets, int64_t timeout,
		       struct stoa_stamp *ret_stamps)
{
	struct moment m;
	int r = n ? handle_enter(proxies[0]->stoa) : 0;
	if (r < 0)
		return r;
	struct target **targets = calloc(n + 1, sizeof(struct target *));
	if (!targets)
		return error_set(-ENOMEM, "no memory for %zu objects", n);
	r = barrier_many(n, proxies, targets, timeout);
	if (r == 0 && n) {
		r = moment_begin(&m, targets, n, 0);
		r = r ? r : moment_take(proxies[0]->stoa, &m, targets, n, timeout);
		size_t k = 0;
		for (size_t i = 0; r == 0 && i < n; i++) {
			r = unpack(targets[i], m.copies + k, rets[i]);
			if (r == 0 && ret_stamps)
				stamps_join(targets[i], m.copies + k, &ret_stamps[i]);
			k += targets[i]->binding->view->plan->n_attr_parts;
		}
		moment_end(&m);
		if (r == -ESTALE)
			r = error_set(r, "one of %zu objects was removed", n);
	}
	free(targets);
	return n ? sound(proxies[0]->stoa, r) : r;
}

static int run_here(const struct stoa_method *method, void *self, const void *args, void *ret)
{
	struct stoa_error e;
	error_set_command(0, STOA_FROM_METHOD, false, 0, NULL, 0);
	lane_set_reader(true);
	int r = method->run(self, args, ret);
	lane_set_reader(false);
	stoa_last_error(&e);
	if (r > 0)
		return error_set(-EINVAL, "method %s returned %d; a method returns 0 or a negative errno", method->name,
				 r);
	if (r < 0 && e.code != r) /* it has not called stoa_fail */
		error_set_command(r, STOA_FROM_METHOD, false, 0, NULL, 0);
	return r;
}

int read_method(struct stoa_proxy *p, const struct stoa_method *method, const void *args, void *ret, int64_t timeout)
{
	const struct stoa *s = p->stoa;
	struct target *t = proxy_target(p);
	const struct bound_method *b = NULL;
	struct moment m;
	static const stoa_none none;
	stoa_none nothing;
	int r = handle_enter(s);
	if (r < 0)
		return r;
	if (target_dead(t, handle_committed(s)))
		return READ_ELSEWHERE;
	r = binding_method(t->binding, method, &b);
	if (r < 0)
		return r;
	const struct stoa_struct *state = t->binding->ours->state;
	if (!b->local || atomic_load_explicit(&s->space.state->life.flags, memory_order_relaxed) & STOA_VERIFY)
		return READ_ELSEWHERE;
	if ((!args && b->args->n_fields) || (!ret && b->ret->n_fields))
		return error_set(-EINVAL, "method %s of object %s takes arguments and gives a result; one was NULL",
				 method->name, p->name);
	uint64_t need = pending_of_reads(s, t, b);
	r = need ? barrier_wait(p, t, need, timeout) : 0;
	r = r ? r : moment_begin(&m, &t, 1, state->size);
	if (r < 0)
		return r;
	memset(m.spare, 0, state->size);
	r = moment_take(s, &m, &t, 1, timeout);
	r = r ? r : unpack(t, m.copies, m.spare);
	r = r ? r : run_here(method, m.spare, args ? args : &none, ret ? ret : &nothing);
	for (uint32_t i = 0; i < t->binding->n_attrs; i++)
		if (t->binding->attrs[i].variable)
			image_fini(t->binding->attrs[i].image, (char *)m.spare + t->binding->attrs[i].offset);
	moment_end(&m);
	return r == -ESTALE && target_dead(t, handle_committed(s)) ? READ_ELSEWHERE : sound(s, r);
}

/* ---- waiting for changes ---- */

/* The stamps of one part, as of g. False: it is being written, or not ours any more. */
static bool take_stamps(const struct stoa *s, const struct target *t, uint32_t i, uint64_t g, struct stoa_stamp *all)
{
	const struct part *part = &t->body->parts[i];
	uint32_t n_attrs = t->binding->view->plan->parts[i].n_attrs;
	uint64_t tag;
	int k = cell_current(&part->tags, g, &tag);
	uint64_t at = k < 0 ? 0 : atomic_load_explicit(&part->cell[k], memory_order_relaxed);
	uint64_t size = sizeof(struct cell) + n_attrs * sizeof(struct stamp);
	if (at < s->space.geometry.heap_at || at > s->space.geometry.state - size)
		return false;
	for (uint32_t n = 0; n < n_attrs; n++) {
		struct stamp stamp = cell_stamps((struct cell *)space_state(&s->space, at))[n];
		stamp_join(all, &stamp);
	}
	return cell_still(&part->tags, k, tag);
}

static int stamp_of_all(struct stoa_proxy *p, struct stoa_stamp *ret)
{
	struct target *t = proxy_target(p);
	const struct stoa *s = p->stoa;
	int64_t deadline = 0;
	int r = 0;
	for (int round = 1; r == 0; round++) {
		struct stoa_stamp all = { 0 };
		uint64_t g = handle_committed(s);
		bool whole = true;
		for (uint32_t i = 0; i < t->binding->view->plan->n_attr_parts && whole; i++)
			whole = take_stamps(s, t, i, g, &all);
		if (target_dead(t, g))
			return -ESTALE;
		if (whole) {
			*ret = all;
			return 0;
		}
		r = moment_again(s, round, STOA_DEFAULT, &deadline);
	}
	return r;
}

int read_stamp(struct stoa_proxy *p, uint32_t attr, struct stoa_stamp *ret)
{
	struct target *t = proxy_target(p);
	for (;;) {
		const struct bound_attr *a = NULL;
		int r = attr == STOA_ALL ? 0 : binding_attr(t->binding, attr, &a);
		if (r < 0)
			return r;
		if (attr == STOA_ALL)
			r = stamp_of_all(p, ret);
		else
			r = a->variable ? read_variable(p->stoa, t, a, NULL, STOA_DEFAULT, ret)
					: read_fixed(p->stoa, t, a, NULL, STOA_DEFAULT, ret);
		if (r != -ESTALE)
			return r;
		r = retarget(p, &t);
		if (r < 0)
			return r;
	}
}

static int unchanged(struct stoa_proxy *p, uint32_t attr, int code)
{
	const struct bound_attr *a;
	const struct binding *b = proxy_target(p)->binding;
	if (attr == STOA_ALL || binding_attr(b, attr, &a) < 0)
		return error_set(code, "object %s has not changed", p->name);
	return error_set(code, "attribute %s of object %s has not changed",
			 b->view->described->state->attrs[a->attr].name, p->name);
}

int stoa_wait(struct stoa_proxy *p, uint32_t attr, uint64_t after, int64_t timeout, struct stoa_stamp *ret_stamp)
{
	struct stoa *s = p->stoa;
	struct stoa_stamp stamp;
	int64_t deadline = 0;
	int r = handle_enter(s);
	if (r < 0)
		return r;
	for (;;) {
		const struct target *t = proxy_target(p);
		_Atomic uint32_t *word = target_park(s, t);
		bool look_only = deadline == 0;
		uint32_t value = look_only ? 0 : handle_announce(s, word, t->object);
		atomic_thread_fence(memory_order_seq_cst);
		r = read_stamp(p, attr, &stamp);
		if (r < 0)
			return r;
		if (stamp.version > after) {
			if (ret_stamp)
				*ret_stamp = stamp;
			return 0;
		}
		if (timeout == STOA_NOWAIT)
			return unchanged(p, attr, -EAGAIN);
		if (look_only) {
			deadline = handle_deadline(s, timeout);
			continue;
		}
		if (clock_now() >= deadline)
			return unchanged(p, attr, -ETIMEDOUT);
		handle_sleep(s, word, value, deadline);
		if (s->read_only)
			r = handle_follow(s);
		else if (handle_gone_for_good(s))
			r = handle_gone(s, false, 0);
		/* What was changed last is there, also when nobody is: the next wait tells that. */
		if (r < 0 && (read_stamp(p, attr, &stamp) < 0 || stamp.version <= after))
			return r;
	}
}
