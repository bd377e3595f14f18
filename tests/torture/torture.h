/*
 * torture.h: what the torture programs share: a seeded plan, a directory of their own, a record of failures, a clock.
 *
 * Environment: SEED repeats a run. DURATION (seconds) and ROUNDS (iterations of each scenario) make it the long form,
 * and bound it; without them a program takes a few seconds.
 */
#ifndef STOA_TORTURE_H
#define STOA_TORTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "include/stoa.h"
#include "src/clock.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(UNDER_VALGRIND)
#define TORTURE_SLOW 1 /* how long things take tells nothing */
#else
#define TORTURE_SLOW 0
#endif
#ifdef UNDER_VALGRIND
#define SOON_SECONDS 200
#define TORTURE_STATE (64 << 20) /* bytes: a process that crashes first looks for leaks in all that it has mapped … */
#define TORTURE_DYING SOON	 /* … which takes no longer */
#else
#define SOON_SECONDS 10
#define TORTURE_STATE 0 /* as usual */
#define TORTURE_DYING 0
#endif

#define BOUND STOA_MS(200)		   /* a survivor goes on within this, but for noise */
#define SOON STOA_MS(1000 * SOON_SECONDS) /* what must happen happens within this, whatever the machine does beside */

struct torture {
	const char *name;
	uint64_t seed, rounds; /* rounds: UINT64_MAX if not given */
	int64_t length_ns, end_ns; /* CLOCK_MONOTONIC */
	bool lengthy;
	unsigned failures;
	char dir[64];
};
extern struct torture torture;

/* seconds: how long the short form may take. */
void torture_begin(const char *name, unsigned seconds);
void torture_go(void);  /* preparations are over: the time counts from here */
int torture_end(void); /* exit status; the directory must be empty */
void torture_skip(const char *why) __attribute__((noreturn));

uint64_t torture_random(uint64_t below);
void torture_seed(uint64_t seed); /* of what a forked process draws from here on */
void torture_shuffle(uint32_t *list, size_t n);

/* What is going on, for the message of a failure. */
void torture_where(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define torture_check(condition, ...) ((condition) ? (void)0 : torture_fail(__VA_ARGS__))
void torture_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *torture_error(void); /* the thread's last error */

/* Wait for a condition; false: it did not come true within SOON. */
#define torture_until(condition)                                                                                       \
	({                                                                                                             \
		int64_t end_ = clock_deadline(SOON);                                                                   \
		bool came_;                                                                                            \
		while (!(came_ = (condition)) && clock_now() < end_)                                                   \
			torture_pause();                                                                               \
		came_;                                                                                                 \
	})
void torture_pause(void);

/*
 * SIGKILL to the coordinator, the guardian, or both at once, which must be our children or become them, and in a
 * process group of their own. False: they are still about to recover from the last. A guardian is dead when this
 * returns, and with both the coordinator too: until then they hold their locks.
 */
bool torture_kill(struct stoa *s, bool coordinator, bool guardian);

int torture_count_fds(pid_t pid); /* 0: this process. -1: it is gone */
int torture_count_files(const char *below);

/* Durations, for median, p99 and worst. */
struct times {
	int64_t *ns;
	size_t n, room;
};
void times_add(struct times *t, int64_t ns);
size_t times_above(const struct times *t, int64_t ns);
void times_print(struct times *t, const char *what); /* sorts them */
/* Noise is forgiven: no more than one in a hundred, and two, took longer than BOUND. */
void times_check(struct times *t, const char *what);

#endif
