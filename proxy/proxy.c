/*
 * proxy.c: see proxy.h. Creating, opening, listing and removing objects; what a class is called by.
 */
#include "proxy/proxy.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/await.h"
#include "proxy/directory.h"
#include "proxy/wait.h"
#include "src/cancel.h"
#include "src/class.h"
#include "src/clock.h"
#include "src/declared.h"
#include "src/error.h"
#include "src/names.h"
#include "src/park.h"

#define OPEN_STEP_NS 1000000 /* between looks for an object that is not there yet */
#define READER_STEP_NS 10000000

/* ---- targets ---- */

static uint64_t new_id(void)
{
	static _Atomic uint64_t last;
	return atomic_fetch_add(&last, TARGET_ID) + TARGET_ID;
}

static int target_new(struct stoa *s, const struct stoa_class *ours, const struct found *f, struct target **ret)
{
	const struct class_view *view;
	struct binding *b = NULL;
	struct target *t = calloc(1, sizeof(*t));
	if (!t)
		return error_set(-ENOMEM, "no memory for a proxy of object %s", f->name);
	pthread_mutex_lock(&s->mutex);
	int r = view_get(s, f->class_id, &view);
	if (r == 0 && ours && strcmp(ours->name, view->described->name) != 0)
		r = error_set(-EPROTO, "object %s is of class %s, not %s", f->name, view->described->name, ours->name);
	r = r ? r : binding_get(s, ours, view, &b);
	pthread_mutex_unlock(&s->mutex);
	if (r < 0) {
		free(t);
		return r;
	}
	*t = (struct target){ .id = new_id(),
			      .binding = b,
			      .body = f->body,
			      .incarnation = f->incarnation,
			      .origin = f->origin,
			      .object = f->object,
			      .class_id = view->id,
			      .flags = space_flags(&s->space, f->body->flags_at) };
	*ret = t;
	return 0;
}

static int proxy_new(struct stoa *s, const struct stoa_class *ours, const struct found *f, struct stoa_proxy **ret)
{
	struct target *t;
	int r = target_new(s, ours, f, &t);
	if (r < 0)
		return r;
	struct stoa_proxy *p = calloc(1, sizeof(*p));
	if (!p) {
		free(t);
		return error_set(-ENOMEM, "no memory for a proxy of object %s", f->name);
	}
	p->stoa = s;
	p->ours = ours;
	atomic_store(&p->refs, 1);
	snprintf(p->name, sizeof(p->name), "%s", f->name);
	atomic_store(&p->target, t);
	pthread_mutex_lock(&s->mutex);
	p->next = s->proxies;
	s->proxies = p;
	pthread_mutex_unlock(&s->mutex);
	*ret = p;
	return 0;
}

int proxy_retarget(struct stoa_proxy *p)
{
	struct found f;
	struct target *old = proxy_target(p), *t;
	int r = directory_find(p->stoa, p->name, &f);
	if (r == -ENOENT || (r == 0 && f.origin != old->origin))
		return error_set(-ESTALE, "object %s was removed", p->name);
	if (r < 0 || f.incarnation == old->incarnation)
		return r;
	r = target_new(p->stoa, p->ours, &f, &t);
	if (r < 0)
		return r;
	t->older = old;
	if (!atomic_compare_exchange_strong(&p->target, &old, t))
		free(t); /* another thread did it */
	return 0;
}

void proxies_renew(struct stoa *s)
{
	pthread_mutex_lock(&s->mutex);
	for (struct stoa_proxy *p = s->proxies; p; p = p->next)
		for (struct target *t = proxy_target(p); t; t = t->older)
			atomic_store(&t->id, new_id());
	pthread_mutex_unlock(&s->mutex);
}

void proxy_unref(struct stoa_proxy *p)
{
	if (atomic_fetch_sub(&p->refs, 1) > 1)
		return;
	for (struct target *t = proxy_target(p); t;) {
		struct target *older = t->older;
		free(t);
		t = older;
	}
	free(p);
}

struct stoa_proxy *stoa_close(struct stoa_proxy *p)
{
	if (!p)
		return NULL;
	struct stoa *s = p->stoa;
	pthread_mutex_lock(&s->mutex);
	struct stoa_proxy **at = &s->proxies;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	pthread_mutex_unlock(&s->mutex);
	atomic_store(&p->closed, true);
	proxy_unref(p);
	return NULL;
}

/* ---- open ---- */

/* Until something may have been created: any commit wakes us, but not more often than once in a step. */
static void wait_for_objects(struct stoa *s, uint64_t before, int64_t deadline)
{
	CANCEL_LATER;
	struct timespec step = { .tv_nsec = s->read_only ? READER_STEP_NS : OPEN_STEP_NS };
	nanosleep(&step, NULL);
	if (s->read_only)
		return;
	_Atomic uint32_t *word = &s->space.ingress->room;
	uint32_t value = park_announce(word, PARK_FUTEX);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&s->space.state->directory) == before)
		handle_sleep(s, word, value, deadline);
}

int stoa_open(struct stoa *s, const char *object, const struct stoa_class *cls, int64_t timeout,
	      struct stoa_proxy **ret)
{
	char text[STOA_ERROR_MAX];
	struct found f;
	int r = names_check("object", object);
	if (r == 0 && cls && (r = class_check_described(cls, text)) < 0)
		error_set(r, "%s", text);
	if (r < 0)
		return r;
	r = handle_enter(s);
	if (r < 0)
		return r;
	int64_t deadline = handle_deadline(s, timeout);
	for (;;) {
		uint64_t before = atomic_load(&s->space.state->directory);
		r = directory_find(s, object, &f);
		if (r != -ENOENT)
			break;
		if (timeout == STOA_NOWAIT || clock_now() >= deadline)
			return error_set(r, "no object %s in namespace %s", object, s->name);
		wait_for_objects(s, before, deadline);
	}
	return r < 0 ? r : proxy_new(s, cls, &f, ret);
}

/* ---- create ---- */

int proxy_find_view(struct stoa *s, const char *name, const struct class_view **ret)
{
	uint32_t n = atomic_load_explicit(&s->space.state->n_classes, memory_order_acquire);
	int r = -ENOENT;
	pthread_mutex_lock(&s->mutex);
	while (n-- > 0 && r == -ENOENT) /* the newest of that name is the present one */
		if (strncmp(space_class(&s->space, n)->name, name, LAYOUT_NAME) == 0)
			r = view_get(s, n, ret);
	pthread_mutex_unlock(&s->mutex);
	return r == -ENOENT ? error_set(r, "the coordinator of namespace %s has no class %s", s->name,
					*name ? name : "\"\"")
			    : r;
}

int stoa_find_class(struct stoa *s, const char *name, const struct stoa_class **ret)
{
	const struct class_view *view;
	int r = proxy_find_view(s, name, &view);
	if (r == 0)
		*ret = view->described;
	return r;
}

/* Number id is the newest of its name: the present one. */
static bool is_newest(const struct stoa *s, uint32_t id, uint32_t n)
{
	const char *name = space_class(&s->space, id)->name;
	for (uint32_t i = id + 1; i < n; i++)
		if (strncmp(space_class(&s->space, i)->name, name, LAYOUT_NAME) == 0)
			return false;
	return true;
}

static int by_class_name(const void *a, const void *b)
{
	const struct stoa_class *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

/* Those that are the newest of their names, by name. */
static int collect_classes(struct stoa *s, const struct stoa_class **all, uint32_t n, uint32_t *ret_n)
{
	const struct class_view *view;
	uint32_t k = 0;
	int r = 0;
	pthread_mutex_lock(&s->mutex);
	for (uint32_t i = 0; r == 0 && i < n; i++)
		if (is_newest(s, i, n) && (r = view_get(s, i, &view)) == 0)
			all[k++] = view->described;
	pthread_mutex_unlock(&s->mutex);
	qsort(all, k, sizeof(*all), by_class_name);
	*ret_n = k;
	return r;
}

int stoa_classes(struct stoa *s, int (*each)(void *, const struct stoa_class *, uint64_t), void *data)
{
	CANCEL_LATER;
	uint32_t n = atomic_load_explicit(&s->space.state->n_classes, memory_order_acquire), k = 0;
	n = n < CLASSES_MAX ? n : CLASSES_MAX;
	const struct stoa_class **all = calloc(n + 1, sizeof(*all));
	int r = all ? collect_classes(s, all, n, &k) : -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < k; i++) {
		uint64_t fingerprint = class_fingerprint(all[i]);
		if (!fingerprint)
			r = -ENOMEM;
		else if (each(data, all[i], fingerprint))
			break;
	}
	free(all);
	return r == -ENOMEM ? error_set(r, "no memory for the list of classes") : r;
}

static const struct stoa_struct *init_struct(const struct stoa_class *cls)
{
	return cls->hooks && cls->hooks->init_args ? cls->hooks->init_args : cls->state;
}

/*
 * The first state as the coordinator's class has it, from ours: what we have by name and type is packed, the rest is
 * zero. ret is malloc'ed.
 */
static int pack_init(const struct class_view *view, const struct stoa_class *ours, const void *init, void **ret,
		     size_t *ret_size)
{
	const struct stoa_struct *to = init_struct(view->described), *from = init_struct(ours);
	struct image_layout *layout;
	char *staged = calloc(1, to->size + 1);
	int r = staged ? image_layout_new(to->attrs, NULL, to->n_attrs, &layout) : -ENOMEM;
	if (r < 0) {
		free(staged);
		return r;
	}
	for (uint32_t i = 0; r == 0 && i < from->n_attrs; i++) {
		const struct stoa_attr *a = &from->attrs[i];
		int k = class_find_attr(to, a->name);
		char *here = class_attr_text(a), *there = k < 0 ? NULL : class_attr_text(&to->attrs[k]);
		if (!here || !there || strcmp(here, there) != 0)
			r = error_set(-EPROTO, "class %s: attribute %s is \"%s\" here and \"%s\" in the coordinator",
				      ours->name, a->name, here ? here : "?", there ? there : "not there");
		else
			memcpy(staged + to->attrs[k].offset, (const char *)init + a->offset, a->size);
		free(here);
		free(there);
	}
	*ret_size = r == 0 ? image_size(layout, staged) : 0;
	if (*ret_size > LANE_FIRST << LANE_LOGS)
		r = error_set(-EMSGSIZE, "the first state of an object of class %s takes %zu bytes; at most %ju",
			      ours->name, *ret_size, (uintmax_t)(LANE_FIRST << LANE_LOGS));
	if (r == 0) {
		*ret = malloc(*ret_size + 1);
		r = *ret ? 0 : -ENOMEM;
	}
	if (r == 0)
		image_pack(layout, staged, *ret);
	image_layout_free(layout);
	free(staged);
	return r;
}

int proxy_send_create(struct stoa *s, const char *object, const struct class_view *view, enum create_from from,
		      const void *image, size_t size, unsigned flags, int64_t timeout, struct sending *w)
{
	struct create_args args = { .excl = !!(flags & STOA_EXCL), .from = from };
	snprintf(args.object, sizeof(args.object), "%s", object);
	snprintf(args.class_name, sizeof(args.class_name), "%s", view->described->name);
	int r = send_begin(s, sizeof(args) + size, sizeof(struct reply) + STOA_ERROR_MAX, timeout, w);
	if (r < 0)
		return r;
	memcpy(w->args, &args, sizeof(args));
	if (image)
		memcpy(w->args + sizeof(args), image, size);
	w->record->kind = RECORD_CREATE;
	w->record->class_id = view->id;
	w->record->object = w->record->row = 0;
	w->record->origin = 0;
	return send_publish(w, NULL, 0);
}

static int send_declare(struct stoa *s, const struct stoa_class *cls)
{
	struct sending w;
	void *image = NULL;
	size_t size;
	int r = class_pack(cls, &image, &size);
	r = r ? r : send_begin(s, size, sizeof(struct reply) + STOA_ERROR_MAX, STOA_DEFAULT, &w);
	if (r == 0) {
		memcpy(w.args, image, size);
		w.record->kind = RECORD_DECLARE;
		w.record->class_id = w.record->object = UINT32_MAX;
		w.record->row = 0;
		w.record->origin = 0;
		r = send_publish(&w, NULL, 0);
	}
	free(image);
	return r ? r : await_answer(&w, NULL, NULL);
}

int proxy_declare(struct stoa *s, const struct stoa_class *cls, const struct class_view **ret)
{
	char text[STOA_ERROR_MAX];
	int r = declared_check(cls, text);
	if (r == -ENOSYS)
		return -ENOENT;
	if (r == -EINVAL)
		error_set(r, "%s", text);
	r = r ? r : send_declare(s, cls);
	return r ? r : proxy_find_view(s, cls->name, ret);
}

/* The coordinator's class of that name; where it has none, ours if it needs no code. Of signals, all rows must agree. */
static int find_or_declare(struct stoa *s, const struct stoa_class *cls, const struct class_view **ret)
{
	char text[STOA_ERROR_MAX];
	int r = proxy_find_view(s, cls->name, ret);
	if (r == -ENOENT)
		r = proxy_declare(s, cls, ret);
	if (r == 0 && declared_adds(cls) && (r = declared_same(cls, (*ret)->described, text)) == -EPROTO)
		error_set(r, "%s", text);
	return r;
}

int stoa_create(struct stoa *s, const char *object, const struct stoa_class *cls, const void *init, unsigned flags,
		struct stoa_proxy **ret)
{
	char text[STOA_ERROR_MAX];
	const struct class_view *view;
	struct sending w;
	void *image = NULL;
	size_t size = 0;
	int r = names_check("object", object);
	if (r == 0 && !cls)
		r = error_set(-EINVAL, "object %s: no class was given", object);
	if (r < 0)
		return r;
	if ((r = class_check_described(cls, text)) < 0)
		return error_set(r, "%s", text);
	r = find_or_declare(s, cls, &view);
	r = r || !init ? r : pack_init(view, cls, init, &image, &size);
	r = r ? r
	      : proxy_send_create(s, object, view, image ? CREATE_FROM_INIT : CREATE_FROM_ZERO, image, size, flags,
				  STOA_DEFAULT, &w);
	free(image);
	r = r ? r : await_answer(&w, NULL, NULL);
	if (r < 0)
		return r;
	r = stoa_open(s, object, cls == view->described ? NULL : cls, STOA_NOWAIT, ret);
	return r == -ENOENT ? error_set(-ESTALE, "object %s was there, and was removed at once", object) : r;
}

int proxy_send_remove(struct stoa *s, const char *object, bool answered, int64_t timeout, struct sending *w)
{
	struct stoa_proxy *p;
	struct target *t;
	int r = stoa_open(s, object, NULL, STOA_NOWAIT, &p);
	if (r < 0)
		return r;
	r = send_target(p, &t);
	r = r ? r : send_begin(s, 0, answered ? sizeof(struct reply) + STOA_ERROR_MAX : 0, timeout, w);
	if (r == 0) {
		send_address(w->record, t, RECORD_REMOVE, 0);
		r = send_publish(w, NULL, 0);
	}
	stoa_close(p);
	return r;
}

int stoa_remove(struct stoa *s, const char *object, int64_t timeout)
{
	struct sending w;
	int r = proxy_send_remove(s, object, true, timeout, &w);
	return r ? r : await_answer(&w, NULL, NULL);
}

/* ---- looking ---- */

int stoa_list(struct stoa *s, const char *pattern, int (*each)(void *, const char *, const struct stoa_class *),
	      void *data)
{
	CANCEL_LATER;
	struct found *all;
	size_t n;
	int r = directory_all(s, &all, &n);
	if (r < 0)
		return error_set(r, "no memory for the list of objects");
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct class_view *view;
		if (pattern && fnmatch(pattern, all[i].name, 0) != 0)
			continue;
		pthread_mutex_lock(&s->mutex);
		r = view_get(s, all[i].class_id, &view);
		pthread_mutex_unlock(&s->mutex);
		if (r == 0 && each(data, all[i].name, view->described))
			break;
	}
	free(all);
	return r;
}

const struct stoa_class *stoa_class_of(struct stoa_proxy *p)
{
	return proxy_target(p)->binding->ours;
}

int stoa_find_attr(struct stoa_proxy *p, const char *name, enum stoa_kind kind, uint32_t *ret)
{
	const struct stoa_class *cls = stoa_class_of(p);
	char type[64];
	int i = class_find_attr(cls->state, name);
	if (i < 0)
		return error_set(i, "class %s of object %s has no attribute %s", cls->name, p->name, name);
	if (kind && cls->state->attrs[i].kind != kind)
		return error_set(-EINVAL, "attribute %s of object %s is %s, not of the kind asked for", name, p->name,
				 class_type_text(&cls->state->attrs[i], type));
	*ret = cls->state->attrs[i].offset;
	return 0;
}

int stoa_find_method(struct stoa_proxy *p, const char *name, const struct stoa_method **ret)
{
	const struct stoa_class *cls = stoa_class_of(p);
	int i = class_find_method(cls, name);
	if (i < 0)
		return error_set(i, "class %s of object %s has no method %s", cls->name, p->name, name);
	*ret = cls->methods[i];
	return 0;
}
