/*
 * fold.c: see fold.h. The sums are written by their thread alone; what of them the coordinator has copied is not known
 * until it is committed, and need not be: the next record of the chain goes on from the same sums.
 */
#include "proxy/fold.h"

#include <errno.h>
#include <string.h>

#include "proxy/await.h"
#include "proxy/wait.h"
#include "src/error.h"
#include "src/fold.h"
#include "src/ring.h"

/* An integer argument as 64 bits, with its sign. */
static inline uint64_t value_of(const struct stoa_attr *a, const void *args)
{
	const void *at = (const char *)args + a->offset;
	switch (a->kind) {
	case STOA_I8:
		return (uint64_t) * (const int8_t *)at;
	case STOA_I16:
		return (uint64_t) * (const int16_t *)at;
	case STOA_I32:
		return (uint64_t) * (const int32_t *)at;
	case STOA_U8:
		return *(const uint8_t *)at;
	case STOA_U16:
		return *(const uint16_t *)at;
	case STOA_U32:
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

/*
 * Can it be given out with what is pending, be that with or without the cast before? It must fit the argument's type. Of
 * signed ones a quarter of what there is may be pending, and an eighth be added, so that the difference fits, too.
 */
static inline bool value_fits(const struct stoa_attr *a, uint64_t pending, uint64_t v)
{
	uint64_t sum = pending + v, most = UINT64_MAX >> (64 - 8 * a->size), eighth = most / 8;
	if (a->kind <= STOA_I64)
		return v + eighth <= 2 * eighth && sum + 2 * eighth <= 4 * eighth;
	return v <= most && sum >= v && sum <= most;
}

static inline bool all_fit(const struct fold *f, const struct stoa_struct *s, const uint64_t *values)
{
	for (uint32_t i = 0; i < s->n_attrs; i++)
		if (!value_fits(&s->attrs[i], f->pending[i], values[i]))
			return false;
	return true;
}

/* Add to the sums, in the place that does not count, and let that one count. */
static inline void add(struct fold *f, const uint64_t *values, uint32_t n)
{
	struct fold_args *shared = (struct fold_args *)(f->record + 1);
	f->which = !f->which;
	_Atomic uint64_t *to = shared->sums[f->which];
	atomic_store_explicit(to++, ++f->sums.casts, memory_order_relaxed);
	for (uint32_t i = 0; i < n; i++) {
		f->pending[i] += values[i];
		f->sums.fields[i] += values[i];
		atomic_store_explicit(to++, f->sums.fields[i], memory_order_relaxed);
	}
	/* Release: pairs with fold_take of the coordinator. */
	atomic_store_explicit(&shared->which, f->which, memory_order_release);
}

static inline bool is_taken(const struct stoa *s, const struct fold *f)
{
	return atomic_load_explicit(&s->space.state->taken, memory_order_relaxed) > f->ticket;
}

/* Is it queued, untouched, and nothing behind it that may not be passed? */
static inline bool may_join(const struct stoa *s, const struct fold *f)
{
	return !is_taken(s, f) && fold_may_join(&s->space, f->mark) &&
	       atomic_load_explicit(ring_slot(&s->space, f->ticket), memory_order_relaxed) == f->word;
}

/* A record of its own: of this cast, or with `carry` of what may be missing of the chain, which has this cast. */
static void fill(struct sending *w, struct fold *f, const uint64_t *values, uint32_t n, bool carry)
{
	struct fold_args *shared = (struct fold_args *)w->args;
	f->chain = carry ? f->chain : w->lane->seq + 1;
	f->sums.casts = carry ? f->sums.casts : 1;
	f->which = 0;
	memset(shared, 0, sizeof(*shared));
	shared->chain = f->chain;
	atomic_store_explicit(&shared->sums[0][0], f->sums.casts, memory_order_relaxed);
	for (uint32_t i = 0; i < n; i++) {
		f->pending[i] = values[i];
		f->sums.fields[i] = carry ? f->sums.fields[i] : f->pending[i];
		atomic_store_explicit(&shared->sums[0][1 + i], f->sums.fields[i], memory_order_relaxed);
	}
}

/*
 * The cast was added too late, or just in time, and it could not be published again. Whoever took the record commits it
 * soon: then the lane's row tells.
 */
static int settle(struct lane *lane, const struct fold *f, int r, int64_t deadline)
{
	struct stoa *s = lane->stoa;
	int waited = handle_await(s, &s->space.ingress->room, UINT32_MAX, f->ticket + 1, deadline);
	if (waited == -ECONNRESET)
		return handle_gone(s, true, f->ticket);
	if (waited < 0)
		return error_set_command(waited, STOA_FROM_LIBRARY, true, f->ticket, NULL, 0);
	struct fold_applied folded = await_folded(lane);
	return folded.chain == f->chain && folded.sums.casts == f->sums.casts ? 0 : r;
}

/* A chain goes on in its lane, whose row tells what was applied of it: by another one all of it would be again. */
static int publish(struct lane *lane, const struct target *t, const struct bound_method *m, const uint64_t *values,
		   int64_t timeout, bool carry)
{
	struct sending w;
	struct fold *f = &lane->fold;
	const struct flags flags = send_flags(t, m->writes, m->n_writes);
	int r = lane_see_done(lane); /* not only where it is timed: few are published */
	r = r ? r : send_begin_in(lane, sizeof(struct fold_args), 0, timeout, &w);
	if (r < 0)
		return r;
	f->incarnation = 0;
	fill(&w, f, values, m->ours->args->n_attrs, carry);
	send_address(w.record, t, RECORD_FOLD, m->row);
	r = send_publish(&w, &flags, 1);
	if (r < 0)
		return r;
	f->incarnation = t->incarnation;
	f->method = m;
	f->record = w.record;
	f->ticket = w.ticket;
	f->mark = w.mark;
	f->word = ring_word(ring_lap(&lane->stoa->space, w.ticket) + 1, lane->id, lane_units(lane, w.record));
	return 0;
}

/* A command of its own. */
static int begin(struct lane *lane, const struct target *t, const struct bound_method *m, const uint64_t *values,
		 int64_t timeout, bool carry)
{
	const struct fold was = lane->fold;
	int64_t deadline = carry && timeout != STOA_NOWAIT ? handle_deadline(lane->stoa, timeout) : 0;
	lane->fold.incarnation = 0;
	int r = publish(lane, t, m, values, timeout, carry);
	return r < 0 && carry ? settle(lane, &was, r, deadline) : r;
}

int fold_cast(struct lane *lane, const struct target *t, const struct bound_method *m, const void *args, int64_t timeout)
{
	const struct stoa *s = lane->stoa;
	struct fold *f = &lane->fold;
	const struct stoa_struct *types = m->ours->args;
	uint64_t values[FOLD_FIELDS];
	for (uint32_t i = 0; i < types->n_attrs; i++)
		values[i] = value_of(&types->attrs[i], args);
	if (f->incarnation != t->incarnation || f->method != m || !may_join(s, f) || !all_fit(f, types, values))
		return begin(lane, t, m, values, timeout, false);
	add(f, values, types->n_attrs);
	/* Pairs with the fence behind the coordinator's store of `taken`: it copies the sum, or we see that it may not. */
	atomic_thread_fence(memory_order_seq_cst);
	if (is_taken(s, f))
		return begin(lane, t, m, values, timeout, true);
	return handle_sent(s, f->ticket);
}
