/*
 * test_misbehave.c: methods that take their process down, hold it up, or write where they must not. Each is undone,
 * recorded with class, method, client and reason, and told to its caller, and the next call is served; so when it is
 * called, when it is cast and nobody waits, and when it is one of several commands of stoa_call_many.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

#define UNCHECKED __attribute__((no_sanitize("address", "undefined", "thread"))) /* it means to */

enum act {
	ADD,
	SEGV,
	ABORT,
	EXIT_0,
	EXIT_7,
	EXIT_NOW,
	RECURSE,
	DIVIDE,
	FREE_TWICE,
	FREE_TEXT,
	PAST_BY_1,
	PAST_BY_100,
	PAST_BY_64K,
	RUN_PAST,
	BEFORE_BY_1,
	BEFORE_BY_100,
	BEFORE_BY_64K,
	EXEC,
	EXEC_AND_STAY,
	CLOSE_AND_STAY,
	FORK_AND_CRASH,
	KILL_ITSELF,
	STOP_ITSELF,
	UNDECLARED,
	LOOP,
	SLEEP,
	BLOCK,
	LEAK,
	/* what harms the process, and not the command */
	CLOSE_ALL,
	CLOSE_FROM_3,
	FORK_AND_RETURN,
	FORK_AND_STAY,
	BLOCK_SIGNALS,
	IGNORE_SIGNALS,
	CHANGE_PLACE,
	LIMIT_FILES,
	LIMIT_SIZE,
	LIMIT_MEMORY,
	ALARM,
	ACTS,
};

struct evil {
	int64_t a, b;
	stoa_text note;
	char last[8]; /* ends where the struct ends */
};
struct what {
	int32_t act;
	int32_t by;
};
STOA_STRUCT(evil, STOA_ATTR(struct evil, a), STOA_ATTR(struct evil, b), STOA_ATTR(struct evil, note),
	    STOA_ATTR(struct evil, last));
STOA_STRUCT(what, STOA_ATTR(struct what, act), STOA_ATTR(struct what, by));
STOA_STUB(evil, act, struct what, stoa_none);
STOA_STUB(evil, linger, struct what, stoa_none);

static struct shared {
	_Atomic int runs[ACTS];
	_Atomic int64_t left_ns;      /* when a method last left the straight and narrow */
	_Atomic int n_stay, stay[16]; /* children that methods forked */
} *shared;

static struct stoa *s;
static struct stoa_proxy *p;

/* ---- the methods --------------------------------------------------------------------------------------------- */

UNCHECKED static int recurse(volatile int *depth)
{
	volatile char frame[1024];
	frame[0] = (char)++*depth;
	return *depth < 0 ? 0 : recurse(depth) + frame[0];
}

UNCHECKED static void write_at(volatile char *at)
{
	*at = 'x';
}

UNCHECKED static void run_from(volatile char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = 'x';
}

UNCHECKED static void divide(void)
{
	volatile int one = 1, none = 0;
	volatile int quotient __attribute__((unused)) = one / none;
#if !defined(__x86_64__) && !defined(__i386__)
	raise(SIGFPE); /* there, the division answers */
#endif
}

static void stay(void)
{
	for (;;)
		pause();
}

static void fork_one(bool stays)
{
	pid_t child = fork();
	if (child == 0 && stays)
		stay();
	if (child > 0 && stays) {
		setpgid(child, 0); /* harness_kill_both is not meant for it */
		atomic_store(&shared->stay[atomic_fetch_add(&shared->n_stay, 1)], child);
	}
}

static void block(void)
{
	sigset_t all;
	int ends[2];
	char byte;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (pipe(ends) == 0 && read(ends[0], &byte, 1) == 0)
		stay();
}

static void leave(enum act act)
{
	void *volatile memory = NULL;
	switch (act) {
	case SEGV:
		write_at(memory);
		break;
	case ABORT:
		abort();
	case EXIT_0:
		exit(0);
	case EXIT_7:
		exit(7);
	case EXIT_NOW:
		_exit(0);
	case RECURSE:
		recurse(&(volatile int){ 0 });
		break;
	case DIVIDE:
		divide();
		break;
	case FREE_TWICE:
		memory = malloc(5000);
		free(memory);
		free(memory);
		break;
	case EXEC:
		execl("/bin/true", "true", NULL);
		break;
	case EXEC_AND_STAY:
		execl("/bin/sleep", "sleep", "100", NULL);
		break;
	case CLOSE_AND_STAY:
		closefrom(0);
		stay();
		break;
	case FORK_AND_CRASH:
		fork_one(true);
		abort();
	case KILL_ITSELF:
		raise(SIGKILL);
		break;
	case STOP_ITSELF:
		kill(getpid(), SIGSTOP);
		break;
	case LOOP:
		for (volatile int on = 1; on;) {}
		break;
	case SLEEP:
		usleep(1000000);
		break;
	case BLOCK:
		block();
		break;
	default:
		break;
	}
}

static void trespass(struct evil *self, enum act act)
{
	char *begin = (char *)self, *end = begin + sizeof(*self);
	switch (act) {
	case FREE_TEXT:
		free(self->note.data);
		break;
	case PAST_BY_1:
		write_at(end);
		break;
	case PAST_BY_100:
		write_at(end + 99);
		break;
	case PAST_BY_64K:
		write_at(end + 65535);
		break;
	case RUN_PAST:
		run_from(self->last, 65536);
		break;
	case BEFORE_BY_1:
		write_at(begin - 1);
		break;
	case BEFORE_BY_100:
		write_at(begin - 100);
		break;
	case BEFORE_BY_64K:
		write_at(begin - 65536);
		break;
	case UNDECLARED:
		self->b = 999;
		break;
	default:
		break;
	}
}

static void limit(int which, rlim_t to)
{
	setrlimit(which, &(struct rlimit){ to, to });
}

static void *volatile leaked; /* its predecessors are lost */

static void spoil(enum act act)
{
	sigset_t all;
	switch (act) {
	case CLOSE_ALL:
		closefrom(0);
		break;
	case CLOSE_FROM_3:
		closefrom(3);
		break;
	case FORK_AND_RETURN:
	case FORK_AND_STAY:
		fork_one(act == FORK_AND_STAY);
		break;
	case BLOCK_SIGNALS:
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		break;
	case IGNORE_SIGNALS:
		for (int sig = 1; sig < NSIG; sig++)
			signal(sig, SIG_IGN);
		break;
	case CHANGE_PLACE:
		umask(0777);
		if (chdir("/proc") == 0 && chroot("/proc") == 0)
			break;
		break;
	case LIMIT_FILES:
		limit(RLIMIT_NOFILE, 0);
		break;
	case LIMIT_SIZE:
		limit(RLIMIT_FSIZE, 0);
		break;
	case LIMIT_MEMORY:
		limit(RLIMIT_AS, 0);
		break;
	case LEAK:
		leaked = malloc(1 << 20);
		if (leaked)
			memset(leaked, 1, 1 << 20);
		break;
	case ALARM:
		alarm(1);
		break;
	default:
		break;
	}
}

static int evil_act(struct evil *self, const struct what *args, stoa_none *ret)
{
	enum act act = (enum act)args->act;
	(void)ret;
	atomic_fetch_add(&shared->runs[act], 1);
	self->a += args->by;
	stoa_text_set(&self->note, act == ADD ? "added" : "half done");
	if (act != ADD)
		atomic_store(&shared->left_ns, clock_now());
	leave(act);
	trespass(self, act);
	spoil(act);
	return 0;
}

static int evil_linger(struct evil *self, const struct what *args, stoa_none *ret)
{
	return evil_act(self, args, ret);
}
STOA_METHOD(evil, act, what, stoa_none, .writes = "a note last");
STOA_METHOD(evil, linger, what, stoa_none, .writes = "a note last", .deadline = STOA_MS(100));
STOA_CLASS(evil, 1, &evil_act_row, &evil_linger_row);

/* ---- what becomes of each ------------------------------------------------------------------------------------ */

static const struct kind {
	enum act act;
	const char *name;
	int code;
	int runs; /* of its method */
	const char *says;
} kinds[] = {
	{ SEGV, "a write to nowhere", -EFAULT, 2, "crashed the coordinator, 2 times, by SIGSEGV" },
	{ ABORT, "abort", -EFAULT, 2, "by SIGABRT" },
	{ EXIT_NOW, "_exit(0)", -EFAULT, 2, "crashed" },
	{ RECURSE, "stack overflow", -EFAULT, 2, "crashed" },
	{ DIVIDE, "division by zero", -EFAULT, 2, "by SIGFPE" },
#if HARNESS_SLOW == 1 /* else the sanitizer is in between */
	{ EXIT_0, "exit(0)", -EFAULT, 2, "by exit(0)" },
	{ EXIT_7, "exit(7)", -EFAULT, 2, "by exit(7)" },
	{ FREE_TWICE, "double free", -EFAULT, 2, "crashed" },
	{ FREE_TEXT, "free of a text", -EFAULT, 2, "crashed" },
#endif
	{ PAST_BY_1, "1 byte past its end", -EFAULT, 2, "crashed" },
	{ PAST_BY_100, "100 bytes past its end", -EFAULT, 2, "crashed" },
	{ PAST_BY_64K, "64 KiB past its end", -EFAULT, 2, "crashed" },
	{ RUN_PAST, "a run past its end", -EFAULT, 2, "crashed" },
	{ BEFORE_BY_1, "1 byte before it", -EACCES, 1, "before" },
	{ BEFORE_BY_100, "100 bytes before it", -EACCES, 1, "before" },
	{ BEFORE_BY_64K, "64 KiB before it", -EFAULT, 2, "crashed" },
	{ EXEC, "exec of true", -EFAULT, 2, "crashed" },
	{ EXEC_AND_STAY, "exec of sleep", -EFAULT, 2, "exec" },
	{ CLOSE_AND_STAY, "closed descriptors, and a hang", -EFAULT, 2, "descriptors closed" },
	{ FORK_AND_CRASH, "a crash beside a child", -EFAULT, 2, "crashed" },
	{ KILL_ITSELF, "SIGKILL to itself", -EFAULT, 8, "killed" },
	{ STOP_ITSELF, "SIGSTOP to itself", -EFAULT, 2, "stopped" },
	{ UNDECLARED, "an undeclared write", -EACCES, 1, "wrote b, which its row does not declare" },
	{ LOOP, "an endless loop", -ETIME, 1, "ran past its deadline and was ended" },
	{ SLEEP, "a sleep past its deadline", -ETIME, 1, "deadline" },
	{ BLOCK, "a read for ever, signals blocked", -ETIME, 1, "deadline" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct stoa_method *row_of(const struct kind *k)
{
	return k->code == -ETIME ? &evil_linger_row : &evil_act_row;
}

static void start(void)
{
	shared = harness_shared(sizeof(*shared));
	s = harness_start(STOA_CLASSES(&evil_class));
	p = harness_create(s, "e", &evil_class, &(struct evil){ .a = 5, .b = 6, .last = "last" });
}

static void start_again(void)
{
	s = harness_start(STOA_CLASSES(&evil_class));
	ok(stoa_create(s, "e", &evil_class, NULL, 0, &p));
}

static int add(int by)
{
	return evil_act_call(p, &(struct what){ ADD, by }, NULL, SOON);
}

/* Nothing of it is left, and the next call is served. */
static void check_undone(int64_t a)
{
	struct evil now = { 0 };
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	assert_int_equal(now.a, a);
	assert_int_equal(now.b, 6);
	assert_string_equal(now.last, "last");
	assert_true(!now.note.data || strcmp(now.note.data, "added") == 0);
	stoa_text_fini(&now.note);
	ok(add(1));
	ok(add(-1));
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	assert_int_equal(now.a, a);
	assert_string_equal(now.note.data, "added");
	stoa_text_fini(&now.note);
}

static int keep_rejection(void *data, const struct stoa_rejection *r)
{
	*(struct stoa_rejection *)data = *r;
	return 0;
}

static void check_recorded(const struct kind *k)
{
	struct stoa_rejection r = { 0 };
	ok(stoa_rejected(s, harness_health(s).rejected - 1, keep_rejection, &r));
	assert_int_equal(r.number, harness_health(s).rejected);
	assert_string_equal(r.class_name, "evil");
	assert_string_equal(r.object, "e");
	assert_string_equal(r.row, row_of(k)->name);
	assert_int_equal(r.pid, getpid());
	assert_int_equal(r.code, k->code);
	assert_int_equal(r.origin, STOA_FROM_LIBRARY);
	if (!strstr(r.text, k->says) || !strstr(r.text, row_of(k)->name))
		fail_msg("%s: \"%s\" does not say \"%s\"", k->name, r.text, k->says);
}

static void check_told(const struct kind *k, int r)
{
	struct stoa_error e;
	if (r != k->code)
		print_error("%s:\n", k->name);
	refused(k->code, r);
	says(k->says);
	stoa_last_error(&e);
	assert_int_equal(e.origin, STOA_FROM_LIBRARY);
	assert_false(e.may_apply);
}

static void check_runs(const struct kind *k)
{
	if (atomic_load(&shared->runs[k->act]) != k->runs)
		fail_msg("%s ran %d times", k->name, atomic_load(&shared->runs[k->act]));
	atomic_store(&shared->runs[k->act], 0);
}

/* They outlived the coordinator that forked them, and nothing waited for them. */
static void end_children(void)
{
	while (atomic_load(&shared->n_stay) > 0)
		assert_int_equal(kill(atomic_load(&shared->stay[atomic_fetch_sub(&shared->n_stay, 1) - 1]), SIGKILL),
				 0);
}

static void check_all(const struct kind *k)
{
	check_runs(k);
	check_recorded(k);
	check_undone(5);
	end_children();
}

static void each_is_undone_recorded_and_told_when_called(void)
{
	start();
	for (const struct kind *k = kinds; k < kinds + KINDS; k++) {
		check_told(k, stoa_call(p, row_of(k), &(struct what){ (int)k->act, 100 }, NULL, 3 * SOON));
		check_all(k);
	}
	assert_int_equal(harness_health(s).rejected, KINDS);
}

static void each_is_undone_and_recorded_when_cast(void)
{
	uint64_t rejected = 0;
	start();
	for (const struct kind *k = kinds; k < kinds + KINDS; k++) {
		ok(stoa_cast(p, row_of(k), &(struct what){ (int)k->act, 100 }, SOON));
		ok(evil_act_cast(p, &(struct what){ ADD, 0 }, SOON)); /* what stands behind it is applied */
		ok(stoa_sync(s, 3 * SOON, &rejected));
		assert_int_equal(rejected, k - kinds + 1);
		check_all(k);
	}
}

/* All or nothing; and which of them it was is told, though the same object and method stand there three times. */
static void each_undoes_all_when_it_is_one_of_several(void)
{
	struct what good = { ADD, 10 };
	start();
	for (const struct kind *k = kinds; k < kinds + KINDS; k++) {
		struct what bad = { (int)k->act, 100 };
		struct stoa_command many[] = {
			{ .proxy = p, .method = row_of(k), .args = &good },
			{ .proxy = p, .method = row_of(k), .args = &bad },
			{ .proxy = p, .method = row_of(k), .args = &good },
		};
		check_told(k, stoa_call_many(s, 3, many, 3 * SOON));
		assert_int_equal(many[0].status, -ECANCELED);
		assert_int_equal(many[1].status, k->code);
		assert_int_equal(many[2].status, -ECANCELED);
		check_all(k);
	}
}

/* ---- how long it takes ---------------------------------------------------------------------------------------- */

#define REPETITIONS (HARNESS_FEWER == 1 ? 20 : 4)
#define REPETITIONS_MAX 1000

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void print_times(const char *name, int64_t *ns, int n)
{
	qsort(ns, (size_t)n, sizeof(*ns), compare);
	print_message("%-32s back after %6.1f ms, %6.1f at worst of %d\n", name, (double)ns[n / 2] / 1e6,
		      (double)ns[n - 1] / 1e6, n);
}

/* ROUNDS of them; without it fewer of those that take their time. 0: it takes a second's patience. */
static int repetitions(const struct kind *k)
{
	const char *rounds = getenv("ROUNDS");
	int n = rounds ? atoi(rounds) : k->code == -ETIME ? REPETITIONS / 4 : REPETITIONS;
	return k->act == STOP_ITSELF ? 0 : n < REPETITIONS_MAX ? n : REPETITIONS_MAX;
}

/* From the moment when the method goes wrong for the last time to the answer to the next call. */
static void service_is_back_soon(void)
{
	int64_t ns[REPETITIONS_MAX];
	start();
	for (const struct kind *k = kinds; k < kinds + KINDS; k++) {
		int n = repetitions(k);
		for (int i = 0; i < n; i++) {
			refused(k->code, stoa_call(p, row_of(k), &(struct what){ (int)k->act, 100 }, NULL, SOON));
			ok(add(0));
			ns[i] = clock_now() - atomic_load(&shared->left_ns);
			assert_true(ns[i] < STOA_MS(2000 * HARNESS_SLOW));
			end_children();
		}
		if (n > 0)
			print_times(k->name, ns, n);
	}
}

/* ---- what harms the process only ------------------------------------------------------------------------------ */

static void attach_anew(int unused)
{
	struct stoa *own;
	struct stoa_proxy *mine;
	(void)unused;
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &own));
	ok(stoa_open(own, "e", &evil_class, SOON, &mine));
	ok(evil_act_call(mine, &(struct what){ ADD, 1 }, NULL, SOON));
}

/* An object that needs room in the state, and a client that needs a descriptor. */
static void check_service(enum act act, int64_t *a)
{
	char name[32], text[20000];
	struct stoa_proxy *other;
	ok(add(1));
	snprintf(name, sizeof(name), "e-%d", (int)act);
	memset(text, 'x', sizeof(text));
	stoa_text note = { text, sizeof(text) };
	ok(stoa_create(s, name, &evil_class, &(struct evil){ .note = note }, STOA_EXCL, &other));
	stoa_close(other);
	harness_join(harness_spawn(attach_anew, 0));
	ok(STOA_GET(p, struct evil, a, a, SOON));
}

static void service_goes_on_when_a_method_harms_its_process(void)
{
	int64_t a = 5, before;
	start();
	for (int act = CLOSE_ALL; act < ACTS; act++) {
		before = a;
		uint64_t rejected = harness_health(s).rejected;
		int r = evil_act_call(p, &(struct what){ act, 100 }, NULL, SOON);
		if (r < 0)
			print_message("act %d: %s\n", act, stoa_strerror(r));
		check_service((enum act)act, &a);
		assert_int_equal(a, before + 2 + (r == 0 ? 100 : 0));
		assert_int_equal(harness_health(s).rejected, rejected + (r < 0)); /* nobody else pays for it */
		harness_kill_coordinator(s); /* the next one has not inherited the harm */
		check_service((enum act)(act + ACTS), &a);
		end_children();
	}
}

static void served_namespace_ends_when_told_though_a_method_ignores_signals(void)
{
	static const enum act acts[] = { IGNORE_SIGNALS, BLOCK_SIGNALS };
	shared = harness_shared(sizeof(*shared));
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		pid_t server = harness_serve(STOA_CLASSES(&evil_class), STOA_OPTIONS(.flags = STOA_VERIFY), &s);
		p = harness_create(s, "e", &evil_class, NULL);
		ok(evil_act_call(p, &(struct what){ (int)acts[i], 1 }, NULL, SOON));
		kill(server, SIGTERM);
		until(harness_has_ended(server));
		assert_int_equal(harness_status(server), 0);
		stoa_detach(s);
	}
}

/* The child has copies of all that the coordinator had open: locks, connections, the socket. */
static void child_that_a_method_forked_holds_nothing_up(void)
{
	start();
	ok(evil_act_call(p, &(struct what){ FORK_AND_STAY, 1 }, NULL, SOON));
	pid_t guardian = harness_guardian(s), coordinator = harness_coordinator(s);
	harness_kill_coordinator(s);
	ok(add(1));
	coordinator = harness_coordinator(s);
	kill(guardian, SIGKILL);
	until(harness_guardian(s) == coordinator && harness_coordinator(s) != coordinator);
	ok(add(1));
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	refused(-ECONNRESET, add(1) == -ESHUTDOWN ? -ECONNRESET : add(1));
	stoa_detach(s);
	start_again();
	ok(add(1));
	end_children();
}

static void clients_are_told_when_both_die_and_a_child_lives_on(void)
{
	struct stoa_error e;
	start();
	ok(evil_act_call(p, &(struct what){ FORK_AND_STAY, 1 }, NULL, SOON));
	harness_freeze(s);
	harness_kill_both(s);
	int64_t before = clock_now();
	refused(-ECONNRESET, add(1));
	assert_true(clock_now() - before < SOON / 2);
	stoa_last_error(&e);
	assert_int_equal(harness_health(s).verdict, STOA_GONE);
	end_children();
	start_again();
	ok(add(1));
}

/* ---- what an operator sees ------------------------------------------------------------------------------------ */

static char said[128 * 1024];

/* What the command line prints for this namespace. */
static const char *run_tool(const char *verb)
{
	char tool[256], command[512];
	snprintf(tool, sizeof(tool), "%s/stoa", getenv("builddir") ?: ".");
	if (access(tool, X_OK) < 0)
		harness_skip("there is no stoa in this build");
	snprintf(command, sizeof(command), "\"%s\" -n test %s 2>&1 </dev/null", tool, verb);
	FILE *f = popen(command, "re");
	assert_non_null(f);
	size_t n = fread(said, 1, sizeof(said) - 1, f);
	said[n] = '\0';
	assert_int_equal(pclose(f), 0);
	return said;
}

#define LEAK_MIB 64

static void leak_shows_in_health(void)
{
	double now, grown;
	uint64_t resident, first;
	start();
	for (int i = 0; i < LEAK_MIB; i++)
		ok(evil_act_call(p, &(struct what){ LEAK, 1 }, NULL, SOON));
	until(harness_health(s).resident > harness_health(s).resident_start + (LEAK_MIB - 4) * (1 << 20));
	const char *line = strstr(run_tool("health"), "memory ");
	assert_non_null(line);
	assert_int_equal(sscanf(line, "memory %lf MiB (%lf since it started)", &now, &grown), 2);
	assert_true(grown > LEAK_MIB - 4 && grown < 4 * LEAK_MIB * HARNESS_SLOW && now > grown);
	line = strstr(run_tool("health --json"), "\"resident\":");
	assert_non_null(line);
	assert_int_equal(sscanf(line, "\"resident\":%ju,\"resident_start\":%ju", &resident, &first), 2);
	assert_true(resident > first + (LEAK_MIB - 4) * (1 << 20));
	harness_kill_coordinator(s); /* and is gone with the process */
	until(harness_health(s).resident < harness_health(s).resident_start + (1 << 20));
}

#define REJECTIONS 300
#define KEPT 256

static void tool_lists_the_last_rejections(void)
{
	char wanted[256];
	start();
	for (int i = 1; i <= REJECTIONS; i++)
		ok(evil_act_cast(p, &(struct what){ i % 100 ? UNDECLARED : ABORT, 1 }, SOON));
	ok(stoa_sync(s, SOON, NULL));
	assert_int_equal(harness_health(s).rejected, REJECTIONS);
	int n = 0, first = 0;
	for (char *line = strtok((char *)run_tool("rejected"), "\n"); line; line = strtok(NULL, "\n"), n++) {
		int number = atoi(line);
		first = n ? first : number;
		assert_int_equal(number, first + n);
		snprintf(wanted, sizeof(wanted), "  pid %d  e.act: method act of %s", (int)getpid(),
			 number % 100 ? "class evil wrote b, which its row does not declare; add it to .writes"
				      : "object e crashed the coordinator, 2 times, by SIGABRT");
		if (!strstr(line, wanted))
			fail_msg("\"%s\" does not say \"%s\"", line, wanted);
	}
	assert_int_equal(first, REJECTIONS - KEPT + 1);
	assert_int_equal(n, KEPT);
	snprintf(wanted, sizeof(wanted),
		 "\"code\":%d,\"from_method\":false,\"pid\":%d,\"object\":\"e\",\"class\":\"evil\",\"row\":\"act\",",
		 -EFAULT, (int)getpid());
	assert_non_null(strstr(strrchr(run_tool("rejected --json"), '{'), wanted));
}

/* ---- what cannot be caught, and does no harm -------------------------------------------------------------------- */

struct slack {
	int64_t a;
	char text[5]; /* three bytes of nobody behind it */
};
struct at {
	int32_t offset;
};
STOA_STRUCT(slack, STOA_ATTR(struct slack, a), STOA_ATTR(struct slack, text));
STOA_STRUCT(at, STOA_ATTR(struct at, offset));
STOA_STUB(slack, scribble, struct at, stoa_none);

static int slack_scribble(struct slack *self, const struct at *args, stoa_none *ret)
{
	(void)ret;
	write_at((char *)self + args->offset);
	return 0;
}
STOA_METHOD(slack, scribble, at, stoa_none, .writes = "");
STOA_CLASS(slack, 1, &slack_scribble_row);

static void scribble_between_attributes_and_guard_harms_nobody(void)
{
	struct slack now;
	s = harness_start(STOA_CLASSES(&slack_class));
	p = harness_create(s, "s", &slack_class, &(struct slack){ .a = 1, .text = "four" });
	for (size_t at = offsetof(struct slack, text) + 5; at < sizeof(struct slack); at++)
		ok(slack_scribble_call(p, &(struct at){ (int32_t)at }, NULL, SOON));
	refused(-EFAULT, slack_scribble_call(p, &(struct at){ sizeof(struct slack) }, NULL, SOON));
	refused(-EACCES, slack_scribble_call(p, &(struct at){ offsetof(struct slack, text) }, NULL, SOON));
	refused(-EACCES, slack_scribble_call(p, &(struct at){ -1 }, NULL, SOON));
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	assert_int_equal(now.a, 1);
	assert_string_equal(now.text, "four");
}

#define NEIGHBOURS 40
#define PAGE 4096

/* Mirrors lie side by side: a leap of less than 64 KiB, up or down, meets nobody's. */
static void leap_out_of_an_object_reaches_no_other(void)
{
	char name[16];
	struct slack now;
	struct stoa_proxy *all[NEIGHBOURS];
	s = harness_start(STOA_CLASSES(&slack_class));
	for (int i = 0; i < NEIGHBOURS; i++) {
		snprintf(name, sizeof(name), "s-%d", i);
		all[i] = harness_create(s, name, &slack_class, &(struct slack){ .a = i });
	}
	p = all[NEIGHBOURS / 2];
	for (int32_t by = PAGE; by <= 65536 - PAGE; by += PAGE) {
		refused(-EFAULT, slack_scribble_call(p, &(struct at){ by }, NULL, SOON));
		refused(-EFAULT, slack_scribble_call(p, &(struct at){ -by }, NULL, SOON));
	}
	for (int i = 0; i < NEIGHBOURS; i++) {
		ok(stoa_snapshot(all[i], &now, sizeof(now), SOON, NULL));
		assert_int_equal(now.a, i);
	}
}

/* Not in verify mode: what is before it is looked at for the length of a cache line only, and harms nobody beyond. */
static void undeclared_writes_are_caught_without_verify_mode(void)
{
	struct evil now = { 0 };
	shared = harness_shared(sizeof(*shared));
	ok(stoa_start("test", STOA_CLASSES(&evil_class), NULL, &s));
	p = harness_create(s, "e", &evil_class, &(struct evil){ .a = 5, .b = 6, .last = "last" });
	static const enum act acts[] = { UNDECLARED, BEFORE_BY_1 };
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		refused(-EACCES, evil_act_call(p, &(struct what){ (int)acts[i], 100 }, NULL, SOON));
	ok(evil_act_call(p, &(struct what){ BEFORE_BY_100, 0 }, NULL, SOON));
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	assert_int_equal(now.a, 5);
	assert_int_equal(now.b, 6);
	assert_string_equal(now.last, "last");
	stoa_text_fini(&now.note);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(child_that_a_method_forked_holds_nothing_up),
		HARNESS(clients_are_told_when_both_die_and_a_child_lives_on),
		HARNESS_SECONDS(each_is_undone_and_recorded_when_cast, 60),
		HARNESS_SECONDS(each_is_undone_recorded_and_told_when_called, 60),
		HARNESS_SECONDS(each_undoes_all_when_it_is_one_of_several, 60),
		HARNESS(leak_shows_in_health),
		HARNESS(leap_out_of_an_object_reaches_no_other),
		HARNESS(scribble_between_attributes_and_guard_harms_nobody),
		HARNESS_SECONDS(service_is_back_soon, 60),
		HARNESS(served_namespace_ends_when_told_though_a_method_ignores_signals),
		HARNESS_SECONDS(service_goes_on_when_a_method_harms_its_process, 60),
		HARNESS(tool_lists_the_last_rejections),
		HARNESS(undeclared_writes_are_caught_without_verify_mode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
