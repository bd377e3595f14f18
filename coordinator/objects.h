/*
 * objects.h: objects as the coordinator holds them: entry and body in the state, mirror and shadow here.
 *
 * Invariant between commands: mirror and shadow are equal in every attribute. Between turns both equal the committed
 * cells. Changes of the directory (create, remove) are turns of their own.
 */
#ifndef STOA_OBJECTS_H
#define STOA_OBJECTS_H

#include "coordinator/coordinator.h"

/*
 * At start: blank what was not committed, take over every live object, bring it to its class's present form. A successor
 * of one that served does no more than it must, in a time that does not depend on how much state there is: blank what the
 * last turn had to do with, and load what has hooks. An object is listed, and its mirror made, when a command means it.
 */
int objects_load(struct coordinator *c);

void objects_fini(struct coordinator *c);

struct object *objects_find(struct coordinator *c, const char *name);
/* The live object that a command means. NULL: it was removed. */
struct object *objects_get(struct coordinator *c, uint32_t index, uint64_t origin);
/* Make its mirror, if it has none yet: before anything is done with it. -EPROTO: the state is damaged. */
int object_wake(struct coordinator *c, struct object *o);

/* Make an object whose first state is image (of cls->init), checked; it counts when this turn commits. */
int objects_create(struct coordinator *c, const char *name, struct server_class *cls, const void *image,
		   const struct stamp *stamp, struct object **ret);
/* Mark it dead as of this turn's end; objects_bury frees what it had, after the commit. */
void objects_remove(struct object *o, uint64_t tag);
void objects_bury(struct coordinator *c, struct object *o);

/* Attribute attr, or this part, was changed by the command in hand. */
void object_changed(struct object *o, uint32_t attr, const struct stamp *stamp);
void object_part_changed(struct object *o, uint32_t part);
/* Make room for what a part has become (hooks: pack it). -ENOSPC: the command must fail. */
int object_prepare(struct coordinator *c, struct object *o, uint32_t part);
/* This object has a command in this turn: whoever sleeps on it is woken at its end. */
int object_touch(struct coordinator *c, struct object *o);
int objects_touch_room(struct coordinator *c); /* the next object_touch will not fail. -ENOMEM */

/* Write the changed parts into their idle cells, tagged; after the commit make them the current ones. */
void object_write(struct coordinator *c, struct object *o, uint64_t tag);
void object_written(struct object *o);

/* Make the mirror anew from the committed cells: how a class with hooks is undone. */
int object_rebuild(struct coordinator *c, struct object *o);

static inline bool object_has_hooks(const struct object *o)
{
	return o->cls->code->hooks && o->cls->code->hooks->pack;
}

#endif
