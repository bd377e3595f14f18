/*
 * peer_zmq.c: ZeroMQ over ipc: a DEALER in each client, a ROUTER in a serving process.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "bench/bench.h"
#include "bench/served.h"
#include "bench/servers.h"

static char endpoint[120], path[112];

static int failed(const char *what)
{
	return trouble(-errno, "%s: %s", what, zmq_strerror(errno));
}

static void serve(void *unused)
{
	struct ask ask;
	char from[256], answer[SERVED_ANSWER];
	void *socket = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
	(void)unused;
	if (zmq_bind(socket, endpoint) < 0)
		return;
	for (int n; (n = zmq_recv(socket, from, sizeof(from), 0)) >= 0;) {
		if (zmq_recv(socket, &ask, sizeof(ask), 0) != sizeof(ask))
			continue;
		size_t size = served_do(&ask, answer);
		if (size && zmq_send(socket, from, (size_t)n, ZMQ_SNDMORE) >= 0)
			zmq_send(socket, answer, size, 0);
	}
}

static int start(void)
{
	snprintf(path, sizeof(path), "%s/zmq", servers_dir());
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", path);
	pid_t pid = servers_fork("zmq", serve, NULL);
	return pid < 0 ? pid : servers_await_socket(pid, path);
}

struct client {
	struct link link;
	void *socket;
};

static int say(void *client, const struct ask *ask)
{
	const struct client *c = client;
	return zmq_send(c->socket, ask, sizeof(*ask), 0) < 0 ? failed("zmq_send") : 0;
}

static int hear(void *client, void *ret_answer)
{
	const struct client *c = client;
	int n = zmq_recv(c->socket, ret_answer, SERVED_ANSWER, 0);
	return n < 0 ? failed("zmq_recv") : n;
}

static int open_client(unsigned me, void **ret)
{
	static struct client c = { .link = { .say = say, .hear = hear } };
	int none = 0;
	(void)me;
	*ret = &c;
	c.socket = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
	if (!c.socket || zmq_setsockopt(c.socket, ZMQ_LINGER, &none, sizeof(none)) < 0 ||
	    zmq_connect(c.socket, endpoint) < 0)
		return failed("zmq_connect");
	return 0;
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "send", .run = served_update_quietly, .finish = served_await_updates },
	{ .kind = KIND_C, .name = "round trip", .run = served_update, .flags = OP_PARKS },
};

extern const struct peer peer_zmq;
const struct peer peer_zmq = {
	.name = "zmq",
	.doc = "ZeroMQ, ipc, to a serving process",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
};
