/*
 * door.h: who may come in, and those who are in the door: connections that have not said hello.
 */
#ifndef STOA_DOOR_H
#define STOA_DOOR_H

#include "coordinator/coordinator.h"

/* What the process at the other end may do, by its user and groups when it connected. RIGHTS_NONE: text says why. */
enum rights door_rights(const struct namespace *ns, int fd, char text[STOA_ERROR_MAX]);

/* Say why, before it has asked, and close. */
void door_turn_away(int fd, int code, const char *text);

/* The next of those who wait to be accepted. -EAGAIN: none. Out of descriptors, it is turned away: -EINTR, or -EMFILE
 * if not even that can be done. */
int door_accept(struct coordinator *c);

/* A place for a connection, which is closed when it stays silent. When all are taken, the oldest leaves. */
uint32_t door_seat(struct coordinator *c, int fd, enum rights rights);

/* Its place is free again; the connection is closed, or has become a client's (keep). */
void door_leave(struct coordinator *c, uint32_t place, bool keep);

void door_tick(struct coordinator *c); /* close what has been silent for too long */
int door_init(struct coordinator *c);
void door_fini(struct coordinator *c);

#endif
