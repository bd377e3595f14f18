/*
 * connection.h: talking to the coordinator: rarely, under the handle's talk lock.
 */
#ifndef STOA_CONNECTION_H
#define STOA_CONNECTION_H

#include "proxy/handle.h"
#include "src/message.h"

/* What came with the answer to hello; the descriptors are the caller's. */
struct welcome {
	int conn_fd, state_fd, ingress_fd, doorbell_fd;
	uint64_t epoch;
	bool others; /* users who are not the coordinator's can truncate the ingress */
};

/* Connect to dir/socket of owner (or NAMES_ANYONE) and say hello. -ENOENT, -ECONNREFUSED: nobody there; -EACCES and
 * others as refused, with text. */
int connection_open(const char *dir, uid_t owner, bool read_only, int64_t deadline, struct welcome *ret);

/* The same over the connection that a parent process had, without a path. */
int connection_inherit(int parent_fd, bool read_only, int64_t deadline, struct welcome *ret);

/* Ask and wait for the answer with the same id; asked again when it does not come. A refusal is its status, with its
 * text as the thread's error. */
int connection_ask(struct stoa *s, struct message *m, const int *fds, int64_t deadline, struct message *ret,
		   int ret_fds[MESSAGE_FDS]);

/* Is the other end gone? */
bool connection_ended(int fd);

/* Say without expecting an answer. */
int connection_say(struct stoa *s, enum message_kind kind, uint64_t a);

#endif
