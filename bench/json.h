/*
 * json.h: what was measured, as one JSON object, for programs: with the cost of each round and whole histograms.
 */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "bench/run.h"

int json_write(const struct run *run, const char *path); /* NULL: to standard output */

#endif
