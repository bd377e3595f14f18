/*
 * client.h: the coordinator's socket: who may come in, what they are handed, and what becomes of what they leave.
 *
 * Two deaths are told apart, both by the kernel. When a client's process is gone (its pidfd says so), its lanes end:
 * they are given to others once their commands are committed. When its connection is closed everywhere, or it said
 * goodbye, the client is gone: a child forked from it that has not yet attached (a program that became a daemon, say)
 * still holds the connection, and still is a user.
 */
#ifndef STOA_CLIENT_H
#define STOA_CLIENT_H

#include "coordinator/coordinator.h"

int client_init(struct coordinator *c); /* epoll, with everything of the roster in it */
void client_fini(struct coordinator *c);

/* Wait up to timeout ms for something to happen on the descriptors, and deal with it. -EPIPE: the guardian is gone. */
int client_poll(struct coordinator *c, int timeout);

#endif
