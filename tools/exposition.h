/*
 * exposition.h: numbers as Prometheus has them, in its text format, version 0.0.4; or with --json an object for each.
 */
#ifndef STOA_TOOL_EXPOSITION_H
#define STOA_TOOL_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>

#include <stoa.h>

struct metric {
	const char *name; /* as it may be: exposition_name */
	const char *type; /* "counter", "gauge", "histogram" */
	const char *help;
};

struct label {
	const char *name, *value;
};

#define EXPOSITION_LABELS 4

/* Letters, digits and '_'; all else in `from` becomes '_'. Returns to. */
char *exposition_name(char *to, size_t size, const char *prefix, const char *cls, const char *attr);

/*
 * The samples that follow are of this metric. It may come again, of another namespace: all that is of it is printed in one
 * piece by exposition_end, under the help that was first. An object for each sample is printed at once.
 */
void exposition_begin(const struct metric *m);
int exposition_end(void); /* -ENOMEM: not all of it was printed */

/* suffix: of a histogram; "" else. Labels with a NULL name are none. a: of the value, a number or bool, no array. */
void exposition_value(const struct metric *m, const char *suffix, const struct label labels[EXPOSITION_LABELS],
		      const struct stoa_attr *a, const void *value);
void exposition_uint(const struct metric *m, const char *suffix, const struct label labels[EXPOSITION_LABELS],
		     uint64_t n);
void exposition_real(const struct metric *m, const char *suffix, const struct label labels[EXPOSITION_LABELS],
		     double n);

#endif
