/*
 * peer_mq.c: POSIX message queues: one to a serving process, and one back to each client. They are made, and their
 * names removed at once, before any process is forked, which inherits them.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/served.h"
#include "bench/servers.h"

#define QUEUED 10  /* more needs privileges */
#define CLIENTS 64 /* of the 256 queues that a system has by default */

struct letter {
	struct ask ask;
	uint32_t from;
};

static mqd_t to_server, to_client[CLIENTS];

static int make_queue(long size, mqd_t *ret)
{
	char name[48];
	struct mq_attr attr = { .mq_maxmsg = QUEUED, .mq_msgsize = size };
	snprintf(name, sizeof(name), "/stoa-bench-%d", (int)getpid());
	*ret = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
	if (*ret < 0)
		return trouble(-errno, "mq_open: %s", strerror(errno));
	mq_unlink(name);
	return 0;
}

static void serve(void *unused)
{
	struct letter letter;
	char answer[SERVED_ANSWER];
	(void)unused;
	while (mq_receive(to_server, (char *)&letter, sizeof(letter), NULL) == sizeof(letter)) {
		size_t size = served_do(&letter.ask, answer);
		if (size)
			mq_send(to_client[letter.from], answer, size, 0);
	}
}

static int start(void)
{
	int r = make_queue(sizeof(struct letter), &to_server);
	for (unsigned i = 0; i < CLIENTS && r == 0; i++)
		r = make_queue(SERVED_ANSWER, &to_client[i]);
	if (r == 0)
		r = servers_fork("mq", serve, NULL);
	return r < 0 ? r : 0;
}

struct client {
	struct link link;
	uint32_t me;
};

static int say(void *client, const struct ask *ask)
{
	const struct client *c = client;
	struct letter letter = { *ask, c->me };
	int r = mq_send(to_server, (const char *)&letter, sizeof(letter), 0);
	return r < 0 ? trouble(-errno, "mq_send: %s", strerror(errno)) : 0;
}

static int hear(void *client, void *ret_answer)
{
	const struct client *c = client;
	ssize_t n = mq_receive(to_client[c->me], ret_answer, SERVED_ANSWER, NULL);
	return n < 0 ? trouble(-errno, "mq_receive: %s", strerror(errno)) : (int)n;
}

static int open_client(unsigned me, void **ret)
{
	static struct client client = { .link = { .say = say, .hear = hear } };
	client.me = me;
	*ret = &client;
	return 0;
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "send", .run = served_update_quietly, .finish = served_await_updates, .most = CLIENTS },
	{ .kind = KIND_C, .name = "round trip", .run = served_update, .most = CLIENTS, .flags = OP_PARKS },
};

extern const struct peer peer_mq;
const struct peer peer_mq = {
	.name = "mq",
	.doc = "POSIX message queues to a serving process and back",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
};
