/*
 * prefork.c: an HTTP server whose four worker processes share one object, with the coordinator embedded.
 *
 *     examples/prefork/prefork [PORT [NAMESPACE]]      (8080, "prefork"; port 0: a free one, which is printed)
 *     curl http://127.0.0.1:8080/ ; curl http://127.0.0.1:8080/stats ; curl http://127.0.0.1:8080/health
 *
 * The parent opens the socket, starts the coordinator, makes the object, forks the workers, and forks anew one that
 * dies. SIGTERM or SIGINT ends all of it; the coordinator goes with its last client. worker.c answers; webstats.c is
 * the object. examples/prefork/demo puts it under load.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "examples/prefork/webstats.h"
#include "examples/prefork/worker.h"

#define WORKERS 4
#define BACKLOG 512
#define PAUSE_NS 100000000 /* between the death of a worker and the next fork */

struct server {
	int listen_fd;
	struct stoa *stoa;
	struct stoa_proxy *stats;
	pid_t workers[WORKERS]; /* 0: none */
	sigset_t signals;       /* that the parent waits for; blocked but for the workers */
};

/* A socket on 127.0.0.1; *port: as asked for, then as it is. Not blocking: another worker may have been faster. */
static int listen_on(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t size = sizeof(at);
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) < 0) {
		int r = -errno;
		close(fd);
		return r;
	}
	*port = ntohs(at.sin_port);
	return fd;
}

static void fork_missing(struct server *s)
{
	pid_t parent = getpid();
	for (int i = 0; i < WORKERS; i++) {
		if (s->workers[i] > 0)
			continue;
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			if (getppid() != parent)
				_exit(1);
			sigprocmask(SIG_UNBLOCK, &s->signals, NULL);
			_exit(worker_run(s->listen_fd, s->stoa, s->stats));
		}
		s->workers[i] = pid > 0 ? pid : 0;
	}
}

/* Forget workers that ended; how many are left. */
static int reap(struct server *s, int *ret_status)
{
	int status, left = 0;
	for (int i = 0; i < WORKERS; i++) {
		if (s->workers[i] > 0 && waitpid(s->workers[i], &status, WNOHANG) == s->workers[i]) {
			s->workers[i] = 0;
			*ret_status |= status;
		}
		left += s->workers[i] > 0;
	}
	return left;
}

/* Until SIGTERM or SIGINT. */
static void keep_serving(struct server *s)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS }, look = { .tv_sec = 1 };
	for (int status = 0;;) {
		fork_missing(s);
		int signal = sigtimedwait(&s->signals, NULL, &look);
		if (signal == SIGTERM || signal == SIGINT)
			return;
		if (reap(s, &status) < WORKERS) {
			fputs("prefork: a worker died\n", stderr);
			nanosleep(&pause, NULL);
		}
	}
}

/* 0: all ended well. */
static int stop_workers(struct server *s)
{
	int status = 0;
	for (int i = 0; i < WORKERS; i++)
		if (s->workers[i] > 0)
			kill(s->workers[i], SIGTERM);
	while (reap(s, &status) > 0)
		sigwaitinfo(&s->signals, NULL);
	return status != 0;
}

static int run(struct server *s, uint16_t port, const char *name)
{
	int r = listen_on(&port);
	if (r < 0)
		return fprintf(stderr, "prefork: port %u: %s\n", port, strerror(-r)), 1;
	s->listen_fd = r;
	r = stoa_start(name, STOA_CLASSES(&webstats_class), NULL, &s->stoa);
	r = r ? r : stoa_create(s->stoa, "webstats", &webstats_class, NULL, 0, &s->stats);
	if (r < 0) {
		struct stoa_error e;
		stoa_last_error(&e);
		fprintf(stderr, "prefork: %s\n", e.text);
	} else {
		printf("prefork: http://127.0.0.1:%u/ namespace %s\n", port, name);
		fflush(stdout);
		keep_serving(s);
		r = stop_workers(s);
	}
	stoa_detach(s->stoa);
	close(s->listen_fd);
	return r != 0;
}

int main(int argc, char **argv)
{
	struct server s = { .listen_fd = -1 };
	char *end = NULL;
	unsigned long port = argc > 1 ? strtoul(argv[1], &end, 10) : 8080;
	if (argc > 3 || port > UINT16_MAX || (end && (*end || end == argv[1])))
		return fputs("Usage: prefork [PORT [NAMESPACE]]\n", stderr), 2;
	sigemptyset(&s.signals);
	sigaddset(&s.signals, SIGTERM);
	sigaddset(&s.signals, SIGINT);
	sigaddset(&s.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s.signals, NULL);
	return run(&s, (uint16_t)port, argc > 2 ? argv[2] : "prefork");
}
