/*
 * guardian.c: forks coordinators until one has ended the namespace.
 *
 * The guardian runs no code of classes, and keeps what a coordinator must not take with it into its death: lock,
 * descriptors, roster. When the guardian dies, its coordinator returns from coordinator_run, and goes on here as the
 * guardian: from then on it never returns to the program that had called guardian_run.
 */
#include "coordinator/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "coordinator/files.h"
#include "coordinator/orphan.h"
#include "coordinator/process.h"
#include "src/clock.h"
#include "src/error.h"

#define ENDED 1 /* the outcome of a step, beside 0 (go on) and an error */

#define LINK_BYTES (1 << 20)
#define LOCK_WAIT STOA_MS(1000)
#define DEATHS_AT_ONCE 10
#define DEATHS_AT_START 10
#define DEATHS_MAX 60 /* about a minute of pauses */
#define PAUSE_MIN STOA_MS(10)
#define PAUSE_MAX STOA_MS(1000)
#define PAUSE_FORGET (10 * STOA_MS(1000)) /* who lived so long is not in a loop */

/* ---- the process of the guardian --------------------------------------------------------------------------- */

/* Signals that end a daemon go to a descriptor. The guardian of an embedded start ignores them (start.c). */
static int open_signals(struct guardian *g)
{
	sigset_t set;
	sigemptyset(&set);
	if (g->ns->embedded)
		return 0;
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	g->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (g->signal_fd < 0)
		return error_set(-errno, "cannot make a signalfd: %s", strerror(errno));
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return 0;
}

static int begin(struct guardian *g)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	pthread_sigmask(SIG_BLOCK, NULL, &g->old_mask);
	sigaction(SIGCHLD, &dfl, &g->old_chld); /* ignored, it would keep the children's ends from us */
	sigaction(SIGCONT, &dfl, &g->old_cont); /* open_link has us sent it for nothing */
	process_raise_files(&g->old_files);
	if (g->ns->embedded || getsid(0) == getpid()) /* in a session that is not ours are our clients, perhaps */
		g->session = process_prefer_session();
	else
		g->session = -EPERM;
	g->pid_fd = g->signal_fd = -1;
	return open_signals(g);
}

static void finish(struct guardian *g)
{
	process_close(&g->pid_fd);
	process_close(&g->signal_fd);
	process_restore_files(&g->old_files);
	if (g->session == 0)
		process_restore_session();
	sigaction(SIGCHLD, &g->old_chld, NULL);
	sigaction(SIGCONT, &g->old_cont, NULL);
	pthread_sigmask(SIG_SETMASK, &g->old_mask, NULL);
}

/* ---- the process of the coordinator ------------------------------------------------------------------------ */

/* In the child. The state is ours to write while we hold byte 1, and the guardian is still the one that forked us. */
static int take_state(const struct namespace *ns, pid_t guardian)
{
	int r = lock_take(ns->lock_fd, LOCK_COORDINATOR, LOCK_WAIT, NULL);
	if (r == 0 && files_in_place(ns) && atomic_load(&ns->space.state->life.guardian) == guardian)
		return 0;
	roster_tell(ns->link_fd, LINK_FAILED, -EEXIST, "the namespace was taken by another coordinator");
	return -EEXIST;
}

/* In a coordinator without guardian: become it, for good. */
static int inherit(struct guardian *g)
{
	struct namespace *ns = g->ns;
	if (lock_take(ns->lock_fd, LOCK_GUARDIAN, LOCK_WAIT, NULL) < 0)
		_exit(COORDINATOR_FAILED);
	lock_drop(ns->lock_fd, LOCK_COORDINATOR);
	process_close(&ns->link_fd);
	atomic_store(&ns->space.state->life.guardian, getpid());
	atomic_fetch_add(&ns->space.state->life.restarts, 1);
	*g = (struct guardian){ .ns = ns, .serving = true, .orphan = true };
	ns->options.alive = NULL;
	namespace_log(ns, LOG_WARNING, "the guardian of namespace %s died; pid %d goes on as guardian", ns->name,
		      (int)getpid());
	process_prefer_no_more();
	return begin(g);
}

static int be_coordinator(struct guardian *g, int link_fd, pid_t guardian)
{
	process_close(&g->signal_fd);
	process_close(&g->ns->report_fd);
	g->ns->link_fd = link_fd;
	process_reset_signals(g->ns->embedded);
	process_no_core();
	process_prefer();
	orphan_begin(g->ns);
	if (take_state(g->ns, guardian) < 0)
		_exit(COORDINATOR_FAILED);
	enum coordinator_exit e = coordinator_run(g->ns);
	if (e == COORDINATOR_ENDED)
		namespace_end(g->ns); /* the guardian does it again, if it lives: for a file to stay both must die */
	if (e != COORDINATOR_ORPHANED)
		_exit(e);
	orphan_end();
	return inherit(g);
}

/* ---- forking ----------------------------------------------------------------------------------------------- */

/*
 * What the coordinator says, and its death, also continue a guardian that somebody stopped: the kernel sends it SIGCONT
 * for them, which does nothing to one that runs.
 */
static int open_link(int ret_pair[2])
{
	const int bytes = LINK_BYTES;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_pair) < 0)
		return error_set(-errno, "cannot make a socket pair: %s", strerror(errno));
	setsockopt(ret_pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	fcntl(ret_pair[0], F_SETOWN, getpid());
	fcntl(ret_pair[0], F_SETSIG, SIGCONT);
	fcntl(ret_pair[0], F_SETFL, O_NONBLOCK | O_ASYNC);
	return 0;
}

/* Returns in the guardian; and in the child only when it has become the guardian. */
static int spawn(struct guardian *g)
{
	struct namespace *ns = g->ns;
	int pair[2], r = open_link(pair);
	if (r < 0)
		return r;
	pid_t guardian = getpid(), child = fork();
	if (child == 0) {
		close(pair[0]);
		return be_coordinator(g, pair[1], guardian);
	}
	r = -errno;
	close(pair[1]);
	if (child < 0) {
		close(pair[0]);
		return error_set(r, "cannot fork a coordinator: %s", strerror(-r));
	}
	ns->link_fd = pair[0];
	g->failed.kind = LINK_NONE;
	g->pid_fd = (int)syscall(SYS_pidfd_open, child, 0); /* without it, deaths are seen at the next look */
	atomic_store(&ns->space.state->life.coordinator, child);
	watch_begin(&g->watch, child);
	if (g->stopping)
		kill(child, SIGTERM);
	return 0;
}

/* ---- deaths ------------------------------------------------------------------------------------------------ */

static int give_up(const struct guardian *g, const char *how)
{
	return error_set(-ENOTCONN, "the coordinator of namespace \"%s\" died %u times without progress, %s",
			 g->ns->name, g->deaths, how);
}

/* Fork again at once; but not for ever, and slower and slower, when it gets nowhere. */
static int plan(struct guardian *g, const char *how)
{
	uint64_t committed = atomic_load(&g->ns->space.state->committed);
	int64_t now = clock_now();
	bool loops = committed == g->committed && !g->progress && now - g->watch.forked_ns < PAUSE_FORGET;
	bool slow = g->serving && g->pause_ns == 0 && now - g->first_ns > STOA_MS(1000);
	g->progress = false;
	if (!loops || slow) {
		g->deaths = 0;
		g->pause_ns = 0;
		g->first_ns = now;
		g->committed = committed;
	}
	g->deaths++;
	if (g->deaths >= (g->serving ? DEATHS_MAX : DEATHS_AT_START))
		return give_up(g, how);
	if (g->deaths > DEATHS_AT_ONCE)
		g->pause_ns = g->pause_ns == 0 ? PAUSE_MIN : g->pause_ns * 2 < PAUSE_MAX ? g->pause_ns * 2 : PAUSE_MAX;
	g->fork_ns = now + g->pause_ns;
	return 0;
}

/* A method that calls exit(0) has ended nothing; a coordinator that was killed while it removed the files has. */
static bool is_end(const struct state_head *state)
{
	return atomic_load(&state->pulse.running) == 0 && atomic_load(&state->life.phase) == LIFE_ENDED;
}

/* The suspect is to have its second try in a process in which no method has run. */
static bool is_again(const struct state_head *state, int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == COORDINATOR_AGAIN && atomic_load(&state->pulse.running) == 0;
}

static void log_death(const struct guardian *g, const char *how)
{
	char what[WATCH_NAME];
	uint64_t running = atomic_load(&g->ns->space.state->pulse.running);
	if (running)
		watch_name(&g->ns->space, running, what, sizeof(what));
	namespace_log(g->ns, LOG_WARNING, "coordinator %d died, %s%s%s", (int)g->watch.child, how,
		      running ? ", in " : "", running ? what : "");
}

static int judge(struct guardian *g, int status)
{
	struct state_head *state = g->ns->space.state;
	char how[64];
	if (is_end(state))
		return ENDED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == COORDINATOR_FAILED && g->failed.kind == LINK_FAILED) {
		snprintf(how, sizeof(how), "as it could not start");
		if (!g->serving)
			return error_set(g->failed.code < 0 ? g->failed.code : -EIO, "%s", g->failed.text);
		namespace_log(g->ns, LOG_ERR, "the coordinator cannot start again: %s", g->failed.text);
	} else if (is_again(state, status)) {
		snprintf(how, sizeof(how), "to try a command again");
	} else {
		process_how(status, how, sizeof(how));
		log_death(g, how);
		g->progress = watch_note(&g->watch, &g->ns->space, status);
	}
	atomic_fetch_add(&state->life.restarts, 1);
	return plan(g, how);
}

static void begin_serving(struct guardian *g)
{
	size_t n = 0;
	while (g->ns->classes[n])
		n++;
	g->serving = true;
	namespace_log(g->ns, LOG_INFO, "serving namespace %s, pid %d, %zu class%s, in %s", g->ns->name,
		      (int)getpid(), n, n == 1 ? "" : "es", g->ns->dir);
	if (g->ready)
		g->ready(g->data);
}

static void hear_link(struct guardian *g)
{
	struct link_message m;
	int r = 0;
	while (g->ns->link_fd >= 0 && (r = roster_hear(&g->ns->roster, g->ns->link_fd, &m)) > 0) {
		if (m.kind == LINK_FAILED)
			g->failed = m;
		else if (m.kind == LINK_READY && !g->serving)
			begin_serving(g);
		else if (m.kind == LINK_READY)
			namespace_log(g->ns, LOG_NOTICE, "coordinator %d took over", (int)g->watch.child);
	}
	if (r == 0)
		return;
	process_close(&g->ns->link_fd); /* else its end would wake every poll until the child is dead */
	g->watch.lost_ns = clock_now();
}

/* 0: it lives, or another is to be forked. */
static int reap(struct guardian *g)
{
	int status;
	pid_t pid = waitpid(g->watch.child, &status, WNOHANG);
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return 0;
	if (pid < 0)
		status = SIGKILL; /* a thread of the program waited for our child: how it died is lost */
	hear_link(g);
	process_close(&g->ns->link_fd);
	process_close(&g->pid_fd);
	atomic_store(&g->ns->space.state->life.coordinator, 0);
	int r = judge(g, status);
	g->watch.child = 0;
	return r;
}

/* ---- the loop ---------------------------------------------------------------------------------------------- */

static void hear_signals(struct guardian *g)
{
	struct signalfd_siginfo info;
	if (g->signal_fd < 0)
		return;
	while (read(g->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		g->stopping = true;
		if (g->watch.child > 0)
			kill(g->watch.child, SIGTERM);
	}
}

static int wait_time(const struct guardian *g)
{
	if (g->watch.child > 0)
		return watch_interval(&g->watch, &g->ns->space.state->pulse);
	int64_t left = (g->fork_ns - clock_now() + 999999) / 1000000;
	return left < 0 ? 0 : (int)left;
}

static int step(struct guardian *g)
{
	struct pollfd fds[] = {
		{ .fd = g->ns->link_fd, .events = POLLIN },
		{ .fd = g->pid_fd, .events = POLLIN },
		{ .fd = g->signal_fd, .events = POLLIN },
	};
	if (g->watch.child == 0 && clock_now() >= g->fork_ns) {
		int r = spawn(g);
		return r < 0 && g->serving ? plan(g, "as it could not be forked") : r;
	}
	if (g->session == -EAGAIN)
		g->session = process_prefer_session();
	bool quiet = poll(fds, sizeof(fds) / sizeof(fds[0]), wait_time(g)) == 0;
	if (!quiet) {
		hear_signals(g);
		hear_link(g);
	}
	if (g->watch.child == 0)
		return 0;
	watch_look(&g->watch, g->ns);
	if (g->serving && !g->watch.ended && g->watch.stopped_ns == 0 && g->ns->options.alive)
		g->ns->options.alive(g->ns->options.data);
	return quiet && g->pid_fd >= 0 ? 0 : reap(g);
}

/* A start that failed leaves what it found; one that came to serve leaves the state for the next. */
static void leave(struct guardian *g)
{
	struct namespace *ns = g->ns;
	if (files_in_place(ns))
		files_remove(ns, ns->made && !g->serving);
}

/* Nobody may be there to be told: then the log is where one looks. */
static void log_end(const struct guardian *g)
{
	struct stoa_error e;
	stoa_last_error(&e);
	namespace_log(g->ns, LOG_CRIT, "%s", e.text);
}

int guardian_run(struct namespace *ns, void (*ready)(void *data), void *data)
{
	struct guardian g = { .ns = ns, .ready = ready, .data = data };
	int r = begin(&g);
	/* What ran when guardian and coordinator both died may have had its part in it. */
	watch_note(&g.watch, &ns->space, SIGKILL);
	g.committed = atomic_load(&ns->space.state->committed);
	while (r == 0)
		r = step(&g);
	if (r < 0 && g.serving)
		log_end(&g);
	if (r == ENDED)
		namespace_end(ns);
	else
		leave(&g);
	namespace_close(ns);
	if (g.orphan)
		_exit(r == ENDED ? 0 : 1);
	finish(&g);
	return r == ENDED ? 0 : r;
}
