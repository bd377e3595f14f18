/*
 * run.c: which verb, of which namespace, and running it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/nearest.h"
#include "tools/output.h"
#include "tools/places.h"
#include "tools/tool.h"

#define ADDRESS(name) &verb_##name,
const struct verb *const tool_verbs[] = { VERBS(ADDRESS) NULL };

static const char *each_verb(const void *data, size_t i)
{
	const struct verb *const *verbs = data;
	return verbs[i] ? verbs[i]->name : NULL;
}

static const struct verb *find_verb(const struct tool *tool, const char *name)
{
	for (const struct verb *const *v = tool_verbs; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return *v;
	if (name[0] == '-' && name[1]) {
		tool_misuse(tool, "there is no verb %s; a line begins with a verb, and -n and its like stand before it "
			    "only where stoa is called: stoa -n NAMESPACE -", name);
		return NULL;
	}
	const char *near = nearest(name, strlen(name), each_verb, tool_verbs);
	if (near)
		tool_misuse(tool, "there is no verb %s; did you mean %s?", tool_word(name), near);
	else
		tool_misuse(tool, "there is no verb %s", tool_word(name));
	return NULL;
}

/* ---- which namespace ---- */

struct live {
	struct place *places; /* malloc'ed, the live ones in front */
	size_t n;
};

/* Those of all users, or of this one. 0, or a negative errno. */
static int find_live(bool all, struct live *ret)
{
	size_t n;
	int r = places_find(all, &ret->places, &n);
	ret->n = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		if (ret->places[i].live)
			ret->places[ret->n++] = ret->places[i];
	return r;
}

/* "a, b, c", as far as they fit. */
static void join(const struct live *live, char *names, size_t size)
{
	size_t at = 0;
	names[0] = '\0';
	for (size_t i = 0; i < live->n && at < size; i++)
		at += (size_t)snprintf(names + at, size - at, "%s%s", at ? ", " : "", live->places[i].name);
	if (at >= size)
		strcpy(names + size - 4, "...");
}

/* How many of this user's are live: the first of them in tool->chosen, all in names. */
static size_t choices(struct tool *tool, char *names, size_t size)
{
	struct live live;
	if (find_live(false, &live) < 0)
		return 0;
	join(&live, names, size);
	if (live.n)
		snprintf(tool->chosen, sizeof(tool->chosen), "%s", live.places[0].name);
	free(live.places);
	return live.n;
}

const char *tool_only_live(struct tool *tool)
{
	char names[8];
	if (tool->namespace)
		return tool->namespace;
	return choices(tool, names, sizeof(names)) == 1 ? tool->chosen : "default";
}

/* Who only reads, and does not say where, means the only one there is. */
static int choose(struct tool *tool)
{
	char names[400];
	size_t n = !tool->namespace && tool->verb->flags & TOOL_READS ? choices(tool, names, sizeof(names)) : 0;
	if (n > 1)
		return tool_misuse(tool, "%zu namespaces are live: %s; choose one with -n, or STOA_NAMESPACE", n,
				   names);
	if (n == 1)
		tool->namespace = tool->chosen;
	tool->namespace = tool->namespace ? tool->namespace : "default";
	return TOOL_DONE;
}

/* ---- running ---- */

/* Whether it is time to look again, in "stoa -": that takes system calls. */
static bool is_due(const struct tool *tool)
{
	static time_t last;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	bool due = !tool->keeps || now.tv_sec != last;
	last = now.tv_sec;
	return due;
}

/* Whoever reads should know that nothing changes any more. */
static void say_unwell(const struct tool *tool)
{
	struct stoa_health h;
	if (is_due(tool) && stoa_health(tool->stoa, &h) == 0 && h.verdict != STOA_HEALTHY)
		tool_note("%s", h.text);
}

static const char *each_live(const void *data, size_t i)
{
	const struct live *live = data;
	return i < live->n ? live->places[i].name : NULL;
}

/* Nobody serves it: whoever forgot -n, or misspelt it, meant one that is live. */
static int fail_nobody(const struct tool *tool)
{
	char names[400];
	struct stoa_error e = { 0 };
	struct live live = { 0 };
	stoa_last_error(&e);
	find_live(false, &live);
	join(&live, names, sizeof(names));
	const char *near = nearest(tool->namespace, strlen(tool->namespace), each_live, &live);
	tool_refuse("%s%s%s%s%s%s", e.text, live.n ? "; live: " : "", names, near ? "; did you mean -n " : "",
		    near ? near : "", near ? "?" : "");
	free(live.places);
	return TOOL_GONE;
}

/* What helps, if the verdict does not end with it. */
static void say_cure(const struct stoa_health *h, char *cure, size_t size)
{
	int pid = (int)h->coordinator;
	if (strstr(h->text, "kill -CONT"))
		*cure = '\0';
	else if (!h->guardian)
		snprintf(cure, size, "; kill -KILL %d and start the namespace again: no command is lost", pid);
	else if (h->running_for)
		snprintf(cure, size, "; its guardian ends it at the method's deadline, or kill -KILL %d to have it run "
			 "anew: no command is lost", pid);
	else
		snprintf(cure, size, "; if that goes on, kill -KILL %d: its guardian replaces it, and no command "
			 "is lost", pid);
}

/* It is there, and does not answer: its memory tells why. */
static int fail_silent(const struct tool *tool)
{
	struct stoa_error e = { 0 };
	struct stoa_health h = { 0 };
	struct stoa *reader = NULL;
	stoa_last_error(&e);
	if (stoa_attach(tool->namespace, STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = STOA_MS(500)), &reader) == 0)
		stoa_health(reader, &h);
	stoa_detach(reader);
	if (!h.coordinator)
		return tool_refuse("%s; namespace %s", e.text, tool->namespace);
	char cure[160];
	say_cure(&h, cure, sizeof(cure));
	return tool_refuse("%s; namespace %s, pid %d: %s%s", e.text, tool->namespace, (int)h.coordinator, h.text, cure);
}

/* Who waits in vain for a namespace that was not even named should know at once that others are live. */
static void say_waiting(const struct tool *tool)
{
	char names[400], socket[2 * PATH_MAX];
	struct live live;
	bool waits = !(tool->verb->flags & (TOOL_READS | TOOL_BRIEF)) && !tool->has_timeout && !tool->writer;
	if (!waits || strcmp(tool->namespace, "default") != 0 || !places_above(socket))
		return;
	strcat(socket, "/default/socket");
	if (access(socket, F_OK) == 0 || find_live(false, &live) < 0)
		return;
	join(&live, names, sizeof(names));
	if (live.n)
		tool_note("waiting for namespace default, which nobody serves; live: %s; -n chooses", names);
	free(live.places);
}

static int attach(struct tool *tool)
{
	const struct verb *v = tool->verb;
	if (!(v->flags & TOOL_MONITOR))
		say_waiting(tool);
	int r = v->flags & TOOL_MONITOR ? 0 : tool_attach(tool);
	if (r == -ENOENT)
		return fail_nobody(tool);
	if (r == -ETIMEDOUT)
		return fail_silent(tool);
	if (r < 0)
		return tool_fail(r);
	if (v->flags & TOOL_READS && tool->stoa)
		say_unwell(tool);
	return TOOL_DONE;
}

static int attach_and_run(struct tool *tool, int argc, char **argv)
{
	int status = attach(tool);
	tool->each = tool;
	tool->n_each = 1;
	return status == TOOL_DONE ? tool->verb->run(tool, argc, argv) : status;
}

static int run_each(struct tool *tool, const struct place *live, size_t n, int argc, char **argv)
{
	int worst = TOOL_DONE;
	for (size_t i = 0; i < n; i++) {
		tool->namespace = live[i].name;
		out_lead("namespace", live[i].name);
		int status = attach_and_run(tool, argc, argv);
		tool_detach(tool);
		worst = status > worst ? status : worst;
	}
	out_lead(NULL, NULL);
	return worst;
}

/* What cannot be attached to was told, and the others are looked at all the same. */
static int run_together(struct tool *tool, const struct place *live, size_t n, int argc, char **argv)
{
	int worst = TOOL_DONE;
	tool->n_each = 0;
	tool->each = calloc(n, sizeof(*tool->each));
	if (!tool->each)
		return tool_refuse("out of memory");
	for (size_t i = 0; i < n; i++) {
		struct tool *one = &tool->each[tool->n_each];
		*one = *tool;
		one->namespace = live[i].name;
		int status = attach(one);
		tool->n_each += status == TOOL_DONE;
		worst = status > worst ? status : worst;
	}
	int status = tool->n_each ? tool->verb->run(tool, argc, argv) : worst;
	for (size_t i = 0; i < tool->n_each; i++)
		tool_detach(&tool->each[i]);
	free(tool->each);
	return status > worst ? status : worst;
}

static int run_all(struct tool *tool, int argc, char **argv)
{
	struct live live;
	if (tool->namespace && tool->namespace != getenv("STOA_NAMESPACE"))
		return tool_misuse(tool, "-a is for all namespaces, and -n for one");
	int r = find_live(true, &live);
	if (r < 0)
		return tool_refuse("cannot look for namespaces: %s", strerror(-r));
	int status = live.n == 0 ? TOOL_GONE
		     : tool->verb->flags & TOOL_TOGETHER ? run_together(tool, live.places, live.n, argc, argv)
							 : run_each(tool, live.places, live.n, argc, argv);
	if (live.n == 0)
		tool_refuse("no namespace is live");
	tool->namespace = NULL;
	free(live.places);
	return status;
}

static int run_with(struct tool *tool, int argc, char **argv)
{
	const struct verb *v = tool->verb;
	if (tool->keeps && v->flags & TOOL_LONG)
		return tool_misuse(tool, "%s runs on, and is no verb for stoa -", v->name);
	if (argc < v->least || argc > v->most)
		return tool_misuse(tool, "%s takes %s; there %s %d operand%s", v->name,
				   *v->operands ? v->operands : "no operands", argc == 1 ? "is" : "are", argc,
				   argc == 1 ? "" : "s");
	if (tool->all && !(v->flags & TOOL_ALL))
		return tool_misuse(tool, "-a is not for this verb");
	if (v->flags & TOOL_ALONE)
		return v->run(tool, argc, argv);
	if (tool->all)
		return run_all(tool, argc, argv);
	int status = choose(tool);
	return status == TOOL_DONE ? attach_and_run(tool, argc, argv)
	       : v->flags & TOOL_MONITOR ? TOOL_UNKNOWN
					 : status;
}

int tool_run(struct tool *tool, int argc, char **argv)
{
	int at, status;
	tool->verb = NULL;
	tool->verb = find_verb(tool, argv[0]);
	if (!tool->verb)
		return TOOL_USAGE;
	memset(tool->given, 0, sizeof(tool->given));
	if (!options_read(tool, argc, argv, &at, &status))
		return status;
	if (!tool->keeps)
		out_init(tool->json ? OUT_JSON : OUT_TEXT, out_to());
	return run_with(tool, argc - at, argv + at);
}

/* For who types it as another program has it. */
static int help(const struct tool *tool, int argc, char **argv)
{
	const struct verb *verb = argc > 1 ? find_verb(tool, argv[1]) : NULL;
	if (argc > 1 && !verb)
		return TOOL_USAGE;
	tool_print_help(verb);
	return TOOL_DONE;
}

int tool_command_line(struct tool *tool, int argc, char **argv)
{
	int at, status;
	if (!options_read(tool, argc, argv, &at, &status))
		return status;
	if (at == argc)
		return tool_misuse(tool, "a verb is missing");
	if (strcmp(argv[at], "help") == 0)
		return help(tool, argc - at, argv + at);
	status = tool_run(tool, argc - at, argv + at);
	tool_detach(tool);
	return status;
}
