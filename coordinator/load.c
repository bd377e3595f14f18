/*
 * load.c: see load.h.
 */
#include "coordinator/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "coordinator/classes.h"
#include "coordinator/files.h"
#include "coordinator/object.h"
#include "coordinator/objects.h"
#include "coordinator/run.h"
#include "src/cell.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/ring.h"

#define OLD_FORM "its class has changed, and it could not be brought over"
#define BLOCKS 16u /* of the heap are looked at in the time that an object takes */

/* ---- list what is there ---- */

static int cells_claim(struct coordinator *c, struct object *o)
{
	struct body *b = o->body;
	int r = 0;
	if (sizeof(*b) + (uint64_t)b->n_parts * sizeof(struct part) > heap_capacity(&c->heap, o->body_at))
		r = error_set(-EPROTO, "object %s has %u parts, more than its block holds", o->name, b->n_parts);
	if (r == 0 && !body_flags_right(c, b))
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

/* One object that cannot be loaded is no reason not to serve the others. */
static void quarantine(const struct coordinator *c, struct object *o, const char *why, const char *what)
{
	o->quarantined = why;
	o->cls = NULL;
	namespace_log(c->ns, LOG_ERR, "object %s is quarantined: %s%s%s", o->name, why, what ? ": " : "",
		      what ? what : "");
}

/* Readers go by the class that the object was written as, whether we have code for it or not. */
static int check_parts(const struct coordinator *c, const struct object *o)
{
	const struct server_description *d = &c->descriptions[o->class_id];
	struct class_plan *plan = NULL;
	bool is_current = d->current && d->current->id == o->class_id;
	int r = is_current ? 0 : part_plan_new(d->described, &plan);
	if (r < 0)
		return r;
	uint32_t n = is_current ? d->current->plan->n_parts : plan->n_parts;
	part_plan_free(plan);
	return o->body->n_parts == n ? 0
				     : error_set(-EPROTO, "object %s has %u parts, its class says %u", o->name,
						 o->body->n_parts, n);
}

static bool needs_migration(const struct object *o)
{
	return o && o->cls && o->cls->id != o->class_id;
}

void note_hooks(struct coordinator *c, const struct server_class *cls)
{
	if (cls && cls->code->hooks)
		atomic_store_explicit(&c->space->state->hooked, 1, memory_order_relaxed);
}

static int object_read(struct coordinator *c, uint32_t index)
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
	struct server_class *cls = c->descriptions[b->class_id].current;
	struct object *o = !cls || classes_make(c, cls) == 0 ? object_new(cls, index, name) : NULL;
	if (!o)
		return -ENOMEM;
	note_hooks(c, cls);
	if (atomic_load(&e->crashes) >= CRASHES_MAX)
		quarantine(c, o, "the unpack hook of its class crashed on its state", NULL);
	o->body = b;
	o->body_at = at;
	o->class_id = b->class_id;
	o->incarnation = atomic_load(&b->incarnation);
	if (atomic_load(&b->died) > c->head)
		atomic_store(&b->died, 0); /* its removal was not committed */
	if (c->successor && needs_migration(o)) /* at the start */
		quarantine(c, o, OLD_FORM, NULL);
	r = cells_claim(c, o);
	r = r ? r : check_parts(c, o);
	r = r ? r : objects_list(c, o);
	if (r < 0)
		object_free(o);
	return r;
}

/*
 * It leads nowhere, or to what is others': nobody can read or remove it. A copy of the state keeps what there is of it,
 * and its name is free. Proxies that have its body see it dead. Who knows what it refers to: nothing is swept.
 */
static int object_drop(struct coordinator *c, uint32_t index)
{
	struct object_entry *e = space_object(c->space, index);
	uint64_t at = atomic_load(&e->body);
	struct stoa_error why;
	stoa_last_error(&why);
	int r = files_copy_aside(c->ns);
	if (r < 0)
		return r;
	if (heap_holds(&c->heap, BLOCK_BODY, at) && ((struct body *)space_state(c->space, at))->object == index)
		atomic_store(&((struct body *)space_state(c->space, at))->incarnation, 0);
	life_changed(&c->space->state->life);
	atomic_store(&e->born, 0);
	atomic_fetch_add(&c->space->state->directory, 1);
	heap_leave(&c->heap);
	namespace_log(c->ns, LOG_ERR, "object %.*s is damaged and gone: %s; the state as it was is in %s/%s",
		      STOA_NAME_MAX, e->name, why.text, c->ns->above, c->ns->copy.name);
	return 0;
}

int object_know(struct coordinator *c, uint32_t index)
{
	int r = object_read(c, index);
	return r == -EPROTO ? object_drop(c, index) : r;
}

void objects_know(struct coordinator *c, uint32_t n)
{
	for (; n > 0 && c->tidied < c->untidy_end; n--) {
		uint32_t i = c->tidied++;
		const _Atomic uint64_t *born = &space_object(c->space, i)->born;
		if (c->objects[i])
			continue;
		if (atomic_load_explicit(born, memory_order_relaxed) && object_know(c, i) < 0)
			heap_leave(&c->heap); /* who knows what it refers to */
		if (!atomic_load_explicit(born, memory_order_relaxed))
			c->free_entries[c->n_free_entries++] = i;
	}
}

void objects_tidy(struct coordinator *c, uint32_t n)
{
	objects_know(c, n);
	if (c->tidied == c->untidy_end)
		heap_sweep(&c->heap, n < UINT32_MAX / BLOCKS ? n * BLOCKS : UINT32_MAX);
}

/* ---- mirrors ---- */

static void stamps_load(const struct coordinator *c, struct object *o)
{
	for (uint32_t k = 0; k < o->cls->plan->n_parts; k++) {
		const struct part *p = &o->body->parts[k];
		uint64_t tag;
		int cur = cell_current(&p->tags, c->head, &tag);
		o->current[k] = cur < 0 ? 1 : (uint8_t)cur; /* none: a part of the hooks, as in a new body */
		if (cur >= 0)
			memcpy(o->stamps + o->cls->plan->parts[k].first_stamp, cell_stamps(cell_at(c->space, p, cur)),
			       o->cls->plan->parts[k].n_attrs * sizeof(struct stamp));
	}
}

/* What came of loading an object: the next coordinator tries again, whose hook may do better. */
static int judge_load(const struct coordinator *c, struct object *o, int r)
{
	struct stoa_error e;
	if (r != -EPROTO && r != -EFAULT)
		return r;
	stoa_last_error(&e);
	quarantine(c, o, r == -EPROTO ? "its state is damaged" : "the unpack hook of its class failed on its state",
		   e.text);
	return 0;
}

/* A sign of life, where there is much to do. */
static void beat(const struct coordinator *c)
{
	atomic_store_explicit(&c->space->state->pulse.beat_ns, clock_now(), memory_order_relaxed);
}

int object_wake_now(struct coordinator *c, struct object *o)
{
	_Atomic uint32_t *crashes = &space_object(c->space, o->index)->crashes;
	int r = object_mirror_alloc(o);
	if (r < 0)
		return r;
	run_note(c, PULSE_LOADING, o->index, UINT32_MAX, 0);
	r = object_mirror_load(c, o);
	run_noted_end(c);
	beat(c);
	if (atomic_load_explicit(crashes, memory_order_relaxed))
		atomic_store(crashes, 0);
	if (r == 0)
		stamps_load(c, o);
	else
		object_mirror_free(o);
	return judge_load(c, o, r);
}

/* One attribute of the old form, if the new one still has it: its value and stamp move over. */
static void attr_move(struct object *to, const struct object *from, const int32_t *map, uint32_t i)
{
	if (map[i] < 0)
		return;
	const struct stoa_attr *a = &from->cls->code->state->attrs[i], *b = &to->cls->code->state->attrs[map[i]];
	memcpy((char *)to->mirror + b->offset, (char *)from->mirror + a->offset, a->size);
	memset((char *)from->mirror + a->offset, 0, a->size);
	const struct class_plan *plan = to->cls->plan, *old_plan = from->cls->plan;
	to->stamps[plan->parts[plan->part_of[map[i]]].first_stamp + plan->place_of[map[i]]] =
		from->stamps[old_plan->parts[old_plan->part_of[i]].first_stamp + old_plan->place_of[i]];
}

/* Fill mirror and stamps, by attribute name, from what is committed of the object as its class was then. */
static int attrs_move(struct coordinator *c, struct object *o, struct server_class *was, const int32_t *map)
{
	struct object *old;
	int r = object_alloc(was, o->index, o->name, &old);
	if (r < 0)
		return r;
	old->body = o->body;
	r = object_mirror_load(c, old);
	if (r == 0) {
		stamps_load(c, old);
		for (uint32_t i = 0; i < was->code->state->n_attrs; i++)
			attr_move(o, old, map, i);
		object_settle(o);
	}
	object_free(old);
	if (r == -EPROTO)
		object_mirror_free(o);
	return judge_load(c, o, r);
}

static int check_growth(const struct object *o, const struct server_class *was)
{
	if (o->cls->id == CLASS_UNPUBLISHED)
		return error_set(-ENOSPC, "there is no room for the class");
	if (was->plan->n_parts != was->plan->n_attr_parts || object_has_hooks(o))
		return error_set(-EPROTO, "class %s has hooks", was->code->name);
	return 0;
}

/* Write the new body and switch the entry to it, with one store: nothing that is committed is touched before that. */
static void body_switch(struct coordinator *c, struct object *o)
{
	/* What is queued may change any of it: readers of the new body wait for all of that. */
	for (uint32_t i = 0; i < o->body->n_flags; i++)
		atomic_store(space_flags(c->space, o->body->flags_at + i), ring_end(c->space));
	object_write(c, o, c->head ? c->head : 1);
	object_written(o);
	space_object(c->space, o->index)->class_id = o->class_id;
	atomic_store_explicit(&space_object(c->space, o->index)->body, o->body_at, memory_order_release);
	atomic_fetch_add_explicit(&c->space->state->directory, 1, memory_order_release);
}

/* The object in its new form beside the old, and then instead of it. */
static int body_renew(struct coordinator *c, struct object *o)
{
	const struct object old = *o;
	int r = body_new(c, o, old.body->origin);
	r = r ? r : object_prepare_all(c, o, NULL);
	if (r == 0) {
		body_switch(c, o);
		body_free(c, old.body, old.body_at);
		life_changed(&c->space->state->life);
		beat(c);
		namespace_log(c->ns, LOG_NOTICE, "object %s: class %s has changed; state taken over by attribute name",
			      o->name, o->cls->code->name);
		return 0;
	}
	if (o->body != old.body)
		body_free(c, o->body, o->body_at);
	o->body = old.body;
	o->body_at = old.body_at;
	o->class_id = old.class_id;
	o->incarnation = old.incarnation;
	return r;
}

/* The class has changed since the object was written. What cannot be brought over stays as it is, and is only read. */
static int object_migrate(struct coordinator *c, struct object *o)
{
	const struct server_description *d = &c->descriptions[o->class_id];
	struct server_class was = { .code = d->described, .id = o->class_id };
	struct stoa_error e;
	int r = part_plan_new(d->described, &was.plan);
	r = r ? r : check_growth(o, &was);
	r = r ? r : attrs_move(c, o, &was, d->attrs);
	r = r || o->quarantined ? r : body_renew(c, o);
	part_plan_free(was.plan);
	if (r == 0 || r == -ENOMEM)
		return r;
	stoa_last_error(&e);
	object_mirror_free(o);
	quarantine(c, o, OLD_FORM, e.text);
	return 0;
}

/* ---- start ---- */

static int object_load(struct coordinator *c, uint32_t index)
{
	int r = c->objects[index] ? 0 : object_know(c, index);
	if (r < 0)
		return r;
	struct object *o = c->objects[index];
	if (!o)
		return 0;
	space_object(c->space, index)->class_id = o->class_id;
	if (needs_migration(o))
		return object_mirror_alloc(o);
	r = object_wake(c, o);
	return r == -ENOMEM ? 0 : r; /* a command that means it tries again */
}

/* Hooks may fail on what they find: that is to show at the start, not in the middle of somebody's command. */
static bool has_hooks(const struct coordinator *c, uint32_t class_id)
{
	const struct server_class *cls = class_id < c->n_descriptions ? c->descriptions[class_id].current : NULL;
	return cls && cls->code->hooks;
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
		if (r == 0 && c->objects[index] && atomic_load(&c->objects[index]->body->died))
			objects_bury(c, c->objects[index]);
	}
	uint32_t n = atomic_load(&c->space->state->hooked) ? c->untidy_end : 0;
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
		if (i % 1024 == 0)
			beat(c);
		if (atomic_load(&c->space->state->life.restarts) == 0)
			atomic_store(&space_object(c->space, i)->crashes, 0); /* the code may be another now */
		if (is_born(c, i))
			r = object_load(c, i);
	}
	if (r < 0)
		return r;
	objects_tidy(c, UINT32_MAX); /* what is free may be needed from here on */
	r = classes_publish(c);
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
	if (!c->successor)
		return all_recover(c);
	int r = classes_publish(c);
	return r ? r : turn_recover(c);
}
