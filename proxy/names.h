/*
 * names.h: the names of what the state speaks of by number, also of what is gone, as far as they are still there.
 */
#ifndef STOA_PROXY_NAMES_H
#define STOA_PROXY_NAMES_H

#include "proxy/handle.h"

/* Object number `object`, if it has, or had last, this origin (0: whichever); "": another is there. Returns its class's
 * number, or UINT32_MAX. */
uint32_t names_object(const struct stoa *s, uint32_t object, uint64_t origin, char ret[LAYOUT_NAME]);

/* "": there is none. */
void names_class(const struct stoa *s, uint32_t class_id, char ret[LAYOUT_NAME]);
void names_row(struct stoa *s, uint32_t class_id, uint32_t row, bool is_attr, char ret[LAYOUT_NAME]);

/* Is there an object in this entry, which is one of those in use? */
bool names_is_there(const struct stoa *s, uint32_t object);

#endif
