/*
 * peer_mutex.c: a struct in shared memory behind a process-shared mutex, plain or robust. Whoever holds it changes the
 * struct in place; with the plain one a death in between blocks all for ever, with the robust one the next must repair.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/bench.h"

struct guarded {
	_Alignas(64) pthread_mutex_t mutex;
	_Alignas(64) struct tally tally;
	_Alignas(64) struct page page;
};
static struct guarded *plain, *robust;

static int make(int robustness, struct guarded **ret)
{
	pthread_mutexattr_t attr;
	struct guarded *g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g == MAP_FAILED)
		return trouble(-errno, "mmap: %s", strerror(errno));
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, robustness);
	int r = pthread_mutex_init(&g->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	*ret = g;
	return r ? trouble(-r, "pthread_mutex_init: %s", strerror(r)) : 0;
}

static int start_plain(void)
{
	return make(PTHREAD_MUTEX_STALLED, &plain);
}

static int start_robust(void)
{
	return make(PTHREAD_MUTEX_ROBUST, &robust);
}

struct client {
	struct guarded *g;
	uint64_t value;
	struct tally tally;
	struct page page;
};

static int open_with(struct guarded *g, struct client *client, void **ret)
{
	client->g = g;
	*ret = client;
	return 0;
}

static int open_plain(unsigned me, void **ret)
{
	static struct client client;
	(void)me;
	return open_with(plain, &client, ret);
}

static int open_robust(unsigned me, void **ret)
{
	static struct client client;
	(void)me;
	return open_with(robust, &client, ret);
}

static int lock(struct client *c)
{
	int r = pthread_mutex_lock(&c->g->mutex);
	if (r == EOWNERDEAD)
		r = pthread_mutex_consistent(&c->g->mutex);
	return r ? trouble(-r, "pthread_mutex_lock: %s", strerror(r)) : 0;
}

static int64_t update(void *client)
{
	struct client *c = client;
	int r = lock(c);
	if (r < 0)
		return r;
	c->value = tally_apply(&c->g->tally, 1, 2);
	pthread_mutex_unlock(&c->g->mutex);
	return 0;
}

static int64_t read_value(void *client)
{
	struct client *c = client;
	int r = lock(c);
	if (r < 0)
		return r;
	c->value = c->g->tally.value;
	pthread_mutex_unlock(&c->g->mutex);
	return 0;
}

static int64_t update_and_read(void *client)
{
	int64_t r = update(client);
	return r ? r : read_value(client);
}

static int64_t read_tally(void *client)
{
	struct client *c = client;
	int r = lock(c);
	if (r < 0)
		return r;
	memcpy(&c->tally, &c->g->tally, sizeof(c->tally));
	pthread_mutex_unlock(&c->g->mutex);
	return 0;
}

static int64_t read_page(void *client)
{
	struct client *c = client;
	int r = lock(c);
	if (r < 0)
		return r;
	memcpy(&c->page, &c->g->page, sizeof(c->page));
	pthread_mutex_unlock(&c->g->mutex);
	return 0;
}

/* What a reader has beside him, when it is said so. */
static int write_on(void *client, const _Atomic bool *stop)
{
	int64_t r = 0;
	while (r == 0 && !atomic_load_explicit(stop, memory_order_relaxed))
		r = update(client);
	return (int)r;
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "update", .run = update },
	{ .kind = KIND_R, .name = "read", .run = read_value },
	{ .kind = KIND_R, .name = "read, written", .like = "get, same written", .run = read_value, .help = write_on,
	  .most = 1 },
	{ .kind = KIND_S, .name = "copy 64 B", .run = read_tally },
	{ .kind = KIND_S, .name = "copy 1 KiB", .like = "snapshot 1 KiB", .run = read_page },
	{ .kind = KIND_C, .name = "update, new value", .run = update, .flags = OP_PARKS },
	{ .kind = KIND_RW, .name = "update, read", .run = update_and_read },
};

extern const struct peer peer_mutex, peer_robust;
const struct peer peer_mutex = {
	.name = "mutex",
	.doc = "process-shared mutex around a struct",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start_plain,
	.open = open_plain,
};
const struct peer peer_robust = {
	.name = "robust",
	.doc = "robust mutex around a struct: its holder may die",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start_robust,
	.open = open_robust,
};
