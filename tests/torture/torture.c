/*
 * torture.c: see torture.h.
 */
#include "tests/torture/torture.h"

#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAID_MAX 20

struct torture torture;
static uint64_t state;
static char where[256];

/* ---- the plan ---- */

uint64_t torture_random(uint64_t below)
{
	state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
	uint64_t z = state;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return below ? (z ^ (z >> 31)) % below : z ^ (z >> 31);
}

void torture_seed(uint64_t seed)
{
	state = seed;
}

void torture_shuffle(uint32_t *list, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = torture_random(i);
		uint32_t other = list[k];
		list[k] = list[i - 1];
		list[i - 1] = other;
	}
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static bool given(const char *name)
{
	const char *text = getenv(name);
	return text && *text;
}

void torture_begin(const char *name, unsigned seconds)
{
	torture.name = name;
	torture.lengthy = given("DURATION") || given("ROUNDS");
	torture.rounds = number("ROUNDS", UINT64_MAX);
	torture.length_ns = STOA_MS(1000) * (int64_t)number("DURATION", given("ROUNDS") ? 86400 : seconds);
	torture.seed = state = number("SEED", (uint64_t)clock_real() % 1000000);
	strcpy(torture.dir, "/dev/shm/stoa-torture.XXXXXX");
	if (!mkdtemp(torture.dir))
		torture_skip("cannot make a directory in /dev/shm");
	setenv("STOA_DIR", torture.dir, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%s: SEED=%ju, %s form\n", name, (uintmax_t)torture.seed, torture.lengthy ? "long" : "short");
}

void torture_go(void) { torture.end_ns = clock_deadline(torture.length_ns); }

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int torture_end(void)
{
	torture_where("at the end");
	torture_check(torture_until(torture_count_files(torture.dir) == 0), "files were left in %s", torture.dir);
	nftw(torture.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	printf("%s: %u failures; again with SEED=%ju\n", torture.name, torture.failures, (uintmax_t)torture.seed);
	return torture.failures ? 1 : 0;
}

void torture_skip(const char *why)
{
	printf("%s: skipped: %s\n", torture.name, why);
	if (torture.dir[0])
		rmdir(torture.dir);
	exit(77);
}

/* ---- failures ---- */

void torture_where(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(where, sizeof where, format, ap);
	va_end(ap);
}

void torture_fail(const char *format, ...)
{
	char text[512];
	va_list ap;
	if (++torture.failures > SAID_MAX)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	printf("FAILED %s: %s\n", where, text);
}

const char *torture_error(void)
{
	static struct stoa_error e;
	stoa_last_error(&e);
	return e.text;
}

void torture_pause(void) { nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL); }

bool torture_kill(struct stoa *s, bool coordinator, bool guardian)
{
	struct stoa_health h;
	if (stoa_health(s, &h) < 0 || h.coordinator <= 0 || h.guardian <= 0 || h.coordinator == h.guardian)
		return false;
	pid_t group = getpgid(h.guardian);
	if (group <= 1 || group == getpgrp())
		return false;
	if (coordinator && guardian)
		kill(-group, SIGKILL); /* at one moment: who sees the other die would go on alone */
	else
		kill(coordinator ? h.coordinator : h.guardian, SIGKILL);
	if (guardian)
		waitpid(h.guardian, NULL, 0);
	if (coordinator && guardian)
		waitpid(h.coordinator, NULL, 0);
	return true;
}

/* ---- what is there ---- */

int torture_count_fds(pid_t pid)
{
	char path[64];
	int n = 0;
	snprintf(path, sizeof path, pid ? "/proc/%d/fd" : "/proc/self/fd", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n - (pid == 0);
}

static int n_files;

static int count_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)kind;
	n_files += ftw->level > 0;
	return 0;
}

int torture_count_files(const char *below)
{
	n_files = 0;
	nftw(below, count_one, 8, FTW_PHYS);
	return n_files;
}

/* ---- times ---- */

void times_add(struct times *t, int64_t ns)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 256;
		t->ns = realloc(t->ns, t->room * sizeof *t->ns);
		if (!t->ns)
			abort();
	}
	t->ns[t->n++] = ns;
}

size_t times_above(const struct times *t, int64_t ns)
{
	size_t n = 0;
	for (size_t i = 0; i < t->n; i++)
		n += t->ns[i] > ns;
	return n;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

void times_print(struct times *t, const char *what)
{
	if (!t->n)
		return;
	qsort(t->ns, t->n, sizeof *t->ns, compare);
	printf("  %s: %zu, median %.2f ms, p99 %.2f ms, worst %.2f ms\n", what, t->n, (double)t->ns[t->n / 2] / 1e6,
	       (double)t->ns[t->n * 99 / 100] / 1e6, (double)t->ns[t->n - 1] / 1e6);
}

void times_check(struct times *t, const char *what)
{
	times_print(t, what);
	size_t late = times_above(t, BOUND);
	torture_check(TORTURE_SLOW || late <= 2 + t->n / 100, "%s: %zu of %zu took longer than 200 ms", what, late,
		      t->n);
}
