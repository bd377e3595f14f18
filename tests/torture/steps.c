/*
 * steps.c: kill or stop a process between any two of its instructions, and check every promise afterwards.
 *
 * A run of the victim is recorded by ptrace, instruction by instruction; then it is taken to each of them in turn and
 * ends there, while the others go on. Nothing between two instructions is missed, for there is nothing: at an
 * instruction's boundary a store of an aligned word is done or it is not, and on x86 and arm64 no other CPU can see more
 * than that. What this does not show is the order in which stores become visible to a CPU that runs at the same moment
 * (tests/model does), nor a kill in the middle of a system call, beyond what the kernel has done before it and after it.
 * The short form takes the points that others can tell apart: a dead process's own memory is gone, so two points with no
 * change of shared memory and no system call between them are one. tests/torture/README says what it was seen to catch.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa.h"
#include "proxy/handle.h"
#include "proxy/lane.h"
#include "proxy/send.h"
#include "src/cell.h"
#include "src/park.h"
#include "src/ring.h"
#include "tests/torture/torture.h"
#include "tests/torture/trace.h"

#define SHORT_SECONDS 10
#define LANES 4
#define SLOW_TIMES 3
#define STEPWISE_MAX 20000 /* a run this long can be stepped through again and again */
#define PAGE_TEXT 37 /* bytes of the text */

/* ---- classes ---- */

struct tally {
	int64_t count, sum, last;
};
struct tally_args {
	int64_t n;
};
struct tally_ret {
	int64_t count, sum, last;
};
STOA_STRUCT(tally, STOA_ATTR(struct tally, count), STOA_ATTR(struct tally, sum), STOA_ATTR(struct tally, last));
STOA_STRUCT(tally_args, STOA_ATTR(struct tally_args, n));
STOA_STRUCT(tally_ret, STOA_ATTR(struct tally_ret, count), STOA_ATTR(struct tally_ret, sum),
	    STOA_ATTR(struct tally_ret, last));

/* What the processes of a run tell each other. The coordinator has it from its fork. */
static struct shared {
	_Atomic int ready, go, done; /* of a client that is a victim */
	int errand, status;
	int64_t n;
	struct tally_ret ret;
	_Atomic int fickle; /* methods fail from now on, as they may when they are run again */
} *shared;

static int refuse(void) { return stoa_fail(-EBUSY, "fickle"); }

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

struct page {
	int64_t count;
	stoa_text text;
};
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

/* ---- the world ---- */

static struct stoa *s;
static struct stoa_proxy *tally, *page;
static pid_t guardian;

/* What must be, if every command was applied once. */
static struct tally want;
static int64_t want_pages, twice; /* twice: so many commands added two times, which is one change */
static char want_text[PAGE_TEXT + 1];
static uint64_t want_applied, want_rejected;

/* What there was at the beginning, and must be there again. */
static int fds_here, fds_guardian, fds_coordinator, files;
static uint32_t threads;
static uint64_t heap;

static struct region regions[8];
static uint64_t target; /* `committed` when the batch is done */

static int64_t slowest; /* of what survivors did since a death or a pause */
static struct times answers, recoveries, resumptions, survivors, inheritances;

static struct life *life(void) { return &s->space.state->life; }
static bool is_asleep(void)
{
	return atomic_load(&s->space.ingress->doorbell) & 1 && atomic_load(&s->space.state->pulse.asleep) == 1;
}
static bool is_over(void) { return handle_committed(s) >= target && is_asleep(); }

static void region(int i, const void *at, uint64_t size) { regions[i] = (struct region){ at, size }; }

/* All that a coordinator shares with others, but for what is not used here. */
static void find_regions(void)
{
	const struct geometry *g = &s->space.geometry;
	struct lane *lane;
	if (lane_get(s, STOA_DEFAULT, &lane) < 0)
		abort();
	region(0, s->space.state, LAYOUT_PAGE);
	region(1, space_lane(&s->space, 0), space_lanes(&s->space) * sizeof(struct lane_row));
	region(2, space_object(&s->space, 0), g->objects * sizeof(struct object_entry));
	region(3, space_state(&s->space, g->heap_at), 16384);
	region(4, s->space.ingress, LAYOUT_PAGE);
	region(5, space_ring(&s->space), g->queue * 8);
	region(6, lane->head, 2 * LAYOUT_PAGE);
}

static void open_world(void)
{
	int r = stoa_start("steps", STOA_CLASSES(&tally_class, &page_class),
			   STOA_OPTIONS(.max_threads = LANES, .max_objects = 4, .max_attrs = 64, .max_queue = 16,
					.max_state = 8 << 20),
			   &s);
	r = r ? r : stoa_create(s, "tally", &tally_class, NULL, STOA_EXCL, &tally);
	r = r ? r : stoa_create(s, "page", &page_class, NULL, STOA_EXCL, &page);
	if (r < 0 || stoa_fd(s) < 0) {
		printf("cannot start: %s\n", torture_error());
		exit(1);
	}
	want_applied = 2;
	guardian = atomic_load(&life()->guardian);
	find_regions();
}

static int coordinator_fds(void) { return torture_count_fds(atomic_load(&life()->coordinator)); }

static void note_servers(void)
{
	guardian = atomic_load(&life()->guardian);
	fds_guardian = torture_count_fds(guardian);
	fds_coordinator = coordinator_fds();
}

static void note_world(void)
{
	note_servers();
	fds_here = torture_count_fds(0);
	files = torture_count_files(torture.dir);
	threads = atomic_load(&s->space.state->pulse.threads);
	heap = atomic_load(&s->space.state->heap_end);
}

/* ---- commands ---- */

static struct tally_ret answer;
static uint64_t answer_ticket;

static void want_tally(int64_t n)
{
	want.count++;
	want.sum += n;
	want.last = n;
	want_applied++;
}

static void want_page(void)
{
	memset(want_text, 'a' + (int)torture_random(26), PAGE_TEXT);
	want_pages++;
	want_applied++;
}

static struct {
	struct tally tally;
	int64_t pages;
	char text[sizeof want_text];
} after[4]; /* so many commands of the batch */

static void want_after(int n)
{
	after[n].tally = want;
	after[n].pages = want_pages;
	memcpy(after[n].text, want_text, sizeof want_text);
}

/* Three commands on two objects; the first wants its answer. */
static struct tally batch(void)
{
	int64_t n = (int64_t)torture_random(1000), m = (int64_t)torture_random(1000);
	target = ring_end(&s->space) + 3;
	answer = (struct tally_ret){ 0 };
	int r = stoa_submit(tally, &tally_add_row, &(struct tally_args){ n }, &answer, &answer, STOA_DEFAULT, &answer_ticket);
	want_after(0);
	want_tally(n);
	want_after(1);
	struct tally first = want;
	want_page();
	want_after(2);
	r = r ? r : stoa_cast(page, &page_write_row, &(struct page_args){ { want_text, PAGE_TEXT } }, STOA_DEFAULT);
	r = r ? r : stoa_cast(tally, &tally_add_row, &(struct tally_args){ m }, STOA_DEFAULT);
	want_tally(m);
	want_after(3);
	torture_check(r == 0, "the batch was not accepted: %s", torture_error());
	return first;
}

static void check_answer(const struct tally *first, bool by_event)
{
	struct stoa_event e = { 0 };
	int r = 0;
	if (!by_event)
		r = stoa_await(s, answer_ticket, SOON);
	else if (!torture_until(stoa_next(s, &e) == 1))
		r = -ETIMEDOUT;
	else
		r = e.status;
	torture_check(r == 0, "the answer is %d: %s", r, torture_error());
	torture_check(!by_event || e.data == &answer, "the event is of another command");
	torture_check(answer.count == first->count && answer.sum == first->sum && answer.last == first->last,
		      "the answer says count %jd, sum %jd, last %jd; not %jd, %jd, %jd", (intmax_t)answer.count,
		      (intmax_t)answer.sum, (intmax_t)answer.last, (intmax_t)first->count, (intmax_t)first->sum,
		      (intmax_t)first->last);
}

/* ---- the promises ---- */

static void check_values(void)
{
	struct tally t;
	struct page p = { 0 };
	struct stoa_stamp stamp;
	int r = stoa_snapshot_many(2, (struct stoa_proxy *[]){ tally, page }, (void *[]){ &t, &p }, SOON);
	torture_check(r == 0, "the snapshot failed: %s", torture_error());
	if (r < 0)
		return;
	torture_check(memcmp(&t, &want, sizeof t) == 0, "tally is count %jd, sum %jd, last %jd; not %jd, %jd, %jd",
		      (intmax_t)t.count, (intmax_t)t.sum, (intmax_t)t.last, (intmax_t)want.count, (intmax_t)want.sum,
		      (intmax_t)want.last);
	torture_check(p.count == want_pages, "page is count %jd, not %jd", (intmax_t)p.count, (intmax_t)want_pages);
	torture_check(p.text.data ? strcmp(p.text.data, want_text) == 0 : want_pages == 0, "page has another text");
	stoa_text_fini(&p.text);
	r = stoa_get(tally, offsetof(struct tally, count), &t.count, sizeof t.count, SOON, &stamp);
	torture_check(r == 0 && stamp.changes == (uint64_t)(want.count - twice) + 1,
		      "%ju changes of tally.count, not %jd", (uintmax_t)stamp.changes, (intmax_t)(want.count - twice) + 1);
}

static void check_counts(void)
{
	struct stoa_health h;
	torture_check(stoa_health(s, &h) == 0, "no health: %s", torture_error());
	torture_check(h.pushed == h.applied + h.rejected + h.abandoned && h.queued == 0,
		      "%ju pushed, %ju applied, %ju rejected, %ju abandoned, %ju queued", (uintmax_t)h.pushed,
		      (uintmax_t)h.applied, (uintmax_t)h.rejected, (uintmax_t)h.abandoned, (uintmax_t)h.queued);
	torture_check(h.applied == want_applied && h.rejected == want_rejected, "%ju applied, %ju rejected; not %ju, %ju",
		      (uintmax_t)h.applied, (uintmax_t)h.rejected, (uintmax_t)want_applied, (uintmax_t)want_rejected);
}

static void check_leaks(void)
{
	torture_check(torture_until(atomic_load(&s->space.state->pulse.threads) == threads), "%u lanes are given out, not %u",
		      atomic_load(&s->space.state->pulse.threads), threads);
	torture_check(torture_until(torture_count_files(torture.dir) == files), "%d files, not %d",
		      torture_count_files(torture.dir), files);
	torture_check(torture_until(torture_count_fds(0) == fds_here), "%d descriptors here, not %d", torture_count_fds(0),
		      fds_here);
	torture_check(torture_until(torture_count_fds(guardian) == fds_guardian), "the guardian has %d descriptors, not %d",
		      torture_count_fds(guardian), fds_guardian);
	torture_check(atomic_load(&s->space.state->heap_end) == heap, "the heap ends at %ju, not %ju",
		      (uintmax_t)atomic_load(&s->space.state->heap_end), (uintmax_t)heap);
	torture_check(torture_until(coordinator_fds() == fds_coordinator), "the coordinator has %d descriptors, not %d",
		      coordinator_fds(), fds_coordinator);
}

/* A call, which must be answered right, and soon. */
static void check_progress(int64_t since, struct times *t)
{
	int64_t n = (int64_t)torture_random(1000);
	struct tally_ret ret = { 0 };
	int r = stoa_call(tally, &tally_add_row, &(struct tally_args){ n }, &ret, SOON);
	int64_t took = clock_now() - since;
	times_add(t, took);
	slowest = took > slowest ? took : slowest;
	want_tally(n);
	torture_check(r == 0, "a call afterwards failed with %d: %s", r, torture_error());
	torture_check(ret.count == want.count && ret.sum == want.sum, "a call afterwards says count %jd, sum %jd; not %jd, %jd",
		      (intmax_t)ret.count, (intmax_t)ret.sum, (intmax_t)want.count, (intmax_t)want.sum);
}

static void check_all(void)
{
	check_values();
	check_counts();
	check_leaks();
}

/* After a failure: take what is there as right, so that one failure is not told for ever. */
static void accept_world(void)
{
	struct stoa_health h;
	struct page p = { 0 };
	struct stoa_stamp stamp = { 0 };
	stoa_snapshot(tally, &want, sizeof want, SOON, NULL);
	stoa_get(tally, offsetof(struct tally, count), &want.count, sizeof want.count, SOON, &stamp);
	twice = want.count + 1 - (int64_t)stamp.changes;
	if (stoa_snapshot(page, &p, sizeof p, SOON, NULL) == 0) {
		want_pages = p.count;
		snprintf(want_text, sizeof want_text, "%s", p.text.data ? p.text.data : "");
	}
	stoa_text_fini(&p.text);
	stoa_health(s, &h);
	want_applied = h.applied;
	want_rejected = h.rejected;
	note_world();
}

/* ---- which points ---- */

struct plan {
	uint32_t *points;
	size_t n, done, missed; /* missed: that run went another way, and its end was the point */
	size_t apart;           /* those that others can tell apart: the first ones */
	uint64_t rounds;
	int64_t end_ns;
};

/*
 * The points that others can tell apart, and then, if every point is wanted, the rest; in an order of the seed's, within a
 * share of the time that is left.
 */
static struct plan plan_make(const struct trace *t, bool every, double share)
{
	struct plan p = { .points = calloc(t->n + 1, sizeof(uint32_t)), .rounds = torture.rounds };
	if (!p.points)
		abort();
	for (uint32_t i = 0; i < t->n; i++)
		if (t->points[i].shared)
			p.points[p.n++] = i;
	size_t rest = p.apart = p.n;
	torture_shuffle(p.points, p.n);
	for (uint32_t i = 0; every && i < t->n; i++)
		if (!t->points[i].shared)
			p.points[p.n++] = i;
	torture_shuffle(p.points + rest, p.n - rest);
	int64_t now = clock_now(), left = torture.end_ns - now;
	p.end_ns = now + (int64_t)((double)(left > 0 ? left : 0) * share);
	return p;
}

static bool plan_next(struct plan *p, uint32_t *ret)
{
	if (p->done >= p->n || p->done >= p->rounds || clock_now() >= p->end_ns)
		return false;
	*ret = p->points[p->done++];
	return true;
}

static void plan_end(struct plan *p, const struct trace *t, const char *what)
{
	size_t apart = p->done < p->apart ? p->done : p->apart;
	printf("%s: %zu of %zu points that others can tell apart, %zu of %zu others, %zu missed\n", what, apart, p->apart,
	       p->done - apart, t->n - p->apart, p->missed);
	torture_check(p->missed <= 1 + p->done / 2, "too many points were missed");
	free(p->points);
}

static void where(const char *what, const struct trace *t, uint32_t k)
{
	torture_where("%s, k = %u (%s, time %u)", what, k, trace_name(t->points[k].pc), t->points[k].nth);
}

/* ---- the coordinator is the victim ---- */

/* It sleeps, and is held there. */
static pid_t hold_coordinator(void)
{
	torture_check(torture_until(is_asleep()), "the coordinator does not sleep");
	pid_t pid = atomic_load(&life()->coordinator);
	torture_check(trace_hold(pid), "coordinator %d cannot be held", (int)pid);
	return pid;
}

static const struct watched turn = { .over = is_over, .regions = regions };

/* Both cells of each part have their room. */
static void warm_up(void)
{
	for (int i = 0; i < 3; i++) {
		struct tally first = batch();
		check_answer(&first, i % 2);
	}
}

static void record_turn(struct trace *ret)
{
	torture_where("recording a turn");
	pid_t pid = hold_coordinator();
	struct tally first = batch();
	torture_check(trace_record(pid, &turn, false, ret) == TRACE_OVER, "the coordinator died");
	trace_let_go(pid, 0);
	check_answer(&first, false);
	check_progress(clock_now(), &(struct times){ 0 });
	check_all();
}

/* How long a stopped one stays stopped: 0.1 to 5 s, mostly short. */
static int64_t pause_ns(void)
{
	return torture_random(8) || !torture.lengthy ? STOA_MS(100 + torture_random(300)) : STOA_MS(1000 + torture_random(4000));
}

static void sleep_ns(int64_t ns)
{
	nanosleep(&(struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 }, NULL);
}

/* The batch was done, whatever became of the coordinator at `since`. Reads and answers each wait for it in their way. */
static void check_batch(const struct tally *first, bool by_event, int64_t since, struct times *t)
{
	if (torture_random(2))
		check_values();
	check_answer(first, by_event);
	times_add(&answers, clock_now() - since);
	check_progress(since, t);
	check_all();
}

static bool kill_in_turn(const struct trace *t, uint32_t k)
{
	pid_t pid = hold_coordinator();
	struct tally first = batch();
	enum trace_end end = trace_run(pid, &turn, t, k);
	if (end != TRACE_DIED)
		trace_kill(pid);
	check_batch(&first, k % 2, clock_now(), &recoveries);
	return end == TRACE_THERE;
}

/* The first `done` commands were applied; each of the others was refused and changed nothing. */
static void check_fickle(const struct tally *first, uint64_t done)
{
	want = after[done].tally;
	want_pages = after[done].pages;
	memcpy(want_text, after[done].text, sizeof want_text);
	want_applied -= 3 - done;
	want_rejected += 3 - done;
	if (done > 0) {
		check_answer(first, false);
	} else {
		int r = stoa_await(s, answer_ticket, SOON);
		torture_check(r == -EBUSY && strcmp(torture_error(), "fickle") == 0,
			      "the answer is %d: %s; not that of the method", r, torture_error());
	}
	check_values();
	atomic_store(&shared->fickle, 0);
}

/* Run again, the methods do not do what they did: nothing of the first time may be seen. */
static bool kill_in_fickle_turn(const struct trace *t, uint32_t k)
{
	pid_t pid = hold_coordinator();
	struct tally first = batch();
	enum trace_end end = trace_run(pid, &turn, t, k);
	uint64_t done = handle_committed(s) - (target - 3);
	atomic_store(&shared->fickle, 1);
	if (end != TRACE_DIED)
		trace_kill(pid);
	int64_t since = clock_now();
	check_fickle(&first, done);
	check_progress(since, &recoveries);
	check_all();
	return end == TRACE_THERE;
}

/* ---- … of a turn that creates an object, or removes it ---- */

static struct stoa_proxy *extra;

/* As stoa_create sends it, and no waiting. */
static void ask_create(void)
{
	struct create_args args = { .object = "extra", .class_name = "tally" };
	struct sending w;
	target = ring_end(&s->space) + 1;
	int r = send_begin(s, sizeof args, 0, STOA_DEFAULT, &w);
	if (r == 0) {
		memcpy(w.args, &args, sizeof args);
		send_address(w.record, proxy_target(tally), RECORD_CREATE, 0);
		r = send_publish(&w, NULL, 0, STOA_DEFAULT);
	}
	torture_check(r == 0, "the creation was not accepted: %s", torture_error());
	want_applied++;
}

static void ask_remove(void)
{
	struct sending w;
	target = ring_end(&s->space) + 1;
	int r = send_begin(s, 0, 0, STOA_DEFAULT, &w);
	if (r == 0) {
		send_address(w.record, proxy_target(extra), RECORD_REMOVE, 0);
		r = send_publish(&w, NULL, 0, STOA_DEFAULT);
	}
	torture_check(r == 0, "the removal was not accepted: %s", torture_error());
	want_applied++;
}

static void open_extra(void)
{
	struct tally t = { 1, 1, 1 };
	int r = stoa_open(s, "extra", &tally_class, SOON, &extra);
	r = r ? r : stoa_snapshot(extra, &t, sizeof t, SOON, NULL);
	torture_check(r == 0 && t.count == 0 && t.sum == 0, "the new object is not there, or not new: %d, %s", r, torture_error());
}

static void make_extra(void)
{
	int r = stoa_create(s, "extra", &tally_class, NULL, STOA_EXCL, &extra);
	torture_check(r == 0, "the object cannot be made: %s", torture_error());
	want_applied++;
}

static void lose_extra(void)
{
	extra = stoa_close(extra);
	torture_check(stoa_open(s, "extra", NULL, STOA_NOWAIT, &extra) == -ENOENT, "the removed object is there");
}

static void remove_extra(void)
{
	torture_check(stoa_remove(s, "extra", SOON) == 0, "the object cannot be removed: %s", torture_error());
	want_applied++;
	lose_extra();
}

static void record_extra(struct trace *ret_create, struct trace *ret_remove)
{
	torture_where("recording a creation and a removal");
	make_extra();
	remove_extra(); /* there is room for it in the heap now */
	note_world();
	pid_t pid = hold_coordinator();
	ask_create();
	torture_check(trace_record(pid, &turn, false, ret_create) == TRACE_OVER, "the coordinator died");
	trace_let_go(pid, 0);
	open_extra();
	pid = hold_coordinator();
	ask_remove();
	torture_check(trace_record(pid, &turn, false, ret_remove) == TRACE_OVER, "the coordinator died");
	trace_let_go(pid, 0);
	lose_extra();
	check_all();
}

static bool kill_in_create(const struct trace *t, uint32_t k)
{
	pid_t pid = hold_coordinator();
	ask_create();
	enum trace_end end = trace_run(pid, &turn, t, k);
	if (end != TRACE_DIED)
		trace_kill(pid);
	check_progress(clock_now(), &recoveries);
	open_extra();
	remove_extra();
	check_all();
	return end == TRACE_THERE;
}

static bool kill_in_remove(const struct trace *t, uint32_t k)
{
	make_extra();
	pid_t pid = hold_coordinator();
	ask_remove();
	enum trace_end end = trace_run(pid, &turn, t, k);
	if (end != TRACE_DIED)
		trace_kill(pid);
	check_progress(clock_now(), &recoveries);
	lose_extra();
	check_all();
	return end == TRACE_THERE;
}

/* ---- … or is stopped ---- */

/* Stopped, and resumed later; by then the guardian may have ended it. */
static bool stop_in_turn(const struct trace *t, uint32_t k)
{
	pid_t pid = hold_coordinator();
	struct tally first = batch();
	enum trace_end end = trace_run(pid, &turn, t, k);
	int64_t ns = pause_ns();
	if (end != TRACE_DIED)
		trace_let_go(pid, SIGSTOP);
	sleep_ns(ns);
	kill(pid, SIGCONT);
	check_batch(&first, k % 2, clock_now(), &resumptions);
	return end == TRACE_THERE;
}

/* ---- its successor is the victim, and the successor of that ---- */

static bool is_recovered(void) { return is_over(); }
static const struct watched recovery = { .over = is_recovered, .regions = regions };

/* Kill a held coordinator; the next one is held at its first instruction. */
static pid_t succeed(pid_t pid)
{
	torture_check(trace_hold(guardian) && trace_forks(guardian), "the guardian cannot be held");
	trace_kill(pid);
	atomic_fetch_and(&s->space.ingress->doorbell, ~1u); /* left by the dead: only the next one's own sleep counts */
	pid_t next = trace_next_child(guardian);
	torture_check(next > 0, "no coordinator follows");
	return next;
}

static void record_recovery(const struct trace *t, struct trace *ret)
{
	torture_where("recording a recovery");
	pid_t pid = hold_coordinator();
	struct tally first = batch();
	trace_run(pid, &turn, t, t->n / 2);
	pid = succeed(pid);
	torture_check(trace_hold(guardian), "the guardian cannot be held"); /* it ends who takes so long */
	torture_check(trace_record(pid, &recovery, !torture.lengthy, ret) == TRACE_OVER, "the coordinator died");
	trace_let_go(guardian, 0);
	trace_let_go(pid, 0);
	check_batch(&first, false, clock_now(), &(struct times){ 0 });
}

/* Killed somewhere in a turn, then at point k of the recovery, then somewhere in the next recovery. */
static bool kill_in_recovery(const struct trace *t, const struct trace *r, uint32_t k)
{
	pid_t pid = hold_coordinator();
	struct tally first = batch();
	uint32_t at = (uint32_t)torture_random(t->n), third = (uint32_t)torture_random(r->n);
	trace_run(pid, &turn, t, at);
	pid = succeed(pid);
	enum trace_end end = trace_run(pid, &recovery, r, k);
	pid = succeed(pid);
	trace_run(pid, &recovery, r, third);
	trace_kill(pid);
	check_batch(&first, k % 2, clock_now(), &recoveries);
	return end == TRACE_THERE;
}

static bool stop_in_recovery(const struct trace *t, const struct trace *r, uint32_t k)
{
	pid_t pid = hold_coordinator();
	struct tally first = batch();
	int64_t ns = pause_ns();
	trace_run(pid, &turn, t, (uint32_t)torture_random(t->n));
	pid = succeed(pid);
	enum trace_end end = trace_run(pid, &recovery, r, k);
	trace_let_go(pid, SIGSTOP);
	sleep_ns(ns);
	kill(pid, SIGCONT);
	check_batch(&first, k % 2, clock_now(), &resumptions);
	return end == TRACE_THERE;
}

/* ---- a client is the victim ---- */

static pid_t held; /* a coordinator that is held until its client sleeps; 0: none */

static void release(void)
{
	if (held)
		trace_let_go(held, 0);
	held = 0;
}

static bool is_done(void) { return atomic_load(&shared->done); }

static const struct watched one_call = { .over = is_done, .blocked = release, .regions = regions };

/* What a client does from `go` on: a command of tally, or two in one, by n. */
enum errand { CALL, CAST_AND_READ, CALL_MANY, ATTACH };

static int cast_and_read(const struct tally_args *args)
{
	int r = stoa_cast(tally, &tally_add_row, args, SOON);
	r = r ? r : STOA_GET(tally, struct tally, count, &shared->ret.count, SOON);
	return r ? r : STOA_GET(tally, struct tally, sum, &shared->ret.sum, SOON);
}

static int call_many(const struct tally_args *args)
{
	struct stoa_command both[] = { { .proxy = tally, .method = &tally_add_row, .args = args },
				       { .proxy = tally, .method = &tally_add_row, .args = args, .ret = &shared->ret } };
	return stoa_call_many(s, 2, both, SOON);
}

static int run_errand(void)
{
	const struct tally_args args = { shared->n };
	if (shared->errand == CAST_AND_READ)
		return cast_and_read(&args);
	if (shared->errand == CALL_MANY)
		return call_many(&args);
	return stoa_call(tally, &tally_add_row, &args, &shared->ret, SOON);
}

static void want_errand(void)
{
	want_tally(shared->n);
	if (shared->errand != CALL_MANY)
		return;
	want_tally(shared->n);
	want_applied--; /* both are one command */
	twice++;
}

static void be_client(void)
{
	if (shared->errand != ATTACH && stoa_attach_thread(s) < 0)
		_exit(1);
	atomic_store(&shared->ready, 1);
	while (!atomic_load(&shared->go))
		park_pause();
	shared->status = run_errand();
	atomic_store(&shared->done, 1);
	for (;;)
		pause();
}

/* A client that is about to call, held. With asleep, the coordinator is held too, so that the client goes to sleep. */
static pid_t fork_client(enum errand errand, bool asleep)
{
	*shared = (struct shared){ .n = (int64_t)torture_random(1000), .errand = (int)errand };
	pid_t pid = fork();
	if (pid == 0)
		be_client();
	torture_check(torture_until(atomic_load(&shared->ready)), "the client does not attach");
	if (asleep)
		held = hold_coordinator();
	if (!trace_hold(pid)) {
		torture_fail("the client cannot be held");
		exit(torture_end());
	}
	torture_check(asleep || torture_until(is_asleep()), "the coordinator does not sleep"); /* and is to be rung */
	atomic_store(&shared->go, 1);
	return pid;
}

static void record_call(enum errand errand, bool asleep, struct trace *ret)
{
	torture_where("recording a call");
	pid_t pid = fork_client(errand, asleep);
	torture_check(trace_record(pid, &one_call, false, ret) == TRACE_OVER, "the client died");
	torture_check(shared->status == 0, "its call failed with %d", shared->status);
	release();
	trace_kill(pid);
	want_errand();
	check_progress(clock_now(), &(struct times){ 0 });
	check_all();
}

/* Once if its command got into the queue, else not at all. */
static void check_call(uint64_t before)
{
	bool published = ring_end(&s->space) > before;
	torture_check(published || !is_done(), "the call returned %d, and no command was queued", shared->status);
	if (published)
		want_errand();
	if (is_done())
		torture_check(shared->status == 0 && shared->ret.count == want.count && shared->ret.sum == want.sum,
			      "the call returned %d, count %jd, sum %jd; not %jd, %jd", shared->status,
			      (intmax_t)shared->ret.count, (intmax_t)shared->ret.sum, (intmax_t)want.count, (intmax_t)want.sum);
}

static bool kill_in_call(const struct trace *t, enum errand errand, bool asleep, uint32_t k)
{
	pid_t pid = fork_client(errand, asleep);
	uint64_t before = ring_end(&s->space);
	enum trace_end end = trace_run(pid, &one_call, t, k);
	trace_kill(pid);
	int64_t since = clock_now();
	check_call(before);
	release();
	check_progress(since, &survivors);
	check_all();
	return end == TRACE_THERE;
}

static bool stop_in_call(const struct trace *t, enum errand errand, bool asleep, uint32_t k)
{
	pid_t pid = fork_client(errand, asleep);
	uint64_t before = ring_end(&s->space);
	enum trace_end end = trace_run(pid, &one_call, t, k);
	trace_let_go(pid, SIGSTOP);
	release();
	bool published = ring_end(&s->space) > before;
	int64_t since = clock_now(), ns = pause_ns();
	if (published)
		want_errand();
	check_progress(since, &survivors);
	check_values();
	sleep_ns(ns);
	kill(pid, SIGCONT);
	torture_check(torture_until(is_done()), "the client does not go on");
	torture_check(shared->status == 0, "its call failed with %d", shared->status);
	if (!published)
		want_errand();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	check_all();
	return end == TRACE_THERE;
}

/* ---- the guardian is the victim: while it brings a coordinator back, while it hears of a client ---- */

static bool in_poll; /* it has done what there was to do */
static void note_blocked(void) { in_poll = true; }
static bool has_respawned(void) { return in_poll && is_over(); }
static bool has_heard(void) { return in_poll && is_done(); }
static const struct watched respawn = { .over = has_respawned, .blocked = note_blocked, .regions = regions };
static const struct watched hearing = { .over = has_heard, .blocked = note_blocked, .regions = regions };

/* Its coordinator is dead, and it is held before it knows. */
static void begin_respawn(void)
{
	torture_check(torture_until(is_asleep()), "the coordinator does not sleep");
	torture_check(trace_hold(guardian), "the guardian cannot be held");
	pid_t pid = atomic_load(&life()->coordinator);
	kill(pid, SIGKILL);
	torture_check(torture_until(torture_count_fds(pid) <= 0), "the coordinator does not die");
	atomic_fetch_and(&s->space.ingress->doorbell, ~1u); /* left by the dead */
	target = handle_committed(s);
	in_poll = false;
}

/* A client attaches and calls, for which the guardian is not needed. It is held before it has heard of it. */
static pid_t begin_hearing(void)
{
	torture_check(trace_hold(guardian), "the guardian cannot be held");
	in_poll = false;
	pid_t pid = fork_client(ATTACH, false);
	trace_let_go(pid, 0);
	torture_check(torture_until(is_done()) && shared->status == 0, "its call failed with %d", shared->status);
	want_errand();
	return pid;
}

static void end_hearing(pid_t client)
{
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
}

static void record_guardian(struct trace *ret_respawn, struct trace *ret_hearing)
{
	torture_where("recording the guardian");
	begin_respawn();
	torture_check(trace_record(guardian, &respawn, false, ret_respawn) == TRACE_OVER, "the guardian died");
	trace_let_go(guardian, 0);
	check_progress(clock_now(), &(struct times){ 0 });
	pid_t client = begin_hearing();
	torture_check(trace_record(guardian, &hearing, false, ret_hearing) == TRACE_OVER, "the guardian died");
	trace_let_go(guardian, 0);
	end_hearing(client);
	check_progress(clock_now(), &(struct times){ 0 });
	check_all();
}

/*
 * The guardian is dead. Its coordinator goes on in its place; or there is none, and whoever comes next starts one. Both
 * are to be there again, and a coordinator that the new guardian has brought back.
 */
static void replace_guardian(pid_t old, int64_t since)
{
	struct stoa *again = NULL;
	struct stoa_health h = { 0 };
	int64_t end = clock_deadline(SOON), slow = slowest;
	while (!(stoa_health(s, &h) == 0 && h.guardian > 0 && h.guardian != old && h.coordinator > 0 &&
		 h.coordinator != h.guardian) && clock_now() < end) {
		if (h.verdict == STOA_GONE && !again)
			stoa_start("steps", STOA_CLASSES(&tally_class, &page_class), STOA_OPTIONS(.flags = STOA_JOIN), &again);
		torture_pause();
	}
	torture_check(h.guardian > 0 && h.guardian != old, "there is no other guardian");
	check_progress(since, &inheritances);
	stoa_detach(again);
	kill(atomic_load(&life()->coordinator), SIGKILL);
	check_progress(clock_now(), &recoveries);
	slowest = slow;
}

static int most_fds;

/* Whoever is guardian now has what the first one had, or two descriptors more that came with its start; never more. */
static void check_guardian(void)
{
	most_fds = most_fds ? most_fds : fds_guardian + 2;
	torture_check(torture_until(atomic_load(&s->space.state->pulse.threads) == threads), "lanes are given out");
	note_servers();
	torture_check(fds_guardian <= most_fds, "the guardian has %d descriptors", fds_guardian);
	check_all();
}

/* In single steps: a breakpoint would go into the child that it forks. */
static enum trace_end run_guardian(const struct trace *t, const struct watched *w, uint32_t k)
{
	trace_stepwise = true;
	enum trace_end end = trace_run(guardian, w, t, k);
	trace_stepwise = false;
	return end;
}

static bool kill_in_respawn(const struct trace *t, uint32_t k)
{
	pid_t old = guardian;
	begin_respawn();
	enum trace_end end = run_guardian(t, &respawn, k);
	trace_kill(guardian);
	replace_guardian(old, clock_now());
	check_guardian();
	return end == TRACE_THERE;
}

static bool kill_in_hearing(const struct trace *t, uint32_t k)
{
	pid_t old = guardian, client = begin_hearing();
	enum trace_end end = run_guardian(t, &hearing, k);
	trace_kill(guardian);
	replace_guardian(old, clock_now());
	end_hearing(client);
	check_guardian();
	return end == TRACE_THERE;
}

static bool stop_in_respawn(const struct trace *t, uint32_t k)
{
	begin_respawn();
	enum trace_end end = run_guardian(t, &respawn, k);
	trace_let_go(guardian, SIGSTOP);
	sleep_ns(pause_ns());
	kill(guardian, SIGCONT);
	check_progress(clock_now(), &resumptions);
	check_all();
	return end == TRACE_THERE;
}

/* ---- all of it ---- */

static struct trace turn_trace, recovery_trace, create_trace, remove_trace, respawn_trace, hearing_trace;
static struct trace call_trace, sleep_trace, read_trace, many_trace, attach_trace;

static bool do_kill_in_turn(uint32_t k) { return kill_in_turn(&turn_trace, k); }
static bool do_kill_in_fickle_turn(uint32_t k) { return kill_in_fickle_turn(&turn_trace, k); }
static bool do_kill_in_create(uint32_t k) { return kill_in_create(&create_trace, k); }
static bool do_kill_in_remove(uint32_t k) { return kill_in_remove(&remove_trace, k); }
static bool do_stop_in_turn(uint32_t k) { return stop_in_turn(&turn_trace, k); }
static bool do_kill_in_recovery(uint32_t k) { return kill_in_recovery(&turn_trace, &recovery_trace, k); }
static bool do_stop_in_recovery(uint32_t k) { return stop_in_recovery(&turn_trace, &recovery_trace, k); }
static bool do_kill_in_respawn(uint32_t k) { return kill_in_respawn(&respawn_trace, k); }
static bool do_stop_in_respawn(uint32_t k) { return stop_in_respawn(&respawn_trace, k); }
static bool do_kill_in_hearing(uint32_t k) { return kill_in_hearing(&hearing_trace, k); }
static bool do_kill_in_call(uint32_t k) { return kill_in_call(&call_trace, CALL, false, k); }
static bool do_kill_in_sleep(uint32_t k) { return kill_in_call(&sleep_trace, CALL, true, k); }
static bool do_kill_in_read(uint32_t k) { return kill_in_call(&read_trace, CAST_AND_READ, false, k); }
static bool do_kill_in_many(uint32_t k) { return kill_in_call(&many_trace, CALL_MANY, false, k); }
static bool do_kill_in_attach(uint32_t k) { return kill_in_call(&attach_trace, ATTACH, false, k); }
static bool do_stop_in_call(uint32_t k) { return stop_in_call(&call_trace, CALL, false, k); }
static bool do_stop_in_sleep(uint32_t k) { return stop_in_call(&sleep_trace, CALL, true, k); }
static bool do_stop_in_read(uint32_t k) { return stop_in_call(&read_trace, CAST_AND_READ, false, k); }
static bool do_stop_in_many(uint32_t k) { return stop_in_call(&many_trace, CALL_MANY, false, k); }
static bool do_stop_in_attach(uint32_t k) { return stop_in_call(&attach_trace, ATTACH, false, k); }

static const struct scenario {
	const char *what;
	const struct trace *trace;
	bool (*run)(uint32_t k); /* false: the point was missed */
	double share;            /* of the time that is left */
	size_t at_most;          /* points, in the short form; 0: all that others can tell */
	bool all;                /* in the long form, also those that others cannot */
} scenarios[] = {
	{ "coordinator killed in its turn", &turn_trace, do_kill_in_turn, 0.1, 40, true },
	{ "coordinator killed in a turn that then fails", &turn_trace, do_kill_in_fickle_turn, 0.1, 40, true },
	{ "coordinator killed in a turn that creates", &create_trace, do_kill_in_create, 0.1, 40, false },
	{ "coordinator killed in a turn that removes", &remove_trace, do_kill_in_remove, 0.1, 40, false },
	{ "client killed in a call", &call_trace, do_kill_in_call, 0.1, 40, true },
	{ "client killed in a call that sleeps", &sleep_trace, do_kill_in_sleep, 0.1, 20, true },
	{ "client killed in a cast and a read", &read_trace, do_kill_in_read, 0.1, 20, true },
	{ "client killed in two calls in one", &many_trace, do_kill_in_many, 0.1, 20, true },
	{ "client killed while it attaches", &attach_trace, do_kill_in_attach, 0.15, 20, false },
	{ "guardian killed while it brings a coordinator back", &respawn_trace, do_kill_in_respawn, 0.2, 6, false },
	{ "guardian killed while it hears of a client", &hearing_trace, do_kill_in_hearing, 0.2, 3, false },
	{ "guardian stopped while it brings a coordinator back", &respawn_trace, do_stop_in_respawn, 0.1, 1, false },
	{ "coordinator stopped in its turn", &turn_trace, do_stop_in_turn, 0.2, 2, false },
	{ "coordinator stopped in its recovery", &recovery_trace, do_stop_in_recovery, 0.2, 2, false },
	{ "client stopped in a call", &call_trace, do_stop_in_call, 0.2, 4, false },
	{ "client stopped in a call that sleeps", &sleep_trace, do_stop_in_sleep, 0.2, 2, false },
	{ "client stopped in a cast and a read", &read_trace, do_stop_in_read, 0.2, 2, false },
	{ "client stopped in two calls in one", &many_trace, do_stop_in_many, 0.2, 2, false },
	{ "client stopped while it attaches", &attach_trace, do_stop_in_attach, 0.3, 2, false },
	{ "coordinator killed in its recovery", &recovery_trace, do_kill_in_recovery, 1.0, 0, false },
};

/* Slow at a point once may be the machine; slow there every time is not. */
static void play_one(const struct scenario *sc, struct plan *p, uint32_t k)
{
	bool there = false;
	int slow = 0;
	do {
		slowest = 0;
		there = sc->run(k);
		slow++;
	} while (slowest > BOUND && slow < SLOW_TIMES);
	torture_check(slowest <= BOUND, "survivors went on after %.0f ms, and so they did %d times", (double)slowest / 1e6, slow);
	if (!there && sc->trace->n < STEPWISE_MAX && ((torture.lengthy && sc->trace->points[k].shared) || torture_random(8) == 0)) {
		trace_stepwise = true; /* it is on the way of one that has little time only */
		there = sc->run(k);
		trace_stepwise = false;
	}
	p->missed += !there;
}

static void play(const struct scenario *sc)
{
	if (!sc->trace->n)
		return; /* not recorded in the short form */
	struct plan p = plan_make(sc->trace, torture.lengthy && sc->all, sc->share);
	if (sc->at_most && !torture.lengthy && p.n > sc->at_most)
		p.n = sc->at_most;
	for (uint32_t k; plan_next(&p, &k);) {
		unsigned before = torture.failures;
		where(sc->what, sc->trace, k);
		play_one(sc, &p, k);
		if (torture.failures != before)
			accept_world();
	}
	plan_end(&p, sc->trace, sc->what);
}

int main(void)
{
	torture_begin("steps", SHORT_SECONDS);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* the guardian is a descendant, which Yama lets us trace */
	if (TORTURE_SLOW)
		torture_skip("most instructions are the sanitizer's");
	if (!trace_allowed())
		torture_skip("no ptrace here");
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	open_world();
	warm_up();
	kill(atomic_load(&life()->coordinator), SIGKILL); /* the first has one descriptor more: of the program that started it */
	check_progress(clock_now(), &(struct times){ 0 });
	note_world();
	record_turn(&turn_trace);
	record_call(CALL, false, &call_trace);
	record_call(CALL, true, &sleep_trace);
	record_call(CAST_AND_READ, false, &read_trace);
	record_call(CALL_MANY, false, &many_trace);
	record_call(ATTACH, false, &attach_trace);
	if (torture.lengthy) /* step by step, which takes its time */
		record_guardian(&respawn_trace, &hearing_trace);
	record_recovery(&turn_trace, &recovery_trace);
	record_extra(&create_trace, &remove_trace);
	if (torture.failures)
		return torture_end();
	torture_go();
	for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		play(&scenarios[i]);
	times_print(&answers, "from a death or a pause to the answer");
	times_print(&recoveries, "from a coordinator's death to the next call");
	times_print(&inheritances, "from a guardian's death to the next call");
	times_print(&survivors, "from a client's death or pause to another's call");
	times_print(&resumptions, "from the end of a coordinator's pause to the next call");
	stoa_detach(s);
	return torture_end();
}
