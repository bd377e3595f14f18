/*
 * options.c: the options of the command line, those for all verbs and those of one, and their help.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/nearest.h"
#include "tools/output.h"
#include "tools/tool.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* A letter of the verb's own comes before one of these. */
enum { OPTION_JSON = 256, OPTION_OWN }; /* and from it on, those of the verb */

static const struct option for_all[] = {
	{ "namespace", required_argument, NULL, 'n' },
	{ "timeout", required_argument, NULL, 't' },
	{ "all", no_argument, NULL, 'a' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
};
#define N_FOR_ALL (sizeof(for_all) / sizeof(for_all[0]))

/* What getopt_long takes: for all, and of the verb if there is one. */
struct spelling {
	struct option names[N_FOR_ALL + TOOL_OPTIONS_MAX + 1];
	char letters[2 * TOOL_OPTIONS_MAX + 16];
};

static void spell(const struct verb *verb, struct spelling *s)
{
	const struct verb_option *o = verb ? verb->options : NULL;
	struct option *name = s->names + N_FOR_ALL;
	char *letter = s->letters;
	memcpy(s->names, for_all, sizeof(for_all));
	letter = stpcpy(letter, !verb || verb->flags & TOOL_VALUES ? "+:n:t:ah" : ":n:t:ah");
	for (int i = 0; o && o[i].name; i++) {
		*name++ = (struct option){ o[i].name, o[i].value != NULL, NULL, OPTION_OWN + i };
		if (o[i].letter)
			letter += sprintf(letter, "%c%s", o[i].letter, o[i].value ? ":" : "");
	}
	*name = (struct option){ 0 };
}

/* ---- help ---- */

static void print_verbs(void)
{
	fputs("Usage: stoa [-n NAMESPACE] [-t SECONDS] VERB [OPTION]... [OPERAND]...\n"
	      "Look at and use the objects of a namespace.\n\n",
	      out_to());
	for (const struct verb *const *v = tool_verbs; *v; v++)
		fprintf(out_to(), "  %-11s%-31s%s\n", (*v)->name, (*v)->operands, (*v)->doc);
	fputs("\n"
	      "  -n, --namespace=NAME   NAME, or another user's USER/NAME; default: $STOA_NAMESPACE, else for verbs\n"
	      "                         that only read the one that is live, else \"default\"\n"
	      "  -a, --all              of list, health and others: all live namespaces, of all users\n"
	      "  -t, --timeout=SECONDS  how long to wait for anything (5); readers wait 1 s for a namespace\n"
	      "      --json             an object a line, for programs\n"
	      "      --help, --version  stoa VERB --help tells more about a verb\n\n"
	      "Exit status: 0 done, 1 refused, 2 wrong usage, 3 no such namespace or its coordinator is gone;\n"
	      "of call, 4: the result has no value.\n"
	      "Example: stoa create hits counter 42; stoa call hits add 10; stoa get hits.value\n"
	      "See stoa(1).\n",
	      out_to());
}

static void print_option(const struct verb_option *o)
{
	char text[64];
	int n = o->letter ? snprintf(text, sizeof(text), "-%c, ", o->letter) : snprintf(text, sizeof(text), "    ");
	snprintf(text + n, sizeof(text) - (size_t)n, "--%s%s%s", o->name, o->value ? "=" : "",
		 o->value ? o->value : "");
	fprintf(out_to(), "  %-22s  %s\n", text, o->doc);
}

void tool_print_help(const struct verb *v)
{
	if (!v) {
		print_verbs();
		return;
	}
	fprintf(out_to(), "Usage: stoa %s%s%s%s%s%s\n", v->flags & TOOL_ALONE ? "" : "[-n NAMESPACE] ", v->name,
		v->flags & TOOL_ALL ? " [-a]" : "", v->options ? " [OPTION]..." : "", *v->operands ? " " : "",
		v->operands);
	fprintf(out_to(), "%c%s.\n%s", v->doc[0] - 'a' + 'A', v->doc + 1, v->more ? v->more : "");
	for (const struct verb_option *o = v->options; o && o->name; o++)
		print_option(o);
	fprintf(out_to(), "\nExample: stoa %s\n", v->example);
}

/* ---- reading ---- */

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

static bool is_of(const struct verb *verb, const char *name, size_t n)
{
	for (const struct verb_option *o = verb->options; o && o->name; o++)
		if (strncmp(o->name, name, n) == 0 && o->name[n] == '\0')
			return true;
	return false;
}

static const char *each_name(const void *data, size_t i)
{
	const struct spelling *s = data;
	return s->names[i].name;
}

/* Not an option here: of another verb, a slip, or nothing at all. */
static int refuse_option(const struct tool *tool, const struct spelling *s, const char *word)
{
	const char *name = strncmp(word, "--", 2) == 0 ? word + 2 : "";
	size_t n = strcspn(name, "=");
	for (const struct verb *const *v = tool_verbs; n && *v; v++)
		if (is_of(*v, name, n))
			return tool_misuse(tool, "%s %s", word,
					   tool->verb ? "is not for this verb" : "comes after its verb");
	const char *near = n ? nearest(name, n, each_name, s) : NULL;
	return near ? tool_misuse(tool, "%s is no option here; did you mean --%s?", word, near)
		    : tool_misuse(tool, "%s is no option here", word);
}

/* One of the verb's own. c is its letter, or its number from OPTION_OWN on. False: it is none of them. */
static bool set_own(struct tool *tool, int c, int *ret_status)
{
	const struct verb_option *o = tool->verb ? tool->verb->options : NULL;
	for (int i = 0; o && o[i].name; i++)
		if (c == OPTION_OWN + i || (o[i].letter && c == o[i].letter)) {
			*ret_status = tool->given[i] && o[i].once ? tool_misuse(tool, "--%s is given twice", o[i].name)
								  : TOOL_DONE;
			tool->given[i] = o[i].value ? optarg : "";
			return true;
		}
	return false;
}

static int set_option(struct tool *tool, int c, const struct spelling *s, const char *word)
{
	int status;
	if (set_own(tool, c, &status))
		return status;
	if (tool->keeps && c < OPTION_JSON && strchr("nahV", c))
		return tool_misuse(tool, "-%c is for the command line, not for a line of stoa -", c);
	switch (c) {
	case 'n':
		tool->namespace = optarg;
		return TOOL_DONE;
	case 't':
		return set_timeout(tool, optarg);
	case 'a':
		tool->all = true;
		return TOOL_DONE;
	case OPTION_JSON:
		tool->json = true;
		return TOOL_DONE;
	case ':':
		return tool_misuse(tool, "%s takes a value", word);
	default:
		return refuse_option(tool, s, word);
	}
}

bool options_read(struct tool *tool, int argc, char **argv, int *ret_at, int *ret_status)
{
	struct spelling s;
	int c, at = 1;
	spell(tool->verb, &s);
	opterr = 0;
	optind = 0; /* begin anew */
	*ret_status = TOOL_DONE;
	for (; (c = getopt_long(argc, argv, s.letters, s.names, NULL)) != -1; at = optind) {
		if ((c == 'h' || c == 'V') && !tool->keeps) {
			if (c == 'h')
				tool_print_help(tool->verb);
			else
				fputs("stoa " PACKAGE_VERSION "\n", out_to());
			return false;
		}
		*ret_status = set_option(tool, c, &s, argv[optind > at ? optind - 1 : at]);
		if (*ret_status != TOOL_DONE)
			return false;
	}
	*ret_at = optind;
	return true;
}

/* ---- what was given ---- */

const char *tool_option(const struct tool *tool, const char *name)
{
	for (int i = 0; tool->verb->options && tool->verb->options[i].name; i++)
		if (strcmp(tool->verb->options[i].name, name) == 0)
			return tool->given[i];
	return NULL;
}

bool tool_option_number(const struct tool *tool, const char *name, double least, double most, double *ret)
{
	const char *text = tool_option(tool, name);
	char *end;
	double n = text ? strtod(text, &end) : 0;
	if (text && (end == text || *end || !(n >= least && n <= most))) {
		tool_misuse(tool, "--%s=%s is not a number from %g to %g", name, text, least, most);
		return false;
	}
	*ret = n;
	return true;
}
