/*
 * lock.c: stoa lock, a command that runs while a lease is held.
 *
 * The lease is of this process, and the command dies with it, and all that it has started: so nobody has the lease while
 * they go on.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stoa/lease.h>

#include "tools/descendants.h"
#include "tools/tool.h"

enum { CANNOT_RUN = 126, NO_COMMAND = 127, BY_SIGNAL = 128 }; /* exit statuses, as shells have them */

/* ---- the command ---- */

/* What a process of ours waits for, and those who end it: it passes that on, and outlives the command. */
static void choose_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGTERM);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* In a child: what is below dies with the parent, by this signal. */
static void die_with(pid_t parent, int signo)
{
	prctl(PR_SET_PDEATHSIG, signo);
	if (getppid() != parent)
		_exit(BY_SIGNAL + SIGKILL); /* it died before that */
}

static void run_command(char **argv, const sigset_t *mask, pid_t parent)
{
	die_with(parent, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	int code = errno;
	tool_refuse("cannot run %s: %s", tool_word(argv[0]), strerror(code));
	_exit(code == ENOENT ? NO_COMMAND : CANNOT_RUN);
}

/*
 * Until the command has ended, and if it got a signal through us, all that it has started too, which got it as well. When
 * the parent is gone, and with it the lease, nobody may go on.
 */
static int attend(pid_t command, const sigset_t *set, pid_t parent)
{
	bool ended = false, passed = false;
	int status = 0, got, one;
	for (;;) {
		pid_t pid;
		while ((pid = waitpid(-1, &one, WNOHANG)) > 0)
			if (pid == command) {
				ended = true;
				status = exit_status(one);
			}
		if (ended && (pid < 0 || !passed))
			return status;
		if (sigwait(set, &got) != 0 || got == SIGCHLD)
			continue;
		if (getppid() != parent) {
			descendants_end();
			return BY_SIGNAL + SIGKILL;
		}
		if (descendants_signal(got) == 0) /* without /proc */
			kill(command, got);
		passed = true;
	}
}

/*
 * The command's parent, which ends it and all of its own when we are killed. We have the lease, and could not; and are the
 * one who is told who ends.
 */
static void keep(char **argv, const sigset_t *set, const sigset_t *mask, pid_t parent)
{
	pid_t self = getpid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	die_with(parent, SIGTERM);
	pid_t pid = fork();
	if (pid == 0)
		run_command(argv, mask, self);
	if (pid < 0)
		tool_refuse("cannot run %s: %s", argv[0], strerror(errno));
	_exit(pid < 0 ? CANNOT_RUN : attend(pid, set, parent));
}

static int await_keeper(pid_t pid, const sigset_t *set)
{
	int status, got;
	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return exit_status(status);
		if (sigwait(set, &got) == 0 && got != SIGCHLD)
			kill(pid, got);
	}
}

static int run(char **argv)
{
	sigset_t set, mask;
	pid_t parent = getpid();
	choose_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &mask);
	signal(SIGCHLD, SIG_DFL); /* or nobody hears of the command's end */
	signal(SIGINT, SIG_IGN); /* from a terminal, the command has them, too */
	signal(SIGQUIT, SIG_IGN);
	pid_t pid = fork();
	if (pid < 0)
		return tool_refuse("cannot run %s: %s", argv[0], strerror(errno));
	if (pid == 0)
		keep(argv, &set, &mask, parent);
	return await_keeper(pid, &set);
}

/* ---- the lease ---- */

/* For those who wait: the command as it was typed, as far as there is room. */
static void name_owner(char **argv, char owner[LEASE_OWNER])
{
	size_t n = 0;
	for (int i = 0; argv[i] && n < LEASE_OWNER - 1; i++)
		n += (size_t)snprintf(owner + n, LEASE_OWNER - n, "%s%s", i ? " " : "", argv[i]);
}

/* 0, or a negative errno. */
static int take(const struct tool *tool, const char *name, int64_t wait_ns, char **argv, struct stoa_proxy **ret_lease,
		uint64_t *ret_token)
{
	char owner[LEASE_OWNER] = "";
	struct stoa_proxy *lease;
	name_owner(argv, owner);
	int r = stoa_create(tool->stoa, name, &lease_class, NULL, 0, &lease);
	if (r < 0)
		return r;
	r = stoa_lease_take(lease, owner, 0, wait_ns, ret_token);
	if (r < 0)
		stoa_close(lease);
	else
		*ret_lease = lease;
	return r;
}

static void give_back(struct stoa_proxy *lease, const char *name, uint64_t token)
{
	struct stoa_error e;
	int r = lease_release_call(lease, &(struct lease_token){ token }, NULL, STOA_DEFAULT);
	stoa_last_error(&e);
	if (r < 0)
		tool_note("lease %s could not be released: %s", name, e.code == r ? e.text : stoa_strerror(r));
	stoa_close(lease);
}

static int lock(struct tool *tool, int argc, char **argv)
{
	struct stoa_proxy *lease;
	char text[24];
	uint64_t token;
	double wait = 0, taken = 0;
	(void)argc;
	if (!tool_option_number(tool, "wait", 0, 1e9, &wait) || !tool_option_number(tool, "taken", 0, 255, &taken))
		return TOOL_USAGE;
	int64_t wait_ns = tool_option(tool, "wait") ? (int64_t)(wait * 1e9) : INT64_MAX;
	int r = take(tool, argv[0], wait_ns, argv + 1, &lease, &token);
	if (r < 0) {
		int status = tool_fail(r);
		return (r == -EAGAIN || r == -ETIMEDOUT) && tool_option(tool, "taken") ? (int)taken : status;
	}
	snprintf(text, sizeof(text), "%ju", (uintmax_t)token);
	setenv("STOA_LEASE_TOKEN", text, 1);
	int status = run(argv + 1);
	give_back(lease, argv[0], token);
	return status;
}

static const struct verb_option options[] = {
	{ .name = "wait", .letter = 'w', .value = "SECONDS", .doc = "for so long at most; 0: not at all (as long as it takes)" },
	{ .name = "taken", .letter = 'E', .value = "STATUS", .doc = "exit status if another has the lease all that time (1)" },
	{ 0 },
};

const struct verb verb_lock = {
	.name = "lock",
	.run = lock,
	.operands = "LEASE -- COMMAND...",
	.example = "lock -w 60 nightly -- make -j2 install",
	.doc = "run a command while a lease is held",
	.more = "The lease is created if it is not there. Whoever else wants it waits, and has it when the command has ended,\n"
		"or at once if this is killed: the command is killed with it, and all that it has started. SIGTERM and SIGHUP\n"
		"are passed on to all of these. The exit status is the command's; 128 and the signal that ended it; 126 or\n"
		"127 if it cannot be run. The command finds the lease's token in $STOA_LEASE_TOKEN.\n",
	.options = options,
	.flags = TOOL_LONG,
	.least = 2,
	.most = INT_MAX,
};
