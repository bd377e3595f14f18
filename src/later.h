/*
 * later.h: answers given later: how a client that ceases to wait, and a command that answers, agree on who was first.
 *
 * A method that defers its answer (stoa_defer) is committed with a reply that says so, and its caller waits on. A struct
 * later follows that reply, in the caller's lane. The command that answers (stoa_answer) claims it, writes the answer
 * behind it and, with its commit, its own ticket to `by`: the caller takes it once `committed` has reached that.
 *
 *   client that ceases:  cancel, fence, state: OPEN → CLOSED; if it is CLAIMED, it waits for the outcome
 *   coordinator:         state: OPEN → CLAIMED, fence, cancel; if that is set: CLOSED, and it has not answered
 *   client that waits:   committed (acquire), by
 *
 * So an answer that was accepted is one that the caller takes, or has only to ask for. A state names its ticket: the
 * memory may be another record's by now, and then nothing in it is changed. The client closes it before it uses the
 * memory again, and never while it is claimed. What a dead coordinator had claimed and not committed is open again, and
 * `by` blank, before the next one serves (struct answering): the command that gave it may be rejected at its second try.
 */
#ifndef STOA_LATER_H
#define STOA_LATER_H

#include <stdbool.h>

#include "src/layout.h"

enum later_phase { LATER_OPEN, LATER_CLAIMED, LATER_CLOSED };

static inline uint64_t later_state(uint64_t ticket, enum later_phase phase)
{
	return (ticket + 1) << 2 | phase;
}

/* From one phase to another. False: it was in none such, or is of another ticket. */
static inline bool later_turn(struct later *later, uint64_t ticket, enum later_phase from, enum later_phase to)
{
	uint64_t seen = later_state(ticket, from);
	return atomic_compare_exchange_strong(&later->state, &seen, later_state(ticket, to));
}

#endif
