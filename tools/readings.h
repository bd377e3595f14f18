/*
 * readings.h: several objects, named or by pattern, read at one moment.
 */
#ifndef STOA_TOOL_READINGS_H
#define STOA_TOOL_READINGS_H

#include "tools/tool.h"

struct reading {
	char object[STOA_NAME_MAX + 1];
	struct stoa_proxy *proxy;
	const struct stoa_class *cls;
	void *state; /* of the class's struct */
	struct stoa_stamp at; /* of the newest change in it */
};

struct readings {
	struct reading **all; /* in the order in which they were named, each object once */
	size_t n, room;
	bool patterns; /* some were named by one */
};

/* Add the objects of this name or pattern (* ? [a-z]); a status: there is none, and it was said. */
int readings_add(struct readings *r, struct tool *tool, const char *pattern);

/* The object is in r already, or NULL. */
struct reading *readings_find(const struct readings *r, const char *object);

/*
 * Read them all: behind the barrier and at one moment, or with peek the last committed values, each by itself. A negative
 * errno, unsaid. readings_gone: it is that an object which was named by a pattern is gone: to be looked for again.
 */
int readings_take(struct readings *r, const struct tool *tool, bool peek);
bool readings_gone(const struct readings *r, int code);

#define READINGS_TRIES 20

void readings_fini(struct readings *r, struct tool *tool);

#endif
