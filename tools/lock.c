/*
 * lock.c: stoa lock, a command that runs while a lease is held.
 *
 * Three processes: this one, in front, for whoever started it; its child, the keeper, whose the lease is; the keeper's
 * child, the command. The lease is free when the keeper is gone, and that goes last: when we are killed, it first ends
 * all that the command has started. When it is killed itself, we do that.
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

struct order {
	const struct tool *tool;
	const char *name; /* of the lease */
	char **command;
	int64_t wait_ns; /* for the lease */
	int taken;	 /* exit status if another has it all that time */
};

/* ---- the command ---- */

/*
 * What a process of ours waits for, and what would end it: it outlives the command. SIGHUP and SIGTERM are passed on;
 * SIGINT and SIGQUIT are not, as the command has them, too, from a terminal.
 */
static void choose_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGQUIT);
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
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	int code = errno;
	tool_refuse("cannot run %s: %s", tool_word(argv[0]), strerror(code));
	_exit(code == ENOENT ? NO_COMMAND : CANNOT_RUN);
}

/*
 * Until the command has ended, and if it got a signal through us, all that it has started too, which got it as well.
 * When the parent is gone, nobody may go on, and this process, with the lease, goes last.
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
		if (sigwait(set, &got) != 0 || (got != SIGHUP && got != SIGTERM))
			continue;
		if (getppid() != parent) {
			descendants_end();
			_exit(BY_SIGNAL + SIGKILL);
		}
		if (descendants_signal(got) == 0) /* without /proc */
			kill(command, got);
		passed = true;
	}
}

/* The command from its start to its end. Blocks the signals of set; mask is the command's. */
static int run(char **argv, const sigset_t *set, const sigset_t *mask, pid_t parent)
{
	pid_t self = getpid();
	sigprocmask(SIG_BLOCK, set, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	die_with(parent, SIGTERM);
	pid_t pid = fork();
	if (pid == 0)
		run_command(argv, mask, self);
	if (pid > 0)
		return attend(pid, set, parent);
	tool_refuse("cannot run %s: %s", argv[0], strerror(errno));
	return CANNOT_RUN;
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
static int take(const struct order *order, struct stoa_proxy **ret_lease, uint64_t *ret_token)
{
	char owner[LEASE_OWNER] = "";
	struct stoa_proxy *lease;
	name_owner(order->command, owner);
	int r = stoa_create(order->tool->stoa, order->name, &lease_class, NULL, 0, &lease);
	if (r < 0)
		return r;
	r = stoa_lease_take(lease, owner, 0, order->wait_ns, ret_token);
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

static int fail(const struct order *order, int code)
{
	int status = tool_fail(code);
	return code == -EAGAIN || code == -ETIMEDOUT ? order->taken : status;
}

/*
 * The keeper: a client of its own, though it uses its parent's handle. Until it has the lease, signals end it as they
 * would end any command, and so does the parent's death.
 */
static int keep(const struct order *order, const sigset_t *set, const sigset_t *mask, pid_t parent)
{
	struct stoa_proxy *lease;
	char text[24];
	uint64_t token;
	die_with(parent, SIGKILL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	int r = take(order, &lease, &token);
	if (r < 0)
		return fail(order, r);
	snprintf(text, sizeof(text), "%ju", (uintmax_t)token);
	setenv("STOA_LEASE_TOKEN", text, 1);
	int status = run(order->command, set, mask, parent);
	give_back(lease, order->name, token);
	return status;
}

/* ---- in front ---- */

/* A signal of set ended the keeper while it waited for the lease, and ends us, too; by another, it left what it had. */
static int follow(int signo, const sigset_t *set)
{
	if (sigismember(set, signo)) {
		raise(signo);
		sigprocmask(SIG_UNBLOCK, set, NULL);
	}
	descendants_end();
	return BY_SIGNAL + signo;
}

static int await_keeper(pid_t pid, const sigset_t *set)
{
	int status, got;
	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) ? follow(WTERMSIG(status), set) : WEXITSTATUS(status);
		if (sigwait(set, &got) == 0 && got != SIGCHLD)
			kill(pid, got);
	}
}

static int lock(struct tool *tool, int argc, char **argv)
{
	struct order order = { .tool = tool, .name = argv[0], .command = argv + 1 };
	sigset_t set, mask;
	double wait = 0, taken = 0;
	(void)argc;
	if (!tool_option_number(tool, "wait", 0, 1e9, &wait) || !tool_option_number(tool, "taken", 0, 255, &taken))
		return TOOL_USAGE;
	order.wait_ns = tool_option(tool, "wait") ? (int64_t)(wait * 1e9) : INT64_MAX;
	order.taken = tool_option(tool, "taken") ? (int)taken : TOOL_REFUSED;
	choose_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &mask);
	signal(SIGCHLD, SIG_DFL); /* or nobody hears of the command's end */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return tool_refuse("cannot run %s: %s", order.command[0], strerror(errno));
	if (pid == 0)
		_exit(keep(&order, &set, &mask, parent));
	return await_keeper(pid, &set);
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
		"or at once if this is killed: the command is killed first, and all that it has started. SIGTERM and SIGHUP\n"
		"are passed on to all of these. The exit status is the command's; 128 and the signal that ended it; 126 or\n"
		"127 if it cannot be run. The command finds the lease's token in $STOA_LEASE_TOKEN.\n",
	.options = options,
	.flags = TOOL_LONG,
	.least = 2,
	.most = INT_MAX,
};
