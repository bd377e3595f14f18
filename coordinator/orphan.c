/*
 * orphan.c: see orphan.h. The kernel sends SIGCONT at the guardian's death, which also lets a coordinator go on that
 * somebody had stopped; from then on a timer looks as the guardian would. An overrun is noted for the next start, which
 * rejects the command and goes on with the others.
 */
#include "coordinator/orphan.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "coordinator/guardian.h"
#include "src/clock.h"

#define LOOK_US 50000

static const struct namespace *served;
static pid_t parent;
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

static void on_continue(int unused)
{
	const struct itimerval often = { .it_interval.tv_usec = LOOK_US, .it_value.tv_usec = LOOK_US };
	struct sigaction on_alarm = { .sa_handler = look, .sa_flags = SA_RESTART };
	int error = errno;
	(void)unused;
	if (getppid() != parent) {
		sigaction(SIGALRM, &on_alarm, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
	}
	errno = error;
}

void orphan_begin(const struct namespace *ns, pid_t guardian)
{
	struct sigaction on_cont = { .sa_handler = on_continue, .sa_flags = SA_RESTART };
	served = ns;
	parent = guardian;
	late = 0;
	sigaction(SIGCONT, &on_cont, NULL);
	prctl(PR_SET_PDEATHSIG, SIGCONT);
	on_continue(SIGCONT); /* it may have died before */
}

void orphan_end(void)
{
	const struct itimerval never = { .it_value.tv_usec = 0 };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &dfl, NULL);
	sigaction(SIGCONT, &dfl, NULL);
}
