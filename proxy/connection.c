/*
 * connection.c: see connection.h.
 */
#include "proxy/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/cancel.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/names.h"

#define ASK_AGAIN_NS 200000000 /* the coordinator that heard the question may have died before it answered */

/* The answer to a question that was asked twice: a second lane is given back. */
static void decline(int fd, const struct message *m, const int *fds)
{
	struct message back = { .kind = MESSAGE_LANE_FREE, .a = m->a };
	if (m->kind == MESSAGE_LANE)
		message_send(fd, &back, NULL);
	for (uint32_t i = 0; i < m->n_fds; i++)
		close(fds[i]);
}

/* Wait for the message with this id; others are answers to questions that were asked twice. */
static int await_answer(int fd, uint64_t id, int64_t until, struct message *ret, int ret_fds[MESSAGE_FDS])
{
	for (;;) {
		int r = message_receive(fd, ret, ret_fds);
		if (r == 0 && ret->id == id)
			return 0;
		if (r == 0)
			decline(fd, ret, ret_fds);
		if (r < 0 && r != -EAGAIN)
			return r;
		int64_t left = until - clock_now();
		if (left <= 0)
			return -EAGAIN;
		struct pollfd p = { .fd = fd, .events = POLLIN };
		poll(&p, 1, (int)(left / 1000000) + 1);
	}
}

/* Who is refused at the door is told so, and cut off, before its question is read: the word is behind the error. */
static int last_word(int fd, uint64_t id, struct message *ret, int ret_fds[MESSAGE_FDS])
{
	for (int i = 0; i < 2; i++)
		if (await_answer(fd, id, 0, ret, ret_fds) == 0)
			return 0;
	return -EPIPE;
}

static int ask(int fd, struct message *m, const int *fds, int64_t deadline, struct message *ret,
	       int ret_fds[MESSAGE_FDS])
{
	for (;;) {
		int64_t again = clock_deadline(ASK_AGAIN_NS);
		int r = message_send(fd, m, fds);
		if (r == 0 || r == -EAGAIN)
			r = await_answer(fd, m->id, again < deadline ? again : deadline, ret, ret_fds);
		if (r == -EPIPE)
			r = last_word(fd, m->id, ret, ret_fds);
		if (r == 0 && ret->kind == MESSAGE_REFUSED) {
			for (uint32_t i = 0; i < ret->n_fds; i++)
				close(ret_fds[i]);
			return error_set(ret->status < 0 ? ret->status : -EPROTO, "%s", ret->text);
		}
		if (r != -EAGAIN)
			return r;
		if (clock_now() >= deadline)
			return error_set(-ETIMEDOUT, "the coordinator does not answer on its socket");
	}
}

static int hello(int conn, bool read_only, int64_t deadline, struct welcome *ret)
{
	struct message m = { .kind = MESSAGE_HELLO, .id = MESSAGE_HELLO_ID, .flags = read_only ? STOA_READ_ONLY : 0 },
		       in;
	int fds[MESSAGE_FDS];
	int pid_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pid_fd < 0 && errno != ENOSYS) /* in a sandbox, or under valgrind: the coordinator opens one, if it can */
		return error_set(-errno, "cannot open a pidfd of this process: %s", strerror(errno));
	m.n_fds = pid_fd >= 0;
	snprintf(m.text, sizeof(m.text), "%s", program_invocation_short_name);
	int r = ask(conn, &m, &pid_fd, deadline, &in, fds);
	if (pid_fd >= 0)
		close(pid_fd);
	if (r < 0)
		return r;
	if (in.kind == MESSAGE_HELLO && in.n_fds == 0)
		return error_set(-EMFILE, "this process has no descriptor left for what a namespace takes");
	if (in.kind != MESSAGE_HELLO || in.n_fds != (read_only ? 2u : 3u)) {
		for (uint32_t i = 0; i < in.n_fds; i++)
			close(fds[i]);
		return error_set(-EPROTO, "the coordinator's welcome is not understood");
	}
	*ret = (struct welcome){ .conn_fd = conn,
				 .state_fd = fds[0],
				 .ingress_fd = fds[1],
				 .doorbell_fd = read_only ? -1 : fds[2],
				 .epoch = in.a,
				 .others = in.b & HELLO_OTHERS };
	return 0;
}

/* Anybody may have bound a socket in a place that anybody may make, as /dev/shm/stoa-UID before its user did. */
static int check_owner(int fd, const char *path, uid_t owner)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	if (owner == NAMES_ANYONE)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return error_set(-errno, "cannot tell who listens at %s: %s", path, strerror(errno));
	return peer.uid == owner ? 0
				 : error_set(-EACCES, "%s is of user %u, who is not user %u: not used", path,
					     (unsigned)peer.uid, (unsigned)owner);
}

static bool is_shut_to_us(const char *dir, const void *unused)
{
	(void)unused;
	return faccessat(AT_FDCWD, dir, X_OK, AT_EACCESS) < 0 && errno == EACCES;
}

/* What is behind a directory that is shut, if anything, is not known. A coordinator opens all but what $STOA_DIR names. */
static int fail_access(const char *dir, const char *path, uid_t owner)
{
	char shut[PATH_MAX];
	struct stat st;
	bool found = names_find_shut(path, is_shut_to_us, NULL, shut);
	if (found && owner == NAMES_ANYONE && strcmp(shut, dir) != 0 && stat(shut, &st) == 0)
		return error_set(-EACCES,
				 "the directory %s, mode %04o, does not let user %u through to %s; "
				 "its owner can open it: chmod 0711",
				 shut, st.st_mode & 07777, (unsigned)geteuid(), path);
	return error_set(-EACCES,
			 "%s does not let user %u in; its coordinator's options uids, group and "
			 "read_only_group (stoad --allow, --group, --read-only-group) do",
			 found ? shut : path, (unsigned)geteuid());
}

static int fail_connect(const char *dir, const char *path, uid_t owner, int code)
{
	if (code == -EACCES)
		return fail_access(dir, path, owner);
	return error_set(code, "cannot connect to %s: %s", path, strerror(-code));
}

int connection_open(const char *dir, uid_t owner, bool read_only, int64_t deadline, struct welcome *ret)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	if ((size_t)snprintf(to.sun_path, sizeof(to.sun_path), "%s/socket", dir) >= sizeof(to.sun_path))
		return error_set(-ENAMETOOLONG, "the path %s/socket is longer than a socket address", dir);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(-errno, "cannot make a socket: %s", strerror(errno));
	int r = connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? fail_connect(dir, to.sun_path, owner, -errno)
								    : check_owner(fd, to.sun_path, owner);
	r = r ? r : hello(fd, read_only, deadline, ret);
	if (r < 0)
		close(fd);
	return r;
}

int connection_inherit(int parent_fd, bool read_only, int64_t deadline, struct welcome *ret)
{
	int pair[2];
	struct message m = { .kind = MESSAGE_INHERIT, .n_fds = 1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return error_set(-errno, "cannot make a socket pair: %s", strerror(errno));
	int r = message_send(parent_fd, &m, &pair[1]);
	close(pair[1]);
	r = r ? r : hello(pair[0], read_only, deadline, ret);
	if (r < 0)
		close(pair[0]);
	return r;
}

int connection_ask(struct stoa *s, struct message *m, const int *fds, int64_t deadline, struct message *ret,
		   int ret_fds[MESSAGE_FDS])
{
	if (s->conn_fd < 0)
		return -ECONNRESET;
	m->id = ++s->next_id;
	int r = ask(s->conn_fd, m, fds, deadline, ret, ret_fds);
	return r == -EPIPE ? -ECONNRESET : r;
}

int connection_say(struct stoa *s, enum message_kind kind, uint64_t a)
{
	CANCEL_LATER;
	struct message m = { .kind = kind, .a = a };
	return s->conn_fd < 0 ? -ECONNRESET : message_send(s->conn_fd, &m, NULL);
}

bool connection_ended(int fd)
{
	CANCEL_LATER;
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	return poll(&p, 1, 0) == 1 && p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL);
}
