/*
 * look.c: see look.h.
 */
#include "tools/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- taking it ---- */

static struct look_row *add(struct look_table *t)
{
	if (t->n == t->room) {
		size_t room = 2 * t->room + 64;
		struct look_row *more = realloc(t->rows, room * sizeof(*more));
		if (!more)
			return NULL;
		t->rows = more;
		t->room = room;
	}
	t->rows[t->n] = (struct look_row){ 0 };
	return &t->rows[t->n++];
}

/* Methods that nobody has called are passed over: there are many. */
static int add_statistic(void *data, const struct stoa_statistic *s)
{
	struct look_table *t = data;
	bool is_object = *s->object;
	struct look_row *row = is_object || s->calls ? add(t) : NULL;
	if (!row)
		return is_object || s->calls ? -ENOMEM : 0;
	snprintf(row->class_name, sizeof(row->class_name), "%s", s->class_name);
	snprintf(row->method, sizeof(row->method), "%s", s->method);
	if (is_object)
		snprintf(row->name, sizeof(row->name), "%s", s->object);
	else
		snprintf(row->name, sizeof(row->name), *s->method ? "%s.%s" : "%s (assigned)", s->class_name,
			 s->method);
	row->calls = s->calls;
	row->failed = s->failed;
	row->timed = s->timed;
	row->time_ns = s->time_ns;
	return 0;
}

static int add_client(void *data, const struct stoa_attached *a)
{
	struct look_table *t = data;
	if (a->pid == (uint32_t)getpid() && a->read_only) /* ourselves */
		return 0;
	struct look_row *row = add(t);
	if (!row)
		return -ENOMEM;
	snprintf(row->name, sizeof(row->name), a->tid ? "%u/%u" : "%u", a->pid, a->tid);
	snprintf(row->program, sizeof(row->program), "%s", a->name);
	row->pid = a->pid;
	row->tid = a->tid;
	row->calls = a->pushed;
	row->failed = a->rejected;
	row->pending = a->pending;
	return 0;
}

int look_take(struct look *ret, const struct tool *tool)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	*ret = (struct look){ .at_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec };
	int r = stoa_health(tool->stoa, &ret->health);
	r = r ? r : stoa_barrier(tool->stoa, &ret->barrier);
	r = r ? r : stoa_statistics(tool->stoa, STOA_BY_OBJECT, add_statistic, &ret->of[LOOK_OBJECTS]);
	r = r ? r : stoa_statistics(tool->stoa, STOA_BY_METHOD, add_statistic, &ret->of[LOOK_METHODS]);
	r = r ? r : stoa_clients(tool->stoa, add_client, &ret->of[LOOK_CLIENTS]);
	return r;
}

void look_fini(struct look *l)
{
	for (int i = 0; i < LOOKS_OF; i++)
		free(l->of[i].rows);
	*l = (struct look){ 0 };
}

/* ---- comparing ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct look_row *)a)->name, ((const struct look_row *)b)->name);
}

static void compare_rows(struct look_table *t, struct look_table *before, double seconds)
{
	if (before->n)
		qsort(before->rows, before->n, sizeof(*before->rows), by_name);
	for (size_t i = 0; i < t->n; i++) {
		struct look_row *row = &t->rows[i];
		const struct look_row *was =
			before->n ? bsearch(row, before->rows, before->n, sizeof(*row), by_name) : NULL;
		row->rate = (double)look_grown(row->calls, was ? was->calls : 0) / seconds;
		row->failed_rate = (double)look_grown(row->failed, was ? was->failed : 0) / seconds;
	}
}

void look_compare(struct look *l, struct look *before)
{
	double seconds = (double)(l->at_ns - before->at_ns) / 1e9;
	for (int i = 0; i < LOOKS_OF; i++)
		compare_rows(&l->of[i], &before->of[i], seconds > 0 ? seconds : 1);
	l->barrier.waited = 0;
	for (int i = 0; i < STOA_BARRIER_STEPS; i++) {
		uint64_t *waited = &l->barrier.steps[i].waited;
		*waited = look_grown(*waited, before->barrier.steps[i].waited);
		l->barrier.waited += *waited;
	}
}

double look_mean_ns(const struct look_row *row)
{
	return row->timed ? (double)row->time_ns / (double)row->timed : -1;
}

int64_t look_wait(const struct stoa_barrier *b, double part)
{
	double sum = 0;
	for (int i = 0; i < STOA_BARRIER_STEPS && b->waited; i++) {
		sum += (double)b->steps[i].waited;
		if (sum >= part * (double)b->waited)
			return b->steps[i].below_ns;
	}
	return -1;
}
