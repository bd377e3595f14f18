/*
 * undertaker.c: see undertaker.h. It never runs anything of the program's: it shares all memory, thread-local variables
 * too, with a process that runs. So it makes system calls only, and none that can fail and set errno.
 */
#include "coordinator/undertaker.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEATH SIGURG /* which nobody else sends */
#define PAUSE_NS 50000000 /* by then the successor serves, which would have to share a processor with us */

static pid_t undertaker, owner;
static _Alignas(64) unsigned char stack[16384];

extern void __tsan_init(void) __attribute__((weak));

/* valgrind ends a program that makes such a process; the thread sanitizer takes it for a thread, which has no record. */
static bool is_watched(void)
{
	const char *preload = getenv("LD_PRELOAD");
	return __tsan_init || (preload && strstr(preload, "vgpreload"));
}

static void on_death(int unused) { (void)unused; }

/* With the descriptors it would keep the link, and all clients' connections, open. */
static int be_undertaker(void *unused)
{
	const struct sigaction act = { .sa_handler = on_death };
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	sigset_t waiting;
	(void)unused;
	syscall(SYS_close_range, 0u, ~0u, 0u);
	prctl(PR_SET_NAME, "stoa:undertaker"); /* as long as a name may be */
	sigaction(DEATH, &act, NULL);
	prctl(PR_SET_PDEATHSIG, DEATH);
	sigfillset(&waiting);
	sigdelset(&waiting, DEATH);
	while (getppid() == owner) /* else it has died before, or that ended the wait: nobody's errno is set any more */
		syscall(SYS_ppoll, NULL, 0, NULL, &waiting, _NSIG / 8);
	syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
	return 0;
}

void undertaker_begin(void)
{
	sigset_t all, old;
	if (undertaker || is_watched() || syscall(SYS_close_range, ~0u, ~0u, 0u) < 0)
		return;
	owner = getpid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old); /* no handler of ours may run there */
	/* No signal at its end: a method that waits for its own children does not meet it. */
	undertaker = clone(be_undertaker, stack + sizeof(stack), CLONE_VM, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void undertaker_end(void)
{
	if (undertaker > 0) {
		kill(undertaker, SIGKILL);
		waitpid(undertaker, NULL, __WALL);
	}
	undertaker = 0;
}
