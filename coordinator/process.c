/*
 * process.c: signals, limits, descriptors and session of a guardian or a coordinator.
 *
 * What a program had set up for itself ends here: its handlers know nothing of our processes.
 */
#include "coordinator/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where it is there, the thread sanitizer has a thread of its own in the process, which no fork minds. */
extern void __tsan_init(void) __attribute__((weak));

int process_threads(void)
{
	struct stat st;
	if (stat("/proc/self/task", &st) < 0)
		return 1;
	int n = (int)st.st_nlink - 2 - (__tsan_init ? 1 : 0);
	return n > 1 ? n : 1;
}

static void close_from(int first)
{
	if (close_range((unsigned)first, ~0u, 0) == 0)
		return;
	long most = sysconf(_SC_OPEN_MAX);
	for (int fd = first; fd < (most > 0 ? most : 1024); fd++)
		close(fd);
}

int process_leave(int keep)
{
	if (setsid() < 0 || (keep != 3 && dup3(keep, 3, O_CLOEXEC) < 0))
		return -errno;
	close_from(4);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -errno;
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	if (null > 3)
		close(null);
	return chdir("/") < 0 ? -errno : 0;
}

void process_reset_signals(bool ignore_term)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, ign = { .sa_handler = SIG_IGN };
	sigset_t mask;
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigaction(SIGINT, &ign, NULL);
	sigaction(SIGHUP, &ign, NULL);
	sigaction(SIGPIPE, &ign, NULL);
	sigaction(SIGXFSZ, &ign, NULL);
	sigemptyset(&mask);
	if (ignore_term)
		sigaction(SIGTERM, &ign, NULL);
	else
		sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* A limit of 0 does not stop a core dump that goes to a program, as it does on most systems; 1 does. */
void process_no_core(void)
{
	struct rlimit limit;
	if (getenv("STOA_CORE") || getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur == 0)
		return;
	limit.rlim_cur = 1;
	setrlimit(RLIMIT_CORE, &limit);
}

static bool preferred;

static bool is_plain(void)
{
	return sched_getscheduler(0) == SCHED_OTHER && getpriority(PRIO_PROCESS, 0) == 0;
}

void process_prefer(void)
{
	const struct sched_param none = { 0 };
	if (!is_plain() || setpriority(PRIO_PROCESS, 0, PROCESS_NICE) < 0)
		return;
	sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
	preferred = true;
}

void process_prefer_no_more(void)
{
	if (preferred)
		setpriority(PRIO_PROCESS, 0, 0);
	preferred = false;
}

static int renice_session(int from, int to)
{
	char text[64] = "";
	int nice, r = -ENOENT, fd = open("/proc/self/autogroup", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "%*s nice %d", &nice) == 1 && nice == from)
		r = dprintf(fd, "%d", to) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int process_prefer_session(void)
{
	return is_plain() ? renice_session(0, PROCESS_NICE) : -EPERM;
}

int process_restore_session(void)
{
	return renice_session(PROCESS_NICE, 0);
}

void process_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

FILE *process_read(int dir_fd, const char *file)
{
	int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	if (fd >= 0 && !f)
		close(fd);
	return f;
}

uint64_t process_started(int proc_fd, pid_t pid)
{
	char path[32], line[1024], *at = NULL;
	snprintf(path, sizeof(path), "../%d/stat", (int)pid);
	FILE *f = process_read(proc_fd, path);
	if (f && fgets(line, sizeof(line), f))
		at = strrchr(line, ')'); /* the end of its name, which may be any text */
	if (f)
		fclose(f);
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

void process_how(int status, char *text, size_t size)
{
	if (status == STATUS_CLOSED)
		snprintf(text, size, "with its descriptors closed, or exec");
	else if (WIFEXITED(status))
		snprintf(text, size, "by exit(%d)", WEXITSTATUS(status));
	else
		snprintf(text, size, "by SIG%s", sigabbrev_np(WTERMSIG(status)) ?: "RT");
}

void process_raise_files(struct rlimit *ret_old)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit = (struct rlimit){ 0 };
	*ret_old = limit;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max > 0)
		setrlimit(RLIMIT_NOFILE, &limit);
}

void process_read_limits(struct process_limits *ret)
{
	static const int which[] = { RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_DATA };
	struct rlimit limit;
	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++)
		ret->of[i] = getrlimit((__rlimit_resource_t)which[i], &limit) < 0 ? 0 : limit.rlim_cur;
}

bool process_is_limited(const struct process_limits *before)
{
	struct process_limits now;
	process_read_limits(&now);
	for (size_t i = 0; i < sizeof(now.of) / sizeof(now.of[0]); i++)
		if (now.of[i] < before->of[i])
			return true;
	return false;
}

void process_restore_files(const struct rlimit *old)
{
	if (old->rlim_max > 0)
		setrlimit(RLIMIT_NOFILE, old);
}
