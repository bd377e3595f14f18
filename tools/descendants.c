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
	bool asked, ours; /* ours: as far as it was asked */
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

static int by_pid(const void *a, const void *b)
{
	const struct process *p = a, *q = b;
	return (p->pid > q->pid) - (p->pid < q->pid);
}

/*
 * Is its parent this process, or one that is ours? Each is asked once, most after their parents. They were not read at
 * one instant: with a pid that was used again in between, they might make a ring.
 */
static bool is_ours(struct process *p, struct process *all, size_t n)
{
	if (p && !p->asked) {
		struct process parent = { .pid = p->parent };
		p->asked = true;
		p->ours = parent.pid == getpid() || is_ours(bsearch(&parent, all, n, sizeof(*all), by_pid), all, n);
	}
	return p && p->ours;
}

size_t descendants_signal(int signo)
{
	struct process *all;
	size_t n = list_all(&all), found = 0;
	if (n > 0)
		qsort(all, n, sizeof(*all), by_pid);
	for (size_t i = 0; i < n; i++)
		if (is_ours(&all[i], all, n)) {
			kill(all[i].pid, signo);
			found++;
		}
	free(all);
	return found;
}

/* At least one child, and all that have ended by then. False: there is none. */
static bool reap(void)
{
	if (waitpid(-1, NULL, 0) < 0)
		return false;
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
	return true;
}

void descendants_end(void)
{
	while (descendants_signal(SIGKILL) > 0 && reap()) {
	}
}
