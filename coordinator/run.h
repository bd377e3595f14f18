/*
 * run.h: running methods so that they can be undone.
 *
 * run_method and run_assign change the mirror and leave a step; run_settle then keeps all steps or undoes all of them.
 * A class with hooks is undone from its committed cells, all of it or what was touched, so a method of one runs only on
 * an object without changes of this turn (run_needs_commit).
 */
#ifndef STOA_RUN_H
#define STOA_RUN_H

#include "coordinator/coordinator.h"

static inline bool run_needs_commit(const struct object *o)
{
	return o->n_dirty && o->cls->code->hooks && o->cls->code->hooks->pack;
}

/*
 * Note what runs for this command (or PULSE_LOADING: for none), for the next coordinator if we die of it. The guardian
 * ends it at its deadline; 0: it has none, as code of ours, but for the hooks in it. Until run_noted_end.
 */
void run_note(struct coordinator *c, uint64_t running, uint32_t object, uint32_t row, int64_t deadline);
void run_noted_end(struct coordinator *c);

/* Around each hook: where what is noted has no deadline, the hook has one. */
void run_hook(struct coordinator *c);
void run_hook_end(struct coordinator *c);

/* What its class says of a state that comes from outside. */
int run_validate(struct coordinator *c, const struct object *o, bool is_new);

/* User code has returned: in a child that it forked, end here. There is one coordinator. */
void run_check_process(const struct coordinator *c);

/* The first of these attributes (NULL: the first n) that user code left as no image may have it; NULL: none. And why. */
const struct stoa_attr *run_find_unfit(const struct stoa_struct *of, const uint32_t *select, uint32_t n,
				       const void *values);
const char *run_why_unfit(const struct stoa_attr *a);

/* Run a method on checked, unpacked arguments. The outcome's status and text are set; undeclared writes fail it. */
int run_method(struct coordinator *c, struct object *o, const struct server_method *m, const void *args, void *ret);

/* For a method that goes by the rows of its object: those of its state. */
const struct stoa_struct *run_state(void);

/* Set attributes of the mirror from a checked image of this layout. */
int run_assign(struct coordinator *c, struct object *o, const uint32_t *attrs, uint32_t n,
	       const struct image_layout *layout, const void *image);

/* Keep (ok) or undo the steps so far. May fail where it was to keep: then it has undone them. */
int run_settle(struct coordinator *c, bool ok);

#endif
