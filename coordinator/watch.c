/*
 * watch.c: is the coordinator well? It is ended when a method overruns its deadline, when someone stopped it, or when
 * it hangs; what it ran when it died is noted as suspect.
 *
 * A verdict needs that both could run: after the guardian or the coordinator was stopped, lateness proves nothing for a
 * while. An overrun is seen twice, with a pause between, before it counts.
 */
#include "coordinator/guardian.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>

#include "coordinator/process.h"
#include "src/clock.h"

#define STOPPED_GRACE STOA_MS(600) /* with two looks and a start, service is back within a second */
#define HUNG_AFTER (5 * STOA_MS(1000))
#define LINK_GRACE STOA_MS(5) /* for a method that closed everything, to return */
#define ASLEEP_INTERVAL WATCH_DOZE_MS
#define AWAKE_INTERVAL 20 /* ms */
#define LATE_INTERVAL 5
#define LOST_INTERVAL 1

void watch_begin(struct watch *w, pid_t child)
{
	int64_t now = clock_now();
	*w = (struct watch){ .child = child, .forked_ns = now, .looked_ns = now };
}

int watch_interval(const struct watch *w, struct pulse *pulse)
{
	if (w->lost_ns && !w->ended)
		return LOST_INTERVAL;
	if (w->late)
		return LATE_INTERVAL;
	/* Before the look at `running`, all sequentially consistent: pairs with watch_tell. */
	atomic_store(&pulse->unwatched, 1);
	if (atomic_load(&pulse->running) == 0 && atomic_load(&pulse->asleep) && w->stopped_ns == 0)
		return ASLEEP_INTERVAL;
	atomic_store(&pulse->unwatched, 0);
	if (atomic_load(&pulse->running) == 0)
		return AWAKE_INTERVAL;
	int64_t deadline = atomic_load(&pulse->deadline_ns), left = (deadline - clock_now()) / 1000000 + 1;
	return deadline == 0 ? AWAKE_INTERVAL : left < 1 ? 1 : left < AWAKE_INTERVAL ? (int)left : AWAKE_INTERVAL;
}

void watch_tell(struct pulse *pulse, int link_fd)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&pulse->unwatched) == 0)
		return;
	atomic_store(&pulse->unwatched, 0);
	roster_tell(link_fd, LINK_RUNS, 0, "");
}

/* A debugger's stop is not seen here: that is another kind. */
static bool is_stopped(pid_t child)
{
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child;
}

static void end(struct watch *w)
{
	kill(w->child, SIGKILL);
	w->ended = true;
}

/* Could both run since the last look? */
static bool is_fair(struct watch *w, const struct namespace *ns, int64_t now)
{
	if (now - w->looked_ns > STOPPED_GRACE)
		w->excused_ns = now + STOPPED_GRACE;
	w->looked_ns = now;
	if (!is_stopped(w->child)) {
		w->stopped_ns = 0;
		return now >= w->excused_ns;
	}
	w->excused_ns = now + STOPPED_GRACE;
	if (w->stopped_ns == 0)
		w->stopped_ns = now;
	if (now - w->stopped_ns > STOPPED_GRACE) {
		namespace_log(ns, LOG_WARNING, "coordinator %d is stopped by a signal; ending it", (int)w->child);
		w->stopped = true;
		end(w);
	}
	return false;
}

/* It has begun to die, for whatever reason: the kernel closes descriptors after that. */
static bool is_exiting(pid_t pid)
{
	const unsigned exiting = 4; /* PF_EXITING */
	char path[64], text[512] = "";
	unsigned flags = exiting;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	const char *end = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	if (!end || sscanf(end, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
		flags = exiting;
	if (f)
		fclose(f);
	return flags & exiting;
}

/* Its link is closed: it is dying, or a method closed what it needs, or put another program in its place. */
static void look_at_lost(struct watch *w, const struct pulse *pulse, int64_t now)
{
	bool running = atomic_load(&pulse->running) != 0;
	if (running && now - w->lost_ns < LINK_GRACE)
		return;
	w->closed = running && !is_exiting(w->child);
	end(w);
}

/* Pairs with the coordinator, which stores the deadline before `running`. */
uint64_t watch_find_late(const struct pulse *pulse, int64_t now)
{
	uint64_t running = atomic_load_explicit(&pulse->running, memory_order_acquire);
	if (running == 0)
		return 0;
	int64_t deadline = atomic_load_explicit(&pulse->deadline_ns, memory_order_acquire);
	bool same = atomic_load_explicit(&pulse->running, memory_order_relaxed) == running;
	return same && deadline > 0 && now > deadline ? running : 0;
}

void watch_name(const struct space *space, uint64_t running, char *text, size_t size)
{
	uint32_t i = atomic_load(&space->state->pulse.object);
	const char *object = i < space->geometry.objects ? space_object(space, i)->name : "?";
	if (running == PULSE_LOADING)
		snprintf(text, size, "a hook of object %.*s", LAYOUT_NAME - 1, object);
	else
		snprintf(text, size, "the command with ticket %ju, of object %.*s", (uintmax_t)(running - 1),
			 LAYOUT_NAME - 1, object);
}

void watch_look(struct watch *w, const struct namespace *ns)
{
	const struct pulse *pulse = &ns->space.state->pulse;
	int64_t now = clock_now();
	if (w->ended)
		return;
	if (w->lost_ns)
		return look_at_lost(w, pulse, now);
	if (!is_fair(w, ns, now))
		return;
	uint64_t late = watch_find_late(pulse, now);
	if (late && late == w->late) {
		char what[WATCH_NAME];
		w->overran = late;
		watch_name(&ns->space, late, what, sizeof(what));
		namespace_log(ns, LOG_WARNING, "%s overran its deadline; ending coordinator %d", what, (int)w->child);
		end(w);
	}
	w->late = late;
	int64_t beat = atomic_load(&pulse->beat_ns);
	beat = beat > w->forked_ns ? beat : w->forked_ns;
	beat = beat > w->excused_ns ? beat : w->excused_ns;
	if (!w->ended && atomic_load(&pulse->running) == 0 && now - beat > HUNG_AFTER) {
		namespace_log(ns, LOG_ERR, "coordinator %d has not moved for %jd ms; ending it", (int)w->child,
			      (intmax_t)((now - beat) / 1000000));
		end(w);
	}
}

static bool is_own(int status)
{
	int sig = WIFEXITED(status) ? SIGABRT : WTERMSIG(status);
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGABRT || sig == SIGSYS ||
	       sig == SIGTRAP;
}

/* The hooks of its class failed on the state of an object: is it quarantined now?
 * A kill from outside is not its fault. */
static bool note_loading(const struct watch *w, const struct space *space, bool own)
{
	uint32_t i = atomic_load(&space->state->pulse.object);
	if (i >= space->geometry.objects)
		return false;
	_Atomic uint32_t *crashes = &space_object(space, i)->crashes;
	/* Not the hook of another object, which has run since. */
	if (w->overran == PULSE_LOADING && watch_find_late(&space->state->pulse, clock_now()))
		atomic_store(crashes, CRASHES_MAX);
	else if (own)
		atomic_fetch_add(crashes, 1);
	return atomic_load(crashes) >= CRASHES_MAX;
}

static void note_command(const struct watch *w, struct state_head *state, uint64_t running, bool own)
{
	struct life *life = &state->life;
	if (atomic_load(&life->suspect) != running) {
		atomic_store(&life->suspect_crashes, 0);
		atomic_store(&life->suspect_kills, 0);
		atomic_store(&life->suspect_stops, 0);
		atomic_store(&life->suspect_overran, 0);
		atomic_store(&life->suspect, running);
	}
	/* Ended for an overrun that finished meanwhile: what runs now has done nothing. */
	if (w->overran == running)
		atomic_store(&life->suspect_overran, 1);
	else if (own)
		atomic_fetch_add(&life->suspect_crashes, 1);
	else if (w->stopped)
		atomic_fetch_add(&life->suspect_stops, 1);
	else if (w->overran == 0)
		atomic_fetch_add(&life->suspect_kills, 1);
	atomic_store(&life->suspect_job, atomic_load(&state->pulse.job));
}

bool watch_note(const struct watch *w, const struct space *space, int status)
{
	bool progress = false;
	struct state_head *state = space->state;
	uint64_t running = atomic_load(&state->pulse.running);
	bool own = w->closed || is_own(status);
	if (running == PULSE_LOADING)
		progress = note_loading(w, space, own);
	else if (running) {
		note_command(w, state, running, own);
		atomic_store(&state->life.suspect_status, w->closed ? STATUS_CLOSED : status);
	}
	atomic_store(&state->pulse.running, 0);
	return progress;
}
