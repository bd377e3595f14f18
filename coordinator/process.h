/*
 * process.h: what guardian and coordinator do to their own process.
 */
#ifndef STOA_PROCESS_H
#define STOA_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

int process_threads(void); /* of this process; 1 if /proc does not tell */

/* A new session, no descriptor but keep (which becomes 3), nothing to read or print to, no directory kept busy. */
int process_leave(int keep);

/* Default handlers and an empty mask, as after exec; INT, HUP, PIPE and XFSZ ignored. TERM:
 * ignored, or left blocked. */
void process_reset_signals(bool ignore_term);

void process_no_core(void);                         /* unless $STOA_CORE is set */
void process_raise_files(struct rlimit *ret_old);   /* RLIMIT_NOFILE up to its hard limit */
void process_restore_files(const struct rlimit *old);

/* What a method may lower, and the coordinator cannot do without. */
struct process_limits {
	rlim_t of[4];
};
void process_read_limits(struct process_limits *ret_limits);
bool process_is_limited(const struct process_limits *before);

/* When a process began, in ticks since the machine did; with the pid it tells processes apart. 0: it is not known. */
uint64_t process_started(int proc_fd, pid_t pid); /* proc_fd: of /proc/self */

FILE *process_read(int dir_fd, const char *file); /* NULL, errno is set */

/*
 * Before others on its CPU, if it may, and nobody has chosen how it is scheduled: who keeps a coordinator from running
 * keeps all of its clients waiting. It is the niceness that PipeWire and PulseAudio ask for. What this process forks has
 * niceness 0 again; so has this process after process_prefer_no_more.
 */
#define PROCESS_NICE (-11)
void process_prefer(void);
void process_prefer_no_more(void);

/*
 * The same for its session, since between sessions theirs counts (sched(7), "The autogroup feature"). 0: it is done.
 * -EAGAIN: try again later; the kernel takes one such change in 100 ms, of all processes. Else it is not to be done.
 */
int process_prefer_session(void);
int process_restore_session(void); /* as it was before that */

void process_close(int *fd); /* if it is open; it is -1 then */

#define STATUS_CLOSED (-1) /* beside what waitpid(2) tells: the coordinator had closed its descriptors */

/* "by SIGSEGV". */
void process_how(int status, char *text, size_t size);

/* title.c: the name of this process in ps(1) and top(1). Overwrites the memory of argv: only for a process of ours. */
void process_title(const char *title);

#endif
