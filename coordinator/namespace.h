/*
 * namespace.h: a namespace as its guardian and its coordinator hold it.
 *
 * The guardian makes or takes over the files, listens, and forks the coordinator, which inherits this struct. The
 * coordinator alone writes the state (but for struct life) and alone talks to clients; what it learns of them it tells
 * the guardian over the link (roster.h), so that the next coordinator, or the coordinator as next guardian, knows
 * it too.
 *
 * Order of a guardian's life: namespace_open, guardian_run (which ends or closes the namespace).
 *
 * lock: byte 0 of the file "lock" belongs to the guardian, byte 1 to the coordinator, both as POSIX record locks, which
 * a forked child never inherits. A namespace is free when both are.
 */
#ifndef STOA_NAMESPACE_H
#define STOA_NAMESPACE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "coordinator/roster.h"
#include "src/layout.h"

/* The directory in `above` where something damaged was put; "": none. */
struct aside {
	char name[LAYOUT_NAME + 48];
};

struct namespace {
	char name[LAYOUT_NAME];
	char above[PATH_MAX], dir[PATH_MAX];
	int dir_fd, lock_fd;
	int state_fd, ingress_fd;
	struct space space;
	uint64_t id; /* segment_head.namespace_id */
	int listen_fd;   /* SOCK_SEQPACKET, non-blocking, CLOEXEC */
	int doorbell_fd; /* eventfd, non-blocking: rings a sleeping coordinator */
	int link_fd;     /* of this side: the guardian's or the coordinator's end */
	int report_fd;   /* of an embedded guardian, until it has told how the start went; -1: none */
	struct roster roster;
	const struct stoa_class **classes; /* ended by NULL; with the built-in ones; checked */
	stoa_blob *descriptions;           /* of each of them, packed */
	struct stoa_options options;       /* defaults filled in */
	bool embedded; /* ends with its last user */
	bool made;     /* by this start: a start that fails removes it again */
	bool made_dir, made_above; /* the same */
	struct aside copy; /* of the state, as this process found it */
	bool heir;     /* of coordinator and guardian that died: their clients have not come yet */
};

enum { LOCK_GUARDIAN, LOCK_COORDINATOR, LOCK_BOTH };

/* lock.c. Open the file "lock", making it if need be, once in a process: -EDEADLK if it is open here already. */
int lock_open(int dir_fd);
void lock_close(int lock_fd); /* lets go of both bytes */

/* Take a byte, or both or none; -EAGAIN: held, ret_pid by whom (may be NULL; 0: unknown). Waits up to timeout ns. */
int lock_take(int lock_fd, int byte, int64_t timeout, pid_t *ret_pid);
void lock_drop(int lock_fd, int byte);

/*
 * namespace.c. Open the namespace for serving: directory (0700, owned by us, no symlink), lock bytes 0 and 1 (byte 1 is
 * let go again), segments made, or taken over if they are whole and ours; damaged ones are moved to
 * "NAME.damaged-TIME-PID" beside it, never deleted. Waits for a predecessor that is ending. -EEXIST: served, or
 * still ending; ret_pid (may be NULL) is the pid of its guardian or coordinator. The thread's error tells the rest.
 * With options.uids, group or read_only_group the directory can be searched, and its socket reached, by those others
 * (by all where that is more than one group); nothing else in it can.
 */
int namespace_open(struct namespace *ns, const char *name, const struct stoa_class *const *classes,
		   const struct stoa_options *options, pid_t *ret_pid);

/* It is over: remove the files (unless STOA_KEEP: then only the socket). The coordinator, and its guardian after it. */
void namespace_end(struct namespace *ns);

/* Close and free what this process holds, without touching the files. */
void namespace_close(struct namespace *ns);

/* guardian.c. Fork coordinators until one has ended the namespace; then 0, or the start's error. ready (may be NULL) is
 * called once, when the first coordinator serves. Closes the namespace. */
int guardian_run(struct namespace *ns, void (*ready)(void *data), void *data);

/* coordinator.c. What the forked child runs; its return is the child's exit status. */
enum coordinator_exit {
	COORDINATOR_ENDED = 0,     /* drained or stopped: the namespace is to end */
	COORDINATOR_FAILED = 64,   /* cannot start: told to the guardian with LINK_FAILED before */
	COORDINATOR_AGAIN = 66,    /* what comes next is to run in a process of its own */
	COORDINATOR_ORPHANED = 65, /* never an exit status: the guardian is gone, become it */
};
enum coordinator_exit coordinator_run(struct namespace *ns);

/* Tell options.log, and keep it in the state. */
#define namespace_log(ns, priority, ...) namespace_log_((ns), (priority), __VA_ARGS__)
void namespace_log_(const struct namespace *ns, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
