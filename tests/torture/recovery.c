/*
 * recovery.c: how long a service is away when its coordinator is killed under load, with 64 MiB of state.
 *
 * Clients call at full speed, most often one small object and now and then one of the large ones. Before each kill all of
 * the large ones were called, so that the coordinator has all of the state in its memory. The time is from the kill to
 * the end of the first call that began after it. Beside it, in the same minute and under the same load, the
 * floor: a child that only pauses is killed, its parent sees that through a pidfd and forks another, which wakes us.
 *
 * Where more processes want to run than there are processors, the new coordinator waits for one. How long it did, from
 * its birth to the first answer, is told by schedstat (Linux, Documentation/scheduler/sched-stats.rst), and printed too.
 */
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa.h"
#include "include/stoa/counter.h"
#include "proxy/handle.h"
#include "tests/torture/torture.h"

#define SHORT_SECONDS 2 /* for each shape */
#define SHORT_KILLS 20
#define KILLS 200
#define CLIENTS 8 /* at most */
#define LARGE_EVERY 512 /* one call in so many is of a large object */
#ifdef __SANITIZE_THREAD__
#define PAGES 1024 /* each creation looks at all of them, which takes the thread sanitizer minutes */
#else
#define PAGES 16384
#endif

/* ---- the state ---- */

struct sheet {
	uint8_t bytes[1 << 20];
};
struct page {
	uint8_t bytes[4096];
};
struct place {
	uint32_t at;
};
STOA_STRUCT(sheet, STOA_ATTR(struct sheet, bytes));
STOA_STRUCT(page, STOA_ATTR(struct page, bytes));
STOA_STRUCT(place, STOA_ATTR(struct place, at));

static int sheet_mark(struct sheet *self, const struct place *args, stoa_none *ret)
{
	(void)ret;
	self->bytes[args->at % sizeof self->bytes]++;
	return 0;
}
STOA_METHOD(sheet, mark, place, stoa_none, .writes = "bytes");
STOA_CLASS(sheet, 1, &sheet_mark_row);

static int page_mark(struct page *self, const struct place *args, stoa_none *ret)
{
	(void)ret;
	self->bytes[args->at % sizeof self->bytes]++;
	return 0;
}
STOA_METHOD(page, mark, place, stoa_none, .writes = "bytes");
STOA_CLASS(page, 1, &page_mark_row);

static const struct shape {
	const char *size;
	const struct stoa_class *cls;
	const struct stoa_method *mark;
	uint32_t n, clients;
} shapes[] = {
	{ "1 MiB", &sheet_class, &sheet_mark_row, 64, 8 },
	{ "4 KiB", &page_class, &page_mark_row, PAGES, 8 },
	{ "1 MiB", &sheet_class, &sheet_mark_row, 64, 2 },
	{ "4 KiB", &page_class, &page_mark_row, PAGES, 2 },
};

static struct stoa *s;
static struct stoa_proxy *hits, **large;

/* ---- what the processes tell each other ---- */

static struct shared {
	_Atomic int stop;
	_Atomic int64_t killed_ns;  /* 0: nobody was */
	_Atomic int64_t first_ns;   /* when the first call since was answered */
	_Atomic uint64_t calls[CLIENTS], marks[CLIENTS + 1]; /* the last: our own */
	_Atomic uint32_t floor_word; /* of the floor: how many children have come up */
	_Atomic int32_t floor_pid;
} *shared;

static void note_answer(int64_t began)
{
	int64_t killed = atomic_load(&shared->killed_ns), none = 0;
	if (killed && began > killed && atomic_load(&shared->first_ns) == 0)
		atomic_compare_exchange_strong(&shared->first_ns, &none, clock_now());
}

static void be_client(const struct shape *shape, uint32_t i)
{
	struct counter_value v;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint64_t n = i * (LARGE_EVERY / CLIENTS); !atomic_load(&shared->stop); n++) {
		int64_t began = clock_now();
		bool is_large = n % LARGE_EVERY == 0;
		struct place place = { (uint32_t)(n * 2654435761u) };
		int r = is_large ? stoa_call(large[place.at % shape->n], shape->mark, &place, NULL, SOON)
				 : stoa_call(hits, &counter_add_row, &(struct counter_args){ 1 }, &v, SOON);
		if (r < 0)
			printf("FAILED a call returned %d: %s\n", r, torture_error());
		if (r < 0)
			_exit(1);
		atomic_fetch_add(is_large ? &shared->marks[i] : &shared->calls[i], 1);
		note_answer(began);
	}
	_exit(0);
}

/* ---- the floor ---- */

static pid_t floor_fork(void)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	atomic_store(&shared->floor_pid, getpid());
	atomic_fetch_add(&shared->floor_word, 1);
	syscall(SYS_futex, &shared->floor_word, FUTEX_WAKE, 1, NULL, NULL, 0);
	for (;;)
		pause();
}

static void be_floor(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		pid_t pid = floor_fork();
		struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
		poll(&p, 1, -1);
		close(p.fd);
		waitpid(pid, NULL, 0);
	}
}

static void floor_measure(struct times *t)
{
	uint32_t before = atomic_load(&shared->floor_word);
	int64_t since = clock_now(), end = clock_deadline(SOON);
	kill(atomic_load(&shared->floor_pid), SIGKILL);
	while (atomic_load(&shared->floor_word) == before && clock_now() < end)
		syscall(SYS_futex, &shared->floor_word, FUTEX_WAIT, before, &(struct timespec){ .tv_sec = 1 }, NULL, 0);
	times_add(t, clock_now() - since);
}

/* ---- one shape ---- */

static void open_shape(const struct shape *shape)
{
	char name[16];
	large = calloc(shape->n, sizeof(struct stoa_proxy *));
	int r = stoa_start("recovery", STOA_CLASSES(shape->cls, &counter_class),
			   STOA_OPTIONS(.max_threads = 2 * CLIENTS, .max_objects = shape->n + 1,
					.max_attrs = 16 * (shape->n + 1), .max_state = UINT64_C(512) << 20),
			   &s);
	r = r ? r : stoa_create(s, "hits", &counter_class, NULL, STOA_EXCL, &hits);
	for (uint32_t i = 0; large && r == 0 && i < shape->n; i++) {
		snprintf(name, sizeof name, "o%u", i);
		r = stoa_create(s, name, shape->cls, NULL, STOA_EXCL, &large[i]);
	}
	if (r < 0 || !large) {
		printf("cannot start: %s\n", torture_error());
		exit(1);
	}
}

static void use_all(const struct shape *shape)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < shape->n; i++) {
		r = stoa_cast(large[i], shape->mark, &(struct place){ i }, SOON);
		atomic_fetch_add(&shared->marks[CLIENTS], r == 0);
		if (r == 0 && (i % 256 == 255 || i + 1 == shape->n)) /* or the clients would wait behind all of them */
			r = stoa_sync(s, SOON, NULL);
	}
	torture_check(r == 0, "cannot use all objects: %s", torture_error());
}

/* How long a process was ready to run, and did not. */
static int64_t waited(pid_t pid)
{
	char path[32];
	long long ns = 0;
	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%*d %lld", &ns) != 1)
		ns = 0;
	if (f)
		fclose(f);
	return ns;
}

static void kill_one(struct times *t, struct times *t_waited)
{
	struct stoa_health h;
	torture_check(torture_until(stoa_health(s, &h) == 0 && h.coordinator > 0), "there is no coordinator");
	atomic_store(&shared->first_ns, 0);
	int64_t since = clock_now();
	kill(h.coordinator, SIGKILL);
	atomic_store(&shared->killed_ns, since);
	torture_check(torture_until(atomic_load(&shared->first_ns)), "no call was answered after a death");
	times_add(t, atomic_load(&shared->first_ns) - since);
	if (stoa_health(s, &h) == 0)
		times_add(t_waited, waited(h.coordinator));
	atomic_store(&shared->killed_ns, 0);
}

/* Each call was applied once, whatever died. */
static void check_counts(const struct shape *shape)
{
	uint64_t calls = 0, marks = 0;
	int64_t value = 0;
	struct stoa_health h;
	for (int i = 0; i < CLIENTS; i++)
		calls += atomic_load(&shared->calls[i]);
	for (int i = 0; i < CLIENTS + 1; i++)
		marks += atomic_load(&shared->marks[i]);
	int r = STOA_GET(hits, struct counter, value, &value, SOON);
	torture_check(r == 0 && (uint64_t)value == calls, "%ju calls were answered, %jd are counted", (uintmax_t)calls,
		      (intmax_t)value);
	r = stoa_health(s, &h);
	torture_check(r == 0 && h.applied == calls + marks + shape->n + 1 && h.rejected == 0,
		      "%ju applied, %ju rejected; %ju calls, %ju of large objects", (uintmax_t)h.applied,
		      (uintmax_t)h.rejected, (uintmax_t)calls, (uintmax_t)marks);
	printf("  %ju calls, %ju of large objects\n", (uintmax_t)calls, (uintmax_t)marks);
}

static void close_shape(const struct shape *shape)
{
	for (uint32_t i = 0; i < shape->n; i++)
		stoa_close(large[i]);
	stoa_close(hits);
	free(large);
	torture_check(stoa_stop(s, STOA_DRAIN, SOON) == 0, "it does not stop: %s", torture_error());
	s = stoa_detach(s);
}

static void play(const struct shape *shape)
{
	struct times recoveries = { 0 }, waits = { 0 }, floors = { 0 };
	pid_t clients[CLIENTS], at_floor;
	uint64_t kills = torture.rounds != UINT64_MAX ? torture.rounds : torture.lengthy ? KILLS : SHORT_KILLS;
	torture_where("%u objects of %s, %u clients", shape->n, shape->size, shape->clients);
	*shared = (struct shared){ 0 };
	open_shape(shape);
	for (uint32_t i = 0; i < shape->clients; i++)
		if ((clients[i] = fork()) == 0)
			be_client(shape, i);
	if ((at_floor = fork()) == 0)
		be_floor();
	torture_until(atomic_load(&shared->floor_word) > 0);
	torture_go();
	for (uint64_t n = 0; n < kills && (torture.lengthy || clock_now() < torture.end_ns); n++) {
		usleep((useconds_t)(20000 + torture_random(60000)));
		use_all(shape);
		kill_one(&recoveries, &waits);
		floor_measure(&floors);
	}
	atomic_store(&shared->stop, 1);
	for (uint32_t i = 0; i < shape->clients; i++) {
		int status = -1;
		torture_check(waitpid(clients[i], &status, 0) == clients[i] && status == 0, "client %u ended with %d", i, status);
	}
	kill(at_floor, SIGKILL);
	waitpid(at_floor, NULL, 0);
	printf("%u objects of %s, %u clients:\n", shape->n, shape->size, shape->clients);
	check_counts(shape);
	times_print(&recoveries, "from a coordinator's death to the first call");
	times_print(&waits, "  of it, its successor waited for a processor");
	times_print(&floors, "floor: from a child's death to a wake by the next");
	free(recoveries.ns);
	free(waits.ns);
	free(floors.ns);
	close_shape(shape);
}

int main(void)
{
	torture_begin("recovery", SHORT_SECONDS);
#ifdef UNDER_VALGRIND
	torture_skip("it measures how long a recovery takes, beside a floor, which valgrind makes another thing");
#endif
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		play(&shapes[i]);
	return torture_end();
}
