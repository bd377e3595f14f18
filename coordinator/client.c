/*
 * client.c: see client.h.
 */
#include "coordinator/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "coordinator/door.h"
#include "coordinator/former.h"
#include "coordinator/lanes.h"
#include "coordinator/leave.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/message.h"
#include "src/park.h"
#include "src/ring.h"
#include "src/segment.h"

#define DEAF_NS 500000000 /* not listening, when there is no descriptor for another client */
#define ACCEPT_MAX 64	  /* at once; commands wait meanwhile */

/* What an epoll event is about: kind above, index below. */
enum { ON_LISTEN, ON_DOORBELL, ON_LINK, ON_SIGNAL, ON_NEW, ON_CONN, ON_PID, ON_FORMER };

static int watch(struct coordinator *c, int fd, uint32_t kind, uint32_t index)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = (uint64_t)kind << 32 | index };
	return fd < 0 || epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 || errno == EEXIST ? 0 : -errno;
}

static int client_watch(struct coordinator *c, uint32_t i)
{
	const struct roster_client *client = &c->ns->roster.clients[i];
	int r = client->evicted ? 0 : watch(c, client->conn_fd, ON_CONN, i);
	if (!client->read_only && !client->evicted) {
		c->n_users++;
		c->had_user = true;
	}
	return r || client->dead ? r : watch(c, client->pid_fd, ON_PID, i);
}

static void evicted_resume(struct coordinator *c, uint32_t i);

static int open_read_only(const struct coordinator *c, const char *file)
{
	int fd = openat(c->ns->dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? error_set(-errno, "cannot open %s/%s: %s", c->ns->dir, file, strerror(errno)) : fd;
}

int client_init(struct coordinator *c)
{
	const struct namespace *ns = c->ns;
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	c->proc_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->epoll_fd < 0 || c->signal_fd < 0 || c->proc_fd < 0)
		return error_set(-errno, "cannot make the coordinator's descriptors: %s", strerror(errno));
	if ((c->state_ro_fd = open_read_only(c, "state")) < 0)
		return c->state_ro_fd;
	if ((c->ingress_ro_fd = open_read_only(c, "ingress")) < 0)
		return c->ingress_ro_fd;
	int r = door_init(c);
	r = r ? r : watch(c, ns->listen_fd, ON_LISTEN, 0);
	r = r ? r : watch(c, ns->doorbell_fd, ON_DOORBELL, 0);
	r = r ? r : watch(c, ns->link_fd, ON_LINK, 0);
	r = r ? r : watch(c, c->signal_fd, ON_SIGNAL, 0);
	r = r ? r : former_load(c);
	for (uint32_t i = 0; r == 0 && i < c->n_formers; i++)
		r = c->formers[i].number ? watch(c, c->formers[i].pid_fd, ON_FORMER, i) : 0;
	for (uint32_t i = 0; r == 0 && i < ns->roster.n_clients; i++)
		if (ns->roster.clients[i].used)
			r = client_watch(c, i);
	for (uint32_t i = 0; i < ns->roster.n_lanes; i++)
		c->n_ending += ns->roster.lanes[i].used && ns->roster.lanes[i].ending;
	for (uint32_t i = 0; i < ns->roster.n_clients; i++)
		if (ns->roster.clients[i].used && ns->roster.clients[i].evicted)
			evicted_resume(c, i);
	return r;
}

void client_fini(struct coordinator *c)
{
	door_fini(c);
	former_fini(c);
	int fds[] = { c->epoll_fd, c->signal_fd, c->state_ro_fd, c->ingress_ro_fd, c->proc_fd };
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* ---- lanes of clients ---- */

static void lane_end(struct coordinator *c, uint32_t i)
{
	struct roster *r = &c->ns->roster;
	struct roster_lane lane = r->lanes[i];
	atomic_fetch_and(&c->space->ingress->watchers[i / 64], ~(UINT64_C(1) << i % 64));
	lane.ending = true;
	lane.until = ring_end(c->space);
	roster_set_lane(r, c->ns->link_fd, i, LINK_LANE_ENDING, &lane);
	c->n_ending++;
}

static void pulse_clients(struct coordinator *c)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < c->ns->roster.n_clients; i++)
		n += c->ns->roster.clients[i].used && !c->ns->roster.clients[i].evicted;
	atomic_store_explicit(&c->space->state->pulse.clients, n, memory_order_relaxed);
}

static void pulse_threads(struct coordinator *c)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < c->ns->roster.n_lanes; i++)
		n += c->ns->roster.lanes[i].used && !c->ns->roster.lanes[i].ending;
	atomic_store_explicit(&c->space->state->pulse.threads, n, memory_order_relaxed);
}

/* The commands of this lane are all committed. What its owner did since he was evicted others are to hear of, too. */
static void lane_reap(struct coordinator *c, uint32_t i)
{
	bool held = roster_lane_held(&c->ns->roster, i);
	if (held && atomic_load(&space_lane(c->space, i)->pid) == 0)
		return;
	if (held)
		leave_note(c);
	lanes_forget(c, i);
	if (held)
		return;
	roster_set_lane(&c->ns->roster, c->ns->link_fd, i, LINK_LANE_FREE, NULL);
	c->n_ending--;
}

/* Take back lanes whose commands are all committed. */
static void client_reap(struct coordinator *c)
{
	struct roster *r = &c->ns->roster;
	if (c->head >= c->old_until)
		lanes_forget_old(c);
	for (uint32_t i = 0; c->n_ending && i < r->n_lanes; i++)
		if (r->lanes[i].used && r->lanes[i].ending && c->head >= r->lanes[i].until)
			lane_reap(c, i);
}

static void lanes_end_of(struct coordinator *c, uint32_t client)
{
	const struct roster *r = &c->ns->roster;
	for (uint32_t k = 0; k < r->n_lanes; k++)
		if (r->lanes[k].used && !r->lanes[k].ending && r->lanes[k].client == client)
			lane_end(c, k);
}

static void client_died(struct coordinator *c, uint32_t i)
{
	struct roster *r = &c->ns->roster;
	lanes_end_of(c, i);
	if (!r->clients[i].read_only && !r->clients[i].dead) {
		c->doubtful = true;
		leave_note(c);
		former_forget(c, r->clients[i].number);
	}
	roster_mark_dead(r, c->ns->link_fd, i);
	if (r->clients[i].pid_fd >= 0) /* a dead process's is readable for ever */
		epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, r->clients[i].pid_fd, NULL);
	client_reap(c);
	pulse_threads(c);
}

/* For who looks from outside; without a page for it, it is attached all the same. */
static void row_begin(const struct coordinator *c, uint32_t i, const char *name)
{
	const struct roster_client *client = &c->ns->roster.clients[i];
	uint64_t at = c->space->geometry.attached_at + i * sizeof(struct attached);
	if (i >= ATTACHED || segment_reserve(c->ns->state_fd, at, sizeof(struct attached)) < 0)
		return;
	struct attached *row = space_attached(c->space, i);
	row->uid = client->uid;
	row->read_only = client->read_only;
	atomic_store(&row->evicted, 0);
	row->since_ns = clock_real();
	roster_name(row->name, name);
	atomic_store_explicit(&row->pid, client->pid, memory_order_release); /* pairs with proxy/clients.c */
	if (atomic_load(&c->space->state->attached_end) <= i)
		atomic_store(&c->space->state->attached_end, i + 1);
}

static void row_end(const struct coordinator *c, uint32_t i)
{
	if (i < ATTACHED && i < atomic_load(&c->space->state->attached_end))
		atomic_store(&space_attached(c->space, i)->pid, 0);
}

static void client_gone(struct coordinator *c, uint32_t i)
{
	struct roster *r = &c->ns->roster;
	if (i >= r->n_clients || !r->clients[i].used)
		return;
	client_died(c, i);
	if (!r->clients[i].read_only && !r->clients[i].evicted)
		c->n_users--;
	row_end(c, i);
	/* The descriptors may be open elsewhere too (the guardian has them): closing them does not take them out. */
	epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, r->clients[i].conn_fd, NULL);
	roster_drop_client(r, c->ns->link_fd, i);
	pulse_clients(c);
}

/* ---- evicting ---- */

/* What follows once it is told. */
static void evicted_end(struct coordinator *c, uint32_t i)
{
	const struct roster_client *client = &c->ns->roster.clients[i];
	shutdown(client->conn_fd, SHUT_RDWR);
	lanes_end_of(c, i);
	former_forget(c, client->number);
	if (i < ATTACHED && i < atomic_load(&c->space->state->attached_end))
		atomic_store(&space_attached(c->space, i)->evicted, 1);
}

/* The coordinator before may have come no further than to say that it was evicted, or that it died. */
static void evicted_resume(struct coordinator *c, uint32_t i)
{
	if (c->ns->roster.clients[i].dead)
		client_gone(c, i);
	else
		evicted_end(c, i);
}

static int client_evict(struct coordinator *c, uint32_t i)
{
	const struct roster_client *client = &c->ns->roster.clients[i];
	if (client->evicted)
		return 0;
	if (client->pid_fd < 0)
		return error_set(-ENOSYS, "there is no pidfd of process %d here: its end could not be seen; kill it",
				 (int)client->pid);
	if (!client->read_only)
		leave_note(c);
	if (roster_evict_client(&c->ns->roster, c->ns->link_fd, i) < 0)
		return error_set(-EAGAIN, "the guardian does not answer; try again");
	epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, client->conn_fd, NULL);
	evicted_end(c, i);
	c->n_users -= !client->read_only;
	c->doubtful = true;
	pulse_threads(c);
	pulse_clients(c);
	return 0;
}

/* By its pidfd: the pid may be another's by now. */
static bool is_evicted(const struct coordinator *c, pid_t pid)
{
	bool found = false;
	for (uint32_t i = 0; i < c->ns->roster.n_clients && !found; i++) {
		const struct roster_client *client = &c->ns->roster.clients[i];
		struct pollfd p = { .fd = client->pid_fd, .events = POLLIN };
		found = client->used && client->evicted && client->pid == pid && poll(&p, 1, 0) == 0;
	}
	return found;
}

/* Nothing in a lane of the evicted can be taken any more. */
static bool is_cut_off(struct coordinator *c, pid_t pid)
{
	const struct roster *r = &c->ns->roster;
	bool any = false;
	client_reap(c);
	for (uint32_t i = 0; i < r->n_lanes && !any; i++)
		any = roster_lane_held(r, i) && r->clients[r->lanes[i].client].pid == pid &&
		      atomic_load(&space_lane(c->space, i)->pid) != 0;
	return !any;
}

/* ---- answering ---- */

static int answer(int fd, const struct message *to, enum message_kind kind, uint64_t a, uint64_t b, const int *fds,
		  uint32_t n_fds)
{
	struct message m = { .kind = kind, .id = to->id, .a = a, .b = b, .n_fds = n_fds };
	return message_send(fd, &m, fds);
}

static int refuse(int fd, const struct message *to, int code, const char *text)
{
	struct message m = { .kind = MESSAGE_REFUSED, .id = to->id, .status = code };
	snprintf(m.text, sizeof(m.text), "%s", text);
	return message_send(fd, &m, NULL);
}

static int refuse_last(int fd, const struct message *to, int code)
{
	struct stoa_error e;
	stoa_last_error(&e);
	return refuse(fd, to, code, e.code == code ? e.text : stoa_strerror(code));
}

/* Is this a pidfd of that process, by its fdinfo? -EBADMSG: it is not. -EMFILE: cannot look. */
static int check_pidfd(const struct coordinator *c, int fd, pid_t pid)
{
	static const char key[] = "Pid:";
	char path[64], line[256];
	bool found = false;
	snprintf(path, sizeof(path), "fdinfo/%d", fd);
	FILE *f = process_read(c->proc_fd, path);
	if (!f && (errno == EMFILE || errno == ENFILE))
		return -EMFILE;
	while (f && !found && fgets(line, sizeof(line), f))
		found = strncmp(line, key, strlen(key)) == 0;
	if (f)
		fclose(f);
	return found && strtol(line + strlen(key), NULL, 10) == pid ? 0 : -EBADMSG;
}

static int no_descriptor(const struct coordinator *c, int code, const char *whom)
{
	return error_set(code, "the coordinator of namespace %s has no descriptor left for another %s", c->ns->name,
			 whom);
}

/*
 * A pidfd of the client: what it sent, or one of our own. -1, where there is none to be had: then the end of the
 * connection alone tells of its death, late if what it forked has it too.
 */
static int pidfd_of(const struct coordinator *c, const struct message *m, const int *fds, pid_t pid, int *ret_fd)
{
	int fd = m->n_fds ? dup(fds[0]) : (int)syscall(SYS_pidfd_open, pid, 0), r = fd < 0 ? -errno : 0;
	if (r == 0 && m->n_fds)
		r = m->n_fds == 1 ? check_pidfd(c, fd, pid) : -EBADMSG;
	if (r < 0)
		process_close(&fd);
	if (r == -EBADMSG)
		return error_set(r, "the client sent a descriptor that is no pidfd of itself");
	if (r == -EMFILE || r == -ENFILE)
		return no_descriptor(c, -EMFILE, "client");
	if (r < 0 && r != -ENOSYS)
		return error_set(r, "the coordinator cannot have a pidfd of the client: %s", strerror(-r));
	*ret_fd = fd;
	return 0;
}

/* An end of a socket pair: nothing sent there is for a stranger, and with MSG_DONTWAIT nothing waits. */
static bool is_pair(int fd, int type)
{
	struct sockaddr_un peer;
	socklen_t size = sizeof(peer), type_size = sizeof(int);
	int is;
	return getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sun_family == AF_UNIX &&
	       size == sizeof(peer.sun_family) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &is, &type_size) == 0 &&
	       is == type;
}

static void welcome(struct coordinator *c, int fd, const struct message *m, bool read_only)
{
	if (!coordinator_check_ingress(c))
		return; /* the next coordinator answers */
	int out[] = { c->state_ro_fd, read_only ? c->ingress_ro_fd : c->ns->ingress_fd, c->ns->doorbell_fd };
	uint64_t others = c->ns->options.n_uids > 0 || c->ns->options.group ? HELLO_OTHERS : 0;
	answer(fd, m, MESSAGE_HELLO, atomic_load(&c->space->state->life.epoch), others, out, read_only ? 2 : 3);
}

static int check_hello(const struct coordinator *c, enum rights rights, const struct message *m,
		       const struct ucred *who)
{
	if (rights < RIGHTS_WRITE && !(m->flags & STOA_READ_ONLY))
		return error_set(-EACCES,
				 "namespace %s lets user %u read only, as a member of its read-only group; attach with "
				 "STOA_READ_ONLY",
				 c->ns->name, (unsigned)who->uid);
	if (is_evicted(c, who->pid))
		return error_set(-ECONNABORTED,
				 "process %d was evicted from namespace %s, and may not come back; end it, and start it "
				 "anew",
				 (int)who->pid, c->ns->name);
	if (who->pid == 0)
		return error_set(-EACCES,
				 "the client is in a pid namespace that the coordinator cannot see into; share one, or "
				 "run the coordinator in the outer one");
	return 0;
}

static int client_add(struct coordinator *c, struct roster_client *client, uint32_t *ret_index)
{
	_Atomic uint64_t *numbers = &c->space->state->next_incarnation;
	c->space->ingress->head = c->ingress_head; /* any client could have damaged it, and the newcomer looks at it */
	client->started = process_started(c->proc_fd, client->pid);
	client->number = client->read_only ? 0 : former_number(c, client->pid);
	if (client->number == 0)
		client->number = atomic_fetch_add_explicit(numbers, 1, memory_order_relaxed) + 1;
	int r = roster_add_client(&c->ns->roster, c->ns->link_fd, client, ret_index);
	if (r == 0)
		former_returned(c, client->number);
	return r == -EMFILE || r == -ETOOMANYREFS ? no_descriptor(c, -EMFILE, "client") : r;
}

/* 1: it is a client now. */
static int on_hello(struct coordinator *c, int fd, enum rights rights, const struct message *m, const int *fds)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return -errno;
	struct roster_client client = { .used = true,
					.read_only = m->flags & STOA_READ_ONLY,
					.conn_fd = fd,
					.pid_fd = -1,
					.pid = who.pid,
					.uid = who.uid };
	uint32_t index;
	int r = check_hello(c, rights, m, &who);
	r = r ? r : pidfd_of(c, m, fds, who.pid, &client.pid_fd);
	r = r ? r : client_add(c, &client, &index);
	if (r < 0) {
		process_close(&client.pid_fd);
		return refuse_last(fd, m, r);
	}
	row_begin(c, index, m->text);
	if (client_watch(c, index) < 0) {
		client_gone(c, index);
	} else {
		pulse_clients(c);
		welcome(c, fd, m, client.read_only);
	}
	return 1;
}

/*
 * -EAGAIN: there will be one, when what is queued of an epoch before, or of one who is gone, is done. One that tells of
 * a client who may come back is taken last.
 */
static int lane_find(struct coordinator *c, uint32_t *ret_lane)
{
	const struct roster *r = &c->ns->roster;
	bool any_soon = false, any = false;
	client_reap(c);
	for (uint32_t i = r->first_lane; i < r->first_lane + c->space->geometry.lanes; i++) {
		bool is_free = !r->lanes[i].used && !c->lanes[i].old;
		any_soon = any_soon || c->lanes[i].old || (r->lanes[i].ending && !roster_lane_held(r, i));
		if (is_free && !any)
			*ret_lane = i;
		any = any || is_free;
		if (is_free && !former_had_lane(c, i)) {
			*ret_lane = i;
			return 0;
		}
	}
	if (any)
		return 0;
	if (any_soon)
		return -EAGAIN;
	return error_set(-EMFILE, "all %u threads of namespace %s are attached; start it with a larger max_threads",
			 c->space->geometry.lanes, c->ns->name);
}

static void on_lane(struct coordinator *c, uint32_t client, const struct message *m, const int *fds)
{
	const struct roster_client *from = &c->ns->roster.clients[client];
	uint32_t index = 0;
	uint64_t seq = 0;
	int conn = from->conn_fd, event_fd = m->n_fds == 1 ? dup(fds[0]) : -1;
	int r = from->read_only ? error_set(-EACCES, "a read-only client has no lane")
		: event_fd >= 0 && !is_pair(event_fd, SOCK_DGRAM)
			? error_set(-EBADMSG, "the client sent no datagram socket pair to wake its thread by")
			: lane_find(c, &index);
	const struct lane_owner owner = { .client = client, .is = from, .tid = (int32_t)m->a, .name = m->text };
	int fd = r < 0 ? r : event_fd < 0 ? -EMFILE : lanes_give(c, index, &owner, &seq);
	if (r == 0 && fd == -EMFILE)
		no_descriptor(c, fd, "thread");
	if (fd < 0) {
		coordinator_check_process(c, fd);
		if (r != -EAGAIN) /* else the client, who hears nothing, asks again */
			refuse_last(conn, m, fd);
		if (event_fd >= 0)
			close(event_fd);
		return;
	}
	struct roster_lane lane = { .used = true, .client = client, .event_fd = event_fd };
	r = roster_set_lane(&c->ns->roster, c->ns->link_fd, index, LINK_LANE, &lane);
	if (r < 0) {
		lanes_forget(c, index);
		refuse(conn, m, r, "the guardian does not answer; try again");
		close(event_fd);
	} else {
		pulse_threads(c);
		if (answer(conn, m, MESSAGE_LANE, index, seq, &fd, 1) == 0)
			c->ns->roster.clients[client].answered = m->id;
	}
	close(fd);
}

static void on_lane_free(struct coordinator *c, uint32_t client, const struct message *m)
{
	const struct roster *r = &c->ns->roster;
	if (m->a < r->n_lanes && r->lanes[m->a].used && !r->lanes[m->a].ending && r->lanes[m->a].client == client) {
		lane_end(c, (uint32_t)m->a);
		client_reap(c);
		pulse_threads(c);
	}
}

static void on_stop(struct coordinator *c, uint32_t client, const struct message *m)
{
	const struct roster_client *from = &c->ns->roster.clients[client];
	if (from->uid != geteuid() && from->uid != 0) {
		refuse(from->conn_fd, m, -EACCES, "only the coordinator's own user and root may stop it");
		return;
	}
	if (c->stopping < 0 || m->a == STOA_NOW)
		coordinator_begin_stop(c, m->a == STOA_NOW ? STOA_NOW : STOA_DRAIN);
	answer(from->conn_fd, m, MESSAGE_STOP, 0, 0, NULL, 0);
}

static int check_evict(const struct coordinator *c, const struct roster_client *from, uint64_t pid)
{
	if (from->read_only)
		return error_set(-EACCES, "namespace %s is attached read-only", c->ns->name);
	if (from->uid != geteuid() && from->uid != 0)
		return error_set(-EACCES, "only the coordinator's own user and root may evict a client");
	if ((uint64_t)from->pid == pid)
		return error_set(-EINVAL, "a process does not evict itself; it detaches");
	return 0;
}

/* All that the process has attached with. */
static void on_evict(struct coordinator *c, uint32_t client, const struct message *m)
{
	const struct roster *roster = &c->ns->roster;
	const struct roster_client *from = &roster->clients[client];
	bool any = false, first = false;
	int r = check_evict(c, from, m->a);
	for (uint32_t i = 0; r == 0 && i < roster->n_clients; i++) {
		const struct roster_client *other = &roster->clients[i];
		if (!other->used || other->dead || (uint64_t)other->pid != m->a)
			continue;
		any = true;
		first = first || !other->evicted;
		r = client_evict(c, i);
	}
	if (r == 0 && !any)
		r = error_set(-ENOENT, "no process %ju is attached to namespace %s; stoa clients shows who is",
			      (uintmax_t)m->a, c->ns->name);
	if (r < 0) {
		refuse_last(from->conn_fd, m, r);
		return;
	}
	if (first)
		namespace_log(c->ns, LOG_WARNING, "process %ju was evicted by process %d, of user %u", (uintmax_t)m->a,
			      (int)from->pid, (unsigned)from->uid);
	answer(from->conn_fd, m, MESSAGE_EVICT, is_cut_off(c, (pid_t)m->a), 0, NULL, 0);
}

/* A read-only client is about to sleep on an object: set the bit that it cannot, and let it look once more. */
static void on_announce(struct coordinator *c, const struct message *m)
{
	if (m->a >= atomic_load(&c->space->state->n_objects))
		return;
	_Atomic uint32_t *word = space_park(c->space, (uint32_t)m->a);
	park_announce(word, PARK_FUTEX);
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* In the door: what one says there. */
static void on_new(struct coordinator *c, uint32_t place)
{
	struct message m;
	int fds[MESSAGE_FDS], fd = c->newcomers[place].fd;
	int r = c->newcomers[place].used ? message_receive(fd, &m, fds) : -EAGAIN;
	if (r == -EAGAIN)
		return;
	enum rights rights = c->newcomers[place].rights;
	door_leave(c, place, true);
	bool taken = r == 0 && m.kind == MESSAGE_HELLO && on_hello(c, fd, rights, &m, fds) == 1;
	for (uint32_t i = 0; r == 0 && i < m.n_fds; i++)
		close(fds[i]);
	if (!taken)
		close(fd);
}

/* A new connection: mostly its hello is there already. */
static void admit(struct coordinator *c, int fd)
{
	char text[STOA_ERROR_MAX];
	enum rights rights = door_rights(c->ns, fd, text);
	if (rights == RIGHTS_NONE) {
		door_turn_away(fd, -EACCES, text);
		return;
	}
	uint32_t place = door_seat(c, fd, rights);
	if (watch(c, fd, ON_NEW, place) < 0)
		door_leave(c, place, false);
	else
		on_new(c, place);
}

static void on_conn(struct coordinator *c, uint32_t i)
{
	struct message m;
	int fds[MESSAGE_FDS];
	int r = i < c->ns->roster.n_clients && c->ns->roster.clients[i].used && !c->ns->roster.clients[i].evicted
			? message_receive(c->ns->roster.clients[i].conn_fd, &m, fds)
			: -EAGAIN;
	if (r == -EPIPE || r == -EPROTO || (r == 0 && m.kind == MESSAGE_BYE))
		client_gone(c, i);
	if (r < 0)
		return;
	const struct roster_client *from = &c->ns->roster.clients[i];
	if (from->dead && m.kind != MESSAGE_INHERIT && m.kind != MESSAGE_ANNOUNCE) {
		/* A child has it. Whoever else has, evicted for one, is to come with a connection of its own. */
		error_set(-EACCES, "process %d, whose connection this was, has ended", (int)from->pid);
		refuse_last(from->conn_fd, &m, -EACCES);
	} else if (m.kind == MESSAGE_HELLO) /* again: the coordinator that heard it first died before it answered */
		welcome(c, c->ns->roster.clients[i].conn_fd, &m, c->ns->roster.clients[i].read_only);
	else if (m.kind == MESSAGE_LANE && m.id != c->ns->roster.clients[i].answered)
		on_lane(c, i, &m, fds);
	else if (m.kind == MESSAGE_LANE_FREE)
		on_lane_free(c, i, &m);
	else if (m.kind == MESSAGE_STOP)
		on_stop(c, i, &m);
	else if (m.kind == MESSAGE_EVICT)
		on_evict(c, i, &m);
	else if (m.kind == MESSAGE_ANNOUNCE)
		on_announce(c, &m);
	uint32_t kept = 0; /* of a child's connection; what is none may never end, or never be quiet */
	if (m.kind == MESSAGE_INHERIT && m.n_fds == 1 && is_pair(fds[0], SOCK_SEQPACKET))
		admit(c, fds[kept++]);
	while (kept < m.n_fds)
		close(fds[kept++]);
}

/* The event may be of a client whose place another has taken meanwhile: look again. */
static void on_pid(struct coordinator *c, uint32_t i)
{
	struct pollfd p = { .fd = i < c->ns->roster.n_clients ? c->ns->roster.clients[i].pid_fd : -1,
			    .events = POLLIN };
	if (poll(&p, 1, 0) != 1)
		return;
	if (c->ns->roster.clients[i].evicted)
		client_gone(c, i);
	else
		client_died(c, i);
}

static void on_listen(struct coordinator *c)
{
	int fd = 0;
	for (int i = 0; i < ACCEPT_MAX && fd != -EAGAIN && fd != -EMFILE; i++)
		if ((fd = door_accept(c)) >= 0)
			admit(c, fd);
	if (fd != -EMFILE)
		return;
	/* Who waits to come in would keep us busy: look again when one has gone, or in a while. */
	namespace_log(c->ns, LOG_WARNING, "there is no descriptor left to accept a client");
	epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, c->ns->listen_fd, NULL);
	c->deaf_until_ns = clock_now() + DEAF_NS;
}

static void on_signal(struct coordinator *c)
{
	struct signalfd_siginfo info;
	if (read(c->signal_fd, &info, sizeof(info)) == sizeof(info) && c->stopping < 0)
		coordinator_begin_stop(c, STOA_DRAIN);
}

static int on_link(struct coordinator *c)
{
	char byte;
	ssize_t n = recv(c->ns->link_fd, &byte, sizeof(byte), MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ? -EPIPE : 0;
}

/* Any client can have read it meanwhile, and have made it one that blocks. (Linux before 5.8 cannot be told not to.) */
static void read_doorbell(int fd)
{
	uint64_t rung;
	struct iovec iov = { .iov_base = &rung, .iov_len = sizeof(rung) };
	ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	if (n < 0 && errno == EOPNOTSUPP)
		n = read(fd, &rung, sizeof(rung));
}

int client_poll(struct coordinator *c, int timeout)
{
	struct epoll_event events[64];
	if (c->deaf_until_ns && clock_now() >= c->deaf_until_ns) {
		c->deaf_until_ns = 0;
		watch(c, c->ns->listen_fd, ON_LISTEN, 0);
	}
	int r = 0, n = epoll_wait(c->epoll_fd, events, sizeof(events) / sizeof(*events), leave_is_due(c) ? 0 : timeout);
	if (n < 0 && errno != EINTR)
		abort(); /* a method closed our descriptors; the next coordinator has them */
	for (int i = 0; i < n; i++) {
		uint32_t index = (uint32_t)events[i].data.u64;
		switch (events[i].data.u64 >> 32) {
		case ON_LISTEN:
			on_listen(c);
			break;
		case ON_DOORBELL:
			read_doorbell(c->ns->doorbell_fd);
			break;
		case ON_LINK:
			r = on_link(c);
			break;
		case ON_SIGNAL:
			on_signal(c);
			break;
		case ON_NEW:
			on_new(c, index);
			break;
		case ON_CONN:
			on_conn(c, index);
			break;
		case ON_PID:
			on_pid(c, index);
			break;
		case ON_FORMER:
			former_died(c, index);
			break;
		}
	}
	door_tick(c);
	client_reap(c);
	if (leave_is_due(c))
		leave_publish(c);
	return r;
}
