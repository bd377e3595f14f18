/*
 * bind.c: see bind.h.
 */
#include "proxy/bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/cell.h"
#include "src/class.h"
#include "src/error.h"

/* ---- views ---- */

static void view_free(struct class_view *v)
{
	if (v) {
		part_plan_free(v->plan);
		class_free(v->described);
		free(v);
	}
}

int view_get(struct stoa *s, uint32_t id, const struct class_view **ret)
{
	if (id < s->n_views && s->views[id]) {
		*ret = s->views[id];
		return 0;
	}
	if (id >= atomic_load_explicit(&s->space.state->n_classes, memory_order_acquire) || id >= CLASSES_MAX)
		return error_set(-EPROTO, "class number %u is not described in the state", id);
	if (id >= s->n_views) {
		struct class_view **more = realloc(s->views, (id + 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		memset(more + s->n_views, 0, (id + 1 - s->n_views) * sizeof(*more));
		s->views = more;
		s->n_views = id + 1;
	}
	const struct class_entry *e = space_class(&s->space, id);
	uint64_t at = atomic_load_explicit(&e->image, memory_order_acquire);
	if (at > s->space.geometry.state || e->image_size > s->space.geometry.state - at)
		return error_set(-EPROTO, "the description of class number %u lies outside of the state", id);
	struct class_view *v = calloc(1, sizeof(*v));
	int r = v ? class_unpack(space_state(&s->space, at), e->image_size, &v->described) : -ENOMEM;
	r = r ? r : part_plan_new(v->described, &v->plan);
	if (r < 0) {
		view_free(v);
		return r;
	}
	v->id = id;
	*ret = s->views[id] = v;
	return 0;
}

void views_free(struct stoa *s)
{
	for (uint32_t i = 0; i < s->n_views; i++)
		view_free(s->views[i]);
	free(s->views);
	s->views = NULL;
	s->n_views = 0;
}

/* ---- rows ---- */

/* "class hits: attribute bytes is bytes:u32 here and bytes:u64 in the coordinator",
 * malloc'ed; NULL: they are the same. */
static char *differs(const struct stoa_class *cls, const char *what, const char *name, char *here, char *there)
{
	char *text = NULL;
	if (!here || !there || strcmp(here, there) != 0)
		if (asprintf(&text, "class %s: %s %s is \"%s\" here and \"%s\" in the coordinator", cls->name, what,
			     name, here ? here : "?", there ? there : "?") < 0)
			text = NULL;
	free(here);
	free(there);
	return text;
}

static char *missing(const struct stoa_class *cls, const char *what, const char *name)
{
	char *text;
	return asprintf(&text, "class %s: the coordinator's has no %s %s", cls->name, what, name) < 0 ? NULL : text;
}

static int bind_attr(const struct binding *b, uint32_t i, struct bound_attr *out)
{
	const struct stoa_attr *a = &b->ours->state->attrs[i];
	const struct stoa_struct *theirs = b->view->described->state;
	const struct class_plan *plan = b->view->plan;
	struct stoa_attr alone = *a;
	int k = class_find_attr(theirs, a->name);
	*out = (struct bound_attr){
		.attr = UINT32_MAX, .offset = a->offset, .size = a->size, .variable = image_is_variable(a->kind)
	};
	alone.offset = 0;
	int r = image_layout_new(&alone, NULL, 1, &out->image);
	if (r < 0)
		return r;
	out->bad =
		k < 0 ? missing(b->ours, "attribute", a->name)
		      : differs(b->ours, "attribute", a->name, class_attr_text(a), class_attr_text(&theirs->attrs[k]));
	if (out->bad || k < 0)
		return out->bad ? 0 : -ENOMEM;
	out->attr = (uint32_t)k;
	out->writable = theirs->attrs[k].writable;
	out->part = plan->part_of[k];
	out->part_at = (uint32_t)offsetof(struct body, parts[out->part]);
	out->stamp = plan->place_of[k];
	const struct part_plan *p = &plan->parts[out->part];
	out->at = p->image_at + p->image->fields[plan->place_of[k]].at;
	out->flags[0] = 1 + out->attr;
	out->flags[1] = out->writable ? 0 : out->flags[0];
	out->quick = !out->variable && a->rank == 0 && (a->size == 4 || a->size == 8);
	return 0;
}

static int select_flags(const struct stoa_struct *s, const char *names, uint32_t **ret, uint32_t *n)
{
	const char *bad;
	return class_select(s, names, ret, n, &bad);
}

static int bind_method(const struct binding *b, uint32_t i, struct bound_method *out)
{
	const struct stoa_method *m = b->ours->methods[i];
	const struct stoa_class *theirs = b->view->described;
	int k = class_find_method(theirs, m->name);
	*out = (struct bound_method){ 0 };
	out->bad = k < 0 ? missing(b->ours, "method", m->name)
			 : differs(b->ours, "method", m->name, class_method_text(b->ours, m),
				   class_method_text(theirs, theirs->methods[k]));
	if (out->bad || k < 0)
		return out->bad ? 0 : -ENOMEM;
	const struct stoa_method *t = theirs->methods[k];
	out->ours = m;
	out->row = (uint32_t)k;
	out->local = m->reader && m->run && !(b->ours->hooks && b->ours->hooks->parts); /* the parts are not here */
	out->folds = m->folds && t->folds;
	int r = select_flags(theirs->state, t->writes, &out->writes, &out->n_writes);
	r = r ? r : select_flags(theirs->state, t->reads ? t->reads : "*", &out->reads, &out->n_reads);
	r = r ? r : image_layout_new(m->args ? m->args->attrs : NULL, NULL, m->args ? m->args->n_attrs : 0, &out->args);
	r = r ? r : image_layout_new(m->ret ? m->ret->attrs : NULL, NULL, m->ret ? m->ret->n_attrs : 0, &out->ret);
	if (r < 0)
		return r;
	size_t result = out->ret->size;
	if (out->ret->variable)
		result = t->ret_max ? t->ret_max : CLASS_RET_MAX;
	out->reply_size = sizeof(struct reply) + sizeof(struct later) + (result > STOA_ERROR_MAX ? result : STOA_ERROR_MAX);
	return 0;
}

/* ---- the whole struct ---- */

#define NOT_OURS UINT32_MAX

/* Their attributes with our offsets, so that their images unpack into our struct and ours pack as theirs. */
static struct stoa_attr *map_attrs(const struct binding *b)
{
	const struct stoa_struct *theirs = b->view->described->state;
	struct stoa_attr *mapped = malloc((theirs->n_attrs + 1) * sizeof(*mapped));
	for (uint32_t i = 0; mapped && i < theirs->n_attrs; i++) {
		int k = class_find_attr(b->ours->state, theirs->attrs[i].name);
		mapped[i] = theirs->attrs[i];
		mapped[i].offset = k >= 0 && !b->attrs[k].bad ? b->ours->state->attrs[k].offset : NOT_OURS;
	}
	return mapped;
}

/* The layout of the selected attributes in our struct; none if we lack one of them. */
static int map_layout(const struct stoa_attr *mapped, const uint32_t *select, uint32_t n, struct image_layout **ret)
{
	for (uint32_t i = 0; i < n; i++)
		if (mapped[select[i]].offset == NOT_OURS)
			return 0;
	return image_layout_new(mapped, select, n, ret);
}

static int map_whole(struct binding *b)
{
	const struct class_view *v = b->view;
	const struct stoa_struct *theirs = v->described->state;
	struct stoa_attr *mapped = map_attrs(b);
	uint32_t n = 0, *writables = malloc((theirs->n_attrs + 1) * sizeof(*writables));
	b->parts = calloc(v->plan->n_attr_parts + 1, sizeof(*b->parts));
	int r = mapped && writables && b->parts ? 0 : -ENOMEM;
	for (uint32_t p = 0; r == 0 && p < v->plan->n_attr_parts; p++)
		r = map_layout(mapped, v->plan->parts[p].attrs, v->plan->parts[p].n_attrs, &b->parts[p]);
	for (uint32_t i = 0; r == 0 && i < theirs->n_attrs; i++)
		if (theirs->attrs[i].writable)
			writables[n++] = i;
	r = r ? r : map_layout(mapped, writables, n, &b->writable);
	free(mapped);
	free(writables);
	return r;
}

/* Where to look next. */
static uint32_t hash_next(const struct binding *b, uint32_t h)
{
	return (h + 1) & b->by_offset_mask;
}

/* How many are not at the first look; -ENOMEM. */
static int fill_by_offset(struct binding *b)
{
	int missed = 0;
	free(b->by_offset);
	b->by_offset = calloc(b->by_offset_mask + 1, sizeof(*b->by_offset));
	for (uint32_t i = 0; b->by_offset && i < b->n_attrs; i++) {
		uint32_t h = binding_hash(b, b->attrs[i].offset);
		missed += b->by_offset[h] != NULL;
		while (b->by_offset[h])
			h = hash_next(b, h);
		b->by_offset[h] = &b->attrs[i];
	}
	return b->by_offset ? missed : -ENOMEM;
}

/* Larger until each is found at the first look, for a read of one that is not takes twice as long, or 16 times as large. */
static int hash_attrs(struct binding *b)
{
	int missed;
	uint32_t *mask = &b->by_offset_mask;
	*mask = 15;
	while (*mask < 2 * b->n_attrs)
		*mask = 2 * *mask + 1;
	uint32_t most = 16 * *mask + 15;
	while ((missed = fill_by_offset(b)) > 0 && *mask < most)
		*mask = 2 * *mask + 1;
	return missed < 0 ? missed : 0;
}

static void binding_free(struct binding *b)
{
	for (uint32_t i = 0; b->attrs && i < b->n_attrs; i++) {
		image_layout_free(b->attrs[i].image);
		free(b->attrs[i].bad);
	}
	for (uint32_t i = 0; b->methods && i < b->n_methods; i++) {
		image_layout_free(b->methods[i].args);
		image_layout_free(b->methods[i].ret);
		free(b->methods[i].writes);
		free(b->methods[i].reads);
		free(b->methods[i].bad);
	}
	for (uint32_t p = 0; b->parts && p < b->view->plan->n_attr_parts; p++)
		image_layout_free(b->parts[p]);
	image_layout_free(b->writable);
	free(b->attrs);
	free(b->methods);
	free(b->parts);
	free(b->by_offset);
	free(b);
}

static int bind_all(struct binding *b)
{
	int r = b->attrs && b->methods ? 0 : -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < b->n_attrs; i++) {
		r = bind_attr(b, i, &b->attrs[i]);
		if (b->attrs[i].bad && !b->whole)
			b->whole = &b->attrs[i];
	}
	for (uint32_t i = 0; r == 0 && i < b->n_methods; i++) {
		r = bind_method(b, i, &b->methods[i]);
		b->methods[i].local = b->methods[i].local && !b->whole;
	}
	r = r ? r : map_whole(b);
	return r ? r : hash_attrs(b);
}

int binding_get(struct stoa *s, const struct stoa_class *ours, const struct class_view *view, struct binding **ret)
{
	ours = ours ? ours : view->described;
	for (struct binding *b = s->bindings; b; b = b->next)
		if (b->ours == ours && b->view == view) {
			*ret = b;
			return 0;
		}
	struct binding *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->ours = ours;
	b->view = view;
	b->n_attrs = ours->state->n_attrs;
	b->n_methods = class_n_methods(ours);
	b->attrs = calloc(b->n_attrs + 1, sizeof(*b->attrs));
	b->methods = calloc(b->n_methods + 1, sizeof(*b->methods));
	int r = bind_all(b);
	if (r < 0) {
		binding_free(b);
		return r;
	}
	b->next = s->bindings;
	*ret = s->bindings = b;
	return 0;
}

void bindings_free(struct stoa *s)
{
	while (s->bindings) {
		struct binding *b = s->bindings;
		s->bindings = b->next;
		binding_free(b);
	}
}

/* ---- looking up ---- */

int binding_attr(const struct binding *b, uint32_t offset, const struct bound_attr **ret)
{
	const struct bound_attr *a;
	for (uint32_t h = binding_hash(b, offset); (a = b->by_offset[h]); h = hash_next(b, h)) {
		if (a->offset != offset)
			continue;
		*ret = a;
		return a->bad ? error_set(-EPROTO, "%s", a->bad) : 0;
	}
	return error_set(-EINVAL, "class %s has no attribute at offset %u", b->ours->name, offset);
}

int binding_refuse(const struct binding *b, const struct stoa_method *method)
{
	uint32_t i = method && method->index ? __atomic_load_n(method->index, __ATOMIC_RELAXED) : UINT32_MAX;
	if (i < b->n_methods && b->ours->methods[i] == method)
		return error_set(-EPROTO, "%s", b->methods[i].bad);
	return b->ours == b->view->described
		       ? error_set(-EINVAL,
				   "method %s: this proxy was opened without a class; take its row from "
				   "stoa_find_method",
				   method ? method->name : "NULL")
		       : error_set(-EINVAL, "method %s is not of class %s", method ? method->name : "NULL",
				   b->ours->name);
}
