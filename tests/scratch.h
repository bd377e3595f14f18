/*
 * scratch.h: for tests that make files: a directory of their own as $STOA_DIR, which has to be empty in the end.
 * Included after <cmocka.h>.
 */
#ifndef STOA_SCRATCH_H
#define STOA_SCRATCH_H

#include <dirent.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static inline int scratch_setup(void **state)
{
	char dir[] = "/dev/shm/stoa-test.XXXXXX";
	if (!mkdtemp(dir))
		return -1;
	setenv("STOA_DIR", dir, 1);
	*state = strdup(dir);
	return *state ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void scratch_remove(const char *path)
{
	nftw(path, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int scratch_teardown(void **state)
{
	char *dir = *state;
	int r = rmdir(dir);
	if (r < 0)
		print_error("%s: something was left behind\n", dir);
	scratch_remove(dir);
	free(dir);
	return r;
}

/* DIR/FILE, in a buffer that the next call overwrites. */
static inline const char *scratch_path(void **state, const char *file)
{
	static char path[100];
	int n = snprintf(path, sizeof(path), "%s/%s", (const char *)*state, file);
	assert_true(n < (int)sizeof(path));
	return path;
}

static inline int scratch_files(const char *path)
{
	int n = 0;
	DIR *dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Descriptors open in a process: to be compared, for some entries are none. */
static inline int scratch_fds_of(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	return scratch_files(path);
}

static inline int scratch_fds(void)
{
	return scratch_fds_of(getpid());
}

/* How a child ended: its exit status, or minus the signal. */
static inline int scratch_wait(pid_t child)
{
	int status;
	if (waitpid(child, &status, 0) != child)
		return -1000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
