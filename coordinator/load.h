/*
 * load.h: what the state holds becomes objects of this coordinator.
 *
 * At a start every live object is looked at, and brought to its class's present form. A successor of a coordinator that
 * served does no more than it must, in a time that does not depend on how much state there is: it blanks what the last
 * turn had to do with, and loads what has hooks. An object is listed, and its mirror made, when a command means it;
 * what is left to list, and what is free, is found out bit by bit.
 */
#ifndef STOA_LOAD_H
#define STOA_LOAD_H

#include "coordinator/coordinator.h"

/* Blank what was not committed, and take over what is there. -EPROTO: the state is damaged; where that is one object,
 * the others are taken over. */
int objects_load(struct coordinator *c);

/* List the object of an entry, with its blocks claimed and what was not committed of it blanked. 0, also if it is so
 * damaged that it cannot be one: it is not listed then, and its entry is free. */
int object_know(struct coordinator *c, uint32_t index);
/* There is, or will be, an object of this class (NULL: of none): the next coordinator looks for those with hooks. */
void note_hooks(struct coordinator *c, const struct server_class *cls);

/* List so many more of the objects that were there at the start, and of the entries without one. */
void objects_know(struct coordinator *c, uint32_t n);
/* Do some of what objects_load put off: list n more, or then look at 16 n blocks. */
void objects_tidy(struct coordinator *c, uint32_t n);

/* Make its mirror, if it has none yet and can have one: before anything is done with it. A state that is damaged, or
 * that its unpack hook refuses, quarantines it. */
int object_wake_now(struct coordinator *c, struct object *o);
static inline int object_wake(struct coordinator *c, struct object *o)
{
	return o->mirror || !o->cls ? 0 : object_wake_now(c, o);
}

#endif
