/*
 * scaled.h: the worlds of scaling.h: each is an object to be read, cast to and called, with so much of something around
 * it. They are built at the start, and are there all the time, so that their slices can take turns.
 */
#ifndef BENCH_SCALED_H
#define BENCH_SCALED_H

#include "bench/bench.h"
#include "include/stoa.h"

#define WORLDS_MOST 32
#define WORLD_NAMESPACES_MOST 8

struct world {
	const char *dimension;
	uint32_t n; /* how much there is of it */
	/* Used in turn, where there are several. */
	struct stoa *stoa[WORLD_NAMESPACES_MOST];
	struct stoa_proxy *proxy[WORLD_NAMESPACES_MOST];
	unsigned namespaces, turn;
	uint32_t attr; /* its offset: read */
	const struct stoa_method *add;
	char *args; /* n_args of args_size bytes, used in turn */
	size_t args_size;
	uint32_t n_args, arg;
	struct peer peer;
};
extern struct world worlds[WORLDS_MOST];
extern unsigned n_worlds;

enum { SCALED_R, SCALED_W, SCALED_C, SCALED_OPS };
extern const struct op scaled_ops[SCALED_OPS];

int scaled_begin(bool briefly); /* briefly: the ends of each dimension, and smaller ones */
void scaled_end(void);

#endif
