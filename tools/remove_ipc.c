/*
 * remove_ipc.c: see remove_ipc.h.
 */
#include "tools/remove_ipc.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const dirs[] = { "/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd" };
#define N_DIRS (sizeof(dirs) / sizeof(dirs[0]))

/* The last setting in a file counts. False: there is no such file. */
static bool read_file(const char *path, bool *value)
{
	char line[512], word[16];
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) /* "no", "false", "off", "0", and what begins like them */
		if (sscanf(line, " RemoveIPC = %15s", word) == 1)
			*value = !strchr("nNfF0", word[0]) && strcasecmp(word, "off") != 0;
	if (f)
		fclose(f);
	return f != NULL;
}

static const char *base(const char *path)
{
	return strrchr(path, '/') + 1;
}

static int by_base(const void *a, const void *b)
{
	return strcmp(base(*(char *const *)a), base(*(char *const *)b));
}

/* Is there one of this name in a directory that comes before the one of path? */
static bool is_hidden(const glob_t *all, const char *path, size_t n_before)
{
	for (size_t i = 0; i < n_before; i++)
		if (strcmp(base(all->gl_pathv[i]), base(path)) == 0)
			return true;
	return false;
}

static void read_drop_ins(const char *root, bool *value)
{
	char pattern[PATH_MAX];
	glob_t all = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < N_DIRS; i++) {
		snprintf(pattern, sizeof(pattern), "%s%s/logind.conf.d/*.conf", root, dirs[i]);
		glob(pattern, i ? GLOB_APPEND : 0, NULL, &all);
	}
	char **seen = calloc(all.gl_pathc + 1, sizeof(*seen));
	for (size_t i = 0; seen && i < all.gl_pathc; i++)
		if (!is_hidden(&all, all.gl_pathv[i], i))
			seen[n++] = all.gl_pathv[i];
	if (n)
		qsort(seen, n, sizeof(*seen), by_base);
	for (size_t i = 0; i < n; i++)
		read_file(seen[i], value);
	free(seen);
	globfree(&all);
}

bool remove_ipc_is_set(const char *root)
{
	char path[PATH_MAX];
	bool value = true, found = false;
	for (size_t i = 0; !found && i < N_DIRS; i++) {
		snprintf(path, sizeof(path), "%s%s/logind.conf", root, dirs[i]);
		found = read_file(path, &value);
	}
	read_drop_ins(root, &value);
	return value;
}
