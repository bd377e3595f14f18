/*
 * object.h: one object as the coordinator holds it: mirror and shadow here, body and cells in the state.
 *
 * Invariant between commands: mirror and shadow are equal in every attribute. Between turns both equal the committed
 * cells.
 */
#ifndef STOA_COORDINATOR_OBJECT_H
#define STOA_COORDINATOR_OBJECT_H

#include "coordinator/coordinator.h"

/* ---- private memory ---- */

struct object *object_new(struct server_class *cls, uint32_t index, const char *name); /* without a mirror */
int object_alloc(struct server_class *cls, uint32_t index, const char *name, struct object **ret_object);
int object_mirror_alloc(struct object *o); /* -ENOMEM */
void object_mirror_free(struct object *o);
void object_free(struct object *o);
void object_fini(struct coordinator *c, struct object *o); /* with the hook of its class, then free it */

/* ---- mirror ---- */

/* Fill mirror and shadow from the committed cells. -EPROTO: the state is damaged. */
int object_mirror_load(struct coordinator *c, struct object *o);
/* From the images of all parts, which have passed part_plan_check. What the hooks say of them is told. */
int object_mirror_take(struct coordinator *c, struct object *o, const char *images);
/* The mirror is as it is to be: an undo goes back to this. */
void object_settle(struct object *o);
/* Make the mirror anew from the committed cells: how a class with hooks is undone; or, by part, these n of the hooks. */
int object_rebuild(struct coordinator *c, struct object *o);
int object_restore(struct coordinator *c, struct object *o, const uint32_t *parts, uint32_t n);

/* ---- body ---- */

/* A body for it, with no cells yet; origin 0: of its own incarnation. -ENOSPC, with the thread's error. */
int body_new(struct coordinator *c, struct object *o, uint64_t origin);
void body_free(struct coordinator *c, struct body *b, uint64_t at);
/* Flags that were given out: what a damaged body says leads anywhere. */
bool body_flags_right(const struct coordinator *c, const struct body *b);

/* ---- cells ---- */

/* Attribute attr, or this part, was changed by the command in hand. */
static inline void object_part_changed(struct object *o, uint32_t part)
{
	if (!o->dirty[part]) {
		o->dirty[part] = 1;
		o->dirty_parts[o->n_dirty++] = part;
	}
}
static inline void object_changed(struct object *o, uint32_t attr, const struct stamp *stamp)
{
	struct stamp *own = &o->stamps[o->cls->plan->stamp_of[attr]];
	own->version = stamp->version;
	own->changes++;
	own->time_ns = stamp->time_ns;
	own->pid = stamp->pid;
	own->client = stamp->client;
	object_part_changed(o, o->cls->plan->part_of[attr]);
}
/* Make room for what a part has become (hooks: pack it). -ENOSPC: the command must fail. */
int object_prepare(struct coordinator *c, struct object *o, uint32_t part);
/* All parts, made ready to be written by this turn; stamp (may be NULL): of the command that changed them all. */
int object_prepare_all(struct coordinator *c, struct object *o, const struct stamp *stamp);

/* This part of the hooks will be written: have its idle cell come. */
void object_prefetch(const struct coordinator *c, const struct object *o, uint32_t part);

/* Write the changed parts into their idle cells, tagged; after the commit make them the current ones. */
void object_write(struct coordinator *c, struct object *o, uint64_t tag);
void object_written(struct object *o);

static inline bool object_has_hooks(const struct object *o)
{
	return o->cls->code->hooks && o->cls->code->hooks->pack;
}

#endif
