/*
 * orphan.h: a coordinator whose guardian dies while a method runs cannot become the guardian before that returns. If it
 * does not, by its deadline, there is nobody to end it but itself.
 */
#ifndef STOA_ORPHAN_H
#define STOA_ORPHAN_H

#include "coordinator/namespace.h"

/* From here on this process, a child of the guardian, ends when a method or hook overruns its deadline without one. */
void orphan_begin(const struct namespace *ns);

/* No more: it is the guardian. */
void orphan_end(void);

#endif
