/*
 * message.c: messages and descriptors over a SOCK_SEQPACKET socket.
 *
 * What arrives is the other side's word: a message that is not exactly one of ours is refused, and no descriptor that
 * came with anything stays open unless it is handed to the caller.
 */
#include "src/message.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(struct message) == 48 + STOA_ERROR_MAX, "a message has no padding");

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(MESSAGE_FDS * sizeof(int))];
};

static void close_all(const int *fds, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		close(fds[i]);
}

int message_send_bytes(int socket, const void *bytes, size_t size, const int *fds, uint32_t n_fds)
{
	union control control = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds > MESSAGE_FDS)
		return -EINVAL;
	if (n_fds > 0) {
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(socket, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
	return 0;
}

static uint32_t take_fds(struct msghdr *h, int fds[MESSAGE_FDS])
{
	uint32_t taken = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (taken < MESSAGE_FDS)
				fds[taken++] = fd;
			else
				close(fd);
		}
	}
	return taken;
}

int message_receive_bytes(int socket, void *bytes, size_t size, int ret_fds[MESSAGE_FDS], uint32_t *ret_n_fds)
{
	union control control;
	int fds[MESSAGE_FDS];
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes };
	h.msg_controllen = sizeof(control.bytes);
	ssize_t n;
	do
		n = recvmsg(socket, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
	uint32_t n_fds = take_fds(&h, fds);
	if ((size_t)n != size || h.msg_flags & MSG_TRUNC) {
		close_all(fds, n_fds);
		return n == 0 ? -EPIPE : -EPROTO;
	}
	if (h.msg_flags & MSG_CTRUNC) {
		close_all(fds, n_fds);
		*ret_n_fds = 0;
		return n_fds < MESSAGE_FDS ? MESSAGE_BARE : -EPROTO; /* more than anybody sends */
	}
	memcpy(ret_fds, fds, n_fds * sizeof(int));
	*ret_n_fds = n_fds;
	return 0;
}

int message_send(int socket, struct message *m, const int *fds)
{
	m->magic = LAYOUT_MAGIC;
	m->major = LAYOUT_MAJOR;
	m->text[STOA_ERROR_MAX - 1] = '\0';
	return message_send_bytes(socket, m, sizeof(*m), fds, m->n_fds);
}

int message_receive(int socket, struct message *ret, int ret_fds[MESSAGE_FDS])
{
	struct message m;
	int fds[MESSAGE_FDS];
	uint32_t n_fds;
	int r = message_receive_bytes(socket, &m, sizeof(m), fds, &n_fds);
	if (r < 0)
		return r;
	if (m.magic != LAYOUT_MAGIC || m.major != LAYOUT_MAJOR || (m.n_fds != n_fds && r != MESSAGE_BARE)) {
		close_all(fds, n_fds);
		return -EPROTO;
	}
	m.n_fds = n_fds;
	m.text[STOA_ERROR_MAX - 1] = '\0';
	memcpy(ret_fds, fds, n_fds * sizeof(int));
	*ret = m;
	return 0;
}
