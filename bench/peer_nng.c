/*
 * peer_nng.c: nng over ipc: a request socket in each client, a reply socket in a serving process.
 */
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/served.h"
#include "bench/servers.h"
#include "src/clock.h"

#define CONNECT_NS INT64_C(5000000000)

static char url[120];

static int check(const char *what, int r)
{
	return r ? trouble(-EIO, "%s: %s", what, nng_strerror(r)) : 0;
}

static void serve(void *unused)
{
	nng_socket socket;
	(void)unused;
	if (nng_rep0_open(&socket) || nng_listen(socket, url, NULL, 0))
		return;
	for (;;) {
		struct ask ask;
		char answer[SERVED_ANSWER];
		size_t size = sizeof(ask);
		if (nng_recv(socket, &ask, &size, 0) == 0 && size == sizeof(ask))
			nng_send(socket, answer, served_do(&ask, answer), 0);
	}
}

static int start(void)
{
	snprintf(url, sizeof(url), "ipc://%s/nng", servers_dir());
	pid_t pid = servers_fork("nng", serve, NULL);
	return pid < 0 ? pid : 0;
}

struct client {
	struct link link;
	nng_socket socket;
};

static int say(void *client, const struct ask *ask)
{
	const struct client *c = client;
	struct ask copy = *ask; /* nng_send() takes no const */
	return check("nng_send", nng_send(c->socket, &copy, sizeof(copy), 0));
}

static int hear(void *client, void *ret_answer)
{
	const struct client *c = client;
	size_t size = SERVED_ANSWER;
	int r = check("nng_recv", nng_recv(c->socket, ret_answer, &size, 0));
	return r < 0 ? r : (int)size;
}

static int open_client(unsigned me, void **ret)
{
	static struct client c = { .link = { .say = say, .hear = hear } };
	(void)me;
	*ret = &c;
	int r = check("nng_req0_open", nng_req0_open(&c.socket));
	if (r < 0)
		return r;
	int64_t end = clock_deadline(CONNECT_NS);
	while ((r = nng_dial(c.socket, url, NULL, 0)) && clock_now() < end) /* the server may not be there yet */
		usleep(5000);
	return check("nng_dial", r);
}

static const struct op ops[] = {
	{ .kind = KIND_C, .name = "round trip", .run = served_update, .flags = OP_PARKS },
};

extern const struct peer peer_nng;
const struct peer peer_nng = {
	.name = "nng",
	.doc = "nng, ipc, to a serving process",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
};
