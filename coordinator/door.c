/*
 * door.c: see door.h.
 *
 * Who connects is judged by what the kernel says of it, before anything is read or kept; a stranger is told, and gone.
 * Who may come in and says nothing holds one of few places, and not for long. A client says hello at once; one that
 * lost its place because it was stopped in between connects again.
 */
#include "coordinator/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/error.h"
#include "src/message.h"

#define SILENCE_NS INT64_C(3000000000)
#define SAY_NS INT64_C(10000000000) /* between two words of the same in the log */

/* ---- rights ---- */

static bool is_member(int fd, const struct ucred *peer, gid_t group)
{
	gid_t few[64], *groups = few;
	socklen_t size = sizeof(few);
	bool found = peer->gid == group;
	if (group == 0 || found)
		return found && group != 0;
	int r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size);
	if (r < 0 && errno == ERANGE && (groups = malloc(size)))
		r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size);
	for (size_t i = 0; r == 0 && i < size / sizeof(*groups) && !found; i++)
		found = groups[i] == group;
	if (groups != few)
		free(groups);
	return found;
}

static bool is_listed(const struct stoa_options *o, uid_t uid)
{
	for (uint32_t i = 0; i < o->n_uids; i++)
		if (o->uids[i] == uid)
			return true;
	return false;
}

enum rights door_rights(const struct namespace *ns, int fd, char text[STOA_ERROR_MAX])
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		snprintf(text, STOA_ERROR_MAX, "namespace %s: the kernel does not say who connects", ns->name);
		return RIGHTS_NONE;
	}
	if (peer.uid == geteuid() || peer.uid == 0 || is_listed(&ns->options, peer.uid) ||
	    is_member(fd, &peer, ns->options.group))
		return RIGHTS_WRITE;
	if (is_member(fd, &peer, ns->options.read_only_group))
		return RIGHTS_READ;
	snprintf(text, STOA_ERROR_MAX,
		 "namespace %s does not admit user %u; its coordinator's options uids, group and read_only_group "
		 "(stoad --allow, --group, --read-only-group) do",
		 ns->name, (unsigned)peer.uid);
	return RIGHTS_NONE;
}

/* ---- accepting ---- */

void door_turn_away(int fd, int code, const char *text)
{
	struct message m = { .kind = MESSAGE_REFUSED, .id = MESSAGE_HELLO_ID, .status = code };
	snprintf(m.text, sizeof(m.text), "%s", text);
	message_send(fd, &m, NULL);
	close(fd);
}

static int accept_one(const struct coordinator *c)
{
	return accept4(c->ns->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Those who wait would wait in vain: with the spare descriptor one of them is told. */
static int turn_away_next(struct coordinator *c)
{
	char text[STOA_ERROR_MAX];
	close(c->spare_fd);
	int fd = accept_one(c);
	snprintf(text, sizeof(text), "the coordinator of namespace %s has no descriptor left for another client",
		 c->ns->name);
	if (fd >= 0)
		door_turn_away(fd, -EMFILE, text);
	c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && c->full_said_ns + SAY_NS < clock_now()) {
		c->full_said_ns = clock_now();
		namespace_log(c->ns, LOG_WARNING, "%s", text);
	}
	return fd < 0 ? -EAGAIN : -EINTR;
}

int door_accept(struct coordinator *c)
{
	int fd = accept_one(c);
	int code = fd < 0 ? -errno : 0;
	if (fd >= 0)
		return fd;
	coordinator_check_process(c, code);
	if (code != -EMFILE && code != -ENFILE)
		return code == -ECONNABORTED || code == -EINTR ? -EINTR : -EAGAIN;
	return c->spare_fd < 0 ? -EMFILE : turn_away_next(c);
}

/* ---- places ---- */

static uint32_t find_place(const struct coordinator *c)
{
	uint32_t oldest = 0;
	for (uint32_t i = 0; i < NEWCOMERS; i++) {
		if (!c->newcomers[i].used)
			return i;
		if (c->newcomers[i].until_ns < c->newcomers[oldest].until_ns)
			oldest = i;
	}
	return oldest;
}

uint32_t door_seat(struct coordinator *c, int fd, enum rights rights)
{
	uint32_t i = find_place(c);
	door_leave(c, i, false);
	c->newcomers[i] = (struct newcomer){
		.used = true,
		.fd = fd,
		.rights = rights,
		.until_ns = clock_deadline(SILENCE_NS),
	};
	c->n_newcomers++;
	return i;
}

void door_leave(struct coordinator *c, uint32_t place, bool keep)
{
	struct newcomer *n = &c->newcomers[place];
	if (!n->used)
		return;
	epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, n->fd, NULL); /* what a method forked may have it open too */
	if (!keep)
		close(n->fd);
	n->used = false;
	c->n_newcomers--;
}

void door_tick(struct coordinator *c)
{
	if (c->n_newcomers == 0)
		return;
	int64_t now = clock_now();
	for (uint32_t i = 0; i < NEWCOMERS; i++)
		if (c->newcomers[i].used && now >= c->newcomers[i].until_ns)
			door_leave(c, i, false);
}

int door_init(struct coordinator *c)
{
	c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return c->spare_fd < 0 ? error_set(-errno, "cannot open /dev/null: %s", strerror(errno)) : 0;
}

void door_fini(struct coordinator *c)
{
	/* They ask again; a guardian that kept them would keep them waiting. In what a method forks, the epoll set is
	 * still the coordinator's: they are not taken out. */
	for (uint32_t i = 0; i < NEWCOMERS; i++) {
		if (c->newcomers[i].used)
			close(c->newcomers[i].fd);
		c->newcomers[i].used = false;
	}
	if (c->spare_fd >= 0)
		close(c->spare_fd);
}
