/*
 * peer_qb.c: libqb's ipc over shared memory (corosync's and pacemaker's) to a serving process with libqb's loop.
 */
#include <errno.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/served.h"
#include "bench/servers.h"
#include "src/clock.h"

#define BYTES 4096
#define TIMEOUT_MS 5000
#define CONNECT_NS INT64_C(5000000000)

struct request {
	struct qb_ipc_request_header head;
	struct ask ask;
};
struct response {
	struct qb_ipc_response_header head;
	char answer[SERVED_ANSWER];
};

static char name[32];
static qb_loop_t *loop;

/* ---- the server ---- */

static int32_t accept_all(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	(void)c;
	(void)uid;
	(void)gid;
	return 0;
}

static int32_t process(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct request *request = data;
	struct response response = { .head = { .id = request->head.id } };
	(void)size;
	size_t n = served_do(&request->ask, response.answer);
	response.head.size = (int32_t)(sizeof(response.head) + n);
	if (n)
		qb_ipcs_response_send(c, &response, (size_t)response.head.size);
	return 0;
}

static int32_t add_job(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn run)
{
	return qb_loop_job_add(loop, p, data, run);
}

static int32_t add_poll(enum qb_loop_priority p, int32_t fd, int32_t events, void *data, qb_ipcs_dispatch_fn_t run)
{
	return qb_loop_poll_add(loop, p, fd, events, data, run);
}

static int32_t change_poll(enum qb_loop_priority p, int32_t fd, int32_t events, void *data, qb_ipcs_dispatch_fn_t run)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, run);
}

static int32_t drop_poll(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static void serve(void *unused)
{
	struct qb_ipcs_service_handlers service = { .connection_accept = accept_all, .msg_process = process };
	struct qb_ipcs_poll_handlers polls = {
		.job_add = add_job, .dispatch_add = add_poll, .dispatch_mod = change_poll, .dispatch_del = drop_poll
	};
	(void)unused;
	loop = qb_loop_create();
	qb_ipcs_service_t *s = qb_ipcs_create(name, 1, QB_IPC_SHM, &service);
	if (!s)
		return;
	qb_ipcs_poll_handlers_set(s, &polls);
	if (qb_ipcs_run(s) == 0)
		qb_loop_run(loop);
}

static int start(void)
{
	snprintf(name, sizeof(name), "stoa-bench-%d", (int)getpid());
	pid_t pid = servers_fork("qb", serve, NULL);
	return pid < 0 ? pid : 0;
}

/* ---- the client ---- */

struct client {
	struct link link;
	qb_ipcc_connection_t *connection;
};

/* Full: again, as its users do. */
static int say(void *client, const struct ask *ask)
{
	const struct client *c = client;
	struct request request = { .head = { .id = QB_IPC_MSG_USER_START, .size = sizeof(request) }, .ask = *ask };
	ssize_t n;
	while ((n = qb_ipcc_send(c->connection, &request, sizeof(request))) == -EAGAIN) {}
	return n < 0 ? trouble((int)n, "qb_ipcc_send: %s", strerror((int)-n)) : 0;
}

static int hear(void *client, void *ret_answer)
{
	const struct client *c = client;
	struct response response;
	ssize_t n = qb_ipcc_recv(c->connection, &response, sizeof(response), TIMEOUT_MS);
	if (n < 0)
		return trouble((int)n, "qb_ipcc_recv: %s", strerror((int)-n));
	memcpy(ret_answer, response.answer, SERVED_ANSWER);
	return (int)n - (int)sizeof(response.head);
}

static int open_client(unsigned me, void **ret)
{
	static struct client c = { .link = { .say = say, .hear = hear } };
	(void)me;
	for (int64_t end = clock_deadline(CONNECT_NS); !c.connection && clock_now() < end;) {
		c.connection = qb_ipcc_connect(name, BYTES);
		if (!c.connection)
			usleep(2000);
	}
	*ret = &c;
	return c.connection ? 0 : trouble(-ECONNREFUSED, "qb_ipcc_connect: %s", strerror(errno));
}

static void close_client(void *client)
{
	struct client *c = client;
	qb_ipcc_disconnect(c->connection);
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "send", .run = served_update_quietly, .finish = served_await_updates },
	{ .kind = KIND_C, .name = "round trip", .run = served_update, .flags = OP_PARKS },
};

extern const struct peer peer_qb;
const struct peer peer_qb = {
	.name = "qb",
	.doc = "libqb's ipc over shared memory, to a serving process",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
	.close = close_client,
};
