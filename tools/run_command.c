/*
 * run_command.c: stoa run, a namespace for the length of one command. This program is the coordinator's last client: so
 * it ends, whatever becomes of us. While the command runs, all that we do is to wait for signals.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinator/module.h"
#include "tools/leftover.h"
#include "tools/output.h"
#include "tools/tool.h"

/* As env(1) and timeout(1) have them: what is below may be the command's. */
enum { RUN_FAILED = 125, RUN_CANNOT = 126, RUN_NOT_FOUND = 127, RUN_SIGNALLED = 128 };

/* ---- signals ---- */

/* All that a signal can ask of the command; those that tell of a fault of ours are not among them. */
static void choose_signals(sigset_t *set)
{
	static const int faults[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP };
	sigfillset(set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(set, faults[i]);
}

/* From the terminal: the command, of the same process group, has got it, too. */
static bool has_it(const siginfo_t *si)
{
	return si->si_code == SI_KERNEL && si->si_signo != SIGHUP;
}

/* The command was stopped from the terminal: so are we, that the shell sees it. */
static void follow_stop(int status)
{
	if (WSTOPSIG(status) != SIGSTOP && isatty(STDIN_FILENO))
		raise(SIGSTOP);
}

/* Until it has ended: its status, as waitpid(2) has it. */
static int attend(pid_t pid, const sigset_t *signals)
{
	for (;;) {
		siginfo_t si;
		int signo = sigwaitinfo(signals, &si), status;
		if (signo != SIGCHLD) {
			if (signo > 0 && !has_it(&si))
				kill(pid, signo);
			continue;
		}
		while (waitpid(pid, &status, WNOHANG | WUNTRACED) == pid) {
			if (!WIFSTOPPED(status))
				return status;
			follow_stop(status);
		}
	}
}

/* ---- the command ---- */

static void become(char **argv, const char *namespace, pid_t parent, const sigset_t *old)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* what kills us cannot be passed on, but its coordinator goes with us */
	if (getppid() != parent)
		_exit(RUN_FAILED);
	if (setenv("STOA_NAMESPACE", namespace, 1) == 0) {
		sigprocmask(SIG_SETMASK, old, NULL);
		execvp(argv[0], argv);
	}
	int code = errno;
	tool_refuse("cannot run %s: %s", tool_word(argv[0]), strerror(code));
	_exit(code == ENOENT ? RUN_NOT_FOUND : RUN_CANNOT);
}

static int run_it(char **argv, const char *namespace)
{
	sigset_t signals, old;
	pid_t parent = getpid();
	choose_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, &old);
	signal(SIGCHLD, SIG_DFL); /* or its status is nobody's */
	pid_t pid = fork();
	if (pid == 0)
		become(argv, namespace, parent, &old);
	int status = pid < 0 ? -errno : attend(pid, &signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (status < 0) {
		tool_refuse("cannot fork: %s", strerror(-status));
		return RUN_FAILED;
	}
	return WIFSIGNALED(status) ? RUN_SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- its namespace ---- */

/* "a.so:b.so". False: one cannot be loaded, and it was said. */
static bool load_modules(const char *list, const struct stoa_class ***ret)
{
	char path[PATH_MAX], text[STOA_ERROR_MAX];
	while (list && *list) {
		size_t n = strcspn(list, ":");
		snprintf(path, sizeof(path), "%.*s", (int)n, list);
		if (n > 0 && module_load(path, ret, text) < 0) {
			tool_refuse("%s", text);
			return false;
		}
		list += n + (list[n] == ':');
	}
	return true;
}

/* Guardian and coordinator may both have been killed. */
static void remove_rest(const char *namespace)
{
	struct place *places;
	size_t n;
	if (places_find(false, &places, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (strcmp(places[i].name, namespace) == 0 && !places[i].live)
			leftover_remove(&places[i], false);
	free(places);
}

static void end(struct stoa *stoa, int64_t timeout)
{
	if (stoa_stop(stoa, STOA_DRAIN, timeout) == -ETIMEDOUT)
		stoa_stop(stoa, STOA_NOW, timeout);
	stoa_detach(stoa);
}

static int run_command(struct tool *tool, int argc, char **argv)
{
	const struct stoa_class **classes = NULL;
	char own[STOA_NAME_MAX + 1];
	bool keep = tool_option(tool, "keep"), chosen = tool->namespace && tool->namespace != getenv("STOA_NAMESPACE");
	const char *namespace = chosen ? tool->namespace : own;
	struct stoa *stoa;
	(void)argc;
	snprintf(own, sizeof(own), "run-%d", (int)getpid());
	if (!load_modules(tool_option(tool, "module"), &classes))
		return RUN_FAILED;
	if (!chosen)
		remove_rest(own); /* of another, long ago, that had our pid */
	int r = stoa_start(namespace, classes,
			   STOA_OPTIONS(.flags = keep ? STOA_KEEP : 0, .timeout = tool->timeout), &stoa);
	if (r < 0) {
		tool_fail(r);
		return RUN_FAILED;
	}
	int status = run_it(argv, namespace);
	end(stoa, tool->timeout);
	if (!keep)
		remove_rest(namespace);
	free(classes);
	return status;
}

static const struct verb_option options[] = {
	{ .name = "module", .letter = 'm', .value = "PATH[:PATH]...", .doc = "modules with classes, as stoad takes them" },
	{ .name = "keep", .letter = 'k', .doc = "the state stays when the command has ended, for the next start" },
	{ 0 },
};

const struct verb verb_run = {
	.name = "run",
	.run = run_command,
	.operands = "-- COMMAND [ARGUMENT]...",
	.example = "run -- sh -c 'stoa create hits counter; stoa call hits add 1'",
	.doc = "run a command with a namespace of its own",
	.more = "Starts a coordinator, which ends when the command does. The command finds the namespace in STOA_NAMESPACE:\n"
		"that of -n, or else a new one. Signals are passed on to it, and its exit status is that of stoa; 128 and\n"
		"the signal that ended it; 125: there was no coordinator, 126: it cannot be run, 127: it is not there.\n",
	.options = options,
	.flags = TOOL_ALONE | TOOL_VALUES | TOOL_LONG,
	.least = 1,
	.most = INT_MAX,
};
