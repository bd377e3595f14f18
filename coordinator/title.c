/*
 * title.c: the name that ps(1) and top(1) show for a process.
 *
 * The kernel shows the memory between arg_start and arg_end, which is the argv that exec put there, and ours to write:
 * only inside, and with a NUL at its end, or the kernel would go on into the environment.
 */
#include "coordinator/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ARG_START 48 /* fields of /proc/self/stat, proc(5) */
#define ARG_END 49

/* The n-th field, counted from 1; the second one is in parentheses and may hold blanks and parentheses itself. */
static uintptr_t field(const char *stat, int n)
{
	const char *at = strrchr(stat, ')');
	for (int i = 2; at && i < n; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at ? (uintptr_t)strtoull(at, NULL, 10) : 0;
}

static size_t find_args(char **ret_at)
{
	char stat[2048];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	stat[n] = '\0';
	uintptr_t from = field(stat, ARG_START), to = field(stat, ARG_END);
	/* The environment lies behind them, as the kernel laid it out, or this is not our memory:
	 * under valgrind it is not. */
	if (from == 0 || to <= from || !environ || environ[0] != (char *)to)
		return 0;
	*ret_at = (char *)from;
	return to - from;
}

void process_title(const char *title)
{
	char *args;
	prctl(PR_SET_NAME, title);
	size_t room = find_args(&args), n = strlen(title);
	if (room == 0)
		return;
	n = n < room ? n : room - 1;
	memset(args, 0, room);
	memcpy(args, title, n);
}
