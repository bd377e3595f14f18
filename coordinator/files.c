/*
 * files.c: what lies in the directory of a namespace, made and removed in an order that a kill cannot confuse.
 *
 * The file "state" is the namespace: it is renamed into place last, when all else is there, and removed after all else.
 * So what lies beside no state, or beside one that ended without STOA_KEEP, is half made or half removed, and replaced.
 * What is neither that nor whole is damaged, and set aside for its owner to look at.
 */
#include "coordinator/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/error.h"
#include "src/names.h"
#include "src/segment.h"

/* ---- directories ------------------------------------------------------------------------------------------- */

static int check_dir(int fd, const char *path)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_set(-errno, "cannot look at the directory %s: %s", path, strerror(errno));
	if (st.st_uid != geteuid())
		return error_set(-EACCES, "the directory %s belongs to user %u, not to user %u: not used", path,
				 (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & 022)
		return error_set(-EACCES,
				 "the directory %s can be written by others (mode %04o): not used; "
				 "see what is in it, then chmod 0700",
				 path, st.st_mode & 07777);
	return 0;
}

static int open_dir(int at_fd, const char *file, const char *path, bool strict)
{
	int fd = openat(at_fd, file, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (strict ? O_NOFOLLOW : 0));
	if (fd < 0 && errno == ENOENT)
		return -EAGAIN;
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return error_set(-EACCES, "%s is not a directory, or a symbolic link: not used; remove it", path);
	if (fd < 0)
		return error_set(-errno, "cannot open the directory %s: %s", path, strerror(errno));
	int r = strict ? check_dir(fd, path) : 0;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int make_dir(int at_fd, const char *file, const char *path, bool *made)
{
	bool is_new = mkdirat(at_fd, file, 0700) == 0;
	*made = *made || is_new;
	if (is_new && faccessat(at_fd, file, R_OK | W_OK | X_OK, AT_EACCESS) < 0)
		fchmodat(at_fd, file, 0700, 0); /* the umask took our own bits */
	if (is_new || errno == EEXIST)
		return 0;
	return error_set(-errno, "cannot make the directory %s: %s", path, strerror(errno));
}

/*
 * Others get to the socket, and no further: a group that alone is let in by that group's rights; where the kernel
 * cannot tell who they are by one group, everybody, and the coordinator asks.
 */
struct opening {
	gid_t group; /* 0: none */
	bool all;
};

static struct opening opening_of(const struct stoa_options *o)
{
	gid_t one = o->group ? o->group : o->read_only_group;
	bool two = o->group && o->read_only_group && o->group != o->read_only_group;
	bool all = o->n_uids > 0 || two;
	return (struct opening){ .group = all ? 0 : one, .all = all };
}

static int set_mode(int fd, const char *path, mode_t mode, gid_t group)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && (st.st_mode & 07777) == mode && (group == 0 || st.st_gid == group))
		return 0;
	/* closed to the group that it had, before it is given to another */
	if (group && (fchmod(fd, 0700) < 0 || fchown(fd, (uid_t)-1, group) < 0))
		return error_set(
			-errno, "cannot give the directory %s to group %u: %s; the coordinator's user must be a member",
			path, (unsigned)group, strerror(errno));
	return fchmod(fd, mode) < 0 ? error_set(-errno, "cannot chmod the directory %s: %s", path, strerror(errno)) : 0;
}

/* The one above may have namespaces of several groups in it: who can pass can go on only where he is let in. */
static int set_mode_above(const struct namespace *ns, int fd)
{
	struct opening o = opening_of(&ns->options);
	struct stat st;
	bool passable = fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0711;
	return set_mode(fd, ns->above, o.all || o.group || passable ? 0711 : 0700, 0);
}

static int set_mode_dir(const struct namespace *ns, int fd)
{
	struct opening o = opening_of(&ns->options);
	return set_mode(fd, ns->dir, o.all ? 0711 : o.group ? 0710 : 0700, o.group);
}

static int open_above(struct namespace *ns)
{
	bool chosen = names_dir_is_chosen();
	int r = make_dir(AT_FDCWD, ns->above, ns->above, &ns->made_above);
	int fd = r ? r : open_dir(AT_FDCWD, ns->above, ns->above, !chosen);
	r = fd < 0 || chosen ? 0 : set_mode_above(ns, fd);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int files_open(struct namespace *ns)
{
	int above_fd = open_above(ns);
	if (above_fd < 0)
		return above_fd;
	int fd = make_dir(above_fd, ns->name, ns->dir, &ns->made_dir);
	if (fd == 0)
		fd = open_dir(above_fd, ns->name, ns->dir, true);
	else if (fd == -ENOENT) /* the one above was removed meanwhile */
		fd = -EAGAIN;
	close(above_fd);
	int r = fd < 0 ? fd : set_mode_dir(ns, fd);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	ns->dir_fd = fd;
	return 0;
}

void files_unmake(const struct namespace *ns)
{
	if (ns->lock_fd >= 0 && !files_exist(ns->dir_fd))
		unlinkat(ns->dir_fd, "lock", 0);
	if (ns->made_dir)
		rmdir(ns->dir);
	if (ns->made_above)
		rmdir(ns->above);
}

bool files_in_place(const struct namespace *ns)
{
	struct stat dir, dir_there, lock, lock_there;
	return fstat(ns->dir_fd, &dir) == 0 && stat(ns->dir, &dir_there) == 0 && fstat(ns->lock_fd, &lock) == 0 &&
	       fstatat(ns->dir_fd, "lock", &lock_there, AT_SYMLINK_NOFOLLOW) == 0 && dir.st_dev == dir_there.st_dev &&
	       dir.st_ino == dir_there.st_ino && lock.st_dev == lock_there.st_dev && lock.st_ino == lock_there.st_ino;
}

/* ---- all files of a kind ----------------------------------------------------------------------------------- */

static const char *const singles[] = { "socket", "state.new", "ingress.new", "ingress", "state" }; /* state last */

/* Call each for every lane file. The directory stream has a descriptor of its own: closing it leaves dir_fd open. */
static void each_lane(int dir_fd, void (*each)(int dir_fd, const char *file, int to_fd), int to_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (fd >= 0 && !dir)
		close(fd);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "lane.", 5) == 0)
			each(dir_fd, entry->d_name, to_fd);
	if (dir)
		closedir(dir);
}

static void remove_one(int dir_fd, const char *file, int unused)
{
	(void)unused;
	unlinkat(dir_fd, file, 0);
}

static void remove_segments(int dir_fd)
{
	each_lane(dir_fd, remove_one, -1);
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++)
		remove_one(dir_fd, singles[i], -1);
}

void files_remove(struct namespace *ns, bool all)
{
	unlinkat(ns->dir_fd, "socket", 0);
	if (!all)
		return;
	remove_segments(ns->dir_fd);
	unlinkat(ns->dir_fd, "lock", 0);
	rmdir(ns->dir); /* what else lies there is not ours, and stays */
	if (!names_dir_is_chosen())
		rmdir(ns->above);
}

static void move_one(int dir_fd, const char *file, int to_fd)
{
	renameat(dir_fd, file, to_fd, file);
}

/* Make NAME.damaged-TIME-PID beside the namespace's directory: no namespace has a dot in it. Returns its descriptor. */
static int open_aside(const struct namespace *ns, struct aside *ret)
{
	char path[sizeof(ret->name) + 3];
	bool made = false;
	snprintf(ret->name, sizeof(ret->name), "%s.damaged-%jd-%d", ns->name, (intmax_t)clock_real() / 1000000000,
		 (int)getpid());
	snprintf(path, sizeof(path), "../%s", ret->name);
	int r = make_dir(ns->dir_fd, path, path, &made);
	int fd = r ? r : open_dir(ns->dir_fd, path, path, true);
	return fd < 0 ? error_set(fd, "namespace \"%s\" is damaged, and its files cannot be set aside: %s", ns->name,
				  strerror(-fd))
		      : fd;
}

static int set_aside(struct namespace *ns)
{
	struct aside to;
	struct stoa_error why;
	stoa_last_error(&why);
	int to_fd = open_aside(ns, &to);
	if (to_fd < 0)
		return to_fd;
	each_lane(ns->dir_fd, move_one, to_fd);
	move_one(ns->dir_fd, "ingress", to_fd);
	move_one(ns->dir_fd, "state", to_fd);
	close(to_fd);
	namespace_log(ns, LOG_WARNING, "namespace %s is damaged: %s; its files are now in %s/%s, it starts anew",
		      ns->name, why.text, ns->above, to.name);
	return 0;
}

#define COPY_STEP (INT64_C(64) << 20) /* between two signs of life */

/* All that lies between the holes of the state. */
static int copy_state(const struct namespace *ns, int to_fd)
{
	int64_t at, end = 0;
	int r = segment_set_size(to_fd, ns->space.geometry.state);
	while (r == 0 && (at = lseek(ns->state_fd, end, SEEK_DATA)) >= 0) {
		end = lseek(ns->state_fd, at, SEEK_HOLE);
		for (ssize_t n; r == 0 && at < end; at += n) {
			int64_t left = end - at;
			n = pwrite(to_fd, (char *)ns->space.state + at, left < COPY_STEP ? left : COPY_STEP, at);
			r = n > 0 ? 0 : n < 0 ? -errno : -EIO;
			atomic_store(&ns->space.state->pulse.beat_ns, clock_now());
		}
	}
	return r < 0 || errno == ENXIO ? r : -errno;
}

static void remove_copy(const struct namespace *ns, int dir_fd, const struct aside *a)
{
	char path[PATH_MAX + sizeof(a->name) + 1];
	snprintf(path, sizeof(path), "%s/%s", ns->above, a->name);
	unlinkat(dir_fd, "state", 0);
	rmdir(path);
}

int files_copy_aside(struct namespace *ns)
{
	struct aside to;
	if (ns->copy.name[0])
		return 0;
	int dir_fd = open_aside(ns, &to);
	if (dir_fd < 0)
		return dir_fd;
	int fd = openat(dir_fd, "state", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : copy_state(ns, fd);
	if (fd >= 0)
		close(fd);
	if (r == 0)
		ns->copy = to;
	else
		remove_copy(ns, dir_fd, &to);
	close(dir_fd);
	return r == 0 ? 0
		      : error_set(r, "namespace \"%s\" is damaged, and its state cannot be copied to %s/%s: %s%s",
				  ns->name, ns->above, to.name, strerror(-r),
				  r == -ENOSPC ? "; make room for it" : "");
}

/* ---- making ------------------------------------------------------------------------------------------------ */

static void close_segments(struct namespace *ns)
{
	segment_unmap(ns->space.state, ns->space.geometry.state);
	segment_unmap(ns->space.ingress, ns->space.geometry.ingress);
	ns->space.state = NULL;
	ns->space.ingress = NULL;
	if (ns->state_fd >= 0)
		close(ns->state_fd);
	if (ns->ingress_fd >= 0)
		close(ns->ingress_fd);
	ns->state_fd = ns->ingress_fd = -1;
}

static int map_both(struct namespace *ns)
{
	ns->space.state = segment_map(ns->state_fd, ns->space.geometry.state, true);
	if (ns->space.state)
		ns->space.ingress = segment_map(ns->ingress_fd, ns->space.geometry.ingress, true);
	if (ns->space.ingress)
		return 0;
	return error_set(-errno, "cannot map namespace \"%s\" (%ju and %ju bytes of address space): %s", ns->name,
			 (uintmax_t)ns->space.geometry.state, (uintmax_t)ns->space.geometry.ingress, strerror(errno));
}

static int new_id(uint64_t *ret_id)
{
	do
		if (getrandom(ret_id, sizeof(*ret_id), 0) != sizeof(*ret_id))
			return error_set(-errno, "cannot get a random number: %s", strerror(errno));
	while (*ret_id == 0);
	return 0;
}

/* Pages that are used from the start, and the first one of each table that grows. */
static int reserve_first(const struct namespace *ns)
{
	const struct geometry *g = &ns->space.geometry;
	int r = segment_reserve(ns->state_fd, g->lanes_at, LAYOUT_PAGE);
	r = r ? r : segment_reserve(ns->state_fd, g->rejects_at, g->trace_at - g->rejects_at);
	r = r ? r : segment_reserve(ns->state_fd, g->trace_at, g->log_at - g->trace_at);
	r = r ? r : segment_reserve(ns->state_fd, g->log_at, g->attached_at - g->log_at);
	r = r ? r : segment_reserve(ns->state_fd, g->attached_at, LAYOUT_PAGE);
	r = r ? r : segment_reserve(ns->state_fd, g->classes_at, LAYOUT_PAGE);
	r = r ? r : segment_reserve(ns->state_fd, g->objects_at, LAYOUT_PAGE);
	r = r ? r : segment_reserve(ns->state_fd, g->object_tallies_at, LAYOUT_PAGE);
	r = r ? r : segment_reserve(ns->ingress_fd, 0, g->parks_at);
	r = r ? r : segment_reserve(ns->ingress_fd, g->parks_at, LAYOUT_PAGE);
	return r ? r : segment_reserve(ns->ingress_fd, g->flags_at, LAYOUT_PAGE);
}

static int create_both(struct namespace *ns)
{
	int fd = segment_create(ns->dir_fd, "ingress.new", SEGMENT_INGRESS, ns->space.geometry.ingress, ns->id);
	if (fd < 0)
		return fd;
	ns->ingress_fd = fd;
	fd = segment_create(ns->dir_fd, "state.new", SEGMENT_STATE, ns->space.geometry.state, ns->id);
	if (fd < 0)
		return fd;
	ns->state_fd = fd;
	return 0;
}

static void start_life(const struct namespace *ns, uint64_t epoch)
{
	struct life *life = &ns->space.state->life;
	atomic_store(&life->phase, LIFE_STARTING);
	atomic_store(&life->guardian, getpid());
	atomic_store(&life->coordinator, 0);
	atomic_store(&life->flags, ns->options.flags & (STOA_KEEP | STOA_VERIFY));
	atomic_store(&life->restarts, 0);
	atomic_store(&ns->space.state->leaving, 0); /* clients of the last one may be gone */
	atomic_store(&life->stopping, 0);
	atomic_store(&life->started_ns, clock_real());
	atomic_store(&life->epoch, epoch);
	life_changed(life);
}

static void fill_state(const struct namespace *ns)
{
	struct state_head *state = ns->space.state;
	state->geometry = ns->space.geometry;
	memcpy(state->name, ns->name, sizeof(state->name));
	atomic_store(&state->heap_end, ns->space.geometry.heap_at);
	atomic_store(&state->next_incarnation, 1);
	start_life(ns, 1);
}

static int put_in_place(const struct namespace *ns)
{
	if (renameat(ns->dir_fd, "ingress.new", ns->dir_fd, "ingress") == 0 &&
	    renameat(ns->dir_fd, "state.new", ns->dir_fd, "state") == 0)
		return 0;
	return error_set(-errno, "cannot rename the segments in %s into place: %s", ns->dir, strerror(errno));
}

static int make(struct namespace *ns)
{
	remove_segments(ns->dir_fd); /* of a start or an end that was killed half-way */
	int r = new_id(&ns->id);
	r = r ? r : create_both(ns);
	r = r ? r : reserve_first(ns);
	r = r ? r : map_both(ns);
	if (r == 0) {
		fill_state(ns);
		r = put_in_place(ns);
	}
	if (r < 0)
		remove_segments(ns->dir_fd);
	ns->made = r == 0;
	return r;
}

/* ---- taking over ------------------------------------------------------------------------------------------- */

/* The outcomes of looking at what is there, beside 0 (whole) and an error that ends the start. */
enum { NOTHING = 1, DAMAGED };

static int open_segment(struct namespace *ns, const char *file, enum segment_kind kind, int *ret_fd,
			struct segment_head *ret_head)
{
	int fd = openat(ns->dir_fd, file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NOTHING;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return error_set(-errno, "cannot open %s/%s: %s", ns->dir, file, strerror(errno));
	if (fd < 0) {
		error_set(-EPROTO, "the file \"%s\" cannot be opened (%s)", file, strerror(errno));
		return DAMAGED;
	}
	*ret_fd = fd;
	if (segment_check(fd, file, kind, ret_head) == 0)
		return 0;
	/* Another version's namespace is not damaged: only a user can say whether it may go. */
	struct segment_head head;
	bool other = pread(fd, &head, sizeof(head), 0) == sizeof(head) && head.magic == LAYOUT_MAGIC &&
		     head.major != LAYOUT_MAJOR;
	return other ? -EPROTO : DAMAGED;
}

static bool read_head(int state_fd, struct state_head *ret_head)
{
	struct segment_head checked;
	return segment_check(state_fd, "state", SEGMENT_STATE, &checked) == 0 &&
	       pread(state_fd, ret_head, sizeof(*ret_head), 0) == sizeof(*ret_head);
}

bool files_exist(int dir_fd)
{
	return faccessat(dir_fd, "state", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool files_peek(int dir_fd, struct state_head *ret_head)
{
	int fd = openat(dir_fd, "state", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool whole = read_head(fd, ret_head);
	close(fd);
	return whole;
}

static bool is_ended(const struct state_head *head)
{
	return atomic_load(&head->life.phase) == LIFE_ENDED && !(atomic_load(&head->life.flags) & STOA_KEEP);
}

static int damaged(const char *why)
{
	error_set(-EPROTO, "%s", why);
	return DAMAGED;
}

/* Do the two segments belong together, and is everything where it would be put today? */
static int check_both(struct namespace *ns, const struct state_head *state, const struct segment_head *ingress)
{
	struct geometry g = state->geometry;
	struct stat st;
	char text[STOA_ERROR_MAX];
	if (fstat(ns->state_fd, &st) < 0 || st.st_uid != geteuid())
		return damaged("the file \"state\" belongs to another user");
	if (fstat(ns->ingress_fd, &st) < 0 || st.st_uid != geteuid())
		return damaged("the file \"ingress\" belongs to another user");
	if (state->head.namespace_id != ingress->namespace_id || ingress->namespace_id == 0)
		return damaged("the files \"state\" and \"ingress\" are of different namespaces");
	if (layout_geometry(&g, text) < 0 || memcmp(&g, &state->geometry, sizeof(g)) != 0)
		return damaged("the limits in the file \"state\" do not go together");
	if (state->head.limit != g.state || ingress->limit != g.ingress)
		return damaged("the length of a segment is not what the limits say");
	ns->space.geometry = g;
	ns->id = ingress->namespace_id;
	return 0;
}

static int look(struct namespace *ns)
{
	struct segment_head state, ingress;
	struct state_head head;
	int r = open_segment(ns, "state", SEGMENT_STATE, &ns->state_fd, &state);
	if (r)
		return r;
	if (!read_head(ns->state_fd, &head))
		return DAMAGED;
	if (is_ended(&head))
		return NOTHING;
	r = open_segment(ns, "ingress", SEGMENT_INGRESS, &ns->ingress_fd, &ingress);
	if (r == NOTHING)
		return damaged("the file \"ingress\" is missing");
	return r ? r : check_both(ns, &head, &ingress);
}

/* The limits that a namespace was made with win over today's options. */
static void adopt_limits(struct namespace *ns)
{
	const struct geometry *g = &ns->space.geometry;
	ns->options.max_queue = g->queue;
	ns->options.max_threads = g->lanes;
	ns->options.max_objects = g->objects;
	ns->options.max_attrs = g->flags;
	ns->options.max_state = g->state;
}

static int take_over(struct namespace *ns)
{
	int r = map_both(ns);
	if (r < 0)
		return r;
	remove_one(ns->dir_fd, "state.new", -1);
	remove_one(ns->dir_fd, "ingress.new", -1);
	adopt_limits(ns);
	memcpy(ns->space.state->name, ns->name, sizeof(ns->name)); /* the directory may have been renamed */
	ns->heir = atomic_load(&ns->space.state->life.phase) != LIFE_ENDED;
	start_life(ns, atomic_load(&ns->space.state->life.epoch) + 1);
	return 0;
}

int files_prepare(struct namespace *ns)
{
	int r = look(ns);
	if (r == 0)
		return take_over(ns);
	close_segments(ns);
	if (r == DAMAGED)
		r = set_aside(ns);
	return r < 0 ? r : make(ns);
}

/* ---- socket ------------------------------------------------------------------------------------------------ */

static bool is_alive(pid_t pid)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	if (p.fd < 0 && errno != ESRCH) /* none to be had here: a zombie passes for alive */
		return kill(pid, 0) == 0 || errno == EPERM;
	bool alive = p.fd >= 0 && poll(&p, 1, 0) == 0; /* not even a zombie */
	if (p.fd >= 0)
		close(p.fd);
	return alive;
}

/* Who listens there; 0: nobody alive, though what a predecessor forked may have the socket open still. */
static pid_t find_listener(const struct namespace *ns)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(to.sun_path, sizeof(to.sun_path), "%.90s/socket", ns->dir);
	bool heard = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
		     getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
	bool other_kind = fd >= 0 && !heard && errno == EPROTOTYPE;
	if (fd >= 0)
		close(fd);
	if (other_kind)
		return -1;
	return heard && peer.pid > 0 && peer.pid != getpid() && is_alive(peer.pid) ? peer.pid : 0;
}

#define DYING_NS 200000000 /* who was killed lets go of the lock, then of the socket */

int files_check_socket(const struct namespace *ns)
{
	struct stat st;
	if (fstatat(ns->dir_fd, "socket", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : error_set(-errno, "cannot look at %s/socket: %s", ns->dir, strerror(errno));
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return error_set(-EACCES, "%s/socket is no socket of user %u: not used; see what it is, then remove it",
				 ns->dir, (unsigned)geteuid());
	pid_t pid = find_listener(ns);
	for (int64_t end = clock_deadline(DYING_NS); pid > 0 && is_alive(pid) && clock_now() < end;)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	pid = pid > 0 && !is_alive(pid) ? find_listener(ns) : pid;
	if (pid == 0)
		return 0;
	return error_set(-EEXIST,
			 "pid %d listens at %s/socket, and is no coordinator: not used; end it, or remove that",
			 (int)pid, ns->dir);
}

static int bind_socket(struct namespace *ns)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", ns->dir);
	if (n >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	unlinkat(ns->dir_fd, "socket", 0); /* a dead predecessor's: files_check_socket has seen to that */
	if (bind(ns->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/* Whoever reaches the socket before this was let into the directory, and is asked who he is. */
	struct opening o = opening_of(&ns->options);
	if (o.group && fchownat(ns->dir_fd, "socket", (uid_t)-1, o.group, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (fchmodat(ns->dir_fd, "socket", o.all ? 0666 : o.group ? 0660 : 0600, 0) < 0)
		return -errno;
	return listen(ns->listen_fd, 511) < 0 ? -errno : 0;
}

static bool is_shut_to_others(const char *dir, const void *data)
{
	const struct opening *o = data;
	struct stat st;
	if (stat(dir, &st) < 0)
		return false;
	return !(st.st_mode & 0001) && !(o->group && st.st_gid == o->group && st.st_mode & 0010);
}

/* Directories that are not ours to open: $STOA_DIR, and what is above it. */
static void warn_shut(const struct namespace *ns)
{
	struct opening o = opening_of(&ns->options);
	char shut[PATH_MAX];
	struct stat st;
	if ((o.all || o.group) && names_find_shut(ns->dir, is_shut_to_others, &o, shut) && stat(shut, &st) == 0)
		namespace_log(ns, LOG_WARNING,
			      "the directory %s has mode %04o: the users and groups that are to be let in "
			      "may not get through; chmod 0711 opens it",
			      shut, st.st_mode & 07777);
}

int files_listen(struct namespace *ns)
{
	ns->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = ns->listen_fd < 0 ? -errno : bind_socket(ns);
	if (r == 0)
		warn_shut(ns);
	return r < 0 ? error_set(r, "cannot listen on %s/socket: %s", ns->dir, strerror(-r)) : 0;
}
