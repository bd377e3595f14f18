/*
 * fold.h: the coordinator's side of src/fold.h: how much of a chain of casts is still to be applied, and which commands
 * must be committed together.
 */
#ifndef STOA_COORDINATOR_FOLD_H
#define STOA_COORDINATOR_FOLD_H

#include "coordinator/coordinator.h"

/*
 * Copy the sums of a RECORD_FOLD out of its lane: they are the lane's newest from then on. ret_missing: what they have
 * over those that were applied of the chain before. `taken` has passed the ticket.
 */
void fold_take(const struct fold_args *shared, struct server_lane *lane, struct fold_sums *ret_missing);

/* Make arguments of sums. False: one does not fit its type. */
bool fold_unpack(const struct stoa_struct *args, const struct fold_sums *sums, void *to);

/* May a turn end behind words[n - 1], if words[n] is the next of them? ticket: of words[n]. */
bool fold_may_end(struct coordinator *c, const uint64_t *words, uint32_t n, uint64_t ticket);

#endif
