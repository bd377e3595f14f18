/*
 * places.c: see places.h.
 */
#include "tools/places.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHM "/dev/shm"
#define PREFIX "stoa-"

struct list {
	struct place *places;
	size_t n, room;
};

/* ---- one ---- */

/* Who holds this byte of the lock: 0 the guardian's, 1 the coordinator's. */
static pid_t holder(int fd, off_t byte)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	return fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK ? (l.l_pid > 0 ? l.l_pid : -1) : 0;
}

static uint64_t measure(int dir_fd)
{
	uint64_t bytes = 0;
	struct stat st;
	int fd = dup(dir_fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		if (fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return bytes;
}

/* What damage is set aside under has a dot, which no name has. */
static bool is_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
			return false;
	return name[0] != '-' && name[0];
}

/* False: it is no namespace. */
static bool look(const char *above, const char *name, struct place *p)
{
	struct stat st;
	snprintf(p->dir, sizeof(p->dir), "%s/%s", above, name);
	int dir_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return false;
	int lock = openat(dir_fd, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool is_place = lock >= 0 || faccessat(dir_fd, "state", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_place && fstat(dir_fd, &st) == 0) {
		p->uid = st.st_uid;
		p->damaged = !is_name(name);
		p->guardian = lock < 0 ? 0 : holder(lock, 0);
		p->coordinator = lock < 0 ? 0 : holder(lock, 1);
		p->live = !p->damaged && (p->guardian || p->coordinator);
		p->bytes = measure(dir_fd);
	}
	if (lock >= 0)
		close(lock);
	close(dir_fd);
	return is_place;
}

/* ---- all of one user ---- */

static struct place *add(struct list *l)
{
	if (l->n == l->room) {
		struct place *more = realloc(l->places, (l->room = 2 * l->room + 8) * sizeof(*more));
		if (!more)
			return NULL;
		l->places = more;
	}
	l->places[l->n] = (struct place){ 0 };
	return &l->places[l->n];
}

/* owner: "", or "USER/". */
static int add_those_in(struct list *l, const char *above, const char *owner)
{
	int r = 0;
	DIR *dir = opendir(above);
	if (!dir)
		return errno == ENOENT || *owner ? 0 : -errno;
	for (const struct dirent *e; r == 0 && (e = readdir(dir));) {
		struct place *p = e->d_name[0] == '.' ? NULL : add(l);
		if (!p) {
			r = e->d_name[0] == '.' ? 0 : -ENOMEM;
			continue;
		}
		snprintf(p->name, sizeof(p->name), "%s%s", owner, e->d_name);
		l->n += look(above, e->d_name, p);
	}
	closedir(dir);
	return r;
}

/* ---- all users ---- */

bool places_above(char ret_dir[PATH_MAX])
{
	const char *chosen = secure_getenv("STOA_DIR");
	if (chosen && *chosen)
		snprintf(ret_dir, PATH_MAX, "%s", chosen);
	else
		snprintf(ret_dir, PATH_MAX, SHM "/" PREFIX "%u", (unsigned)geteuid());
	return ret_dir[0] == '/';
}

/* "alice/", for the directory of a uid. False: it is another kind of directory. */
static bool owner_of(const char *entry, char owner[LOGIN_NAME_MAX + 1])
{
	char *end;
	if (strncmp(entry, PREFIX, strlen(PREFIX)) != 0 || !isdigit((unsigned char)entry[strlen(PREFIX)]))
		return false;
	unsigned long uid = strtoul(entry + strlen(PREFIX), &end, 10);
	if (*end || uid >= UINT32_MAX)
		return false;
	const struct passwd *user = getpwuid((uid_t)uid);
	if (user && strlen(user->pw_name) < LOGIN_NAME_MAX)
		snprintf(owner, LOGIN_NAME_MAX + 1, "%s/", user->pw_name);
	else
		snprintf(owner, LOGIN_NAME_MAX + 1, "%lu/", uid);
	return true;
}

static int add_others(struct list *l, const char *ours)
{
	char above[PATH_MAX], owner[LOGIN_NAME_MAX + 1];
	int r = 0;
	DIR *dir = opendir(SHM);
	for (const struct dirent *e; dir && r == 0 && (e = readdir(dir));) {
		snprintf(above, sizeof(above), SHM "/%s", e->d_name);
		if (strcmp(above, ours) != 0 && owner_of(e->d_name, owner))
			r = add_those_in(l, above, owner);
	}
	if (dir)
		closedir(dir);
	return r;
}

static int by_name(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	bool others_x = strchr(x->name, '/'), others_y = strchr(y->name, '/');
	return others_x != others_y ? others_x - others_y : strcmp(x->name, y->name);
}

int places_find(bool all, struct place **ret_places, size_t *ret_n)
{
	char ours[PATH_MAX];
	struct list l = { 0 };
	int r = places_above(ours) ? add_those_in(&l, ours, "") : -EINVAL;
	if (r == 0 && all)
		r = add_others(&l, ours);
	if (r == 0 && !l.places && !add(&l))
		r = -ENOMEM;
	if (r < 0) {
		free(l.places);
		return r;
	}
	qsort(l.places, l.n, sizeof(*l.places), by_name);
	*ret_places = l.places;
	*ret_n = l.n;
	return 0;
}
