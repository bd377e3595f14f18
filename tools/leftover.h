/*
 * leftover.h: what a namespace that nobody serves has left, and its removal.
 */
#ifndef STOA_TOOL_LEFTOVER_H
#define STOA_TOOL_LEFTOVER_H

#include <stoa.h>

#include "tools/places.h"

enum leftover {
	LEFTOVER_CRASHED, /* guardian and coordinator died: the next start would take it over */
	LEFTOVER_HALF,	  /* half made, or half removed: there is nothing in it */
	LEFTOVER_KEPT,	  /* it was stopped, and its state kept for the next start */
	LEFTOVER_DAMAGED, /* set aside by a coordinator, or to be set aside by the next */
};

enum leftover leftover_kind(const struct place *p);
const char *leftover_name(enum leftover kind);

/* What the files of a namespace tell, live or not. False: it cannot be attached to. A live one that hangs has 0.3 s. */
bool leftover_look(const struct place *p, struct stoa_health *ret);

/* One that somebody may want: it goes only where that was asked for. */
static inline bool leftover_is_wanted(enum leftover kind) { return kind >= LEFTOVER_KEPT; }

/*
 * Remove it, as a coordinator removes what it has made: whoever starts it at this moment either has it, or begins anew.
 * -EBUSY: it is served, or being started. -EEXIST: it has become one that is wanted, and wanted is not set. -EACCES: it
 * is another user's. Other errors: it cannot be looked at, or locked.
 */
int leftover_remove(const struct place *p, bool wanted);

#endif
