/*
 * process.h: what guardian and coordinator do to their own process.
 */
#ifndef STOA_PROCESS_H
#define STOA_PROCESS_H

#include <stdbool.h>
#include <sys/resource.h>

int process_threads(void); /* of this process; 1 if /proc does not tell */

/* A new session, no descriptor but keep (which becomes 3), nothing to read or print to, no directory kept busy. */
int process_leave(int keep);

/* Default handlers and an empty mask, as after exec; INT, HUP and PIPE ignored. TERM: ignored, or left blocked. */
void process_reset_signals(bool ignore_term);

void process_no_core(void);                         /* unless $STOA_CORE is set */
void process_raise_files(struct rlimit *ret_old);   /* RLIMIT_NOFILE up to its hard limit */
void process_restore_files(const struct rlimit *old);

/* title.c: the name of this process in ps(1) and top(1). Overwrites the memory of argv: only for a process of ours. */
void process_title(const char *title);

#endif
