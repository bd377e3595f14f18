/*
 * peer_socket.c: a unix socket to a serving process that waits with epoll: what one writes without any library.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/served.h"
#include "bench/servers.h"

#define AT_ONCE 64

static int listener = -1;

static struct sockaddr_un address(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/plain", servers_dir());
	return a;
}

static void accept_one(int ep)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
	if (fd >= 0)
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static void answer_one(int fd)
{
	struct ask ask;
	char answer[SERVED_ANSWER];
	if (recv(fd, &ask, sizeof(ask), 0) != sizeof(ask)) {
		close(fd);
		return;
	}
	size_t size = served_do(&ask, answer);
	if (size)
		send(fd, answer, size, MSG_NOSIGNAL);
}

static void serve(void *unused)
{
	struct epoll_event events[AT_ONCE], e = { .events = EPOLLIN, .data.fd = listener };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	(void)unused;
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		int n = epoll_wait(ep, events, AT_ONCE, -1);
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == listener)
				accept_one(ep);
			else
				answer_one(events[i].data.fd);
	}
}

static int start(void)
{
	struct sockaddr_un a = address();
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 128) < 0)
		return trouble(-errno, "%s: %s", a.sun_path, strerror(errno));
	pid_t pid = servers_fork("socket", serve, NULL);
	return pid < 0 ? pid : 0;
}

struct client {
	struct link link;
	int fd;
};

static int say(void *client, const struct ask *ask)
{
	const struct client *c = client;
	ssize_t n = send(c->fd, ask, sizeof(*ask), MSG_NOSIGNAL);
	return n < 0 ? trouble(-errno, "send: %s", strerror(errno)) : 0;
}

static int hear(void *client, void *ret_answer)
{
	const struct client *c = client;
	ssize_t n = recv(c->fd, ret_answer, SERVED_ANSWER, 0);
	return n <= 0 ? trouble(-EPIPE, "the server has closed the connection") : (int)n;
}

static int open_client(unsigned me, void **ret)
{
	static struct client c = { .link = { .say = say, .hear = hear } };
	struct sockaddr_un a = address();
	(void)me;
	*ret = &c;
	c.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c.fd < 0 || connect(c.fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return trouble(-errno, "%s: %s", a.sun_path, strerror(errno));
	return 0;
}

static int64_t read_tally(void *client)
{
	return served_trip(client, (struct ask){ .what = SERVED_TALLY });
}

static int64_t read_value(void *client)
{
	return served_trip(client, ASK_VALUE);
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "send", .run = served_update_quietly, .finish = served_await_updates },
	{ .kind = KIND_R, .name = "round trip, 8 B", .run = read_value },
	{ .kind = KIND_S, .name = "round trip, 64 B", .run = read_tally },
	{ .kind = KIND_C, .name = "round trip", .run = served_update, .flags = OP_PARKS },
};

extern const struct peer peer_socket;
const struct peer peer_socket = {
	.name = "socket",
	.doc = "unix socket to a serving process",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
};
