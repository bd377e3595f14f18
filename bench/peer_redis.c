/*
 * peer_redis.c: a local Redis without persistence, over a unix socket, through hiredis: round trips, and INCR in
 * pipelines of 64.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/pool.h"
#include "bench/servers.h"
#include "src/clock.h"

#define PIPELINE 64

static char path[112];

static int start(void)
{
	const char *server = servers_find("redis-server");
	if (!server)
		return trouble(-ENOTSUP, "redis-server is not installed");
	snprintf(path, sizeof(path), "%s/redis", servers_dir());
	pid_t pid = servers_exec("redis", (const char *const[]){ server, "--port", "0", "--unixsocket", path, "--save",
								 "", "--appendonly", "no", "--dir", servers_dir(),
								 NULL });
	return pid < 0 ? pid : servers_await_socket(pid, path);
}

static int check(redisContext *c, redisReply *reply)
{
	int r = 0;
	if (!reply)
		r = trouble(-EPIPE, "redis: %s", c->errstr);
	else if (reply->type == REDIS_REPLY_ERROR)
		r = trouble(-EPROTO, "redis: %s", reply->str);
	if (reply)
		freeReplyObject(reply);
	return r;
}

static int set(redisContext *c, const char *key, size_t size)
{
	static const char zeros[1024];
	return check(c, redisCommand(c, "SET %s %b", key, zeros, size));
}

static int open_client(unsigned me, void **ret)
{
	redisContext *c = redisConnectUnix(path);
	(void)me;
	*ret = c;
	if (!c || c->err)
		return trouble(-ECONNREFUSED, "redis: %s", c ? c->errstr : "no memory");
	int r = set(c, "small", sizeof(struct tally));
	return r ? r : set(c, "large", sizeof(struct page));
}

static void close_client(void *client)
{
	redisFree(client);
}

static int64_t increment(void *client)
{
	return check(client, redisCommand(client, "INCR tally"));
}

static int64_t increment_many(void *client)
{
	int r = 0;
	for (int i = 0; i < PIPELINE; i++)
		redisAppendCommand(client, "INCR tally");
	for (int i = 0; i < PIPELINE && r == 0; i++) {
		void *reply = NULL;
		redisGetReply(client, &reply);
		r = check(client, reply);
	}
	return r;
}

static int64_t get(void *client)
{
	return check(client, redisCommand(client, "GET tally"));
}

static int64_t increment_and_get(void *client)
{
	int64_t r = increment(client);
	return r ? r : get(client);
}

static int64_t get_small(void *client)
{
	return check(client, redisCommand(client, "GET small"));
}

static int64_t get_large(void *client)
{
	return check(client, redisCommand(client, "GET large"));
}

/* ---- wake-ups: the helper publishes the time, the client has subscribed to it ---- */

static redisContext *subscribe(void)
{
	redisContext *c = redisConnectUnix(path);
	struct timeval patience = { .tv_sec = 2 };
	if (!c || c->err || redisSetTimeout(c, patience) != REDIS_OK || check(c, redisCommand(c, "SUBSCRIBE news")) < 0)
		return NULL;
	return c;
}

static int64_t hear(void *client)
{
	static redisContext *news;
	void *reply = NULL;
	(void)client;
	if (!news && !(news = subscribe()))
		return trouble(-ECONNREFUSED, "redis: cannot subscribe");
	pool_listen();
	redisGetReply(news, &reply);
	int64_t now = clock_now();
	const redisReply *message = reply;
	bool good = message && message->type == REDIS_REPLY_ARRAY && message->elements == 3;
	int64_t r = good ? now - atoll(message->element[2]->str) : trouble(-EPIPE, "redis: %s", news->errstr);
	if (reply)
		freeReplyObject(reply);
	return r;
}

static int tell(void *client, const _Atomic bool *stop)
{
	int r = 0;
	while (r == 0 && pool_await_listener(stop))
		r = check(client, redisCommand(client, "PUBLISH news %lld", (long long)clock_now()));
	return r;
}

/* What a reader has beside him, when it is said so. */
static int write_on(void *client, const _Atomic bool *stop)
{
	int64_t r = 0;
	while (r == 0 && !atomic_load_explicit(stop, memory_order_relaxed))
		r = increment(client);
	return (int)r;
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "INCR, 64 pipelined", .run = increment_many, .each = PIPELINE },
	{ .kind = KIND_R, .name = "GET", .run = get },
	{ .kind = KIND_R, .name = "GET, written", .like = "get, same written", .run = get, .help = write_on,
	  .most = 1 },
	{ .kind = KIND_S, .name = "GET, 64 B", .run = get_small },
	{ .kind = KIND_S, .name = "GET, 1 KiB", .like = "snapshot 1 KiB", .run = get_large },
	{ .kind = KIND_C, .name = "INCR", .run = increment, .flags = OP_PARKS },
	{ .kind = KIND_RW, .name = "INCR, GET", .run = increment_and_get },
	{ .kind = KIND_N, .name = "SUBSCRIBE", .run = hear, .help = tell, .most = 1, .flags = OP_WAITS },
};

extern const struct peer peer_redis;
const struct peer peer_redis = {
	.name = "redis",
	.doc = "Redis over a unix socket, nothing written to disk",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
	.close = close_client,
};
