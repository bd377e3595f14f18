/*
 * count.c: four processes count into one object, and nothing is lost. A class, an embedded coordinator, casts, a read.
 *
 *     examples/count        prints 40000
 *
 * While it runs, or with a longer loop, in a shell: stoa show -n count hits
 */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <stoa.h>

#define WORKERS 4
#define EACH 10000

/* The object, and what its one method takes. */
struct hits {
	uint64_t requests, bytes;
};
struct hit {
	uint32_t bytes;
};
STOA_STRUCT(hits, STOA_ATTR(struct hits, requests, .doc = "requests answered"),
	    STOA_ATTR(struct hits, bytes, .unit = "byte", .doc = "body bytes sent"));
STOA_STRUCT(hit, STOA_ATTR(struct hit, bytes, .unit = "byte"));
STOA_STUB(hits, record, struct hit, stoa_none); /* hits_record_cast(), _call(), _submit() */

/* Runs in the coordinator, one call at a time. When it fails it has changed nothing. */
static int hits_record(struct hits *self, const struct hit *hit, stoa_none *ret)
{
	(void)ret;
	self->requests++;
	self->bytes += hit->bytes;
	if (hit->bytes > 1 << 30)
		return stoa_fail(-EINVAL, "bytes is %u, over 1 GiB", hit->bytes);
	return 0;
}
STOA_METHOD(hits, record, hit, stoa_none, .writes = "requests bytes");
STOA_CLASS(hits, 1, &hits_record_row);

/* A forked child goes on with its parent's proxy. */
static int work(struct stoa_proxy *hits)
{
	int r = 0;
	for (int i = 0; r == 0 && i < EACH; i++)
		r = hits_record_cast(hits, &(struct hit){ .bytes = 512 }, STOA_DEFAULT);
	return r;
}

int main(void)
{
	struct stoa *s = NULL;
	struct stoa_proxy *hits = NULL;
	uint64_t n = 0;
	int r = stoa_start("count", STOA_CLASSES(&hits_class), NULL, &s);
	r = r ? r : stoa_create(s, "hits", &hits_class, NULL, 0, &hits);
	for (int i = 0; r == 0 && i < WORKERS; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(work(hits) != 0);
		r = pid < 0 ? -errno : 0;
	}
	for (int status; wait(&status) > 0;) /* ends: the coordinator is not our child */
		r = r ? r : status ? -ECHILD : 0;
	r = r ? r : STOA_GET(hits, struct hits, requests, &n, STOA_DEFAULT); /* after all that was cast */
	if (r == 0)
		printf("%ju\n", (uintmax_t)n);
	else
		fprintf(stderr, "count: %s\n", stoa_strerror(r));
	stoa_detach(s);
	return r != 0;
}
