/*
 * clients.c: stoa clients, who is attached, and what they wait for.
 */
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/observe.h"
#include "tools/output.h"
#include "tools/tool.h"

static const char *const waits[] = { [STOA_WAITS_ANSWER] = "an answer", [STOA_WAITS_ROOM] = "room" };

static void print_user(uint32_t uid)
{
	const struct passwd *pw = out_json() || uid == UINT32_MAX ? NULL : getpwuid(uid);
	if (uid == UINT32_MAX)
		out_null(out_json() ? "uid" : "user");
	else if (pw)
		out_text("user", pw->pw_name);
	else
		out_uint(out_json() ? "uid" : "user", uid);
}

static void print_name(const struct stoa_attached *a)
{
	char name[40];
	snprintf(name, sizeof(name), "%s%s%s", a->name, *a->thread && strcmp(a->name, a->thread) ? "/" : "",
		 strcmp(a->name, a->thread) ? a->thread : "");
	if (out_json())
		out_text("name", a->name);
	else
		out_text("name", name);
	if (out_json())
		out_text("thread", a->tid ? a->thread : NULL);
}

static void print_thread(const struct stoa_attached *a)
{
	if (a->tid) {
		out_uint("tid", a->tid);
		out_uint("client", a->client);
	} else {
		out_null("tid");
		out_null("client");
	}
}

static void print_oldest(const struct stoa_attached *a)
{
	char what[2 * STOA_NAME_MAX + 64], age[32] = "";
	if (out_json()) {
		out_text("oldest_object", *a->object ? a->object : NULL);
		out_text("oldest_row", *a->row ? a->row : NULL);
		if (a->pending)
			out_uint("oldest_ticket", a->oldest_ticket);
	}
	if (out_json() && a->pending && a->oldest_ns >= 0)
		out_duration("oldest", a->oldest_ns);
	if (out_json())
		return;
	if (a->oldest_ns >= 0)
		out_print_duration(age, sizeof(age), a->oldest_ns);
	snprintf(what, sizeof(what), "%s%s%s%s%s", *a->object ? a->object : "?", *a->row ? "." : "", a->row,
		 *age ? ", " : "", age);
	out_text("oldest", a->pending ? what : NULL);
}

static void print_waits(const struct stoa_attached *a)
{
	char what[STOA_NAME_MAX + 64], age[32];
	const char *on = a->waits == STOA_WAITS_OBJECT ? (*a->waits_for ? a->waits_for : "an object") : waits[a->waits];
	out_print_duration(age, sizeof(age), a->waits_ns);
	snprintf(what, sizeof(what), "%s, %s", on ? on : "", age);
	if (!out_json()) {
		out_text("waits for", a->evicted ? "its end, evicted" : a->waits == STOA_WAITS_NOT ? NULL : what);
		return;
	}
	out_text("waits_for", a->waits == STOA_WAITS_NOT ? NULL : on);
	if (a->waits != STOA_WAITS_NOT)
		out_duration("waits", a->waits_ns);
}

static int print(void *data, const struct stoa_attached *a)
{
	(void)data;
	if (a->pid == (uint32_t)getpid() && a->read_only) /* ourselves */
		return 0;
	out_begin(OUT_HEADED);
	out_uint("pid", a->pid);
	print_thread(a);
	print_name(a);
	print_user(a->uid);
	out_time("since", a->since_ns);
	if (out_json()) {
		out_bool("read_only", a->read_only);
		out_bool("evicted", a->evicted);
	}
	out_uint("pushed", a->pushed);
	out_uint("rejected", a->rejected);
	out_uint("pending", a->pending);
	print_oldest(a);
	print_waits(a);
	out_end();
	return 0;
}

static int clients(struct tool *tool, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	out_many();
	int r = stoa_clients(tool->stoa, print, NULL);
	return r < 0 ? tool_fail(r) : TOOL_DONE;
}

const struct verb verb_clients = {
	.name = "clients",
	.run = clients,
	.operands = "",
	.example = "clients",
	.doc = "who is attached, what they have queued, and what they wait for",
	.more = "A line for each thread that has written, or process that has none. What is pending and waited for is told\n"
		"to the coordinator's own user. This program is not shown; who was evicted is, until it ends.\n",
	.flags = TOOL_READS | TOOL_ALL,
};
