/*
 * error.h: the error of this thread, told with the code. Any file may set it; only stoa_last_error reads it.
 */
#ifndef STOA_ERROR_H
#define STOA_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/stoa.h"

/* Record the library's error with its text; returns code, so that "return error_set(-EINVAL, …)" reads well. */
int error_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Record a command's outcome: a text of size bytes (0: the code's own), whose it is, its ticket. Returns code. */
int error_set_command(int code, enum stoa_origin origin, bool may_apply, uint64_t ticket, const char *text,
		      size_t size);

/* The codes that have a text of their own: every code that the library itself returns. */
struct error_row {
	int code;
	const char *text;
};

const struct error_row *error_rows(size_t *ret_n);

#endif
