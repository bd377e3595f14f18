/*
 * message.h: what clients and the coordinator say over the socket (SOCK_SEQPACKET: a message is whole or not there).
 *
 * A request is answered by one message with its id; asking again with the same id is harmless. The receiver gets the
 * descriptors CLOEXEC. Everything in a message is the other side's word: check it.
 */
#ifndef STOA_MESSAGE_H
#define STOA_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "src/layout.h"

enum message_kind {
	MESSAGE_HELLO = 1, /* flags; fd: pidfd of the sender. Answer: epoch in a, HELLO_ in b; fds: state, ingress, doorbell */
	MESSAGE_LANE,      /* a: tid; fd: AF_UNIX datagram socket. Answer: a lane, b seq; fd: lane */
	MESSAGE_LANE_FREE, /* a: lane. No answer */
	MESSAGE_INHERIT,   /* from a forked child over its parent's connection; fd: its own. No answer here */
	MESSAGE_STOP,      /* a: enum stoa_stop. Answer: 0, then end of file when it is done */
	MESSAGE_ANNOUNCE,  /* a: object: set the waiting bit of its park word for a read-only client. No answer */
	MESSAGE_BYE,       /* the sender is done with the namespace, though its children may hold the connection */
	MESSAGE_REFUSED,   /* answer to anything that cannot be done: status, text */
	MESSAGE_EVICT,     /* a: pid. Answer: a: 1, or 0: not all that it has queued is done; ask again */
};

#define HELLO_OTHERS 1 /* other users than its own may write, and so truncate the ingress */

#define MESSAGE_FDS 4
#define MESSAGE_HELLO_ID UINT64_MAX /* of every hello: its refusal may come before it was heard */

struct message {
	uint64_t magic; /* LAYOUT_MAGIC */
	uint16_t major, kind;
	int32_t status;
	uint64_t id;
	uint32_t flags, n_fds;
	uint64_t a, b;
	char text[STOA_ERROR_MAX];
};
_Static_assert(sizeof(struct message) == 48 + STOA_ERROR_MAX, "a message has no gaps");

/* Send with n_fds descriptors (they stay the caller's). Never raises SIGPIPE. */
int message_send(int socket, struct message *m, const int *fds);

/*
 * Receive one without waiting; without its descriptors (n_fds 0) if this process has no room for them. -EAGAIN: none;
 * -EPIPE: closed; -EPROTO: not one of ours (its descriptors are closed). ret_fds[0..n_fds) belong to the caller.
 */
int message_receive(int socket, struct message *ret_message, int ret_fds[MESSAGE_FDS]);

/*
 * The same for other bytes, always size of them, without a look at what they say: for coordinator/roster.h. Received
 * without its descriptors it is MESSAGE_BARE.
 */
#define MESSAGE_BARE 1
int message_send_bytes(int socket, const void *bytes, size_t size, const int *fds, uint32_t n_fds);
int message_receive_bytes(int socket, void *bytes, size_t size, int ret_fds[MESSAGE_FDS], uint32_t *ret_n_fds);

#endif
