/*
 * test_undertaker.c: a coordinator with much memory shares it with a process that does nothing but end behind it.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

struct small {
	uint64_t n;
};
struct sheet {
	uint8_t bytes[8 << 20];
};
STOA_STRUCT(small, STOA_ATTR(struct small, n));
STOA_STRUCT(sheet, STOA_ATTR(struct sheet, bytes));
STOA_STUB(small, count, stoa_none, stoa_none);
STOA_STUB(sheet, mark, stoa_none, stoa_none);

static int small_count(struct small *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->n++;
	return 0;
}
STOA_METHOD(small, count, stoa_none, stoa_none, .writes = "n");
STOA_CLASS(small, 1, &small_count_row);

static int sheet_mark(struct sheet *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->bytes[4096]++;
	return 0;
}
STOA_METHOD(sheet, mark, stoa_none, stoa_none, .writes = "bytes");
STOA_CLASS(sheet, 1, &sheet_mark_row);

static struct stoa *s;
static struct stoa_proxy *small, *sheet;

static void begin(void)
{
	const char *preload = getenv("LD_PRELOAD");
#ifdef __SANITIZE_THREAD__
	harness_skip("there is none under the thread sanitizer");
#endif
	if (preload && strstr(preload, "vgpreload"))
		harness_skip("there is none under valgrind");
	s = harness_start(STOA_CLASSES(&small_class, &sheet_class));
	small = harness_create(s, "small", &small_class, NULL);
}

static bool is_undertaker(const char *pid, pid_t of)
{
	char path[64], text[256] = "";
	int parent = 0;
	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	FILE *f = fopen(path, "re");
	bool read = f && fgets(text, sizeof(text), f);
	if (f)
		fclose(f);
	const char *name = read ? strstr(text, "(stoa:undertaker) ") : NULL;
	return name && sscanf(name, "(stoa:undertaker) %*c %d", &parent) == 1 && parent == of;
}

/* 0: this process has none. */
static pid_t undertaker(pid_t of)
{
	pid_t found = 0;
	DIR *dir = opendir("/proc");
	for (struct dirent *e; (e = readdir(dir));)
		if (isdigit((unsigned char)e->d_name[0]) && is_undertaker(e->d_name, of))
			found = atoi(e->d_name);
	closedir(dir);
	return found;
}

/* Of the coordinator, which by then has called the large object. */
static pid_t its_undertaker(void)
{
	pid_t found;
	ok(sheet_mark_call(sheet, NULL, NULL, SOON));
	until((found = undertaker(harness_coordinator(s))) != 0);
	return found;
}

static int descriptors(pid_t pid)
{
	char path[64];
	int n = -2; /* "." and ".." */
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void coordinator_has_one_when_its_objects_are_large(void)
{
	begin();
	for (int i = 0; i < 1000; i++)
		ok(small_count_call(small, NULL, NULL, SOON));
	assert_int_equal(undertaker(harness_coordinator(s)), 0);
	sheet = harness_create(s, "sheet", &sheet_class, NULL);
	pid_t pid = its_undertaker();
	until(descriptors(pid) == 0);
	ok(sheet_mark_call(sheet, NULL, NULL, SOON));
	assert_int_equal(its_undertaker(), pid);
}

static void undertaker_ends_behind_its_coordinator(void)
{
	begin();
	sheet = harness_create(s, "sheet", &sheet_class, NULL);
	for (int i = 0; i < 5; i++) {
		pid_t pid = its_undertaker();
		harness_kill_coordinator(s);
		until(harness_has_ended(pid));
	}
}

static void coordinator_lives_on_without(void)
{
	begin();
	sheet = harness_create(s, "sheet", &sheet_class, NULL);
	pid_t pid = its_undertaker(), coordinator = harness_coordinator(s);
	kill(pid, SIGKILL);
	until(harness_has_ended(pid));
	ok(sheet_mark_call(sheet, NULL, NULL, SOON));
	assert_int_equal(harness_coordinator(s), coordinator);
	harness_kill_coordinator(s);
	its_undertaker();
}

static void guardian_that_was_a_coordinator_has_none(void)
{
	begin();
	sheet = harness_create(s, "sheet", &sheet_class, NULL);
	pid_t pid = its_undertaker(), guardian = harness_guardian(s), coordinator = harness_coordinator(s);
	kill(guardian, SIGKILL);
	until(harness_guardian(s) == coordinator && harness_coordinator(s) != coordinator);
	until(harness_has_ended(pid));
	its_undertaker();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(coordinator_has_one_when_its_objects_are_large),
		HARNESS(coordinator_lives_on_without),
		HARNESS(guardian_that_was_a_coordinator_has_none),
		HARNESS(undertaker_ends_behind_its_coordinator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
