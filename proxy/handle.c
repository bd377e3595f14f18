/*
 * handle.c: see handle.h. Attaching, forking, losing the coordinator and finding it again.
 */
#include "proxy/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/bind.h"
#include "proxy/connection.h"
#include "proxy/directory.h"
#include "proxy/lane.h"
#include "proxy/proxy.h"
#include "proxy/wait.h"
#include "src/attach.h"
#include "src/cancel.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/names.h"
#include "src/segment.h"
#include "src/serving.h"

#define TIMEOUT_DEFAULT INT64_C(5000000000)
#define ATTACH_STEP_NS 5000000	  /* between looks for a namespace that is not there yet */
#define READER_HELLO_NS 300000000 /* a reader does without a coordinator that hangs for so long */
#define RETRY_NS 500000000	  /* between a reader's looks for a lost coordinator */

pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;
struct stoa *handles;
static uint64_t last_generation; /* under handles_lock; goes on in forked children */

/* ---- fork ---- */

static void before_fork(void)
{
	pthread_mutex_lock(&handles_lock);
	for (struct stoa *s = handles; s; s = s->next)
		pthread_mutex_lock(&s->mutex);
	directory_before_fork();
}

static void after_fork_parent(void)
{
	directory_after_fork(false);
	for (struct stoa *s = handles; s; s = s->next)
		pthread_mutex_unlock(&s->mutex);
	pthread_mutex_unlock(&handles_lock);
}

/* Another thread of the parent may have held talk; its conversation is not ours. */
static void after_fork_child(void)
{
	directory_after_fork(true);
	for (struct stoa *s = handles; s; s = s->next) {
		pthread_mutex_unlock(&s->mutex);
		pthread_mutex_init(&s->talk, NULL);
	}
	pthread_mutex_unlock(&handles_lock);
}

static void install_atfork(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* ---- making and freeing ---- */

static void close_fd(_Atomic int *fd)
{
	int old = atomic_exchange(fd, -1);
	if (old >= 0)
		close(old);
}

static ino_t inode(int fd)
{
	struct stat st;
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

/* Another thread may be using the old one: its number stays taken, by the new one. */
static void replace_fd(_Atomic int *fd, int with)
{
	int old = atomic_load(fd);
	if (old < 0 || with < 0 || dup3(with, old, O_CLOEXEC) < 0) {
		close_fd(fd);
		atomic_store(fd, with);
	} else {
		close(with);
	}
}

static void handle_free(struct stoa *s)
{
	lanes_free(s);
	while (s->proxies) {
		struct stoa_proxy *p = s->proxies;
		s->proxies = p->next;
		proxy_unref(p);
	}
	directory_free(s);
	bindings_free(s);
	views_free(s);
	if (s->guarded)
		segment_unguard(s->space.ingress);
	segment_unmap(s->space.state, s->space.geometry.state);
	segment_unmap(s->space.ingress, s->space.geometry.ingress);
	segment_unmap(s->mark, LAYOUT_PAGE);
	close_fd(&s->conn_fd);
	close_fd(&s->doorbell_fd);
	pthread_mutex_destroy(&s->mutex);
	pthread_mutex_destroy(&s->talk);
	free(s);
}

static struct stoa *handle_new(const char *name, const char *dir, uid_t owner, const struct stoa_options *o)
{
	struct stoa *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	s->owner = owner;
	s->read_only = o && o->flags & STOA_READ_ONLY;
	s->timeout = o && o->timeout > 0 ? o->timeout : TIMEOUT_DEFAULT;
	s->conn_fd = s->doorbell_fd = -1;
	s->refs = 1;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_mutex_init(&s->talk, NULL);
	s->mark = segment_map_own(LAYOUT_PAGE);
	if (!s->mark) {
		handle_free(s);
		return NULL;
	}
	return s;
}

/* Map a segment that we were handed, after looking at its head. */
static int map_segment(int fd, const char *file, enum segment_kind kind, bool writable, struct segment_head *head,
		       void **ret)
{
	int r = segment_check(fd, file, kind, head);
	if (r < 0)
		return r;
	*ret = segment_map(fd, head->limit, writable);
	return *ret ? 0 : error_set(-errno, "cannot map %s: %s", file, strerror(errno));
}

/* The offsets are computed here, from the five limits alone: a damaged head leads nowhere outside. */
static int check_geometry(struct stoa *s, const struct segment_head *state, const struct segment_head *ingress)
{
	char text[STOA_ERROR_MAX];
	struct geometry g = s->space.state->geometry;
	int r = layout_geometry(&g, text);
	if (r < 0)
		return error_set(-EPROTO, "namespace %s: %s", s->name, text);
	if (g.state != state->limit || g.ingress != ingress->limit || state->namespace_id != ingress->namespace_id ||
	    memcmp(&g, &s->space.state->geometry, sizeof(g)) != 0)
		return error_set(-EPROTO, "namespace %s: its segments do not fit together", s->name);
	s->space.geometry = g;
	s->namespace_id = state->namespace_id;
	return 0;
}

static int map_space(struct stoa *s, int state_fd, int ingress_fd)
{
	struct segment_head state, ingress;
	void *at = NULL;
	int r = map_segment(state_fd, "state", SEGMENT_STATE, false, &state, &at);
	if (r < 0)
		return r;
	s->space.state = at;
	atomic_store(&s->changes, &s->space.state->life.changes);
	s->space.geometry.state = state.limit;
	r = map_segment(ingress_fd, "ingress", SEGMENT_INGRESS, !s->read_only, &ingress, &at);
	if (r < 0)
		return r;
	s->space.ingress = at;
	s->space.geometry.ingress = ingress.limit;
	return check_geometry(s, &state, &ingress);
}

/* It is of no use from here on. Also in the handler of a signal. */
static void set_damaged(struct stoa *s, enum handle_damage how)
{
	static const _Atomic uint64_t never;
	s->damaged = how; /* first: who looks up a route behind `never` finds this, and keeps none */
	atomic_store(&s->changes, &never);
}

static void truncated(void *of)
{
	set_damaged(of, HANDLE_TRUNCATED);
}

/*
 * Where only its user's own processes can truncate the ingress, who could as well kill us, the program's SIGBUS is left
 * alone.
 */
static int guard(struct stoa *s, const struct welcome *w)
{
	if (!w->others || s->guarded)
		return 0;
	int r = segment_guard(s->space.ingress, s->space.geometry.ingress, truncated, s);
	s->guarded = r == 0;
	return r;
}

/* A new generation, and with it no lanes. handles_lock is held. */
static void new_generation(struct stoa *s)
{
	atomic_store(&s->mark->generation, ++last_generation);
}

/* ---- attach ---- */

static int open_file(const struct stoa *s, const char *file)
{
	char path[PATH_MAX + 16];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", s->dir, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || s->owner == NAMES_ANYONE || (fstat(fd, &st) == 0 && st.st_uid == s->owner))
		return fd;
	close(fd);
	return -1;
}

/* A reader may look at what a hung or dead coordinator left:
 * one of the same user, for the files are closed to others. */
static int open_files(const struct stoa *s, struct welcome *w)
{
	*w = (struct welcome){ .conn_fd = -1, .doorbell_fd = -1, .others = true }; /* for all we know */
	w->state_fd = open_file(s, "state");
	w->ingress_fd = w->state_fd < 0 ? -1 : open_file(s, "ingress");
	if (w->ingress_fd >= 0)
		return 0;
	if (w->state_fd >= 0)
		close(w->state_fd);
	return -ENOENT;
}

/* Or nobody yet: -EAGAIN is a full backlog. */
static bool nobody_there(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -EPIPE || r == -EAGAIN;
}

static int fail_nobody(const struct stoa *s)
{
	const char *slash = strrchr(s->name, '/');
	return error_set(-ENOENT,
			 "nobody serves namespace %s (no coordinator answers at %s); start stoad -n %s, or "
			 "a program that starts it",
			 s->name, s->dir, slash ? slash + 1 : s->name);
}

/* Nobody serves up to `absent`: give up. */
static int welcome_get(const struct stoa *s, int64_t absent, int64_t deadline, struct welcome *w)
{
	for (;;) {
		int64_t reader = s->read_only ? clock_deadline(READER_HELLO_NS) : deadline;
		int r = connection_open(s->dir, s->owner, s->read_only, reader < deadline ? reader : deadline, w);
		if (s->read_only && (nobody_there(r) || r == -ETIMEDOUT) && open_files(s, w) == 0)
			return 0;
		if (!nobody_there(r) && !(s->read_only && r == -ETIMEDOUT))
			return r;
		if (clock_now() + ATTACH_STEP_NS > absent)
			return nobody_there(r) ? fail_nobody(s) : r;
		struct timespec step = { .tv_nsec = ATTACH_STEP_NS };
		nanosleep(&step, NULL);
	}
}

static int attach(struct stoa *s, int64_t absent, int64_t deadline)
{
	struct welcome w;
	int r = welcome_get(s, absent < deadline ? absent : deadline, deadline, &w);
	if (r < 0)
		return r;
	s->conn_fd = w.conn_fd;
	s->conn_ino = inode(w.conn_fd);
	s->doorbell_fd = w.doorbell_fd;
	r = map_space(s, w.state_fd, w.ingress_fd);
	close(w.state_fd);
	close(w.ingress_fd);
	r = r ? r : guard(s, &w);
	if (r == 0)
		atomic_store(&s->epoch, atomic_load(&s->space.state->life.epoch));
	return r;
}

/* One that is good for more. */
static struct stoa *find_handle(const char *dir, bool read_only)
{
	for (struct stoa *s = handles; s; s = s->next)
		if (strcmp(s->dir, dir) == 0 && s->read_only == read_only && !s->damaged &&
		    atomic_load(&s->space.state->life.phase) != LIFE_ENDED)
			return s;
	return NULL;
}

/* Make it known; if another thread was faster, its handle is the one. */
static struct stoa *list_handle(struct stoa *s)
{
	pthread_mutex_lock(&handles_lock);
	struct stoa *other = find_handle(s->dir, s->read_only);
	if (other) {
		other->refs++;
	} else {
		new_generation(s);
		s->next = handles;
		handles = s;
	}
	pthread_mutex_unlock(&handles_lock);
	if (!other)
		return s;
	connection_say(s, MESSAGE_BYE, 0);
	handle_free(s);
	return other;
}

static int enter(const char *dir, const char *name)
{
	if (lane_in_reader)
		return error_set(-EDEADLK, "a read-only method may not call stoa");
	return serving_is(dir) ? error_set(-EDEADLK, "a method may not call stoa on its own namespace %s", name) : 0;
}

int handle_refuse(const struct stoa *s)
{
	int r = enter(s->dir, s->name);
	return r ? r : handle_whole(s);
}

static const struct damage {
	int code;
	const char *before, *after; /* around the name of the namespace */
	const char *sent, *unsent;  /* what became of the command, or what to do */
} damages[] = {
	[HANDLE_TRUNCATED] = { -ESTALE, "a client truncated the queue of namespace ", "", "; the command may be lost",
			       "; detach and attach again" },
	[HANDLE_EVICTED] = { -ECONNABORTED, "this process was evicted from namespace ", "",
			     "; the command may still be applied", ", and may not come back; end it, and start it anew" },
	[HANDLE_REMADE] = { -ESTALE, "namespace ", " has ended and was made anew", "; the command may be lost",
			    "; detach and attach again" },
};

int handle_fail(const struct stoa *s, bool may_apply, uint64_t ticket)
{
	char text[STOA_ERROR_MAX];
	const struct damage *d = &damages[s->damaged];
	int n = snprintf(text, sizeof(text), "%s%s%s%s", d->before, s->name, d->after, may_apply ? d->sent : d->unsent);
	return error_set_command(d->code, STOA_FROM_LIBRARY, may_apply, ticket, text, (size_t)n);
}

/* Who has just started a coordinator wants to be its client, too: else it may end before we come. */
static int take_again(struct stoa *s, int64_t absent, struct stoa **ret)
{
	int r = absent == INT64_MAX ? 0 : handle_renew(s, STOA_DEFAULT);
	if (r < 0)
		stoa_detach(s);
	else
		*ret = s;
	return r == -ECONNRESET ? -ENOENT : r;
}

/* Does it lead to what is served under its name now? Where nobody is, it shows at least what was there. */
static bool leads_on(struct stoa *s)
{
	if (handle_lost(s))
		handle_renew(s, s->read_only ? READER_HELLO_NS : STOA_DEFAULT);
	return !s->damaged;
}

/* The handle that this process has already. */
static struct stoa *take_handle(const char *dir, bool read_only)
{
	for (;;) {
		pthread_mutex_lock(&handles_lock);
		struct stoa *s = find_handle(dir, read_only);
		if (s)
			s->refs++;
		pthread_mutex_unlock(&handles_lock);
		if (!s || leads_on(s))
			return s;
		stoa_detach(s);
	}
}

int attach_within(const char *name, const struct stoa_options *options, int64_t absent, struct stoa **ret)
{
	CANCEL_LATER;
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char dir[PATH_MAX];
	uid_t owner;
	pthread_once(&once, install_atfork);
	int r = names_find(name, dir, &owner);
	if (r < 0)
		return r;
	r = enter(dir, name);
	if (r < 0)
		return r;
	struct stoa *s = take_handle(dir, options && options->flags & STOA_READ_ONLY);
	if (s)
		return take_again(s, absent, ret);
	s = handle_new(name, dir, owner, options);
	if (!s)
		return error_set(-ENOMEM, "no memory for a handle of namespace %s", name);
	r = attach(s, clock_deadline(absent), handle_deadline(s, STOA_DEFAULT));
	if (r < 0) {
		handle_free(s);
		return r;
	}
	*ret = list_handle(s);
	return 0;
}

int stoa_attach(const char *name, const struct stoa_options *options, struct stoa **ret)
{
	return attach_within(name, options, INT64_MAX, ret);
}

int stoa_attach_thread(struct stoa *s)
{
	struct lane *lane;
	return lane_get(s, STOA_DEFAULT, &lane);
}

/*
 * Nobody may be there to hear that we leave, and who begins the next epoch would take this process, which lives, for one
 * that comes back: it reads the marks, or is told now, if it has begun. It listens before it reads them.
 */
static void leave(struct stoa *s)
{
	for (struct lane *lane = s->lanes; lane; lane = lane->next) {
		pending_let_go(lane);
		atomic_store(&lane->head->left, 1); /* pairs with coordinator/former.c */
	}
	if (s->lanes && handle_lost(s) && atomic_load(&s->space.state->life.phase) != LIFE_ENDED)
		handle_renew(s, STOA_MS(50));
}

struct stoa *stoa_detach(struct stoa *s)
{
	CANCEL_LATER;
	if (!s)
		return NULL;
	pthread_mutex_lock(&handles_lock);
	bool last = --s->refs == 0;
	struct stoa **at = &handles;
	while (last && *at != s)
		at = &(*at)->next;
	if (last)
		*at = s->next;
	pthread_mutex_unlock(&handles_lock);
	if (last) {
		if (atomic_load(&s->mark->generation))
			leave(s);
		lanes_free(s); /* first: once we have said goodbye, a lane may be another's */
		/* A child that never used the handle holds its parent's connection, and must not speak for it. */
		if (atomic_load(&s->mark->generation))
			connection_say(s, MESSAGE_BYE, 0);
		handle_free(s);
	}
	return NULL;
}

/* ---- renewing ---- */

static void take_welcome(struct stoa *s, const struct welcome *w)
{
	replace_fd(&s->conn_fd, w->conn_fd);
	replace_fd(&s->doorbell_fd, w->doorbell_fd);
	s->conn_ino = inode(s->conn_fd);
	atomic_store(&s->epoch, w->epoch);
	guard(s, w); /* if it cannot be: as where nobody else is let in */
}

/* Say hello over the parent's connection, or else by path. A coordinator may die while we talk: its guardian lives, and
 * so does the parent's connection, until the next one is there. */
static int reach(const struct stoa *s, bool forked, int64_t deadline, struct welcome *w)
{
	for (;;) {
		int r = forked && s->conn_fd >= 0 ? connection_inherit(s->conn_fd, s->read_only, deadline, w) : -EPIPE;
		if (nobody_there(r))
			r = connection_open(s->dir, s->owner, s->read_only, deadline, w);
		bool there = r == -EPIPE || r == -EAGAIN; /* but it has died since then, or has too much to do */
		bool late = clock_now() >= deadline;
		if (there && late)
			return error_set(-ETIMEDOUT, "the coordinator of namespace %s does not let us in", s->name);
		if (late || !(there || (forked && nobody_there(r) && !handle_lost(s))))
			return r;
		struct timespec step = { .tv_nsec = ATTACH_STEP_NS };
		nanosleep(&step, NULL);
	}
}

/*
 * In a child that became a daemon, and closed all descriptors for that: those with our numbers are not ours, and must
 * be neither used nor closed.
 */
static void forget_fds(struct stoa *s)
{
	s->conn_fd = s->doorbell_fd = -1;
	for (struct lane *lane = s->lanes; lane; lane = lane->next) {
		lane->fd = lane->event_fd = -1;
		event_forget_fds(lane);
	}
}

static void drop_welcome(const struct welcome *w)
{
	close(w->conn_fd);
	if (w->doorbell_fd >= 0)
		close(w->doorbell_fd);
}

/* Whom we have reached may serve other files than those that we have mapped. */
static int check_same(struct stoa *s, const struct welcome *w)
{
	struct segment_head head;
	int r = segment_check(w->state_fd, "state", SEGMENT_STATE, &head);
	if (r == 0 && head.namespace_id != s->namespace_id) {
		set_damaged(s, HANDLE_REMADE);
		r = handle_whole(s);
	}
	close(w->state_fd);
	close(w->ingress_fd);
	if (r < 0)
		drop_welcome(w);
	return r;
}

/* In a forked child: a connection of its own, and none of the parent's lanes. talk is held. */
static int renew_after_fork(struct stoa *s, int64_t deadline)
{
	struct welcome w;
	if (s->conn_fd >= 0 && inode(s->conn_fd) != s->conn_ino)
		forget_fds(s);
	int r = reach(s, true, deadline, &w);
	r = r ? r : check_same(s, &w);
	if (r == 0) {
		take_welcome(s, &w);
	} else if (nobody_there(r)) {
		close_fd(&s->conn_fd); /* the parent's: of no use to us */
	}
	if (r < 0 && !nobody_there(r))
		return r; /* still the parent's: the next call tries again */
	pthread_mutex_lock(&handles_lock);
	pthread_mutex_lock(&s->mutex);
	lanes_free(s);
	new_generation(s);
	pthread_mutex_unlock(&s->mutex);
	pthread_mutex_unlock(&handles_lock);
	return r;
}

/* Another guardian serves the files that we have mapped. talk is held. */
static int renew_epoch(struct stoa *s, int64_t deadline)
{
	struct welcome w;
	int r = reach(s, false, deadline, &w);
	r = r ? r : check_same(s, &w);
	if (r < 0)
		return r;
	bool dropped = w.epoch == atomic_load(&s->epoch);
	take_welcome(s, &w);
	if (dropped) { /* the coordinator took us for gone: our lanes are others' */
		pthread_mutex_lock(&handles_lock);
		new_generation(s);
		pthread_mutex_unlock(&handles_lock);
		proxies_renew(s); /* … and no route leads on in one */
	}
	return 0;
}

int handle_renew(struct stoa *s, int64_t timeout)
{
	CANCEL_LATER;
	int64_t deadline = handle_deadline(s, timeout == STOA_NOWAIT ? STOA_DEFAULT : timeout);
	int r = handle_enter(s);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->talk);
	if (atomic_load(&s->mark->generation) == 0)
		r = renew_after_fork(s, deadline);
	else if (s->conn_fd < 0 || handle_lost(s) || atomic_load(&s->epoch) != atomic_load(&s->space.state->life.epoch))
		r = renew_epoch(s, deadline);
	if (r == -ECONNABORTED)
		set_damaged(s, HANDLE_EVICTED);
	pthread_mutex_unlock(&s->talk);
	return nobody_there(r) ? handle_gone(s, false, 0) : r;
}

bool handle_lost(const struct stoa *s)
{
	return s->conn_fd < 0 || connection_ended(s->conn_fd);
}

int handle_follow(struct stoa *s)
{
	if (!handle_lost(s))
		return 0;
	if (atomic_load(&s->space.state->life.phase) == LIFE_ENDED)
		return handle_gone(s, false, 0);
	int64_t now = clock_now();
	if (now < atomic_load(&s->retry_ns))
		return 0;
	atomic_store(&s->retry_ns, now + RETRY_NS);
	int r = handle_renew(s, STOA_MS(50));
	return r == -ESTALE || r == -ECONNABORTED ? r : 0;
}

/* Or we are, having dropped the privileges to come back. */
static bool is_gone_for_good(struct stoa *s, int64_t timeout)
{
	if (!handle_lost(s))
		return false;
	int r = handle_renew(s, timeout);
	return r == -ECONNRESET || r == -ESTALE || r == -ECONNABORTED || r == -EACCES;
}

bool handle_gone_for_good(struct stoa *s)
{
	return is_gone_for_good(s, STOA_MS(20));
}

bool handle_remade(const struct stoa *s)
{
	CANCEL_LATER;
	struct segment_head head = { 0 };
	if (s->damaged == HANDLE_REMADE || !handle_lost(s))
		return s->damaged == HANDLE_REMADE;
	int fd = open_file(s, "state");
	bool whole = fd >= 0 && pread(fd, &head, sizeof(head), 0) == sizeof(head);
	if (fd >= 0)
		close(fd);
	return whole && head.namespace_id != s->namespace_id;
}

/* Asked of a lane that was taken from us: there is time for a coordinator that waits for a processor. */
bool handle_evicted(struct stoa *s)
{
	return is_gone_for_good(s, STOA_MS(1000)) && s->damaged == HANDLE_EVICTED;
}

int handle_gone(const struct stoa *s, bool may_apply, uint64_t ticket)
{
	char text[STOA_ERROR_MAX];
	if (s->damaged)
		return handle_fail(s, may_apply, ticket);
	int n = snprintf(text, sizeof(text), "the coordinator of namespace %s is gone%s", s->name,
			 may_apply ? "; the command stays queued for the next one" : "");
	return error_set_command(-ECONNRESET, STOA_FROM_LIBRARY, may_apply, ticket, text, (size_t)n);
}
