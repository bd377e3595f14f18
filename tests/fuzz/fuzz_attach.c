/*
 * fuzz_attach.c: what a hostile client can say to the coordinator over its socket. Input: connections that come and go,
 * messages with any fields and any kinds of descriptors, of which it keeps copies, and commands on a lane it was given.
 *
 * The coordinator goes on: its own descriptors are what they were, it sleeps when there is nothing to do, and when all
 * connections are closed, it has forgotten them and what they brought.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "coordinator/client.h"
#include "coordinator/commit.h"
#include "coordinator/lanes.h"
#include "coordinator/objects.h"
#include "src/message.h"
#include "src/park.h"
#include "tests/fuzz/world.h"
#include "tests/torture/torture.h"

#define STEPS 24
#define CONNS 4
#define FDS_MAX 6    /* more than a message may have */
#define POLLS_MAX 64 /* for what one input leaves to do */

static int conns[CONNS];
static int kept[64]; /* the client's own copies */
static unsigned n_kept;

/* ---- descriptors ---- */

static int full_pipe(void)
{
	static const char bytes[4096];
	int pair[2];
	fuzz_check(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0, "no pipe");
	while (write(pair[1], bytes, sizeof(bytes)) > 0) {
	}
	fcntl(pair[1], F_SETFL, 0); /* who writes to it waits */
	kept[n_kept++] = pair[0];
	return pair[1];
}

static int socket_end(int type)
{
	int pair[2];
	fuzz_check(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0, "no socket pair");
	kept[n_kept++] = pair[0];
	return pair[1];
}

/* Nobody reads at its other end. */
static int full_socket(void)
{
	int fd = socket_end(SOCK_DGRAM);
	while (send(fd, "", 1, MSG_DONTWAIT) == 1) {
	}
	return fd;
}

static int shut_socket(void)
{
	int fd = socket_end(SOCK_DGRAM);
	shutdown(fd, SHUT_RDWR);
	return fd;
}

/* One of a kind that the byte says; it stays open here too. */
static int descriptor(uint8_t kind)
{
	int fd = -1;
	switch (kind % 14) {
	case 0:
		fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
		if (fd < 0 && errno == ENOSYS) /* valgrind has none */
			fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		break;
	case 1:
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		break;
	case 2:
		fd = socket_end(SOCK_SEQPACKET);
		break;
	case 3:
		fd = full_pipe();
		break;
	case 4:
		fd = full_socket();
		break;
	case 5:
		fd = socket_end(SOCK_STREAM);
		break;
	case 6:
		fd = socket_end(SOCK_DGRAM);
		break;
	case 7:
		fd = shut_socket();
		break;
	case 8:
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		break;
	case 9:
		fd = open("/", O_PATH | O_CLOEXEC);
		break;
	case 10:
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		break;
	case 11:
		fd = epoll_create1(EPOLL_CLOEXEC);
		break;
	case 12: /* not connected */
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		break;
	default:
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		break;
	}
	fuzz_check(fd >= 0, "no descriptor of kind %u", kind % 14);
	kept[n_kept++] = fd;
	return fd;
}

/* ---- what the client does ---- */

static int *conn_of(struct input *in)
{
	return &conns[input_u8(in) % CONNS];
}

static void come(int *conn)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	if (*conn >= 0)
		close(*conn);
	strcpy(to.sun_path, world_ns.dir);
	strcat(to.sun_path, "/socket");
	*conn = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fuzz_check(connect(*conn, (struct sockaddr *)&to, sizeof(to)) == 0, "the socket does not take connections");
}

static void go(int *conn)
{
	if (*conn >= 0)
		close(*conn);
	*conn = -1;
}

/* Bytes of any size with up to six descriptors: message_send would not. */
static void send_raw(int conn, const void *bytes, size_t size, const int *fds, uint32_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)bytes, size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds) {
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		*c = (struct cmsghdr){ CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	sendmsg(conn, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say(struct input *in, int conn)
{
	uint8_t wrong = input_u8(in), n_fds = input_u8(in) % (FDS_MAX + 1);
	struct message m = { .magic = LAYOUT_MAGIC, .major = LAYOUT_MAJOR, .n_fds = n_fds, .kind = input_u8(in) % 10 };
	int fds[FDS_MAX];
	size_t size = sizeof(m);
	m.a = input_u8(in);
	for (uint32_t i = 0; i < n_fds; i++)
		fds[i] = descriptor(input_u8(in));
	if (wrong & 1)
		m.magic = input_u64(in);
	if (wrong & 2)
		m.n_fds = input_u32(in);
	if (wrong & 4)
		m.a = input_u64(in);
	if (wrong & 8)
		size = input_u16(in) % sizeof(m);
	if (wrong & 16)
		m.major = input_u16(in);
	if (wrong & 32)
		m.flags = input_u32(in);
	if (wrong & 64)
		input_bytes(in, &m.id, sizeof(m.id));
	send_raw(conn, &m, size, fds, n_fds);
	/* What came over a child's own connection is said as if by the child. */
	for (uint32_t i = 0; wrong & 128 && i < 3 && n_kept > 1; i++)
		send_raw(kept[n_kept - 2], &m, size, fds, n_fds > 1);
}

/* A hello as an honest client says it. */
static void hello(int conn)
{
	struct message m = { .kind = MESSAGE_HELLO, .n_fds = 1 };
	int fd = descriptor(0);
	message_send(conn, &m, &fd);
}

/* What the coordinator has answered: looked at, and thrown away. */
static void listen_to(int conn)
{
	struct message m;
	int fds[MESSAGE_FDS];
	while (conn >= 0 && message_receive(conn, &m, fds) == 0)
		for (uint32_t i = 0; i < m.n_fds; i++)
			close(fds[i]);
}

/* A thread that sleeps in its event loop, on a lane that was given out: its next commit writes to its descriptor. */
static void wake(uint32_t lane)
{
	const struct server_lane *l = lanes_get(world, lane % space_lanes(world->space));
	if (!l)
		return;
	park_announce(&((struct lane_head *)l->base)->answer, PARK_EVENT);
	commit_wake_lane(world, (uint32_t)(l - world->lanes));
}

/* ---- what the coordinator is to be like ---- */

static struct stat own[8];

static void own_descriptors(struct stat st[8])
{
	const int fds[8] = { world_ns.dir_fd,	 world_ns.lock_fd,     world_ns.state_fd, world_ns.ingress_fd,
			     world_ns.listen_fd, world_ns.doorbell_fd, world->epoll_fd,	  world->state_ro_fd };
	memset(st, 0, 8 * sizeof(*st));
	for (int i = 0; i < 8; i++)
		fuzz_check(fstat(fds[i], &st[i]) == 0, "the coordinator's descriptor %d is closed", i);
}

static void check_descriptors(void)
{
	struct stat now[8];
	own_descriptors(now);
	for (int i = 0; i < 8; i++)
		fuzz_check(now[i].st_ino == own[i].st_ino && now[i].st_dev == own[i].st_dev,
			   "the coordinator's descriptor %d is another", i);
}

/* Until nothing is left to do: then it would sleep. */
static void settle(void)
{
	struct pollfd p = { .fd = world->epoll_fd, .events = POLLIN };
	for (int i = 0; i < POLLS_MAX; i++) {
		if (poll(&p, 1, 0) == 0)
			return;
		fuzz_check(client_poll(world, 0) == 0, "it takes the guardian for gone");
		world_turns();
		for (int k = 0; k < CONNS; k++)
			listen_to(conns[k]);
	}
	fuzz_fail("the coordinator never sleeps again");
}

static void step(struct input *in)
{
	uint8_t what = input_u8(in);
	int *conn = conn_of(in);
	switch (what % 8) {
	case 0:
		come(conn);
		break;
	case 1:
		come(conn);
		hello(*conn);
		settle();
		break;
	case 2:
		go(conn);
		break;
	case 3:
		settle();
		break;
	case 4:
		wake(input_u8(in));
		break;
	default:
		if (*conn >= 0 && n_kept < sizeof(kept) / sizeof(*kept) - 2 * FDS_MAX)
			say(in, *conn);
		break;
	}
}

static void begin(void)
{
	static bool begun;
	if (!begun)
		world_begin(world_classes);
	begun = true;
	world_restore();
	fuzz_check(world_recover() == 0, "recovery failed");
	own_descriptors(own);
	n_kept = 0;
	for (int i = 0; i < CONNS; i++)
		conns[i] = -1;
}

static void end(int n_before)
{
	for (int i = 0; i < CONNS; i++)
		go(&conns[i]);
	while (n_kept)
		close(kept[--n_kept]);
	settle();
	check_descriptors();
	for (uint32_t i = 0; i < world_ns.roster.n_clients; i++)
		fuzz_check(!world_ns.roster.clients[i].used, "client %u is not forgotten", i);
	for (uint32_t i = 0; i < world_ns.roster.n_lanes; i++)
		fuzz_check(!world_ns.roster.lanes[i].used, "lane %u is not taken back", i);
	fuzz_check(world->n_users == 0 && world->n_ending == 0, "%u users, %u ending lanes", world->n_users,
		   world->n_ending);
	fuzz_check(torture_count_fds(0) == n_before, "descriptors: %d, before %d", torture_count_fds(0), n_before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	begin();
	int n_before = torture_count_fds(0);
	for (int i = 0; in.left && i < STEPS; i++)
		step(&in);
	settle();
	check_descriptors();
	end(n_before);
	return 0;
}
