/*
 * namespace.c: a namespace opened for serving, and closed or ended.
 *
 * Whoever holds a byte of the lock has the files to himself; a starter takes both bytes at once or none, so that he
 * never stands in the way of a coordinator that is about to become its own guardian. The lock is only worth something
 * while its path leads to it: that is checked once it is held.
 */
#include "coordinator/namespace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "coordinator/classes.h"
#include "coordinator/files.h"
#include "coordinator/options.h"
#include "coordinator/process.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/names.h"
#include "src/segment.h"

#define LOCK_SLICE STOA_MS(30) /* a killed process lets go of its lock only when its memory is torn down */

/* Guardian and coordinator may both be at it: each takes a number, and with it a place. */
static void log_keep(const struct namespace *ns, int priority, const char *text)
{
	uint64_t n = atomic_fetch_add(&ns->space.state->life.logged, 1) + 1;
	struct logged *e = space_logged(&ns->space, n);
	atomic_store_explicit(&e->number, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	e->time_ns = clock_real();
	e->pid = getpid();
	e->priority = priority;
	snprintf(e->text, sizeof(e->text), "%.*s", (int)sizeof(e->text) - 1, text);
	atomic_store_explicit(&e->number, n, memory_order_release); /* pairs with proxy/log.c */
}

void namespace_log_(const struct namespace *ns, int priority, const char *format, ...)
{
	char text[2 * STOA_ERROR_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (ns->space.state)
		log_keep(ns, priority, text);
	if (ns->options.log)
		ns->options.log(ns->options.data, priority, text);
}

static void close_lock(struct namespace *ns)
{
	if (ns->lock_fd >= 0)
		lock_close(ns->lock_fd);
	ns->lock_fd = -1;
	process_close(&ns->dir_fd);
}

/* ---- the lock ---------------------------------------------------------------------------------------------- */

static int served(const struct namespace *ns, pid_t pid, pid_t *ret_pid)
{
	if (ret_pid)
		*ret_pid = pid;
	return error_set(-EEXIST,
			 "namespace \"%s\" is served already, by pid %d; use that one, end it by \"stoa -n %s stop\", "
			 "or choose another name; a program can attach, or start with STOA_JOIN",
			 ns->name, (int)pid, ns->name);
}

/* Somebody holds the lock. 0: he is ending, or has not begun. -EEXIST: he serves. */
static int judge(const struct namespace *ns, pid_t holder, pid_t *ret_pid)
{
	struct state_head head;
	if (!files_peek(ns->dir_fd, &head))
		return 0;
	uint32_t phase = atomic_load(&head.life.phase);
	if (phase != LIFE_STARTING && phase != LIFE_SERVING)
		return 0;
	pid_t pid = atomic_load(&head.life.guardian);
	return served(ns, holder > 0 ? holder : pid, ret_pid);
}

/* 0: held. -EAGAIN: the lock that we waited for is not the namespace's any more. */
static int lock_both(struct namespace *ns, int64_t deadline, pid_t *ret_pid)
{
	pid_t holder = 0;
	for (;;) {
		int r = lock_take(ns->lock_fd, LOCK_BOTH, LOCK_SLICE, &holder);
		if (r == 0)
			return files_in_place(ns) ? 0 : -EAGAIN;
		if (r != -EAGAIN)
			return error_set(r, "cannot lock %s/lock: %s", ns->dir, strerror(-r));
		r = judge(ns, holder, ret_pid);
		if (r < 0)
			return r;
		if (clock_now() >= deadline)
			return error_set(-EEXIST, "namespace \"%s\" is ending, but pid %d still holds it after %jd ms",
					 ns->name, (int)holder, (intmax_t)(ns->options.timeout / 1000000));
	}
}

static int open_lock(struct namespace *ns, pid_t *ret_pid)
{
	int fd = lock_open(ns->dir_fd);
	if (fd == -ENOENT)
		return -EAGAIN;
	if (fd == -EDEADLK)
		return served(ns, getpid(), ret_pid);
	if (fd == -ELOOP || fd == -EACCES || fd == -EISDIR)
		return error_set(-EACCES, "%s/lock is no file of user %u: not used; see what it is, then remove it",
				 ns->dir, (unsigned)geteuid());
	if (fd < 0)
		return error_set(fd, "cannot open %s/lock: %s", ns->dir, strerror(-fd));
	ns->lock_fd = fd;
	return 0;
}

/* Directory and lock; anew when an ending predecessor removed them under us. */
static int take(struct namespace *ns, pid_t *ret_pid)
{
	int64_t deadline = clock_deadline(ns->options.timeout);
	for (;;) {
		int r = files_open(ns);
		r = r ? r : open_lock(ns, ret_pid);
		r = r ? r : lock_both(ns, deadline, ret_pid);
		if (r == 0)
			return 0;
		close_lock(ns);
		if (r != -EAGAIN)
			return r;
		if (clock_now() >= deadline)
			return error_set(-EEXIST, "namespace \"%s\": %s is removed again and again", ns->name, ns->dir);
	}
}

/* ---- opening and closing ----------------------------------------------------------------------------------- */

static int open_doorbell(struct namespace *ns)
{
	ns->doorbell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ns->doorbell_fd < 0)
		return error_set(-errno, "cannot make an eventfd: %s", strerror(errno));
	return 0;
}

static int open_roster(struct namespace *ns)
{
	int r = roster_init(&ns->roster, space_lanes(&ns->space));
	if (r < 0)
		return error_set(r, "no memory for %u lanes", space_lanes(&ns->space));
	for (uint32_t i = 0; i < ATTACHED && i < atomic_load(&ns->space.state->attached_end); i++)
		atomic_store(&space_attached(&ns->space, i)->pid, 0);
	/* Who survived the epoch before may still think that its lanes are his: this one gives out the other half. */
	ns->roster.first_lane = atomic_load(&ns->space.state->life.epoch) % 2 ? 0 : ns->space.geometry.lanes;
	return 0;
}

static int prepare(struct namespace *ns, const char *name, const struct stoa_class *const *classes,
		   const struct stoa_options *options)
{
	*ns = (struct namespace){ .dir_fd = -1, .lock_fd = -1, .state_fd = -1, .ingress_fd = -1 };
	ns->listen_fd = ns->doorbell_fd = ns->link_fd = ns->report_fd = -1;
	int r = names_check("namespace", name);
	if (r < 0)
		return r;
	strcpy(ns->name, name);
	r = names_dir(name, ns->above, ns->dir);
	r = r ? r : options_take(ns, options);
	r = r ? r : options_take_classes(ns, classes);
	return r ? r : classes_describe(ns);
}

int namespace_open(struct namespace *ns, const char *name, const struct stoa_class *const *classes,
		   const struct stoa_options *options, pid_t *ret_pid)
{
	int r = prepare(ns, name, classes, options);
	r = r ? r : take(ns, ret_pid);
	r = r ? r : files_check_socket(ns);
	if (r < 0) {
		files_unmake(ns);
		namespace_close(ns);
		return r;
	}
	r = files_prepare(ns);
	r = r ? r : open_roster(ns);
	r = r ? r : open_doorbell(ns);
	r = r ? r : files_listen(ns);
	if (r < 0) {
		files_remove(ns, ns->made || !files_exist(ns->dir_fd));
		namespace_close(ns);
		return r;
	}
	lock_drop(ns->lock_fd, LOCK_COORDINATOR);
	return 0;
}

void namespace_end(struct namespace *ns)
{
	atomic_store(&ns->space.state->life.phase, LIFE_ENDED);
	atomic_store(&ns->space.state->life.coordinator, 0);
	if (files_in_place(ns)) /* else someone removed it, and what is there now is another's */
		files_remove(ns, !(ns->options.flags & STOA_KEEP));
}

void namespace_close(struct namespace *ns)
{
	process_close(&ns->listen_fd);
	process_close(&ns->doorbell_fd);
	process_close(&ns->link_fd);
	process_close(&ns->state_fd);
	process_close(&ns->ingress_fd);
	segment_unmap(ns->space.state, ns->space.geometry.state);
	segment_unmap(ns->space.ingress, ns->space.geometry.ingress);
	ns->space.state = NULL;
	ns->space.ingress = NULL;
	roster_fini(&ns->roster);
	classes_drop(ns);
	close_lock(ns); /* last: then the namespace is free */
}
