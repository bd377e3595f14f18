/*
 * fuzz_welcome.c: what a hostile server can answer to a client that attaches. Input: its answers, one for each message
 * of the client: any fields, and descriptors of any kind and size, among them segments that are whole but for their
 * heads.
 *
 * The client gets an error or a handle, in time, and uses that; afterwards it holds no descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/message.h"
#include "tests/fuzz/world.h"
#include "tests/torture/torture.h"

#define TIMEOUT_NS STOA_MS(4) /* of the client: shorter than its pause between two attempts */
#define LATE_NS STOA_MS(5000) /* "in time", on a machine that does other things too */
#define ANSWERS_MAX 12

static int listen_fd;
static char above[80], dir[90], path[100];

/* The server's script, and whether it has a connection. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static struct input script;
static int answers_left;
static bool serving;

/* ---- what is handed out ---- */

static int memory(uint64_t size, const void *bytes, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	fuzz_check(fd >= 0 && ftruncate(fd, (off_t)size) == 0, "no memory file");
	if (n && pwrite(fd, bytes, n, 0) != (ssize_t)n)
		fuzz_fail("cannot write to a memory file");
	return fd;
}

/* A segment's first page with changes, in a file of its size or another. */
static int changed(struct input *in, int from, bool head_only)
{
	unsigned char page[LAYOUT_PAGE];
	struct stat st;
	fuzz_check(fstat(from, &st) == 0 && pread(from, page, sizeof(page), 0) == sizeof(page),
		   "cannot read a segment");
	size_t span = head_only ? sizeof(struct segment_head) : offsetof(struct state_head, name);
	for (int i = input_u8(in) % 4; i > 0; i--) {
		uint8_t at = input_u8(in);
		uint64_t value = input_u64(in);
		memcpy(page + at % span, &value, 1u << (at >> 6));
	}
	uint8_t how = input_u8(in);
	uint64_t size = how & 1 ? input_u16(in) : (uint64_t)st.st_size;
	int fd = memory(size, page, size < sizeof(page) ? size : sizeof(page));
	if (how & 2)
		fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE);
	return fd;
}

static int descriptor(struct input *in, uint8_t usual)
{
	uint8_t kind = input_u8(in);
	int pair[2];
	switch (kind ? kind % 12 : usual) {
	case 1:
		return openat(world_ns.dir_fd, "state", O_RDONLY | O_CLOEXEC);
	case 2:
		return openat(world_ns.dir_fd, "ingress", O_RDWR | O_CLOEXEC);
	case 3:
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	case 4:
		return openat(world_ns.dir_fd, "lane.0", O_RDWR | O_CLOEXEC);
	case 5:
		return changed(in, world_ns.state_fd, false);
	case 6:
		return changed(in, world_ns.ingress_fd, true);
	case 7:
		return memory(input_u16(in), NULL, 0);
	case 8:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case 9:
		return open("/", O_RDONLY | O_CLOEXEC);
	case 10:
		return open(path, O_PATH | O_CLOEXEC);
	default:
		if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
			return -1;
		close(pair[0]);
		return pair[1];
	}
}

/* ---- the server ---- */

/* The right answer to this question, but where the script says otherwise. */
static void answer(struct input *in, int conn, const struct message *to)
{
	static const uint8_t usual[] = { 1, 2, 3, 3 };
	uint8_t wrong = input_u8(in);
	struct message m = { .magic = LAYOUT_MAGIC, .major = LAYOUT_MAJOR, .kind = to->kind, .id = to->id };
	int fds[MESSAGE_FDS];
	bool hello = to->kind == MESSAGE_HELLO;
	m.n_fds = hello ? to->flags & STOA_READ_ONLY ? 2 : 3 : to->kind == MESSAGE_LANE;
	m.a = hello ? 1 : 0;
	if (wrong & 1)
		m.n_fds = input_u8(in) % (MESSAGE_FDS + 1);
	if (wrong & 2)
		m.a = wrong & 64 ? input_u64(in) : input_u16(in);
	if (wrong & 4)
		m.kind = input_u8(in) % 10;
	if (wrong & 8)
		m.id = input_u8(in);
	if (wrong & 16) {
		m.status = (int32_t)input_u32(in);
		memset(m.text, 'x', sizeof(m.text));
	}
	if (wrong & 32)
		m.major = input_u8(in);
	for (uint32_t i = 0; i < m.n_fds; i++)
		fds[i] = descriptor(in, hello ? usual[i] : 4);
	message_send_bytes(conn, &m, wrong & 128 ? input_u16(in) % sizeof(m) : sizeof(m), fds, m.n_fds);
	for (uint32_t i = 0; i < m.n_fds; i++)
		close(fds[i]);
}

static bool hear(int conn, struct message *ret)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };
	int fds[MESSAGE_FDS];
	poll(&p, 1, -1);
	if (message_receive(conn, ret, fds) != 0)
		return false;
	for (uint32_t i = 0; i < ret->n_fds; i++)
		close(fds[i]);
	return true;
}

/* A connection, until it is closed or the script is over. */
static void serve(int conn)
{
	struct message m;
	while (hear(conn, &m)) {
		pthread_mutex_lock(&lock);
		bool more = answers_left-- > 0 && script.left > 0;
		int n = more ? 1 + (m.kind == MESSAGE_HELLO && script.at[0] == 0xff) : 0; /* or the same thing twice */
		while (n-- > 0)
			answer(&script, conn, &m);
		pthread_mutex_unlock(&lock);
		if (!more)
			break;
	}
	close(conn);
}

static void *run_server(void *unused)
{
	for (;;) {
		struct pollfd p = { .fd = listen_fd, .events = POLLIN };
		poll(&p, 1, -1);
		pthread_mutex_lock(&lock);
		int conn = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		serving = conn >= 0;
		pthread_mutex_unlock(&lock);
		if (conn >= 0)
			serve(conn);
		pthread_mutex_lock(&lock);
		serving = false;
		pthread_cond_signal(&done);
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

/* ---- the client ---- */

static int count_one(void *data, const char *object, const struct stoa_class *cls)
{
	++*(unsigned *)data;
	return object[0] == '\0' || !cls;
}

static void use(struct stoa *s)
{
	struct stoa_proxy *p;
	struct stoa_health h;
	unsigned n = 0;
	stoa_health(s, &h);
	stoa_list(s, NULL, count_one, &n);
	stoa_attach_thread(s);
	if (stoa_open(s, "hits", NULL, STOA_NOWAIT, &p) == 0) {
		int64_t value;
		stoa_get(p, 0, &value, sizeof(value), STOA_NOWAIT, NULL);
		stoa_assign(p, 0, &value, sizeof(value), STOA_NOWAIT);
		stoa_close(p);
	}
	stoa_sync(s, STOA_NOWAIT, NULL);
}

static void attach(bool read_only)
{
	struct stoa *s = NULL;
	int64_t begun = clock_now();
	int r = stoa_attach("world", STOA_OPTIONS(.timeout = TIMEOUT_NS, .flags = read_only ? STOA_READ_ONLY : 0), &s);
	fuzz_check((r == 0) == (s != NULL), "attach returned %d", r);
	if (r == 0)
		use(s);
	stoa_detach(s);
	fuzz_check(clock_now() - begun < LATE_NS, "the client waited for %jd ms",
		   (intmax_t)(clock_now() - begun) / 1000000);
}

static void wait_for_server(void)
{
	struct pollfd p = { .fd = listen_fd, .events = POLLIN };
	pthread_mutex_lock(&lock);
	while (serving || poll(&p, 1, 0) == 1)
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
}

/* ---- making ---- */

static void end(void)
{
	unlink(path);
	rmdir(dir);
	rmdir(above);
}

/* A namespace beside the real one, of which there is but the socket. */
static void begin(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	pthread_t thread;
	world_begin(world_classes);
	snprintf(above, sizeof(above), "%.60s.server", getenv("STOA_DIR"));
	snprintf(dir, sizeof(dir), "%s/world", above);
	snprintf(path, sizeof(path), "%s/socket", dir);
	fuzz_check(mkdir(above, 0700) == 0 && mkdir(dir, 0700) == 0, "cannot make a directory %s", dir);
	setenv("STOA_DIR", above, 1);
	strcpy(at.sun_path, path);
	listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fuzz_check(bind(listen_fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listen_fd, 64) == 0, "no socket");
	fuzz_at_end(end);
	fuzz_check(pthread_create(&thread, NULL, run_server, NULL) == 0, "no thread");
	pthread_detach(thread);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	if (!listen_fd)
		begin();
	world_forget();
	bool read_only = input_u8(&in) & 1;
	int n_before = torture_count_fds(0);
	pthread_mutex_lock(&lock);
	script = in;
	answers_left = ANSWERS_MAX;
	pthread_mutex_unlock(&lock);
	attach(read_only);
	wait_for_server();
	fuzz_check(torture_count_fds(0) == n_before, "descriptors: %d, before %d", torture_count_fds(0), n_before);
	return 0;
}
