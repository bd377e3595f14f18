/*
 * stage.c: see stage.h.
 */
#include "coordinator/stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/error.h"

static int room_for(struct coordinator *c, struct server_lane *lane, size_t size)
{
	const struct staged *is = lane->staged;
	size_t room = is ? is->room : 0, want = (is ? is->size : 0) + size;
	if (want <= room)
		return 0;
	want += want / 2;
	if (c->staged + (want - room) > c->space->geometry.state)
		return error_set(-ENOSPC, "the states of new objects take more than the namespace has room for");
	struct staged *more = realloc(lane->staged, sizeof(*more) + want);
	if (!more)
		return error_set(-ENOMEM, "no memory for the state of a new object");
	more->size = room ? more->size : 0;
	more->room = want;
	c->staged += want - room;
	lane->staged = more;
	return 0;
}

int stage_add(struct coordinator *c, struct server_lane *lane, const void *piece, size_t size)
{
	const struct stage_args *args = piece;
	if (size < sizeof(*args) || (size == sizeof(*args) && args->offset))
		return error_set(-EBADMSG, "the command is not well formed");
	size -= sizeof(*args);
	if (args->offset == 0)
		stage_drop(c, lane);
	if (size == 0)
		return 0;
	if (args->offset != (lane->staged ? lane->staged->size : 0))
		return error_set(-ESTALE,
				 "the pieces in front of this one are gone with the coordinator that had them");
	int r = room_for(c, lane, size);
	if (r < 0) {
		stage_drop(c, lane);
		return r;
	}
	memcpy(lane->staged->bytes + lane->staged->size, args + 1, size);
	lane->staged->size += size;
	return 0;
}

void stage_drop(struct coordinator *c, struct server_lane *lane)
{
	c->staged -= lane->staged ? lane->staged->room : 0;
	free(lane->staged);
	lane->staged = NULL;
}
