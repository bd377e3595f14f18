/*
 * guardian.h: what the guardian knows of the coordinator that it watches.
 */
#ifndef STOA_GUARDIAN_H
#define STOA_GUARDIAN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "coordinator/namespace.h"

/* What the guardian has seen of a living coordinator. All times are CLOCK_MONOTONIC. */
struct watch {
	pid_t child;
	int64_t forked_ns, looked_ns;
	int64_t stopped_ns; /* since when it is stopped; 0: it is not */
	int64_t excused_ns; /* until then, lateness is no proof: it or the guardian did not run */
	uint64_t late;      /* pulse.running, seen past its deadline once */
	uint64_t overran;   /* pulse.running, ended for it; 0: not */
	bool ended;         /* by us: it is dying */
	bool stopped;       /* it was ended for that */
	bool closed;        /* it was ended as it had closed its link: nobody else could */
	int64_t lost_ns;    /* since when the link is closed; 0: it is not */
};

struct guardian {
	struct namespace *ns;
	void (*ready)(void *data);
	void *data;
	struct watch watch;
	int pid_fd, signal_fd;
	sigset_t old_mask;
	struct sigaction old_chld, old_cont;
	struct rlimit old_files;
	int session;   /* its niceness: 0: ours, -EAGAIN: it is to become that */
	bool serving;  /* some coordinator has served */
	bool stopping; /* each coordinator is told so */
	bool orphan;   /* it was a coordinator */
	struct link_message failed; /* LINK_FAILED, of this child */

	/* deaths without progress */
	bool progress;
	uint64_t committed;
	unsigned deaths;
	int64_t first_ns, pause_ns, fork_ns; /* when the first of them was, how long the last pause, when to fork */
};

/* watch.c. A new coordinator; ms until the next look; look, and end it if need be (what is said is for the log). */
void watch_begin(struct watch *w, pid_t child);
int watch_interval(const struct watch *w, struct pulse *pulse);
void watch_look(struct watch *w, const struct namespace *ns);

/*
 * The guardian of a coordinator that sleeps looks so seldom. The coordinator tells it when something begins to run whose
 * deadline it could sleep through: behind the stores of `running` and the deadline.
 */
#define WATCH_DOZE_MS 250
void watch_tell(struct pulse *pulse, int link_fd);

/* pulse.running, if its deadline has passed; 0: it has not. */
uint64_t watch_find_late(const struct pulse *pulse, int64_t now);

/* What runs, for the log: running is pulse.running, and not 0. Which method it is the coordinator knows. */
#define WATCH_NAME (LAYOUT_NAME + 64)
void watch_name(const struct space *space, uint64_t running, char *text, size_t size);

/*
 * It died with this status: copy what ran then to the suspect record, and whose doing it was. True: the next one will
 * come further, as it leaves an object alone.
 */
bool watch_note(const struct watch *w, const struct space *space, int status);

#endif
