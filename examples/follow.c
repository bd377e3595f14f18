/*
 * follow.c: reads one signal by its name, without the C struct or the class. It may be there before the publisher, says
 * when nothing changes for a while, and goes on with the next publisher. It can disturb nobody: it has no writable
 * mapping, and a coordinator does not stay for it.
 *
 *     examples/follow        (ends with SIGINT, or when there was no publisher for a minute)
 *
 * Run examples/publish beside it.
 */
#include <errno.h>
#include <stdio.h>
#include <stoa.h>

#define PATIENCE STOA_MS(60000)
#define SILENCE STOA_MS(100)

/* Until an error. The stamp says which change it was and when; changes that we are too slow for are skipped. */
static int follow(struct stoa_proxy *vehicle, uint32_t x)
{
	struct stoa_stamp at = { 0 };
	double value;
	for (;;) {
		int r = stoa_wait(vehicle, x, at.version, SILENCE, NULL);
		if (r == -ETIMEDOUT) {
			printf("silent since version %ju\n", (uintmax_t)at.version);
			continue;
		}
		r = r ? r : stoa_get(vehicle, x, &value, sizeof(value), STOA_DEFAULT, &at);
		if (r < 0)
			return r;
		printf("%.4f m, version %ju at %jd ns\n", value, (uintmax_t)at.version, (intmax_t)at.time_ns);
	}
}

static int follow_publisher(void)
{
	struct stoa *s = NULL;
	struct stoa_proxy *vehicle = NULL;
	uint32_t x = 0;
	int r = stoa_attach("sim", STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = PATIENCE), &s);
	r = r ? r : stoa_open(s, "vehicle", NULL, PATIENCE, &vehicle);
	r = r ? r : stoa_find_attr(vehicle, "position.x", STOA_F64, &x); /* once; another type is refused here */
	r = r ? r : follow(vehicle, x);
	stoa_detach(s);
	return r;
}

int main(void)
{
	int r;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((r = follow_publisher()) == -ECONNRESET || r == -ENOTCONN || r == -ESTALE)
		puts("the publisher is gone");
	fprintf(stderr, "follow: %s\n", stoa_strerror(r));
	return 1;
}
