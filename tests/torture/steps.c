/*
 * steps.c: kill or stop a process between any two of its instructions, and check every promise afterwards.
 *
 * A run of the victim is recorded by ptrace, instruction by instruction; then it is taken to each of them in turn and
 * ends there, while the others go on. Nothing between two instructions is missed, for there is nothing: at an
 * instruction's boundary a store of an aligned word is done or it is not, and on x86 and arm64 no other CPU can see more
 * than that. What this does not show is the order in which stores become visible to a CPU that runs at the same moment
 * (tests/model does), nor a kill in the middle of a system call, beyond what the kernel has done before it and after it.
 * The short form takes the points that others can tell apart: a dead process's own memory is gone, so two points with no
 * change of shared memory and no system call between them are one.
 *
 * Here are the scenarios, and how they share the time. stage.c is what they play on, victims.c who is taken to a point,
 * points.c to which one, trace.c how, promises.c what must hold then.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "include/stoa.h"
#include "proxy/handle.h"
#include "src/ring.h"
#include "tests/torture/points.h"
#include "tests/torture/promises.h"
#include "tests/torture/stage.h"
#include "tests/torture/torture.h"
#include "tests/torture/trace.h"
#include "tests/torture/victims.h"

#define SHORT_SECONDS 8
#define POINTS_MIN 2 /* of each scenario, whatever the time */
#define SLOW_TIMES 3
#define STEPWISE_MAX 20000 /* a run this long can be stepped through again and again */

struct scenario {
	const char *what;
	struct trace *trace;
	bool (*run)(const struct scenario *sc, struct pick at); /* false: the point was missed */
	double weight;						/* its share of the time */
	bool all;	    /* in the long form, also the points that others cannot tell apart */
	bool pairs;	    /* of a point, and one of the next victim */
	enum errand errand; /* of a client */
	bool asleep;
};

static struct trace turn_trace, recovery_trace, create_trace, remove_trace, give_trace, respawn_trace, hearing_trace;
static struct trace call_trace, sleep_trace, read_trace, many_trace, attach_trace;

/* ---- pauses ---- */

static struct times pauses;

/* How long a stopped one stays stopped: 0.1 to 5 s, mostly short. */
static int64_t draw_pause(void)
{
	return torture_random(8) || !torture.lengthy ? STOA_MS(100 + torture_random(300))
						     : STOA_MS(1000 + torture_random(4000));
}

/* Stop one that is held, and continue it later. It may have been continued, or ended, by others before. */
static void pause_process(pid_t pid, void (*meanwhile)(void))
{
	int64_t ns = draw_pause(), since = clock_now();
	trace_let_go(pid, SIGSTOP);
	if (meanwhile)
		meanwhile();
	int64_t left = since + ns - clock_now();
	if (left > 0)
		nanosleep(&(struct timespec){ .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 }, NULL);
	kill(pid, SIGCONT);
	times_add(&pauses, clock_now() - since);
}

/* ---- recording ---- */

static void record(pid_t pid, const struct watched *w, bool coarse, struct trace *ret)
{
	enum trace_end end = trace_record(pid, w, coarse, ret);
	torture_check(end == TRACE_OVER, "the victim died");
	torture_check(ret->n > 1, "there is nothing to be seen of it");
}

/* Without the guardian, who ends one that takes so long. */
static void record_coordinator(pid_t pid, bool coarse, struct trace *ret)
{
	torture_check(trace_hold(stage.guardian), "the guardian cannot be held");
	record(pid, &of_coordinator, coarse, ret);
	trace_let_go(stage.guardian, 0);
	trace_let_go(pid, 0);
}

static void record_turn(void)
{
	torture_where("recording a turn");
	pid_t pid = victims_coordinator();
	stage_batch();
	record_coordinator(pid, false, &turn_trace);
	check_answer(false);
	check_alive();
	check_all();
}

static void record_recovery(void)
{
	torture_where("recording a recovery");
	pid_t pid = victims_coordinator();
	stage_batch();
	trace_run(pid, &of_coordinator, &turn_trace, turn_trace.n / 2);
	pid = victims_succeed(pid);
	record_coordinator(pid, !torture.lengthy, &recovery_trace);
	check_answer(false);
	check_alive();
	check_all();
}

static void record_create(void)
{
	torture_where("recording a creation");
	stage_create();
	stage_remove();
	check_removed();
	promises_note(); /* there is room for it in the heap now */
	pid_t pid = victims_coordinator();
	stage_ask_create();
	record_coordinator(pid, false, &create_trace);
	check_created();
}

static void record_remove(void)
{
	torture_where("recording a removal");
	pid_t pid = victims_coordinator();
	stage_ask_remove();
	record_coordinator(pid, false, &remove_trace);
	check_removed();
	check_all();
}

static void record_give(void)
{
	torture_where("recording an answer that is given later");
	stage_wait();
	pid_t pid = victims_coordinator();
	stage_give(1);
	record_coordinator(pid, false, &give_trace);
	check_given(1);
	check_all();
}

static void record_errand(enum errand errand, bool asleep, struct trace *ret)
{
	torture_where("recording a client, errand %d", (int)errand);
	pid_t pid = victims_client(errand, asleep);
	record(pid, &of_client, false, ret);
	torture_check(shared->status == 0, "its call failed with %d", shared->status);
	victims_release();
	trace_kill(pid);
	victims_want();
	check_alive();
	check_all();
}

static void record_call(void)
{
	record_errand(CALL, false, &call_trace);
}
static void record_sleep(void)
{
	record_errand(CALL, true, &sleep_trace);
}
static void record_read(void)
{
	record_errand(CAST_AND_READ, false, &read_trace);
}
static void record_many(void)
{
	record_errand(CALL_MANY, false, &many_trace);
}
static void record_attach(void)
{
	record_errand(ATTACH, false, &attach_trace);
}

static void record_respawn(void)
{
	torture_where("recording a guardian that brings a coordinator back");
	victims_hold_respawn();
	record(stage.guardian, &of_respawn, false, &respawn_trace);
	trace_let_go(stage.guardian, 0);
	check_alive();
	check_all();
}

static void record_hearing(void)
{
	torture_where("recording a guardian that hears of a client");
	pid_t client = victims_hold_hearing();
	record(stage.guardian, &of_hearing, false, &hearing_trace);
	trace_let_go(stage.guardian, 0);
	victims_finish_hearing(client);
	check_alive();
	check_all();
}

/* False: one of them failed. */
static bool record_all(void)
{
	void (*const recordings[])(void) = { record_turn,     record_call,   record_sleep,   record_read,
					     record_many,     record_attach, record_respawn, record_hearing,
					     record_recovery, record_create, record_remove, record_give };
	for (size_t i = 0; i < sizeof recordings / sizeof *recordings && !torture.failures; i++)
		recordings[i]();
	return torture.failures == 0;
}

/* ---- the coordinator is the victim ---- */

static void end_victim(pid_t pid, enum trace_end end)
{
	if (end != TRACE_DIED)
		trace_kill(pid);
}

static bool kill_in_turn(const struct scenario *sc, struct pick at)
{
	pid_t pid = victims_coordinator();
	stage_batch();
	enum trace_end end = trace_run(pid, &of_coordinator, sc->trace, at.k);
	end_victim(pid, end);
	check_batch(at.k % 2, clock_now(), &recoveries);
	return end == TRACE_THERE;
}

/* From here on the methods do not do what they did: nothing of the first time may be seen. How many were committed. */
static uint64_t turn_fickle(void)
{
	atomic_store(&shared->fickle, 1);
	return handle_committed(stage.s) - (stage.target - 3);
}

/* After a death: the batch was done; or, with fickle methods, `done` of it, and the rest was refused. */
static void check_dead(struct pick at, uint64_t done)
{
	int64_t since = clock_now();
	if (!atomic_load(&shared->fickle)) {
		check_batch(at.k % 2, since, &recoveries);
		return;
	}
	check_fickle(done);
	atomic_store(&shared->fickle, 0);
	check_progress(since, &recoveries);
	check_all();
}

static bool kill_in_fickle_turn(const struct scenario *sc, struct pick at)
{
	pid_t pid = victims_coordinator();
	stage_batch();
	enum trace_end end = trace_run(pid, &of_coordinator, sc->trace, at.k);
	uint64_t done = turn_fickle();
	end_victim(pid, end);
	check_dead(at, done);
	return end == TRACE_THERE;
}

static bool kill_in_create(const struct scenario *sc, struct pick at)
{
	pid_t pid = victims_coordinator();
	stage_ask_create();
	enum trace_end end = trace_run(pid, &of_coordinator, sc->trace, at.k);
	end_victim(pid, end);
	check_progress(clock_now(), &recoveries);
	check_created();
	stage_remove();
	check_removed();
	check_all();
	return end == TRACE_THERE;
}

static bool kill_in_remove(const struct scenario *sc, struct pick at)
{
	stage_create();
	pid_t pid = victims_coordinator();
	stage_ask_remove();
	enum trace_end end = trace_run(pid, &of_coordinator, sc->trace, at.k);
	end_victim(pid, end);
	check_progress(clock_now(), &recoveries);
	check_removed();
	check_all();
	return end == TRACE_THERE;
}

/* In half of the cases the method fails when it is run again: then it has answered nothing, and the next one does. */
static bool kill_in_give(const struct scenario *sc, struct pick at)
{
	stage_wait();
	pid_t pid = victims_coordinator();
	stage_give(at.k);
	enum trace_end end = trace_run(pid, &of_coordinator, sc->trace, at.k);
	bool fails = handle_committed(stage.s) < stage.target && torture_random(2);
	atomic_store(&shared->fickle, fails);
	end_victim(pid, end);
	int64_t since = clock_now();
	if (fails) {
		check_not_given();
		atomic_store(&shared->fickle, 0);
		stage_give(at.k);
	}
	check_given(at.k);
	check_progress(since, &recoveries);
	check_all();
	return end == TRACE_THERE;
}

/* By the end of the pause the guardian may have ended it. */
static bool stop_in_turn(const struct scenario *sc, struct pick at)
{
	pid_t pid = victims_coordinator();
	stage_batch();
	enum trace_end end = trace_run(pid, &of_coordinator, sc->trace, at.k);
	if (end != TRACE_DIED)
		pause_process(pid, NULL);
	check_batch(at.k % 2, clock_now(), &resumptions);
	return end == TRACE_THERE;
}

/* ---- its successor is, and the successor of that ---- */

/* Killed somewhere in a turn, in which it has committed so many; the next one is held. */
static pid_t first_death(bool fickle, uint64_t *ret_done)
{
	pid_t pid = victims_coordinator();
	stage_batch();
	trace_run(pid, &of_coordinator, &turn_trace, (size_t)torture_random(turn_trace.n));
	*ret_done = fickle ? turn_fickle() : 3;
	return victims_succeed(pid);
}

static bool kill_in_recovery(const struct scenario *sc, struct pick at)
{
	uint64_t done;
	pid_t pid = first_death(torture_random(4) == 0, &done);
	enum trace_end end = trace_run(pid, &of_coordinator, sc->trace, at.k);
	end_victim(pid, end);
	check_dead(at, done);
	return end == TRACE_THERE;
}

static bool kill_in_both_recoveries(const struct scenario *sc, struct pick at)
{
	uint64_t done;
	pid_t pid = first_death(torture_random(4) == 0, &done);
	enum trace_end second = trace_run(pid, &of_coordinator, sc->trace, at.k);
	pid = victims_succeed(pid);
	enum trace_end third = trace_run(pid, &of_coordinator, sc->trace, at.next);
	end_victim(pid, third);
	check_dead(at, done);
	return second == TRACE_THERE && third == TRACE_THERE;
}

static bool stop_in_recovery(const struct scenario *sc, struct pick at)
{
	uint64_t done;
	pid_t pid = first_death(false, &done);
	enum trace_end end = trace_run(pid, &of_coordinator, sc->trace, at.k);
	if (end != TRACE_DIED)
		pause_process(pid, NULL);
	check_batch(at.k % 2, clock_now(), &resumptions);
	return end == TRACE_THERE;
}

/* ---- a client is ---- */

static bool published;

/* Once if its command got into the queue, else not at all. */
static void check_errand(void)
{
	const struct tally *w = &want.now.tally;
	torture_check(published || !victims_is_done(), "the call returned %d, and no command was queued",
		      shared->status);
	if (published)
		victims_want();
	if (victims_is_done())
		torture_check(shared->status == 0 && shared->ret.count == w->count && shared->ret.sum == w->sum,
			      "the call returned %d, count %jd, sum %jd; not %jd, %jd", shared->status,
			      (intmax_t)shared->ret.count, (intmax_t)shared->ret.sum, (intmax_t)w->count,
			      (intmax_t)w->sum);
}

static bool kill_in_call(const struct scenario *sc, struct pick at)
{
	pid_t pid = victims_client(sc->errand, sc->asleep);
	uint64_t before = ring_end(&stage.s->space);
	enum trace_end end = trace_run(pid, &of_client, sc->trace, at.k);
	trace_kill(pid);
	int64_t since = clock_now();
	published = ring_end(&stage.s->space) > before;
	check_errand();
	victims_release();
	check_progress(since, &survivors);
	check_all();
	return end == TRACE_THERE;
}

static void go_on_without_it(void)
{
	int64_t since = clock_now();
	victims_release();
	if (published)
		victims_want();
	check_progress(since, &survivors);
	check_values();
}

static bool stop_in_call(const struct scenario *sc, struct pick at)
{
	pid_t pid = victims_client(sc->errand, sc->asleep);
	uint64_t before = ring_end(&stage.s->space);
	enum trace_end end = trace_run(pid, &of_client, sc->trace, at.k);
	published = ring_end(&stage.s->space) > before;
	pause_process(pid, go_on_without_it);
	torture_check(torture_until(victims_is_done()), "the client does not go on");
	torture_check(shared->status == 0, "its call failed with %d", shared->status);
	if (!published)
		victims_want();
	victims_end_client(pid);
	check_all();
	return end == TRACE_THERE;
}

/* ---- the guardian is ---- */

/* In single steps: a breakpoint would go into the child that it forks. */
static enum trace_end run_guardian(const struct watched *w, const struct scenario *sc, struct pick at)
{
	trace_stepwise = true;
	enum trace_end end = trace_run(stage.guardian, w, sc->trace, at.k);
	trace_stepwise = false;
	return end;
}

static bool kill_in_respawn(const struct scenario *sc, struct pick at)
{
	pid_t old = stage.guardian;
	victims_hold_respawn();
	enum trace_end end = run_guardian(&of_respawn, sc, at);
	trace_kill(old);
	check_inherited(old, clock_now());
	return end == TRACE_THERE;
}

static bool kill_in_hearing(const struct scenario *sc, struct pick at)
{
	pid_t old = stage.guardian, client = victims_hold_hearing();
	enum trace_end end = run_guardian(&of_hearing, sc, at);
	trace_kill(old);
	int64_t since = clock_now();
	victims_finish_hearing(client);
	check_inherited(old, since);
	return end == TRACE_THERE;
}

/* What the coordinator tells it, or its death, continues a guardian: then the pause is shorter than it was to be. */
static bool stop_in_respawn(const struct scenario *sc, struct pick at)
{
	victims_hold_respawn();
	enum trace_end end = run_guardian(&of_respawn, sc, at);
	pause_process(stage.guardian, NULL);
	check_progress(clock_now(), &resumptions);
	check_all();
	return end == TRACE_THERE;
}

static bool stop_in_hearing(const struct scenario *sc, struct pick at)
{
	pid_t client = victims_hold_hearing();
	enum trace_end end = run_guardian(&of_hearing, sc, at);
	pause_process(stage.guardian, NULL);
	victims_finish_hearing(client);
	check_progress(clock_now(), &resumptions);
	check_all();
	return end == TRACE_THERE;
}

/* ---- all of it ---- */

static const struct scenario scenarios[] = {
	{ "coordinator killed in its turn", &turn_trace, kill_in_turn, .weight = 3, .all = true },
	{ "coordinator killed in a turn that then fails", &turn_trace, kill_in_fickle_turn, .weight = 3, .all = true },
	{ "coordinator killed in a turn that creates", &create_trace, kill_in_create, .weight = 2 },
	{ "coordinator killed in a turn that removes", &remove_trace, kill_in_remove, .weight = 2 },
	{ "coordinator killed in a turn that answers", &give_trace, kill_in_give, .weight = 3, .all = true },
	{ "coordinator killed in its recovery", &recovery_trace, kill_in_recovery, .weight = 3 },
	{ "coordinator killed in its recovery, and the next", &recovery_trace, kill_in_both_recoveries, .weight = 3,
	  .pairs = true },
	{ "coordinator stopped in its turn", &turn_trace, stop_in_turn, .weight = 1 },
	{ "coordinator stopped in its recovery", &recovery_trace, stop_in_recovery, .weight = 1 },
	{ "client killed in a call", &call_trace, kill_in_call, .weight = 1, .all = true, .errand = CALL },
	{ "client killed in a call that sleeps", &sleep_trace, kill_in_call, .weight = 1, .all = true, .errand = CALL,
	  .asleep = true },
	{ "client killed in a cast and a read", &read_trace, kill_in_call, .weight = 1, .all = true,
	  .errand = CAST_AND_READ },
	{ "client killed in two calls in one", &many_trace, kill_in_call, .weight = 1, .all = true,
	  .errand = CALL_MANY },
	{ "client killed while it attaches", &attach_trace, kill_in_call, .weight = 2, .errand = ATTACH },
	{ "client stopped in a call", &call_trace, stop_in_call, .weight = 1, .errand = CALL },
	{ "client stopped in a call that sleeps", &sleep_trace, stop_in_call, .weight = 1, .errand = CALL,
	  .asleep = true },
	{ "client stopped in a cast and a read", &read_trace, stop_in_call, .weight = 1, .errand = CAST_AND_READ },
	{ "client stopped in two calls in one", &many_trace, stop_in_call, .weight = 1, .errand = CALL_MANY },
	{ "client stopped while it attaches", &attach_trace, stop_in_call, .weight = 1, .errand = ATTACH },
	{ "guardian killed while it brings a coordinator back", &respawn_trace, kill_in_respawn, .weight = 2 },
	{ "guardian killed while it hears of a client", &hearing_trace, kill_in_hearing, .weight = 2 },
	{ "guardian stopped while it brings a coordinator back", &respawn_trace, stop_in_respawn, .weight = 1 },
	{ "guardian stopped while it hears of a client", &hearing_trace, stop_in_hearing, .weight = 1 },
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

static struct share {
	struct points points;
	int64_t spent_ns;
} shares[SCENARIOS];

/* Slow at a point once may be the machine; slow there every time is not. */
static bool run_in_time(const struct scenario *sc, struct pick at)
{
	bool there = false;
	int64_t slow = 0;
	for (int i = 0; i < SLOW_TIMES; i++) {
		promises_slowest();
		there = sc->run(sc, at);
		if ((slow = promises_slowest()) <= BOUND)
			return there;
		printf("  %s, k = %u: survivors went on after %.0f ms\n", sc->what, at.k, (double)slow / 1e6);
	}
	torture_fail("survivors went on after %.0f ms, and were so late %d times", (double)slow / 1e6, SLOW_TIMES);
	return there;
}

/* A point that is missed may be on the way of one that has little time only. */
static bool can_step(const struct scenario *sc, struct pick at)
{
	const struct trace *t = sc->trace;
	return torture.lengthy && t->n < STEPWISE_MAX && (t->points[at.k].shared || torture_random(8) == 0);
}

static void play_one(size_t i, struct pick at)
{
	const struct scenario *sc = &scenarios[i];
	unsigned before = torture.failures;
	int64_t since = clock_now();
	torture_seed(torture.seed + (i << 32) + shares[i].points.done); /* whatever else there was time for */
	points_where(&shares[i].points, at, sc->what);
	bool there = run_in_time(sc, at);
	if (!there && can_step(sc, at)) {
		trace_stepwise = true;
		there = sc->run(sc, at);
		trace_stepwise = false;
	}
	shares[i].points.missed += !there;
	shares[i].spent_ns += clock_now() - since;
	if (torture.failures != before)
		promises_accept();
}

/* The scenario that has had the least of its share and has points left; SCENARIOS: none, or no time is left. */
static size_t neediest(void)
{
	bool late = clock_now() >= torture.end_ns;
	size_t best = SCENARIOS;
	double least = 0;
	for (size_t i = 0; i < SCENARIOS; i++) {
		double had = (double)shares[i].spent_ns / scenarios[i].weight;
		if (!points_are_left(&shares[i].points) || (late && shares[i].points.done >= POINTS_MIN) ||
		    (best != SCENARIOS && had >= least))
			continue;
		best = i;
		least = had;
	}
	return best;
}

/* ONLY: part of what it is called. */
static bool is_wanted(const struct scenario *sc)
{
	const char *only = getenv("ONLY");
	return !only || strstr(sc->what, only);
}

static void play(void)
{
	struct pick at;
	for (size_t i = 0; i < SCENARIOS; i++) {
		if (!is_wanted(&scenarios[i]))
			continue;
		torture_seed(torture.seed + i);
		points_make(&shares[i].points, scenarios[i].trace, torture.lengthy && scenarios[i].all,
			    scenarios[i].pairs);
	}
	for (size_t i; (i = neediest()) != SCENARIOS && points_next(&shares[i].points, &at);)
		play_one(i, at);
	torture_where("at the end");
	for (size_t i = 0; i < SCENARIOS; i++) {
		if (is_wanted(&scenarios[i]))
			points_print(&shares[i].points, scenarios[i].what);
		points_fini(&shares[i].points);
	}
}

static void print_times(void)
{
	times_print(&answers, "from a death or a pause to the answer");
	times_print(&recoveries, "from a coordinator's death to the next call");
	times_print(&inheritances, "from a guardian's death to the next call");
	times_print(&survivors, "from a client's death or pause to another's call");
	times_print(&resumptions, "from the end of a pause to the next call");
	times_print(&pauses, "how long a stopped one stayed stopped");
}

/* Both cells of each part have their room. */
static void warm_up(void)
{
	for (int i = 0; i < 3; i++) {
		stage_batch();
		check_answer(i % 2);
		stage_wait();
		stage_give(i);
		check_given(i);
	}
}

int main(void)
{
	torture_begin("steps", SHORT_SECONDS);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* the guardian is a descendant, which Yama lets us trace */
	if (TORTURE_SLOW)
		torture_skip("most instructions are those of the sanitizer, or of valgrind");
	if (!trace_allowed())
		torture_skip("no ptrace here");
	stage_open();
	warm_up();
	check_restart(); /* the first has one descriptor more: of the program that started it */
	promises_note();
	if (record_all()) {
		torture_go();
		play();
		print_times();
	}
	stage_close();
	return torture_end();
}
