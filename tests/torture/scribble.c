/*
 * scribble.c: a client writes whatever it likes into all that it was given, while three others work.
 *
 * It is attached like any other: it has the ring, the flags, the park words, its own lane, its connection and the
 * doorbell. It writes random and crafted bytes there, with a second thread that changes them while they are read; then
 * it is killed, or exits. The coordinator must not die or stand still; no command of another client may be applied
 * twice, nor more of them than it sent; no read may be torn or wait for ever. Once the scribbler is gone, all that the
 * others send is applied, once, and their reads are fresh. What any client may do it does not do: remove the others'
 * object, stop the coordinator, truncate the ingress.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa.h"
#include "proxy/connection.h"
#include "proxy/lane.h"
#include "proxy/proxy.h"
#include "proxy/wait.h"
#include "src/cell.h"
#include "src/message.h"
#include "src/park.h"
#include "src/ring.h"
#include "tests/torture/torture.h"

#define SHORT_SECONDS 5
#define HONEST 3
#define EXACT 30 /* commands of each client, once the scribbler is gone */

/* ---- the class: it counts what each client numbers, and who may not say so is refused ---- */

struct wall {
	uint64_t total, counts[HONEST], last[HONEST], repeats[HONEST];
	stoa_text text;
};
struct wall_args {
	uint64_t client, n;
	int64_t pid;
	stoa_text text;
};
struct wall_ret {
	uint64_t n, count;
	stoa_text text;
};
STOA_STRUCT(wall, STOA_ATTR(struct wall, total), STOA_ATTR(struct wall, counts), STOA_ATTR(struct wall, last),
	    STOA_ATTR(struct wall, repeats), STOA_ATTR(struct wall, text, .writable = true));
STOA_STRUCT(wall_args, STOA_ATTR(struct wall_args, client), STOA_ATTR(struct wall_args, n),
	    STOA_ATTR(struct wall_args, pid), STOA_ATTR(struct wall_args, text));
STOA_STRUCT(wall_ret, STOA_ATTR(struct wall_ret, n), STOA_ATTR(struct wall_ret, count),
	    STOA_ATTR(struct wall_ret, text));

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A method's arguments are its own: who sent them changes nothing of them while it runs. */
static void look_twice(const stoa_text *text)
{
	char seen[64] = { 0 };
	size_t n = text->size < sizeof seen ? text->size : sizeof seen;
	memcpy(seen, text->data, n);
	for (int i = 0; i < 100; i++)
		park_pause();
	if (memcmp(seen, text->data, n) != 0 || text->data[text->size])
		complain("arguments of pid %d changed while their method ran", (int)stoa_caller()->pid);
}

static int wall_add(struct wall *self, const struct wall_args *args, struct wall_ret *ret)
{
	uint64_t i = args->client;
	look_twice(&args->text);
	if (i >= HONEST || args->pid != stoa_caller()->pid)
		return stoa_fail(-EPERM, "not client %ju", (uintmax_t)i);
	self->repeats[i] += args->n <= self->last[i];
	self->last[i] = args->n;
	self->total++;
	ret->n = args->n;
	ret->count = ++self->counts[i];
	return stoa_text_set(&ret->text, args->text.data);
}
STOA_METHOD(wall, add, wall_args, wall_ret, .writes = "total counts last repeats");
STOA_CLASS(wall, 1, &wall_add_row);
static const struct stoa_class *const classes[] = { &wall_class, NULL };

static struct stoa *s;
static struct stoa_proxy *wall;

/* ---- what all see ---- */

enum phase { WORK, REST, EXACTLY, OVER };

static struct shared {
	_Atomic int phase;
	_Atomic uint64_t round, done[HONEST]; /* done: with the phase of this round */
	_Atomic uint64_t sent[HONEST], acknowledged[HONEST], last[HONEST];
	_Atomic uint64_t refused, reads;
	_Atomic uint64_t marks, flips; /* what was scribbled: one by one, and by the second thread */
	_Atomic int failures;
	char said[20][256];
} * shared;

static void complain(const char *format, ...)
{
	int i = atomic_fetch_add(&shared->failures, 1);
	va_list ap;
	va_start(ap, format);
	if (i < 20)
		vsnprintf(shared->said[i], sizeof shared->said[i], format, ap);
	va_end(ap);
}

/* ---- the honest ones ---- */

static int send_one(int i, uint64_t n, bool call, int64_t timeout)
{
	struct wall_args args = { .client = (uint64_t)i, .n = n, .pid = getpid(), .text = { "who reads this", 14 } };
	struct wall_ret ret = { 0 };
	atomic_fetch_add(&shared->sent[i], 1);
	int r = call ? stoa_call(wall, &wall_add_row, &args, &ret, timeout)
		     : stoa_cast(wall, &wall_add_row, &args, timeout);
	if (r == 0 && call && (ret.n != n || !ret.text.data || strcmp(ret.text.data, args.text.data) != 0))
		complain("client %d asked %ju and was answered %ju, \"%s\"", i, (uintmax_t)n, (uintmax_t)ret.n,
			 ret.text.data);
	stoa_text_fini(&ret.text);
	if (r == 0)
		atomic_fetch_add(&shared->acknowledged[i], 1);
	else
		atomic_fetch_add(&shared->refused, 1);
	return r;
}

/* Whole, and not older than what had returned when it began. */
static void look(int i, bool fresh)
{
	struct wall have = { 0 };
	uint64_t sum = 0, last[HONEST];
	for (int k = 0; k < HONEST; k++)
		last[k] = atomic_load(&shared->last[k]);
	int r = stoa_snapshot(wall, &have, sizeof have, SOON, NULL);
	if (r < 0) {
		complain("a read of client %d failed with %d: %s", i, r, torture_error());
		return;
	}
	atomic_fetch_add(&shared->reads, 1);
	for (int k = 0; k < HONEST; k++) {
		sum += have.counts[k];
		if (fresh && have.last[k] < last[k])
			complain("client %d sees %ju of client %d, who had sent %ju", i, (uintmax_t)have.last[k], k,
				 (uintmax_t)last[k]);
		if (have.counts[k] > atomic_load(&shared->sent[k]) || have.repeats[k])
			complain("of client %d %ju were sent, %ju applied, %ju repeated", k,
				 (uintmax_t)atomic_load(&shared->sent[k]), (uintmax_t)have.counts[k],
				 (uintmax_t)have.repeats[k]);
	}
	if (sum != have.total)
		complain("a snapshot of client %d is torn: %ju in all, %ju in the sum", i, (uintmax_t)have.total,
			 (uintmax_t)sum);
	stoa_text_fini(&have.text);
}

static void work(int i, uint64_t n)
{
	static const int expected[] = { 0, -EBADMSG, -EAGAIN, -ETIMEDOUT, -ECANCELED, -ESHUTDOWN };
	int r = send_one(i, n, n % 3 == 0, STOA_MS(200));
	size_t k = 0;
	while (k < sizeof expected / sizeof *expected && r != expected[k])
		k++;
	if (k == sizeof expected / sizeof *expected)
		complain("client %d was refused with %d: %s", i, r, torture_error());
	if (n % 5 == 0)
		look(i, false);
}

/*
 * Alone again. The first command tells of what was lost before; and it is refused if the one before it, for which there
 * was no room, had been taken through a forged word.
 */
static uint64_t work_exactly(int i, uint64_t n)
{
	struct wall before = { 0 }, after = { 0 };
	uint64_t rejected = 0, again = 0;
	int r = send_one(i, ++n, true, SOON);
	if (r == -EBADMSG)
		r = send_one(i, ++n, true, SOON);
	r = r ? r : stoa_sync(s, SOON, &rejected);
	r = r ? r : stoa_get(wall, offsetof(struct wall, counts), before.counts, sizeof before.counts, SOON, NULL);
	for (int k = 0; r == 0 && k < EXACT; k++) {
		r = send_one(i, ++n, k % 3 == 0, SOON);
		if (r == 0)
			atomic_store(&shared->last[i], n);
		look(i, true);
	}
	r = r ? r : stoa_get(wall, offsetof(struct wall, counts), after.counts, sizeof after.counts, SOON, NULL);
	r = r ? r : stoa_sync(s, SOON, &again);
	if (r < 0)
		complain("client %d, alone again: %d, %s", i, r, torture_error());
	else if (after.counts[i] != before.counts[i] + EXACT || again != rejected)
		complain("client %d, alone again: %d sent, %ju applied, %ju rejected", i, EXACT,
			 (uintmax_t)(after.counts[i] - before.counts[i]), (uintmax_t)(again - rejected));
	return n;
}

static void be_honest(int i)
{
	uint64_t n = 0, done = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int phase; (phase = atomic_load(&shared->phase)) != OVER;) {
		uint64_t round = atomic_load(&shared->round);
		if (phase == WORK) {
			work(i, ++n);
			continue;
		}
		if (phase == EXACTLY && done != round)
			n = work_exactly(i, n);
		done = round;
		atomic_store(&shared->done[i], round);
		torture_pause();
	}
	_exit(0);
}

/* ---- the scribbler ---- */

static struct lane *lane;
static const struct target *mud; /* an object that nobody minds */
static uint64_t n_records;

static void mark(void)
{
	atomic_fetch_add_explicit(&shared->marks, 1, memory_order_relaxed);
}

/* A number that is likely to be looked at twice. */
static uint64_t odd_number(uint64_t near)
{
	static const uint64_t edges[] = { 0,   1,    7,	   8,	       63,	   64,	      127,
					  128, 4095, 4096, LANE_LIMIT, UINT32_MAX, INT64_MAX, UINT64_MAX };
	switch (torture_random(4)) {
	case 0:
		return torture_random(0);
	case 1:
		return edges[torture_random(sizeof edges / sizeof *edges)];
	default:
		return near + torture_random(9) - 4;
	}
}

static uint64_t random_ticket(void)
{
	return handle_committed(s) + torture_random(2 * s->space.geometry.queue);
}

/* A word that leads into our lane, into another's, or nowhere. */
static uint64_t random_word(uint64_t ticket)
{
	uint64_t seen = atomic_load(ring_slot(&s->space, torture_random(0)));
	uint32_t lap = ring_lap(&s->space, ticket) + (uint32_t)torture_random(4) - 1;
	uint32_t units = (uint32_t)(LANE_ARENA / LANE_UNIT + torture_random(64));
	switch (torture_random(6)) {
	case 0:
		return torture_random(0);
	case 1: /* an old record of somebody */
		return ring_word(lap, ring_word_lane(seen), ring_word_units(seen));
	case 2:
		return ring_word(lap, (uint32_t)torture_random(LANES_MAX + 1), (uint32_t)torture_random(1 << 19));
	case 3:
		return ring_word(lap, RING_LANE_SPECIAL, (uint32_t)torture_random(3));
	default:
		return ring_word(lap, lane->id, units);
	}
}

static void scribble_ring(void)
{
	uint64_t t = random_ticket(), ticket, tail, seen = atomic_load(ring_slot(&s->space, torture_random(0)));
	switch (torture_random(4)) {
	case 0:
		tail = atomic_load(&s->space.ingress->tail);
		atomic_store(&s->space.ingress->tail, odd_number(random_ticket()));
		if (torture_random(2)) /* or nobody has anything taken for long */
			atomic_store(&s->space.ingress->tail, tail);
		break;
	case 1:
		ring_publish(&s->space, ring_word_lane(seen), ring_word_units(seen), NULL, NULL, &(uint64_t){ 0 },
			     &ticket);
		break;
	default:
		atomic_store(ring_slot(&s->space, t), random_word(t));
	}
}

static void scribble_words(void)
{
	uint32_t flags = atomic_load(&s->space.state->flags_end), objects = atomic_load(&s->space.state->n_objects);
	struct ingress_head *in = s->space.ingress;
	switch (torture_random(7)) {
	case 0:
		atomic_store(&in->doorbell, (uint32_t)odd_number(0));
		break;
	case 1:
		atomic_store(&in->room, (uint32_t)odd_number(atomic_load(&in->room)));
		break;
	case 2:
		atomic_store(&in->watchers[torture_random(sizeof in->watchers / sizeof *in->watchers)], odd_number(0));
		break;
	case 3:
		atomic_store(space_park(&s->space, (uint32_t)torture_random(objects)), (uint32_t)odd_number(0));
		break;
	case 4:
		((unsigned char *)in)[torture_random(sizeof in->head)] ^= (unsigned char)torture_random(256);
		break;
	default:
		atomic_store(space_flags(&s->space, (uint32_t)torture_random(flags)), odd_number(random_ticket()));
	}
}

/* The number that the coordinator takes next from us. */
static uint64_t next_seq(void)
{
	const struct lane_row *row = space_lane(&s->space, lane->id);
	uint64_t tag;
	int k = cell_current(&row->tags, handle_committed(s), &tag);
	return k < 0 ? lane->seq : row->cells[k].seq;
}

/* A command that could be right, but for what is changed then. Never one that removes the others' object. */
static uint32_t make_record(char *at, uint64_t seq, uint32_t room)
{
	struct record *r = (struct record *)at;
	const struct image_layout *image = mud->binding->methods[0].args;
	static char mud_text[] = "mud, long enough to be hit while it is read";
	struct wall_args args = { .client = torture_random(HONEST + 1),
				  .n = torture_random(1000),
				  .pid = getpid(),
				  .text = { mud_text, sizeof mud_text - 1 } };
	*r = (struct record){
		.seq = seq, .origin = mud->origin, .object = mud->object, .class_id = (uint16_t)mud->binding->view->id
	};
	r->kind = (uint16_t)(torture_random(8) ? RECORD_CALL : torture_random(8));
	r->args_size = (uint32_t)image_size(image, &args);
	if (sizeof *r + r->args_size < room)
		image_pack(image, &args, r + 1);
	r->reply_at = (uint32_t)(sizeof *r + r->args_size + 7) & ~7u;
	r->reply_size = (uint32_t)torture_random(3) * 64;
	return r->reply_at + r->reply_size;
}

static void make_list(struct record *r, uint32_t room)
{
	uint32_t n = (uint32_t)torture_random(6), at = 0;
	char *args = (char *)(r + 1);
	for (uint32_t i = 0; i < n && at + 512 < room; i++) {
		struct record *inner = (struct record *)(args + at);
		make_record(args + at, 0, 512);
		at += (uint32_t)(sizeof *inner + inner->args_size + 7) & ~7u;
		inner->reply_at = (uint32_t)odd_number(2048 + 64 * i);
		inner->reply_size = (uint32_t)odd_number(64);
	}
	r->kind = RECORD_MANY;
	r->row = (uint32_t)odd_number(n);
	r->args_size = torture_random(4) ? at : (uint32_t)odd_number(at);
	r->reply_at = torture_random(4) ? 2048 : (uint32_t)odd_number(2048);
	r->reply_size = torture_random(4) ? 1024 : (uint32_t)odd_number(1024);
}

static void make_create(struct record *r)
{
	struct create_args *a = (struct create_args *)(r + 1);
	uint64_t which = torture_random(8);
	memset(a, 0, sizeof *a);
	snprintf(a->object, sizeof a->object, "%s%ju", which ? "puddle" : "../", (uintmax_t)torture_random(20));
	snprintf(a->class_name, sizeof a->class_name, "%s", torture_random(4) ? "wall" : "nothing");
	if (which == 1)
		memset(a->object, 'x', sizeof a->object);
	a->excl = (uint32_t)torture_random(2);
	a->from = (uint32_t)torture_random(4);
	r->kind = RECORD_CREATE;
	r->args_size = (uint32_t)odd_number(sizeof *a + 64);
}

/* One field is made odd. Its origin stays: a removal is to hit nothing of the others'. */
static void spoil_record(struct record *r)
{
	switch (torture_random(9)) {
	case 0:
		r->seq = odd_number(r->seq);
		break;
	case 1:
		r->object = (uint32_t)odd_number(r->object);
		break;
	case 2:
		r->class_id = (uint32_t)odd_number(r->class_id);
		break;
	case 3:
		r->row = (uint32_t)odd_number(r->row);
		break;
	case 4:
		r->args_size = (uint32_t)odd_number(r->args_size);
		break;
	case 5:
		r->reply_at = (uint32_t)odd_number(r->reply_at);
		break;
	case 6:
		r->reply_size = (uint32_t)odd_number(r->reply_size);
		break;
	default:
		((unsigned char *)(r + 1))[torture_random(256)] = (unsigned char)torture_random(256);
	}
}

static void scribble_command(void)
{
	uint64_t at = LANE_ARENA + n_records++ % 4 * 4096, ticket;
	struct record *r = (struct record *)((char *)lane->head + at);
	make_record((char *)r, next_seq() + torture_random(3), 4096);
	uint64_t kind = torture_random(5);
	if (kind == 0)
		make_list(r, 3000);
	else if (kind == 1)
		make_create(r);
	if (torture_random(2))
		spoil_record(r);
	ring_publish(&s->space, lane->id, (uint32_t)(at / LANE_UNIT), NULL, NULL, &(uint64_t){ 0 }, &ticket);
	handle_ring(s);
}

/* The second thread: what is checked is changed before it is used. */
static void *flip(void *seed)
{
	uint64_t x = *(uint64_t *)seed;
	for (;;) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint64_t at = LANE_ARENA + (x >> 8) % 4 * 4096, byte = (x >> 12) % 4096;
		if (x & 7) /* mostly the arguments: with another head they are not looked at */
			byte = sizeof(struct record) + byte % 256;
		if (byte < offsetof(struct record, origin) || byte >= offsetof(struct record, object))
			((volatile unsigned char *)lane->head)[at + byte] ^=
				(unsigned char)(x & 0x80 ? x >> 40 : 1u << (x >> 40) % 8);
		atomic_fetch_add_explicit(&shared->flips, 1, memory_order_relaxed);
	}
	return NULL;
}

static int some_fd(void)
{
	int pair[2] = { -1, -1 };
	switch (torture_random(5)) {
	case 0:
		return eventfd((unsigned)torture_random(2), EFD_CLOEXEC);
	case 1:
		if (pipe2(pair, O_CLOEXEC) < 0)
			return -1;
		break;
	case 2:
		return dup(s->conn_fd);
	default:
		if (socketpair(AF_UNIX, (torture_random(2) ? SOCK_DGRAM : SOCK_SEQPACKET) | SOCK_CLOEXEC, 0, pair) < 0)
			return -1;
		if (torture_random(2) && send(pair[1], "x", 1, MSG_DONTWAIT) < 0)
			break;
	}
	if (torture_random(2) && pair[1] >= 0)
		close(pair[1]); /* else it stays open here */
	return pair[0];
}

static void send_raw(int fd, const void *bytes, size_t size, uint32_t n_fds)
{
	int fds[12];
	char control[CMSG_SPACE(sizeof fds)] = { 0 };
	struct iovec iov = { (void *)bytes, size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint32_t n = 0;
	while (n < n_fds && (fds[n] = some_fd()) >= 0)
		n++;
	if (n) {
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	if (sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		mark();
	while (n > 0)
		close(fds[--n]);
}

/* One message, on the connection that we have or on one that is soon cut. */
static void scribble_socket(void)
{
	static char bytes[8192];
	struct message m = {
		.magic = LAYOUT_MAGIC, .major = LAYOUT_MAJOR, .id = torture_random(9), .a = odd_number(lane->id)
	};
	struct welcome w = { .conn_fd = -1 };
	uint32_t n = torture_random(2) ? (uint32_t)torture_random(2) : (uint32_t)torture_random(12);
	do
		m.kind = (uint16_t)torture_random(MESSAGE_REFUSED + 2);
	while (m.kind == MESSAGE_STOP || m.kind == MESSAGE_BYE);
	m.n_fds = torture_random(4) ? n : (uint32_t)torture_random(0);
	m.b = torture_random(0);
	m.flags = (uint32_t)torture_random(4);
	memcpy(bytes, &m, sizeof m);
	if (torture_random(2) || connection_open(s->dir, s->owner, false, clock_deadline(STOA_MS(200)), &w) < 0) {
		send_raw(s->conn_fd, bytes, sizeof m, m.n_fds == n ? n : 0);
		return;
	}
	if (torture_random(3) == 0)
		for (int i = 0; i < 8; i++)
			bytes[torture_random(sizeof m)] ^= (char)torture_random(256);
	if (((struct message *)bytes)->kind != MESSAGE_STOP)
		send_raw(w.conn_fd, bytes, torture_random(2) ? sizeof m : torture_random(sizeof bytes), n);
	int fds[] = { w.conn_fd, w.state_fd, w.ingress_fd, w.doorbell_fd };
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* Answers pile up in a connection that nobody reads. */
static void drain_socket(void)
{
	struct message m;
	int fds[MESSAGE_FDS];
	while (message_receive(s->conn_fd, &m, fds) == 0)
		for (uint32_t i = 0; i < m.n_fds; i++)
			close(fds[i]);
}

static void scribble_doorbell(void)
{
	struct pollfd p = { .fd = s->doorbell_fd, .events = POLLIN | POLLOUT };
	uint64_t count = torture_random(2) ? 1 : UINT64_MAX - 1;
	fcntl(p.fd, F_SETFL, torture_random(4) ? 0 : O_NONBLOCK);
	if (poll(&p, 1, 0) != 1)
		return;
	fcntl(p.fd, F_SETFL, O_NONBLOCK); /* for ourselves */
	if (p.revents & POLLIN && torture_random(2) && read(p.fd, &count, sizeof count) < 0)
		return;
	if (p.revents & POLLOUT && write(p.fd, &count, sizeof count) < 0)
		return;
	fcntl(p.fd, F_SETFL, 0);
}

static void scribble_files(void)
{
	if (torture_random(20) == 0)
		fallocate(lane->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(torture_random(16) * LAYOUT_PAGE), LAYOUT_PAGE);
	else if (torture_random(1000) == 0 && ftruncate(lane->fd, (off_t)torture_random(3 * LAYOUT_PAGE)) == 0)
		mark(); /* and it dies of it, soon */
	else
		((unsigned char *)lane->head)[torture_random(LANE_ARENA)] = (unsigned char)torture_random(256);
}

/* A diligent one sends commands mostly: in a ring that is damaged all the time hardly any is taken. */
static void scribble(bool diligent)
{
	uint64_t what = diligent && torture_random(100) ? 700 + torture_random(260) : torture_random(1000);
	if (what < 400)
		scribble_ring();
	else if (what < 700)
		scribble_words();
	else if (what < 960)
		scribble_command();
	else if (what < 980)
		scribble_doorbell();
	else if (what < 990)
		scribble_files();
	else
		scribble_socket();
	if (what == 0)
		drain_socket();
	mark();
}

static void be_scribbler(uint64_t seed)
{
	struct stoa_proxy *p = NULL;
	pthread_t thread;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	torture_seed(seed);
	/* Another has just gone: what it left may still be in the way. */
	bool came =
		torture_until(stoa_create(s, "mud", &wall_class, NULL, 0, &p) == 0) && lane_get(s, SOON, &lane) == 0;
	if (!came) {
		complain("the scribbler cannot begin: %s", torture_error());
		_exit(1);
	}
	signal(SIGBUS, SIG_DFL);
	mud = proxy_target(p);
	uint64_t many = torture_random(100000), x = torture_random(0) | 1;
	bool diligent = torture_random(2);
	if (pthread_create(&thread, NULL, flip, &x))
		_exit(1);
	for (uint64_t i = 0; i < many || torture_random(4); i++)
		scribble(diligent);
	_exit(0);
}

/* ---- rounds ---- */

static pid_t honest[HONEST];
static uint64_t n_scribblers;

static bool all_done(void)
{
	for (int i = 0; i < HONEST; i++)
		if (atomic_load(&shared->done[i]) != atomic_load(&shared->round))
			return false;
	return true;
}

struct rest {
	struct stoa_health health;
	int64_t beat;
	int times;
};

/*
 * Nobody is attached but the honest ones, nothing is queued, and then the coordinator lay down twice anew: it has heard
 * of all that happened before, and has looked at what the scribbler left.
 */
static bool at_rest(struct rest *r)
{
	const struct pulse *pulse = &s->space.state->pulse;
	int64_t beat = atomic_load(&pulse->beat_ns);
	if (stoa_health(s, &r->health) < 0 || r->health.queued || r->health.threads > HONEST) {
		r->beat = r->times = 0;
	} else if (atomic_load(&pulse->asleep) && beat != r->beat) { /* awake: perhaps for the idle beat only */
		r->beat = beat;
		r->times++;
	}
	return r->times > 2;
}

static void enter(enum phase phase)
{
	atomic_fetch_add(&shared->round, 1);
	atomic_store(&shared->phase, phase);
}

/* One goes when it likes, or dies of what it has done to its own lane; another comes. */
static pid_t next_scribbler(pid_t before)
{
	if (before > 0 && waitpid(before, NULL, WNOHANG) == 0)
		return before;
	uint64_t seed = torture_random(0);
	pid_t pid = fork();
	n_scribblers++;
	if (pid == 0)
		be_scribbler(seed);
	return pid;
}

/* The coordinator goes on, whatever is done to it. */
static void suffer(int64_t ns)
{
	const struct state_head *state = s->space.state;
	uint64_t before = atomic_load(&state->committed);
	int64_t end = clock_deadline(ns), moved = clock_now();
	pid_t scribbler = 0;
	while (clock_now() < end && clock_now() - moved < SOON / 2) {
		scribbler = next_scribbler(scribbler);
		torture_pause();
		uint64_t now = atomic_load(&state->committed);
		moved = now != before ? clock_now() : moved;
		before = now;
	}
	torture_check(clock_now() < moved + SOON / 2, "nothing was committed for %d s", SOON_SECONDS / 2);
	kill(scribbler, SIGKILL);
	waitpid(scribbler, NULL, 0);
}

static void check_round(void)
{
	struct stoa_health h = { 0 };
	stoa_health(s, &h);
	torture_check(h.restarts == 0, "the coordinator died, %ju times", (uintmax_t)h.restarts);
	torture_check(h.pushed == h.applied + h.rejected + h.abandoned + h.queued,
		      "%ju pushed, %ju applied, %ju rejected, %ju abandoned, %ju queued", (uintmax_t)h.pushed,
		      (uintmax_t)h.applied, (uintmax_t)h.rejected, (uintmax_t)h.abandoned, (uintmax_t)h.queued);
	for (int i = 0; i < HONEST; i++)
		torture_check(kill(honest[i], 0) == 0 && waitpid(honest[i], NULL, WNOHANG) == 0, "client %d died", i);
	for (int i = 0; i < atomic_load(&shared->failures) && i < 20; i++)
		torture_fail("%s", shared->said[i]);
	atomic_store(&shared->failures, 0);
}

static void one_round(uint64_t number)
{
	torture_where("round %ju", (uintmax_t)number);
	enter(WORK);
	suffer((int64_t)(20 + torture_random(torture.lengthy ? 2000 : 600)) * 1000000);
	enter(REST);
	torture_check(torture_until(all_done()), "a client does not come to rest");
	struct rest rest = { 0 };
	torture_check(torture_until(at_rest(&rest)), "the coordinator does not come to rest: %ju queued, %u threads, %d sleeps",
		      (uintmax_t)rest.health.queued, rest.health.threads, rest.times);
	enter(EXACTLY);
	int64_t end = clock_deadline(3 * SOON);
	while (!all_done() && clock_now() < end)
		torture_pause();
	torture_check(all_done(), "a client does not get on");
	check_round();
}

/* Not here: whoever is forked from one that has a lane has that lane too. */
static int make_wall(void)
{
	struct stoa_proxy *p;
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(stoa_create(s, "wall", &wall_class, NULL, STOA_EXCL, &p) < 0);
	waitpid(pid, &status, 0);
	return status ? -1 : stoa_open(s, "wall", &wall_class, SOON, &wall);
}

int main(void)
{
	torture_begin("scribble", SHORT_SECONDS);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	int r = stoa_start("scribble", classes,
			   STOA_OPTIONS(.max_queue = 256, .max_threads = 64, .max_objects = 64, .max_attrs = 1024), &s);
	if (r < 0 || make_wall() < 0) {
		printf("cannot start: %s\n", torture_error());
		return 1;
	}
	for (int i = 0; i < HONEST; i++)
		if ((honest[i] = fork()) == 0)
			be_honest(i);
	enter(EXACTLY);
	torture_check(torture_until(all_done()), "a client does not begin");
	struct stoa_health h = { 0 };
	stoa_health(s, &h);
	const pid_t coordinator = h.coordinator;
	const int fds = torture_count_fds(coordinator);
	torture_go();
	uint64_t rounds = 0;
	while (rounds < torture.rounds && clock_now() < torture.end_ns && torture.failures == 0)
		one_round(rounds++);
	torture_check(torture_until(torture_count_fds(coordinator) == fds),
		      "the coordinator had %d descriptors, and has %d", fds, torture_count_fds(coordinator));
	atomic_store(&shared->phase, OVER);
	for (int i = 0; i < HONEST; i++)
		waitpid(honest[i], NULL, 0);
	uint64_t sent = 0, good = 0;
	for (int i = 0; i < HONEST; i++) {
		sent += atomic_load(&shared->sent[i]);
		good += atomic_load(&shared->acknowledged[i]);
	}
	stoa_health(s, &h);
	printf("  %ju rounds, %ju scribblers, %ju changes, %ju in the second thread; of %ju honest commands %ju acknowledged; %ju reads; %ju applied, %ju rejected\n",
	       (uintmax_t)rounds, (uintmax_t)n_scribblers, (uintmax_t)atomic_load(&shared->marks),
	       (uintmax_t)atomic_load(&shared->flips), (uintmax_t)sent, (uintmax_t)good,
	       (uintmax_t)atomic_load(&shared->reads), (uintmax_t)h.applied, (uintmax_t)h.rejected);
	s = stoa_detach(s);
	while (waitpid(-1, NULL, 0) > 0) {
	}
	return torture_end();
}
