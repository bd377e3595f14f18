/*
 * peer_stoa.c: stoa itself, through its public interface, with a coordinator of its own (stoa_start).
 *
 * A slice of casts ends with stoa_sync, so what is counted has been applied. The clients are forked after the start and
 * go on with the proxies of their parent, each over a lane of its own.
 */
#include <errno.h>

#include "bench/classes.h"
#include "bench/pool.h"
#include "include/stoa/counter.h"
#include "src/clock.h"

#define OTHER offsetof(struct tally, other)

static struct stoa *stoa;
static struct stoa_proxy *tally, *page, *counter, *small, *large;

struct client {
	uint64_t value;
	struct tally tally;
	struct page page;
};

static int start(void)
{
	classes_begin();
	int r = stoa_start("bench", STOA_CLASSES(&tally_class, &page_class, &small_class, &large_class), NULL, &stoa);
	r = r ? r : stoa_create(stoa, "tally", &tally_class, NULL, 0, &tally);
	r = r ? r : stoa_create(stoa, "page", &page_class, NULL, 0, &page);
	r = r ? r : stoa_create(stoa, "counter", &counter_class, NULL, 0, &counter);
	r = r ? r : stoa_create(stoa, "small", &small_class, NULL, 0, &small);
	r = r ? r : stoa_create(stoa, "large", &large_class, NULL, 0, &large);
	return r < 0 ? stoa_trouble(r) : 0;
}

static void stop(void)
{
	stoa = stoa_detach(stoa);
}

static pid_t find_coordinator(void *unused)
{
	struct stoa_health h;
	(void)unused;
	return stoa_health(stoa, &h) == 0 ? h.coordinator : 0;
}

static int open_client(unsigned me, void **ret)
{
	static struct client client;
	(void)me;
	int r = stoa_attach_thread(stoa);
	*ret = &client;
	return r < 0 ? stoa_trouble(r) : 0;
}

static int sync_casts(void *client)
{
	uint64_t rejected;
	(void)client;
	int r = stoa_sync(stoa, STOA_MS(20000), &rejected);
	if (r < 0)
		return stoa_trouble(r);
	return rejected ? trouble(-EPROTO, "%ju casts were rejected", (uintmax_t)rejected) : 0;
}

/* ---- writes ---- */

static int64_t cast(void *client)
{
	(void)client;
	int r = tally_add_cast(tally, &(struct tally_add){ 1, 2 }, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int64_t cast_counter(void *client)
{
	(void)client;
	int r = counter_add_cast(counter, &(struct counter_args){ 1 }, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int64_t cast_small(void *client)
{
	(void)client;
	int r = small_touch_cast(small, NULL, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int64_t cast_large(void *client)
{
	(void)client;
	int r = large_touch_cast(large, NULL, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int64_t call(void *client)
{
	struct client *c = client;
	struct tally_value ret;
	int r = tally_add_call(tally, &(struct tally_add){ 1, 2 }, &ret, STOA_DEFAULT);
	c->value = ret.value;
	return r < 0 ? stoa_trouble(r) : 0;
}

/* A commit each; casts share one among many. */
static int64_t call_small(void *client)
{
	(void)client;
	int r = small_touch_call(small, NULL, NULL, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int64_t call_large(void *client)
{
	(void)client;
	int r = large_touch_call(large, NULL, NULL, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

/* ---- reads ---- */

static int64_t get(void *client)
{
	struct client *c = client;
	int r = STOA_GET(tally, struct tally, value, &c->value, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int64_t cast_and_get(void *client)
{
	int64_t r = cast(client);
	return r ? r : get(client);
}

static int64_t snapshot_tally(void *client)
{
	struct client *c = client;
	int r = stoa_snapshot(tally, &c->tally, sizeof(c->tally), STOA_DEFAULT, NULL);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int64_t snapshot_page(void *client)
{
	struct client *c = client;
	int r = stoa_snapshot(page, &c->page, sizeof(c->page), STOA_DEFAULT, NULL);
	return r < 0 ? stoa_trouble(r) : 0;
}

/* ---- with a writer beside ---- */

static int write_other(void *client, const _Atomic bool *stop)
{
	int r = 0;
	while (r == 0 && !atomic_load_explicit(stop, memory_order_relaxed))
		r = tally_touch_cast(tally, NULL, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : sync_casts(client);
}

static int write_same(void *client, const _Atomic bool *stop)
{
	int64_t r = 0;
	while (r == 0 && !atomic_load_explicit(stop, memory_order_relaxed))
		r = cast(client);
	return r < 0 ? (int)r : sync_casts(client);
}

/* ---- wake-ups: the helper writes the time, the client hears of it ---- */

static int64_t hear(void *client)
{
	struct stoa_stamp stamp;
	uint64_t said_ns;
	(void)client;
	int r = stoa_get(tally, OTHER, &said_ns, sizeof(said_ns), STOA_DEFAULT, &stamp);
	pool_listen();
	r = r ? r : stoa_wait(tally, OTHER, stamp.version, STOA_MS(1000), NULL);
	int64_t now = clock_now();
	r = r ? r : stoa_get(tally, OTHER, &said_ns, sizeof(said_ns), STOA_DEFAULT, NULL);
	int64_t took = now - (int64_t)said_ns;
	return r < 0 ? stoa_trouble(r) : took > 0 ? took : 1;
}

static int tell(void *client, const _Atomic bool *stop)
{
	int r = 0;
	while (r == 0 && pool_await_listener(stop))
		r = tally_stamp_cast(tally, &(struct tally_stamp){ (uint64_t)clock_now() }, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : sync_casts(client);
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "cast", .run = cast, .finish = sync_casts },
	{ .kind = KIND_W, .name = "cast, counter", .run = cast_counter, .finish = sync_casts },
	{ .kind = KIND_W, .name = "cast, 8 of 4 KiB", .run = cast_small, .finish = sync_casts, .most = 1 },
	{ .kind = KIND_W, .name = "cast, 8 of 1 MiB", .run = cast_large, .finish = sync_casts, .most = 1 },
	{ .kind = KIND_R, .name = "get", .run = get },
	{ .kind = KIND_R, .name = "get, other written", .run = get, .help = write_other, .most = 1 },
	{ .kind = KIND_R, .name = "get, same written", .run = get, .help = write_same, .most = 1 },
	{ .kind = KIND_S, .name = "snapshot 64 B", .run = snapshot_tally },
	{ .kind = KIND_S, .name = "snapshot 1 KiB", .run = snapshot_page },
	{ .kind = KIND_S, .name = "snapshot, written", .run = snapshot_tally, .help = write_same, .most = 1 },
	{ .kind = KIND_C, .name = "call", .run = call, .flags = OP_PARKS },
	{ .kind = KIND_C, .name = "call, 8 of 4 KiB", .run = call_small, .most = 1 },
	{ .kind = KIND_C, .name = "call, 8 of 1 MiB", .run = call_large, .most = 1 },
	{ .kind = KIND_RW, .name = "cast, get", .run = cast_and_get },
	{ .kind = KIND_N, .name = "wait", .run = hear, .help = tell, .most = 1, .flags = OP_WAITS },
};

extern const struct peer peer_stoa;
const struct peer peer_stoa = {
	.name = "stoa",
	.doc = "this library: class with two arguments, undo on",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.stop = stop,
	.open = open_client,
	.server = find_coordinator,
};
