/*
 * worker.c: see worker.h. HTTP is libmicrohttpd's, run by the one thread there is.
 *
 * A request is recorded before it is answered, by a cast: once stoa_cast has returned, the coordinator may die at any
 * moment and the request is still counted, once, and no worker waits for it to come back. So at each moment the count
 * is at least the number of answers. If a request cannot be recorded, its answer is 503.
 */
#include "examples/prefork/worker.h"

#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "examples/prefork/webstats.h"

#define SHUTDOWN_MS 2000 /* for requests that are under way at SIGTERM */
#define IDLE_S 30        /* until a silent connection is closed */

struct worker {
	struct stoa *stoa;
	struct stoa_proxy *stats;
};

struct request {
	double began_ms;
	bool has_head;
};

static volatile sig_atomic_t stopping;

static void on_sigterm(int unused)
{
	(void)unused;
	stopping = 1;
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- what is answered ---- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, char *body,
			      size_t size, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(size, body, mode);
	if (!response)
		return MHD_NO; /* the connection is closed */
	enum MHD_Result r = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (r == MHD_YES)
		r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result answer_error(struct MHD_Connection *connection, int code)
{
	static const char none[] = "";
	const char *text = code ? stoa_strerror(code) : none;
	return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", (char *)text, strlen(text),
		      MHD_RESPMEM_PERSISTENT);
}

/* GET /stats: the object at one moment, after all that was recorded before, by whichever worker. */
static int print_stats(struct worker *w, FILE *to)
{
	struct webstats stats;
	int r = stoa_snapshot(w->stats, &stats, sizeof(stats), STOA_DEFAULT, NULL);
	if (r == 0)
		webstats_print_json(to, &stats);
	return r;
}

/* GET /health: how the coordinator does, and which worker says so; never waits for it. */
static int print_health(struct worker *w, FILE *to)
{
	struct stoa_health h;
	int r = stoa_health(w->stoa, &h);
	if (r == 0)
		fprintf(to,
			"{\"healthy\":%s,\"coordinator\":%d,\"guardian\":%d,\"worker\":%d,\"restarts\":%ju,"
			"\"queued\":%ju}\n",
			h.verdict == STOA_HEALTHY ? "true" : "false", (int)h.coordinator, (int)h.guardian,
			(int)getpid(), (uintmax_t)h.restarts, (uintmax_t)h.queued);
	return r;
}

/* These two are not recorded themselves: who only looks does not change what he sees. */
static enum MHD_Result answer_json(struct worker *w, struct MHD_Connection *connection,
				   int (*print)(struct worker *w, FILE *to))
{
	char *body = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&body, &size);
	if (!to)
		return MHD_NO;
	int r = print(w, to);
	if (fclose(to) == 0 && r == 0)
		return answer(connection, MHD_HTTP_OK, "application/json", body, size, MHD_RESPMEM_MUST_FREE);
	free(body);
	return answer_error(connection, r);
}

static enum MHD_Result answer_page(struct worker *w, struct MHD_Connection *connection, const char *path,
				   double began_ms)
{
	static char page[] = "<!DOCTYPE html>\n<title>stoa</title>\n<p>Served by one of four, counted by all.\n";
	static char missing[] = "<!DOCTYPE html>\n<title>Not found</title>\n<p>There is no such page.\n";
	bool found = strncmp(path, "/missing", 8) != 0;
	struct webstats_request request = {
		.status = found ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND,
		.bytes = found ? sizeof(page) - 1 : sizeof(missing) - 1,
	};
	memcpy(request.path, path, strnlen(path, sizeof(request.path) - 1));
	request.ms = now_ms() - began_ms;
	int r = webstats_record_cast(w->stats, &request, STOA_DEFAULT);
	if (r < 0)
		return answer_error(connection, r);
	return answer(connection, request.status, "text/html", found ? page : missing, request.bytes,
		      MHD_RESPMEM_PERSISTENT);
}

/* ---- libmicrohttpd's calls: a request's first line is there; its head, its body, its end are; it is answered ---- */

static void *on_begin(void *unused, const char *uri, struct MHD_Connection *connection)
{
	struct request *request = calloc(1, sizeof(*request));
	(void)unused;
	(void)uri;
	(void)connection;
	if (request)
		request->began_ms = now_ms();
	return request;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *body, size_t *body_size, void **of_request)
{
	struct worker *w = data;
	struct request *request = *of_request;
	(void)version;
	(void)body;
	if (!request)
		return MHD_NO;
	if (!request->has_head || *body_size) { /* answered at the last call, or the connection would be closed */
		request->has_head = true;
		*body_size = 0; /* a body is of no interest here */
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 && strcmp(path, "/stats") == 0)
		return answer_json(w, connection, print_stats);
	if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 && strcmp(path, "/health") == 0)
		return answer_json(w, connection, print_health);
	return answer_page(w, connection, path, request->began_ms);
}

static void on_end(void *unused, struct MHD_Connection *connection, void **of_request,
		   enum MHD_RequestTerminationCode code)
{
	(void)unused;
	(void)connection;
	(void)code;
	free(*of_request);
	*of_request = NULL;
}

/* ---- the process ---- */

static bool is_busy(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	return info && info->num_connections > 0;
}

static void serve(struct MHD_Daemon *daemon)
{
	while (!stopping)
		MHD_run_wait(daemon, 200); /* a signal between the look and the wait costs that much */
	MHD_quiesce_daemon(daemon);
	for (double end = now_ms() + SHUTDOWN_MS; is_busy(daemon) && now_ms() < end;)
		MHD_run_wait(daemon, 20);
	MHD_stop_daemon(daemon);
}

int worker_run(int listen_fd, struct stoa *stoa, struct stoa_proxy *stats)
{
	struct worker w = { stoa, stats };
	struct sigaction on_term = { .sa_handler = on_sigterm }, ignore = { .sa_handler = SIG_IGN };
	uint64_t rejected = 0;
	sigaction(SIGTERM, &on_term, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGINT, &ignore, NULL); /* Ctrl-C is the parent's, who tells us */
	struct MHD_Daemon *daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, &w, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_URI_LOG_CALLBACK, on_begin, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_END);
	if (!daemon)
		return 1;
	serve(daemon);
	int r = stoa_sync(stoa, STOA_DEFAULT, &rejected);
	if (r < 0 || rejected)
		fprintf(stderr, "prefork: worker: %s; %ju records were rejected\n", stoa_strerror(r),
			(uintmax_t)rejected);
	return r < 0 || rejected;
}
