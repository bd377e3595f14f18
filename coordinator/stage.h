/*
 * stage.h: the state of a new object that is too much for one command. It comes in pieces, each a RECORD_STAGE, and the
 * create that takes it follows them in the same lane. It is in this process only: when another takes over, the next
 * piece or the create is refused (-ESTALE), and who sent them begins anew.
 */
#ifndef STOA_STAGE_H
#define STOA_STAGE_H

#include "coordinator/coordinator.h"

struct staged {
	size_t size, room;
	char bytes[];
};

/* Append this piece, struct stage_args and bytes; the first one begins anew, and is all if it has none. -ESTALE; -EBADMSG; -ENOSPC: more than the state could ever hold. */
int stage_add(struct coordinator *c, struct server_lane *lane, const void *piece, size_t size);

/* What is staged in this lane is done with, or nobody will ask for it. */
void stage_drop(struct coordinator *c, struct server_lane *lane);

#endif
