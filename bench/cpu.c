/*
 * cpu.c: see cpu.h.
 */
#include "bench/cpu.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cpu_set_t ours;

void cpu_begin(void)
{
	if (sched_getaffinity(0, sizeof(ours), &ours) < 0)
		CPU_SET(0, &ours);
}

unsigned cpu_count(void)
{
	return (unsigned)CPU_COUNT(&ours);
}

const char *cpu_name(char *to, size_t size)
{
	char line[256], *name;
	FILE *f = fopen("/proc/cpuinfo", "re");
	snprintf(to, size, "unknown processor");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "model name", 10) == 0 && (name = strchr(line, ':'))) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(to, size, "%s", name + 2);
			break;
		}
	if (f)
		fclose(f);
	return to;
}

static cpu_set_t one(unsigned at)
{
	cpu_set_t set;
	unsigned skip = at % cpu_count();
	CPU_ZERO(&set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &ours) && skip-- == 0) {
			CPU_SET(cpu, &set);
			break;
		}
	return set;
}

/* All its threads: a library may have some of its own. */
static void place(pid_t pid, cpu_set_t set)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return; /* it is gone; whoever calls it will say so */
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.')
			sched_setaffinity(atoi(e->d_name), sizeof(set), &set);
	closedir(dir);
}

void cpu_pin_self(unsigned at)
{
	place(getpid(), one(at));
}

void cpu_free_self(void)
{
	place(getpid(), ours);
}

void cpu_pin(pid_t pid, bool pinned)
{
	place(pid, pinned ? one(0) : ours);
}

void cpu_take_along(pid_t pid)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		place(pid, set);
}
