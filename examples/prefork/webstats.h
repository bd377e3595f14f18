/*
 * webstats.h: the object that the workers of the server share, as a user writes one: a plain struct, the arguments of
 * its one method, and typed stubs for it.
 */
#ifndef WEBSTATS_H
#define WEBSTATS_H

#include <stdio.h>
#include <stoa.h>

#define WEBSTATS_PATH 128 /* bytes kept of a path, with its NUL */

struct webstats {
	uint64_t requests, bytes;
	uint64_t by_class[5]; /* 1xx … 5xx */
	struct {
		double total, worst;
	} ms;
	char last_path[WEBSTATS_PATH];
};

struct webstats_request {
	uint32_t status, bytes;
	double ms;
	char path[WEBSTATS_PATH];
};

STOA_STUB(webstats, record, struct webstats_request, stoa_none);

extern const struct stoa_class webstats_class;

/* As one JSON object. A path is the client's bytes: what is not UTF-8 in it becomes U+FFFD. */
void webstats_print_json(FILE *to, const struct webstats *stats);

#endif
