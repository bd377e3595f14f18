/*
 * options.h: what the user asked for.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "bench/pool.h"

#define CLIENTS_LISTED_MOST 16

enum pinning { PINNING_MIXED, PINNING_ALL, PINNING_NONE, PINNING_BOTH };

struct options {
	unsigned rounds;
	int64_t slice_ns;
	const char *kinds, *peers; /* comma-separated; NULL: all */
	unsigned clients[CLIENTS_LISTED_MOST], n_clients;
	enum pinning pinning;
	double rate; /* 0: closed loop */
	bool all_parked; /* not one client alone */
	bool quick, json, table, scaling;
	const char *json_path, *plot_path; /* NULL: standard output; no plot */
};
extern struct options options;

enum options_then { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };
enum options_then options_read(int argc, char **argv); /* prints what is wrong, and help */

bool options_want(const char *list, const char *name); /* list: NULL is all */

#endif
