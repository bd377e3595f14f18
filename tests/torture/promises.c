/*
 * promises.c: see promises.h.
 */
#include "tests/torture/promises.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "include/stoa.h"
#include "proxy/handle.h"
#include "tests/torture/stage.h"

struct times answers, recoveries, resumptions, survivors, inheritances;
static int64_t slowest;

/* What there was at the beginning, and must be there again. */
static struct {
	int fds_here, fds_guardian, fds_coordinator, files;
	int fds_most; /* of any guardian */
	uint32_t threads;
	uint64_t heap;
} there;

static struct pulse *pulse(void)
{
	return &stage.s->space.state->pulse;
}
/* Of one that lives: a zombie has none. */
static int fds_coordinator(void)
{
	int n = 0;
	torture_check(torture_until((n = torture_count_fds(stage_coordinator())) > 0), "no coordinator lives on");
	return n;
}

static void note_servers(void)
{
	stage.guardian = atomic_load(&stage_life()->guardian);
	there.fds_coordinator = fds_coordinator();
	there.fds_guardian = torture_count_fds(stage.guardian); /* with a pidfd of the coordinator, now that its pid is known */
}

void promises_note(void)
{
	note_servers();
	there.fds_here = torture_count_fds(0);
	there.files = torture_count_files(torture.dir);
	there.threads = atomic_load(&pulse()->threads);
	there.heap = atomic_load(&stage.s->space.state->heap_end);
}

int64_t promises_slowest(void)
{
	int64_t ns = slowest;
	slowest = 0;
	return ns;
}

/* ---- values, answers, counts ---- */

void check_values(void)
{
	const struct values *w = &want.now;
	struct tally t;
	struct page p = { 0 };
	struct stoa_stamp stamp;
	int r = stoa_snapshot_many(2, (struct stoa_proxy *[]){ stage.tally, stage.page }, (void *[]){ &t, &p }, SOON, NULL);
	torture_check(r == 0, "the snapshot failed: %s", torture_error());
	if (r < 0)
		return;
	torture_check(memcmp(&t, &w->tally, sizeof t) == 0, "tally is count %jd, sum %jd, last %jd; not %jd, %jd, %jd",
		      (intmax_t)t.count, (intmax_t)t.sum, (intmax_t)t.last, (intmax_t)w->tally.count,
		      (intmax_t)w->tally.sum, (intmax_t)w->tally.last);
	torture_check(p.count == w->pages, "page is count %jd, not %jd", (intmax_t)p.count, (intmax_t)w->pages);
	torture_check(p.text.data ? strcmp(p.text.data, w->text) == 0 : w->pages == 0, "page has another text");
	stoa_text_fini(&p.text);
	int64_t changes = w->tally.count - want.twice + 1;
	r = stoa_get(stage.tally, offsetof(struct tally, count), &t.count, sizeof t.count, SOON, &stamp);
	torture_check(r == 0 && stamp.changes == (uint64_t)changes, "%ju changes of tally.count, not %jd",
		      (uintmax_t)stamp.changes, (intmax_t)changes);
}

static bool is_answer(const struct tally_ret *a, const struct tally_ret *b)
{
	return a->count == b->count && a->sum == b->sum && a->last == b->last;
}

void check_answer(bool by_event)
{
	const struct tally_ret *a = &answer.ret, *first = &want.first;
	struct stoa_event e = { 0 };
	int r = 0;
	if (!by_event)
		r = stoa_await(stage.s, answer.ticket, SOON);
	else if (!torture_until(stoa_next(stage.s, &e) == 1 && e.what == STOA_ANSWER)) /* LOST and BACK may be due */
		r = -ETIMEDOUT;
	else
		r = e.status;
	torture_check(r == 0, "the answer is %d: %s", r, torture_error());
	torture_check(!by_event || e.data == &answer.ret, "the event is of another command");
	torture_check(is_answer(a, first), "the answer says count %jd, sum %jd, last %jd; not %jd, %jd, %jd",
		      (intmax_t)a->count, (intmax_t)a->sum, (intmax_t)a->last, (intmax_t)first->count,
		      (intmax_t)first->sum, (intmax_t)first->last);
}

static void check_counts(void)
{
	struct stoa_health h = { 0 };
	torture_check(stoa_health(stage.s, &h) == 0, "no health: %s", torture_error());
	torture_check(h.pushed == h.applied + h.rejected + h.abandoned && h.queued == 0,
		      "%ju pushed, %ju applied, %ju rejected, %ju abandoned, %ju queued", (uintmax_t)h.pushed,
		      (uintmax_t)h.applied, (uintmax_t)h.rejected, (uintmax_t)h.abandoned, (uintmax_t)h.queued);
	torture_check(h.applied == want.applied && h.rejected == want.rejected,
		      "%ju applied, %ju rejected; not %ju, %ju", (uintmax_t)h.applied, (uintmax_t)h.rejected,
		      (uintmax_t)want.applied, (uintmax_t)want.rejected);
}

/* ---- leaks ---- */

static void check_leaks(void)
{
	uint64_t heap = atomic_load(&stage.s->space.state->heap_end);
	torture_check(torture_until(atomic_load(&pulse()->threads) == there.threads), "%u lanes are given out, not %u",
		      atomic_load(&pulse()->threads), there.threads);
	torture_check(torture_until(torture_count_files(torture.dir) == there.files), "%d files, not %d",
		      torture_count_files(torture.dir), there.files);
	/* One less, where the event loop has lost the coordinator and was not asked again since. */
	torture_check(torture_until(torture_count_fds(0) <= there.fds_here), "%d descriptors here, not %d",
		      torture_count_fds(0), there.fds_here);
	torture_check(torture_until(torture_count_fds(stage.guardian) <= there.fds_guardian),
		      "the guardian has %d descriptors, not %d", torture_count_fds(stage.guardian), there.fds_guardian);
	torture_check(torture_until(fds_coordinator() <= there.fds_coordinator),
		      "the coordinator has %d descriptors, not %d", fds_coordinator(), there.fds_coordinator);
	torture_check(heap == there.heap, "the heap ends at %ju, not %ju", (uintmax_t)heap, (uintmax_t)there.heap);
}

void check_all(void)
{
	check_values();
	check_counts();
	check_leaks();
}

/* ---- progress ---- */

void check_progress(int64_t since, struct times *t)
{
	const struct tally *w = &want.now.tally;
	int64_t n = (int64_t)torture_random(1000);
	struct tally_ret ret = { 0 };
	int r = stoa_call(stage.tally, &tally_add_row, &(struct tally_args){ n }, &ret, SOON);
	int64_t took = clock_now() - since;
	times_add(t, took);
	slowest = took > slowest ? took : slowest;
	want_tally(n);
	torture_check(r == 0, "a call afterwards failed with %d: %s", r, torture_error());
	torture_check(ret.count == w->count && ret.sum == w->sum,
		      "a call afterwards says count %jd, sum %jd; not %jd, %jd", (intmax_t)ret.count, (intmax_t)ret.sum,
		      (intmax_t)w->count, (intmax_t)w->sum);
}

void check_alive(void)
{
	static struct times unused;
	int64_t slow = slowest;
	check_progress(clock_now(), &unused);
	slowest = slow;
}

/* It may still answer while it is killed: then it is not yet the next one that does. */
void check_restart(void)
{
	uint64_t restarts = atomic_load(&stage_life()->restarts);
	int64_t slow = slowest, since = clock_now();
	kill(stage_coordinator(), SIGKILL);
	torture_check(torture_until(atomic_load(&stage_life()->restarts) != restarts), "it does not die");
	check_progress(since, &recoveries);
	slowest = slow;
}

void check_batch(bool by_event, int64_t since, struct times *t)
{
	if (torture_random(2))
		check_values();
	check_answer(by_event);
	times_add(&answers, clock_now() - since);
	check_progress(since, t);
	check_all();
}

void check_fickle(uint64_t done)
{
	want.now = want.after[done];
	want.applied -= 3 - done;
	want.rejected += 3 - done;
	if (done > 0) {
		check_answer(false);
	} else {
		int r = stoa_await(stage.s, answer.ticket, SOON);
		torture_check(r == -EBUSY && strcmp(torture_error(), "fickle") == 0,
			      "the answer is %d: %s; not that of the method", r, torture_error());
	}
	check_values();
}

/* ---- answers given later ---- */

void check_given(int64_t n)
{
	int r = stoa_await(stage.s, answer.ticket, SOON);
	torture_check(r == 0 && answer.ret.sum == n, "the answer that was given is %d, %jd, not %jd: %s", r,
		      (intmax_t)answer.ret.sum, (intmax_t)n, torture_error());
}

void check_not_given(void)
{
	torture_check(torture_until(handle_committed(stage.s) >= stage.target), "it is not run again");
	want.applied--;
	want.rejected++;
	int r = stoa_await(stage.s, answer.ticket, STOA_MS(1));
	torture_check(r == -ETIMEDOUT, "the answer is %d, and %jd: it was not given", r, (intmax_t)answer.ret.sum);
}

/* ---- the object that comes and goes ---- */

void check_created(void)
{
	struct tally t = { 1, 1, 1 };
	int r = stoa_open(stage.s, "extra", &tally_class, SOON, &stage.extra);
	r = r ? r : stoa_snapshot(stage.extra, &t, sizeof t, SOON, NULL);
	torture_check(r == 0 && t.count == 0 && t.sum == 0, "the new object is not there, or not new: %d, %s", r,
		      torture_error());
}

void check_removed(void)
{
	stage.extra = stoa_close(stage.extra);
	torture_check(stoa_open(stage.s, "extra", NULL, STOA_NOWAIT, &stage.extra) == -ENOENT,
		      "the removed object is there");
}

/* ---- guardians ---- */

static bool has_inherited(const struct stoa_health *h, pid_t old)
{
	return h->guardian > 0 && h->guardian != old && h->coordinator > 0 && h->coordinator != h->guardian;
}

/* The coordinator goes on in its place; or there is none, and whoever comes next starts one. */
static void await_guardian(pid_t old)
{
	struct stoa *again = NULL;
	struct stoa_health h = { 0 };
	int64_t end = clock_deadline(SOON);
	while (!(stoa_health(stage.s, &h) == 0 && has_inherited(&h, old)) && clock_now() < end) {
		if (h.verdict == STOA_GONE && !again)
			stoa_start("steps", STOA_CLASSES(&tally_class, &page_class, &desk_class),
				   STOA_OPTIONS(.flags = STOA_JOIN), &again);
		torture_pause();
	}
	stoa_detach(again);
	torture_check(has_inherited(&h, old), "there is no other guardian");
}

/* Whoever is guardian now has what the first one had, or two descriptors more that came with its start; never more. */
void check_inherited(pid_t old, int64_t since)
{
	int64_t slow = slowest;
	there.fds_most = there.fds_most ? there.fds_most : there.fds_guardian + 2;
	await_guardian(old);
	check_progress(since, &inheritances);
	check_restart();
	await_guardian(old);
	slowest = slow;
	torture_check(torture_until(atomic_load(&pulse()->threads) == there.threads), "lanes are given out");
	stage.guardian = atomic_load(&stage_life()->guardian);
	torture_check(torture_until(torture_count_fds(stage.guardian) <= there.fds_most),
		      "the guardian has %d descriptors", torture_count_fds(stage.guardian));
	note_servers();
	check_all();
}

/* ---- after a failure ---- */

void promises_accept(void)
{
	struct stoa_health h = { 0 };
	struct page p = { 0 };
	struct stoa_stamp stamp = { 0 };
	struct tally *w = &want.now.tally;
	stoa_snapshot(stage.tally, w, sizeof *w, SOON, NULL);
	stoa_get(stage.tally, offsetof(struct tally, count), &w->count, sizeof w->count, SOON, &stamp);
	want.twice = w->count + 1 - (int64_t)stamp.changes;
	if (stoa_snapshot(stage.page, &p, sizeof p, SOON, NULL) == 0) {
		want.now.pages = p.count;
		snprintf(want.now.text, sizeof want.now.text, "%s", p.text.data ? p.text.data : "");
	}
	stoa_text_fini(&p.text);
	stoa_health(stage.s, &h);
	want.applied = h.applied;
	want.rejected = h.rejected;
	promises_note();
}
