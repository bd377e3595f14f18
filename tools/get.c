/*
 * get.c: stoa get, bare values of attributes; several are read at one moment.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/tool.h"
#include "tools/value.h"

struct wanted {
	char object[STOA_NAME_MAX + 1];
	struct stoa_proxy *proxy;
	const struct stoa_attr *attr;
};

static int find(const struct tool *tool, const char *text, struct wanted *w)
{
	const char *name;
	if (!tool_split(text, w->object, &name))
		return tool_misuse(tool, "%s is not OBJECT.ATTRIBUTE", text);
	int r = tool_open(tool, w->object, &w->proxy);
	if (r < 0)
		return tool_fail(r);
	w->attr = tool_find_attr(stoa_class_of(w->proxy), name);
	return w->attr ? TOOL_DONE : TOOL_REFUSED;
}

static void print(const struct tool *tool, const struct wanted *w, const void *value)
{
	bool json = tool->flags & TOOL_JSON;
	if (json)
		printf("{\"object\":\"%s\",\"attribute\":\"%s\",\"value\":", w->object, w->attr->name);
	value_print(stdout, w->attr, value, json ? VALUE_JSON : VALUE_BARE);
	puts(json ? "}" : "");
}

static int get_one(const struct tool *tool, const struct wanted *w)
{
	void *value = calloc(1, w->attr->size + 1u);
	if (!value)
		return tool_refuse("out of memory");
	int r = tool->flags & TOOL_PEEK
			? stoa_peek(w->proxy, w->attr->offset, value, w->attr->size, NULL)
			: stoa_get(w->proxy, w->attr->offset, value, w->attr->size, tool->timeout, NULL);
	int status = r < 0 ? tool_fail(r) : TOOL_DONE;
	if (r == 0)
		print(tool, w, value);
	value_fini(w->attr, value);
	free(value);
	return status;
}

static int get_many(const struct tool *tool, const struct wanted *w, size_t n, struct stoa_proxy **proxies,
		    void **states)
{
	bool good = true;
	for (size_t i = 0; i < n && good; i++) {
		proxies[i] = w[i].proxy;
		states[i] = tool_new_struct(stoa_class_of(w[i].proxy)->state);
		good = states[i] != NULL;
	}
	int r = good ? stoa_snapshot_many(n, proxies, states, tool->timeout, NULL) : 0;
	for (size_t i = 0; i < n; i++) {
		if (good && r == 0)
			print(tool, &w[i], (char *)states[i] + w[i].attr->offset);
		tool_free_struct(stoa_class_of(w[i].proxy)->state, states[i]);
	}
	return r < 0 ? tool_fail(r) : good ? TOOL_DONE : TOOL_REFUSED;
}

static int get_together(const struct tool *tool, const struct wanted *w, size_t n)
{
	struct stoa_proxy **proxies = calloc(n, sizeof(*proxies));
	void **states = calloc(n, sizeof(*states));
	int status = proxies && states ? get_many(tool, w, n, proxies, states) : tool_refuse("out of memory");
	free(proxies);
	free(states);
	return status;
}

static int get(const struct tool *tool, const struct wanted *w, size_t n)
{
	int status = TOOL_DONE;
	if (n > 1 && !(tool->flags & TOOL_PEEK))
		return get_together(tool, w, n);
	for (size_t i = 0; status == TOOL_DONE && i < n; i++)
		status = get_one(tool, &w[i]);
	return status;
}

int verb_get(struct tool *tool, int argc, char **argv)
{
	struct wanted *w = calloc((size_t)argc, sizeof(*w));
	int status = w ? TOOL_DONE : tool_refuse("out of memory");
	for (int i = 0; status == TOOL_DONE && i < argc; i++)
		status = find(tool, argv[i], &w[i]);
	if (status == TOOL_DONE)
		status = get(tool, w, (size_t)argc);
	for (int i = 0; w && i < argc; i++)
		stoa_close(w[i].proxy);
	free(w);
	return status;
}
