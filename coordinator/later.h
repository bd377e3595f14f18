/*
 * later.h: the coordinator's side of src/later.h: which answers the command in hand defers, and which it gives.
 *
 * A command that does either ends its turn. So what was deferred is committed before anybody can answer it, and the
 * answers that a turn gives are all of its last command: they are written with its commit, or taken back with it.
 */
#ifndef STOA_COORDINATOR_LATER_H
#define STOA_COORDINATOR_LATER_H

#include "coordinator/coordinator.h"

static inline bool later_any(const struct coordinator *c)
{
	return c->deferred || c->n_given;
}

/* The command has failed: it has deferred and answered nothing. */
void later_undo(struct coordinator *c);

/* Has the method in hand failed because it was told that its caller had timed out since it was taken? */
bool later_gave_up(const struct coordinator *c);

/* With the commit: write what was given; behind it, wake who waits for it, and forget. */
void later_write(struct coordinator *c);
void later_written(struct coordinator *c);

/* At the start: take back what was given and not committed. */
void later_recover(struct coordinator *c);

#endif
