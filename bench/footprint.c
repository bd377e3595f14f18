/*
 * footprint.c: see footprint.h. The figures are the kernel's, of /proc and of a tracepoint.
 */
#include "bench/footprint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/servers.h"
#include "include/stoa.h"
#include "include/stoa/counter.h"
#include "src/clock.h"

#define THREADS 64
#define IDLE_NS INT64_C(5000000000)
#define SETTLE_NS 300000000 /* until what has just been used is idle */
#define NAPS 6 /* a second: about as often as coordinator and guardian together */
#define LOAD_NS INT64_C(1000000000)
#define NAMESPACE "footprint"

struct footprint footprint;

static struct stoa *stoa;
static struct stoa_proxy *hits;

/* ---- what the kernel tells ---- */

/* The number behind a name in a file of /proc/PID; 0 if it is not there. */
static double look_up(pid_t pid, const char *file, const char *name)
{
	char path[64], line[256];
	double n = 0;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			n += atof(line + strlen(name));
	if (f)
		fclose(f);
	return n;
}

static double resident_bytes(pid_t pid)
{
	return 1024 * look_up(pid, "smaps_rollup", "Rss:");
}

static double private_bytes(pid_t pid)
{
	return 1024 * (look_up(pid, "smaps_rollup", "Private_Clean:") + look_up(pid, "smaps_rollup", "Private_Dirty:"));
}

static double wakeups_of(pid_t pid)
{
	return look_up(pid, "status", "voluntary_ctxt_switches:");
}

static double cpu_ns_of(pid_t pid)
{
	return look_up(pid, "schedstat", "");
}

static double file_bytes(void)
{
	char path[128];
	double bytes = 0;
	struct stat st;
	snprintf(path, sizeof(path), "%s/stoa/%s", servers_dir(), NAMESPACE);
	DIR *dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
			bytes += 512.0 * (double)st.st_blocks;
	if (dir)
		closedir(dir);
	return bytes;
}

/* Counts the system calls of a process; negative: this kernel does not let us. */
static int open_counter(pid_t pid)
{
	static const char *const ids[] = { "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
					   "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id" };
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	FILE *f = fopen(ids[0], "re");
	if (!f)
		f = fopen(ids[1], "re");
	bool known = f && fscanf(f, "%" SCNu64, (uint64_t *)&attr.config) == 1;
	if (f)
		fclose(f);
	return known ? (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC) : -1;
}

/* ---- stoad ---- */

/* Beside this program in the build tree, or installed. */
static const char *find_stoad(void)
{
	static char path[512];
	static const char *const places[] = { "../stoad", "../../stoad" };
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = n > 0 ? (self[n] = '\0', strrchr(self, '/')) : NULL;
	for (unsigned i = 0; slash && i < 2; i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - self), self, places[i]);
		if (access(path, X_OK) == 0)
			return path;
	}
	return servers_find("stoad");
}

static int serve(pid_t *ret)
{
	const char *program = find_stoad();
	if (!program)
		return trouble(-ENOTSUP, "no stoad is beside this program, or installed");
	*ret = servers_exec("stoad", (const char *const[]){ program, "-n", NAMESPACE, "--volatile", NULL });
	int r = *ret < 0 ? *ret : stoa_attach(NAMESPACE, NULL, &stoa);
	if (r == 0)
		r = stoa_create(stoa, "hits", &counter_class, NULL, 0, &hits);
	return r < 0 ? stoa_trouble(r) : 0;
}

/* A process that attaches one thread, says so, and sleeps. */
static pid_t attach_one(int told)
{
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		char fine = stoa_attach_thread(stoa) == 0;
		if (write(told, &fine, 1) == 1)
			pause();
		_exit(1);
	}
	return pid;
}

static void pause_ns(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	nanosleep(&t, NULL);
}

/* ---- what is measured ---- */

static void measure_memory(const struct stoa_health *h)
{
	footprint.resident = resident_bytes(h->coordinator);
	footprint.private = private_bytes(h->coordinator);
	footprint.guardian_private = private_bytes(h->guardian);
	footprint.files = file_bytes();
}

static void measure_threads(const struct stoa_health *h)
{
	int told[2];
	pid_t pids[THREADS];
	char fine = 1;
	double before = resident_bytes(h->coordinator) + file_bytes();
	if (pipe(told) < 0)
		return;
	for (int i = 0; i < THREADS; i++)
		pids[i] = attach_one(told[1]);
	for (int i = 0; i < THREADS && fine; i++)
		fine = read(told[0], &fine, 1) == 1 && fine;
	if (fine)
		footprint.thread = (resident_bytes(h->coordinator) + file_bytes() - before) / THREADS;
	for (int i = 0; i < THREADS; i++)
		if (pids[i] > 0 && kill(pids[i], SIGKILL) == 0)
			waitpid(pids[i], NULL, 0);
	close(told[0]);
	close(told[1]);
}

/* -1: there is none. */
static pid_t begin_napping(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause_ns(1000000000 / NAPS);
	return pid;
}

static void measure_idle(const struct stoa_health *h, int64_t ns)
{
	pid_t napping = begin_napping();
	pause_ns(SETTLE_NS);
	double from = wakeups_of(h->coordinator), guardian_from = wakeups_of(h->guardian);
	double cpu = cpu_ns_of(h->coordinator) + cpu_ns_of(h->guardian), floor = cpu_ns_of(napping);
	int64_t from_ns = clock_now();
	pause_ns(ns);
	double lasted_ns = (double)(clock_now() - from_ns);
	footprint.wakeups = (wakeups_of(h->coordinator) - from) * 1e9 / lasted_ns;
	footprint.guardian_wakeups = (wakeups_of(h->guardian) - guardian_from) * 1e9 / lasted_ns;
	footprint.idle_cpu = (cpu_ns_of(h->coordinator) + cpu_ns_of(h->guardian) - cpu) / lasted_ns;
	footprint.idle_floor = (cpu_ns_of(napping) - floor) / lasted_ns;
	if (napping > 0 && kill(napping, SIGKILL) == 0)
		waitpid(napping, NULL, 0);
}

static uint64_t applied(void)
{
	struct stoa_health h;
	return stoa_health(stoa, &h) == 0 ? h.applied : 0;
}

/* Of a method that does not fold: of one that does, a command is whatever was cast since the coordinator last woke up. */
static int cast_for(int64_t ns)
{
	int r = 0;
	for (int64_t end = clock_deadline(ns); r == 0 && clock_now() < end;)
		for (int i = 0; i < 256 && r == 0; i++)
			r = counter_set_cast(hits, &(struct counter_args){ 1 }, STOA_DEFAULT);
	return r ? r : stoa_sync(stoa, STOA_DEFAULT, NULL);
}

/* Returns how many commands it was. */
static double cast_and_look(const struct stoa_health *h, struct load *ret)
{
	uint64_t from = applied();
	double cpu = cpu_ns_of(h->coordinator);
	int64_t from_ns = clock_now();
	int r = cast_for(LOAD_NS);
	if (r < 0)
		return stoa_trouble(r);
	double n = (double)(applied() - from), lasted_ns = (double)(clock_now() - from_ns);
	ret->commands_per_s = n * 1e9 / lasted_ns;
	ret->cpu = (cpu_ns_of(h->coordinator) - cpu) / lasted_ns;
	return n;
}

static int measure_load(const struct stoa_health *h)
{
	uint64_t calls = 0;
	int counter = open_counter(h->coordinator);
	double switches = wakeups_of(h->coordinator);
	double n = cast_and_look(h, &footprint.load);
	bool counted = counter >= 0 && read(counter, &calls, sizeof(calls)) == sizeof(calls);
	footprint.switches = (wakeups_of(h->coordinator) - switches) / n;
	footprint.syscalls = counted ? (double)calls / n : -1;
	if (counter >= 0)
		close(counter);
	return n < 0 ? (int)n : 0;
}

static int measure_load_by_two(const struct stoa_health *h)
{
	pid_t other = fork();
	if (other < 0)
		return trouble(-errno, "no second process");
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (cast_for(LOAD_NS) == 0) {}
		_exit(1);
	}
	pause_ns(SETTLE_NS);
	double n = cast_and_look(h, &footprint.load_by_two);
	bool ended = waitpid(other, NULL, WNOHANG) != 0;
	if (!ended && kill(other, SIGKILL) == 0)
		waitpid(other, NULL, 0);
	return n < 0 ? (int)n : ended ? trouble(-EIO, "the second process could not cast") : 0;
}

static int measure(bool briefly)
{
	struct stoa_health h;
	int r = stoa_health(stoa, &h);
	if (r < 0)
		return stoa_trouble(r);
	measure_memory(&h);
	measure_idle(&h, briefly ? IDLE_NS / 10 : IDLE_NS);
	measure_threads(&h);
	r = measure_load(&h);
	return r ? r : measure_load_by_two(&h);
}

int footprint_measure(bool briefly)
{
	pid_t stoad = 0;
	int r = serve(&stoad);
	r = r ? r : measure(briefly);
	footprint.is_there = r == 0;
	if (r < 0)
		snprintf(footprint.why, sizeof(footprint.why), "%s", trouble_text());
	stoa = stoa_detach(stoa);
	if (stoad > 0)
		servers_terminate(stoad);
	return r;
}

/* ---- the output ---- */

void footprint_print(void)
{
	const struct footprint *f = &footprint;
	printf("Footprint of a stoad with one small class\n");
	if (!f->is_there) {
		printf("not measured: %s\n", f->why);
		return;
	}
	printf("memory    coordinator %.0f KiB resident, %.0f KiB of it shared with nobody; guardian %.0f KiB;"
	       " files %.0f KiB; a thread adds %.1f KiB\n",
	       f->resident / 1024, f->private / 1024, f->guardian_private / 1024, f->files / 1024, f->thread / 1024);
	printf("idle      coordinator wakes up %.1f times a second, guardian %.1f; both take %.4f %% of a CPU;"
	       " who wakes up %d times and does nothing, %.4f %%\n",
	       f->wakeups, f->guardian_wakeups, f->idle_cpu * 100, NAPS, f->idle_floor * 100);
	printf("load      one process casts %.2f million times a second, none folded, and the coordinator has %.2f of a CPU;"
	       " two cast %.2f million times, and it has %.2f\n",
	       f->load.commands_per_s / 1e6, f->load.cpu, f->load_by_two.commands_per_s / 1e6, f->load_by_two.cpu);
	printf("          for a thousand casts of the one, it sleeps %.3f times", f->switches * 1000);
	if (f->syscalls >= 0)
		printf(" and makes %.3f system calls, of which some to go to sleep and to wake others\n", f->syscalls * 1000);
	else
		printf("; its system calls are not known: the kernel's tracepoint is not to be read\n"
		       "          (as root: mount -t tracefs nodev /sys/kernel/tracing)\n");
}
