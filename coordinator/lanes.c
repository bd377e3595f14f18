/*
 * lanes.c: see lanes.h.
 */
#include "coordinator/lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "coordinator/commit.h"
#include "coordinator/stage.h"
#include "src/cell.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/ring.h"
#include "src/segment.h"

static void lane_file(uint32_t lane, char name[32])
{
	snprintf(name, 32, "lane.%u", lane);
}

static uint64_t row_at(const struct coordinator *c, uint32_t lane)
{
	return (uint64_t)((char *)space_lane(c->space, lane) - (char *)c->space->state);
}

static _Atomic uint32_t *lanes_end(const struct coordinator *c, uint32_t lane, uint32_t *ret_place)
{
	uint32_t half = lane >= c->space->geometry.lanes;
	*ret_place = lane - half * c->space->geometry.lanes;
	return &c->space->state->lanes_end[half];
}

bool lane_is_known(const struct coordinator *c, uint32_t lane)
{
	uint32_t place;
	return atomic_load_explicit(lanes_end(c, lane, &place), memory_order_relaxed) > place;
}

static int lane_make_known(struct coordinator *c, uint32_t lane)
{
	uint32_t place;
	_Atomic uint32_t *end = lanes_end(c, lane, &place);
	if (atomic_load(end) > place)
		return 0;
	int r = segment_reserve(c->ns->state_fd, row_at(c, lane), sizeof(struct lane_row));
	if (r < 0)
		return r;
	*space_lane(c->space, lane) = (struct lane_row){ 0 }; /* what stood there, if anything, is damage */
	atomic_store(end, place + 1);
	return 0;
}

static void lane_load(struct coordinator *c, uint32_t i)
{
	struct lane_row *row = space_lane(c->space, i);
	int k = cell_recover(&row->tags, c->head);
	c->lanes[i].owner = (struct stoa_client){
		.pid = atomic_load(&row->pid), .uid = row->uid, .client = i, .number = row->number
	};
	if (k < 0)
		return;
	c->lanes[i].current = (uint8_t)k;
	c->lanes[i].seq = row->cells[k].seq;
	c->lanes[i].rejected = row->cells[k].rejected;
	c->lanes[i].folded = row->cells[k].folded;
}

int lanes_load(struct coordinator *c)
{
	uint32_t n = space_lanes(c->space);
	c->lanes = calloc(n, sizeof(*c->lanes));
	c->lanes_touched = malloc(n * sizeof(*c->lanes_touched));
	if (!c->lanes || !c->lanes_touched)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (lane_is_known(c, i))
			lane_load(c, i);
	return 0;
}

void lanes_fini(struct coordinator *c)
{
	for (uint32_t i = 0; c->lanes && i < space_lanes(c->space); i++) {
		stage_drop(c, &c->lanes[i]);
		if (c->lanes[i].base) {
			segment_unguard(c->lanes[i].base);
			segment_unmap(c->lanes[i].base, LANE_LIMIT);
		}
	}
	free(c->lanes);
	free(c->lanes_touched);
}

static int lane_map(struct coordinator *c, uint32_t i)
{
	struct server_lane *lane = &c->lanes[i];
	struct segment_head head;
	char name[32];
	lane_file(i, name);
	int fd = openat(c->ns->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	int r = segment_check(fd, name, SEGMENT_LANE, &head);
	if (r == 0 && (head.namespace_id != c->ns->id || head.limit != LANE_LIMIT))
		r = -EPROTO;
	void *base = r == 0 ? segment_map(fd, LANE_LIMIT, true) : NULL;
	if (r == 0 && !base)
		r = -errno;
	close(fd);
	if (r < 0)
		return r;
	lane->damaged = 0;
	r = segment_guard(base, LANE_LIMIT, segment_set_flag, (void *)&lane->damaged);
	if (r < 0) {
		segment_unmap(base, LANE_LIMIT);
		return r;
	}
	lane->base = base;
	return 0;
}

struct server_lane *lanes_open(struct coordinator *c, uint32_t lane)
{
	if (lane >= space_lanes(c->space))
		return NULL;
	int r = lane_map(c, lane);
	if (r < 0)
		coordinator_check_process(c, r);
	return r < 0 ? NULL : &c->lanes[lane];
}

static bool is_old(const struct coordinator *c, uint32_t lane)
{
	const struct roster *r = &c->ns->roster;
	return atomic_load(&space_lane(c->space, lane)->pid) && !(lane < r->n_lanes && r->lanes[lane].used);
}

void lanes_mark_old(struct coordinator *c)
{
	uint64_t word, end = c->head + c->space->geometry.queue;
	c->old_until = c->head;
	for (uint64_t t = c->head; t < end; t++) { /* all of it: there may be holes, from a forged tail */
		if (!ring_take(c->space, t, &word))
			continue;
		uint32_t lane = ring_word_lane(word);
		if (lane < space_lanes(c->space) && lane_is_known(c, lane) && is_old(c, lane))
			c->lanes[lane].old = true;
		c->old_until = t + 1;
	}
}

void lanes_forget_old(struct coordinator *c)
{
	for (uint32_t i = 0; i < space_lanes(c->space); i++) {
		if (!lane_is_known(c, i))
			continue;
		if (is_old(c, i))
			lanes_forget(c, i);
		c->lanes[i].old = false;
	}
	c->old_until = UINT64_MAX;
}

/* Its owner may come to look after the number is another's. */
static void leave_row(struct coordinator *c, uint32_t i)
{
	const struct server_lane *lane = lanes_get(c, i);
	if (!lane)
		return;
	struct lane_head *head = lane->base;
	head->last = (struct lane_cell){ .seq = lane->seq, .rejected = lane->rejected, .folded = lane->folded };
	atomic_store_explicit(&head->done, 1, memory_order_release); /* pairs with proxy/await.c */
	commit_wake_lane(c, i); /* who waits for an answer there waits in vain */
}

void lanes_forget(struct coordinator *c, uint32_t lane)
{
	char name[32];
	if (atomic_load(&space_lane(c->space, lane)->pid))
		leave_row(c, lane);
	if (c->lanes[lane].base) {
		segment_unguard(c->lanes[lane].base);
		segment_unmap(c->lanes[lane].base, LANE_LIMIT);
		c->lanes[lane].base = NULL;
	}
	stage_drop(c, &c->lanes[lane]);
	lane_file(lane, name);
	unlinkat(c->ns->dir_fd, name, 0);
	atomic_store(&space_lane(c->space, lane)->pid, 0);
}

void lanes_forget_all(struct coordinator *c)
{
	for (uint32_t i = 0; i < space_lanes(c->space); i++)
		if (lane_is_known(c, i) && atomic_load(&space_lane(c->space, i)->pid))
			lanes_forget(c, i);
}

static void row_own(struct coordinator *c, uint32_t lane, const struct lane_owner *owner)
{
	const struct roster_client *to = owner->is;
	struct lane_row *row = space_lane(c->space, lane);
	c->lanes[lane].owner =
		(struct stoa_client){ .pid = to->pid, .uid = to->uid, .client = lane, .number = to->number };
	row->uid = to->uid;
	row->number = to->number;
	row->started = to->started;
	row->owner = to->pid;
	row->attached = owner->client < ATTACHED ? owner->client + 1 : 0;
	row->since_ns = clock_real();
	row->seq_first = c->lanes[lane].seq;
	row->rejected_first = c->lanes[lane].rejected;
	row->tid = owner->tid;
	roster_name(row->name, owner->name);
	atomic_store(&row->pid, to->pid); /* pairs with proxy/clients.c */
}

int lanes_give(struct coordinator *c, uint32_t lane, const struct lane_owner *owner, uint64_t *ret_seq)
{
	char name[32];
	lane_file(lane, name);
	int r = lane_make_known(c, lane);
	if (r < 0)
		return r;
	lanes_forget(c, lane);
	int fd = segment_create(c->ns->dir_fd, name, SEGMENT_LANE, LANE_LIMIT, c->ns->id);
	if (fd < 0)
		return fd;
	row_own(c, lane, owner);
	*ret_seq = c->lanes[lane].seq;
	return fd;
}

void lane_touch(struct coordinator *c, struct server_lane *lane)
{
	if (!lane->queued) {
		lane->queued = true;
		c->lanes_touched[c->n_lanes_touched++] = (uint32_t)(lane - c->lanes);
	}
}

void lanes_write(struct coordinator *c, uint64_t tag)
{
	for (uint32_t i = 0; i < c->n_lanes_touched; i++) {
		const struct server_lane *lane = &c->lanes[c->lanes_touched[i]];
		struct lane_row *row = space_lane(c->space, c->lanes_touched[i]);
		struct lane_cell *cell = &row->cells[!lane->current];
		cell_begin(&row->tags, !lane->current, tag);
		cell->seq = lane->seq;
		cell->rejected = lane->rejected;
		if (lane->folded.chain) /* mostly not: no need to copy nothing */
			cell->folded = lane->folded;
	}
}

void lanes_written(struct coordinator *c)
{
	for (uint32_t i = 0; i < c->n_lanes_touched; i++) {
		struct server_lane *lane = &c->lanes[c->lanes_touched[i]];
		lane->current = !lane->current;
		lane->queued = false;
	}
	c->n_lanes_touched = 0;
}
