/*
 * roster.h: the clients and lanes of a namespace, with their descriptors, held alike by guardian and coordinator.
 *
 * The coordinator changes the roster and tells each change over the link before it answers the client; the guardian
 * hears it. So whichever of the two dies, the other, and what it forks, still knows every client. Descriptors travel by
 * SCM_RIGHTS. A client is a process: its connection, and a pidfd that it sent of itself.
 */
#ifndef STOA_ROSTER_H
#define STOA_ROSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/layout.h"

struct roster_client {
	bool used, read_only;
	bool dead; /* its process; its connection may be open elsewhere */
	bool evicted; /* its connection is shut; it is here until its process ends, which may not come back before */
	int conn_fd, pid_fd; /* pid_fd: -1 where there is no pidfd_open(2) */
	pid_t pid;
	uid_t uid;
	uint64_t number;   /* struct stoa_client's */
	uint64_t started;  /* process_started */
	uint64_t answered; /* by this process: the last question for a lane, which comes again while we are slow */
};

struct roster_lane {
	bool used;
	bool ending;   /* its owner is gone; free once committed has reached `until` */
	uint64_t until;
	uint32_t client; /* index in clients */
	int event_fd;    /* if used; a datagram there: something for its event loop; -1: none */
};

struct roster {
	struct roster_client *clients; /* grows */
	uint32_t n_clients;
	struct roster_lane *lanes;
	uint32_t n_lanes;
	uint32_t first_lane; /* this epoch's half of them begins here */
};

enum link_kind {
	LINK_NONE, /* heard, and not understood */
	LINK_CLIENT,
	LINK_CLIENT_DEAD,
	LINK_CLIENT_EVICTED,
	LINK_CLIENT_GONE,
	LINK_LANE,
	LINK_LANE_ENDING,
	LINK_LANE_FREE,
	LINK_READY,
	LINK_FAILED,
	LINK_RUNS, /* something with a short deadline: look */
};

/* One change, as told over the link (SOCK_SEQPACKET); fds of LINK_CLIENT: conn, pidfd; of LINK_LANE: event_fd. */
struct link_message {
	enum link_kind kind;
	uint32_t index;
	struct roster_client client;
	struct roster_lane lane;
	int code;
	char text[256]; /* LINK_FAILED: why */
};

/* As a client says it: what cannot be printed is a "?" then. */
void roster_name(char to[LAYOUT_THREAD], const char *said);

int roster_init(struct roster *r, uint32_t n_lanes);
void roster_fini(struct roster *r); /* closes every descriptor */

/* Is it ending, and its owner evicted? He has it mapped, and may publish in it: the number is nobody's while he lives. */
bool roster_lane_held(const struct roster *r, uint32_t lane);

/*
 * Coordinator: change the roster and tell the guardian (link_fd; -1: there is none). Takes the descriptors over on
 * success. -EAGAIN: the guardian does not listen; nothing was added, and nobody evicted, of whom the next coordinator
 * would not know. What takes away (DEAD, GONE, ENDING, FREE) always works.
 * An ending lane's event_fd is closed. LINK_LANE_FREE needs no lane (NULL).
 */
int roster_add_client(struct roster *r, int link_fd, const struct roster_client *client, uint32_t *ret_index);
int roster_evict_client(struct roster *r, int link_fd, uint32_t index);
void roster_mark_dead(struct roster *r, int link_fd, uint32_t index);
int roster_drop_client(struct roster *r, int link_fd, uint32_t index);
int roster_set_lane(struct roster *r, int link_fd, uint32_t index, enum link_kind kind, const struct roster_lane *lane);
int roster_tell(int link_fd, enum link_kind kind, int code, const char *text); /* LINK_READY, _FAILED, _RUNS */

/* Guardian: take one message off the link and apply it. 1:
 * taken (ret_message, may be NULL); 0: none; -EPIPE: closed. */
int roster_hear(struct roster *r, int link_fd, struct link_message *ret_message);

#endif
