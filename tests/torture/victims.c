/*
 * victims.c: see victims.h.
 */
#include "tests/torture/victims.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa.h"
#include "proxy/handle.h"
#include "src/park.h"
#include "tests/torture/stage.h"
#include "tests/torture/torture.h"

/* ---- coordinators ---- */

const struct watched of_coordinator = { .over = stage_is_over, .regions = stage.regions };

/* What a dead one left says that it sleeps, until the next one has come so far. */
static bool hold_idle(pid_t *ret)
{
	pid_t pid = atomic_load(&stage_life()->coordinator);
	if (pid <= 0 || !stage_is_idle() || !trace_sleeps(pid) || !trace_hold(pid))
		return false;
	*ret = pid;
	if (stage_is_idle() && atomic_load(&stage_life()->coordinator) == pid)
		return true;
	trace_let_go(pid, 0);
	return false;
}

pid_t victims_coordinator(void)
{
	pid_t pid = 0;
	torture_check(torture_until(hold_idle(&pid)), "no coordinator that sleeps can be held");
	return pid;
}

/* What the dead left: only the next one's own sleep counts. */
static void forget_sleep(void)
{
	atomic_fetch_and(&stage.s->space.ingress->doorbell, ~1u);
}

pid_t victims_succeed(pid_t coordinator)
{
	torture_check(trace_hold(stage.guardian) && trace_forks(stage.guardian), "the guardian cannot be held");
	trace_kill(coordinator);
	forget_sleep();
	pid_t next = trace_next_child(stage.guardian);
	torture_check(next > 0, "no coordinator follows");
	return next;
}

/* ---- clients ---- */

static pid_t held; /* a coordinator that is held until its client sleeps; 0: none */

void victims_release(void)
{
	if (held)
		trace_let_go(held, 0);
	held = 0;
}

bool victims_is_done(void)
{
	return atomic_load(&shared->done);
}

const struct watched of_client = { .over = victims_is_done, .blocked = victims_release, .regions = stage.regions };

static int cast_and_read(const struct tally_args *args)
{
	int r = stoa_cast(stage.tally, &tally_add_row, args, SOON);
	r = r ? r : STOA_GET(stage.tally, struct tally, count, &shared->ret.count, SOON);
	return r ? r : STOA_GET(stage.tally, struct tally, sum, &shared->ret.sum, SOON);
}

static int call_many(const struct tally_args *args)
{
	struct stoa_command both[] = {
		{ .proxy = stage.tally, .method = &tally_add_row, .args = args },
		{ .proxy = stage.tally, .method = &tally_add_row, .args = args, .ret = &shared->ret }
	};
	return stoa_call_many(stage.s, 2, both, SOON);
}

static int run_errand(void)
{
	const struct tally_args args = { shared->n };
	if (shared->errand == CAST_AND_READ)
		return cast_and_read(&args);
	if (shared->errand == CALL_MANY)
		return call_many(&args);
	return stoa_call(stage.tally, &tally_add_row, &args, &shared->ret, SOON);
}

void victims_want(void)
{
	want_tally(shared->n);
	if (shared->errand != CALL_MANY)
		return;
	want_tally(shared->n);
	want.applied--; /* both are one command */
	want.twice++;
}

static void be_client(void)
{
	if (shared->errand != ATTACH && stoa_attach_thread(stage.s) < 0)
		_exit(1);
	atomic_store(&shared->ready, 1);
	while (!atomic_load(&shared->go))
		park_pause();
	shared->status = run_errand();
	atomic_store(&shared->done, 1);
	for (;;)
		pause();
}

pid_t victims_client(enum errand errand, bool asleep)
{
	*shared = (struct shared){ .n = (int64_t)torture_random(1000), .errand = (int)errand };
	pid_t pid = fork();
	if (pid == 0)
		be_client();
	torture_check(torture_until(atomic_load(&shared->ready)), "the client does not attach");
	if (asleep)
		held = victims_coordinator();
	torture_check(trace_hold(pid), "the client cannot be held");
	torture_check(asleep || torture_until(stage_is_idle()),
		      "the coordinator does not sleep"); /* and is to be rung */
	atomic_store(&shared->go, 1);
	return pid;
}

void victims_end_client(pid_t client)
{
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
}

/* ---- guardians ---- */

static pid_t waiting; /* a client that is held until the guardian sleeps; 0: none */

static void let_client_go(void)
{
	if (waiting)
		trace_let_go(waiting, 0);
	waiting = 0;
}

static bool has_respawned(void)
{
	return stage_is_over() && trace_sleeps(stage.guardian);
}
static bool has_heard(void)
{
	return victims_is_done() && trace_sleeps(stage.guardian);
}
const struct watched of_respawn = { .over = has_respawned, .regions = stage.regions };
const struct watched of_hearing = { .over = has_heard, .blocked = let_client_go, .regions = stage.regions };

void victims_hold_respawn(void)
{
	torture_check(torture_until(stage_is_idle()), "the coordinator does not sleep");
	pid_t pid = stage_coordinator();
	torture_check(trace_hold(stage.guardian), "the guardian cannot be held");
	kill(pid, SIGKILL);
	torture_check(torture_until(torture_count_fds(pid) <= 0), "the coordinator does not die");
	forget_sleep();
	stage.target = handle_committed(stage.s);
}

pid_t victims_hold_hearing(void)
{
	waiting = victims_client(ATTACH, false);
	torture_check(trace_hold(stage.guardian), "the guardian cannot be held");
	return waiting;
}

void victims_finish_hearing(pid_t client)
{
	let_client_go();
	torture_check(torture_until(victims_is_done()) && shared->status == 0, "its call failed with %d",
		      shared->status);
	victims_want();
	victims_end_client(client);
}
