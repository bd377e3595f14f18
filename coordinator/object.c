/*
 * object.c: see object.h.
 */
#include "coordinator/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/load.h"
#include "coordinator/run.h"
#include "src/cell.h"
#include "src/class.h"
#include "src/error.h"
#include "src/segment.h"
#include "src/value.h"

#define TIDY_STEP 16u /* objects, for each block that is taken */
#define FLAGS_LINE 8u /* flags of two objects never share a cache line */

/* ---- private memory ---- */

void object_mirror_free(struct object *o)
{
	for (uint32_t k = 0; o->cls && o->mirror && k < o->cls->plan->n_attr_parts; k++)
		image_fini(o->cls->plan->parts[k].image, o->mirror);
	mirror_fini(&o->mirror_memory);
	free(o->shadow);
	free(o->stamps);
	free(o->current);
	free(o->dirty);
	free(o->dirty_parts);
	free(o->packed);
	o->mirror = o->shadow = NULL;
	o->stamps = NULL;
	o->current = o->dirty = NULL;
	o->dirty_parts = NULL;
	o->n_dirty = 0;
	o->packed = NULL;
}

void object_free(struct object *o)
{
	if (!o)
		return;
	object_mirror_free(o);
	free(o);
}

static void call_fini_hook(struct coordinator *c, const struct object *o)
{
	const struct stoa_hooks *hooks = o->cls ? o->cls->code->hooks : NULL;
	if (!hooks || !hooks->fini || !o->mirror)
		return;
	run_hook(c);
	hooks->fini(o->mirror);
	run_hook_end(c);
}

void object_fini(struct coordinator *c, struct object *o)
{
	call_fini_hook(c, o);
	object_free(o);
}

struct object *object_new(struct server_class *cls, uint32_t index, const char *name)
{
	struct object *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->index = index;
	o->cls = cls;
	snprintf(o->name, sizeof(o->name), "%s", name);
	return o;
}

int object_mirror_alloc(struct object *o)
{
	const struct server_class *cls = o->cls;
	uint32_t n = cls->plan->n_parts;
	if (mirror_init(&o->mirror_memory, cls->code->state->size, cls->code->state->align) == 0)
		o->mirror = o->mirror_memory.at;
	o->shadow = calloc(1, cls->code->state->size + 1);
	o->stamps = calloc(cls->plan->n_attrs + 1, sizeof(*o->stamps));
	o->current = calloc(n + 1, 1);
	o->dirty = calloc(n + 1, 1);
	o->dirty_parts = calloc(n + 1, sizeof(uint32_t));
	o->packed = calloc(n - cls->plan->n_attr_parts + 1, sizeof(*o->packed));
	if (o->mirror && o->shadow && o->stamps && o->current && o->dirty && o->dirty_parts && o->packed)
		return 0;
	object_mirror_free(o);
	return -ENOMEM;
}

int object_alloc(struct server_class *cls, uint32_t index, const char *name, struct object **ret)
{
	struct object *o = object_new(cls, index, name);
	int r = o ? object_mirror_alloc(o) : -ENOMEM;
	if (r == 0)
		*ret = o;
	else
		object_free(o);
	return r;
}

/* ---- cells ---- */

/* What is free is worked out bit by bit, with each block that is taken; and all of it when there is no other room. */
static int block_new(struct coordinator *c, enum block_use use, uint64_t size, uint64_t *ret_at)
{
	objects_tidy(c, TIDY_STEP);
	int r = heap_new(&c->heap, use, size, ret_at);
	if (r != -ENOSPC || heap_is_swept(&c->heap))
		return r;
	objects_tidy(c, UINT32_MAX);
	return heap_new(&c->heap, use, size, ret_at);
}

/* Room in the idle cell of a part; until it is written, the cell counts for nothing. */
static int cell_room(struct coordinator *c, struct object *o, uint32_t k, uint64_t size)
{
	struct part *p = &o->body->parts[k];
	int idle = !o->current[k];
	uint64_t old = atomic_load_explicit(&p->cell[idle], memory_order_relaxed), at;
	if (old && heap_capacity(&c->heap, old) >= size)
		return 0;
	int r = block_new(c, BLOCK_CELL, size, &at);
	if (r < 0)
		return r;
	cell_begin(&p->tags, idle, 0);
	atomic_store_explicit(&p->cell[idle], at, memory_order_relaxed);
	if (old)
		heap_free(&c->heap, old);
	return 0;
}

static const stoa_blob *packed_part(const struct object *o, uint32_t k)
{
	return &o->packed[k - o->cls->plan->n_attr_parts];
}

static const void *part_source(const struct object *o, uint32_t k)
{
	return k < o->cls->plan->n_attr_parts ? o->mirror : (const void *)packed_part(o, k);
}

static int hook_pack(struct coordinator *c, struct object *o, uint32_t k)
{
	uint32_t part = k - o->cls->plan->n_attr_parts;
	run_hook(c);
	int r = o->cls->code->hooks->pack(o->mirror, part, &o->packed[part]);
	run_hook_end(c);
	return r;
}

static int part_room(struct coordinator *c, struct object *o, uint32_t k)
{
	const struct class_plan *plan = o->cls->plan;
	size_t size = image_size(plan->parts[k].image, part_source(o, k));
	if (size > UINT32_MAX)
		return error_set(-EMSGSIZE, "a part of object %s would have %zu bytes", o->name, size);
	return cell_room(c, o, k, plan->parts[k].image_at + size);
}

/* Pack a hook's part, or just measure, and make room for it. */
int object_prepare(struct coordinator *c, struct object *o, uint32_t k)
{
	int r = k < o->cls->plan->n_attr_parts ? 0 : hook_pack(c, o, k);
	return r < 0 ? r : part_room(c, o, k);
}

void object_prefetch(const struct coordinator *c, const struct object *o, uint32_t part)
{
	uint32_t k = o->cls->plan->n_attr_parts + part;
	if (k >= o->cls->plan->n_parts)
		return;
	uint64_t at = atomic_load_explicit(&o->body->parts[k].cell[!o->current[k]], memory_order_relaxed);
	if (at)
		heap_prefetch(&c->heap, at);
}

void object_write(struct coordinator *c, struct object *o, uint64_t tag)
{
	for (uint32_t i = 0; i < o->n_dirty; i++) {
		uint32_t k = o->dirty_parts[i];
		const struct part_plan *plan = &o->cls->plan->parts[k];
		struct part *p = &o->body->parts[k];
		int idle = !o->current[k];
		cell_begin(&p->tags, idle, tag);
		struct cell *cell = cell_at(c->space, p, idle);
		memcpy(cell_stamps(cell), o->stamps + plan->first_stamp, plan->n_attrs * sizeof(struct stamp));
		size_t size = image_pack(plan->image, part_source(o, k), (char *)cell + plan->image_at);
		atomic_store_explicit(&cell->size, size, memory_order_relaxed);
	}
}

void object_written(struct object *o)
{
	for (uint32_t i = 0; i < o->n_dirty; i++) {
		uint32_t k = o->dirty_parts[i];
		o->current[k] = !o->current[k];
		o->dirty[k] = 0;
		if (k >= o->cls->plan->n_attr_parts)
			stoa_blob_fini(&o->packed[k - o->cls->plan->n_attr_parts]);
	}
	o->n_dirty = 0;
}

/* ---- mirror from cells ---- */

void object_settle(struct object *o)
{
	const struct stoa_struct *state = o->cls->code->state;
	for (uint32_t i = 0; i < state->n_attrs; i++) {
		const struct stoa_attr *a = &state->attrs[i];
		for (uint32_t at = 0; image_is_variable(a->kind) && at < a->size; at += sizeof(stoa_text))
			value_keep(((stoa_text *)((char *)o->mirror + a->offset + at))->data);
	}
	memcpy(o->shadow, o->mirror, state->size);
}

/* A part of the hooks begins without a cell if there is nothing in it. */
static bool is_unwritten(const struct object *o, uint32_t k, const struct part *p)
{
	return k >= o->cls->plan->n_attr_parts && atomic_load_explicit(&p->tags.of[0], memory_order_relaxed) == 0 &&
	       atomic_load_explicit(&p->tags.of[1], memory_order_relaxed) == 0;
}

/* The committed cell of part k, checked to hold an image of this layout; NULL: it was never written. */
static int part_image(const struct coordinator *c, const struct object *o, uint32_t k, const struct part_plan *plan,
		      const char **ret_image)
{
	const struct part *p = &o->body->parts[k];
	uint64_t tag;
	int cur = cell_current(&p->tags, c->head, &tag);
	uint64_t at = cur < 0 ? 0 : atomic_load_explicit(&p->cell[cur], memory_order_relaxed);
	*ret_image = NULL;
	if (cur < 0 && is_unwritten(o, k, p))
		return 0;
	if (at == 0)
		return error_set(-EPROTO, "object %s has no committed state in part %u", o->name, k);
	const struct cell *cell = space_state(c->space, at);
	uint64_t size = atomic_load_explicit(&cell->size, memory_order_relaxed);
	if (heap_capacity(&c->heap, at) < plan->image_at || size > heap_capacity(&c->heap, at) - plan->image_at ||
	    image_check(plan->image, (const char *)cell + plan->image_at, size) < 0)
		return error_set(-EPROTO, "the state of object %s is damaged in part %u", o->name, k);
	*ret_image = (const char *)cell + plan->image_at;
	return 0;
}

static int unpack_hook_part(struct coordinator *c, struct object *o, uint32_t k, const struct part_plan *plan,
			    const char *image)
{
	stoa_blob bytes = { 0 };
	if (image)
		image_borrow(plan->image, image, &bytes);
	run_hook(c);
	int r = o->cls->code->hooks->unpack(o->mirror, k - o->cls->plan->n_attr_parts, bytes.data, bytes.size);
	run_hook_end(c);
	return r == 0 || r == -ENOMEM ? r
				      : error_set(-EFAULT, "the unpack hook of class %s returned %d on part %u",
						  o->cls->code->name, r, k - o->cls->plan->n_attr_parts);
}

static int part_unpack(struct coordinator *c, struct object *o, uint32_t k, const char *image)
{
	const struct part_plan *plan = &o->cls->plan->parts[k];
	return k < o->cls->plan->n_attr_parts ? image_unpack(plan->image, image, o->mirror)
					      : unpack_hook_part(c, o, k, plan, image);
}

static int part_load(struct coordinator *c, struct object *o, uint32_t k)
{
	const char *image;
	int r = part_image(c, o, k, &o->cls->plan->parts[k], &image);
	return r < 0 ? r : part_unpack(c, o, k, image);
}

int object_mirror_take(struct coordinator *c, struct object *o, const char *images)
{
	int r = 0;
	for (uint32_t k = 0; r == 0 && k < o->cls->plan->n_parts; k++) {
		r = part_unpack(c, o, k, images);
		images += image_length(images);
	}
	return r;
}

int object_mirror_load(struct coordinator *c, struct object *o)
{
	int r = 0;
	for (uint32_t k = 0; r == 0 && k < o->cls->plan->n_parts; k++)
		r = part_load(c, o, k);
	if (r < 0)
		return r;
	object_settle(o);
	return 0;
}

/* What this turn was to write of it is void: it had nothing before the command that is undone. */
static void object_unwrite(struct object *o)
{
	for (uint32_t i = 0; i < o->n_dirty; i++)
		o->dirty[o->dirty_parts[i]] = 0;
	o->n_dirty = 0;
}

int object_restore(struct coordinator *c, struct object *o, const uint32_t *parts, uint32_t n)
{
	uint32_t n_attr_parts = o->cls->plan->n_attr_parts, n_parts = o->cls->plan->n_parts;
	int r = 0;
	object_unwrite(o);
	for (uint32_t i = 0; r == 0 && i < n; i++)
		if (parts[i] < n_parts - n_attr_parts) {
			stoa_blob_fini(&o->packed[parts[i]]);
			r = part_load(c, o, n_attr_parts + parts[i]);
		}
	return r;
}

int object_rebuild(struct coordinator *c, struct object *o)
{
	object_unwrite(o);
	for (uint32_t k = o->cls->plan->n_attr_parts; k < o->cls->plan->n_parts; k++)
		stoa_blob_fini(&o->packed[k - o->cls->plan->n_attr_parts]);
	call_fini_hook(c, o);
	for (uint32_t k = 0; k < o->cls->plan->n_attr_parts; k++)
		image_fini(o->cls->plan->parts[k].image, o->mirror);
	memset(o->mirror, 0, o->cls->code->state->size);
	return object_mirror_load(c, o);
}

/* ---- body ---- */

bool body_flags_right(const struct coordinator *c, const struct body *b)
{
	uint32_t end = atomic_load_explicit(&c->space->state->flags_end, memory_order_relaxed);
	return b->flags_at && b->flags_at <= end && b->n_flags <= end - b->flags_at;
}

/* Flags of an object of this class: one for "all writable", one for each attribute; whole lines. */
static uint32_t flags_of(const struct server_class *cls)
{
	return (cls->plan->n_attrs + 1 + FLAGS_LINE - 1) / FLAGS_LINE * FLAGS_LINE;
}

struct need {
	const struct coordinator *c;
	uint32_t flags;
};

static bool body_has_flags(const void *data, const struct body *b)
{
	const struct need *need = data;
	return body_flags_right(need->c, b) && b->n_flags >= need->flags;
}

static int flags_give(struct coordinator *c, struct body *b, uint32_t n)
{
	if (body_has_flags(&(struct need){ c, n }, b))
		return 0;
	uint32_t at = atomic_load_explicit(&c->space->state->flags_end, memory_order_relaxed);
	at = at ? at : FLAGS_LINE;
	if (at > c->space->geometry.flags || n > c->space->geometry.flags - at)
		return error_set(-ENOSPC, "all %u flags are in use; start with a larger max_attrs",
				 c->space->geometry.flags);
	int r = segment_reserve(c->ns->ingress_fd, c->space->geometry.flags_at + at * sizeof(uint64_t),
				n * sizeof(uint64_t));
	if (r < 0)
		return r;
	b->flags_at = at;
	b->n_flags = n;
	atomic_store_explicit(&c->space->state->flags_end, at + n, memory_order_relaxed);
	return 0;
}

/* A block for a body, with flags; if none are left, one that was a body and has enough. */
static int body_block(struct coordinator *c, const struct server_class *cls, uint64_t size, uint64_t *ret_at)
{
	const struct need need = { c, flags_of(cls) };
	uint64_t at;
	int r = block_new(c, BLOCK_BODY, size, &at);
	if (r < 0)
		return r;
	r = flags_give(c, space_state(c->space, at), need.flags);
	if (r < 0) {
		heap_free(&c->heap, at);
		objects_tidy(c, UINT32_MAX);
		r = heap_choose(&c->heap, size, body_has_flags, &need, &at) ? 0 : r;
	}
	if (r == 0)
		*ret_at = at;
	return r;
}

int body_new(struct coordinator *c, struct object *o, uint64_t origin)
{
	uint32_t n = o->cls->plan->n_parts;
	uint64_t at = 0;
	int r = body_block(c, o->cls, sizeof(struct body) + n * sizeof(struct part), &at);
	if (r < 0)
		return r;
	struct body *b = space_state(c->space, at);
	o->incarnation = atomic_fetch_add_explicit(&c->space->state->next_incarnation, 1, memory_order_relaxed) + 1;
	o->body = b;
	o->body_at = at;
	o->roomy = false;
	o->class_id = o->cls->id;
	b->origin = origin ? origin : o->incarnation;
	b->object = o->index;
	b->class_id = o->class_id;
	b->n_parts = n;
	memset(b->parts, 0, n * sizeof(struct part));
	memset(o->current, 1, n);
	atomic_store_explicit(&b->died, 0, memory_order_relaxed);
	atomic_store_explicit(&b->incarnation, o->incarnation, memory_order_release);
	return 0;
}

/* Blank the tags before the cells can be given to others: whoever still copies from them sees it. */
void body_free(struct coordinator *c, struct body *b, uint64_t at)
{
	atomic_store_explicit(&b->incarnation, 0, memory_order_relaxed);
	for (uint32_t k = 0; k < b->n_parts; k++)
		for (int i = 0; i < 2; i++) {
			cell_begin(&b->parts[k].tags, i, 0);
			uint64_t cell = atomic_load_explicit(&b->parts[k].cell[i], memory_order_relaxed);
			if (cell)
				heap_free(&c->heap, cell);
		}
	heap_free(&c->heap, at);
}

int object_prepare_all(struct coordinator *c, struct object *o, const struct stamp *stamp)
{
	for (uint32_t i = 0; stamp && i < o->cls->plan->n_attrs; i++)
		object_changed(o, i, stamp);
	for (uint32_t k = 0; k < o->cls->plan->n_parts; k++) {
		bool hooked = k >= o->cls->plan->n_attr_parts;
		int r = hooked ? hook_pack(c, o, k) : 0;
		if (r == 0 && hooked && packed_part(o, k)->size == 0)
			continue;
		r = r < 0 ? r : part_room(c, o, k);
		if (r < 0)
			return r;
		object_part_changed(o, k);
	}
	return 0;
}
