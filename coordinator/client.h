/*
 * client.h: the coordinator's socket: who may come in, what they are handed, and what becomes of what they leave.
 *
 * A client is told from its connection and its pidfd only: gone means the kernel said so, or the client did. Its lanes
 * are given to others once the commands it had accepted are committed.
 */
#ifndef STOA_CLIENT_H
#define STOA_CLIENT_H

#include "coordinator/coordinator.h"

int client_init(struct coordinator *c); /* epoll, with everything of the roster in it */
void client_fini(struct coordinator *c);

/* Wait up to timeout ms for something to happen on the descriptors, and deal with it. -EPIPE: the guardian is gone. */
int client_poll(struct coordinator *c, int timeout);

/* Take back lanes whose commands are all committed. */
void client_reap(struct coordinator *c);

#endif
