/*
 * objects.c: see objects.h.
 */
#include "coordinator/objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/load.h"
#include "coordinator/object.h"
#include "coordinator/run.h"
#include "coordinator/tally.h"
#include "src/error.h"
#include "src/segment.h"

/* ---- list ---- */

int objects_list(struct coordinator *c, struct object *o)
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
	return 0;
}

static void object_unlist(struct coordinator *c, struct object *o)
{
	HASH_DEL(c->by_name, o);
	c->objects[o->index] = NULL;
	if (o->index < c->tidied || o->index >= c->untidy_end) /* else objects_know finds it */
		c->free_entries[c->n_free_entries++] = o->index;
}

struct object *objects_find(struct coordinator *c, const char *name)
{
	struct object *o;
	objects_know(c, UINT32_MAX);
	HASH_FIND_STR(c->by_name, name, o);
	return o;
}

struct object *objects_at(struct coordinator *c, uint32_t index)
{
	struct object *o = index < c->room_objects ? c->objects[index] : NULL;
	if (!o && index < c->untidy_end && index >= c->tidied && atomic_load(&space_object(c->space, index)->born) &&
	    object_know(c, index) == 0)
		o = c->objects[index];
	return o && !o->removed ? o : NULL;
}

struct object *objects_get(struct coordinator *c, uint32_t index, uint64_t origin)
{
	struct object *o = objects_at(c, index);
	return o && o->body->origin == origin ? o : NULL;
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

/* ---- turn ---- */

/* This turn is about to change the object of an entry: a successor will see to it (turn_recover). */
static void turn_note(struct coordinator *c, uint32_t index)
{
	struct turn *turn = &c->space->state->turn;
	if (c->n_touched < TURN_NOTED)
		atomic_store_explicit(&turn->objects[c->n_touched], index, memory_order_relaxed);
	atomic_store_explicit(&turn->n, c->n_touched + 1, memory_order_release);
	atomic_thread_fence(memory_order_release);
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

int object_queue(struct coordinator *c, struct object *o)
{
	if (objects_touch_room(c) < 0)
		return -ENOMEM;
	o->queued = true;
	turn_note(c, o->index);
	c->touched[c->n_touched++] = o;
	return 0;
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
	if (r == 0 && n % (LAYOUT_PAGE / sizeof(struct tallied)) == 0)
		r = segment_reserve(c->ns->state_fd,
				    (char *)space_object_tally(c->space, n) - (char *)c->space->state, LAYOUT_PAGE);
	if (r == 0) {
		atomic_store_explicit(&c->space->state->n_objects, n + 1, memory_order_release);
		*ret_index = n;
	}
	return r;
}

static int first_state(struct coordinator *c, struct object *o, enum create_from from, const void *image)
{
	const struct stoa_hooks *hooks = o->cls->code->hooks;
	if (from == CREATE_FROM_PARTS) {
		int r = object_mirror_take(c, o, image);
		return r ? r : run_validate(c, o, false);
	}
	if (!hooks || !hooks->init) {
		int r = image ? image_unpack(o->cls->init, image, o->mirror) : 0;
		return r ? r : run_validate(c, o, true);
	}
	void *args = calloc(1, (hooks->init_args ? hooks->init_args->size : 0) + 1);
	if (!args)
		return -ENOMEM;
	if (image)
		image_borrow(o->cls->init, image, args);
	run_hook(c);
	int r = hooks->init(o->mirror, args);
	run_hook_end(c);
	free(args);
	const struct stoa_struct *state = o->cls->code->state;
	const struct stoa_attr *bad = r < 0 ? NULL : run_find_unfit(state, NULL, state->n_attrs, o->mirror);
	return bad ? outcome_set(c, -EINVAL, "the init hook of class %s left %s %s", o->cls->code->name, bad->name,
				 run_why_unfit(bad))
		   : r;
}

int objects_create(struct coordinator *c, const char *name, struct server_class *cls,
		   enum create_from from, const void *image, const struct stamp *stamp, struct object **ret)
{
	struct object *o;
	uint32_t index = 0;
	int r = entry_take(c, &index);
	if (r < 0)
		return r;
	r = object_alloc(cls, index, name, &o);
	if (r < 0)
		return r;
	r = objects_list(c, o);
	if (r < 0) {
		object_free(o);
		return r;
	}
	r = first_state(c, o, from, image);
	if (r == 0) {
		object_settle(o);
		r = body_new(c, o, 0);
	}
	r = r ? r : object_prepare_all(c, o, stamp);
	if (r < 0) {
		if (o->body)
			body_free(c, o->body, o->body_at);
		object_unlist(c, o);
		object_fini(c, o);
		return r;
	}
	turn_note(c, index);
	note_hooks(c, cls);
	tally_clear(&c->tallies[index]);
	struct object_entry *e = space_object(c->space, index);
	snprintf(e->name, sizeof(e->name), "%s", name);
	atomic_store_explicit(&e->body, o->body_at, memory_order_relaxed);
	atomic_store_explicit(&e->crashes, 0, memory_order_relaxed);
	e->class_id = o->class_id;
	c->any_minds = c->any_minds || cls->on_leave;
	atomic_store_explicit(&e->born, stamp->version, memory_order_release);
	*ret = o;
	return 0;
}

void objects_remove(struct coordinator *c, struct object *o, uint64_t tag)
{
	atomic_store_explicit(&o->body->died, tag, memory_order_relaxed);
	life_changed(&c->space->state->life);
	o->removed = true;
}

void objects_bury(struct coordinator *c, struct object *o)
{
	atomic_store_explicit(&space_object(c->space, o->index)->born, 0, memory_order_release);
	body_free(c, o->body, o->body_at);
	object_unlist(c, o);
	run_note(c, PULSE_LOADING, o->index, UINT32_MAX, 0);
	object_fini(c, o);
	run_noted_end(c);
}
