/*
 * linearize.h: is there one order of a history's operations that explains every answer, and in which none that had
 * ended comes after one that began later?
 *
 * The state is a tuple of numbers: all attributes of all objects together, for an operation may read or write several
 * at one moment, and histories that are right for each alone may be wrong for all. An operation is a few steps that
 * nobody comes between. Stamps come from one shared counter, taken before the call and behind the return.
 */
#ifndef STOA_LINEARIZE_H
#define STOA_LINEARIZE_H

#include <stdbool.h>
#include <stdint.h>

#define LINEAR_CELLS 4
#define LINEAR_STEPS 4
#define LINEAR_OPS 64
#define LINEAR_OPEN                                                                                                    \
	UINT64_MAX /* ended: it did not return, or said that it may yet apply. It takes effect late, or never */

enum step_kind { STEP_READ, STEP_SET, STEP_ADD, STEP_COPY };

struct step {
	enum step_kind kind;
	uint8_t cell, from; /* from: of a copy */
	bool answered;	    /* the answer, the cell's value behind this step, is known */
	uint64_t value;	    /* to set or to add */
	uint64_t answer;
};

struct op {
	uint64_t began, ended;
	const char *how; /* for who reads it */
	uint32_t who;
	uint32_t n_steps;
	struct step steps[LINEAR_STEPS];
};

struct history {
	uint64_t start[LINEAR_CELLS];
	uint32_t n;
	struct op ops[LINEAR_OPS];
};

/* As far as an order was found: the operations of the longest one, as indices. */
struct explanation {
	uint32_t n;
	uint8_t order[LINEAR_OPS];
};

/* False: no order explains it. Sorts the history by begin. */
bool linearize(struct history *h, struct explanation *ret);

/* One line for each operation: its place in the explanation, who, a bar from begin to end, what, and the answers. */
void linear_print(const struct history *h, const struct explanation *e);

#endif
