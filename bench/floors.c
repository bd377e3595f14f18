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
#include "bench/pingpong.h"
#include "bench/pool.h"
#include "bench/ticks.h"
#include "src/clock.h"
#include "src/park.h"
#include "src/prefetch.h"

#define LOOK_NS 10000000
#define SLOTS 1024
#define RECORDS 64
#define PAGE 4096
#define PAGES 256 /* as many as a lane in full use has */

/* A command as it lies in a lane: a head, two arguments, and its answer in a line of its own. */
struct record {
	_Alignas(256) uint64_t head[8], args[4], unused[12];
	_Atomic uint64_t answered;
	uint64_t answer[4];
};

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
	_Alignas(128) _Atomic uint64_t slots[SLOTS];
	struct record records[RECORDS];
	_Alignas(128) _Atomic uint64_t called;
} *at;

struct client {
	unsigned me;
	uint64_t sink[8];
	char *pages;
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
	client.pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (client.pages == MAP_FAILED)
		return trouble(-errno, "mmap: %s", strerror(errno));
	memset(client.pages, 1, PAGES * PAGE);
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

/*
 * Pages that this process has written before, and nobody since its last slice, each written once. The kernel has no
 * fault for them; a hypervisor that has taken them out of its own tables meanwhile has, and nothing in here prevents it.
 */
static int write_rested(void *client, int64_t ns, struct histogram *ret)
{
	struct client *c = client;
	(void)ns;
	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t from = ticks_now();
		*(volatile char *)(c->pages + i * PAGE) = (char)from;
		histogram_add(ret, (uint64_t)ticks_to_ns(ticks_now() - from));
	}
	return 0;
}

/* ---- there and back ---- */

static int64_t ping(void *client)
{
	(void)client;
	pingpong_ask(&at->ball);
	return 0;
}

static int pong(void *client, const _Atomic bool *stop)
{
	(void)client;
	pingpong_answer(&at->ball, stop);
	return 0;
}

/*
 * The lines that a call moves from one CPU to the other, and nothing else: its slot in the ring, its record, its answer.
 * No check, no flag, no method, no commit. What is above this in a call is work; what is below, no work can spare.
 */
static int64_t ask(void *client)
{
	struct client *c = client;
	uint64_t n = atomic_load_explicit(&at->called, memory_order_relaxed) + 1, seen;
	struct record *r = &at->records[n % RECORDS];
	prefetch_to_write(&at->slots[n % SLOTS]); /* as it is looked at before it is written, it would come twice */
	for (unsigned i = 0; i < 8; i++)
		r->head[i] = n;
	for (unsigned i = 0; i < 4; i++)
		r->args[i] = n;
	seen = atomic_load_explicit(&at->slots[n % SLOTS], memory_order_acquire);
	atomic_compare_exchange_strong(&at->slots[n % SLOTS], &seen, n);
	while (atomic_load_explicit(&r->answered, memory_order_acquire) != n)
		park_pause();
	c->sink[0] += r->answer[0];
	atomic_store_explicit(&at->called, n, memory_order_relaxed);
	return 0;
}

static int answer(void *client, const _Atomic bool *stop)
{
	(void)client;
	for (uint64_t n = atomic_load(&at->called) + 1;; n++) {
		struct record *r = &at->records[n % RECORDS];
		uint64_t sum = 0;
		while (atomic_load_explicit(&at->slots[n % SLOTS], memory_order_acquire) != n) {
			if (atomic_load_explicit(stop, memory_order_relaxed))
				return 0;
			park_pause();
		}
		for (unsigned i = 0; i < 8; i++)
			sum += r->head[i];
		for (unsigned i = 0; i < 4; i++)
			sum += r->args[i];
		for (unsigned i = 0; i < 4; i++)
			r->answer[i] = sum;
		atomic_store_explicit(&r->answered, n, memory_order_release);
	}
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
	{ .name = "call's lines, no work", .run = ask, .help = answer, .most = 1, .flags = OP_PINNED },
	{ .name = "futex ping-pong", .run = ping_asleep, .help = pong_asleep, .most = 1, .flags = OP_PARKS },
	{ .name = "futex wake", .run = hear, .help = tell, .most = 1, .flags = OP_WAITS },
	{ .name = "plain load", .run = load, .most = 1 },
	{ .name = "seqlock read, 64 B", .run = read_seqlock, .most = 1 },
	{ .name = "atomic add, private", .run = add_private },
	{ .name = "atomic add, shared", .run = add_contended },
	{ .name = "page that rested", .loop = write_rested },
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
