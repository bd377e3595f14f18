/*
 * test_damage.c: a namespace is left by guardian and coordinator that were killed, and damaged: attaching says what is
 * wrong, at once; the next start goes on with what is whole, sets aside what is not, or refuses, and never crashes; a
 * start that was killed at any system call is replaced by the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinator/namespace.h"
#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "tests/harness.h"
#include "tests/scratch.h"

#define ATTACH_NS STOA_MS(2000 * HARNESS_SLOW)
#define FLIPS 40

struct page {
	uint32_t n;
	uint64_t row[200];
	stoa_text title;
	stoa_blob bytes;
};
STOA_STRUCT(page, STOA_ATTR(struct page, n, .writable = true), STOA_ATTR(struct page, row),
	    STOA_ATTR(struct page, title, .writable = true), STOA_ATTR(struct page, bytes, .writable = true));
STOA_RECORD(page, 1);
static const struct stoa_class *const classes[] = { &page_class, NULL };

static struct stoa *s;

/* ---- serving ------------------------------------------------------------------------------------------------- */

static struct told {
	_Atomic int ready, code;
	char text[STOA_ERROR_MAX], logged[4096];
} * told;

static void note(void *data, int priority, const char *text)
{
	(void)data;
	size_t n = strlen(told->logged);
	snprintf(told->logged + n, sizeof(told->logged) - n, "%d %s\n", priority, text);
}

static void note_ready(void *data)
{
	(void)data;
	atomic_store(&told->ready, 1);
}

static void serve(int flags)
{
	struct stoa_error e;
	setpgid(0, 0); /* for harness_kill_both */
	int r = stoa_serve("test", classes,
			   STOA_OPTIONS(.flags = (unsigned)flags, .log = note, .ready = note_ready, .max_objects = 64,
					.max_attrs = 1024, .max_threads = 8, .max_queue = 64, .max_state = 9 << 17));
	stoa_last_error(&e);
	memcpy(told->text, e.text, sizeof(e.text));
	atomic_store(&told->code, r);
}

/* True: it serves, and s is attached; false: it ended, and told->text says why. */
static bool start(unsigned flags, pid_t *ret_pid)
{
	memset(told, 0, sizeof(*told));
	pid_t pid = harness_spawn(serve, (int)flags);
	until(atomic_load(&told->ready) || atomic_load(&told->code));
	*ret_pid = pid;
	if (!atomic_load(&told->ready)) {
		harness_join(pid);
		return false;
	}
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	return true;
}

static void stop(pid_t pid)
{
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	s = stoa_detach(s);
	harness_join(pid);
}

static void fill(void)
{
	struct stoa_proxy *hits = harness_create(s, "hits", &counter_class, NULL);
	struct page page = { .n = 7 };
	ok(stoa_text_set(&page.title, "a title"));
	ok(stoa_blob_set(&page.bytes, "bytes", 5));
	struct stoa_proxy *one = harness_create(s, "one", &page_class, &page);
	harness_create(s, "two", &page_class, &page);
	harness_create(s, "gone", &page_class, &page);
	ok(stoa_remove(s, "gone", SOON));
	ok(counter_add_call(hits, &(struct counter_args){ 42 }, NULL, SOON));
	ok(stoa_assign(one, offsetof(struct page, title), &page.title, sizeof(page.title), SOON));
	ok(stoa_sync(s, SOON, NULL));
	stoa_text_fini(&page.title);
	stoa_blob_fini(&page.bytes);
}

static int64_t hits(void)
{
	struct stoa_proxy *p;
	int64_t v = -1;
	int r = stoa_open(s, "hits", &counter_class, 0, &p);
	return r == 0 && STOA_GET(p, struct counter, value, &v, SOON) == 0 ? v : -1;
}

static void in_a_client(void (*run)(int))
{
	harness_join(harness_spawn(run, 0));
}

static void fill_in_a_client(int i)
{
	(void)i;
	fill();
}

/* What two killed processes leave: state, ingress, a lane, lock and socket. */
static void leave(void)
{
	pid_t pid;
	told = told ? told : harness_shared(sizeof(*told));
	assert_true(start(STOA_KEEP, &pid));
	fill();
	harness_kill_both(s);
	harness_status(pid);
	s = stoa_detach(s);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static const char *path(const char *file)
{
	static char paths[4][160];
	static int i;
	char *to = paths[i = (i + 1) % 4];
	snprintf(to, sizeof(paths[0]), "%s/%s", getenv("STOA_DIR"), file);
	return to;
}

static void write_at(const char *file, size_t at, const void *bytes, size_t size)
{
	int fd = open(path(file), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && pwrite(fd, bytes, size, (off_t)at) == (ssize_t)size);
	close(fd);
}

static bool exists(const char *file)
{
	struct stat st;
	return lstat(path(file), &st) == 0;
}

static off_t size_of(const char *file)
{
	struct stat st;
	assert_int_equal(stat(path(file), &st), 0);
	return st.st_size;
}

static const char *lane_file(void)
{
	static char found[32];
	glob_t g;
	assert_int_equal(glob(path("test/lane.*"), 0, NULL, &g), 0);
	snprintf(found, sizeof(found), "test/%s", strrchr(g.gl_pathv[0], '/') + 1);
	globfree(&g);
	return found;
}

static void copy_dir(const char *from, const char *to)
{
	char command[400];
	snprintf(command, sizeof(command), "rm -rf %s && cp -a --sparse=always %s %s", path(to), path(from), path(to));
	assert_int_equal(system(command), 0);
}

/* How many were set aside, with their state. */
static int n_aside(bool remove)
{
	glob_t g;
	int n = 0;
	if (glob(path(remove ? "test.damaged-*" : "test.damaged-*/state"), 0, NULL, &g) != 0)
		return 0;
	n = (int)g.gl_pathc;
	for (int i = 0; remove && i < n; i++)
		scratch_remove(g.gl_pathv[i]);
	globfree(&g);
	return n;
}

/* ---- damages ------------------------------------------------------------------------------------------------- */

/* What the next start does with it. */
enum fate { GOES_ON, ASIDE, REFUSES };

struct damage {
	const char *file; /* "lane": the one that there is */
	enum { CUT, WRITE, MOVE, LINK, DIRECTORY, REMOVE, EXTEND } how;
	size_t at; /* CUT: to this size, from the end if it is more than there is */
	uint64_t value;
	size_t size;
	const char *from;
	enum fate fate;
	const char *says; /* who attaches for reading, or starts, is told this */
};

#define HEAD(field) WRITE, offsetof(struct segment_head, field)
#define STATE(field) WRITE, offsetof(struct state_head, field)
static const struct damage damages[] = {
	{ "state", CUT, 0, .fate = ASIDE, .says = "is shorter than a segment's head" },
	{ "state", CUT, LAYOUT_PAGE, .fate = ASIDE, .says = "its head says" },
	{ "state", CUT, SIZE_MAX, .fate = ASIDE, .says = "its head says" },
	{ "state", EXTEND, .fate = ASIDE, .says = "its head says" },
	{ "state", HEAD(magic), 1, 8, .fate = ASIDE, .says = "is not a segment of stoa" },
	{ "state", HEAD(major), 777, 2, .fate = REFUSES, .says = "has layout 777.0, this library " },
	{ "state", HEAD(minor), 7, 2, .fate = GOES_ON },
	{ "state", HEAD(kind), SEGMENT_LANE, 4, .fate = ASIDE, .says = "is a segment of another kind" },
	{ "state", HEAD(limit), LAYOUT_PAGE, 8, .fate = ASIDE, .says = "its head says" },
	{ "state", HEAD(limit), UINT64_MAX, 8, .fate = ASIDE, .says = "its head says" },
	{ "state", HEAD(namespace_id), 1, 8, .fate = ASIDE, .says = "" },
	{ "state", STATE(geometry.queue), 8, 4, .fate = ASIDE, .says = "" },
	{ "state", STATE(geometry.queue), UINT32_MAX, 4, .fate = ASIDE, .says = "" },
	{ "state", STATE(geometry.queue), 4096, 4, .fate = ASIDE, .says = "" },
	{ "state", STATE(geometry.lanes), 0, 4, .fate = ASIDE, .says = "" },
	{ "state", STATE(geometry.objects), UINT32_MAX, 4, .fate = ASIDE, .says = "" },
	{ "state", STATE(geometry.state), INT64_MAX, 8, .fate = ASIDE, .says = "" },
	{ "state", STATE(geometry.heap_at), 64, 8, .fate = ASIDE, .says = "" },
	{ "state", STATE(geometry.flags_at), UINT64_MAX, 8, .fate = ASIDE, .says = "" },
	{ "state", MOVE, .from = "lane", .fate = ASIDE, .says = "is a segment of another kind" },
	{ "state", MOVE, .from = "ingress", .fate = ASIDE, .says = "" },
	{ "state", LINK, .fate = ASIDE },
	{ "ingress", CUT, 0, .fate = ASIDE, .says = "is shorter than a segment's head" },
	{ "ingress", CUT, LAYOUT_PAGE, .fate = ASIDE, .says = "its head says" },
	{ "ingress", CUT, SIZE_MAX, .fate = ASIDE, .says = "its head says" },
	{ "ingress", HEAD(magic), 1, 8, .fate = ASIDE, .says = "is not a segment of stoa" },
	{ "ingress", HEAD(major), 777, 2, .fate = REFUSES, .says = "has layout 777.0, this library " },
	{ "ingress", HEAD(minor), 7, 2, .fate = GOES_ON },
	{ "ingress", HEAD(kind), SEGMENT_STATE, 4, .fate = ASIDE, .says = "is a segment of another kind" },
	{ "ingress", HEAD(namespace_id), 1, 8, .fate = ASIDE, .says = "" },
	{ "ingress", REMOVE, .fate = ASIDE },
	{ "ingress", LINK, .fate = ASIDE },
	{ "lane", CUT, 0, .fate = GOES_ON },
	{ "lane", CUT, SIZE_MAX, .fate = GOES_ON },
	{ "lane", HEAD(magic), 1, 8, .fate = GOES_ON },
	{ "lane", HEAD(major), 7, 2, .fate = GOES_ON },
	{ "lane", HEAD(kind), SEGMENT_STATE, 4, .fate = GOES_ON },
	{ "lane", HEAD(namespace_id), 1, 8, .fate = GOES_ON },
	{ "lane", REMOVE, .fate = GOES_ON },
	{ "lane", LINK, .fate = GOES_ON },
	{ "lock", CUT, 0, .fate = GOES_ON },
	{ "lock", EXTEND, .fate = GOES_ON },
	{ "lock", REMOVE, .fate = GOES_ON },
	{ "lock", DIRECTORY, .fate = REFUSES, .says = "lock" },
	{ "socket", REMOVE, .fate = GOES_ON },
	{ "socket", DIRECTORY, .fate = REFUSES, .says = "socket" },
	{ "state.new", EXTEND, .fate = GOES_ON },
	{ "ingress.new", EXTEND, .fate = GOES_ON },
	{ "lane.99999", EXTEND, .fate = GOES_ON },
	/* inside of the state */
	{ "state", STATE(heap_end), 1, 8, .fate = REFUSES, .says = "heap" },
	{ "state", STATE(heap_end), UINT64_MAX, 8, .fate = REFUSES, .says = "heap" },
	{ "state", STATE(n_objects), UINT32_MAX, 4, .fate = REFUSES, .says = "objects" },
	{ "state", STATE(n_classes), UINT32_MAX, 4, .fate = REFUSES, .says = "classes" },
	{ "state", STATE(committed), UINT64_MAX, 8, .fate = REFUSES, .says = "committed" },
	{ "state", STATE(committed), 1, 8, .fate = REFUSES, .says = "committed" },
	{ "state", STATE(committed), 0, 8, .fate = REFUSES, .says = "committed" },
};

static void inflict(const struct damage *d)
{
	char file[64];
	snprintf(file, sizeof(file), strcmp(d->file, "lane") ? "test/%s" : "%s",
		 strcmp(d->file, "lane") ? d->file : lane_file());
	const char *from = d->from && strcmp(d->from, "lane") == 0 ? lane_file() : "test/ingress";
	if (d->how == CUT)
		assert_int_equal(truncate(path(file), d->at == SIZE_MAX ? size_of(file) - 1 : (off_t)d->at), 0);
	else if (d->how == WRITE)
		write_at(file, d->at, &d->value, d->size);
	else if (d->how == MOVE)
		assert_int_equal(rename(path(from), path(file)), 0);
	else if (d->how == EXTEND) {
		int fd = open(path(file), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(write(fd, "x", 1), 1);
		close(fd);
	} else
		assert_int_equal(unlink(path(file)), 0);
	if (d->how == LINK)
		assert_int_equal(symlink("/etc/passwd", path(file)), 0);
	if (d->how == DIRECTORY)
		assert_int_equal(mkdir(path(file), 0700), 0);
}

/* Nobody serves: a reader looks at the files. */
static void read_damaged(const struct damage *d)
{
	struct stoa_error e;
	int64_t began = clock_now();
	bool about_files = d->fate != GOES_ON && strncmp(d->file, "l", 1) && strcmp(d->file, "socket") && d->says;
	int r = stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = STOA_MS(500)), &s);
	assert_true(clock_now() - began < ATTACH_NS);
	stoa_last_error(&e);
	if (r == 0) {
		hits();
		s = stoa_detach(s);
	} else if (about_files && (!strstr(e.text, d->says) || !e.text[0]))
		fail_msg("\"%s\" does not say \"%s\"", e.text, d->says);
}

static void check_fate(const struct damage *d, bool serves)
{
	if (serves != (d->fate != REFUSES))
		fail_msg("it %s: %s", serves ? "serves" : "does not start", told->text);
	if (d->fate == REFUSES) {
		assert_int_equal(n_aside(false), 0);
		if (!strstr(told->text, d->says))
			fail_msg("\"%s\" does not say \"%s\"", told->text, d->says);
		assert_true(exists("test/state") && exists("test/ingress"));
		return;
	}
	assert_int_equal(hits(), d->fate == GOES_ON ? 42 : -1);
	assert_int_equal(n_aside(false), d->fate == ASIDE);
	if (d->fate != ASIDE)
		return;
	assert_non_null(strstr(told->logged, "namespace test is damaged: the "));
	assert_non_null(strstr(told->logged, "test.damaged-"));
	in_a_client(fill_in_a_client);
	assert_int_equal(hits(), 42);
}

static void damaged_files_are_reused_set_aside_or_refused(void)
{
	leave();
	copy_dir("test", "whole");
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const struct damage *d = &damages[i];
		pid_t pid;
		copy_dir("whole", "test");
		inflict(d);
		print_message("damage %zu, of %s\n", i, d->file);
		read_damaged(d);
		bool serves = start(0, &pid);
		check_fate(d, serves);
		if (serves)
			stop(pid);
		n_aside(true);
		scratch_remove(path("test"));
	}
	scratch_remove(path("whole"));
}

/* ---- inside of the state --------------------------------------------------------------------------------------- */

static uint64_t random_state = 1;

static uint64_t draw(uint64_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % below;
}

static uint64_t heap_from, heap_to;

static void measure_heap(void)
{
	struct state_head head;
	int fd = open(path("test/state"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	close(fd);
	heap_from = head.geometry.heap_at;
	heap_to = atomic_load(&head.heap_end);
}

/* Words that point into the heap are made to point elsewhere there; of others a bit is flipped. */
static void spoil(void)
{
	static const uint64_t tables[] = { 0, LAYOUT_PAGE };
	int fd = open(path("test/state"), O_RDWR | O_CLOEXEC);
	for (uint64_t n = 1 + draw(8); n > 0; n--) {
		uint64_t place = draw(4), word;
		uint64_t at = place == 0   ? tables[draw(2)] + draw(LAYOUT_PAGE / 8) * 8
			      : place == 1 ? heap_from - LAYOUT_PAGE * draw(4) + draw(LAYOUT_PAGE / 8) * 8
					   : heap_from + draw((heap_to - heap_from) / 8) * 8;
		if (at < sizeof(struct segment_head) || pread(fd, &word, 8, (off_t)at) != 8)
			continue;
		bool points = word >= heap_from && word < heap_to;
		word = points ? heap_from + draw((heap_to - heap_from) / 64) * 64 : word ^ UINT64_C(1) << draw(64);
		assert_int_equal(pwrite(fd, &word, 8, (off_t)at), 8);
	}
	close(fd);
}

static void look_at_all(int i)
{
	struct stoa_proxy *p;
	(void)i;
	for (int k = 0; k < 3; k++) {
		const char *name = k == 0 ? "hits" : k == 1 ? "one" : "two";
		struct page page = { 0 };
		if (stoa_open(s, name, k ? &page_class : &counter_class, 0, &p) < 0)
			continue;
		if (k)
			stoa_snapshot(p, &page, sizeof(page), STOA_MS(200), NULL);
		else
			counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_MS(200));
		stoa_text_fini(&page.title);
		stoa_blob_fini(&page.bytes);
	}
}

static void damaged_state_crashes_nobody(void)
{
	int served = 0;
	leave();
	measure_heap();
	copy_dir("test", "whole");
	for (int i = 0; i < FLIPS; i++) {
		pid_t pid;
		random_state = (uint64_t)i + 1;
		copy_dir("whole", "test");
		spoil();
		if (start(0, &pid)) {
			served++;
			pid_t client = harness_spawn(look_at_all, 0);
			int status = harness_status(client);
			if (status)
				fail_msg("flip %d: a client ended with %d", i, status);
			struct stoa_health h;
			ok(stoa_health(s, &h));
			if (h.restarts)
				fail_msg("flip %d: %ju restarts; %s", i, (uintmax_t)h.restarts, told->logged);
			stop(pid);
		} else if (strstr(told->text, "died")) {
			fail_msg("flip %d: %s; %s", i, told->text, told->logged);
		} else {
			assert_true(told->text[0]);
		}
		n_aside(true);
		scratch_remove(path("test"));
	}
	scratch_remove(path("whole"));
	assert_true(served > 0 && served < FLIPS);
}

/* ---- one object ------------------------------------------------------------------------------------------------ */

static size_t one_entry, one_body, one_size;

/* Where the entry and the body of object "one" lie. */
static void find_one(void)
{
	struct state_head head;
	struct object_entry e = { 0 };
	int fd = open(path("test/state"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	for (one_entry = head.geometry.objects_at; strcmp(e.name, "one"); one_entry += sizeof(e))
		assert_int_equal(pread(fd, &e, sizeof(e), (off_t)one_entry), sizeof(e));
	one_entry -= sizeof(e);
	one_body = atomic_load(&e.body);
	struct block block;
	assert_int_equal(pread(fd, &block, sizeof(block), (off_t)(one_body - sizeof(block))), sizeof(block));
	one_size = block.capacity;
	close(fd);
}

static const struct wound {
	size_t at; /* in the body; UINT32_MAX: its offset in the entry. 0: all of the body */
	uint64_t value;
} wounds[] = {
	{ 0, UINT64_MAX },
	{ 0, 0 },
	{ UINT32_MAX, 64 },
	{ offsetof(struct body, class_id), UINT64_MAX },
	{ offsetof(struct body, flags_at), UINT64_MAX },
	{ offsetof(struct body, n_parts), 2 },
	{ offsetof(struct body, n_parts), UINT32_MAX },
	{ sizeof(struct body) + offsetof(struct part, cell), 4096 },
};

static void wound(const struct wound *w)
{
	for (size_t at = 0; w->at == 0 && at < one_size; at += 8)
		write_at("test/state", one_body + at, &w->value, 8);
	if (w->at)
		write_at("test/state", w->at == UINT32_MAX ? one_entry + offsetof(struct object_entry, body)
							     : one_body + w->at,
			 &w->value, 8);
}

static void one_is_gone_and_can_come_again(int i)
{
	struct stoa_proxy *p;
	struct page page = { 0 };
	(void)i;
	refused(-ENOENT, stoa_open(s, "one", &page_class, STOA_NOWAIT, &p));
	ok(stoa_open(s, "two", &page_class, STOA_NOWAIT, &p));
	ok(stoa_snapshot(p, &page, sizeof(page), SOON, NULL));
	assert_int_equal(page.n, 7);
	assert_string_equal(page.title.data, "a title");
	stoa_text_fini(&page.title);
	stoa_blob_fini(&page.bytes);
	p = harness_create(s, "one", &page_class, NULL);
	ok(STOA_GET(p, struct page, n, &page.n, SOON));
	assert_int_equal(page.n, 0);
}

/* What was set aside has the body as it was found. */
static void check_copy(void)
{
	char here[64], there[64];
	glob_t g;
	assert_int_equal(glob(path("test.damaged-*/state"), 0, NULL, &g), 0);
	int fd = open(g.gl_pathv[0], O_RDONLY | O_CLOEXEC), found = open(path("found/state"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(found, here, sizeof(here), (off_t)one_body), sizeof(here));
	assert_int_equal(pread(fd, there, sizeof(there), (off_t)one_body), sizeof(there));
	assert_memory_equal(here, there, sizeof(here));
	close(fd);
	close(found);
	globfree(&g);
}

static void object_that_is_no_object_any_more_is_set_aside_alone(void)
{
	leave();
	find_one();
	copy_dir("test", "whole");
	for (size_t i = 0; i < sizeof(wounds) / sizeof(wounds[0]); i++) {
		pid_t pid;
		print_message("wound %zu\n", i);
		copy_dir("whole", "test");
		wound(&wounds[i]);
		copy_dir("test", "found");
		if (!start(STOA_KEEP, &pid))
			fail_msg("%s", told->text);
		assert_non_null(strstr(told->logged, "object one is damaged and gone: "));
		assert_int_equal(n_aside(false), 1);
		check_copy();
		assert_int_equal(hits(), 42);
		in_a_client(one_is_gone_and_can_come_again);
		stop(pid);
		n_aside(true);
		if (!start(0, &pid)) /* nothing is damaged any more */
			fail_msg("%s", told->text);
		assert_int_equal(n_aside(false), 0);
		assert_int_equal(hits(), 42);
		stop(pid);
		scratch_remove(path("test"));
	}
	scratch_remove(path("found"));
	scratch_remove(path("whole"));
}

static void damaged_object_that_cannot_be_set_aside_stays(void)
{
	struct rlimit before, small;
	pid_t pid;
	leave();
	find_one();
	wound(&wounds[0]);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = LAYOUT_PAGE;
	signal(SIGXFSZ, SIG_IGN); /* of one that writes which lines it ran, as it ends */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_false(start(STOA_KEEP, &pid));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	if (!strstr(told->text, "its state cannot be copied to "))
		fail_msg("%s", told->text);
	assert_int_equal(n_aside(true), 0);
	assert_true(start(0, &pid));
	assert_int_equal(n_aside(false), 1);
	assert_int_equal(hits(), 42);
	stop(pid);
	n_aside(true);
}

static void successor_sets_a_damaged_object_aside_too(void)
{
	pid_t pid;
	struct stoa_proxy *p;
	uint32_t n = 8;
	told = told ? told : harness_shared(sizeof(*told));
	assert_true(start(0, &pid));
	in_a_client(fill_in_a_client);
	ok(stoa_open(s, "one", &page_class, SOON, &p));
	ok(STOA_ASSIGN(p, struct page, n, &n, SOON)); /* the last turn's: the first thing that the next one looks at */
	ok(stoa_sync(s, SOON, NULL));
	find_one();
	wound(&wounds[0]);
	harness_kill_coordinator(s);
	until(strstr(told->logged, "object one is damaged and gone: "));
	assert_int_equal(hits(), 42);
	refused(-ESTALE, STOA_ASSIGN(p, struct page, n, &n, SOON));
	refused(-ESTALE, STOA_GET(p, struct page, n, &n, SOON));
	in_a_client(one_is_gone_and_can_come_again);
	assert_int_equal(n_aside(true), 1);
	stop(pid);
}

/* ---- half made ------------------------------------------------------------------------------------------------- */

/* Make the namespace, and end. The tracer kills us at our n-th system call. */
static void make(int i)
{
	struct namespace ns;
	(void)i;
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	namespace_open(&ns, "test", classes, STOA_OPTIONS(.flags = STOA_KEEP, .max_objects = 64), NULL);
	_exit(0);
}

/* Killed before its n-th stop at a system call, entry or exit; false: it has ended before. */
static bool kill_at(int n)
{
	int status;
	pid_t pid = harness_spawn(make, 0);
	for (int i = -1; waitpid(pid, &status, 0) == pid; i++) {
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
		if (i == n) {
			kill(pid, SIGKILL);
			continue;
		}
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
	}
	return WIFSIGNALED(status);
}

static void start_killed_anywhere_is_replaced_by_the_next(void)
{
#ifdef UNDER_VALGRIND
	harness_skip("most system calls are those of valgrind itself");
#endif
	told = told ? told : harness_shared(sizeof(*told));
	for (int n = 0; kill_at(n); n++) {
		pid_t pid;
		if (!start(0, &pid))
			fail_msg("after a death at stop %d: %s", n, told->text);
		assert_int_equal(n_aside(false), 0);
		in_a_client(fill_in_a_client);
		assert_int_equal(hits(), 42);
		stop(pid);
		assert_false(exists("test"));
	}
	scratch_remove(path("test"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS_SECONDS(damaged_files_are_reused_set_aside_or_refused, 60),
		HARNESS(damaged_object_that_cannot_be_set_aside_stays),
		HARNESS_SECONDS(damaged_state_crashes_nobody, 60),
		HARNESS_SECONDS(object_that_is_no_object_any_more_is_set_aside_alone, 60),
		HARNESS_SECONDS(start_killed_anywhere_is_replaced_by_the_next, 60),
		HARNESS(successor_sets_a_damaged_object_aside_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
