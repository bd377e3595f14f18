/*
 * targets.h: what stoa is to reach, and what of it this run shows.
 */
#ifndef BENCH_TARGETS_H
#define BENCH_TARGETS_H

#include <stdio.h>

#include "bench/run.h"

void targets_print(const struct run *run);
void targets_write_json(const struct run *run, FILE *to); /* an array */

#endif
