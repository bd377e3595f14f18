/*
 * clean.c: stoa clean, the end of what dead namespaces have left. What somebody may want goes only with --kept.
 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/leftover.h"
#include "tools/output.h"
#include "tools/tool.h"

struct cleaning {
	struct place *places; /* those that are meant */
	size_t n;
	bool wanted, force;
	size_t n_removed, n_failed;
	uint64_t bytes;
};

/* What the next start would go on with: objects, and commands that were accepted. */
static struct stoa_health holds(const struct place *p, enum leftover kind)
{
	struct stoa_health h = { 0 };
	bool looked = kind != LEFTOVER_HALF && kind != LEFTOVER_DAMAGED && leftover_look(p, &h);
	return looked ? h : (struct stoa_health){ 0 };
}

static void print(const struct place *p, enum leftover kind, const struct stoa_health *h, const char *fate)
{
	out_begin(OUT_HEADED);
	out_text("namespace", p->name);
	out_word("state", leftover_name(kind), kind == LEFTOVER_DAMAGED ? OUT_BAD : OUT_WARN);
	out_size("size", p->bytes);
	out_uint("objects", h->objects);
	out_uint("queued", h->queued);
	out_text("then", fate);
	if (out_json())
		out_text("directory", p->dir);
	out_end();
}

/* What became of it. */
static const char *fate_of(struct cleaning *c, const struct place *p)
{
	int r = leftover_remove(p, c->wanted);
	c->n_removed += r == 0;
	c->bytes += r == 0 ? p->bytes : 0;
	if (r == 0)
		return "removed";
	if (r == -EBUSY || r == -EEXIST)
		return r == -EBUSY ? "stays: it is being started" : "stays: --kept removes it";
	c->n_failed++;
	tool_refuse("cannot remove %s: %s%s", p->dir, strerror(-r),
		    r == -ENOTEMPTY ? "; what is left in it is not of stoa" : "");
	return "stays";
}

static void each(struct cleaning *c, bool remove)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct place *p = &c->places[i];
		enum leftover kind = leftover_kind(p);
		struct stoa_health h = holds(p, kind);
		bool stays = leftover_is_wanted(kind) && !c->wanted;
		print(p, kind, &h, stays ? "stays: --kept removes it" : remove ? fate_of(c, p) : "to be removed");
	}
}

/* Before anything is lost: it need not be. */
static void warn(const struct cleaning *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct place *p = &c->places[i];
		enum leftover kind = leftover_kind(p);
		uint64_t n = holds(p, kind).objects;
		if (n && (c->wanted || !leftover_is_wanted(kind)))
			tool_note("%s has %ju object%s, which would be gone; stoad -n %s goes on with %s", p->name, (uintmax_t)n,
				  n == 1 ? "" : "s", p->name, n == 1 ? "it" : "them");
	}
}

static size_t n_removable(const struct cleaning *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n; i++)
		n += c->wanted || !leftover_is_wanted(leftover_kind(&c->places[i]));
	return n;
}

/* Is there somebody to ask? */
static bool can_ask(void) { return !out_json() && isatty(STDIN_FILENO); }

static bool ask(size_t n)
{
	char line[16];
	out_flush();
	fprintf(stderr, "Remove %zu of them? [y/N] ", n);
	return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static int clean_them(struct cleaning *c)
{
	char size[32];
	size_t n = n_removable(c);
	if (!c->force) {
		each(c, false);
		out_flush();
		warn(c);
		if (n == 0)
			return TOOL_DONE;
		if (!can_ask() || !ask(n)) {
			out_flush();
			tool_note("nothing was removed: --force does it without asking");
			return out_json() || can_ask() ? TOOL_DONE : TOOL_REFUSED;
		}
	}
	out_init(out_style(), out_to());
	out_many();
	each(c, true);
	out_flush();
	out_print_size(size, sizeof(size), c->bytes);
	if (!out_json())
		fprintf(out_to(), "%zu removed, %s\n", c->n_removed, size);
	return c->n_failed ? TOOL_REFUSED : TOOL_DONE;
}

/* ---- which ---- */

static bool is_meant(const char *name, int argc, char **argv)
{
	bool meant = argc == 0;
	for (int i = 0; i < argc; i++)
		meant = meant || fnmatch(argv[i], name, 0) == 0;
	return meant;
}

/* One that was named must be there, and must not be live. */
static int check_named(const struct place *places, size_t n, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		size_t k = 0;
		while (k < n && strcmp(places[k].name, argv[i]) != 0)
			k++;
		if (k < n && places[k].live)
			return tool_refuse("namespace %s is live, of pid %d: not touched; stoa -n %s stop ends it", argv[i],
					   (int)(places[k].coordinator ? places[k].coordinator : places[k].guardian), argv[i]);
		if (k == n && !tool_is_pattern(argv[i]))
			return tool_refuse("nothing is left over of a namespace %s", tool_word(argv[i]));
	}
	return TOOL_DONE;
}

static int clean(struct tool *tool, int argc, char **argv)
{
	struct cleaning c = { .wanted = tool_option(tool, "kept"), .force = tool_option(tool, "force") };
	size_t n;
	int r = places_find(false, &c.places, &n);
	if (r < 0)
		return tool_refuse("cannot look for namespaces: %s", strerror(-r));
	out_many();
	int status = check_named(c.places, n, argc, argv);
	for (size_t i = 0; i < n; i++)
		if (!c.places[i].live && is_meant(c.places[i].name, argc, argv))
			c.places[c.n++] = c.places[i];
	if (status == TOOL_DONE && c.n == 0)
		tool_note("nothing is left over");
	else if (status == TOOL_DONE)
		status = clean_them(&c);
	free(c.places);
	return status;
}

static const struct verb_option options[] = {
	{ .name = "force", .letter = 'f', .doc = "remove without asking" },
	{ .name = "kept", .letter = 'k', .doc = "also state that was to be kept, and what was set aside as damaged" },
	{ 0 },
};

const struct verb verb_clean = {
	.name = "clean",
	.run = clean,
	.operands = "[NAMESPACE]...",
	.example = "clean --force 'test-*'",
	.doc = "remove what is left over from dead namespaces",
	.more = "Of all of this user, or of those named, or like a pattern. It shows them, and asks if somebody is there to\n"
		"answer. Live ones are never touched. Of one that crashed, the next start would take over the state, and\n"
		"apply what is queued.\n",
	.options = options,
	.flags = TOOL_ALONE,
	.most = INT_MAX,
};
