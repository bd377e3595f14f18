/*
 * plot.h: the distributions of latency as a picture (SVG): one panel for an operation and a number of clients, one line
 * for a peer, percentiles to the right, latencies upwards, both logarithmic.
 */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "bench/run.h"

int plot_write(const struct run *run, const char *path);

#endif
