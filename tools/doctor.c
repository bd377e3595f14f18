/*
 * doctor.c: stoa doctor, whether this machine is fit for stoa. Each check says what it found, and what to do about it.
 */
#include <errno.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <stoa.h>
#include <stoa/counter.h>

#include "tools/leftover.h"
#include "tools/output.h"
#include "tools/places.h"
#include "tools/remove_ipc.h"
#include "tools/tool.h"

#define MIB (UINT64_C(1) << 20)
#define ROOM_SMALL (65 * MIB)	      /* Docker gives 64 MiB */
#define ROOM_NEEDED (4 * MIB)	      /* a namespace with a few clients */
#define STATE_DEFAULT (UINT64_C(1) << 30) /* options.max_state: the file's size, and of address space */
#define FILES_WANTED 4096	      /* for 1000 threads: connections, pidfds, and two for each lane */
#define SYSTEM_UIDS 1000	      /* logind removes nothing of users below */

enum finding { FINE, ADVICE, WRONG };

struct doctor {
	char above[PATH_MAX]; /* where namespaces lie */
	enum finding worst;
};

/* One line. advice: what to do; NULL: nothing. */
static void __attribute__((format(printf, 5, 6)))
report(struct doctor *d, const char *check, enum finding finding, const char *advice, const char *format, ...)
{
	static const char *const words[] = { "fine", "advice", "wrong" };
	static const enum out_colour colours[] = { OUT_GOOD, OUT_WARN, OUT_BAD };
	char text[PATH_MAX + 256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	out_begin(OUT_PLAIN);
	out_text("check", check);
	out_word("finding", words[finding], colours[finding]);
	if (out_json()) {
		out_text("found", text);
		out_text("advice", advice);
	} else {
		if (advice)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), ": %s", advice);
		out_text("found", text);
	}
	out_end();
	d->worst = finding > d->worst ? finding : d->worst;
}

/* ---- where namespaces lie ---- */

/* That directory, or where it will be made. */
static const char *there(const struct doctor *d, char buffer[PATH_MAX])
{
	struct stat st;
	if (stat(d->above, &st) == 0)
		return d->above;
	snprintf(buffer, PATH_MAX, "%s", d->above);
	char *slash = strrchr(buffer, '/');
	slash[slash == buffer] = '\0';
	return buffer;
}

static void check_directory(struct doctor *d)
{
	char buffer[PATH_MAX];
	const char *dir = there(d, buffer);
	size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 - strlen("//socket");
	bool chosen = dir == d->above && secure_getenv("STOA_DIR");
	struct stat st;
	if (stat(dir, &st) < 0)
		report(d, "directory", WRONG, "make it, or set STOA_DIR", "%s: %s", dir, strerror(errno));
	else if (dir == d->above && !chosen && (st.st_uid != geteuid() || st.st_mode & 022))
		report(d, "directory", WRONG, "see who made it, and remove it", "%s belongs to user %u, mode %04o", dir,
		       (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
	else if (access(dir, W_OK | X_OK) < 0)
		report(d, "directory", WRONG, "let this user write there, or set STOA_DIR to another", "%s: %s", dir,
		       strerror(errno));
	else if (strlen(d->above) + STOA_NAME_MAX > most)
		report(d, "directory", strlen(d->above) < most ? ADVICE : WRONG, "choose a shorter one for longer names",
		       "%s leaves %d bytes for the name of a namespace", d->above, (int)most - (int)strlen(d->above));
	else
		report(d, "directory", FINE, NULL, "%s", d->above);
}

static void check_file_system(struct doctor *d)
{
	static const long remote[] = { NFS_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, V9FS_MAGIC, FUSE_SUPER_MAGIC,
				       OVERLAYFS_SUPER_MAGIC };
	char buffer[PATH_MAX];
	const char *dir = there(d, buffer);
	struct statfs fs;
	bool is_remote = false;
	if (statfs(dir, &fs) < 0)
		return; /* the directory is said to be wrong */
	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		is_remote = is_remote || fs.f_type == remote[i];
	if (is_remote)
		report(d, "file system", WRONG, "use /dev/shm: unset STOA_DIR, or mount a tmpfs there",
		       "%s is not in the memory of this machine (type 0x%lx)", dir, (unsigned long)fs.f_type);
	else if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		report(d, "file system", ADVICE, "a tmpfs is faster, and is gone after a reboot",
		       "%s is on a disk: what is committed is written there, too", dir);
	else
		report(d, "file system", FINE, NULL, "in memory");
}

static void check_room(struct doctor *d)
{
	char buffer[PATH_MAX], all[32], left[32];
	struct statvfs fs;
	if (statvfs(there(d, buffer), &fs) < 0)
		return;
	uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize, room = (uint64_t)fs.f_bavail * fs.f_frsize;
	out_print_size(all, sizeof(all), size);
	out_print_size(left, sizeof(left), room);
	if (size == 0 || room >= ROOM_SMALL) /* 0: without a limit */
		report(d, "room", FINE, NULL, "%s of %s are free", left, all);
	else if (room < ROOM_NEEDED)
		report(d, "room", WRONG, "stoa clean; see what else is there; mount -o remount,size=...",
		       "only %s of %s are free", left, all);
	else
		report(d, "room", ADVICE, "for more, docker run --shm-size=1g, or mount -o remount,size=1g",
		       "%s of %s are free", left, all);
	if (fs.f_files && fs.f_favail < 64)
		report(d, "inodes", WRONG, "remove files, or mount -o remount,nr_inodes=...", "%ju are left",
		       (uintmax_t)fs.f_favail);
}

static void check_remove_ipc(struct doctor *d)
{
	char linger[PATH_MAX];
	const struct passwd *user = getpwuid(geteuid());
	snprintf(linger, sizeof(linger), "/var/lib/systemd/linger/%s", user ? user->pw_name : "");
	if (access("/run/systemd/system", F_OK) < 0)
		report(d, "RemoveIPC", FINE, NULL, "no systemd here");
	else if (geteuid() < SYSTEM_UIDS || strncmp(d->above, "/dev/shm/", 9) != 0)
		report(d, "RemoveIPC", FINE, NULL, "does not concern %s",
		       geteuid() < SYSTEM_UIDS ? "a system user" : "this directory");
	else if (user && access(linger, F_OK) == 0)
		report(d, "RemoveIPC", FINE, NULL, "user %s lingers", user->pw_name);
	else if (remove_ipc_is_set(""))
		report(d, "RemoveIPC", ADVICE,
		       "loginctl enable-linger, a system user for the service, or RemoveIPC=no in /etc/systemd/logind.conf",
		       "on: when the last session of user %u ends, systemd removes its namespaces, live or not",
		       (unsigned)geteuid());
	else
		report(d, "RemoveIPC", FINE, NULL, "off");
}

/* ---- limits ---- */

static bool is_below(int resource, bool hard, uint64_t least, uint64_t *ret)
{
	struct rlimit limit;
	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return false;
	*ret = hard ? limit.rlim_max : limit.rlim_cur;
	return *ret != RLIM_INFINITY && *ret < least;
}

static void check_limits(struct doctor *d)
{
	uint64_t n;
	bool fine = true;
	if (is_below(RLIMIT_NOFILE, true, FILES_WANTED, &n)) {
		fine = false;
		report(d, "open files", ADVICE, "raise the hard limit (ulimit -Hn, LimitNOFILE=) for more",
		       "%ju: a coordinator takes 2 for each process that is attached, and 2 for each thread", (uintmax_t)n);
	}
	if (is_below(RLIMIT_FSIZE, false, STATE_DEFAULT, &n)) {
		fine = false;
		report(d, "file size", WRONG, "ulimit -f unlimited, or a smaller max_state",
		       "%ju bytes; the state of a namespace is a file of 1 GiB, most of it a hole", (uintmax_t)n);
	}
	if (is_below(RLIMIT_AS, false, 2 * STATE_DEFAULT, &n)) {
		fine = false;
		report(d, "address space", WRONG, "ulimit -v unlimited, or a smaller max_state",
		       "%ju bytes; a namespace is mapped at its largest size, 1 GiB and more", (uintmax_t)n);
	}
	if (fine)
		report(d, "limits", FINE, NULL, "files, file size, address space");
}

/* ---- kernel ---- */

static bool has_wipe_on_fork(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool has = page != MAP_FAILED && madvise(page, 4096, MADV_WIPEONFORK) == 0;
	if (page != MAP_FAILED)
		munmap(page, 4096);
	return has;
}

static void check_kernel(struct doctor *d)
{
	int pid_fd = (int)syscall(SYS_pidfd_open, getpid(), 0), code = errno;
	bool wipes = has_wipe_on_fork(), closes = syscall(SYS_close_range, ~0u, ~0u, 0u) == 0;
	if (pid_fd >= 0)
		close(pid_fd);
	else
		report(d, "pidfd_open", code == ENOSYS ? ADVICE : WRONG,
		       "Linux 5.3, and a sandbox that lets it pass", "%s: that a process has died is seen by its connection alone",
		       strerror(code));
	if (!wipes)
		report(d, "MADV_WIPEONFORK", WRONG, "Linux 4.14", "not there: a fork cannot be noticed");
	if (!closes)
		report(d, "close_range", ADVICE, "Linux 5.9, and a sandbox that lets it pass",
		       "not there: a coordinator is back later after a crash");
	if (pid_fd >= 0 && wipes && closes)
		report(d, "kernel", FINE, NULL, "pidfd_open, MADV_WIPEONFORK, close_range");
}

static void check_processors(struct doctor *d)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	if (n > 1)
		report(d, "processors", FINE, NULL, "%d", n);
	else
		report(d, "processors", ADVICE, "two for what is to be fast (taskset, cpuset)",
		       "one: each call waits for the coordinator to be scheduled");
}

/* ---- namespaces ---- */

/* The whole of it, once. */
static int try_one(const char *name)
{
	struct stoa *s;
	struct stoa_proxy *p = NULL;
	struct counter_value value;
	int r = stoa_start(name, NULL, NULL, &s);
	if (r < 0)
		return r;
	r = stoa_create(s, "trial", &counter_class, NULL, 0, &p);
	r = r ? r : counter_add_call(p, &(struct counter_args){ 1 }, &value, STOA_DEFAULT);
	r = r ? r : stoa_stop(s, STOA_DRAIN, STOA_DEFAULT);
	stoa_detach(s);
	return r;
}

static void check_trial(struct doctor *d)
{
	char name[STOA_NAME_MAX + 1];
	struct stoa_error e;
	snprintf(name, sizeof(name), "doctor-%d", (int)getpid());
	int r = try_one(name);
	stoa_last_error(&e);
	if (r < 0)
		report(d, "trial", WRONG, "see above, and stoa_operations(7)", "a namespace was started, and failed: %s", e.text);
	else
		report(d, "trial", FINE, NULL, "a namespace was started, used and stopped");
}

static void check_live(struct doctor *d, const struct place *p)
{
	char advice[sizeof(p->name) + 32];
	struct stoa *s;
	struct stoa_health h = { .verdict = STOA_SUSPECT };
	int r = stoa_attach(p->name, STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = STOA_MS(300)), &s);
	if (r == 0) {
		r = stoa_health(s, &h);
		stoa_detach(s);
	}
	snprintf(advice, sizeof(advice), "stoa -n %s health", p->name);
	if (r < 0 || h.verdict != STOA_HEALTHY)
		report(d, "namespace", WRONG, advice, "%s is not well: %s", p->name, r < 0 ? stoa_strerror(r) : h.text);
}

/* True: somebody may want it, and that was said. */
static bool check_crashed(struct doctor *d, const struct place *p)
{
	char advice[2 * sizeof(p->name) + 80];
	struct stoa_health h;
	if (!leftover_look(p, &h) || h.objects == 0)
		return false;
	snprintf(advice, sizeof(advice), "stoad -n %s goes on with its state; stoa clean %s destroys it", p->name, p->name);
	report(d, "namespace", ADVICE, advice, "%s crashed, and has %u object%s", p->name, h.objects,
	       h.objects == 1 ? "" : "s");
	return true;
}

static void check_places(struct doctor *d)
{
	struct place *places;
	size_t n, n_live = 0, n_dead = 0, n_damaged = 0;
	uint64_t bytes = 0;
	char size[32];
	if (places_find(false, &places, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		enum leftover kind = places[i].live ? LEFTOVER_KEPT : leftover_kind(&places[i]);
		n_live += places[i].live;
		if (kind == LEFTOVER_CRASHED && check_crashed(d, &places[i]))
			continue;
		n_dead += kind == LEFTOVER_CRASHED || kind == LEFTOVER_HALF;
		n_damaged += kind == LEFTOVER_DAMAGED;
		bytes += places[i].live || kind == LEFTOVER_KEPT ? 0 : places[i].bytes;
		if (places[i].live)
			check_live(d, &places[i]);
	}
	out_print_size(size, sizeof(size), bytes);
	if (n_dead + n_damaged)
		report(d, "leftovers", ADVICE, n_damaged ? "stoa clean --kept" : "stoa clean",
		       "%zu dead and %zu damaged namespaces take %s", n_dead, n_damaged, size);
	else
		report(d, "leftovers", FINE, NULL, "none; %zu live", n_live);
	free(places);
}

static int doctor(struct tool *tool, int argc, char **argv)
{
	struct doctor d = { .worst = FINE };
	(void)tool;
	(void)argc;
	(void)argv;
	if (!places_above(d.above)) {
		report(&d, "directory", WRONG, "set STOA_DIR to one that begins with /", "%s is no absolute path", d.above);
		return TOOL_REFUSED;
	}
	check_directory(&d);
	check_file_system(&d);
	check_room(&d);
	check_remove_ipc(&d);
	check_limits(&d);
	check_kernel(&d);
	check_processors(&d);
	check_trial(&d);
	check_places(&d);
	return d.worst == WRONG ? TOOL_REFUSED : TOOL_DONE;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.run = doctor,
	.operands = "",
	.example = "doctor",
	.doc = "whether this machine is fit for stoa, and what to do",
	.more = "fine, advice (it works, and could be better) or wrong, with what to do. It starts a namespace of its own, and\n"
		"ends it. Exit status: 1 if anything is wrong.\n",
	.flags = TOOL_ALONE | TOOL_LONG,
};
