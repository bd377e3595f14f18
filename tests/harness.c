/*
 * harness.c: see harness.h.
 */
#include "tests/harness.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "include/stoa/counter.h"
#include "include/stoa/observe.h"
#include "proxy/handle.h"
#include "tests/scratch.h"

#define TEST_SECONDS 20
#define END_NS STOA_MS(8000 * HARNESS_SLOW) /* guardians end by themselves within this */
#define SPAWNED_MAX 4096
#define SKIPPED 77

extern struct stoa *handles; /* proxy/handle.c */

static pid_t spawned[SPAWNED_MAX];
static int n_spawned;

/* ---- checks ------------------------------------------------------------------------------------------------ */

void harness_returned(int wanted, int got, const char *call, const char *file, int line)
{
	struct stoa_error e;
	if (got == wanted)
		return;
	stoa_last_error(&e);
	print_error("%s:%d: %s\n  returned %d (%s), not %d (%s); last error %d: %s\n", file, line, call, got,
		    stoa_strerror(got), wanted, stoa_strerror(wanted), e.code, e.text);
	_fail(file, line);
}

void harness_says(const char *text, const char *file, int line)
{
	struct stoa_error e;
	stoa_last_error(&e);
	if (strstr(e.text, text))
		return;
	print_error("%s:%d: \"%s\" does not say \"%s\"\n", file, line, e.text, text);
	_fail(file, line);
}

/* A client whose check failed has said so: what we wait for will not come. */
static void check_spawned(const char *file, int line)
{
	for (int i = 0; i < n_spawned; i++) {
		siginfo_t info = { 0 };
		if (waitid(P_PID, (id_t)spawned[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == spawned[i] && info.si_code == CLD_KILLED && info.si_status == SIGABRT)
			_fail(file, line);
	}
}

void harness_pause(int64_t deadline, const char *condition, const char *file, int line)
{
	if (clock_now() > deadline) {
		print_error("%s:%d: did not come true in time: %s\n", file, line, condition);
		_fail(file, line);
	}
	check_spawned(file, line);
	usleep(500);
}

/* ---- the test's process ------------------------------------------------------------------------------------- */

void harness_skip(const char *why)
{
	print_message("skipped: %s\n", why);
	fflush(stdout);
	_exit(SKIPPED);
}

#ifdef HARNESS_SANITIZED
void __sanitizer_set_report_path(const char *path);
#endif

/* Guardians have no standard error: what a sanitizer finds in them goes to a file beside the directory. */
static void set_report_path(void)
{
#ifdef HARNESS_SANITIZED
	char path[128];
	snprintf(path, sizeof(path), "%s.report", getenv("STOA_DIR"));
	__sanitizer_set_report_path(path);
#endif
}

static void prepare(void)
{
	set_report_path();
	const int caught[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS };
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signal(caught[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed check ends this process, and does not go on in cmocka's loop */
	setpgid(0, 0);
}

static void run_here(const struct harness_case *c)
{
	prepare();
	int before = scratch_fds();
	c->run();
	while (handles) {
		struct stoa *s = handles;
		harness_settle(s);
		while (handles == s)
			stoa_detach(s);
	}
	int after = scratch_fds();
	if (after != before)
		fail_msg("%d descriptors before, %d after", before, after);
	fflush(NULL);
	exit(0);
}

/* ---- the test program --------------------------------------------------------------------------------------- */

/* What /proc says of a child of ours; false: it is none. */
static bool is_child(const char *pid, char *ret_name, size_t size, char *ret_state)
{
	char path[64], text[256];
	int parent = 0;
	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	FILE *f = fopen(path, "re");
	bool read = f && fgets(text, sizeof(text), f);
	if (f)
		fclose(f);
	char *name = read ? strchr(text, '(') : NULL, *end = read ? strrchr(text, ')') : NULL;
	if (!name || !end || sscanf(end + 1, " %c %d", ret_state, &parent) != 2)
		return false;
	*end = '\0';
	snprintf(ret_name, size, "%s", name + 1);
	return parent == getpid();
}

/* Kill every child that there is now. Returns how many were no zombies. */
static int kill_children(bool say)
{
	int n = 0;
	char name[64], state;
	DIR *dir = opendir("/proc");
	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (!isdigit((unsigned char)e->d_name[0]) || !is_child(e->d_name, name, sizeof(name), &state) ||
		    state == 'Z')
			continue;
		if (say)
			print_error("left over: process %s \"%s\", state %c\n", e->d_name, name, state);
		kill(atoi(e->d_name), SIGKILL);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Reap all children; those alive after the deadline are killed, and their children, which become ours. */
static bool reap_all(int64_t deadline)
{
	bool clean = true;
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return clean;
		if (pid != 0)
			continue;
		if (clock_now() >= deadline && kill_children(clean))
			clean = false;
		usleep(500);
	}
}

/* The exit status, or minus the signal; killed at the deadline, with its group: -1000. */
static int wait_until(pid_t pid, int64_t deadline)
{
	siginfo_t info = { 0 };
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0 &&
	       clock_now() < deadline)
		usleep(500);
	bool ended = info.si_pid == pid;
	if (!ended) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
	}
	int status = harness_status(pid);
	return ended ? status : -1000;
}

static bool remove_dir(char *dir)
{
	bool clean = rmdir(dir) == 0;
	if (!clean) {
		print_error("%s: something was left behind\n", dir);
		scratch_remove(dir);
	}
	return clean;
}

/* Print and remove the reports of sanitizers, DIR.report.PID. */
static bool no_reports(const char *dir)
{
	char path[128], line[512];
	glob_t found;
	snprintf(path, sizeof(path), "%s.report.*", dir);
	if (glob(path, 0, NULL, &found) != 0)
		return true;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *f = fopen(found.gl_pathv[i], "re");
		while (f && fgets(line, sizeof(line), f))
			print_error("%s", line);
		if (f)
			fclose(f);
		remove(found.gl_pathv[i]);
	}
	globfree(&found);
	return false;
}

static int print_logged(void *unused, const struct stoa_logged *m)
{
	(void)unused;
	print_error("process %u said: %s\n", m->pid, m->text);
	return 0;
}

/* Of a test that failed: the last that its guardian and coordinators had to say. */
static void print_log(void)
{
	struct stoa *reader;
	if (stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &reader) < 0)
		return;
	stoa_log(reader, 0, print_logged, NULL);
	stoa_detach(reader);
}

void harness_run(void **state)
{
	const struct harness_case *c = *state;
	char dir[] = "/dev/shm/stoa-test.XXXXXX";
	assert_non_null(mkdtemp(dir));
	setenv("STOA_DIR", dir, 1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		run_here(c);
	int status = wait_until(
		pid, clock_deadline(STOA_MS((c->seconds ? c->seconds : TEST_SECONDS) * 1000 * HARNESS_SLOW)));
	bool good = status == 0 || status == SKIPPED;
	if (!good)
		print_log();
	bool reaped = reap_all(good ? clock_deadline(END_NS) : 0), empty = remove_dir(dir), silent = no_reports(dir);
	if (status == -1000)
		fail_msg("it took too long");
	else if (!good)
		fail_msg("its process ended with %s %d", status < 0 ? "signal" : "status",
			 status < 0 ? -status : status);
	else if (!reaped || !empty)
		fail_msg("something was left over");
	else if (!silent)
		fail_msg("a sanitizer found something");
	else if (status == SKIPPED)
		skip();
}

/* ---- namespaces -------------------------------------------------------------------------------------------- */

/* A process that crashes ends soon under valgrind too, and does not overrun the deadline of its method meanwhile. */
static void spare_valgrind(struct stoa_options *options)
{
	if (options->max_state == 0)
		options->max_state = HARNESS_STATE;
	if (options->deadline == 0)
		options->deadline = HARNESS_DYING;
	if (options->timeout == 0 && HARNESS_DYING)
		options->timeout = SOON;
}

struct stoa *harness_start_with(const struct stoa_class *const *classes, struct stoa_options *options)
{
	struct stoa *s = NULL;
	options->flags |= STOA_VERIFY;
	spare_valgrind(options);
	ok(stoa_start("test", classes, options, &s));
	return s;
}

struct stoa *harness_start(const struct stoa_class *const *classes)
{
	return harness_start_with(classes, STOA_OPTIONS(0));
}

pid_t harness_serve(const struct stoa_class *const *classes, const struct stoa_options *options, struct stoa **ret)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct stoa_options mine = options ? *options : *STOA_OPTIONS(.flags = STOA_VERIFY | STOA_KEEP);
		spare_valgrind(&mine);
		ok(stoa_serve("test", classes, &mine));
		_exit(0);
	}
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), ret));
	return pid;
}

int harness_count(struct stoa_proxy *counter, int64_t timeout)
{
	static __thread bool adds;
	adds = !adds;
	return adds ? counter_add_cast(counter, &(struct counter_args){ 1 }, timeout)
		    : counter_sub_cast(counter, &(struct counter_args){ -1 }, timeout);
}

struct stoa_proxy *harness_create(struct stoa *s, const char *object, const struct stoa_class *cls, const void *init)
{
	struct stoa_proxy *p = NULL;
	ok(stoa_create(s, object, cls, init, STOA_EXCL, &p));
	return p;
}

struct stoa_health harness_health(struct stoa *s)
{
	struct stoa_health h;
	ok(stoa_health(s, &h));
	return h;
}

void harness_settle(struct stoa *s)
{
	struct stoa_health h;
	uint64_t before;
	until((before = handle_committed(s), h = harness_health(s), h.verdict == STOA_GONE || h.queued == 0) &&
	      before == handle_committed(s));
	assert_int_equal(h.pushed, h.applied + h.rejected + h.abandoned + h.queued);
	assert_int_equal(before, h.applied + h.rejected + h.abandoned);
}

pid_t harness_coordinator(struct stoa *s)
{
	struct stoa_health h;
	until((h = harness_health(s), h.coordinator > 0));
	return h.coordinator;
}

pid_t harness_guardian(struct stoa *s)
{
	struct stoa_health h;
	until((h = harness_health(s), h.guardian > 0));
	return h.guardian;
}

static char process_state(pid_t pid)
{
	char path[64], text[256] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	char *end = n > 0 ? strrchr(text, ')') : NULL;
	return end ? end[2] : '?';
}

void harness_stop_process(pid_t pid)
{
	assert_int_equal(kill(pid, SIGSTOP), 0);
	until(process_state(pid) == 'T');
}

void harness_needs_pidfds(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (fd < 0)
		harness_skip("there are no pidfds here, as under valgrind");
	close(fd);
}

bool harness_has_ended(pid_t pid)
{
	char state = process_state(pid);
	return state == '?' || state == 'Z';
}

static pid_t frozen[2];

void harness_freeze(struct stoa *s)
{
	frozen[0] = harness_coordinator(s);
	frozen[1] = harness_guardian(s);
	kill(frozen[1], SIGSTOP);
	harness_stop_process(frozen[0]);
	harness_stop_process(frozen[1]); /* the coordinator's last word may have continued it */
}

void harness_thaw(struct stoa *s)
{
	(void)s;
	kill(frozen[0], SIGCONT);
	kill(frozen[1], SIGCONT);
}

void harness_kill_coordinator(struct stoa *s)
{
	uint64_t restarts = harness_health(s).restarts;
	assert_int_equal(kill(harness_coordinator(s), SIGKILL), 0);
	until(harness_health(s).restarts > restarts && harness_health(s).verdict == STOA_HEALTHY);
}

void harness_kill_both(struct stoa *s)
{
	pid_t group = getpgid(harness_guardian(s));
	assert_true(group > 1 && group != getpgrp());
	assert_int_equal(kill(-group, SIGKILL), 0);
	until(harness_health(s).verdict == STOA_GONE);
}

/* ---- processes --------------------------------------------------------------------------------------------- */

pid_t harness_spawn(void (*run)(int), int i)
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0 && n_spawned < SPAWNED_MAX);
	if (pid == 0) {
		n_spawned = 0;
		run(i);
		fflush(NULL);
		_exit(0);
	}
	spawned[n_spawned++] = pid;
	return pid;
}

void harness_spawn_all(int n, void (*run)(int))
{
	for (int i = 0; i < n; i++)
		harness_spawn(run, i);
}

int harness_status(pid_t pid)
{
	int status;
	for (int i = 0; i < n_spawned; i++)
		if (spawned[i] == pid)
			spawned[i] = spawned[--n_spawned];
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void harness_join(pid_t pid)
{
	int status = harness_status(pid);
	if (status)
		fail_msg("process %d ended with %s %d", (int)pid, status < 0 ? "signal" : "status",
			 status < 0 ? -status : status);
}

void harness_join_all(void)
{
	while (n_spawned > 0)
		harness_join(spawned[n_spawned - 1]);
}

void *harness_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	return p;
}
