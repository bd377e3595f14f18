/*
 * harness.h: tests with real processes. Each test is a process of its own, with a $STOA_DIR of its own and a deadline.
 * When it returns, the harness checks that every command of every namespace it still holds is accounted for, detaches,
 * and then that no descriptor, no process (guardians too: the test program is their reaper) and no file is left over.
 * What a test starts here runs in verify mode.
 */
#ifndef STOA_HARNESS_H
#define STOA_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "include/stoa.h"
#include "src/clock.h"

#ifdef UNDER_VALGRIND
#define HARNESS_SLOW 20 /* how many times longer things may take */
#define HARNESS_FEWER 20 /* what is done many times is done so many times less often */
#define HARNESS_STATE (128 << 20) /* bytes: who ends, or crashes, first looks for leaks in all it has mapped … */
#define HARNESS_DYING STOA_MS(6000) /* … which takes up to this */
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HARNESS_SLOW 5
#define HARNESS_SANITIZED 1
#else
#define HARNESS_SLOW 1
#endif
#ifndef UNDER_VALGRIND
#define HARNESS_FEWER 1
#define HARNESS_STATE 0 /* as usual */
#define HARNESS_DYING 0
#endif

#define SOON STOA_MS(10000 * HARNESS_SLOW) /* what must happen happens within this */

struct harness_case {
	void (*run)(void);
	unsigned seconds; /* 0: 20 */
};

/* A row of cmocka's table, for a test that is void f(void). */
#define HARNESS(f) { #f, harness_run, NULL, NULL, &(struct harness_case){ f, 0 } }
#define HARNESS_SECONDS(f, seconds) { #f, harness_run, NULL, NULL, &(struct harness_case){ f, seconds } }

void harness_run(void **state);
void harness_skip(const char *why) __attribute__((noreturn));

/* The call must return 0, or this error; what it said is in the message otherwise. */
#define ok(call) harness_returned(0, (call), #call, __FILE__, __LINE__)
#define refused(code, call) harness_returned((code), (call), #call, __FILE__, __LINE__)
void harness_returned(int wanted, int got, const char *call, const char *file, int line);

/* The thread's last error has this in its text. */
#define says(text) harness_says(text, __FILE__, __LINE__)
void harness_says(const char *text, const char *file, int line);

/* Wait for a condition. */
#define until(condition) until_within(SOON, condition)
#define until_within(ns, condition)                                                                                    \
	for (int64_t end_ = clock_deadline(ns); !(condition); harness_pause(end_, #condition, __FILE__, __LINE__)) {   \
	}
void harness_pause(int64_t deadline, const char *condition, const char *file, int line);

/* ---- namespaces -------------------------------------------------------------------------------------------- */

struct stoa *harness_start(const struct stoa_class *const *classes); /* embedded, named "test" */
struct stoa *harness_start_with(const struct stoa_class *const *classes, struct stoa_options *options);

/* A child that is stoa_serve, which returned 0 in the end, and a handle. options NULL: verify mode and STOA_KEEP. */
pid_t harness_serve(const struct stoa_class *const *classes, const struct stoa_options *options, struct stoa **ret);

/* Cast 1 to a counter, as a command of its own: of two in a row the second does not join the first. */
int harness_count(struct stoa_proxy *counter, int64_t timeout);

struct stoa_proxy *harness_create(struct stoa *s, const char *object, const struct stoa_class *cls, const void *init);
struct stoa_health harness_health(struct stoa *s);

/* Every command is applied, rejected or abandoned, and counted once, or waits in the queue of a dead coordinator. */
void harness_settle(struct stoa *s);

pid_t harness_coordinator(struct stoa *s); /* waits until there is one */
pid_t harness_guardian(struct stoa *s);

/* Stop guardian and coordinator: nothing is applied and nobody mends that. Thaw lets them go on. */
void harness_freeze(struct stoa *s);
void harness_thaw(struct stoa *s);
void harness_stop_process(pid_t pid); /* SIGSTOP, and it has stopped */

/* Skip where there is no pidfd_open: a death is seen late there, by the end of a connection. */
void harness_needs_pidfds(void);

bool harness_has_ended(pid_t pid); /* though the test program may not have reaped it yet */

/* SIGKILL to the coordinator; another one serves when this returns. */
void harness_kill_coordinator(struct stoa *s);

/* SIGKILL to guardian and coordinator, in a process group of their own, at once: neither sees the other die. */
void harness_kill_both(struct stoa *s);

/* ---- processes --------------------------------------------------------------------------------------------- */

pid_t harness_spawn(void (*run)(int), int i);   /* run(i) in a child, which then exits well */
void harness_spawn_all(int n, void (*run)(int)); /* run(0) … run(n - 1) at the same time */
void harness_join(pid_t pid);                    /* it ended well */
void harness_join_all(void);
int harness_status(pid_t pid); /* how it ended: exit status, or minus the signal */

void *harness_shared(size_t size); /* zeroed memory that forked children share */

#endif
