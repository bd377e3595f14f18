/*
 * lanes.h: the coordinator's view of the lanes: mapped on first use, with the committed sequence number of each.
 */
#ifndef STOA_LANES_H
#define STOA_LANES_H

#include "coordinator/coordinator.h"

int lanes_load(struct coordinator *c);
void lanes_fini(struct coordinator *c);

/* Was it ever given out? The rows of others take no memory, and may not be looked at. */
bool lane_is_known(const struct coordinator *c, uint32_t lane);

/* The lane, mapped, or NULL: nobody has it, or its file is no lane. */
struct server_lane *lanes_open(struct coordinator *c, uint32_t lane);
static inline struct server_lane *lanes_get(struct coordinator *c, uint32_t lane)
{
	return lane < space_lanes(c->space) && c->lanes[lane].base ? &c->lanes[lane] : lanes_open(c, lane);
}

/*
 * At the start: lanes that are not in the roster are of an epoch before, the last one or an earlier one. Those that the
 * ring has commands of are kept as they are until these are done, which is at c->old_until.
 */
void lanes_mark_old(struct coordinator *c);

/* They are done with. */
void lanes_forget_old(struct coordinator *c);

/* The lane's owner is gone, or lives in another epoch, and its commands are done: leave it its last row, unmap it,
 * delete its file. */
void lanes_forget(struct coordinator *c, uint32_t lane);

/* The end: no lane has a command left. Who still has one mapped can read its answers. */
void lanes_forget_all(struct coordinator *c);

/* Who asks for one. */
struct lane_owner {
	uint32_t client; /* in the roster */
	const struct roster_client *is;
	int32_t tid;
	const char *name;
};

/* Make the file of a lane that is given out: its descriptor, and the sequence number that its owner goes on from. */
int lanes_give(struct coordinator *c, uint32_t lane, const struct lane_owner *owner, uint64_t *ret_seq);

/* This lane has a command in this turn. */
void lane_touch(struct coordinator *c, struct server_lane *lane);

/* End of the turn: write the cells of the lanes touched, tagged; after the commit make them current. */
void lanes_write(struct coordinator *c, uint64_t tag);
void lanes_written(struct coordinator *c);

#endif
