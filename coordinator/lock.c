/*
 * lock.c: the two bytes of the file "lock", as POSIX record locks.
 *
 * They die with their process and no fork inherits them. But a process loses them all when it closes any descriptor of
 * the file: so a process opens it once, and the list here refuses a second opening of the same file.
 */
#include "coordinator/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/clock.h"

#define LOCK_POLL_NS 3000000

struct opened {
	struct opened *next;
	dev_t dev;
	ino_t ino;
	int fd;
	pid_t pid; /* a child has the descriptor too, but no lock to lose */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct opened *opened;

static bool is_opened(const struct stat *st)
{
	for (struct opened *o = opened; o; o = o->next)
		if (o->pid == getpid() && o->dev == st->st_dev && o->ino == st->st_ino)
			return true;
	return false;
}

static int open_once(int dir_fd)
{
	struct stat st;
	if (fstatat(dir_fd, "lock", &st, AT_SYMLINK_NOFOLLOW) == 0 && is_opened(&st))
		return -EDEADLK;
	struct opened *o = malloc(sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	bool ours = o->fd >= 0 && fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
	if (!ours || fchmod(o->fd, 0600) < 0) { /* the umask may have taken bits */
		int r = o->fd < 0 ? -errno : -EACCES;
		if (o->fd >= 0)
			close(o->fd);
		free(o);
		return r;
	}
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	o->pid = getpid();
	o->next = opened;
	opened = o;
	return o->fd;
}

int lock_open(int dir_fd)
{
	pthread_mutex_lock(&mutex);
	int fd = open_once(dir_fd);
	pthread_mutex_unlock(&mutex);
	return fd;
}

void lock_close(int lock_fd)
{
	pthread_mutex_lock(&mutex);
	for (struct opened **at = &opened; *at; at = &(*at)->next)
		if ((*at)->fd == lock_fd) {
			struct opened *o = *at;
			*at = o->next;
			close(o->fd);
			free(o);
			break;
		}
	pthread_mutex_unlock(&mutex);
}

static struct flock bytes(int byte, short type)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte == LOCK_BOTH ? LOCK_GUARDIAN : byte,
		.l_len = byte == LOCK_BOTH ? 2 : 1,
	};
}

/* 0: taken; -EAGAIN, and by whom it is held: 0 if they let go just now, or are out of our sight. */
static int try(int lock_fd, int byte, pid_t *ret_pid)
{
	struct flock want = bytes(byte, F_WRLCK), held = want;
	if (fcntl(lock_fd, F_SETLK, &want) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	*ret_pid = fcntl(lock_fd, F_GETLK, &held) == 0 && held.l_type != F_UNLCK ? held.l_pid : 0;
	return -EAGAIN;
}

int lock_take(int lock_fd, int byte, int64_t timeout, pid_t *ret_pid)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_NS };
	int64_t deadline = clock_deadline(timeout);
	pid_t pid = 0;
	int r;
	while ((r = try(lock_fd, byte, &pid)) == -EAGAIN && clock_now() < deadline)
		nanosleep(&pause, NULL);
	if (r == -EAGAIN && ret_pid)
		*ret_pid = pid;
	return r;
}

void lock_drop(int lock_fd, int byte)
{
	struct flock none = bytes(byte, F_UNLCK);
	fcntl(lock_fd, F_SETLK, &none);
}
