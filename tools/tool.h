/*
 * tool.h: what the verbs of the command line share. A verb is a row in main.c and a function in a file of its own.
 *
 * main.c reads options, counts operands and attaches; the verb does its work and returns an exit status. Results go to
 * standard output, errors to standard error. Only the public interface is used: anyone could write this.
 */
#ifndef STOA_TOOL_H
#define STOA_TOOL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stoa.h>

enum tool_status { TOOL_DONE, TOOL_REFUSED, TOOL_USAGE, TOOL_GONE, TOOL_UNKNOWN = 3 };

enum {
	TOOL_JSON = 1 << 0,  /* --json */
	TOOL_NOW = 1 << 1,   /* --now */
	TOOL_OPEN = 1 << 2,  /* --open */
	TOOL_PEEK = 1 << 3,  /* --peek */
	TOOL_READS = 1 << 8, /* of a row: attach read-only, and do not wait long for somebody to serve */
	TOOL_BRIEF = 1 << 9, /* of a row: do not wait long for somebody to serve */
	TOOL_MONITOR = 1 << 10, /* of a row: it attaches itself, and has a monitor's exit status: wrong usage is 3 */
	TOOL_VALUES = 1 << 11, /* of a row: after the first operand nothing is an option, as in "add -5" */
};

struct tool;

struct verb {
	const char *name;
	int (*run)(struct tool *tool, int argc, char **argv); /* the operands; returns an exit status */
	const char *operands, *example, *doc, *more; /* more may be NULL */
	unsigned flags; /* options that it takes, and how it attaches */
	int least, most; /* operands */
};

struct tool {
	const struct verb *verb;
	const char *namespace;
	int64_t timeout; /* ns */
	bool has_timeout; /* -t was given */
	unsigned flags;   /* options given */
	struct stoa *stoa; /* NULL before tool_attach */
};

/* Attach as the row of the verb wants it. 0, or a negative errno of which nothing was printed. */
int tool_attach(struct tool *tool);

/* Print the error of the call that returned code, and give the exit status for it. */
int tool_fail(int code);

/* Print an error of our own. */
int tool_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
int tool_misuse(const struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Open an object that is there. */
int tool_open(const struct tool *tool, const char *object, struct stoa_proxy **ret_proxy);

/* "OBJECT.ATTR" taken apart at the first dot. object is a buffer. False: it has another form. */
bool tool_split(const char *text, char object[STOA_NAME_MAX + 1], const char **ret_attr);

/* The row of an attribute or method; NULL: there is none, and it was said, with the nearest name. */
const struct stoa_attr *tool_find_attr(const struct stoa_class *cls, const char *name);
const struct stoa_method *tool_find_method(const struct stoa_class *cls, const char *name);

/* ---- arguments.c ---- */

/*
 * Arguments as typed, into a struct of the library's: by position or NAME=VALUE. whose is for messages ("method add of
 * class counter"). Free ret with tool_free_struct. NULL: they are not right, and it was said. all: none may be left
 * out.
 */
void *tool_read_arguments(const struct stoa_struct *s, const char *whose, bool all, int argc, char **argv);
void *tool_new_struct(const struct stoa_struct *s); /* zeroed; NULL: no memory, and it was said */
void *tool_free_struct(const struct stoa_struct *s, void *values); /* returns NULL */

/* ---- the verbs ---- */

int verb_call(struct tool *tool, int argc, char **argv);
int verb_cast(struct tool *tool, int argc, char **argv);
int verb_create(struct tool *tool, int argc, char **argv);
int verb_get(struct tool *tool, int argc, char **argv);
int verb_health(struct tool *tool, int argc, char **argv);
int verb_list(struct tool *tool, int argc, char **argv);
int verb_rejected(struct tool *tool, int argc, char **argv);
int verb_remove(struct tool *tool, int argc, char **argv);
int verb_set(struct tool *tool, int argc, char **argv);
int verb_show(struct tool *tool, int argc, char **argv);
int verb_stop(struct tool *tool, int argc, char **argv);

#endif
