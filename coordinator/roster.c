/*
 * roster.c: who is attached, kept alike in two processes.
 *
 * The coordinator tells first and changes its own roster then; an addition that could not be told is refused (the
 * guardian is stopped, and the link full). What only takes away goes on untold: the next coordinator sees for itself
 * that a client is dead. A guardian that is gone (link_fd < 0, or -EPIPE) has nothing to be told.
 */
#include "coordinator/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coordinator/process.h"
#include "src/layout.h"
#include "src/message.h"

#define CLIENTS_MAX (1u << 20) /* more than descriptors: an index above comes from a broken coordinator */

int roster_init(struct roster *r, uint32_t n_lanes)
{
	/* calloc would write to all of it. */
	void *lanes = mmap(NULL, n_lanes * sizeof(*r->lanes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (lanes == MAP_FAILED)
		return -ENOMEM;
	*r = (struct roster){ .lanes = lanes, .n_lanes = n_lanes };
	return 0;
}

/* What is not used stays zeros: most pages of them are never written. */
static void empty_lane(struct roster_lane *lane)
{
	if (lane->used)
		process_close(&lane->event_fd);
	*lane = (struct roster_lane){ 0 };
}

static void empty_client(struct roster_client *c)
{
	if (!c->used)
		return;
	process_close(&c->conn_fd);
	process_close(&c->pid_fd);
	*c = (struct roster_client){ .conn_fd = -1, .pid_fd = -1 };
}

void roster_fini(struct roster *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->n_clients; i++)
		empty_client(&r->clients[i]);
	for (uint32_t i = 0; i < r->n_lanes; i++)
		empty_lane(&r->lanes[i]);
	free(r->clients);
	if (r->lanes)
		munmap(r->lanes, r->n_lanes * sizeof(*r->lanes));
	*r = (struct roster){ 0 };
}

bool roster_lane_held(const struct roster *r, uint32_t lane)
{
	const struct roster_lane *l = lane < r->n_lanes ? &r->lanes[lane] : NULL;
	if (!l || !l->used || !l->ending || l->client >= r->n_clients)
		return false;
	const struct roster_client *owner = &r->clients[l->client];
	return owner->used && owner->evicted && !owner->dead;
}

void roster_name(char to[LAYOUT_THREAD], const char *said)
{
	size_t n = strnlen(said, LAYOUT_THREAD - 1);
	for (size_t i = 0; i < n; i++)
		to[i] = said[i] >= ' ' && said[i] <= '~' ? said[i] : '?';
	memset(to + n, 0, LAYOUT_THREAD - n);
}

static int make_room(struct roster *r, uint32_t index)
{
	if (index < r->n_clients)
		return 0;
	if (index >= CLIENTS_MAX)
		return -EMFILE;
	uint32_t n = r->n_clients * 2 > index ? r->n_clients * 2 : index + 8;
	struct roster_client *clients = realloc(r->clients, n * sizeof(*clients));
	if (!clients)
		return -ENOMEM;
	for (uint32_t i = r->n_clients; i < n; i++)
		clients[i] = (struct roster_client){ .conn_fd = -1, .pid_fd = -1 };
	r->clients = clients;
	r->n_clients = n;
	return 0;
}

static int tell(int link_fd, const struct link_message *m, const int *fds, uint32_t n_fds)
{
	if (link_fd < 0)
		return 0;
	int r = message_send_bytes(link_fd, m, sizeof(*m), fds, n_fds);
	return r == -EPIPE ? 0 : r;
}

int roster_tell(int link_fd, enum link_kind kind, int code, const char *text)
{
	struct link_message m = { .kind = kind, .code = code };
	strncpy(m.text, text ? text : "", sizeof(m.text) - 1);
	return tell(link_fd, &m, NULL, 0);
}

int roster_add_client(struct roster *r, int link_fd, const struct roster_client *client, uint32_t *ret_index)
{
	uint32_t i = 0;
	while (i < r->n_clients && r->clients[i].used)
		i++;
	int e = make_room(r, i);
	if (e < 0)
		return e;
	struct link_message m = { .kind = LINK_CLIENT, .index = i, .client = *client };
	int fds[2] = { client->conn_fd, client->pid_fd };
	m.client.used = true;
	e = tell(link_fd, &m, fds, client->pid_fd < 0 ? 1 : 2);
	if (e < 0)
		return e;
	r->clients[i] = m.client;
	*ret_index = i;
	return 0;
}

int roster_evict_client(struct roster *r, int link_fd, uint32_t index)
{
	struct link_message m = { .kind = LINK_CLIENT_EVICTED, .index = index };
	int e = tell(link_fd, &m, NULL, 0);
	if (e == 0)
		r->clients[index].evicted = true;
	return e;
}

void roster_mark_dead(struct roster *r, int link_fd, uint32_t index)
{
	struct link_message m = { .kind = LINK_CLIENT_DEAD, .index = index };
	tell(link_fd, &m, NULL, 0);
	r->clients[index].dead = true;
}

int roster_drop_client(struct roster *r, int link_fd, uint32_t index)
{
	struct link_message m = { .kind = LINK_CLIENT_GONE, .index = index };
	if (index >= r->n_clients || !r->clients[index].used)
		return -ENOENT;
	tell(link_fd, &m, NULL, 0);
	empty_client(&r->clients[index]);
	return 0;
}

/* The lane as the message says; fd is its event_fd, which the roster owns from here. */
static void apply_lane(struct roster_lane *lane, enum link_kind kind, const struct roster_lane *told, int fd)
{
	switch (kind) {
	case LINK_LANE:
		if (lane->event_fd != fd)
			empty_lane(lane);
		*lane = (struct roster_lane){ .used = true, .client = told->client, .event_fd = fd };
		break;
	case LINK_LANE_ENDING: /* nobody listens to its events any more */
		if (lane->used)
			process_close(&lane->event_fd);
		lane->ending = true;
		lane->until = told->until;
		break;
	default:
		empty_lane(lane);
		break;
	}
}

int roster_set_lane(struct roster *r, int link_fd, uint32_t index, enum link_kind kind, const struct roster_lane *lane)
{
	struct link_message m = { .kind = kind, .index = index };
	if (index >= r->n_lanes)
		return -EINVAL;
	if (lane)
		m.lane = *lane;
	int fd = kind == LINK_LANE ? m.lane.event_fd : -1;
	int e = tell(link_fd, &m, &fd, fd >= 0);
	if (e < 0 && kind == LINK_LANE)
		return e;
	apply_lane(&r->lanes[index], kind, &m.lane, fd);
	return 0;
}

/* Takes over the descriptors that it uses and sets them to -1. What makes no sense is passed over. */
static void apply(struct roster *r, struct link_message *m, int fds[MESSAGE_FDS])
{
	switch (m->kind) {
	case LINK_CLIENT:
		if (fds[0] < 0 || make_room(r, m->index) < 0)
			return;
		empty_client(&r->clients[m->index]);
		m->client.used = true;
		m->client.conn_fd = fds[0];
		m->client.pid_fd = fds[1];
		r->clients[m->index] = m->client;
		fds[0] = fds[1] = -1;
		return;
	case LINK_CLIENT_DEAD:
		if (m->index < r->n_clients)
			r->clients[m->index].dead = true;
		return;
	case LINK_CLIENT_EVICTED:
		if (m->index < r->n_clients)
			r->clients[m->index].evicted = true;
		return;
	case LINK_CLIENT_GONE:
		if (m->index < r->n_clients)
			empty_client(&r->clients[m->index]);
		return;
	case LINK_LANE:
	case LINK_LANE_ENDING:
	case LINK_LANE_FREE:
		if (m->index >= r->n_lanes)
			return;
		apply_lane(&r->lanes[m->index], m->kind, &m->lane, fds[0]);
		fds[0] = -1;
		return;
	default:
		return;
	}
}

int roster_hear(struct roster *r, int link_fd, struct link_message *ret_message)
{
	struct link_message m;
	int fds[MESSAGE_FDS] = { -1, -1, -1, -1 };
	uint32_t n_fds;
	int e = message_receive_bytes(link_fd, &m, sizeof(m), fds, &n_fds);
	if (e == -EAGAIN)
		return 0;
	if (e == -EPROTO || e == MESSAGE_BARE)
		m = (struct link_message){ .kind = LINK_NONE }; /* out of descriptors, or a broken coordinator */
	else if (e < 0)
		return -EPIPE;
	m.text[sizeof(m.text) - 1] = '\0';
	apply(r, &m, fds);
	for (int i = 0; i < MESSAGE_FDS; i++)
		process_close(&fds[i]);
	if (ret_message)
		*ret_message = m;
	return 1;
}
