/*
 * peer_iceoryx.c: request and response of iceoryx, through its C binding: both sides polling, or both waiting in wait
 * sets. The server is the helper of the slice, so that it polls only then. Its daemon, iox-roudi, is ours for as long.
 */
#include <errno.h>
#include <iceoryx_binding_c/api.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/served.h"
#include "bench/servers.h"
#include "src/clock.h"

#define CONNECT_NS INT64_C(10000000000)
#define LOOK_NS 10000000
#define GONE_NS INT64_C(2000000000)
#define CLIENTS 64 /* its daemon does not answer 256 that register at once */

enum { POLLING, WAITING };
static const char *const events[] = { "polling", "waiting" };

/* A client of both services or, in the helper, their servers. */
struct client {
	struct link link; /* what was heard, and said quietly; to say and to hear there are two ways */
	iox_client_storage_t client_memory[2];
	iox_server_storage_t server_memory[2];
	iox_ws_storage_t set_memory;
	iox_client_t client[2];
	iox_server_t server[2];
	iox_ws_t set; /* of the client or server that waits */
};

static pid_t roudi;

static int start(void)
{
	const char *program = servers_find("iox-roudi");
	if (!program)
		return trouble(-ENOTSUP, "iox-roudi is not installed");
	/* Unmonitored: it would take a client for dead, and end it, that has no CPU for 1.5 seconds. */
	roudi = servers_exec("roudi", (const char *const[]){ program, "-l", "off", "-m", "off", NULL });
	return roudi < 0 ? roudi : servers_await_text(roudi, "roudi", "RouDi is ready for clients");
}

static void stop(void)
{
	servers_terminate(roudi);
}

/* ---- open ---- */

static void serve_both(struct client *c)
{
	iox_server_options_t o;
	iox_server_options_init(&o);
	o.requestQueueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
	for (int i = 0; i < 2; i++)
		c->server[i] = iox_server_init(&c->server_memory[i], "stoa-bench", "tally", events[i], &o);
	iox_ws_attach_server_event(c->set, c->server[WAITING], ServerEvent_REQUEST_RECEIVED, 0, NULL);
}

static int connect_both(struct client *c)
{
	iox_client_options_t o;
	iox_client_options_init(&o);
	o.serverTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
	for (int i = 0; i < 2; i++)
		c->client[i] = iox_client_init(&c->client_memory[i], "stoa-bench", "tally", events[i], &o);
	iox_ws_attach_client_event(c->set, c->client[WAITING], ClientEvent_RESPONSE_RECEIVED, 0, NULL);
	for (int64_t end = clock_deadline(CONNECT_NS); clock_now() < end; usleep(1000))
		if (iox_client_get_connection_state(c->client[0]) == ConnectionState_CONNECTED &&
		    iox_client_get_connection_state(c->client[1]) == ConnectionState_CONNECTED)
			return 0;
	return trouble(-ETIMEDOUT, "the server does not connect");
}

static int open_client(unsigned me, void **ret)
{
	static struct client c;
	char name[32];
	snprintf(name, sizeof(name), "stoa-bench-%d", (int)getpid());
	iox_set_loglevel(Iceoryx_LogLevel_Off);
	iox_runtime_init(name);
	*ret = &c;
	c.set = iox_ws_init(&c.set_memory);
	if (me != BENCH_HELPER)
		return connect_both(&c);
	serve_both(&c);
	return 0;
}

static void close_client(void *client)
{
	struct client *c = client;
	iox_ws_deinit(c->set);
	for (int i = 0; i < 2; i++) {
		if (c->client[i])
			iox_client_deinit(c->client[i]);
		if (c->server[i])
			iox_server_deinit(c->server[i]);
	}
	iox_runtime_shutdown();
}

static void wait_a_while(struct client *c)
{
	iox_notification_info_t info;
	uint64_t missed;
	iox_ws_timed_wait(c->set, (struct timespec){ .tv_nsec = LOOK_NS }, &info, 1, &missed);
}

/* ---- the server ---- */

/* Without a response to be had it is done all the same; the client complains. */
static void answer(iox_server_t server, const struct ask *ask)
{
	void *response = NULL;
	char unsent[SERVED_ANSWER];
	if (!ask->quiet)
		iox_server_loan_response(server, ask, &response, SERVED_ANSWER);
	served_do(ask, response ? response : unsent);
	if (response)
		iox_server_send(server, response);
	iox_server_release_request(server, ask);
}

static bool answer_one(iox_server_t server)
{
	const void *request;
	if (iox_server_take_request(server, &request) != ServerRequestResult_SUCCESS)
		return false;
	answer(server, request);
	return true;
}

static int serve_polling(void *client, const _Atomic bool *stop)
{
	struct client *c = client;
	while (!atomic_load_explicit(stop, memory_order_relaxed))
		answer_one(c->server[POLLING]);
	return 0;
}

static int serve_waiting(void *client, const _Atomic bool *stop)
{
	struct client *c = client;
	while (!atomic_load(stop))
		if (!answer_one(c->server[WAITING]))
			wait_a_while(c);
	return 0;
}

/* ---- the client ---- */

static int say(iox_client_t client, struct ask ask)
{
	void *request;
	if (iox_client_loan_request(client, &request, sizeof(ask)) != AllocationResult_SUCCESS)
		return trouble(-ENOMEM, "no request to be had");
	memcpy(request, &ask, sizeof(ask));
	if (iox_client_send(client, request) != ClientSendResult_SUCCESS)
		return trouble(-EPIPE, "a request cannot be sent");
	return 0;
}

/* 1: there was a response, to an ask whose answer is a value; it lies in a larger chunk. 0: none yet. */
static int take(struct client *c, int way, const struct ask *ask)
{
	const void *response;
	if (iox_client_take_response(c->client[way], &response) != ChunkReceiveResult_SUCCESS)
		return 0;
	int r = served_check(c, ask, response, sizeof(uint64_t));
	iox_client_release_response(c->client[way], response);
	return r < 0 ? r : 1;
}

static int poll_for(struct client *c, struct ask ask)
{
	int r = say(c->client[POLLING], ask);
	for (uint64_t n = 0; r == 0 && (r = take(c, POLLING, &ask)) == 0; n++)
		if (n % 65536 == 65535 && iox_client_get_connection_state(c->client[POLLING]) != ConnectionState_CONNECTED)
			return trouble(-EPIPE, "the server is gone");
	return r < 0 ? r : 0;
}

static int64_t update_polling(void *client)
{
	return poll_for(client, ASK_ADD);
}

static int64_t update_waiting(void *client)
{
	struct client *c = client;
	int r = say(c->client[WAITING], ASK_ADD);
	for (int64_t end = clock_deadline(GONE_NS); r == 0 && (r = take(c, WAITING, &ASK_ADD)) == 0;) {
		wait_a_while(c);
		if (clock_now() > end)
			return trouble(-ETIMEDOUT, "no response");
	}
	return r < 0 ? r : 0;
}

static int64_t update_quietly(void *client)
{
	struct client *c = client;
	c->link.quiet++;
	return say(c->client[POLLING], ASK_ADD_QUIETLY);
}

static int await_updates(void *client)
{
	return poll_for(client, ASK_VALUE);
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "request only, polling", .run = update_quietly, .finish = await_updates,
	  .help = serve_polling, .most = CLIENTS },
	{ .kind = KIND_C, .name = "request, polling", .run = update_polling, .help = serve_polling, .most = CLIENTS },
	{ .kind = KIND_C, .name = "request, waiting", .run = update_waiting, .help = serve_waiting, .most = CLIENTS,
	  .flags = OP_PARKS },
};

extern const struct peer peer_iceoryx;
const struct peer peer_iceoryx = {
	.name = "iceoryx",
	.doc = "iceoryx, request and response",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.stop = stop,
	.open = open_client,
	.close = close_client,
};
