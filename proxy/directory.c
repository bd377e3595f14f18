/*
 * directory.c: see directory.h.
 */
#include "proxy/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-bp.h>
#include <uthash.h>

#include "src/cancel.h"

#define NEWEST 64 /* entries */

struct entry {
	struct found found;
	UT_hash_handle hh;
};

struct directory {
	uint64_t number, as_of; /* state->directory, and `committed` when it was read */
	struct entry *by_name, *entries;
	size_t n;
};

/* Does it still tell the truth? The number grows before the change counts, so it must have been read after that. */
static bool is_current(const struct stoa *s, const struct directory *d)
{
	const struct state_head *state = s->space.state;
	return d && d->number == atomic_load_explicit(&state->directory, memory_order_acquire) &&
	       d->as_of >= atomic_load_explicit(&state->directory_tag, memory_order_relaxed);
}

/* Entries change only by being freed and taken again, with another `born` each time. */
bool directory_read(const struct stoa *s, uint32_t i, uint64_t g, struct found *ret)
{
	const struct object_entry *e = space_object(&s->space, i);
	uint64_t born = atomic_load_explicit(&e->born, memory_order_acquire);
	if (!born || born > g)
		return false;
	memcpy(ret->name, e->name, sizeof(ret->name));
	uint64_t at = atomic_load_explicit(&e->body, memory_order_acquire);
	if (at < s->space.geometry.heap_at || at > s->space.geometry.state - sizeof(struct body))
		return false;
	const struct body *b = space_state(&s->space, at);
	uint64_t died = atomic_load_explicit(&b->died, memory_order_relaxed);
	ret->name[LAYOUT_NAME - 1] = '\0';
	ret->object = i;
	ret->body = b;
	ret->class_id = b->class_id;
	ret->origin = b->origin;
	ret->incarnation = atomic_load_explicit(&b->incarnation, memory_order_acquire);
	atomic_thread_fence(memory_order_acquire);
	return ret->incarnation && (!died || died > g) && b->object == i &&
	       atomic_load_explicit(&e->born, memory_order_relaxed) == born;
}

static void free_directory(struct directory *d)
{
	if (d) {
		HASH_CLEAR(hh, d->by_name);
		free(d->entries);
		free(d);
	}
}

static struct directory *build(const struct stoa *s)
{
	struct directory *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->number = atomic_load_explicit(&s->space.state->directory, memory_order_acquire);
	d->as_of = handle_committed(s);
	uint32_t n = atomic_load_explicit(&s->space.state->n_objects, memory_order_acquire);
	n = n < s->space.geometry.objects ? n : s->space.geometry.objects;
	d->entries = calloc(n + 1, sizeof(*d->entries));
	if (!d->entries) {
		free(d);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		if (directory_read(s, i, d->as_of, &d->entries[d->n].found)) {
			struct entry *e = &d->entries[d->n++];
			HASH_ADD_STR(d->by_name, found.name, e);
		}
	return d;
}

static int refresh(struct stoa *s)
{
	CANCEL_LATER;
	pthread_mutex_lock(&s->mutex);
	struct directory *old = s->directory;
	struct directory *new = is_current(s, old) ? old : build(s);
	if (new &&new != old)
		rcu_assign_pointer(s->directory, new);
	pthread_mutex_unlock(&s->mutex);
	if (new &&new != old && old) {
		synchronize_rcu();
		free_directory(old);
	}
	return new ? 0 : -ENOMEM;
}

/* What was just created is mostly among the last: to build all of it anew each time would be quadratic. */
static bool find_newest(const struct stoa *s, const char *name, struct found *ret)
{
	uint64_t g = handle_committed(s);
	uint32_t n = atomic_load_explicit(&s->space.state->n_objects, memory_order_acquire);
	n = n < s->space.geometry.objects ? n : s->space.geometry.objects;
	for (uint32_t i = n; i > 0 && n - i < NEWEST; i--)
		if (strncmp(space_object(&s->space, i - 1)->name, name, LAYOUT_NAME) == 0 &&
		    directory_read(s, i - 1, g, ret) && strcmp(ret->name, name) == 0)
			return true;
	return false;
}

int directory_find(struct stoa *s, const char *name, struct found *ret)
{
	for (int round = 0; round < 2; round++) {
		struct entry *e = NULL;
		rcu_read_lock();
		const struct directory *d = rcu_dereference(s->directory);
		bool current = is_current(s, d);
		if (current)
			HASH_FIND_STR(d->by_name, name, e);
		if (e)
			*ret = e->found;
		rcu_read_unlock();
		if (e)
			return 0;
		if (current)
			return -ENOENT;
		if (round == 0 && find_newest(s, name, ret))
			return 0;
		int r = refresh(s);
		if (r < 0)
			return r;
	}
	/* Changing under us: look without keeping what was built. */
	struct directory *d = build(s);
	struct entry *e = NULL;
	if (!d)
		return -ENOMEM;
	HASH_FIND_STR(d->by_name, name, e);
	if (e)
		*ret = e->found;
	free_directory(d);
	return e ? 0 : -ENOENT;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

int directory_all(struct stoa *s, struct found **ret, size_t *ret_n)
{
	struct directory *d = build(s);
	struct found *all = d ? calloc(d->n + 1, sizeof(*all)) : NULL;
	if (!all) {
		free_directory(d);
		return -ENOMEM;
	}
	for (size_t i = 0; i < d->n; i++)
		all[i] = d->entries[i].found;
	qsort(all, d->n, sizeof(*all), by_name);
	*ret = all;
	*ret_n = d->n;
	free_directory(d);
	return 0;
}

void directory_free(struct stoa *s)
{
	struct directory *old = s->directory;
	rcu_assign_pointer(s->directory, NULL);
	synchronize_rcu();
	free_directory(old);
}

void directory_before_fork(void)
{
	rcu_bp_before_fork();
}

void directory_after_fork(bool child)
{
	if (child)
		rcu_bp_after_fork_child();
	else
		rcu_bp_after_fork_parent();
}
