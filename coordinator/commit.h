/*
 * commit.h: a turn: a batch off the ring, run, written, committed with one store, and whoever sleeps on it woken. Where
 * commands fold, a turn ends only where src/fold.h lets it.
 *
 * What a turn writes carries the tag `end`, above `committed`, and so counts for nothing until the store. A coordinator
 * that dies anywhere before it leaves the old state in force; the next one blanks the tags above `committed` and runs
 * the same commands again.
 */
#ifndef STOA_COMMIT_H
#define STOA_COMMIT_H

#include "coordinator/coordinator.h"

/* Read the committed totals; blank what was not. -EPROTO: they are not those of `committed`, which is not to be
 * trusted then; nothing was changed. */
int commit_load(struct coordinator *c);

/* Run and commit one batch. Returns how many commands it took; 0: there is nothing to take. */
uint32_t commit_turn(struct coordinator *c);

/* Wake everyone: after recovery, nobody knows who still sleeps on what. */
void commit_wake_all(struct coordinator *c);

/* Wake a lane's thread, by futex or by its event loop's descriptor. */
void commit_wake_lane(struct coordinator *c, uint32_t lane);

#endif
