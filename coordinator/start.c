/*
 * start.c: stoa_start and stoa_serve.
 *
 * An embedded guardian is a daemon: forked twice, so that the program need not wait for it, without the program's
 * descriptors, handlers, terminal and directory. It says through a pipe, in one message, whether it serves. It lives
 * until the last client is gone; if the program dies before it attaches, the coordinator ends by itself soon.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinator/namespace.h"
#include "coordinator/process.h"
#include "src/attach.h"
#include "src/cancel.h"
#include "src/clock.h"
#include "src/error.h"

#define START_SLACK STOA_MS(1000) /* the guardian waits as long as we may: its word comes after that */
#define ABSENT STOA_MS(50)	  /* whom we started, or found, has ended again when nobody answers for so long */
#define REPORT_FD 3		  /* process_leave puts it there */

struct report {
	int code;
	char text[STOA_ERROR_MAX];
};

static void report(int fd, int code)
{
	struct report say = { .code = code };
	struct stoa_error e;
	stoa_last_error(&e);
	if (code < 0)
		memcpy(say.text, e.text, sizeof(say.text));
	ssize_t n = write(fd, &say, sizeof(say)); /* if nobody listens, nobody attaches: the coordinator ends */
	(void)n;
	close(fd);
}

static void report_ready(void *data)
{
	struct namespace *ns = data;
	report(ns->report_fd, 0);
	ns->report_fd = -1;
}

/* In the guardian-to-be. */
static void guard(const char *name, const struct stoa_class *const *classes, const struct stoa_options *options)
{
	char title[sizeof("stoa:") + STOA_NAME_MAX];
	struct namespace ns;
	int r = namespace_open(&ns, name, classes, options, NULL);
	if (r < 0) {
		report(REPORT_FD, r);
		_exit(1);
	}
	snprintf(title, sizeof(title), "stoa:%s", ns.name);
	process_title(title); /* writes over argv, where the caller's name may be */
	ns.embedded = true;
	ns.report_fd = REPORT_FD;
	ns.options.log = NULL; /* the program's: it would be called in another process */
	ns.options.ready = NULL;
	ns.options.alive = NULL;
	r = guardian_run(&ns, report_ready, &ns);
	if (r < 0 && ns.report_fd >= 0)
		report(ns.report_fd, r);
	_exit(r < 0);
}

static void fork_guardian(int pipe_fd, const char *name, const struct stoa_class *const *classes,
			  const struct stoa_options *options)
{
	process_reset_signals(true);
	int r = process_leave(pipe_fd);
	if (r < 0)
		_exit(1);
	pid_t pid = fork(); /* no session leader: it can never get a terminal */
	if (pid != 0)
		_exit(pid < 0);
	guard(name, classes, options);
}

/* The guardian's word, or its death without one. */
static int hear(int fd, const char *name, int64_t deadline, struct report *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	for (;;) {
		int64_t left = (deadline - clock_now()) / 1000000;
		int r = poll(&p, 1, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);
		if (r > 0 || (r == 0 && left <= 0))
			break;
	}
	if (!(p.revents & (POLLIN | POLLHUP)))
		return error_set(-ETIMEDOUT, "namespace \"%s\" did not come to serve in time", name);
	if (read(fd, ret, sizeof(*ret)) != sizeof(*ret))
		return error_set(-ENOTCONN, "the guardian of namespace \"%s\" died before it served", name);
	ret->text[sizeof(ret->text) - 1] = '\0';
	return ret->code < 0 ? error_set(ret->code, "%s", ret->text) : 0;
}

/* The two that matter here; the guardian checks them all. */
static void read_options(const struct stoa_options *options, int64_t *ret_timeout, unsigned *ret_flags)
{
	struct stoa_options o = { 0 };
	if (options && options->size <= sizeof(o))
		memcpy(&o, options, options->size);
	*ret_timeout = o.timeout > 0 ? o.timeout : 5 * STOA_MS(1000);
	*ret_flags = o.flags;
}

static int64_t start_deadline(int64_t timeout)
{
	return clock_deadline(timeout < INT64_MAX - START_SLACK ? timeout + START_SLACK : timeout);
}

static int start(const char *name, const struct stoa_class *const *classes, const struct stoa_options *options,
		 int64_t deadline)
{
	CANCEL_LATER;
	struct report said;
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(-errno, "cannot make a pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		fork_guardian(fds[1], name, classes, options);
	int r = pid < 0 ? error_set(-errno, "cannot fork a guardian: %s", strerror(errno)) : 0;
	close(fds[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
	r = r ? r : hear(fds[0], name, deadline, &said);
	close(fds[0]);
	return r;
}

int stoa_start(const char *name, const struct stoa_class *const *classes, const struct stoa_options *options,
	       struct stoa **ret_stoa)
{
	int threads = process_threads();
	int64_t timeout;
	unsigned flags;
	if (threads > 1)
		return error_set(-EBUSY, "stoa_start with %d threads running: call it before the first", threads);
	read_options(options, &timeout, &flags);
	int64_t deadline = clock_deadline(timeout), last = start_deadline(timeout);
	for (;;) {
		int r = start(name, classes, options, last);
		if (r < 0 && !(r == -EEXIST && flags & STOA_JOIN))
			return r;
		/* Its last user may have left, and it with him, before we come. */
		r = attach_within(name, options, ABSENT, ret_stoa);
		if (r != -ENOENT || clock_now() >= deadline)
			return r;
	}
}

int stoa_serve(const char *name, const struct stoa_class *const *classes, const struct stoa_options *options)
{
	CANCEL_LATER;
	struct namespace ns;
	int r = namespace_open(&ns, name, classes, options, NULL);
	return r ? r : guardian_run(&ns, ns.options.ready, ns.options.data);
}
