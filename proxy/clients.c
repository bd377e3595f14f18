/*
 * clients.c: who is attached, and what they wait for: from the state, the ring, and the files of the lanes, where they
 * can be opened (by their user, below his path).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/observe.h"
#include "proxy/names.h"
#include "src/cancel.h"
#include "src/cell.h"
#include "src/clock.h"
#include "src/ring.h"

#define ROUNDS 1000

/* What is queued of a lane. */
struct queued {
	uint64_t n, oldest;
	uint32_t units;
};

static void scan(const struct stoa *s, struct queued *lanes)
{
	uint64_t word, end = ring_end(&s->space);
	for (uint64_t t = handle_committed(s); t < end; t++) {
		if (!ring_take(&s->space, t, &word) || ring_word_lane(word) >= space_lanes(&s->space))
			continue;
		struct queued *q = &lanes[ring_word_lane(word)];
		if (q->n++ == 0) {
			q->oldest = t;
			q->units = ring_word_units(word);
		}
	}
}

/* What the coordinator knows of a lane, as committed. The tags of a dead one, or of damage, stay as they are. */
static struct lane_cell read_cell(const struct stoa *s, const struct lane_row *row)
{
	struct lane_cell cell = { 0 };
	bool whole = false;
	for (int round = 0; !whole && round < ROUNDS; round++) {
		uint64_t tag;
		int k = cell_current(&row->tags, handle_committed(s), &tag);
		cell = k < 0 ? (struct lane_cell){ .seq = row->seq_first } : row->cells[k];
		whole = k < 0 ? tag == 0 : cell_still(&row->tags, k, tag);
	}
	return cell;
}

static void read_oldest(struct stoa *s, int fd, const struct queued *q, struct stoa_attached *ret)
{
	struct record r;
	if (q->n == 0 || pread(fd, &r, sizeof(r), (off_t)q->units * LANE_UNIT) != sizeof(r))
		return;
	int64_t now = clock_now();
	ret->oldest_ns = r.timed && r.sent_ns > 0 && r.sent_ns < now ? now - r.sent_ns : -1;
	bool named = r.kind == RECORD_CALL || r.kind == RECORD_FOLD || r.kind == RECORD_ASSIGN;
	if (r.kind != RECORD_CREATE && r.kind != RECORD_MANY)
		names_object(s, r.object, r.origin, ret->object);
	if (named)
		names_row(s, r.class_id, r.row, r.kind == RECORD_ASSIGN, ret->row);
}

static void read_waits(const struct stoa *s, int fd, struct stoa_attached *ret)
{
	static const enum stoa_waits kinds[] = { STOA_WAITS_NOT, STOA_WAITS_ANSWER, STOA_WAITS_ROOM, STOA_WAITS_OBJECT };
	struct lane_head head;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return;
	uint32_t waits = atomic_load(&head.waits);
	int64_t now = clock_now(), since = atomic_load(&head.waits_ns);
	if (waits == WAITS_NOT || waits >= sizeof(kinds) / sizeof(kinds[0]))
		return;
	ret->waits = kinds[waits];
	ret->waits_ns = since > 0 && now > since ? now - since : 0;
	if (waits == WAITS_OBJECT)
		names_object(s, atomic_load(&head.waits_for), 0, ret->waits_for);
}

/* By the path: who may not, or is elsewhere, does without. */
static void read_lane(struct stoa *s, uint32_t lane, const struct queued *q, struct stoa_attached *ret)
{
	CANCEL_LATER;
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/lane.%u", s->dir, lane);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	read_oldest(s, fd, q, ret);
	read_waits(s, fd, ret);
	close(fd);
}

static void fill_thread(struct stoa *s, uint32_t lane, const struct queued *q, struct stoa_attached *ret)
{
	const struct lane_row *row = space_lane(&s->space, lane);
	struct lane_cell cell = read_cell(s, row);
	ret->tid = (uint32_t)row->tid;
	ret->client = lane;
	ret->since_ns = row->since_ns;
	snprintf(ret->thread, sizeof(ret->thread), "%.*s", LAYOUT_THREAD - 1, row->name);
	ret->pending = q->n;
	ret->pushed = cell.seq - row->seq_first + q->n;
	ret->rejected = cell.rejected - row->rejected_first;
	ret->oldest_ticket = q->oldest;
	read_lane(s, lane, q, ret);
}

static void begin(struct stoa_attached *ret, const struct attached *from)
{
	*ret = (struct stoa_attached){ .pid = (uint32_t)atomic_load_explicit(&from->pid, memory_order_acquire),
				       .uid = from->uid,
				       .read_only = from->read_only,
				       .evicted = atomic_load(&from->evicted),
				       .since_ns = from->since_ns,
				       .client = UINT32_MAX,
				       .oldest_ns = -1 };
	snprintf(ret->name, sizeof(ret->name), "%.*s", LAYOUT_THREAD - 1, from->name);
}

/* Of one process, or (NULL) of those that have no place in the table. */
static bool tell_threads(struct stoa *s, uint32_t place, const struct queued *queued,
			 int (*each)(void *, const struct stoa_attached *), void *data, uint32_t *ret_n)
{
	static const struct attached unknown = { .uid = UINT32_MAX };
	for (uint32_t i = 0; i < space_lanes(&s->space); i++) {
		uint32_t half = i >= s->space.geometry.lanes, in_half = i - half * s->space.geometry.lanes;
		if (in_half >= atomic_load(&s->space.state->lanes_end[half]))
			continue;
		const struct lane_row *row = space_lane(&s->space, i);
		int32_t pid = atomic_load_explicit(&row->pid, memory_order_acquire);
		if (!pid || row->attached != place)
			continue;
		struct stoa_attached a;
		begin(&a, place ? space_attached(&s->space, place - 1) : &unknown);
		if (place && a.pid != (uint32_t)pid)
			continue; /* of one who is gone, and whose commands are not done */
		a.pid = (uint32_t)pid;
		fill_thread(s, i, &queued[i], &a);
		++*ret_n;
		if (each(data, &a))
			return false;
	}
	return true;
}

static void tell_all(struct stoa *s, const struct queued *queued, int (*each)(void *, const struct stoa_attached *),
		     void *data)
{
	uint32_t end = atomic_load(&s->space.state->attached_end), n = 0;
	for (uint32_t i = 0; i < end && i < ATTACHED; i++) {
		struct stoa_attached a;
		n = 0;
		begin(&a, space_attached(&s->space, i));
		if (a.pid && (!tell_threads(s, i + 1, queued, each, data, &n) || (n == 0 && each(data, &a))))
			return;
	}
	tell_threads(s, 0, queued, each, data, &n);
}

int stoa_clients(struct stoa *s, int (*each)(void *, const struct stoa_attached *), void *data)
{
	CANCEL_LATER;
	struct queued *queued = calloc(space_lanes(&s->space), sizeof(*queued));
	if (!queued)
		return -ENOMEM;
	scan(s, queued);
	tell_all(s, queued, each, data);
	free(queued);
	return handle_whole(s);
}
