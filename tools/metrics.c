/*
 * metrics.c: stoa metrics, the numbers of a namespace for Prometheus: its health, what was counted, and the users' own
 * attributes. Samples of one metric stand together, as the format wants it.
 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/exposition.h"
#include "tools/look.h"
#include "tools/output.h"

#define METRIC_NAME (2 * STOA_NAME_MAX + 16)

/* What objects are asked for. */
struct chosen {
	int n;
	char **patterns;
};

static bool is_chosen(const struct chosen *c, const char *object)
{
	for (int i = 0; i < c->n; i++)
		if (fnmatch(c->patterns[i], object, 0) == 0)
			return true;
	return c->n == 0;
}

/* ---- the namespace ---- */

static double seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static void print_uint(const struct tool *tool, const char *name, const char *type, const char *help, uint64_t n)
{
	const struct metric m = { name, type, help };
	exposition_begin(&m);
	exposition_uint(&m, "", (struct label[EXPOSITION_LABELS]){ { "namespace", tool->namespace } }, n);
}

static void print_real(const struct tool *tool, const char *name, const char *help, double n)
{
	const struct metric m = { name, "gauge", help };
	exposition_begin(&m);
	exposition_real(&m, "", (struct label[EXPOSITION_LABELS]){ { "namespace", tool->namespace } }, n);
}

static void print_commands(const struct tool *t, const struct stoa_health *h)
{
	print_uint(t, "stoa_commands_pushed_total", "counter", "Commands that were queued.", h->pushed);
	print_uint(t, "stoa_commands_applied_total", "counter", "Commands that were applied.", h->applied);
	print_uint(t, "stoa_commands_rejected_total", "counter", "Commands that were not applied, and why is known.",
		   h->rejected);
	print_uint(t, "stoa_commands_abandoned_total", "counter", "Commands that a stop abandoned.", h->abandoned);
	print_uint(t, "stoa_casts_folded_total", "counter", "Casts that joined a command which was queued already.",
		   h->folded);
	print_uint(t, "stoa_commands_queued", "gauge", "Commands in the queue.", h->queued);
}

static void print_health(const struct tool *t, const struct stoa_health *h)
{
	print_uint(t, "stoa_health", "gauge", "0: healthy, 1: suspect, 2: gone.", (uint64_t)h->verdict);
	print_real(t, "stoa_start_time_seconds", "When the namespace was started, since 1970.", seconds(h->started_ns));
	print_real(t, "stoa_heartbeat_age_seconds", "Since the coordinator said that it lives.",
		   seconds(h->heartbeat_age));
	print_real(t, "stoa_running_seconds", "How long the method that runs has been running; 0: none does.",
		   seconds(h->running_for));
	print_uint(t, "stoa_restarts_total", "counter", "Restarts of the coordinator.", h->restarts);
	print_uint(t, "stoa_resident_bytes", "gauge", "Memory of the coordinator.", h->resident);
	print_uint(t, "stoa_objects", "gauge", "Objects.", h->objects);
	print_uint(t, "stoa_clients", "gauge", "Processes that are attached.", h->clients);
	print_uint(t, "stoa_threads", "gauge", "Threads that are attached.", h->threads);
}

static void print_barrier(const struct tool *tool, const struct stoa_barrier *b)
{
	const struct metric m = { "stoa_read_wait_seconds", "histogram",
				  "Reads that waited for a pending write, as they say; read-only clients do not." };
	char le[32];
	struct label labels[EXPOSITION_LABELS] = { { "namespace", tool->namespace }, { "le", le } };
	uint64_t sum = 0;
	exposition_begin(&m);
	for (int i = 0; i < STOA_BARRIER_STEPS; i++) {
		sum += b->steps[i].waited;
		if (b->steps[i].below_ns == INT64_MAX)
			strcpy(le, "+Inf");
		else
			snprintf(le, sizeof(le), "%.12g", seconds(b->steps[i].below_ns));
		exposition_uint(&m, "_bucket", labels, sum);
	}
	labels[1].name = NULL;
	exposition_real(&m, "_sum", labels, seconds(b->time_ns));
	exposition_uint(&m, "_count", labels, sum);
}

/* ---- objects, methods, clients ---- */

/* One number of each row. */
struct column {
	struct metric metric;
	size_t at;  /* in struct look_row: a uint64_t */
	bool is_ns; /* it is shown in seconds */
};

#define CALLS(of, what)                                                                                                \
	{ { "stoa_" of "_calls_total", "counter", "Calls " what ", failed ones too." },                                \
	  offsetof(struct look_row, calls),                                                                            \
	  false },                                                                                                     \
		{ { "stoa_" of "_failures_total", "counter", "Calls " what " that were rejected." },                   \
		  offsetof(struct look_row, failed),                                                                   \
		  false },                                                                                             \
		{ { "stoa_" of "_timed_calls_total", "counter", "Calls " what " that were timed, about one of 64." },  \
		  offsetof(struct look_row, timed),                                                                    \
		  false },                                                                                             \
	{                                                                                                              \
		{ "stoa_" of "_timed_seconds_total", "counter", "How long those took that were timed." },              \
			offsetof(struct look_row, time_ns), true                                                       \
	}

static const struct column object_columns[] = { CALLS("object", "of the object"), { { 0 }, 0, false } };
static const struct column method_columns[] = { CALLS("method", "of the method"), { { 0 }, 0, false } };
static const struct column client_columns[] = {
	{ { "stoa_client_commands_total", "counter", "Commands of the thread." },
	  offsetof(struct look_row, calls),
	  false },
	{ { "stoa_client_rejections_total", "counter", "Commands of the thread that were rejected." },
	  offsetof(struct look_row, failed),
	  false },
	{ { "stoa_client_commands_queued", "gauge", "Commands of the thread in the queue." },
	  offsetof(struct look_row, pending),
	  false },
	{ { 0 }, 0, false },
};

static void print_cell(const struct tool *tool, const struct column *c, const struct look_row *row, enum look_of of)
{
	char pid[16], tid[16];
	struct label labels[EXPOSITION_LABELS] = { { "namespace", tool->namespace } };
	uint64_t n;
	memcpy(&n, (const char *)row + c->at, sizeof(n));
	snprintf(pid, sizeof(pid), "%u", row->pid);
	snprintf(tid, sizeof(tid), "%u", row->tid);
	if (of == LOOK_CLIENTS) {
		labels[1] = (struct label){ "pid", pid };
		labels[2] = (struct label){ "tid", tid };
		labels[3] = (struct label){ "program", row->program };
	} else {
		labels[1] = (struct label){ "class", row->class_name };
		labels[2] = of == LOOK_OBJECTS ? (struct label){ "object", row->name }
					       : (struct label){ "method", row->method };
	}
	if (c->is_ns)
		exposition_real(&c->metric, "", labels, seconds((int64_t)n));
	else
		exposition_uint(&c->metric, "", labels, n);
}

static void print_rows(const struct tool *tool, const struct chosen *chosen, const struct look_table *t,
		       const struct column *c, enum look_of of)
{
	for (; c->metric.name; c++) {
		exposition_begin(&c->metric);
		for (size_t i = 0; i < t->n; i++)
			if (of != LOOK_OBJECTS || is_chosen(chosen, t->rows[i].name))
				print_cell(tool, c, &t->rows[i], of);
	}
}

/* ---- the users' own attributes ---- */

struct sample {
	char metric[METRIC_NAME], object[STOA_NAME_MAX + 1], *attr, *help;
	struct stoa_attr row;
	uint64_t value;
};

struct samples {
	struct tool *tool;
	const struct chosen *chosen;
	struct sample *all;
	size_t n, room;
	int error;
};

static struct sample *add_sample(struct samples *s)
{
	if (s->n == s->room) {
		struct sample *more = realloc(s->all, (s->room = 2 * s->room + 64) * sizeof(*more));
		if (!more)
			return NULL;
		s->all = more;
	}
	s->all[s->n] = (struct sample){ 0 };
	return &s->all[s->n++];
}

static int help_of(const struct stoa_class *cls, const struct stoa_attr *a, char **ret)
{
	int n = asprintf(ret, "%s.%s%s%s%s%s", cls->name, a->name, a->doc ? ": " : "", a->doc ? a->doc : "",
			 a->unit ? ", in " : "", a->unit ? a->unit : "");
	if (n < 0)
		*ret = NULL;
	return n < 0 ? -ENOMEM : 0;
}

/* As last committed: a monitor waits for nobody. */
static int take_attr(struct samples *s, struct stoa_proxy *proxy, const char *object, const struct stoa_attr *a)
{
	const struct stoa_class *cls = stoa_class_of(proxy);
	struct sample *one = add_sample(s);
	int r = one ? stoa_peek(proxy, a->offset, &one->value, a->size, NULL) : -ENOMEM;
	if (r < 0)
		return r;
	exposition_name(one->metric, sizeof(one->metric), "stoa_attr", cls->name, a->name);
	snprintf(one->object, sizeof(one->object), "%s", object);
	one->row = *a;
	one->attr = strdup(a->name);
	r = help_of(cls, a, &one->help);
	return one->attr ? r : -ENOMEM;
}

static bool is_number(const struct stoa_attr *a)
{
	return a->kind <= STOA_BOOL && a->rank == 0;
}

/* Gone again: then it has no values, and what was read of it so far is of a moment before. */
static int take_object(void *data, const char *object, const struct stoa_class *described)
{
	struct samples *s = data;
	struct stoa_proxy *proxy;
	(void)described;
	if (!is_chosen(s->chosen, object))
		return 0;
	int r = tool_try_open(s->tool, object, &proxy);
	if (r < 0) {
		s->error = r == -ENOENT || r == -ESTALE ? 0 : r;
		return s->error;
	}
	const struct stoa_struct *state = stoa_class_of(proxy)->state;
	for (uint32_t i = 0; r == 0 && i < state->n_attrs; i++)
		if (is_number(&state->attrs[i]))
			r = take_attr(s, proxy, object, &state->attrs[i]);
	tool_close(s->tool, proxy);
	if (r == -ESTALE)
		free(s->all[--s->n].attr);
	s->error = r == -ESTALE ? 0 : r;
	return s->error;
}

static int compare(const void *a, const void *b)
{
	const struct sample *one = a, *other = b;
	int r = strcmp(one->metric, other->metric);
	r = r ? r : strcmp(one->object, other->object);
	return r ? r : strcmp(one->attr, other->attr);
}

/* By its name, as Prometheus has it; all else may sink. */
static const char *type_of(const char *metric)
{
	size_t n = strlen(metric);
	return n > 6 && strcmp(metric + n - 6, "_total") == 0 ? "counter" : "gauge";
}

static void print_samples(const struct tool *tool, struct samples *s)
{
	if (s->n)
		qsort(s->all, s->n, sizeof(*s->all), compare);
	for (size_t i = 0; i < s->n; i++) {
		const struct sample *one = &s->all[i];
		const struct metric m = { one->metric, type_of(one->metric), one->help };
		if (i == 0 || strcmp(one->metric, one[-1].metric))
			exposition_begin(&m);
		exposition_value(&m, "",
				 (struct label[EXPOSITION_LABELS]){ { "namespace", tool->namespace },
								    { "object", one->object },
								    { "attribute", one->attr } },
				 &one->row, &one->value);
	}
}

static int print_attributes(struct tool *tool, const struct chosen *chosen)
{
	struct samples s = { .tool = tool, .chosen = chosen };
	int r = stoa_list(tool->stoa, NULL, take_object, &s);
	r = r < 0 ? r : s.error;
	if (r == 0)
		print_samples(tool, &s);
	for (size_t i = 0; i < s.n; i++) {
		free(s.all[i].attr);
		free(s.all[i].help);
	}
	free(s.all);
	return r;
}

/* ---- all of it ---- */

static int print_one(struct tool *tool, const struct chosen *chosen)
{
	struct look l;
	int r = look_take(&l, tool);
	if (r == 0) {
		print_health(tool, &l.health);
		print_commands(tool, &l.health);
		print_barrier(tool, &l.barrier);
		print_rows(tool, chosen, &l.of[LOOK_OBJECTS], object_columns, LOOK_OBJECTS);
		print_rows(tool, chosen, &l.of[LOOK_METHODS], method_columns, LOOK_METHODS);
		if (!tool_option(tool, "no-clients"))
			print_rows(tool, chosen, &l.of[LOOK_CLIENTS], client_columns, LOOK_CLIENTS);
		if (!tool_option(tool, "no-attributes"))
			r = print_attributes(tool, chosen);
	}
	look_fini(&l);
	return r;
}

static int count_one(void *data, const char *object, const struct stoa_class *cls)
{
	(void)object;
	(void)cls;
	++*(size_t *)data;
	return 1;
}

/* Each pattern is to choose an object, in some namespace. A status. */
static int check_chosen(const struct tool *tool, const struct chosen *chosen)
{
	for (int i = 0; i < chosen->n; i++) {
		size_t n = 0;
		int r = 0;
		for (size_t k = 0; r == 0 && n == 0 && k < tool->n_each; k++)
			r = stoa_list(tool->each[k].stoa, chosen->patterns[i], count_one, &n);
		if (r < 0)
			return tool_fail(r);
		if (n == 0)
			return tool_refuse("no object of %s %s is like \"%s\"", tool->all ? "any" : "namespace",
					   tool->all ? "namespace" : tool->namespace, chosen->patterns[i]);
	}
	return TOOL_DONE;
}

static int metrics(struct tool *tool, int argc, char **argv)
{
	const struct chosen chosen = { argc, argv };
	int r = 0, status = check_chosen(tool, &chosen);
	if (status != TOOL_DONE)
		return status;
	out_many();
	for (size_t k = 0; r == 0 && k < tool->n_each; k++)
		r = print_one(&tool->each[k], &chosen);
	int ended = exposition_end();
	r = r ? r : ended;
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

static const struct verb_option options[] = {
	{ .name = "no-attributes", .doc = "without the values of attributes" },
	{ .name = "no-clients", .doc = "without a line for each attached thread" },
	{ 0 },
};

const struct verb verb_metrics = {
	.name = "metrics",
	.run = metrics,
	.operands = "[PATTERN]...",
	.example = "metrics 'web-*' > stoa.prom",
	.doc = "health, statistics and attributes as Prometheus reads them",
	.more = "Its text format, for the textfile collector: write another file, then rename it. Objects may be chosen by\n"
		"PATTERN, as the shell has it: * ? [a-z]. Attributes that are one number, or true or false, are\n"
		"stoa_attr_CLASS_ATTRIBUTE, as last committed: a counter if the name ends in _total, else a gauge.\n",
	.options = options,
	.flags = TOOL_READS | TOOL_ALL | TOOL_TOGETHER,
	.most = INT_MAX,
};
