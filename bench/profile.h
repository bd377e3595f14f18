/*
 * profile.h: stoa-profile: where the time of a call goes, and what slow casts met.
 *
 * What stoa-bench cannot see from outside: functions of both sides are wrapped by the linker (-Wl,--wrap) with others that
 * note the time, or that something happened. None of them is on the path of a cast that nothing is in the way of.
 */
#ifndef BENCH_PROFILE_H
#define BENCH_PROFILE_H

#include "bench/classes.h"

/* Shared by all processes of this program, all zero before. NULL: no memory, with a trouble_text(). */
void *profile_share(size_t size);

/* In processes of their own, 0 and up, until all have ended. 0, or negative with a trouble_text(). */
typedef int profile_client(unsigned me, void *data);
int profile_fork(unsigned n, profile_client *client, void *data, pid_t *ret_pids);
int profile_join(unsigned n, const pid_t *pids);

int calls_begin(void); /* before the coordinator is started, which notes its times */
int calls_profile(struct stoa *s, struct stoa_proxy *tally, unsigned calls);
int casts_profile(struct stoa *s, struct stoa_proxy *tally, unsigned clients, unsigned bursts, int64_t pause_ns);

#endif
