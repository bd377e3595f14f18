/*
 * leftover.c: see leftover.h. The protocol is that of a start (coordinator/namespace.c): who holds both bytes of the
 * lock, with its path leading to it, has the files to himself; the lock goes last, and who waits for it then finds that
 * its path leads elsewhere. What lies there and is not ours stays, and the directory with it.
 */
#include "tools/leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/layout.h"

#define ATTACH_NS STOA_MS(300)

const char *leftover_name(enum leftover kind)
{
	static const char *const names[] = {
		[LEFTOVER_CRASHED] = "crashed",
		[LEFTOVER_HALF] = "half made",
		[LEFTOVER_KEPT] = "kept",
		[LEFTOVER_DAMAGED] = "damaged",
	};
	return names[kind];
}

static enum leftover kind_in(int dir_fd, bool damaged)
{
	struct state_head head;
	int fd = openat(dir_fd, "state", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !damaged)
		return LEFTOVER_HALF;
	ssize_t n = fd < 0 ? -1 : pread(fd, &head, sizeof(head), 0);
	if (fd >= 0)
		close(fd);
	if (damaged || n != sizeof(head) || head.head.magic != LAYOUT_MAGIC || head.head.kind != SEGMENT_STATE ||
	    head.head.major != LAYOUT_MAJOR)
		return LEFTOVER_DAMAGED;
	if (atomic_load(&head.life.phase) != LIFE_ENDED)
		return LEFTOVER_CRASHED;
	return atomic_load(&head.life.flags) & STOA_KEEP ? LEFTOVER_KEPT : LEFTOVER_HALF;
}

enum leftover leftover_kind(const struct place *p)
{
	int fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	enum leftover kind = fd < 0 ? LEFTOVER_HALF : kind_in(fd, p->damaged);
	if (fd >= 0)
		close(fd);
	return kind;
}

bool leftover_look(const struct place *p, struct stoa_health *ret)
{
	struct stoa *stoa;
	struct stoa_options how = { .flags = STOA_READ_ONLY, .timeout = p->live ? ATTACH_NS : 1 };
	if (p->damaged || stoa_attach(p->name, &how, &stoa) < 0)
		return false;
	int r = stoa_health(stoa, ret);
	stoa_detach(stoa);
	return r == 0;
}

/* ---- removing ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_in_place(const struct place *p, int dir_fd, int lock_fd)
{
	struct stat a, b;
	return fstat(dir_fd, &a) == 0 && lstat(p->dir, &b) == 0 && is_same(&a, &b) && fstat(lock_fd, &a) == 0 &&
	       fstatat(dir_fd, "lock", &b, AT_SYMLINK_NOFOLLOW) == 0 && is_same(&a, &b);
}

/* Both bytes of the lock, at once and without waiting. It is let go when the descriptor is closed. */
static int take(const struct place *p, int dir_fd, int *ret_fd)
{
	struct flock both = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 2 };
	int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ENOENT ? -EBUSY : -errno; /* the directory was removed meanwhile */
	int r = fcntl(fd, F_SETLK, &both) == 0 ? 0 : errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	if (r == 0 && !is_in_place(p, dir_fd, fd))
		r = -EBUSY;
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

static void remove_lanes(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		if (strncmp(e->d_name, "lane.", 5) == 0)
			unlinkat(dir_fd, e->d_name, 0);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

/*
 * Who still has it mapped, and only casts, looks at nothing else: from here on nothing is published, and no cast joins
 * what is queued.
 */
static void refuse_casts(int dir_fd)
{
	int fd = openat(dir_fd, "state", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct state_head *head = mmap(NULL, sizeof(*head), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (head == MAP_FAILED)
		return;
	atomic_store(&head->life.stopping, STOA_NOW + 1);
	life_changed(&head->life);
	atomic_store(&head->taken, UINT64_MAX);
	munmap(head, sizeof(*head));
}

static int remove_files(const struct place *p, enum leftover kind, int dir_fd)
{
	static const char *const files[] = { "state.new", "ingress.new", "ingress", "state", "lock" };
	char above[PATH_MAX];
	if (kind == LEFTOVER_CRASHED)
		refuse_casts(dir_fd);
	unlinkat(dir_fd, "socket", 0);
	remove_lanes(dir_fd);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dir_fd, files[i], 0);
	if (rmdir(p->dir) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!secure_getenv("STOA_DIR") && places_above(above))
		rmdir(above); /* if it was the last */
	return 0;
}

int leftover_remove(const struct place *p, bool wanted)
{
	struct stat st;
	int lock_fd = -1, dir_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return errno == ENOENT ? 0 : -errno; /* another was faster */
	int r = fstat(dir_fd, &st) == 0 && st.st_uid == geteuid() ? take(p, dir_fd, &lock_fd) : -EACCES;
	if (r == 0) {
		enum leftover kind = kind_in(dir_fd, p->damaged);
		r = !wanted && leftover_is_wanted(kind) ? -EEXIST : remove_files(p, kind, dir_fd);
		close(lock_fd);
	}
	close(dir_fd);
	return r;
}
