/*
 * world.h: a namespace with its coordinator inside of this process, to be damaged, and restored at once: its segments
 * are private copies of what world_begin made, with nothing mapped behind them. There is no guardian and no other
 * process; the target takes the turns, and is the client whose lane is number 0.
 */
#ifndef STOA_WORLD_H
#define STOA_WORLD_H

#include "coordinator/coordinator.h"
#include "tests/fuzz/fuzz.h"

extern struct coordinator *world; /* NULL: none now */
extern struct namespace world_ns;

/* Classes with everything: text, blobs, arrays, hooks; methods that refuse and that write what they should not. */
extern const struct stoa_class *const world_classes[];

/* The same where one has changed: each recovery brings its objects over. */
extern const struct stoa_class *const world_new_classes[];

#define WORLD_OBJECTS 5 /* that are there at the beginning, by entry */

/* Make the namespace with objects of the classes; later coordinators have the code of `then`. Removed at the end. */
void world_begin(const struct stoa_class *const *then);

/* Segments and lane as world_begin left them. No coordinator is there. */
void world_restore(void);

/* A new coordinator: 0, or as it failed; then there is none. */
int world_recover(void);
void world_forget(void);

/* Write the record and its arguments into the lane, at this unit of it, and publish it. False: the ring has no room. */
char *world_lane(void); /* as its client has it mapped */
bool world_send(uint32_t units, const struct record *r, const void *args, uint64_t *ret_ticket);

/* A call, an assignment, a removal as the library would send them; what and of what as in struct record. */
struct record world_record(uint16_t kind, const struct object *o, uint32_t row, size_t args_size, uint32_t reply_size);

/* Turns until the ring is empty. */
void world_turns(void);

/* What must hold between turns: mirrors, shadows and cells are equal, the counts add up, the files have their sizes. */
void world_check(void);

#endif
