/*
 * arguments.h: the command line of stoad, read into a struct. Nothing is printed and nothing ends.
 */
#ifndef STOA_ARGUMENTS_H
#define STOA_ARGUMENTS_H

#include <stdbool.h>

#include "include/stoa.h"

#define ARGUMENTS_UIDS_MAX 64

struct arguments {
	const char *name;	     /* NULL: not given */
	char **modules;		     /* in argv, which ends with NULL */
	struct stoa_options options; /* flags, limits, and users, which are the array below: it is not to be copied */
	uid_t uids[ARGUMENTS_UIDS_MAX];
	bool syslog;
	bool help, version; /* asked for; what stands behind that is not read */
	char error[STOA_ERROR_MAX];
};

/* Fill *ret from the arguments, which are put into another order, options first. False:
 * ret->error says what is wrong. */
bool arguments_read(int argc, char **argv, struct arguments *ret);

extern const char arguments_usage[];

#endif
