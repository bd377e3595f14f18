/*
 * descendants.h: the processes that this one's children have started, in whatever group or session. As /proc shows them:
 * where that is missing, none are found.
 */
#ifndef STOA_DESCENDANTS_H
#define STOA_DESCENDANTS_H

#include <stddef.h>

/* A signal to each that is there now; one that is started meanwhile may be missed. How many were found. */
size_t descendants_signal(int signo);

/* Kill all that are found, and wait until they have ended. This process is their subreaper: prctl(2). */
void descendants_end(void);

#endif
