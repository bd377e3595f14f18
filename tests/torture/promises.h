/*
 * promises.h: what must hold after each point of steps: values, answers, counts, progress, and that nothing is left over.
 */
#ifndef STOA_PROMISES_H
#define STOA_PROMISES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/torture/torture.h"

extern struct times answers, recoveries, resumptions, survivors, inheritances;

void promises_note(void);   /* what there is now must be there again */
void promises_accept(void); /* after a failure, so that it is not told for ever */

/* The slowest of what survivors did since the last call of this; it begins at 0 again. */
int64_t promises_slowest(void);

void check_values(void);
void check_answer(bool by_event); /* to the first of the batch */
void check_all(void);		  /* values, counts, leaks */

/* A call, which must be answered right, and soon after `since`. */
void check_progress(int64_t since, struct times *t);
void check_alive(void); /* it may take its time */
void check_restart(void); /* kill the coordinator; the next one must serve */

/* The batch was done, whatever became of the coordinator at `since`. Reads and answers each wait for it in their way. */
void check_batch(bool by_event, int64_t since, struct times *t);

/* The first `done` of the batch were applied; each of the others was refused, and changed nothing. */
void check_fickle(uint64_t done);

/* Who waits has his answer; or it was refused, and he waits on. */
void check_given(int64_t n);
void check_not_given(void);

/* "extra" is there, as new, or it is not. */
void check_created(void);
void check_removed(void);

/* The guardian `old` died at `since`: another serves, and brings coordinators back. */
void check_inherited(pid_t old, int64_t since);

#endif
