/*
 * peer_memcached.c: a local memcached over a unix socket, through libmemcached. Updates without an answer go over a
 * connection of their own, as that is a setting of the connection.
 */
#include <errno.h>
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/servers.h"

static char path[112];

struct client {
	memcached_st *m, *quiet;
};

static int start(void)
{
	const char *server = servers_find("memcached");
	if (!server)
		return trouble(-ENOTSUP, "memcached is not installed");
	snprintf(path, sizeof(path), "%s/memcached", servers_dir());
	pid_t pid = servers_exec("memcached", (const char *const[]){ server, "-s", path, "-u", "root", NULL });
	return pid < 0 ? pid : servers_await_socket(pid, path);
}

static int check(const struct client *c, memcached_return_t r)
{
	return memcached_success(r) ? 0 : trouble(-EPROTO, "memcached: %s", memcached_strerror(c->m, r));
}

static int set(struct client *c, const char *key, const char *value, size_t size)
{
	return check(c, memcached_set(c->m, key, strlen(key), value, size, 0, 0));
}

static int open_client(unsigned me, void **ret)
{
	static struct client c;
	static const char zeros[1024];
	(void)me;
	*ret = &c;
	c.m = memcached_create(NULL);
	c.quiet = memcached_create(NULL);
	if (!c.m || !c.quiet)
		return trouble(-ENOMEM, "no memory");
	memcached_behavior_set(c.quiet, MEMCACHED_BEHAVIOR_NOREPLY, 1);
	int r = check(&c, memcached_server_add_unix_socket(c.m, path));
	r = r ? r : check(&c, memcached_server_add_unix_socket(c.quiet, path));
	r = r ? r : set(&c, "tally", "0", 1);
	r = r ? r : set(&c, "small", zeros, sizeof(struct tally));
	return r ? r : set(&c, "large", zeros, sizeof(struct page));
}

static void close_client(void *client)
{
	struct client *c = client;
	memcached_free(c->m);
	memcached_free(c->quiet);
}

static int64_t increment(void *client)
{
	struct client *c = client;
	uint64_t value;
	return check(c, memcached_increment(c->m, "tally", 5, 1, &value));
}

static int64_t increment_quietly(void *client)
{
	struct client *c = client;
	uint64_t value;
	return check(c, memcached_increment(c->quiet, "tally", 5, 1, &value));
}

static int get_by(struct client *c, memcached_st *m, const char *key)
{
	size_t size;
	uint32_t flags;
	memcached_return_t r;
	free(memcached_get(m, key, strlen(key), &size, &flags, &r));
	return check(c, r);
}

static int await_increments(void *client)
{
	struct client *c = client;
	return get_by(c, c->quiet, "tally");
}

static int64_t get(void *client)
{
	struct client *c = client;
	return get_by(c, c->m, "tally");
}

static int64_t get_small(void *client)
{
	struct client *c = client;
	return get_by(c, c->m, "small");
}

static int64_t get_large(void *client)
{
	struct client *c = client;
	return get_by(c, c->m, "large");
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "incr noreply", .run = increment_quietly, .finish = await_increments },
	{ .kind = KIND_R, .name = "get", .run = get },
	{ .kind = KIND_S, .name = "get, 64 B", .run = get_small },
	{ .kind = KIND_S, .name = "get, 1 KiB", .like = "snapshot 1 KiB", .run = get_large },
	{ .kind = KIND_C, .name = "incr", .run = increment, .flags = OP_PARKS },
};

extern const struct peer peer_memcached;
const struct peer peer_memcached = {
	.name = "memcached",
	.doc = "memcached over a unix socket",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
	.close = close_client,
};
