/*
 * handle.h: a client's side of a namespace: one struct stoa for the process, one struct lane for each thread of it.
 *
 * The mark is a page that a fork empties (MADV_WIPEONFORK): its generation tells, with one load and no system call,
 * whether what a thread remembers is of this process. Generations are unique in a process and its descendants, so a
 * remembered lane is looked at only if its generation is that of a live handle.
 *
 * Locks, in this order: a handle's talk (its connection, held over a question and its answer), the list of handles
 * (handles_lock), a handle's mutex (its lists); the latter two for moments. fork() takes these two; talk is made anew
 * in the child, which has a connection of its own.
 */
#ifndef STOA_HANDLE_H
#define STOA_HANDLE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/layout.h"
#include "src/names.h"
#include "src/serving.h"

struct mark {
	_Atomic uint64_t generation; /* 0: forked since */
};

struct binding;
struct class_view;
struct directory;
struct lane;

enum handle_damage {
	HANDLE_TRUNCATED = 1, /* so says the guard: the ingress was cut under us, and what is mapped now is ours alone */
	HANDLE_EVICTED,	      /* the coordinator, asked again, told us so */
	HANDLE_REMADE,	      /* who serves the name now has files of its own: what is mapped here leads nowhere */
};

struct stoa {
	char name[NAMES_BOTH_MAX + 1], dir[PATH_MAX];
	uid_t owner; /* who serves it: NAMES_ANYONE, or no one else is believed */
	struct space space;
	bool read_only, guarded;
	volatile int damaged; /* enum handle_damage: it is of no use any more, for good */
	const _Atomic uint64_t *_Atomic changes; /* life.changes; once it is damaged, another word, 0, which that never is */
	int64_t timeout; /* what STOA_DEFAULT means, ns */
	struct mark *mark;
	uint64_t namespace_id;
	uint32_t refs; /* attach minus detach */

	pthread_mutex_t talk;
	_Atomic int conn_fd;	 /* -1: none (a reader of files, or lost) */
	_Atomic int doorbell_fd; /* -1 for readers */
	ino_t conn_ino;		 /* tells the connection from what a program opened in its place */
	uint64_t next_id;
	_Atomic int64_t retry_ns; /* when a reader looks for a lost coordinator next */
	_Atomic uint64_t epoch;	  /* of the guardian that we said hello to */

	pthread_mutex_t mutex;
	struct lane *lanes;	   /* all of this process */
	struct lane *idle_lanes;   /* of threads that ended */
	struct class_view **views; /* by class id */
	uint32_t n_views;
	struct binding *bindings;
	struct stoa_proxy *proxies;
	struct directory *directory; /* under RCU */
	struct stoa *next;
};

extern pthread_mutex_t handles_lock;

static inline uint64_t handle_committed(const struct stoa *s)
{
	return atomic_load_explicit(&s->space.state->committed, memory_order_acquire);
}

/* May it be used here? -EDEADLK: not by a method of its namespace, nor by a reader. -ESTALE, -ECONNABORTED: it is
 * damaged. */
int handle_refuse(const struct stoa *s);
extern __thread bool lane_in_reader;
static inline bool handle_in_method(void) { return serving_any || lane_in_reader; }
static inline int handle_enter(const struct stoa *s) { return handle_in_method() || s->damaged ? handle_refuse(s) : 0; }

/* -ESTALE or -ECONNABORTED with the thread's error, if the handle is damaged: then what was read of the ingress before
 * tells nothing. */
int handle_fail(const struct stoa *s, bool may_apply, uint64_t ticket);
static inline int handle_whole(const struct stoa *s) { return s->damaged ? handle_fail(s, false, 0) : 0; }
/* The same of a command that was just published, or was not. */
static inline int handle_sent(const struct stoa *s, uint64_t ticket)
{
	return s->damaged ? handle_fail(s, true, ticket) : 0;
}

/*
 * Make the handle good in this process, now: after a fork over the inherited connection, after a restart of everything
 * over the socket. 0; -EDEADLK inside a method; -ECONNRESET: nobody serves the namespace; -ESTALE: it was made anew,
 * -ECONNABORTED: we were evicted, and the handle is damaged from here on.
 */
int handle_renew(struct stoa *s, int64_t timeout);

/* Has a fork, or a new epoch, happened since this generation of this epoch? */
static inline bool handle_current(const struct stoa *s, uint64_t generation, uint64_t epoch)
{
	return atomic_load_explicit(&s->mark->generation, memory_order_relaxed) == generation &&
	       atomic_load_explicit(&s->space.state->life.epoch, memory_order_relaxed) == epoch;
}

/* Is the other end of our connection gone? A system call: only for those who wait. */
bool handle_lost(const struct stoa *s);

/* The same, and nobody has taken its place, or nobody who lets us in; renews the handle if somebody has. */
bool handle_gone_for_good(struct stoa *s);

/* Are the files under its name another namespace's than those that are mapped? For who does not ask who serves them. */
bool handle_remade(const struct stoa *s);

/* Were we evicted? As handle_gone_for_good, for who has reason to ask. */
bool handle_evicted(struct stoa *s);

/* -ECONNRESET with the thread's error; where the handle is damaged, as handle_fail. */
int handle_gone(const struct stoa *s, bool may_apply, uint64_t ticket);

/*
 * A reader that waits goes on without a coordinator; now and then it looks for the next one. 0: go on; -ECONNRESET: the
 * namespace has ended; -ESTALE: it was made anew; -ECONNABORTED.
 */
int handle_follow(struct stoa *s);

#endif
