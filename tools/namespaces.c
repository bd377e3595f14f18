/*
 * namespaces.c: stoa namespaces, what is live on this machine, and what is left over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/leftover.h"
#include "tools/output.h"
#include "tools/places.h"
#include "tools/tool.h"

static void print_state(const struct place *p, const struct stoa_health *h)
{
	enum leftover left = p->live ? LEFTOVER_KEPT : leftover_kind(p);
	if (!p->live)
		out_word("state", leftover_name(left), left == LEFTOVER_DAMAGED ? OUT_BAD : OUT_WARN);
	else if (!h || h->verdict != STOA_HEALTHY)
		out_word("state", "suspect", OUT_BAD);
	else
		out_word("state", "live", OUT_GOOD);
}

static void print_pid(const char *name, pid_t pid)
{
	if (pid > 0)
		out_int(name, pid);
	else
		out_null(name);
}

static void print_uptime(const struct place *p, const struct stoa_health *h)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (p->live && h && h->started_ns)
		out_duration("uptime", (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - h->started_ns);
	else
		out_null("uptime_ns");
}

/* A coordinator that is well has counted this program, too. */
static void print_counts(const struct place *p, const struct stoa_health *h)
{
	if (!h) {
		out_null("clients");
		out_null("objects");
		return;
	}
	out_uint("clients", !p->live ? 0 : h->verdict == STOA_HEALTHY && h->clients ? h->clients - 1 : h->clients);
	out_uint("objects", h->objects);
}

static void print(const struct place *p)
{
	struct stoa_health seen, *h = leftover_look(p, &seen) ? &seen : NULL;
	out_begin(OUT_HEADED);
	out_text("namespace", p->name);
	print_state(p, h);
	print_pid("pid", p->coordinator);
	if (out_json())
		print_pid("guardian", p->guardian);
	print_uptime(p, h);
	out_size("size", p->bytes);
	print_counts(p, h);
	if (out_json())
		out_text("directory", p->dir);
	out_end();
}

static int namespaces(struct tool *tool, int argc, char **argv)
{
	struct place *places;
	size_t n;
	(void)argc;
	(void)argv;
	out_many();
	int r = places_find(tool->all, &places, &n);
	if (r < 0)
		return tool_refuse("cannot look for namespaces: %s", strerror(-r));
	for (size_t i = 0; i < n; i++)
		print(&places[i]);
	free(places);
	return TOOL_DONE;
}

const struct verb verb_namespaces = {
	.name = "namespaces",
	.run = namespaces,
	.operands = "",
	.example = "namespaces -a",
	.doc = "all namespaces of this user, live or left over",
	.more = "live: somebody serves it; suspect: somebody does, but not well. Nobody does: kept, its state was kept\n"
		"for the next start; crashed, its coordinator died; half made; damaged. clean removes them. With -a,\n"
		"also those of other users, as far as they can be seen.\n",
	.flags = TOOL_ALONE | TOOL_ALL,
};
