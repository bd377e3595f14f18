/*
 * main.c: the command line: its table of verbs, and its options. A new verb is a row here and a file beside it.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/nearest.h"
#include "tools/tool.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define PEEK_TEXT "With --peek, the last committed values, each by itself, without waiting for pending writes.\n"
#define VALUES_TEXT                                                                                                         \
	"Values are read by their type in the class: numbers, whole ones decimal or 0x...; true or false; text as it is;\n" \
	"bytes as 0x... or @FILE; arrays as 1,2,3 or [[1, 2], [3, 4]].\n"

static const struct verb verbs[] = {
	{
		.name = "list",
		.run = verb_list,
		.operands = "[PATTERN]",
		.example = "list 'web-*'",
		.doc = "the objects with their classes",
		.more = "PATTERN is as the shell has it: * ? [a-z].\n",
		.flags = TOOL_READS | TOOL_JSON,
		.most = 1,
	},
	{
		.name = "show",
		.run = verb_show,
		.operands = "OBJECT",
		.example = "show hits",
		.doc = "all attributes of an object, at one moment",
		.more = "With --json, one line; nan and inf are strings there, and bytes are \"0x...\".\n" PEEK_TEXT,
		.flags = TOOL_READS | TOOL_JSON | TOOL_PEEK,
		.least = 1,
		.most = 1,
	},
	{
		.name = "get",
		.run = verb_get,
		.operands = "OBJECT.ATTRIBUTE...",
		.example = "get hits.value",
		.doc = "the bare value of attributes",
		.more = "After all writes that were accepted before. Several are read at one moment, and printed a line each.\n" PEEK_TEXT,
		.flags = TOOL_READS | TOOL_JSON | TOOL_PEEK,
		.least = 1,
		.most = INT_MAX,
	},
	{
		.name = "set",
		.run = verb_set,
		.operands = "OBJECT.ATTRIBUTE=VALUE...",
		.example = "set hits.value=7",
		.doc = "assign attributes, all or nothing",
		.more = "When it returns, they are committed, as one change.\n" VALUES_TEXT,
		.flags = TOOL_VALUES,
		.least = 1,
		.most = INT_MAX,
	},
	{
		.name = "call",
		.run = verb_call,
		.operands = "OBJECT METHOD [ARGUMENT]...",
		.example = "call hits add 10",
		.doc = "call a method and print its result",
		.more = "Arguments are given in order, or as NAME=VALUE.\n" VALUES_TEXT,
		.flags = TOOL_VALUES | TOOL_JSON,
		.least = 2,
		.most = INT_MAX,
	},
	{
		.name = "cast",
		.run = verb_cast,
		.operands = "OBJECT METHOD [ARGUMENT]...",
		.example = "cast hits add 10",
		.doc = "send a call, and do not wait for its answer",
		.more = "Arguments are given in order, or as NAME=VALUE.\n" VALUES_TEXT,
		.flags = TOOL_VALUES,
		.least = 2,
		.most = INT_MAX,
	},
	{
		.name = "create",
		.run = verb_create,
		.operands = "OBJECT CLASS [ARGUMENT]...",
		.example = "create hits counter 42",
		.doc = "create an object",
		.more = "Arguments are its first state, or what its class asks for; what is not given is zero.\n"
			"With --open, an object of this class that is there already stays as it is.\n" VALUES_TEXT,
		.flags = TOOL_VALUES | TOOL_OPEN,
		.least = 2,
		.most = INT_MAX,
	},
	{
		.name = "remove",
		.run = verb_remove,
		.operands = "OBJECT...",
		.example = "remove hits",
		.doc = "remove objects",
		.flags = TOOL_BRIEF,
		.least = 1,
		.most = INT_MAX,
	},
	{
		.name = "stop",
		.run = verb_stop,
		.operands = "",
		.example = "stop",
		.doc = "end the coordinator, after what it has accepted",
		.more = "With --now, what it has accepted is abandoned, and counted.\n",
		.flags = TOOL_BRIEF | TOOL_NOW,
	},
	{
		.name = "health",
		.run = verb_health,
		.operands = "",
		.example = "health",
		.doc = "one line: how the coordinator does",
		.more = "Exit status: 0 healthy, 1 suspect, 2 gone, 3 cannot tell, as Nagios has them.\n",
		.flags = TOOL_READS | TOOL_MONITOR | TOOL_JSON,
	},
	{
		.name = "rejected",
		.run = verb_rejected,
		.operands = "",
		.example = "rejected",
		.doc = "the last commands that were not applied, and why",
		.more = "At most 256, the oldest first.\n",
		.flags = TOOL_READS | TOOL_JSON,
	},
	{ 0 },
};

static const struct option long_options[] = {
	{ "namespace", required_argument, NULL, 'n' },
	{ "timeout", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "json", no_argument, NULL, TOOL_JSON },
	{ "now", no_argument, NULL, TOOL_NOW },
	{ "open", no_argument, NULL, TOOL_OPEN },
	{ "peek", no_argument, NULL, TOOL_PEEK },
	{ 0 },
};

/* ---- help ---- */

static void print_verbs(void)
{
	printf("Usage: stoa [-n NAMESPACE] [-t SECONDS] VERB [OPERAND]...\n"
	       "Look at and use the objects of a namespace.\n\n");
	for (const struct verb *v = verbs; v->name; v++)
		printf("  %-8s%-30s%s\n", v->name, v->operands, v->doc);
	printf("\n"
	       "  -n, --namespace=NAME   default: $STOA_NAMESPACE, or \"default\"\n"
	       "  -t, --timeout=SECONDS  how long to wait for anything (5); readers wait 1 s for a namespace\n"
	       "      --help, --version  stoa VERB --help tells more about a verb\n\n"
	       "Exit status: 0 done, 1 refused, 2 wrong usage, 3 no such namespace or its coordinator is gone.\n"
	       "Example: stoa create hits counter 42; stoa call hits add 10; stoa get hits.value\n"
	       "See stoa(1).\n");
}

static void print_help(const struct verb *v)
{
	if (!v) {
		print_verbs();
		return;
	}
	printf("Usage: stoa [-n NAMESPACE] [-t SECONDS] %s%s%s%s%s%s%s\n", v->name,
	       v->flags & TOOL_JSON ? " [--json]" : "", v->flags & TOOL_PEEK ? " [--peek]" : "",
	       v->flags & TOOL_NOW ? " [--now]" : "", v->flags & TOOL_OPEN ? " [--open]" : "", *v->operands ? " " : "",
	       v->operands);
	printf("%c%s.\n%s\nExample: stoa %s\n", v->doc[0] - 'a' + 'A', v->doc + 1, v->more ? v->more : "", v->example);
}

/* ---- options ---- */

static const char *each_verb(const void *data, size_t i) { return ((const struct verb *)data)[i].name; }

static const struct verb *find_verb(const struct tool *tool, const char *name)
{
	const struct verb *v = verbs;
	while (v->name && strcmp(v->name, name) != 0)
		v++;
	if (v->name)
		return v;
	const char *near = nearest(name, strlen(name), each_verb, verbs);
	if (near)
		tool_misuse(tool, "there is no verb %s; did you mean %s?", name, near);
	else
		tool_misuse(tool, "there is no verb %s", name);
	return NULL;
}

static int set_timeout(struct tool *tool, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= 0 && seconds <= 1e9))
		return tool_misuse(tool, "-t %s is not a number of seconds", text);
	int64_t ns = (int64_t)(seconds * 1e9);
	tool->timeout = ns > 0 ? ns : 1; /* options.timeout 0 would mean the default */
	tool->has_timeout = true;
	return TOOL_DONE;
}

static int set_option(struct tool *tool, int c, const char *word)
{
	switch (c) {
	case 'n':
		tool->namespace = optarg;
		return TOOL_DONE;
	case 't':
		return set_timeout(tool, optarg);
	case TOOL_JSON:
	case TOOL_NOW:
	case TOOL_OPEN:
	case TOOL_PEEK:
		tool->flags |= (unsigned)c;
		if (tool->verb && tool->verb->flags & (unsigned)c)
			return TOOL_DONE;
		return tool_misuse(tool, "%s %s", word, tool->verb ? "is not for this verb" : "comes after its verb");
	default:
		return tool_misuse(tool, "%s %s", word, c == ':' ? "takes a value" : "is no option here");
	}
}

/* Those in front of the first operand, or anywhere. False: that was all, with this exit status. */
static bool read_options(struct tool *tool, const char *letters, int argc, char **argv, int *ret_status)
{
	int c, at = 1;
	optind = 0; /* begin anew */
	for (; (c = getopt_long(argc, argv, letters, long_options, NULL)) != -1; at = optind) {
		*ret_status = TOOL_DONE;
		if (c == 'h') {
			print_help(tool->verb);
			return false;
		}
		if (c == 'V') {
			puts("stoa " PACKAGE_VERSION);
			return false;
		}
		*ret_status = set_option(tool, c, argv[optind > at ? optind - 1 : at]);
		if (*ret_status != TOOL_DONE)
			return false;
	}
	return true;
}

/* ---- running ---- */

/* Whoever reads should know that nothing changes any more. */
static void say_unwell(const struct tool *tool)
{
	struct stoa_health h;
	if (stoa_health(tool->stoa, &h) == 0 && h.verdict != STOA_HEALTHY)
		fprintf(stderr, "stoa: note: %s\n", h.text);
}

static int run_verb(struct tool *tool, int argc, char **argv)
{
	const struct verb *v = tool->verb;
	if (argc < v->least || argc > v->most)
		return tool_misuse(tool, "%s takes %s; there are %d operands", v->name,
				   *v->operands ? v->operands : "no operands", argc);
	int r = v->flags & TOOL_MONITOR ? 0 : tool_attach(tool);
	if (r < 0)
		return tool_fail(r) == TOOL_GONE || r == -ENOENT ? TOOL_GONE : TOOL_REFUSED;
	if (v->flags & TOOL_READS && tool->stoa)
		say_unwell(tool);
	return v->run(tool, argc, argv);
}

static int run(struct tool *tool, int argc, char **argv)
{
	int status;
	opterr = 0;
	if (!read_options(tool, "+:n:t:", argc, argv, &status))
		return status;
	if (optind == argc)
		return tool_misuse(tool, "a verb is missing");
	argc -= optind;
	argv += optind;
	tool->verb = find_verb(tool, argv[0]);
	if (!tool->verb)
		return TOOL_USAGE;
	if (!read_options(tool, tool->verb->flags & TOOL_VALUES ? "+:n:t:" : ":n:t:", argc, argv, &status))
		return status;
	return run_verb(tool, argc - optind, argv + optind);
}

int main(int argc, char **argv)
{
	struct tool tool = { .namespace = getenv("STOA_NAMESPACE"), .timeout = STOA_MS(5000) };
	if (!tool.namespace || !tool.namespace[0])
		tool.namespace = "default";
	int status = run(&tool, argc, argv);
	stoa_detach(tool.stoa);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = tool_refuse("cannot write: %s", strerror(errno));
	return status;
}
