/*
 * former.c: see former.h.
 */
#include "coordinator/former.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "coordinator/lanes.h"
#include "coordinator/leave.h"
#include "src/error.h"

static bool is_client(const struct coordinator *c, uint64_t number)
{
	bool found = false;
	for (uint32_t i = 0; i < c->ns->roster.n_clients && !found; i++)
		found = c->ns->roster.clients[i].used && c->ns->roster.clients[i].number == number;
	return found;
}

/* What could not be told for want of descriptors or memory. 0: it could. */
static int untold(const struct coordinator *c, pid_t pid)
{
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM)
		return 0;
	return error_set(-errno,
			 "no descriptor is left for process %d, a client of the coordinator before, and %u others of these; "
			 "raise the limit of open files (ulimit -n)",
			 (int)pid, c->n_formers);
}

/* A pidfd of the process that had this lane, if it lives; -1: it does not. -EMFILE and the like: who knows. */
static int open_owner(const struct coordinator *c, const struct lane_row *row)
{
	errno = 0;
	int fd = row->started ? (int)syscall(SYS_pidfd_open, row->owner, 0) : -1;
	if (fd >= 0 && process_started(c->proc_fd, row->owner) == row->started)
		return fd;
	int r = untold(c, row->owner);
	process_close(&fd);
	return r ? r : -1;
}

/* Those whose processes live. */
static int find_living(struct coordinator *c)
{
	for (uint32_t i = 0; i < space_lanes(c->space); i++) {
		const struct lane_row *row = space_lane(c->space, i);
		if (!lane_is_known(c, i) || row->number == 0 || is_client(c, row->number) ||
		    former_is_there(c, row->number))
			continue;
		int fd = open_owner(c, row);
		if (fd < -1)
			return fd;
		if (fd >= 0)
			c->formers[c->n_formers++] = (struct former){ row->number, row->owner, fd };
	}
	return 0;
}

/* Of these, who detached while nobody served. */
static void forget_left(struct coordinator *c)
{
	for (uint32_t i = 0; i < space_lanes(c->space); i++) {
		const struct server_lane *lane = former_had_lane(c, i) ? lanes_get(c, i) : NULL;
		const struct lane_head *head = lane ? lane->base : NULL;
		if (!head || !atomic_load(&head->left)) /* pairs with stoa_detach */
			continue;
		uint64_t number = space_lane(c->space, i)->number;
		former_returned(c, number);
		former_forget(c, number);
	}
}

int former_load(struct coordinator *c)
{
	c->formers = calloc(space_lanes(c->space), sizeof(*c->formers));
	int r = c->formers ? find_living(c) : -ENOMEM;
	if (r == 0)
		forget_left(c);
	return r;
}

void former_fini(struct coordinator *c)
{
	for (uint32_t i = 0; i < c->n_formers; i++)
		if (c->formers[i].number)
			close(c->formers[i].pid_fd);
	free(c->formers);
}

bool former_is_there(const struct coordinator *c, uint64_t number)
{
	bool found = false;
	for (uint32_t i = 0; i < c->n_formers && !found; i++)
		found = c->formers[i].number == number;
	return found;
}

bool former_had_lane(const struct coordinator *c, uint32_t lane)
{
	const struct lane_row *row = space_lane(c->space, lane);
	return c->n_formers && lane_is_known(c, lane) && row->number && row->started &&
	       former_is_there(c, row->number);
}

uint64_t former_number(const struct coordinator *c, pid_t pid)
{
	for (uint32_t i = 0; i < c->n_formers; i++) {
		struct pollfd p = { .fd = c->formers[i].pid_fd, .events = POLLIN };
		if (c->formers[i].number && c->formers[i].pid == pid)
			return poll(&p, 1, 0) == 0 ? c->formers[i].number : 0; /* or the pid is another's by now */
	}
	return 0;
}

static void drop(struct former *f)
{
	close(f->pid_fd);
	*f = (struct former){ .pid_fd = -1 };
}

void former_returned(struct coordinator *c, uint64_t number)
{
	for (uint32_t i = 0; i < c->n_formers; i++)
		if (c->formers[i].number == number)
			drop(&c->formers[i]);
}

void former_died(struct coordinator *c, uint32_t place)
{
	uint64_t number = place < c->n_formers ? c->formers[place].number : 0;
	if (number == 0)
		return;
	drop(&c->formers[place]);
	leave_note(c);
	former_forget(c, number);
}

void former_forget(struct coordinator *c, uint64_t number)
{
	for (uint32_t i = 0; i < space_lanes(c->space); i++)
		if (lane_is_known(c, i) && space_lane(c->space, i)->number == number)
			space_lane(c->space, i)->started = 0;
}
