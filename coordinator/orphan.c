/*
 * orphan.c: see orphan.h. The link to the guardian sends SIGIO at its death; from then on a timer looks as the guardian
 * would. An overrun is noted for the next start, which rejects the command and goes on with the others.
 */
#include "coordinator/orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "coordinator/guardian.h"
#include "src/clock.h"

#define LOOK_US 50000

static const struct namespace *served;
static uint64_t late; /* seen past its deadline once */

static void look(int unused)
{
	int error = errno;
	uint64_t running = watch_find_late(&served->space.state->pulse, clock_now());
	(void)unused;
	if (running && running == late) {
		const struct watch w = { .overran = running };
		watch_note(&w, &served->space, SIGKILL);
		_exit(COORDINATOR_FAILED);
	}
	late = running;
	errno = error;
}

static void on_link(int unused)
{
	const struct itimerval often = { .it_interval.tv_usec = LOOK_US, .it_value.tv_usec = LOOK_US };
	struct sigaction on_alarm = { .sa_handler = look, .sa_flags = SA_RESTART };
	struct pollfd link = { .fd = served->link_fd };
	int error = errno;
	(void)unused;
	if (poll(&link, 1, 0) == 1 && link.revents & POLLHUP) {
		sigaction(SIGALRM, &on_alarm, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
	}
	errno = error;
}

void orphan_begin(const struct namespace *ns)
{
	struct sigaction on_io = { .sa_handler = on_link, .sa_flags = SA_RESTART };
	served = ns;
	late = 0;
	prctl(PR_SET_PDEATHSIG, SIGCONT); /* or, stopped and with no one to mind, it held the lock for ever */
	sigaction(SIGIO, &on_io, NULL);
	fcntl(ns->link_fd, F_SETOWN, getpid());
	fcntl(ns->link_fd, F_SETFL, O_NONBLOCK | O_ASYNC);
	on_link(SIGIO); /* it may have died before */
}

/* One that is still pending, as may be under valgrind, would end us: ignored, it is gone. */
static void drop_signal(int sig)
{
	sigaction(sig, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	sigaction(sig, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
}

void orphan_end(void)
{
	const struct itimerval never = { .it_value.tv_usec = 0 };
	fcntl(served->link_fd, F_SETFL, O_NONBLOCK);
	setitimer(ITIMER_REAL, &never, NULL);
	drop_signal(SIGALRM);
	drop_signal(SIGIO);
}
