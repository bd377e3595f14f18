/*
 * test_room.c: no room: a full file system, files at their largest, descriptors at their last. An error at start, at
 * attach or of the call that needed it; nothing half made, nobody dead, and all goes on when there is room again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "tests/harness.h"
#include "tests/scratch.h"

struct note {
	stoa_text text;
	uint64_t n;
};
STOA_STRUCT(note, STOA_ATTR(struct note, text, .writable = true), STOA_ATTR(struct note, n, .writable = true));
STOA_RECORD(note, 1);

static struct stoa *s;
static struct stoa_proxy *p;

static void counts_descriptors(void)
{
#ifdef UNDER_VALGRIND
	harness_skip("valgrind has limits of descriptors of its own");
#endif
}

static void counts_pages(void)
{
#ifdef UNDER_VALGRIND
	harness_skip("valgrind, as it looks for leaks, takes room for all that is mapped");
#endif
}

static void add(void)
{
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

static bool is_empty(void)
{
	int n = 0;
	DIR *dir = opendir(getenv("STOA_DIR"));
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n == 0;
}

static void one_of(int a, int b, int r)
{
	if (r != a)
		refused(b, r);
}

/* ---- a full state --------------------------------------------------------------------------------------------- */

static int fill(const void *init)
{
	char name[32];
	int r = 0, n = 0;
	for (; r == 0; n += r == 0) {
		snprintf(name, sizeof(name), "note-%d", n);
		r = stoa_create(s, name, &note_class, init, STOA_EXCL, &p);
		stoa_close(r == 0 ? p : NULL);
	}
	refused(-ENOSPC, r);
	says("max_state");
	return n;
}

static void clear(int n)
{
	char name[32];
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "note-%d", i);
		ok(stoa_remove(s, name, SOON));
	}
}

static void one_large_note(char *bytes, size_t size)
{
	struct note got = { 0 };
	stoa_text text = { bytes, size };
	p = harness_create(s, "one", &note_class, NULL);
	ok(STOA_ASSIGN(p, struct note, text, &text, SOON));
	harness_kill_coordinator(s);
	ok(stoa_snapshot(p, &got, sizeof(got), SOON, NULL));
	assert_int_equal(got.text.size, size);
	assert_memory_equal(got.text.data, bytes, size);
	stoa_text_fini(&got.text);
	stoa_close(p);
	ok(stoa_remove(s, "one", SOON));
}

static void memory_of_removed_objects_serves_others_of_any_size(void)
{
	static char bytes[200000];
	memset(bytes, 'a', sizeof(bytes) - 1);
	s = harness_start_with(STOA_CLASSES(&note_class), STOA_OPTIONS(.max_state = 16 << 20));
	const struct note small = { .text = { bytes, 1000 } };
	int n = fill(&small);
	clear(n);
	one_large_note(bytes, sizeof(bytes) - 1);
	int again = fill(&small); /* what was joined is cut */
	assert_true(again > n - n / 8);
	harness_kill_coordinator(s);
	clear(again);
	one_large_note(bytes, sizeof(bytes) - 1);
}

/* ---- flags ---------------------------------------------------------------------------------------------------- */

struct narrow {
	int64_t a;
};
struct wide {
	int64_t a, b, c, d, e, f, g, h, i;
};
#define A(x) STOA_ATTR(struct wide, x)
STOA_STRUCT(narrow, STOA_ATTR(struct narrow, a));
STOA_STRUCT(wide, A(a), A(b), A(c), A(d), A(e), A(f), A(g), A(h), A(i));
STOA_RECORD(narrow, 1);
STOA_RECORD(wide, 1);

static void flags_of_removed_objects_serve_whoever_they_suffice(void)
{
	char name[16];
	int r = 0;
	s = harness_start_with(STOA_CLASSES(&narrow_class, &wide_class), STOA_OPTIONS(.max_attrs = 64));
	harness_create(s, "narrow", &narrow_class, NULL);
	for (int n = 0; r == 0; n++) {
		snprintf(name, sizeof(name), "wide-%d", n);
		r = stoa_create(s, name, &wide_class, NULL, 0, &p);
	}
	refused(-ENOSPC, r);
	says("max_attrs");
	ok(stoa_remove(s, "wide-0", SOON));
	ok(stoa_remove(s, "narrow", SOON)); /* its body is the first to be taken again, and has not enough */
	ok(stoa_create(s, "wide", &wide_class, NULL, 0, &p));
	refused(-ENOSPC, stoa_create(s, "wider", &wide_class, NULL, 0, &p));
	ok(stoa_remove(s, "wide", SOON));
	ok(stoa_remove(s, "wide-1", SOON));
	harness_kill_coordinator(s);
	ok(stoa_create(s, "wide", &wide_class, NULL, 0, &p));
	ok(stoa_create(s, "wider", &wide_class, NULL, 0, &p));
	ok(stoa_create(s, "narrow", &narrow_class, NULL, 0, &p));
}

/* ---- a full file system --------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, text, strlen(text));
	(void)n;
	close(fd);
}

static int leave_mounts(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
	return 0;
}

/* A file system of this size as $STOA_DIR, for this test and what it starts. */
static void small_room(const char *size)
{
	if (leave_mounts() < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", getenv("STOA_DIR"), "tmpfs", 0, size) < 0)
		harness_skip("a file system of our own cannot be mounted here");
}

static const char *filler(void)
{
	static char path[100];
	snprintf(path, sizeof(path), "%s/.filler", getenv("STOA_DIR"));
	return path;
}

/* Take all room but for some. */
static void fill_but(off_t left)
{
	off_t size = 0;
	int fd = open(filler(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	while (posix_fallocate(fd, size, 4096) == 0)
		size += 4096;
	assert_int_equal(ftruncate(fd, size > left ? size - left : 0), 0);
	close(fd);
}

static void make_room(void)
{
	assert_int_equal(unlink(filler()), 0);
}

static void start_in_a_full_file_system_is_refused_whole(void)
{
	counts_pages();
	int refusals = 0, r = 0;
	small_room("size=4m");
	for (off_t left = 0; left <= 1 << 20; left += 24 << 10) {
		fill_but(left);
		r = stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &s);
		one_of(0, -ENOSPC, r);
		refusals += r < 0;
		if (r == 0) {
			r = stoa_create(s, "hits", &counter_class, NULL, 0, &p);
			one_of(0, -ENOSPC, r);
			if (r == 0)
				one_of(0, -ENOSPC, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
			stoa_detach(s);
			until(is_empty());
		}
		assert_true(is_empty());
		make_room();
	}
	assert_true(refusals > 3);
	ok(r); /* the last had room */
}

static void create_many(int *ret_n, int limit)
{
	char name[32];
	int r = 0;
	struct stoa_proxy *made;
	for (; r == 0 && *ret_n < limit; *ret_n += r == 0) {
		snprintf(name, sizeof(name), "object-%d", *ret_n);
		r = stoa_create(s, name, &counter_class, &(struct counter){ *ret_n }, STOA_EXCL, &made);
	}
	if (r < 0) {
		refused(-ENOSPC, r);
		says("make room");
	}
}

static void file_system_that_fills_up_under_a_coordinator_stops_only_what_needs_room(void)
{
	counts_pages();
	static char large[1 << 20];
	struct stoa_proxy *notes;
	int n = 0;
	memset(large, 'x', sizeof(large) - 1);
	small_room("size=8m");
	s = harness_start(STOA_CLASSES(&note_class));
	pid_t coordinator = harness_coordinator(s);
	p = harness_create(s, "hits", &counter_class, NULL);
	notes = harness_create(s, "notes", &note_class, &(struct note){ .n = 7 });
	for (off_t left = 0; left < 300 << 10; left += 20 << 10) {
		fill_but(left);
		create_many(&n, 1 << 20);
		stoa_text text = { large, sizeof(large) - 1 };
		refused(-ENOSPC, STOA_ASSIGN(notes, struct note, text, &text, SOON));
		for (int i = 0; i < 300; i++)
			add();
		make_room();
		create_many(&n, n + 10);
	}
	assert_true(n > 200);
	assert_true(harness_health(s).rejected > 0);
	int64_t v;
	for (int i = 0; i < n; i += 10) {
		char name[32];
		struct stoa_proxy *one;
		snprintf(name, sizeof(name), "object-%d", i);
		ok(stoa_open(s, name, &counter_class, SOON, &one));
		ok(STOA_GET(one, struct counter, value, &v, SOON));
		assert_int_equal(v, i);
	}
	stoa_text text = { large, sizeof(large) - 1 };
	ok(STOA_ASSIGN(notes, struct note, text, &text, SOON));
	assert_int_equal(harness_coordinator(s), coordinator); /* nobody died of it */
	fill_but(0);
	harness_kill_coordinator(s); /* and the next one needs no more than there is */
	add();
	make_room();
}

static void spend_in_a_thread(int unused)
{
	(void)unused;
	refused(-ENOSPC, stoa_attach_thread(s)); /* a child's lane is another one */
	says("make room");
	make_room();
	ok(stoa_attach_thread(s));
	add();
	stoa_detach(s);
}

static void lane_without_room_is_refused_and_given_back(void)
{
	counts_pages();
	small_room("size=4m");
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	fill_but(0);
	harness_join(harness_spawn(spend_in_a_thread, 0));
	until(harness_health(s).threads == 1);
	add();
}

/* ---- files at their largest ------------------------------------------------------------------------------------ */

static void limit_files(pid_t pid, rlim_t most)
{
	struct rlimit limit;
	assert_int_equal(prlimit(pid, RLIMIT_FSIZE, NULL, &limit), 0);
	limit.rlim_cur = most;
	assert_int_equal(prlimit(pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static void start_with_small_files_is_refused(void)
{
	const rlim_t most[] = { 0, 4096, 1 << 20, 100 << 20 };
	for (int i = 0; i < 4; i++) {
		limit_files(0, most[i]);
		refused(-EFBIG, stoa_start("test", NULL, NULL, &s));
		says("too large");
		refused(-EFBIG, stoa_serve("test", NULL, NULL)); /* this process does not ignore SIGXFSZ */
		assert_true(is_empty());
	}
	limit_files(0, RLIM_INFINITY);
	s = harness_start(NULL);
}

static void lane_of_a_coordinator_with_small_files_is_refused(void)
{
	limit_files(0, 16 << 20); /* enough for the namespace, and not for a lane */
	s = harness_start_with(NULL, STOA_OPTIONS(.max_state = 4 << 20, .max_attrs = 1024, .max_objects = 64,
						  .max_queue = 64, .max_threads = 16));
	pid_t coordinator = harness_coordinator(s);
	refused(-EFBIG, stoa_create(s, "hits", &counter_class, NULL, 0, &p));
	says("too large");
	refused(-EFBIG, stoa_attach_thread(s));
	assert_int_equal(harness_coordinator(s), coordinator);
	limit_files(harness_guardian(s), RLIM_INFINITY);
	limit_files(coordinator, RLIM_INFINITY);
	ok(stoa_create(s, "hits", &counter_class, NULL, 0, &p)); /* though this process may write no large file */
	add();
	limit_files(0, 0);
	add();
	limit_files(0, RLIM_INFINITY); /* where coverage is measured, it is written at the end */
}

/* ---- descriptors at their last ----------------------------------------------------------------------------------- */

static void limit_descriptors(rlim_t n, bool for_ever)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
	limit.rlim_max = for_ever ? limit.rlim_cur : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int first_free(void)
{
	int fd = dup(0);
	close(fd);
	return fd;
}

static void start_with_few(int n)
{
	limit_descriptors((rlim_t)(first_free() + n), true);
	int r = stoa_start("test", NULL, STOA_OPTIONS(.flags = STOA_VERIFY), &s);
	one_of(0, -EMFILE, r);
	r = r ? r : stoa_create(s, "hits", &counter_class, NULL, 0, &p);
	one_of(0, -EMFILE, r);
	if (r == 0)
		add();
	stoa_detach(r == 0 || s ? s : NULL);
	_exit(r == 0 ? 1 : 0);
}

static void start_with_few_descriptors_is_refused_whole(void)
{
	counts_descriptors();
	int refusals = 0, n = 0;
	for (bool good = false; !good && n < 60; n++) {
		int status = harness_status(harness_spawn(start_with_few, n));
		assert_true(status == 0 || status == 1);
		good = status == 1;
		refusals += !good;
		until(is_empty());
	}
	assert_true(refusals > 5 && n < 60);
}

static _Atomic int *go;

/* A lane takes two: that of the second, which the coordinator sends, is the one to miss. */
static void lane_with_few(void)
{
	int refusals = 0, r = -1;
	ok(stoa_attach("test", NULL, &s));
	int before = scratch_fds();
	for (int n = 0; r < 0 && n < 20; n++) {
		limit_descriptors((rlim_t)(first_free() + n), false);
		r = stoa_attach_thread(s);
		limit_descriptors(RLIM_INFINITY, false);
		one_of(0, -EMFILE, r);
		refusals += r < 0;
		assert_int_equal(scratch_fds(), r < 0 ? before : before + 2);
	}
	assert_true(refusals >= 2);
	until(harness_health(s).threads == 2); /* what was given back may be on its way */
	stoa_detach(s);
}

static void attach_with_few(int unused)
{
	int refusals = 0, r = -1, before = scratch_fds();
	(void)unused;
	until(atomic_load(go));
	for (int n = 0; r < 0 && n < 20; n++) {
		s = NULL;
		limit_descriptors((rlim_t)(first_free() + n), false);
		int64_t begin = clock_now();
		r = stoa_attach("test", NULL, &s);
		one_of(0, -EMFILE, r);
		r = r ? r : stoa_open(s, "hits", &counter_class, SOON, &p);
		r = r ? r : counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON);
		one_of(0, -EMFILE, r);
		assert_true(clock_now() - begin < SOON / 4); /* told, and not left to wait */
		refusals += r < 0;
		limit_descriptors(RLIM_INFINITY, false);
		stoa_detach(s);
		assert_int_equal(scratch_fds(), before);
	}
	ok(r);
	assert_true(refusals > 3);
	lane_with_few();
}

static void attach_with_few_descriptors_is_refused_and_leaves_nothing(void)
{
	counts_descriptors();
	go = harness_shared(sizeof(*go));
	pid_t client = harness_spawn(attach_with_few, 0), server = harness_serve(NULL, STOA_OPTIONS(0), &s);
	p = harness_create(s, "hits", &counter_class, NULL);
	pid_t coordinator = harness_coordinator(s);
	int before = scratch_fds_of(coordinator);
	atomic_store(go, 1);
	harness_join(client);
	until(harness_health(s).threads == 1);
	until(scratch_fds_of(coordinator) == before);
	add();
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(server);
}

#define CLIENTS 16

static _Atomic int *in, *out, *leave;

static void come_and_stay(int unused)
{
	(void)unused;
	int64_t begin = clock_now();
	int r = stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s);
	r = r ? r : stoa_open(s, "hits", &counter_class, SOON, &p);
	r = r ? r : counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON);
	if (r < 0) {
		refused(-EMFILE, r);
		says("descriptor left");
		assert_true(clock_now() - begin < SOON / 4);
		atomic_fetch_add(out, 1);
		stoa_detach(s);
		return;
	}
	atomic_fetch_add(in, 1);
	until(atomic_load(leave));
	for (int i = 0; i < 100; i++)
		add(); /* whoever is in is served on */
	stoa_detach(s);
}

static pid_t serve_with_few(int n)
{
	pid_t server = fork();
	if (server == 0) {
		limit_descriptors((rlim_t)(first_free() + n), true);
		ok(stoa_serve("test", NULL, STOA_OPTIONS(0)));
		_exit(0);
	}
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	p = harness_create(s, "hits", &counter_class, NULL);
	s = stoa_detach(s);
	return server;
}

static void fill_up(void)
{
	pid_t clients[CLIENTS];
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = harness_spawn(come_and_stay, i);
		until(atomic_load(in) + atomic_load(out) == i + 1);
	}
	assert_true(atomic_load(in) >= 2 && atomic_load(out) >= 2);
	atomic_store(leave, 1);
	for (int i = 0; i < CLIENTS; i++)
		harness_join(clients[i]);
}

/* A client takes three: the last one may be missing at its connection, its pidfd or its thread. */
static void coordinator_out_of_descriptors_says_so_and_loses_no_one(void)
{
	counts_descriptors();
	int64_t v;
	in = harness_shared(3 * sizeof(*in));
	out = in + 1;
	leave = in + 2;
	for (int n = 30; n < 34; n++) {
		memset(in, 0, 3 * sizeof(*in));
		pid_t server = serve_with_few(n);
		fill_up();
		ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
		ok(stoa_open(s, "hits", &counter_class, SOON, &p));
		ok(STOA_GET(p, struct counter, value, &v, SOON));
		assert_int_equal(v, 101 * atomic_load(in));
		assert_int_equal(harness_health(s).restarts, 0);
		ok(stoa_stop(s, STOA_DRAIN, SOON));
		harness_join(server);
		s = stoa_detach(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(attach_with_few_descriptors_is_refused_and_leaves_nothing),
		HARNESS(coordinator_out_of_descriptors_says_so_and_loses_no_one),
		HARNESS_SECONDS(file_system_that_fills_up_under_a_coordinator_stops_only_what_needs_room, 60),
		HARNESS(flags_of_removed_objects_serve_whoever_they_suffice),
		HARNESS(lane_of_a_coordinator_with_small_files_is_refused),
		HARNESS(lane_without_room_is_refused_and_given_back),
		HARNESS_SECONDS(memory_of_removed_objects_serves_others_of_any_size, 60),
		HARNESS_SECONDS(start_in_a_full_file_system_is_refused_whole, 60),
		HARNESS_SECONDS(start_with_few_descriptors_is_refused_whole, 60),
		HARNESS(start_with_small_files_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
