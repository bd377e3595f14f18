/*
 * statistics.c: what was done to objects and by methods, from the tallies in the state (coordinator/tally.h); and reads
 * that waited, from the ingress (proxy/read.c).
 */
#include <stdio.h>
#include <string.h>

#include "include/stoa/observe.h"
#include "proxy/bind.h"
#include "proxy/names.h"
#include "src/cancel.h"
#include "src/class.h"

_Static_assert(BARRIER_STEPS == STOA_BARRIER_STEPS, "all steps are told of");

static void add(struct stoa_statistic *to, const struct tallied *t)
{
	to->failed += atomic_load_explicit(&t->failed, memory_order_relaxed);
	to->calls += atomic_load_explicit(&t->calls, memory_order_relaxed);
	to->time_ns += (int64_t)atomic_load_explicit(&t->time_ns, memory_order_relaxed);
	to->timed += atomic_load_explicit(&t->timed, memory_order_relaxed);
}

/* ---- by object ---- */

static void tell_objects(struct stoa *s, int (*each)(void *, const struct stoa_statistic *), void *data)
{
	uint32_t n = atomic_load(&s->space.state->n_objects);
	for (uint32_t i = 0; i < n && i < s->space.geometry.objects; i++) {
		struct stoa_statistic one = { 0 };
		uint32_t class_id = names_is_there(s, i) ? names_object(s, i, 0, one.object) : UINT32_MAX;
		if (class_id == UINT32_MAX)
			continue;
		names_class(s, class_id, one.class_name);
		add(&one, space_object_tally(&s->space, i));
		if (each(data, &one))
			return;
	}
}

/* ---- by method ---- */

/* As it was described, or NULL. It stays: views are kept with the handle. */
static const struct stoa_class *described(struct stoa *s, uint32_t id)
{
	const struct class_view *view;
	pthread_mutex_lock(&s->mutex);
	int r = view_get(s, id, &view);
	pthread_mutex_unlock(&s->mutex);
	return r == 0 ? view->described : NULL;
}

/* Its tally's place in the class; method "": of assignments. UINT32_MAX: it has none. */
static uint32_t row_of(const struct stoa_class *cls, const char *method)
{
	if (!*method)
		return class_n_methods(cls);
	int i = class_find_method(cls, method);
	return i < 0 ? UINT32_MAX : (uint32_t)i;
}

/* A class that has changed has a description more, with tallies of its own. False: an earlier one has told of it. */
static bool sum_up(struct stoa *s, uint32_t id, uint32_t end, struct stoa_statistic *ret)
{
	for (uint32_t i = 0; i < end; i++) {
		const struct class_entry *e = space_class(&s->space, i);
		bool same = strncmp(e->name, ret->class_name, STOA_NAME_MAX) == 0;
		const struct stoa_class *cls = same ? described(s, i) : NULL;
		uint32_t row = cls ? row_of(cls, ret->method) : UINT32_MAX, first = e->tallies;
		if (row == UINT32_MAX)
			continue;
		if (i < id)
			return false;
		if (first < TALLIES && row < TALLIES - first)
			add(ret, space_tally(&s->space, first + row));
	}
	return true;
}

static int tell_class(struct stoa *s, uint32_t id, uint32_t end, int (*each)(void *, const struct stoa_statistic *),
		      void *data)
{
	const struct stoa_class *cls = described(s, id);
	for (uint32_t i = 0; cls && i <= class_n_methods(cls); i++) {
		struct stoa_statistic one = { 0 };
		names_class(s, id, one.class_name);
		if (i < class_n_methods(cls))
			snprintf(one.method, sizeof(one.method), "%s", cls->methods[i]->name);
		if (sum_up(s, id, end, &one) && each(data, &one))
			return 1;
	}
	return 0;
}

int stoa_statistics(struct stoa *s, enum stoa_statistics of, int (*each)(void *, const struct stoa_statistic *),
		    void *data)
{
	CANCEL_LATER;
	uint32_t n = atomic_load_explicit(&s->space.state->n_classes, memory_order_acquire);
	n = n < CLASSES_MAX ? n : CLASSES_MAX;
	if (of == STOA_BY_OBJECT)
		tell_objects(s, each, data);
	for (uint32_t i = 0; of == STOA_BY_METHOD && i < n; i++)
		if (tell_class(s, i, n, each, data))
			break;
	return 0;
}

/* ---- the barrier ---- */

int stoa_barrier(struct stoa *s, struct stoa_barrier *ret)
{
	const struct barrier *from = &s->space.ingress->barrier;
	struct stoa_barrier b = { .time_ns = (int64_t)atomic_load_explicit(&from->ns, memory_order_relaxed) };
	for (int i = 0; i < STOA_BARRIER_STEPS; i++) {
		b.steps[i].waited = atomic_load_explicit(&from->waited[i], memory_order_relaxed);
		b.steps[i].below_ns = i < STOA_BARRIER_STEPS - 1 ? (int64_t)BARRIER_FIRST << i : INT64_MAX;
		b.waited += b.steps[i].waited;
	}
	int r = handle_whole(s);
	if (r == 0)
		*ret = b;
	return r;
}
