/*
 * objects.c: see objects.h.
 */
#include "coordinator/objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "coordinator/classes.h"
#include "coordinator/run.h"
#include "src/cell.h"
#include "src/class.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/ring.h"
#include "src/segment.h"
#include "src/value.h"

#define TIDY_STEP 16u /* objects, and blocks, for each block that is taken */
#define FLAGS_LINE 8u /* flags of two objects never share a cache line */

/* ---- private memory ---- */

static void mirror_free(struct object *o)
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
	o->packed = NULL;
}

static void object_free(struct object *o)
{
	if (!o)
		return;
	mirror_free(o);
	free(o);
}

static void object_fini(struct object *o)
{
	const struct stoa_hooks *hooks = o->cls ? o->cls->code->hooks : NULL;
	if (hooks && hooks->fini && o->mirror)
		hooks->fini(o->mirror);
	object_free(o);
}

/* Without memory for its mirror. */
static struct object *object_new(struct server_class *cls, uint32_t index, const char *name)
{
	struct object *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->index = index;
	o->cls = cls;
	snprintf(o->name, sizeof(o->name), "%s", name);
	return o;
}

static int mirror_alloc(struct object *o)
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
	mirror_free(o);
	return -ENOMEM;
}

static int object_alloc(struct server_class *cls, uint32_t index, const char *name, struct object **ret)
{
	struct object *o = object_new(cls, index, name);
	int r = o ? mirror_alloc(o) : -ENOMEM;
	if (r == 0)
		*ret = o;
	else
		object_free(o);
	return r;
}

static int object_list(struct coordinator *c, struct object *o)
{
	if (o->index >= c->room_objects) {
		uint32_t room = o->index + 1 > 2 * c->room_objects ? o->index + 1 : 2 * c->room_objects;
		struct object **more = realloc(c->objects, room * sizeof(*more));
		uint32_t *entries = realloc(c->free_entries, room * sizeof(*entries));
		c->objects = more ? more : c->objects;
		c->free_entries = entries ? entries : c->free_entries;
		if (!more || !entries)
			return -ENOMEM;
		memset(more + c->room_objects, 0, (room - c->room_objects) * sizeof(*more));
		c->room_objects = room;
	}
	c->objects[o->index] = o;
	HASH_ADD_STR(c->by_name, name, o);
	c->n_objects++;
	return 0;
}

static void object_unlist(struct coordinator *c, struct object *o)
{
	HASH_DEL(c->by_name, o);
	c->objects[o->index] = NULL;
	if (o->index < c->tidied || o->index >= c->untidy_end) /* else know_more finds it */
		c->free_entries[c->n_free_entries++] = o->index;
	c->n_objects--;
}

/* ---- cells ---- */

static int object_know(struct coordinator *c, uint32_t index);

/* List so many more of the objects that were there at the start, and of the entries without one. */
static void know_more(struct coordinator *c, uint32_t n)
{
	for (; n > 0 && c->tidied < c->untidy_end; n--) {
		uint32_t i = c->tidied++;
		if (c->objects[i])
			continue;
		if (!atomic_load_explicit(&space_object(c->space, i)->born, memory_order_relaxed))
			c->free_entries[c->n_free_entries++] = i;
		else if (object_know(c, i) < 0)
			heap_leave(&c->heap); /* who knows what it refers to */
	}
}

/* Do some of what objects_load put off. */
static void tidy(struct coordinator *c, uint32_t n)
{
	know_more(c, n);
	if (c->tidied == c->untidy_end)
		heap_sweep(&c->heap, n);
}

/* What is free is worked out bit by bit, with each block that is taken; and all of it when there is no other room. */
static int block_new(struct coordinator *c, enum block_use use, uint64_t size, uint64_t *ret_at)
{
	tidy(c, TIDY_STEP);
	int r = heap_new(&c->heap, use, size, ret_at);
	if (r != -ENOSPC || heap_is_swept(&c->heap))
		return r;
	tidy(c, UINT32_MAX);
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

/* Pack a hook's part, or just measure, and make room for it. */
int object_prepare(struct coordinator *c, struct object *o, uint32_t k)
{
	const struct class_plan *plan = o->cls->plan;
	if (k >= plan->n_attr_parts) {
		int r = o->cls->code->hooks->pack(o->mirror, k - plan->n_attr_parts,
						  &o->packed[k - plan->n_attr_parts]);
		run_check_process(c);
		if (r < 0)
			return r;
	}
	size_t size = image_size(plan->parts[k].image, part_source(o, k));
	if (size > UINT32_MAX)
		return error_set(-EMSGSIZE, "a part of object %s would have %zu bytes", o->name, size);
	return cell_room(c, o, k, plan->parts[k].image_at + size);
}

void object_part_changed(struct object *o, uint32_t k)
{
	if (!o->dirty[k]) {
		o->dirty[k] = 1;
		o->dirty_parts[o->n_dirty++] = k;
	}
}

void object_changed(struct object *o, uint32_t attr, const struct stamp *stamp)
{
	const struct class_plan *plan = o->cls->plan;
	uint32_t k = plan->part_of[attr];
	struct stamp *own = &o->stamps[plan->parts[k].first_stamp + plan->place_of[attr]];
	uint64_t changes = own->changes + 1;
	*own = *stamp;
	own->changes = changes;
	object_part_changed(o, k);
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

static void values_keep(const struct object *o)
{
	const struct stoa_struct *state = o->cls->code->state;
	for (uint32_t i = 0; i < state->n_attrs; i++) {
		const struct stoa_attr *a = &state->attrs[i];
		for (uint32_t at = 0; image_is_variable(a->kind) && at < a->size; at += sizeof(stoa_text))
			value_keep(((stoa_text *)((char *)o->mirror + a->offset + at))->data);
	}
}

/* The committed cell of part k, checked to hold an image of this layout. */
static int part_image(const struct coordinator *c, const struct object *o, uint32_t k, const struct part_plan *plan,
		      const char **ret_image)
{
	const struct part *p = &o->body->parts[k];
	uint64_t tag;
	int cur = cell_current(&p->tags, c->head, &tag);
	uint64_t at = cur < 0 ? 0 : atomic_load_explicit(&p->cell[cur], memory_order_relaxed);
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

static int unpack_hook_part(const struct coordinator *c, struct object *o, uint32_t k, const struct part_plan *plan, const char *image)
{
	stoa_blob bytes = { 0 };
	image_borrow(plan->image, image, &bytes);
	int r = o->cls->code->hooks->unpack(o->mirror, k - o->cls->plan->n_attr_parts, bytes.data, bytes.size);
	run_check_process(c);
	return r;
}

static int mirror_load(struct coordinator *c, struct object *o)
{
	const struct class_plan *plan = o->cls->plan;
	int r = 0;
	for (uint32_t k = 0; r == 0 && k < plan->n_parts; k++) {
		const char *image = NULL;
		r = part_image(c, o, k, &plan->parts[k], &image);
		if (r == 0)
			r = k < plan->n_attr_parts ? image_unpack(plan->parts[k].image, image, o->mirror)
						   : unpack_hook_part(c, o, k, &plan->parts[k], image);
	}
	if (r < 0)
		return r;
	values_keep(o);
	memcpy(o->shadow, o->mirror, o->cls->code->state->size);
	return 0;
}

/* What this turn was to write of it is void: it had nothing before the command that is undone. */
static void object_unwrite(struct object *o)
{
	for (uint32_t i = 0; i < o->n_dirty; i++)
		o->dirty[o->dirty_parts[i]] = 0;
	o->n_dirty = 0;
	for (uint32_t k = o->cls->plan->n_attr_parts; k < o->cls->plan->n_parts; k++)
		stoa_blob_fini(&o->packed[k - o->cls->plan->n_attr_parts]);
}

int object_rebuild(struct coordinator *c, struct object *o)
{
	const struct stoa_hooks *hooks = o->cls->code->hooks;
	object_unwrite(o);
	if (hooks->fini)
		hooks->fini(o->mirror);
	for (uint32_t k = 0; k < o->cls->plan->n_attr_parts; k++)
		image_fini(o->cls->plan->parts[k].image, o->mirror);
	memset(o->mirror, 0, o->cls->code->state->size);
	return mirror_load(c, o);
}

/* ---- body ---- */

/* Flags that were given out: what a damaged body says leads anywhere. */
static bool flags_right(const struct coordinator *c, const struct body *b)
{
	uint32_t end = atomic_load_explicit(&c->space->state->flags_end, memory_order_relaxed);
	return b->flags_at && b->flags_at <= end && b->n_flags <= end - b->flags_at;
}

static int flags_give(struct coordinator *c, struct body *b, uint32_t n_attrs)
{
	uint32_t n = (n_attrs + 1 + FLAGS_LINE - 1) / FLAGS_LINE * FLAGS_LINE;
	if (flags_right(c, b) && b->n_flags >= n)
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

/* A body for an object of this class, with no cells yet. */
static int body_new(struct coordinator *c, struct object *o, uint64_t origin)
{
	uint32_t n = o->cls->plan->n_parts;
	uint64_t at;
	int r = block_new(c, BLOCK_BODY, sizeof(struct body) + n * sizeof(struct part), &at);
	if (r < 0)
		return r;
	struct body *b = space_state(c->space, at);
	r = flags_give(c, b, o->cls->plan->n_attrs);
	if (r < 0) {
		heap_free(&c->heap, at);
		return r;
	}
	o->incarnation = atomic_fetch_add_explicit(&c->space->state->next_incarnation, 1, memory_order_relaxed) + 1;
	o->body = b;
	o->body_at = at;
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
static void body_free(struct coordinator *c, struct body *b, uint64_t at)
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

/* All parts, made ready to be written by this turn. */
static int object_prepare_all(struct coordinator *c, struct object *o, const struct stamp *stamp)
{
	for (uint32_t i = 0; stamp && i < o->cls->plan->n_attrs; i++)
		object_changed(o, i, stamp);
	for (uint32_t k = 0; k < o->cls->plan->n_parts; k++) {
		int r = object_prepare(c, o, k);
		if (r < 0)
			return r;
		object_part_changed(o, k);
	}
	return 0;
}

/* This turn is about to change the object of an entry: a successor will see to it (turn_recover). */
static void turn_note(struct coordinator *c, uint32_t index)
{
	struct turn *turn = &c->space->state->turn;
	if (c->n_touched < TURN_NOTED)
		atomic_store_explicit(&turn->objects[c->n_touched], index, memory_order_relaxed);
	atomic_store_explicit(&turn->n, c->n_touched + 1, memory_order_release);
	atomic_thread_fence(memory_order_release);
}

/* ---- create and remove ---- */

static int entry_take(struct coordinator *c, uint32_t *ret_index)
{
	uint32_t n = atomic_load_explicit(&c->space->state->n_objects, memory_order_relaxed);
	if (c->n_free_entries) {
		*ret_index = c->free_entries[--c->n_free_entries];
		return 0;
	}
	if (n == c->space->geometry.objects)
		return error_set(-ENOSPC, "there are %u objects; start with a larger max_objects", n);
	int r = segment_reserve(c->ns->state_fd, (char *)space_object(c->space, n) - (char *)c->space->state,
				sizeof(struct object_entry));
	r = r ? r
	      : segment_reserve(c->ns->ingress_fd, (char *)space_park(c->space, n) - (char *)c->space->ingress,
				sizeof(uint32_t));
	if (r == 0) {
		atomic_store_explicit(&c->space->state->n_objects, n + 1, memory_order_release);
		*ret_index = n;
	}
	return r;
}

static int first_state(const struct coordinator *c, struct object *o, const void *image)
{
	const struct stoa_hooks *hooks = o->cls->code->hooks;
	if (!hooks || !hooks->init)
		return image ? image_unpack(o->cls->init, image, o->mirror) : 0;
	void *args = calloc(1, (hooks->init_args ? hooks->init_args->size : 0) + 1);
	if (!args)
		return -ENOMEM;
	if (image)
		image_borrow(o->cls->init, image, args);
	int r = hooks->init(o->mirror, args);
	run_check_process(c);
	free(args);
	return r;
}

int objects_create(struct coordinator *c, const char *name, struct server_class *cls, const void *image,
		   const struct stamp *stamp, struct object **ret)
{
	struct object *o;
	uint32_t index = 0;
	int r = entry_take(c, &index);
	if (r < 0)
		return r;
	r = object_alloc(cls, index, name, &o);
	if (r < 0)
		return r;
	r = object_list(c, o);
	if (r < 0) {
		object_free(o);
		return r;
	}
	r = first_state(c, o, image);
	if (r == 0) {
		values_keep(o);
		memcpy(o->shadow, o->mirror, cls->code->state->size);
		r = body_new(c, o, 0);
	}
	r = r ? r : object_prepare_all(c, o, stamp);
	if (r < 0) {
		if (o->body)
			body_free(c, o->body, o->body_at);
		object_unlist(c, o);
		object_fini(o);
		return r;
	}
	turn_note(c, index);
	struct object_entry *e = space_object(c->space, index);
	snprintf(e->name, sizeof(e->name), "%s", name);
	atomic_store_explicit(&e->body, o->body_at, memory_order_relaxed);
	atomic_store_explicit(&e->crashes, 0, memory_order_relaxed);
	e->class_id = o->class_id;
	atomic_store_explicit(&e->born, stamp->version, memory_order_release);
	*ret = o;
	return 0;
}

void objects_remove(struct object *o, uint64_t tag)
{
	atomic_store_explicit(&o->body->died, tag, memory_order_relaxed);
	o->removed = true;
}

void objects_bury(struct coordinator *c, struct object *o)
{
	atomic_store_explicit(&space_object(c->space, o->index)->born, 0, memory_order_release);
	body_free(c, o->body, o->body_at);
	object_unlist(c, o);
	run_note(c, PULSE_LOADING, o->index, UINT32_MAX, c->ns->options.deadline);
	object_fini(o);
	run_check_process(c);
	run_noted_end(c);
}

/* ---- load ---- */

static int cells_claim(struct coordinator *c, struct object *o)
{
	struct body *b = o->body;
	int r = 0;
	if (sizeof(*b) + (uint64_t)b->n_parts * sizeof(struct part) > heap_capacity(&c->heap, o->body_at))
		r = error_set(-EPROTO, "object %s has %u parts, more than its block holds", o->name, b->n_parts);
	if (r == 0 && !flags_right(c, b))
		r = error_set(-EPROTO, "object %s has flags that are not there", o->name);
	for (uint32_t k = 0; r == 0 && k < b->n_parts; k++)
		cell_recover(&b->parts[k].tags, c->head);
	for (uint32_t k = 0; r == 0 && k < b->n_parts; k++)
		for (int i = 0; r == 0 && i < 2; i++) {
			uint64_t cell = atomic_load(&b->parts[k].cell[i]);
			r = cell ? heap_claim(&c->heap, BLOCK_CELL, cell) : 0;
		}
	return r;
}

static void stamps_load(const struct coordinator *c, struct object *o)
{
	for (uint32_t k = 0; k < o->cls->plan->n_parts; k++) {
		const struct part *p = &o->body->parts[k];
		uint64_t tag;
		int cur = cell_current(&p->tags, c->head, &tag);
		o->current[k] = (uint8_t)cur;
		memcpy(o->stamps + o->cls->plan->parts[k].first_stamp, cell_stamps(cell_at(c->space, p, cur)),
		       o->cls->plan->parts[k].n_attrs * sizeof(struct stamp));
	}
}

/* One attribute of the old form, if the new one still has it: its value and stamp move over. */
static void attr_move(struct object *to, const struct object *from, const struct class_plan *old_plan,
		      const struct stoa_class *old, const int32_t *map, uint32_t i)
{
	if (map[i] < 0)
		return;
	const struct stoa_attr *a = &old->state->attrs[i], *b = &to->cls->code->state->attrs[map[i]];
	memcpy((char *)to->mirror + b->offset, (char *)from->mirror + a->offset, a->size);
	memset((char *)from->mirror + a->offset, 0, a->size);
	const struct class_plan *plan = to->cls->plan;
	to->stamps[plan->parts[plan->part_of[map[i]]].first_stamp + plan->place_of[map[i]]] =
		from->stamps[old_plan->parts[old_plan->part_of[i]].first_stamp + old_plan->place_of[i]];
}

/*
 * The class has changed since the object was written: build it in its new form beside the old, by attribute name, then
 * switch the entry to the new body with one store. Nothing that is committed is touched before that.
 */
static int object_migrate(struct coordinator *c, struct object *o)
{
	struct server_description *d = &c->descriptions[o->class_id];
	struct server_class old_class = { .code = d->described, .id = o->class_id };
	struct object *old = NULL;
	struct body *old_body = o->body;
	uint64_t old_at = o->body_at;
	int r = part_plan_new(d->described, &old_class.plan);
	if (r == 0 && old_class.plan->n_parts != old_body->n_parts)
		r = error_set(-EPROTO, "object %s has %u parts, its class says %u", o->name, old_body->n_parts,
			      old_class.plan->n_parts);
	if (r == 0 && (old_class.plan->n_parts != old_class.plan->n_attr_parts || object_has_hooks(o)))
		r = error_set(-EPROTO,
			      "class %s has hooks and has changed; the state of object %s cannot be brought over",
			      d->described->name, o->name);
	r = r ? r : object_alloc(&old_class, o->index, o->name, &old);
	if (r == 0) {
		old->body = old_body;
		r = mirror_load(c, old);
	}
	if (r == 0) {
		stamps_load(c, old);
		for (uint32_t i = 0; i < d->described->state->n_attrs; i++)
			attr_move(o, old, old_class.plan, d->described, d->attrs, i);
		values_keep(o);
		memcpy(o->shadow, o->mirror, o->cls->code->state->size);
		r = body_new(c, o, old_body->origin);
	}
	r = r ? r : object_prepare_all(c, o, NULL);
	if (r == 0) {
		/* What is queued may change any of it: readers of the new body wait for all of that. */
		for (uint32_t i = 0; i < o->body->n_flags; i++)
			atomic_store(space_flags(c->space, o->body->flags_at + i), ring_end(c->space));
		object_write(c, o, c->head ? c->head : 1);
		object_written(o);
		space_object(c->space, o->index)->class_id = o->class_id;
		atomic_store_explicit(&space_object(c->space, o->index)->body, o->body_at, memory_order_release);
		atomic_fetch_add_explicit(&c->space->state->directory, 1, memory_order_release);
		body_free(c, old_body, old_at);
		namespace_log(c->ns, LOG_NOTICE, "object %s: class %s has changed; state taken over by attribute name",
			      o->name, d->described->name);
	}
	object_free(old);
	part_plan_free(old_class.plan);
	return r;
}

/* List the object of an entry, with its blocks claimed and what was not committed of it blanked. */
static int object_know(struct coordinator *c, uint32_t index)
{
	const struct object_entry *e = space_object(c->space, index);
	uint64_t at = atomic_load(&e->body);
	char name[LAYOUT_NAME];
	memcpy(name, e->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	int r = heap_claim(&c->heap, BLOCK_BODY, at);
	if (r < 0)
		return r;
	struct body *b = space_state(c->space, at);
	if (b->class_id >= c->n_descriptions)
		return error_set(-EPROTO, "object %s is of class number %u, which is not there", name, b->class_id);
	bool quarantined = atomic_load(&e->crashes) >= CRASHES_MAX;
	struct server_class *cls = quarantined ? NULL : c->descriptions[b->class_id].current;
	struct object *o = object_new(cls, index, name);
	if (!o)
		return -ENOMEM;
	o->quarantined = quarantined;
	if (quarantined)
		namespace_log(c->ns, LOG_ERR,
			      "object %s is quarantined: the unpack hook of its class crashed on its state", name);
	o->body = b;
	o->body_at = at;
	o->class_id = b->class_id;
	o->incarnation = atomic_load(&b->incarnation);
	if (atomic_load(&b->died) > c->head)
		atomic_store(&b->died, 0); /* its removal was not committed */
	r = cells_claim(c, o);
	if (r == 0 && cls && cls->id == o->class_id && b->n_parts != cls->plan->n_parts)
		r = error_set(-EPROTO, "object %s has %u parts, its class says %u", name, b->n_parts,
			      cls->plan->n_parts);
	r = r ? r : object_list(c, o);
	if (r < 0)
		object_free(o);
	return r;
}

int object_wake(struct coordinator *c, struct object *o)
{
	_Atomic uint32_t *crashes = &space_object(c->space, o->index)->crashes;
	if (o->mirror || !o->cls)
		return 0;
	int r = mirror_alloc(o);
	if (r < 0)
		return r;
	run_note(c, PULSE_LOADING, o->index, UINT32_MAX, c->ns->options.deadline);
	r = mirror_load(c, o);
	run_noted_end(c);
	if (atomic_load_explicit(crashes, memory_order_relaxed))
		atomic_store(crashes, 0);
	if (r == 0)
		stamps_load(c, o);
	else
		mirror_free(o);
	return r;
}

static bool needs_migration(const struct object *o)
{
	return o && o->cls && o->cls->id != o->class_id;
}

static int object_load(struct coordinator *c, uint32_t index)
{
	int r = c->objects[index] ? 0 : object_know(c, index);
	if (r < 0)
		return r;
	struct object *o = c->objects[index];
	space_object(c->space, index)->class_id = o->class_id;
	return needs_migration(o) ? mirror_alloc(o) : object_wake(c, o);
}

/* Hooks may fail on what they find: that is to show at the start, not in the middle of somebody's command. */
static bool has_hooks(const struct coordinator *c, uint32_t class_id)
{
	const struct server_class *cls = class_id < c->n_descriptions ? c->descriptions[class_id].current : NULL;
	return cls && cls->code->hooks;
}

static bool any_has_hooks(const struct coordinator *c)
{
	bool any = false;
	for (uint32_t id = 0; id < c->n_descriptions && !any; id++)
		any = has_hooks(c, id);
	return any;
}

static bool is_born(const struct coordinator *c, uint32_t i)
{
	struct object_entry *e = space_object(c->space, i);
	if (atomic_load(&e->born) > c->head)
		atomic_store(&e->born, 0); /* its creation was not committed */
	return atomic_load(&e->born) != 0;
}

/* What the turn that was not finished had to do with; and what the one before it removed, if that was not done. */
static int turn_recover(struct coordinator *c)
{
	const struct turn *turn = &c->space->state->turn;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < atomic_load(&turn->n); i++) {
		uint32_t index = atomic_load(&turn->objects[i]);
		if (index >= c->untidy_end || !is_born(c, index))
			continue;
		r = c->objects[index] ? 0 : object_know(c, index);
		if (r == 0 && atomic_load(&c->objects[index]->body->died))
			objects_bury(c, c->objects[index]);
	}
	uint32_t n = any_has_hooks(c) ? c->untidy_end : 0;
	for (uint32_t i = 0; r == 0 && i < n; i++)
		if (has_hooks(c, space_object(c->space, i)->class_id) && is_born(c, i))
			r = object_load(c, i);
	return r;
}

/* At a start: all objects are looked at, and what nobody refers to is free. */
static int all_recover(struct coordinator *c)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < c->untidy_end; i++) {
		if (i % 1024 == 0) /* a sign of life, where there are many */
			atomic_store_explicit(&c->space->state->pulse.beat_ns, clock_now(), memory_order_relaxed);
		if (atomic_load(&c->space->state->life.restarts) == 0)
			atomic_store(&space_object(c->space, i)->crashes, 0); /* the code may be another now */
		if (is_born(c, i))
			r = object_load(c, i);
	}
	if (r < 0)
		return r;
	tidy(c, UINT32_MAX);
	for (uint32_t i = 0; r == 0 && i < c->untidy_end; i++) {
		struct object *o = c->objects[i];
		if (o && atomic_load(&o->body->died))
			objects_bury(c, o);
		else if (needs_migration(o))
			r = object_migrate(c, o);
	}
	return r;
}

int objects_load(struct coordinator *c)
{
	uint32_t n = atomic_load(&c->space->state->n_objects);
	c->untidy_end = n;
	c->room_objects = n + 64;
	c->objects = calloc(c->room_objects, sizeof(*c->objects));
	c->free_entries = calloc(c->room_objects, sizeof(*c->free_entries));
	if (!c->objects || !c->free_entries)
		return -ENOMEM;
	return c->successor ? turn_recover(c) : all_recover(c);
}

/* Without the hooks: nobody would end them if they hang now, and what they have goes with the process. */
void objects_fini(struct coordinator *c)
{
	struct object *o, *next;
	HASH_ITER(hh, c->by_name, o, next)
	{
		HASH_DEL(c->by_name, o);
		object_free(o);
	}
	free(c->objects);
	free(c->free_entries);
}

struct object *objects_find(struct coordinator *c, const char *name)
{
	struct object *o;
	know_more(c, UINT32_MAX);
	HASH_FIND_STR(c->by_name, name, o);
	return o;
}

struct object *objects_get(struct coordinator *c, uint32_t index, uint64_t origin)
{
	struct object *o = index < c->room_objects ? c->objects[index] : NULL;
	if (!o && index < c->untidy_end && index >= c->tidied && atomic_load(&space_object(c->space, index)->born) &&
	    object_know(c, index) == 0)
		o = c->objects[index];
	return o && !o->removed && o->body->origin == origin ? o : NULL;
}

int objects_touch_room(struct coordinator *c)
{
	if (c->n_touched < c->room_touched)
		return 0;
	uint32_t room = c->room_touched ? 2 * c->room_touched : 64;
	struct object **more = realloc(c->touched, room * sizeof(*more));
	if (!more)
		return error_set(-ENOMEM, "no memory for the objects of a turn");
	c->touched = more;
	c->room_touched = room;
	return 0;
}

int object_touch(struct coordinator *c, struct object *o)
{
	if (o->queued)
		return 0;
	if (objects_touch_room(c) < 0)
		return -ENOMEM;
	o->queued = true;
	turn_note(c, o->index);
	c->touched[c->n_touched++] = o;
	return 0;
}
