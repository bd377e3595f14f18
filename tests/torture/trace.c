/*
 * trace.c: see trace.h. Text and libraries of a victim lie where they lie here: it is a fork of this program.
 */
#include "tests/torture/trace.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/torture/torture.h"

#define BLOCKED_NS STOA_MS(2) /* a step that takes so long sleeps in the kernel */
#define EVENT_STOP 128        /* PTRACE_EVENT_STOP, which not every <sys/ptrace.h> has */

/* ---- machine ---- */

#if defined(__x86_64__)
typedef struct user_regs_struct registers;
#define REG_PC rip
#elif defined(__aarch64__)
typedef struct user_regs_struct registers;
#define REG_PC pc
#endif

static registers get_registers(pid_t pid)
{
	registers r = { 0 };
	struct iovec v = { &r, sizeof r };
	ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v);
	return r;
}

static bool is_held(pid_t pid) { return get_registers(pid).REG_PC != 0; }

/* Does the instruction there enter the kernel? */
static bool is_system_call(uintptr_t pc)
{
#if defined(__x86_64__)
	return memcmp((const void *)pc, "\x0f\x05", 2) == 0;
#else
	return (*(const uint32_t *)pc & 0xffe0001f) == 0xd4000001;
#endif
}

/* ---- stops ---- */

/* The next stop or death; false: none within ns. */
static bool wait_stop(pid_t pid, int64_t ns, int *ret_status)
{
	int64_t end = clock_deadline(ns);
	for (;;) {
		pid_t r = waitpid(pid, ret_status, WNOHANG | __WALL);
		if (r == pid)
			return true;
		if (r < 0 && errno == ECHILD) {
			*ret_status = SIGKILL;
			return true;
		}
		if (clock_now() > end)
			return false;
		sched_yield();
	}
}

static bool is_trap(int status) { return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP && status >> 16 == 0; }
static bool is_event_stop(int status) { return WIFSTOPPED(status) && status >> 16 == EVENT_STOP; }
static bool is_dead(int status) { return !WIFSTOPPED(status); }

/* The letter of its state follows its name, which ends with the last bracket. */
bool trace_sleeps(pid_t pid)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	text[fread(text, 1, sizeof text - 1, f)] = 0;
	fclose(f);
	const char *name_end = strrchr(text, ')');
	return name_end && strncmp(name_end, ") S", 3) == 0;
}

/* The signal of a signal-delivery-stop, to be passed on. */
static int pass_on(int status) { return status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP ? WSTOPSIG(status) : 0; }

bool trace_allowed(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	bool ok = trace_hold(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
	return ok;
}

/* Wait until a seized and interrupted process stands. */
static bool stand(pid_t pid)
{
	for (int status; wait_stop(pid, SOON, &status);) {
		if (is_dead(status))
			return false;
		if (is_event_stop(status))
			return true;
		ptrace(PTRACE_CONT, pid, 0, pass_on(status));
	}
	return false;
}

bool trace_hold(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return false;
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	return stand(pid);
}

void trace_let_go(pid_t pid, int sig)
{
	if (sig && pid > 0)
		kill(pid, sig);
	ptrace(PTRACE_DETACH, pid, 0, 0);
}

void trace_kill(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	for (int status; waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);) {
	}
}

struct peek {
	uint64_t from;
	uint32_t flags;
	int32_t n;
};

/*
 * An interruption is reported before a trap that is pending; one who is let go with that trap dies of it. True: there was
 * one, and it is reported now.
 */
static bool take_trap(pid_t pid)
{
	siginfo_t pending[8];
	bool any = false;
	long n = ptrace(PTRACE_PEEKSIGINFO, pid, &(struct peek){ .n = 8 }, pending);
	for (long i = 0; i < n; i++)
		any |= pending[i].si_signo == SIGTRAP;
	for (int status = 0, sig = 0; any && !is_trap(status); sig = pass_on(status))
		if (ptrace(PTRACE_CONT, pid, 0, sig) < 0 || !wait_stop(pid, SOON, &status) || is_dead(status))
			return false;
	return any;
}

/* ---- forks ---- */

bool trace_forks(pid_t pid)
{
	return ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK) == 0 && ptrace(PTRACE_CONT, pid, 0, 0) == 0;
}

pid_t trace_next_child(pid_t pid)
{
	for (int status; wait_stop(pid, SOON, &status);) {
		unsigned long child;
		if (is_dead(status))
			return -1;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_FORK << 8)) {
			ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
			bool held = stand((pid_t)child);
			ptrace(PTRACE_DETACH, pid, 0, 0);
			return held ? (pid_t)child : -1;
		}
		ptrace(PTRACE_CONT, pid, 0, pass_on(status));
	}
	return -1;
}

/* ---- recording ---- */

/* How often each instruction was passed. */
struct passed {
	uintptr_t pc;
	uint32_t times;
};

static uint32_t pass(struct passed *table, size_t size, uintptr_t pc)
{
	size_t i = (pc * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (size - 1);
	while (table[i].pc && table[i].pc != pc)
		i = (i + 1) & (size - 1);
	table[i].pc = pc;
	return ++table[i].times;
}

static char *copy_regions(const struct region *r)
{
	size_t size = 0, at = 0;
	for (size_t i = 0; r[i].size; i++)
		size += r[i].size;
	char *copy = malloc(size);
	for (size_t i = 0; copy && r[i].size; at += r[i++].size)
		memcpy(copy + at, r[i].at, r[i].size);
	return copy;
}

static bool changed(const struct region *r, char *copy)
{
	bool any = false;
	for (size_t i = 0; r[i].size; copy += r[i++].size)
		if (memcmp(copy, r[i].at, r[i].size) != 0) {
			memcpy(copy, r[i].at, r[i].size);
			any = true;
		}
	return any;
}

static void point_add(struct trace *t, struct point p)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 4096;
		t->points = realloc(t->points, t->room * sizeof *t->points);
		if (!t->points)
			abort();
	}
	t->points[t->n++] = p;
}

/* One instruction, and the signals that come in between. */
static enum trace_end step(pid_t pid, const struct watched *w)
{
	int status, sig = 0;
	for (;;) {
		bool told = false;
		ptrace(PTRACE_SINGLESTEP, pid, 0, sig);
		for (int64_t ns = BLOCKED_NS; !wait_stop(pid, ns, &status); ns = STOA_MS(1)) {
			if (!told && w->blocked && (told = trace_sleeps(pid)))
				w->blocked();
			if (w->over()) {
				ptrace(PTRACE_INTERRUPT, pid, 0, 0);
				if (!stand(pid))
					return TRACE_DIED;
				take_trap(pid);
				return TRACE_OVER;
			}
		}
		if (is_dead(status))
			return TRACE_DIED;
		if (is_trap(status))
			return TRACE_THERE;
		sig = pass_on(status);
	}
}

/* ---- breakpoints ---- */

#if defined(__x86_64__)

static void set_pc(pid_t pid, uintptr_t pc)
{
	registers r = get_registers(pid);
	struct iovec v = { &r, sizeof r };
	r.REG_PC = pc;
	r.orig_rax = (unsigned long)-1; /* no system call is to be restarted here */
	ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &v);
}

/* Go on until a trap, or the end of the run. */
static enum trace_end go_on(pid_t pid, const struct watched *w)
{
	int64_t blocked = clock_deadline(BLOCKED_NS);
	int status;
	ptrace(PTRACE_CONT, pid, 0, 0);
	for (;;) {
		while (!wait_stop(pid, STOA_MS(1) / 20, &status)) {
			if (w->over()) {
				/* The breakpoint may be hit just now. */
				ptrace(PTRACE_INTERRUPT, pid, 0, 0);
				if (!wait_stop(pid, SOON, &status) || is_dead(status))
					return TRACE_DIED;
				return is_trap(status) || take_trap(pid) ? TRACE_THERE : TRACE_OVER;
			}
			if (w->blocked && clock_now() > blocked)
				w->blocked();
		}
		if (is_dead(status))
			return TRACE_DIED;
		if (is_trap(status))
			return TRACE_THERE;
		ptrace(PTRACE_CONT, pid, 0, pass_on(status));
	}
}

static bool is_ours(uintptr_t pc)
{
	extern const char __executable_start[], etext[];
	return pc >= (uintptr_t)__executable_start && pc < (uintptr_t)etext;
}

/* Does this function of the C library soon enter the kernel? Most that do are short. */
static bool looks_like_system_call(uintptr_t function)
{
	return memmem((const void *)function, 64, "\x0f\x05", 2) != NULL;
}

/* It has just been called from our text: let it run until it returns. */
static enum trace_end run_call(pid_t pid, const struct watched *w)
{
	const registers r = get_registers(pid);
	const uintptr_t back = (uintptr_t)ptrace(PTRACE_PEEKDATA, pid, r.rsp, 0);
	if (!is_ours(back))
		return TRACE_THERE;
	const long text = ptrace(PTRACE_PEEKTEXT, pid, back, 0);
	ptrace(PTRACE_POKETEXT, pid, back, (text & ~0xffL) | 0xcc);
	enum trace_end end = go_on(pid, w);
	if (end == TRACE_DIED)
		return end;
	ptrace(PTRACE_POKETEXT, pid, back, text);
	if (end == TRACE_THERE)
		set_pc(pid, back);
	return end;
}

#else

static bool is_ours(uintptr_t pc) { return pc != 0; }
static bool looks_like_system_call(uintptr_t function) { return function == 0; }
static enum trace_end run_call(pid_t pid, const struct watched *w) { return pid && w ? TRACE_THERE : TRACE_DIED; }

#endif

/* ---- recording a run ---- */

/* On one processor a step costs a third of what it costs across two. */
static void share_processor(pid_t pid, bool one)
{
	static cpu_set_t all;
	cpu_set_t set;
	if (one)
		sched_getaffinity(0, sizeof all, &all);
	set = all;
	for (int i = 0, n = 0; one && i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set) && n++)
			CPU_CLR(i, &set);
	sched_setaffinity(0, sizeof set, &set);
	sched_setaffinity(pid, sizeof set, &set);
}

enum trace_end trace_record(pid_t pid, const struct watched *w, bool coarse, struct trace *ret)
{
	const size_t size = 1 << 18;
	struct passed *table = calloc(size, sizeof *table);
	char *copy = copy_regions(w->regions);
	enum trace_end r = TRACE_THERE;
	bool shared = true, touched = false;
	if (!table || !copy)
		abort();
	*ret = (struct trace){ 0 };
	if (!is_held(pid))
		r = TRACE_DIED;
	share_processor(pid, true);
	while (r == TRACE_THERE && !w->over()) {
		uintptr_t pc = get_registers(pid).REG_PC;
		struct point p = { .pc = pc, .changed = touched, .shared = shared || touched };
		if (ret->n && ret->points[ret->n - 1].pc == pc) {
			p.nth = ret->points[ret->n - 1].nth;
			p.more = ret->points[ret->n - 1].more + 1;
		} else {
			p.nth = pass(table, size, pc);
		}
		point_add(ret, p);
		shared = is_system_call(pc);
		r = step(pid, w);
		uintptr_t next = coarse && r == TRACE_THERE && is_ours(pc) ? get_registers(pid).REG_PC : pc;
		if (coarse && is_ours(pc) && !is_ours(next)) {
			shared = looks_like_system_call(next);
			r = run_call(pid, w);
		}
		touched = changed(w->regions, copy);
	}
	share_processor(pid, false);
	free(table);
	free(copy);
	return r == TRACE_DIED ? r : TRACE_OVER;
}

/* ---- running ---- */

bool trace_stepwise;

static enum trace_end run_stepwise(pid_t pid, const struct watched *w, const struct point *to)
{
	enum trace_end r = is_held(pid) ? TRACE_THERE : TRACE_DIED;
	uintptr_t last = 0;
	uint32_t nth = 0, more = 0;
	share_processor(pid, true);
	while (r == TRACE_THERE && !w->over()) {
		uintptr_t pc = get_registers(pid).REG_PC;
		more = pc == last ? more + 1 : 0;
		nth += pc == to->pc && pc != last;
		if (pc == to->pc && nth == to->nth && more == to->more)
			break;
		last = pc;
		r = step(pid, w);
	}
	share_processor(pid, false);
	return r == TRACE_THERE && w->over() ? TRACE_OVER : r;
}

#if defined(__x86_64__)

enum trace_end trace_run(pid_t pid, const struct watched *w, const struct trace *t, size_t i)
{
	if (trace_stepwise)
		return run_stepwise(pid, w, &t->points[i]);
	const uintptr_t pc = t->points[i].pc;
	const long text = ptrace(PTRACE_PEEKTEXT, pid, pc, 0), trap = (text & ~0xffL) | 0xcc;
	enum trace_end r = is_held(pid) ? TRACE_THERE : TRACE_DIED;
	for (uint32_t nth = 0; r == TRACE_THERE;) {
		ptrace(PTRACE_POKETEXT, pid, pc, trap);
		r = go_on(pid, w);
		if (r == TRACE_DIED)
			return r;
		ptrace(PTRACE_POKETEXT, pid, pc, text);
		if (r != TRACE_THERE)
			return r;
		set_pc(pid, pc);
		if (++nth == t->points[i].nth)
			break;
		while ((r = step(pid, w)) == TRACE_THERE && get_registers(pid).REG_PC == pc) {
		}
	}
	for (uint32_t n = 0; r == TRACE_THERE && n < t->points[i].more && get_registers(pid).REG_PC == pc; n++)
		r = step(pid, w);
	return r;
}

#else

enum trace_end trace_run(pid_t pid, const struct watched *w, const struct trace *t, size_t i)
{
	return run_stepwise(pid, w, &t->points[i]);
}

#endif

const char *trace_name(uintptr_t pc)
{
	static char text[256];
	Dl_info info;
	if (!dladdr((void *)pc, &info) || !info.dli_fname)
		return "?";
	const char *file = strrchr(info.dli_fname, '/');
	snprintf(text, sizeof text, "%s+0x%jx", file ? file + 1 : info.dli_fname, (uintmax_t)(pc - (uintptr_t)info.dli_fbase));
	return text;
}

void trace_fini(struct trace *t)
{
	free(t->points);
	*t = (struct trace){ 0 };
}
