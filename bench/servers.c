/*
 * servers.c: see servers.h.
 */
#include "bench/servers.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/cpu.h"
#include "src/clock.h"

#define MOST 32
#define START_NS INT64_C(10000000000)
#define TERMINATE_NS INT64_C(3000000000)

static struct {
	char dir[64];
	pid_t owner; /* whose they are: a forked child must not end them */
	pid_t pids[MOST];
	unsigned n;
} all;

const char *servers_dir(void)
{
	return all.dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	remove(path);
	return 0;
}

/* What benchmarks that were killed have left. */
static void remove_old(const char *pattern)
{
	glob_t found;
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			const char *number = strrchr(found.gl_pathv[i], '/') + strlen("/stoa-bench.");
			pid_t pid = (pid_t)strtol(number, NULL, 10);
			if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
				nftw(found.gl_pathv[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
		}
		globfree(&found);
	}
}

int servers_begin(void)
{
	char below[80];
	remove_old("/dev/shm/stoa-bench.[1-9]*.??????");
	remove_old("/tmp/stoa-bench.[1-9]*.??????");
	remove_old("/tmp/stoa-bench-[1-9]*"); /* of iceoryx */
	snprintf(all.dir, sizeof(all.dir), "/dev/shm/stoa-bench.%d.XXXXXX", (int)getpid());
	if (!mkdtemp(all.dir)) {
		snprintf(all.dir, sizeof(all.dir), "/tmp/stoa-bench.%d.XXXXXX", (int)getpid());
		if (!mkdtemp(all.dir))
			return trouble(-errno, "no directory in /dev/shm or /tmp: %s", strerror(errno));
	}
	all.owner = getpid();
	snprintf(below, sizeof(below), "%s/stoa", all.dir);
	if (mkdir(below, 0700) < 0 || setenv("STOA_DIR", below, 1) < 0)
		return trouble(-errno, "%s: %s", below, strerror(errno));
	return 0;
}

static bool has_ended(pid_t server)
{
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)server, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == server;
}

void servers_stop(pid_t server)
{
	for (unsigned i = 0; i < all.n; i++)
		if (all.pids[i] == server) {
			kill(server, SIGKILL);
			while (waitpid(server, NULL, 0) < 0 && errno == EINTR) {}
			all.pids[i] = all.pids[--all.n];
			return;
		}
}

static bool is_ours(pid_t server)
{
	for (unsigned i = 0; i < all.n; i++)
		if (all.pids[i] == server)
			return true;
	return false;
}

/* A peer that we did not come to start has 0 for its server: a signal to that would go to our whole process group. */
void servers_terminate(pid_t server)
{
	if (!is_ours(server))
		return;
	kill(server, SIGTERM);
	for (int64_t end = clock_deadline(TERMINATE_NS); clock_now() < end && !has_ended(server);)
		usleep(5000);
	servers_stop(server);
}

void servers_end(void)
{
	if (all.owner != getpid())
		return;
	while (all.n)
		servers_stop(all.pids[all.n - 1]);
	if (all.dir[0])
		nftw(all.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	all.dir[0] = '\0';
}

void servers_pin(bool pinned)
{
	for (unsigned i = 0; i < all.n; i++)
		cpu_pin(all.pids[i], pinned);
}

/* In the child. It is not to outlive us, and ^C is for us to handle. */
static void become(const char *name, pid_t parent)
{
	char path[112];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	snprintf(path, sizeof(path), "%s/%s.log", all.dir, name);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (log >= 0) {
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
	}
}

static pid_t spawn(const char *name)
{
	pid_t parent = getpid();
	if (all.n == MOST)
		return trouble(-E2BIG, "too many servers");
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		return trouble(-errno, "cannot fork: %s", strerror(errno));
	if (pid == 0)
		become(name, parent);
	else
		all.pids[all.n++] = pid;
	return pid;
}

pid_t servers_fork(const char *name, void (*serve)(void *data), void *data)
{
	pid_t pid = spawn(name);
	if (pid == 0) {
		serve(data);
		_exit(1);
	}
	return pid;
}

pid_t servers_exec(const char *name, const char *const *argv)
{
	pid_t pid = spawn(name);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* it may have something to tidy up */
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	return pid;
}

const char *servers_find(const char *program)
{
	static char path[256];
	const char *dirs = getenv("PATH");
	char *copy = NULL, *rest = NULL, *found = NULL;
	if (asprintf(&copy, "%s:/usr/local/sbin:/usr/sbin:/sbin", dirs ? dirs : "/usr/bin:/bin") < 0)
		return NULL;
	for (char *dir = strtok_r(copy, ":", &rest); dir && !found; dir = strtok_r(NULL, ":", &rest)) {
		snprintf(path, sizeof(path), "%s/%s", dir, program);
		found = access(path, X_OK) == 0 ? path : NULL;
	}
	free(copy);
	return found;
}

static bool is_served(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EPROTOTYPE);
	close(fd);
	return yes;
}

static bool has_said(const char *name, const char *text)
{
	char path[112], said[16384];
	snprintf(path, sizeof(path), "%s/%s.log", all.dir, name);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(said, 1, sizeof(said) - 1, f) : 0;
	said[n] = '\0';
	if (f)
		fclose(f);
	return strstr(said, text) != NULL;
}

/* text: NULL for a socket, whose path is name. */
static int await(pid_t server, const char *name, const char *text)
{
	for (int64_t end = clock_deadline(START_NS); clock_now() < end; usleep(2000)) {
		if (text ? has_said(name, text) : is_served(name))
			return 0;
		if (has_ended(server))
			return trouble(-ECHILD, "its server has ended");
	}
	return trouble(-ETIMEDOUT, "its server does not start");
}

int servers_await_socket(pid_t server, const char *path)
{
	return await(server, path, NULL);
}

int servers_await_text(pid_t server, const char *name, const char *text)
{
	return await(server, name, text);
}
