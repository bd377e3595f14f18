/*
 * call.c: stoa call and stoa cast, a method with arguments by its table.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/any.h"
#include "tools/output.h"
#include "tools/tool.h"
#include "tools/value.h"

/* Field i, or the struct stoa_any that begins there: whatever has the value. NULL: it has none. */
static const struct stoa_attr *shown(const struct stoa_struct *s, uint32_t i, const char *values)
{
	return any_at(s, i) ? any_field(s, i, values) : &s->attrs[i];
}

static uint32_t n_shown(const struct stoa_struct *s)
{
	uint32_t n = 0;
	for (uint32_t i = 0; s && i < s->n_attrs; i += any_size(s, i))
		n++;
	return n;
}

static void print_json(const struct stoa_struct *s, const char *values)
{
	bool alone = out_style() == OUT_ANSWER && n_shown(s) == 1;
	char name[STOA_NAME_MAX + 1];
	if (!alone)
		out_begin(OUT_PLAIN);
	for (uint32_t i = 0; s && i < s->n_attrs; i += any_size(s, i)) {
		const struct stoa_attr *a = shown(s, i, values);
		snprintf(name, sizeof(name), "%.*s", any_name(s, i), s->attrs[i].name);
		if (a)
			out_value(name, a, values + a->offset);
		else
			out_null(name);
	}
	if (!alone)
		out_end();
}

/* One field bare, if it has a value; several with their names, a line each. */
static void print_result(const struct stoa_struct *s, const char *values)
{
	bool bare = n_shown(s) == 1;
	for (uint32_t i = 0; s && i < s->n_attrs; i += any_size(s, i)) {
		const struct stoa_attr *a = shown(s, i, values);
		if (!bare)
			fprintf(out_to(), "%.*s: ", any_name(s, i), s->attrs[i].name);
		if (a)
			value_print(out_to(), a, values + a->offset, bare ? VALUE_BARE : VALUE_SHOWN);
		else if (!bare)
			fputs("null", out_to());
		if (a || !bare)
			fputc('\n', out_to());
	}
}

/* An empty queue has no first, which is no empty text either: in the shell the exit status tells. */
static bool is_nothing(const struct stoa_struct *s, const char *values)
{
	return out_style() != OUT_ANSWER && n_shown(s) == 1 && !shown(s, 0, values);
}

static int print(int r, const struct stoa_method *method, const void *result)
{
	if (r < 0)
		return tool_fail(r);
	if (out_json())
		print_json(method->ret, result);
	else
		print_result(method->ret, result);
	return is_nothing(method->ret, result) ? TOOL_NOTHING : TOOL_DONE;
}

static int submit(struct tool *tool, struct stoa_proxy *proxy, const struct stoa_method *method, const void *args,
		  void *result)
{
	struct tool_sent *sent = tool->sent;
	*sent = (struct tool_sent){ .stoa = tool->stoa, .method = method, .result = result, .timeout = tool->timeout };
	int r = stoa_submit(proxy, method, args, result, result, tool->timeout, &sent->ticket);
	if (r == 0)
		return TOOL_SENT;
	tool_free_struct(method->ret, result);
	return tool_fail(r);
}

static int call(struct tool *tool, struct stoa_proxy *proxy, const struct stoa_method *method, const void *args)
{
	void *result = tool_new_struct(method->ret);
	if (!result)
		return TOOL_REFUSED;
	if (tool->sent)
		return submit(tool, proxy, method, args, result);
	int status = print(stoa_call(proxy, method, args, result, tool->timeout), method, result);
	tool_free_struct(method->ret, result);
	return status;
}

int tool_await(struct tool_sent *sent)
{
	int r = stoa_await(sent->stoa, sent->ticket, sent->timeout);
	int status = print(r, sent->method, sent->result);
	if (r == -ETIMEDOUT || r == -ECONNRESET)
		stoa_cancel(sent->stoa, sent->result); /* a late answer has nowhere to go */
	tool_free_struct(sent->method->ret, sent->result);
	return status;
}

static int cast(struct tool *tool, struct stoa_proxy *proxy, const struct stoa_method *method, const void *args)
{
	int r = stoa_cast(proxy, method, args, tool->timeout);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

typedef int send_function(struct tool *, struct stoa_proxy *, const struct stoa_method *, const void *);

static int send(struct tool *tool, struct stoa_proxy *proxy, send_function *how, int argc, char **argv)
{
	char whose[2 * STOA_NAME_MAX + 32];
	const struct stoa_class *cls = stoa_class_of(proxy);
	const struct stoa_method *method = tool_find_method(cls, argv[1]);
	if (!method)
		return TOOL_REFUSED;
	snprintf(whose, sizeof(whose), "method %s of class %s", method->name, cls->name);
	void *args = tool_read_arguments(method->args, whose, true, argc - 2, argv + 2);
	if (!args)
		return TOOL_REFUSED;
	int status = how(tool, proxy, method, args);
	tool_free_struct(method->args, args);
	return status;
}

static int open_and_send(struct tool *tool, send_function *how, int argc, char **argv)
{
	char object[STOA_NAME_MAX + 1];
	const char *method;
	struct stoa_proxy *proxy;
	if (tool_split(argv[0], object, &method))
		return tool_misuse(tool, "no object has a dot in its name; did you mean %s %s %s?", tool->verb->name, object,
				   method);
	int status = tool_open(tool, argv[0], &proxy);
	if (status != TOOL_DONE)
		return status;
	status = send(tool, proxy, how, argc, argv);
	tool_close(tool, proxy);
	return status;
}

static int run_call(struct tool *tool, int argc, char **argv) { return open_and_send(tool, call, argc, argv); }

static int run_cast(struct tool *tool, int argc, char **argv) { return open_and_send(tool, cast, argc, argv); }

#define SENDS .operands = "OBJECT METHOD [ARGUMENT]...", .flags = TOOL_VALUES, .least = 2, .most = INT_MAX
#define ARGUMENTS_TEXT "Arguments are given in order, or as NAME=VALUE.\n" TOOL_VALUES_TEXT

const struct verb verb_call = {
	.name = "call",
	.run = run_call,
	.example = "call hits add 10",
	.doc = "call a method and print its result",
	.more = ARGUMENTS_TEXT
		"Exit status 4, and no line: the result has no value, as of a get from an empty queue.\n",
	SENDS,
};

const struct verb verb_cast = {
	.name = "cast",
	.run = run_cast,
	.example = "cast hits add 10",
	.doc = "send a call, and do not wait for its answer",
	.more = ARGUMENTS_TEXT,
	SENDS,
};
