/*
 * stage.c: see stage.h.
 */
#include "tests/torture/stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "proxy/handle.h"
#include "proxy/lane.h"
#include "proxy/later.h"
#include "proxy/send.h"
#include "src/ring.h"
#include "tests/torture/torture.h"

#define LANES 4

struct stage stage;
struct wanted want;
struct answer answer;
struct shared *shared;

/* ---- classes ---- */

STOA_STRUCT(tally, STOA_ATTR(struct tally, count), STOA_ATTR(struct tally, sum), STOA_ATTR(struct tally, last));
STOA_STRUCT(tally_args, STOA_ATTR(struct tally_args, n));
STOA_STRUCT(tally_ret, STOA_ATTR(struct tally_ret, count), STOA_ATTR(struct tally_ret, sum),
	    STOA_ATTR(struct tally_ret, last));

static int refuse(void)
{
	return stoa_fail(-EBUSY, "fickle");
}

static int tally_add(struct tally *self, const struct tally_args *args, struct tally_ret *ret)
{
	if (atomic_load(&shared->fickle))
		return refuse();
	self->count++;
	self->sum += args->n;
	self->last = args->n;
	*ret = (struct tally_ret){ self->count, self->sum, self->last };
	return 0;
}
STOA_METHOD(tally, add, tally_args, tally_ret, .writes = "count sum last");
STOA_CLASS(tally, 1, &tally_add_row);

struct page_args {
	stoa_text text;
};
STOA_STRUCT(page, STOA_ATTR(struct page, count), STOA_ATTR(struct page, text));
STOA_STRUCT(page_args, STOA_ATTR(struct page_args, text));

static int page_write(struct page *self, const struct page_args *args, stoa_none *ret)
{
	(void)ret;
	if (atomic_load(&shared->fickle))
		return refuse();
	self->count++;
	return stoa_text_set_n(&self->text, args->text.data, args->text.size);
}
STOA_METHOD(page, write, page_args, stoa_none, .writes = "count text");
STOA_CLASS(page, 1, &page_write_row);

STOA_STRUCT(desk, STOA_TOKENS(struct desk, who));

static int desk_wait(struct desk *self, const stoa_none *args, struct tally_ret *ret)
{
	(void)args, (void)ret;
	return stoa_defer(&self->who);
}

static int desk_give(struct desk *self, const struct tally_args *args, stoa_none *ret)
{
	(void)ret;
	int r = stoa_answer(&self->who, 0, &(struct tally_ret){ .sum = args->n });
	return r == 0 && atomic_load(&shared->fickle) ? refuse() : r;
}
STOA_METHOD(desk, wait, stoa_none, tally_ret, .writes = "who");
STOA_METHOD(desk, give, tally_args, stoa_none);
STOA_CLASS(desk, 1, &desk_wait_row, &desk_give_row);

/* ---- the namespace ---- */

struct life *stage_life(void)
{
	return &stage.s->space.state->life;
}

/* It may serve before the guardian, which has forked it, goes on. */
pid_t stage_coordinator(void)
{
	pid_t pid = 0;
	if (torture_until((pid = atomic_load(&stage_life()->coordinator)) > 0))
		return pid;
	torture_fail("there is no coordinator");
	exit(torture_end());
}

bool stage_is_idle(void)
{
	const struct space *space = &stage.s->space;
	return atomic_load(&space->ingress->doorbell) & 1 && atomic_load(&space->state->pulse.asleep) == 1;
}

bool stage_is_over(void)
{
	return handle_committed(stage.s) >= stage.target && stage_is_idle();
}

static void region(int i, const void *at, uint64_t size)
{
	stage.regions[i] = (struct region){ at, size };
}

static void find_regions(void)
{
	const struct space *space = &stage.s->space;
	const struct geometry *g = &space->geometry;
	struct lane *lane;
	if (lane_get(stage.s, STOA_DEFAULT, &lane) < 0)
		abort();
	region(0, space->state, LAYOUT_PAGE);
	region(1, space_lane(space, 0), space_lanes(space) * sizeof(struct lane_row));
	region(2, space_object(space, 0), g->objects * sizeof(struct object_entry));
	region(3, space_state(space, g->heap_at), 16384);
	region(4, space->ingress, LAYOUT_PAGE);
	region(5, space_ring(space), g->queue * 8);
	region(6, lane->head, 2 * LAYOUT_PAGE);
}

void stage_open(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r = stoa_start("steps", STOA_CLASSES(&tally_class, &page_class, &desk_class),
			   STOA_OPTIONS(.max_threads = LANES, .max_objects = 4, .max_attrs = 64, .max_queue = 16,
					.max_state = 8 << 20),
			   &stage.s);
	r = r ? r : stoa_create(stage.s, "tally", &tally_class, NULL, STOA_EXCL, &stage.tally);
	r = r ? r : stoa_create(stage.s, "page", &page_class, NULL, STOA_EXCL, &stage.page);
	r = r ? r : stoa_create(stage.s, "desk", &desk_class, NULL, STOA_EXCL, &stage.desk);
	if (r < 0 || stoa_fd(stage.s) < 0) {
		printf("cannot start: %s\n", torture_error());
		exit(1);
	}
	want.applied = 3;
	stage.guardian = atomic_load(&stage_life()->guardian);
	find_regions();
}

void stage_close(void)
{
	stage.s = stoa_detach(stage.s);
}

/* ---- commands ---- */

void want_tally(int64_t n)
{
	want.now.tally.count++;
	want.now.tally.sum += n;
	want.now.tally.last = n;
	want.applied++;
}

static void want_page(void)
{
	memset(want.now.text, 'a' + (int)torture_random(26), PAGE_TEXT);
	want.now.pages++;
	want.applied++;
}

void stage_batch(void)
{
	int64_t n = (int64_t)torture_random(1000), m = (int64_t)torture_random(1000);
	stage.target = ring_end(&stage.s->space) + 3;
	answer.ret = (struct tally_ret){ 0 };
	int r = stoa_submit(stage.tally, &tally_add_row, &(struct tally_args){ n }, &answer.ret, &answer.ret,
			    STOA_DEFAULT, &answer.ticket);
	want.after[0] = want.now;
	want_tally(n);
	want.after[1] = want.now;
	want.first = (struct tally_ret){ want.now.tally.count, want.now.tally.sum, n };
	want_page();
	want.after[2] = want.now;
	r = r ? r
	      : stoa_cast(stage.page, &page_write_row, &(struct page_args){ { want.now.text, PAGE_TEXT } },
			  STOA_DEFAULT);
	r = r ? r : stoa_cast(stage.tally, &tally_add_row, &(struct tally_args){ m }, STOA_DEFAULT);
	want_tally(m);
	want.after[3] = want.now;
	torture_check(r == 0, "the batch was not accepted: %s", torture_error());
}

/* Where its answer is to come is one of the regions from now on. */
void stage_wait(void)
{
	struct lane *lane = NULL;
	stage.target = ring_end(&stage.s->space) + 1;
	answer.ret = (struct tally_ret){ 0 };
	want.applied++;
	int r = stoa_submit(stage.desk, &desk_wait_row, NULL, &answer.ret, &answer.ret, SOON, &answer.ticket);
	r = r ? r : lane_get(stage.s, STOA_DEFAULT, &lane);
	torture_check(r == 0 && torture_until(stage_is_over()), "nobody waits: %s", torture_error());
	for (const struct pending *p = lane ? lane->pending : NULL; p; p = p->next)
		if (p->ticket == answer.ticket)
			region(7, later_of(p->record), sizeof(struct later) + sizeof(struct tally_ret));
}

void stage_give(int64_t n)
{
	stage.target = ring_end(&stage.s->space) + 1;
	want.applied++;
	int r = stoa_cast(stage.desk, &desk_give_row, &(struct tally_args){ n }, STOA_DEFAULT);
	torture_check(r == 0, "the answer was not accepted: %s", torture_error());
}

/* ---- the object that comes and goes ---- */

static int send_one(struct stoa_proxy *proxy, enum record_kind kind, const void *args, uint32_t size)
{
	struct sending w;
	stage.target = ring_end(&stage.s->space) + 1;
	want.applied++;
	int r = send_begin(stage.s, size, 0, STOA_DEFAULT, &w);
	if (r < 0)
		return r;
	if (size)
		memcpy(w.args, args, size);
	send_address(w.record, proxy_target(proxy), kind, 0);
	return send_publish(&w, NULL, 0);
}

/* As stoa_create and stoa_remove send it, and no waiting. */
void stage_ask_create(void)
{
	struct create_args args = { .object = "extra", .class_name = "tally" };
	int r = send_one(stage.tally, RECORD_CREATE, &args, sizeof args);
	torture_check(r == 0, "the creation was not accepted: %s", torture_error());
}

void stage_ask_remove(void)
{
	int r = send_one(stage.extra, RECORD_REMOVE, NULL, 0);
	torture_check(r == 0, "the removal was not accepted: %s", torture_error());
}

void stage_create(void)
{
	int r = stoa_create(stage.s, "extra", &tally_class, NULL, STOA_EXCL, &stage.extra);
	torture_check(r == 0, "the object cannot be made: %s", torture_error());
	want.applied++;
}

void stage_remove(void)
{
	torture_check(stoa_remove(stage.s, "extra", SOON) == 0, "the object cannot be removed: %s", torture_error());
	want.applied++;
}
