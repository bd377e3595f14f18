/*
 * descendants.c: see descendants.h.
 */
#include "tools/descendants.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct process {
	pid_t pid, parent;
	bool ours;
};

/* The parent; 0: it has ended. */
static pid_t parent_of(pid_t pid)
{
	char path[32], stat[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(stat, 1, sizeof(stat) - 1, f) : 0;
	int parent = 0;
	if (f)
		fclose(f);
	stat[n] = '\0';
	const char *name_end = strrchr(stat, ')'); /* the name may have anything in it */
	if (!name_end || sscanf(name_end, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static size_t list_all(struct process **ret)
{
	DIR *dir = opendir("/proc");
	size_t n = 0, room = 0;
	*ret = NULL;
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		pid_t pid = (pid_t)atoi(e->d_name);
		if (pid <= 0)
			continue;
		if (n == room) {
			struct process *more = realloc(*ret, (room = 2 * room + 256) * sizeof(*more));
			if (!more)
				break;
			*ret = more;
		}
		(*ret)[n++] = (struct process){ .pid = pid, .parent = parent_of(pid) };
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Is its parent this process, or one that was found to be ours? */
static bool is_ours(const struct process *p, const struct process *all, size_t n)
{
	bool ours = p->parent == getpid();
	for (size_t i = 0; !ours && i < n; i++)
		ours = all[i].ours && all[i].pid == p->parent;
	return ours;
}

size_t descendants_signal(int signo)
{
	struct process *all;
	size_t n = list_all(&all), found = 0;
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < n; i++)
			if (!all[i].ours && is_ours(&all[i], all, n))
				more = all[i].ours = true;
	}
	for (size_t i = 0; i < n; i++)
		if (all[i].ours) {
			kill(all[i].pid, signo);
			found++;
		}
	free(all);
	return found;
}

void descendants_end(void)
{
	while (descendants_signal(SIGKILL) > 0 && waitpid(-1, NULL, 0) > 0) {
	}
}
