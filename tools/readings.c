/*
 * readings.c: see readings.h.
 */
#include "tools/readings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reading *readings_find(const struct readings *r, const char *object)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->all[i]->object, object) == 0)
			return r->all[i];
	return NULL;
}

static struct reading *new_reading(struct readings *r)
{
	if (r->n == r->room) {
		struct reading **more = realloc(r->all, (r->room = 2 * r->room + 8) * sizeof(*more));
		if (!more)
			return NULL;
		r->all = more;
	}
	struct reading *one = calloc(1, sizeof(*one));
	if (one)
		r->all[r->n++] = one;
	return one;
}

static int add_object(struct readings *r, struct tool *tool, const char *object, struct stoa_proxy *proxy)
{
	struct reading *one = new_reading(r);
	if (!one) {
		tool_close(tool, proxy);
		return tool_refuse("out of memory");
	}
	snprintf(one->object, sizeof(one->object), "%s", object);
	one->proxy = proxy;
	one->cls = stoa_class_of(proxy);
	one->state = tool_new_struct(one->cls->state);
	return one->state ? TOOL_DONE : TOOL_REFUSED;
}

/* ---- by pattern ---- */

struct matching {
	struct readings *readings;
	struct tool *tool;
	size_t n;
	int status;
};

static int add_match(void *data, const char *object, const struct stoa_class *cls)
{
	struct matching *m = data;
	struct stoa_proxy *proxy;
	(void)cls;
	m->n++;
	if (readings_find(m->readings, object))
		return 0;
	/* It may be gone again: then it does not match. */
	if (tool_try_open(m->tool, object, &proxy) == 0)
		m->status = add_object(m->readings, m->tool, object, proxy);
	return m->status != TOOL_DONE;
}

static int add_matching(struct readings *r, struct tool *tool, const char *pattern)
{
	struct matching m = { .readings = r, .tool = tool, .status = TOOL_DONE };
	r->patterns = true;
	int e = stoa_list(tool->stoa, pattern, add_match, &m);
	if (e < 0)
		return tool_fail(e);
	return m.n ? m.status : tool_refuse("no object of namespace %s is like \"%s\"", tool->namespace, pattern);
}

int readings_add(struct readings *r, struct tool *tool, const char *pattern)
{
	struct stoa_proxy *proxy;
	if (tool_is_pattern(pattern))
		return add_matching(r, tool, pattern);
	if (readings_find(r, pattern))
		return TOOL_DONE;
	int status = tool_open(tool, pattern, &proxy);
	return status == TOOL_DONE ? add_object(r, tool, pattern, proxy) : status;
}

/* ---- reading ---- */

/* Attribute by attribute; the stamp is that of the newest. */
static int peek_one(struct reading *one)
{
	const struct stoa_struct *s = one->cls->state;
	struct stoa_stamp at;
	one->at = (struct stoa_stamp){ 0 };
	for (uint32_t i = 0; i < s->n_attrs; i++) {
		const struct stoa_attr *a = &s->attrs[i];
		int r = stoa_peek(one->proxy, a->offset, (char *)one->state + a->offset, a->size, &at);
		if (r < 0)
			return r;
		one->at = at.version > one->at.version ? at : one->at;
	}
	return 0;
}

static int take_together(struct readings *r, int64_t timeout)
{
	struct stoa_proxy **proxies = calloc(r->n, sizeof(*proxies));
	void **states = calloc(r->n, sizeof(*states));
	struct stoa_stamp *stamps = calloc(r->n, sizeof(*stamps));
	int e = proxies && states && stamps ? 0 : -ENOMEM;
	for (size_t i = 0; e == 0 && i < r->n; i++) {
		proxies[i] = r->all[i]->proxy;
		states[i] = r->all[i]->state;
	}
	e = e ? e : stoa_snapshot_many(r->n, proxies, states, timeout, stamps);
	for (size_t i = 0; e == 0 && i < r->n; i++)
		r->all[i]->at = stamps[i];
	free(proxies);
	free(states);
	free(stamps);
	return e;
}

int readings_take(struct readings *r, const struct tool *tool, bool peek)
{
	int e = 0;
	for (size_t i = 0; peek && e == 0 && i < r->n; i++)
		e = peek_one(r->all[i]);
	/* Of one alone the library's message names it. */
	if (!peek && r->n == 1)
		e = stoa_snapshot(r->all[0]->proxy, r->all[0]->state, r->all[0]->cls->state->size, tool->timeout,
				  &r->all[0]->at);
	else if (!peek && r->n > 1)
		e = take_together(r, tool->timeout);
	return e;
}

bool readings_gone(const struct readings *r, int code)
{
	return code == -ESTALE && r->patterns;
}

void readings_fini(struct readings *r, struct tool *tool)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->all[i]->state)
			tool_free_struct(r->all[i]->cls->state, r->all[i]->state);
		tool_close(tool, r->all[i]->proxy);
		free(r->all[i]);
	}
	free(r->all);
	*r = (struct readings){ 0 };
}
