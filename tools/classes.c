/*
 * classes.c: stoa classes, the tables as they were declared.
 */
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"
#include "tools/tool.h"
#include "tools/value.h"

struct listing {
	const struct tool *tool;
	int argc;
	char **argv; /* patterns; none: all */
	bool *seen;  /* each of them */
	size_t n; /* printed */
};

/* ---- for people ---- */

static void print_fields(FILE *to, const struct stoa_struct *s)
{
	char type[VALUE_TYPE_MAX];
	for (uint32_t i = 0; s && i < s->n_attrs; i++)
		fprintf(to, "%s%s:%s%s%s", i ? ", " : "", s->attrs[i].name, value_type(&s->attrs[i], type),
			s->attrs[i].unit ? " " : "", s->attrs[i].unit ? s->attrs[i].unit : "");
}

static char *signature(const struct stoa_method *m)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);
	if (!to)
		return NULL;
	fprintf(to, "  %s(", m->name);
	print_fields(to, m->args);
	fprintf(to, ")");
	if (m->ret && m->ret->n_attrs)
		fprintf(to, " -> ");
	print_fields(to, m->ret);
	fclose(to);
	return text;
}

static const char *or_all(const char *names) { return names && *names ? names : "*"; }

static void print_method(const struct stoa_method *m)
{
	char effect[256], *text = signature(m);
	bool writes = m->writes && *m->writes;
	snprintf(effect, sizeof(effect), "%s%s%s", m->reader ? "reads " : writes ? "writes " : "writes nothing",
		 m->reader ? or_all(m->reads) : writes ? m->writes : "", m->folds ? ", folds" : "");
	out_begin(OUT_PLAIN);
	out_text("method", text);
	out_text("effect", effect);
	out_text("doc", m->doc ? m->doc : "");
	out_end();
	free(text);
}

static void print_attr(const struct stoa_attr *a)
{
	char type[VALUE_TYPE_MAX], name[STOA_NAME_MAX + 3];
	snprintf(name, sizeof(name), "  %s", a->name);
	out_begin(OUT_PLAIN);
	out_text("attribute", name);
	out_text("type", value_type(a, type));
	out_text("unit", a->unit ? a->unit : "");
	out_text("writable", a->writable ? "writable" : "");
	out_text("doc", a->doc ? a->doc : "");
	out_end();
}

static void print_text(const struct tool *tool, const struct stoa_class *cls, uint64_t fingerprint)
{
	if (tool->all)
		fprintf(out_to(), "%s  ", tool->namespace);
	fprintf(out_to(), "%s%s%s: version %u, fingerprint %016" PRIx64 "%s%s\n", out_colour(OUT_BOLD), cls->name,
		out_colour(OUT_NONE), cls->version, fingerprint, cls->doc ? "; " : "", cls->doc ? cls->doc : "");
	for (uint32_t i = 0; i < cls->state->n_attrs; i++)
		print_attr(&cls->state->attrs[i]);
	out_flush();
	for (uint32_t i = 0; cls->methods && cls->methods[i]; i++)
		print_method(cls->methods[i]);
	if (cls->hooks && cls->hooks->init_args) {
		fprintf(out_to(), "  created with (");
		print_fields(out_to(), cls->hooks->init_args);
		fprintf(out_to(), ")\n");
	}
	out_flush();
}

/* ---- for programs ---- */

static void put_fields(const char *name, const struct stoa_struct *s)
{
	char type[VALUE_TYPE_MAX];
	out_open(name, '[');
	for (uint32_t i = 0; s && i < s->n_attrs; i++) {
		out_open(NULL, '{');
		out_text("name", s->attrs[i].name);
		out_text("type", value_type(&s->attrs[i], type));
		out_text("unit", s->attrs[i].unit);
		out_bool("writable", s->attrs[i].writable);
		out_text("doc", s->attrs[i].doc);
		out_close('}');
	}
	out_close(']');
}

static void put_method(const struct stoa_method *m)
{
	out_open(NULL, '{');
	out_text("name", m->name);
	put_fields("args", m->args);
	put_fields("result", m->ret);
	out_text("writes", m->reader ? "" : m->writes ? m->writes : "");
	out_text("reads", m->reader ? or_all(m->reads) : "");
	out_bool("reader", m->reader);
	out_bool("folds", m->folds);
	out_duration("deadline", m->deadline);
	out_text("doc", m->doc);
	out_close('}');
}

static void print_json(const struct stoa_class *cls, uint64_t fingerprint)
{
	char hex[20];
	snprintf(hex, sizeof(hex), "%016" PRIx64, fingerprint);
	out_begin(OUT_PLAIN);
	out_text("class", cls->name);
	out_uint("version", cls->version);
	out_text("fingerprint", hex);
	out_text("doc", cls->doc);
	put_fields("attributes", cls->state);
	out_open("methods", '[');
	for (uint32_t i = 0; cls->methods && cls->methods[i]; i++)
		put_method(cls->methods[i]);
	out_close(']');
	put_fields("init", cls->hooks && cls->hooks->init_args ? cls->hooks->init_args : cls->state);
	out_end();
}

/* ---- which ---- */

static bool is_wanted(struct listing *l, const char *name)
{
	bool wanted = l->argc == 0;
	for (int i = 0; i < l->argc; i++)
		if (fnmatch(l->argv[i], name, 0) == 0)
			wanted = l->seen[i] = true;
	return wanted;
}

static int print(void *data, const struct stoa_class *cls, uint64_t fingerprint)
{
	struct listing *l = data;
	if (!is_wanted(l, cls->name))
		return 0;
	if (!out_json() && l->n++)
		fputc('\n', out_to());
	if (out_json())
		print_json(cls, fingerprint);
	else
		print_text(l->tool, cls, fingerprint);
	return 0;
}

static int classes(struct tool *tool, int argc, char **argv)
{
	struct listing l = { .tool = tool, .argc = argc, .argv = argv, .seen = calloc((size_t)argc + 1, 1) };
	if (!l.seen)
		return tool_refuse("out of memory");
	out_many();
	int r = stoa_classes(tool->stoa, print, &l);
	int status = r < 0 ? tool_fail(r) : TOOL_DONE;
	for (int i = 0; status == TOOL_DONE && i < argc; i++)
		if (!l.seen[i])
			status = tool_fail_class(tool, argv[i]);
	free(l.seen);
	return status;
}

const struct verb verb_classes = {
	.name = "classes",
	.run = classes,
	.operands = "[CLASS]...",
	.example = "classes counter",
	.doc = "the tables of classes, as declared",
	.more = "Attributes; methods with arguments, results, and what they read or write. CLASS may be a pattern.\n"
		"Classes of one fingerprint have the same rows.\n",
	.flags = TOOL_READS | TOOL_ALL,
	.most = INT_MAX,
};
