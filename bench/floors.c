/*
 * floors.c: what the machine itself allows: nothing that shares an object between processes can be faster. Plain
 * memory shared by all clients, no library.
 *
 * The ping-pong is also the probe of every round: between two virtual CPUs its time depends on where they are just now.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/bench.h"
#include "bench/futex.h"
#include "bench/pool.h"
#include "src/clock.h"

#define LOOK_NS 10000000

static struct floors {
	_Alignas(64) _Atomic uint64_t word;
	_Alignas(64) _Atomic uint64_t contended;
	_Alignas(64) _Atomic uint64_t ball;
	_Alignas(64) _Atomic uint32_t turn; /* 1: the helper's */
	_Alignas(64) _Atomic uint32_t news;
	_Atomic int64_t news_ns;
	_Alignas(64) _Atomic uint32_t seq;
	_Alignas(64) _Atomic uint64_t guarded[8];
	_Alignas(64) _Atomic uint64_t private[BENCH_CLIENTS_MAX + 1][8];
} *at;

struct client {
	unsigned me;
	uint64_t sink[8];
};

static int start(void)
{
	at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED ? trouble(-errno, "mmap: %s", strerror(errno)) : 0;
}

static int open_client(unsigned me, void **ret)
{
	static struct client client;
	client.me = me;
	*ret = &client;
	return 0;
}

static int64_t load(void *client)
{
	struct client *c = client;
	c->sink[0] += atomic_load_explicit(&at->word, memory_order_relaxed);
	return 0;
}

static int64_t read_seqlock(void *client)
{
	struct client *c = client;
	uint32_t before, after;
	do {
		before = atomic_load_explicit(&at->seq, memory_order_acquire);
		for (unsigned i = 0; i < 8; i++)
			c->sink[i] = atomic_load_explicit(&at->guarded[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&at->seq, memory_order_relaxed);
	} while (before != after || (before & 1));
	return 0;
}

static int64_t add_private(void *client)
{
	struct client *c = client;
	atomic_fetch_add(&at->private[c->me][0], 1);
	return 0;
}

static int64_t add_contended(void *client)
{
	(void)client;
	atomic_fetch_add(&at->contended, 1);
	return 0;
}

/* ---- there and back ---- */

static int64_t ping(void *client)
{
	(void)client;
	uint64_t ball = atomic_load_explicit(&at->ball, memory_order_relaxed);
	atomic_store_explicit(&at->ball, ball + 1, memory_order_release);
	while (atomic_load_explicit(&at->ball, memory_order_acquire) == ball + 1) {}
	return 0;
}

/* An odd ball is ours. */
static int pong(void *client, const _Atomic bool *stop)
{
	(void)client;
	while (!atomic_load_explicit(stop, memory_order_relaxed)) {
		uint64_t ball = atomic_load_explicit(&at->ball, memory_order_acquire);
		if (ball & 1)
			atomic_store_explicit(&at->ball, ball + 1, memory_order_release);
	}
	return 0;
}

static int64_t ping_asleep(void *client)
{
	(void)client;
	atomic_store(&at->turn, 1);
	futex_wake(&at->turn);
	while (atomic_load(&at->turn) == 1)
		futex_wait(&at->turn, 1, LOOK_NS);
	return 0;
}

static int pong_asleep(void *client, const _Atomic bool *stop)
{
	(void)client;
	while (!atomic_load(stop)) {
		if (atomic_load(&at->turn) == 0) {
			futex_wait(&at->turn, 0, LOOK_NS);
			continue;
		}
		atomic_store(&at->turn, 0);
		futex_wake(&at->turn);
	}
	return 0;
}

/* ---- one way ---- */

static int64_t hear(void *client)
{
	(void)client;
	uint32_t news = atomic_load(&at->news);
	pool_listen();
	for (int64_t end = clock_deadline(1000000000); atomic_load(&at->news) == news;) {
		futex_wait(&at->news, news, LOOK_NS);
		if (clock_now() > end)
			return trouble(-ETIMEDOUT, "the helper is silent");
	}
	return clock_now() - atomic_load(&at->news_ns);
}

static int tell(void *client, const _Atomic bool *stop)
{
	(void)client;
	while (pool_await_listener(stop)) {
		atomic_store(&at->news_ns, clock_now());
		atomic_fetch_add(&at->news, 1);
		futex_wake(&at->news);
	}
	return 0;
}

static const struct op ops[] = {
	{ .name = "cache line ping-pong", .run = ping, .help = pong, .most = 1, .flags = OP_PINNED },
	{ .name = "futex ping-pong", .run = ping_asleep, .help = pong_asleep, .most = 1, .flags = OP_PARKS },
	{ .name = "futex wake", .run = hear, .help = tell, .most = 1, .flags = OP_WAITS },
	{ .name = "plain load", .run = load, .most = 1 },
	{ .name = "seqlock read, 64 B", .run = read_seqlock, .most = 1 },
	{ .name = "atomic add, private", .run = add_private },
	{ .name = "atomic add, shared", .run = add_contended },
};

extern const struct peer peer_floors;
const struct peer peer_floors = {
	.name = "floor",
	.doc = "what the machine itself allows",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
};
