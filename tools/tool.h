/*
 * tool.h: what the verbs of the command line share. A verb is a line in verbs.h and a struct verb in a file of its own.
 *
 * run.c reads options, counts operands, chooses the namespace and attaches; the verb does its work and returns an exit
 * status. Results go through output.h, errors through the functions here. Only the public interface is used: anyone
 * could write this.
 */
#ifndef STOA_TOOL_H
#define STOA_TOOL_H

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <stoa.h>

#include "tools/verbs.h"

enum tool_status {
	TOOL_SENT = -1, /* of "stoa -" alone: the answer comes later, through tool_await */
	TOOL_DONE,
	TOOL_REFUSED,
	TOOL_USAGE,
	TOOL_GONE,
	TOOL_UNKNOWN = 3,
	TOOL_NOTHING, /* of call alone: what it asked for has no value */
};

enum { /* flags of a verb */
	TOOL_READS = 1 << 0,   /* only reads: attaches read-only, waits 1 s for a namespace, takes the only live one */
	TOOL_BRIEF = 1 << 1,   /* waits 1 s for a namespace, too */
	TOOL_MONITOR = 1 << 2, /* attaches itself, and has a monitor's exit status: wrong usage is 3 */
	TOOL_VALUES = 1 << 3,  /* after the first operand nothing is an option, as in "add -5" */
	TOOL_ALL = 1 << 4,     /* takes -a: runs once for each live namespace, unless it is TOOL_ALONE */
	TOOL_ALONE = 1 << 5,   /* is not about one namespace: nothing is attached */
	TOOL_LONG = 1 << 6,    /* runs until it is ended: no verb for "stoa -" */
	TOOL_TOGETHER = 1 << 7, /* with TOOL_ALL: runs once, for all that are in tool->each */
};

/* For the help of several verbs. */
#define TOOL_VALUES_TEXT \
	"Values are read by their type in the class: numbers, whole ones decimal or 0x...; true or false, yes or no,\n" \
	"1 or 0; text as it is; bytes as 0x... or @FILE; arrays as 1,2,3 or [[1, 2], [3, 4]].\n"

struct tool;

#define TOOL_OPTIONS_MAX 12

/* An option of one verb. Letters n, t, a, h and V are taken, and so are the names of the options for all. */
struct verb_option {
	const char *name;  /* "rate", for --rate */
	char letter;	   /* 0: none */
	const char *value; /* what it takes, as the help has it: "N"; NULL: nothing */
	const char *doc;
	bool once; /* a second one would not mean what it seems to */
};

/* One that several have. */
#define TOOL_PEEK { .name = "peek", .doc = "the last committed values, each by itself, not waiting for pending writes" }

struct verb {
	const char *name;
	int (*run)(struct tool *tool, int argc, char **argv); /* the operands; returns an exit status */
	const char *operands, *example, *doc, *more; /* doc: one line, no capital, no stop; more: lines, or NULL */
	const struct verb_option *options; /* ends with no name; NULL: none */
	unsigned flags;
	int least, most; /* operands */
};

#define DECLARE_VERB(name) extern const struct verb verb_##name;
VERBS(DECLARE_VERB)
#undef DECLARE_VERB

extern const struct verb *const tool_verbs[]; /* ends with NULL */

struct tool {
	const struct verb *verb;
	const char *namespace; /* -n, $STOA_NAMESPACE or what was chosen; NULL: not yet */
	char chosen[NAME_MAX + 16];
	int64_t timeout; /* ns */
	bool has_timeout; /* -t was given */
	bool json;	  /* --json: output.h knows it, too */
	bool all;	  /* -a */
	const char *given[TOOL_OPTIONS_MAX]; /* values of the verb's options; "": it takes none; NULL: not given */
	struct stoa *stoa;   /* as the verb wants it; NULL: not attached */
	struct stoa *reader, *writer; /* the handles there are */
	struct tool_opened *opened;   /* objects that stay open, for "stoa -" */
	bool keeps;		      /* them */
	struct tool *each;	      /* of a verb that is TOOL_TOGETHER: for each namespace one, attached; */
	size_t n_each;		      /* without -a this itself */
	struct tool_sent *sent;	      /* a call may be left here instead of waiting for its answer; NULL: it waits */
};

/* A call that was submitted. */
struct tool_sent {
	struct stoa *stoa;
	const struct stoa_method *method;
	void *result;
	uint64_t ticket;
	int64_t timeout; /* ns, from when it is waited for */
};

/* ---- run.c ---- */

/* A whole command line, argv[0] being the program: an exit status. */
int tool_command_line(struct tool *tool, int argc, char **argv);

/* One verb, argv[0] being its name, with its options and operands. */
int tool_run(struct tool *tool, int argc, char **argv);

/* The namespace that was given, or the only one of this user's that is live, or "default". */
const char *tool_only_live(struct tool *tool);

/* ---- options.c ---- */

/* Those in front of the first operand, or anywhere. False: that was all, with this exit status. ret_at: an operand. */
bool options_read(struct tool *tool, int argc, char **argv, int *ret_at, int *ret_status);

/* The value of an option of the verb, "" if it takes none; NULL: it was not given. */
const char *tool_option(const struct tool *tool, const char *name);

/* As a number from least to most, 0 being right too if it was not given. False: it is none, and it was said. */
bool tool_option_number(const struct tool *tool, const char *name, double least, double most, double *ret);

void tool_print_help(const struct verb *verb); /* NULL: of all */

/* ---- tool.c: the namespace and its objects ---- */

/* Attach as the verb wants it. 0, or a negative errno of which nothing was printed. */
int tool_attach(struct tool *tool);
void tool_detach(struct tool *tool); /* with all that is open */

/* Open an object that is there, and give it back. A status: it was said that there is none, with the nearest name. */
int tool_open(struct tool *tool, const char *object, struct stoa_proxy **ret_proxy);
int tool_try_open(struct tool *tool, const char *object, struct stoa_proxy **ret_proxy); /* a negative errno, unsaid */
void tool_close(struct tool *tool, struct stoa_proxy *proxy); /* NULL is allowed */
void tool_forget(struct tool *tool); /* what stays open */

/* "OBJECT.ATTR" taken apart at the first dot. object is a buffer. False: it has another form, to be said. */
bool tool_split(const char *text, char object[STOA_NAME_MAX + 1], const char **ret_attr);
int tool_misread(const struct tool *tool, const char *text, const char *form);
bool tool_is_pattern(const char *text); /* has * ? or [ */

/* The row of an attribute or method; NULL: there is none, and it was said, with the nearest name. */
const struct stoa_attr *tool_find_attr(const struct stoa_class *cls, const char *name);
const struct stoa_method *tool_find_method(const struct stoa_class *cls, const char *name);

/* ---- tool.c: errors, on standard error, "stoa: " in front ---- */

/* Print the error of the call that returned code, and give the exit status for it. */
int tool_fail(int code);
int tool_fail_object(const struct tool *tool, const char *object); /* -ENOENT, with the nearest name */
int tool_fail_class(const struct tool *tool, const char *cls); /* the same of a class */

/*
 * Since this was last asked, something that was open is not there any more (-ESTALE), or somebody doubted it, for its
 * class does not have what was asked for; and nothing was sent.
 */
bool tool_is_stale(void);
void tool_doubt(void);

/* Print an error of our own. */
int tool_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
int tool_misuse(const struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *tool_word(const char *word); /* for an error: as it is; an empty one is "" */
void tool_errors_to(FILE *to); /* all of these go there, each on one line; NULL: to standard error again */
FILE *tool_errors(void);

/* Not an error: "stoa: note: ", always on standard error. */
void tool_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- call.c ---- */

/* Wait for its answer, print it, and let go of it. An exit status. */
int tool_await(struct tool_sent *sent);

/* ---- signals.c ---- */

/* The class of these rows, or @FILEs of them; name may be NULL. A status: if not done, it was said why. */
int tool_signals(const char *name, int argc, char **argv, const struct stoa_class **ret_class);

/* ---- arguments.c ---- */

/*
 * Arguments as typed, into a struct of the library's: by position or NAME=VALUE. whose is for messages ("method add of
 * class counter"). Free ret with tool_free_struct. NULL: they are not right, and it was said. all: none may be left
 * out.
 */
void *tool_read_arguments(const struct stoa_struct *s, const char *whose, bool all, int argc, char **argv);
void *tool_new_struct(const struct stoa_struct *s); /* zeroed; NULL: no memory, and it was said */
void *tool_free_struct(const struct stoa_struct *s, void *values); /* returns NULL */

#endif
