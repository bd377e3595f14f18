/*
 * command.h: one command, from the ring's word to its answer. Nothing in a lane is believed: the record and its
 * arguments are copied, then checked, then used. A record is taken only if no later one of its lane was, and no record
 * twice: a forged word replays nothing.
 */
#ifndef STOA_COMMAND_H
#define STOA_COMMAND_H

#include "coordinator/coordinator.h"

enum command_result {
	COMMAND_DONE,    /* applied, rejected or abandoned, and counted */
	COMMAND_ALONE,   /* not run: it must be the first of its turn */
	COMMAND_LAST,    /* done, and its turn must end here */
};

/* Have its record come from its client's cache. */
void command_prefetch(const struct coordinator *c, uint64_t word);

/* c->ticket is the command's. first: nothing has run in this turn yet. */
enum command_result command_run(struct coordinator *c, uint64_t word, bool first);

/* The command in hand, while a method of it runs: our copy of its record, with its lane and where it lies there; and
 * whether the method only reads. */
const struct record *command_record(uint32_t *ret_lane, const char **ret_base);
bool command_is_reader(void);

#endif
