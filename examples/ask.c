/*
 * ask.c: each line on standard input asks a rate limiter and is answered "go" or "later". Any number of calls in
 * flight, with one thread and one poll: a submit does not wait, its answer is an event.
 *
 *     stoad -n web --volatile &
 *     seq 100 | examples/ask [NAMESPACE]           ("web"; makes the object "limit": 10 a second, at most 20 at once)
 *
 * Change the limit meanwhile: stoa set -n web limit.rate=50
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <stoa.h>
#include <stoa/bucket.h>

struct ask {
	struct bucket_taken answer; /* the library writes here until the answer has come */
	char line[80];
};

struct asking {
	struct stoa *stoa;
	struct stoa_proxy *limit;
	char input[1 << 16];
	size_t filled; /* of input */
	bool ended;    /* no more input */
	bool full;     /* there was no room for one more: read on after an answer */
	bool told;     /* that all were asked */
	unsigned long asked, in_flight;
};

static void show(struct asking *a, const struct stoa_event *e)
{
	struct ask *ask = e->data;
	if (e->what == STOA_LOST || e->what == STOA_BACK) { /* nothing to do: what was sent stays queued */
		fprintf(stderr, "ask: coordinator %s\n", e->what == STOA_LOST ? "lost" : "back");
		return;
	}
	if (e->status < 0)
		printf("%s: %s\n", ask->line, stoa_strerror(e->status));
	else if (ask->answer.granted)
		printf("%s: go\n", ask->line);
	else
		printf("%s: later, in %jd ms\n", ask->line, (intmax_t)(ask->answer.wait_ns / 1000000 + 1));
	a->in_flight--;
	a->full = false;
	free(ask); /* answered, failed or timed out: the library no longer writes here */
}

/* -EAGAIN: there is no room for it now. Then, as with any error, there will be no event. */
static int ask(struct asking *a, const char *line, size_t size)
{
	struct ask *ask = calloc(1, sizeof(*ask));
	if (!ask)
		return -ENOMEM;
	memcpy(ask->line, line, size < sizeof(ask->line) ? size : sizeof(ask->line) - 1);
	int r = bucket_take_submit(a->limit, &(struct bucket_take){ .n = 1 }, &ask->answer, ask, STOA_DEFAULT);
	if (r < 0) {
		free(ask);
		return r;
	}
	a->asked++;
	a->in_flight++;
	return 0;
}

/* Ask for each complete line of the input, until there is no room. */
static int ask_all(struct asking *a)
{
	char *at = a->input, *end = a->input + a->filled, *newline;
	int r = 0;
	while (r == 0 && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		r = ask(a, at, (size_t)(newline - at));
		at = r == 0 ? newline + 1 : at;
	}
	a->full = r == -EAGAIN;
	a->filled = (size_t)(end - at);
	memmove(a->input, at, a->filled);
	if (a->ended && a->filled == 0 && !a->told) {
		fprintf(stderr, "ask: %lu asked, %lu in flight\n", a->asked, a->in_flight);
		a->told = true;
	}
	return a->full ? 0 : r;
}

static int read_more(struct asking *a)
{
	ssize_t n = read(STDIN_FILENO, a->input + a->filled, sizeof(a->input) - 1 - a->filled);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	a->ended = n == 0;
	a->filled += (size_t)n;
	bool is_full = a->filled == sizeof(a->input) - 1 && !memchr(a->input, '\n', a->filled);
	if ((n == 0 && a->filled) || is_full)
		a->input[a->filled++] = '\n'; /* a last line without its end; or one that is far too long */
	return 0;
}

/* Sleep until there is an answer, or input that we have room for. A full queue may be others' doing: look again. */
static int sleep_or_read(struct asking *a)
{
	struct pollfd fds[] = { { .fd = stoa_fd(a->stoa), .events = POLLIN },
				{ .fd = a->ended || a->full ? -1 : STDIN_FILENO, .events = POLLIN } };
	if (fds[0].fd < 0)
		return fds[0].fd;
	fflush(stdout);
	if (poll(fds, 2, a->full ? 10 : -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (!fds[1].revents)
		return 0;
	return read_more(a);
}

static int answer_all(struct asking *a)
{
	struct stoa_event e;
	for (;;) {
		int r;
		while ((r = stoa_next(a->stoa, &e)) > 0)
			show(a, &e);
		/* 0: nothing is there and the descriptor is armed, so sleeping is safe */
		r = r ? r : ask_all(a);
		if (r < 0 || (a->ended && a->filled == 0 && a->in_flight == 0))
			return r;
		r = sleep_or_read(a);
		if (r < 0)
			return r;
	}
}

int main(int argc, char **argv)
{
	static struct asking a;
	int r = stoa_attach(argc > 1 ? argv[1] : "web", NULL, &a.stoa);
	r = r ? r
	      : stoa_create(a.stoa, "limit", &bucket_class, &(struct bucket){ .rate = 10, .burst = 20 }, 0, &a.limit);
	r = r ? r : answer_all(&a);
	if (r < 0) {
		struct stoa_error e;
		stoa_last_error(&e);
		fprintf(stderr, "ask: %s\n", e.text);
	}
	stoa_detach(a.stoa); /* what is still pending is abandoned, and counted so */
	return r < 0;
}
