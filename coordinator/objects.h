/*
 * objects.h: the objects there are, by entry and by name: made, found, removed. Changes of the directory (create,
 * remove) are turns of their own.
 */
#ifndef STOA_OBJECTS_H
#define STOA_OBJECTS_H

#include "coordinator/coordinator.h"

int objects_list(struct coordinator *c, struct object *o); /* -ENOMEM */
void objects_fini(struct coordinator *c);

struct object *objects_find(struct coordinator *c, const char *name);
/* The live object of an entry; NULL: none. */
struct object *objects_at(struct coordinator *c, uint32_t index);
/* The live object that a command means. NULL: it was removed. */
struct object *objects_get(struct coordinator *c, uint32_t index, uint64_t origin);

/* Make an object from an image, or images, that were checked; it counts when this turn commits. */
int objects_create(struct coordinator *c, const char *name, struct server_class *cls, enum create_from from,
		   const void *image, const struct stamp *stamp, struct object **ret_object);
/* Mark it dead as of this turn's end; objects_bury frees what it had, after the commit. */
void objects_remove(struct coordinator *c, struct object *o, uint64_t tag);
void objects_bury(struct coordinator *c, struct object *o);

/* This object has a command in this turn: whoever sleeps on it is woken at its end. */
int object_queue(struct coordinator *c, struct object *o);
static inline int object_touch(struct coordinator *c, struct object *o)
{
	return o->queued ? 0 : object_queue(c, o);
}
int objects_touch_room(struct coordinator *c); /* the next object_touch will not fail. -ENOMEM */

#endif
