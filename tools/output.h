/*
 * output.h: what verbs print. A verb says it once, record by record and field by field; it becomes lines of a table for
 * people, or with --json an object a line.
 *
 * A table is aligned when all of it is there (out_flush), or line by line for streams. Headings are the names of the
 * fields; they are bold, and words coloured, on a terminal only, and not where NO_COLOR is set. One thread at a time.
 */
#ifndef STOA_TOOL_OUTPUT_H
#define STOA_TOOL_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <stoa.h>

enum out_style {
	OUT_TEXT,   /* for people */
	OUT_JSON,   /* an object a line */
	OUT_ANSWER, /* of "stoa -": as OUT_JSON, but what has one value is that value alone */
};

enum out_table {
	OUT_HEADED, /* aligned, with headings */
	OUT_PLAIN,  /* aligned, without */
	OUT_STREAM, /* each record as it comes: with headings on a terminal only */
};

enum out_colour { OUT_NONE, OUT_GOOD, OUT_WARN, OUT_BAD, OUT_BOLD };

void out_init(enum out_style style, FILE *to); /* forgets what was begun */
enum out_style out_style(void);
bool out_json(void); /* not for people */
FILE *out_to(void);  /* for what is no record */

/* A field that leads every record from now on: which namespace, with -a. NULL: none any more. */
void out_lead(const char *name, const char *value);

/* ---- records ---- */

void out_begin(enum out_table table);
void out_end(void);
bool out_flush(void); /* the table, if one is begun, and all that is buffered; false: it cannot be written */

/*
 * Fields. The name is the heading and, in JSON, the key. Of a null text nothing is shown. Times and durations are
 * nanoseconds, and their keys in JSON end in _ns; sizes are bytes.
 */
void out_text(const char *name, const char *text);
void out_null(const char *name); /* of a number that is not there; name with its _ns, if it has that */
void out_word(const char *name, const char *text, enum out_colour colour);
void out_uint(const char *name, uint64_t n);
void out_int(const char *name, int64_t n);
void out_real(const char *name, double n);
void out_bool(const char *name, bool yes);
void out_size(const char *name, uint64_t bytes);    /* "1.5 MiB" */
void out_duration(const char *name, int64_t ns);    /* "250 ms", "2.50 s", "3h07m" */
void out_time(const char *name, int64_t ns);	    /* CLOCK_REALTIME, as the local time */
void out_value(const char *name, const struct stoa_attr *attr, const void *value);

/* There may be any number of records, so that an answer of "stoa -" is a list even if it is one. */
void out_many(void);
bool out_is_many(void);

/* What was done, where there is nothing else to say: {"removed":"hits"} with --json. */
void out_done(const char *what, const char *name);

/* ---- JSON by hand, for what is no table: names are NULL inside of [ ]; nothing happens for people ---- */

void out_open(const char *name, char bracket);
void out_close(char bracket);

/* ---- for people by hand ---- */

const char *out_colour(enum out_colour colour); /* "" where there is none; OUT_NONE ends one */
void out_print_duration(char *to, size_t size, int64_t ns);
void out_print_size(char *to, size_t size, uint64_t bytes);
void out_print_time(char *to, size_t size, int64_t ns); /* "2026-11-20 12:17:27.059" */

#endif
