/*
 * evict.c: stoa evict, a client that misbehaves is detached.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "include/stoa/observe.h"
#include "tools/output.h"
#include "tools/tool.h"

/* What the number is, of those who are attached. */
struct meant {
	uint32_t number;
	struct stoa_attached by_pid, by_client; /* pid 0: none */
};

static int look(void *data, const struct stoa_attached *a)
{
	struct meant *m = data;
	if (a->pid == m->number)
		m->by_pid = *a;
	if (a->tid && a->client == m->number)
		m->by_client = *a;
	return 0;
}

static bool read_number(const char *text, uint32_t *ret)
{
	char *end;
	errno = 0;
	uintmax_t n = strtoumax(text, &end, 10);
	*ret = (uint32_t)n;
	return *text >= '0' && *text <= '9' && !*end && errno == 0 && n <= INT32_MAX;
}

/* NULL: it was said why. */
static const struct stoa_attached *choose(const struct tool *tool, const struct meant *m)
{
	if (tool_option(tool, "pid") || m->by_pid.pid == m->by_client.pid || !m->by_client.pid) {
		if (m->by_pid.pid)
			return &m->by_pid;
		tool_refuse("no client %u is attached to namespace %s; stoa clients shows who is", m->number,
			    tool->namespace);
		return NULL;
	}
	if (!m->by_pid.pid)
		return &m->by_client;
	tool_refuse("%u is the pid of %s and a client number of %s; say --pid %u, or %u", m->number, m->by_pid.name,
		    m->by_client.name, m->number, m->by_client.pid);
	return NULL;
}

static int evict(struct tool *tool, int argc, char **argv)
{
	struct meant meant = { 0 };
	(void)argc;
	if (!read_number(argv[0], &meant.number))
		return tool_misuse(tool, "%s is neither a pid nor a client number, as stoa clients shows them",
				   argv[0]);
	int r = stoa_clients(tool->stoa, look, &meant);
	if (r < 0)
		return tool_fail(r);
	const struct stoa_attached *who = choose(tool, &meant);
	if (!who)
		return TOOL_REFUSED;
	r = stoa_evict(tool->stoa, (pid_t)who->pid, tool->timeout);
	if (r < 0)
		return tool_fail(r);
	if (out_json()) {
		out_begin(OUT_PLAIN);
		out_uint("evicted", who->pid);
		out_text("name", who->name);
		out_end();
	}
	return TOOL_DONE;
}

static const struct verb_option options[] = {
	{ .name = "pid", .doc = "it is a pid, though it is another's client number, too" },
	{ 0 },
};

const struct verb verb_evict = {
	.name = "evict",
	.run = evict,
	.operands = "CLIENT",
	.example = "evict 4711",
	.doc = "detach a client that misbehaves, and keep it out",
	.more = "CLIENT is a pid, or a client number, as stoa clients shows them: the whole process is meant. What it had queued\n"
		"is applied, and nothing more. It goes on without stoa, and may not come back before it ends.\n",
	.options = options,
	.flags = TOOL_BRIEF,
	.least = 1,
	.most = 1,
};
