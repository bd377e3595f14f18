/*
 * look.h: all the numbers of a namespace at about one moment; and what came between two such looks.
 */
#ifndef STOA_TOOL_LOOK_H
#define STOA_TOOL_LOOK_H

#include "include/stoa/observe.h"
#include "tools/tool.h"

enum look_of { LOOK_OBJECTS, LOOK_METHODS, LOOK_CLIENTS, LOOKS_OF };

/* An object, a method of a class, or a thread of a client. */
struct look_row {
	char name[2 * STOA_NAME_MAX + 2]; /* "hits"; "counter.add", "counter (assigned)"; "1234/1235" */
	char class_name[STOA_NAME_MAX + 1], method[STOA_NAME_MAX + 1], program[16];
	uint32_t pid, tid;
	uint64_t calls, failed, pending; /* of a client: commands */
	uint64_t timed;
	int64_t time_ns;	  /* of those */
	double rate, failed_rate; /* a second, since the look before */
};

struct look_table {
	struct look_row *rows;
	size_t n, room;
};

struct look {
	int64_t at_ns; /* CLOCK_MONOTONIC */
	struct stoa_health health;
	struct stoa_barrier barrier;
	struct look_table of[LOOKS_OF];
};

/* A negative errno, unsaid; look_fini in any case. */
int look_take(struct look *ret, const struct tool *tool);
void look_fini(struct look *l);

/* Fill in the rates of l, and take what was counted at the barrier before out of l's. The rows of before are sorted. */
void look_compare(struct look *l, struct look *before);

/* A counter that has begun anew meanwhile has counted what it says. */
static inline uint64_t look_grown(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

double look_mean_ns(const struct look_row *row); /* of a call; -1: none was timed */

/* What this part of those who waited did not wait longer than; -1: nobody waited. INT64_MAX: longer than is told. */
int64_t look_wait(const struct stoa_barrier *b, double part);

#endif
