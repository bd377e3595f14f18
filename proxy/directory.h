/*
 * directory.h: name → object, as committed. Read under RCU by any thread, replaced whole when the state's changes.
 */
#ifndef STOA_DIRECTORY_H
#define STOA_DIRECTORY_H

#include "proxy/handle.h"

struct found {
	char name[LAYOUT_NAME];
	uint32_t object, class_id;
	const struct body *body;
	uint64_t incarnation, origin;
};

/* Copy entry i as of g, if it is there then. */
bool directory_read(const struct stoa *s, uint32_t i, uint64_t g, struct found *ret);

/* 0, or -ENOENT. -ENOMEM. */
int directory_find(struct stoa *s, const char *name, struct found *ret);

/* All of them, by name, malloc'ed. */
int directory_all(struct stoa *s, struct found **ret, size_t *ret_n);

void directory_free(struct stoa *s);

/* Around fork: no thread is inside an update, and readers of threads that are gone are forgotten in the child. */
void directory_before_fork(void);
void directory_after_fork(bool child);

#endif
