/*
 * publish.c: a vehicle at 1 kHz. Its signals change together, in one command a frame; a frame that cannot go out at
 * once is dropped, and the loop never waits. A class without methods, and a program that starts or joins.
 *
 *     examples/publish [FRAMES]        (10000: ten seconds)
 *
 * Run examples/follow beside it, before or after.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <stoa.h>

#define FRAME_NS 1000000

struct vehicle {
	struct {
		double x;
		float v;
	} position;
	bool ok;
};
STOA_STRUCT(vehicle, STOA_ATTR(struct vehicle, position.x, .unit = "m", .writable = true),
	    STOA_ATTR(struct vehicle, position.v, .unit = "m/s", .writable = true),
	    STOA_ATTR(struct vehicle, ok, .writable = true));
STOA_RECORD(vehicle, 1);

static void wait_for_frame(struct timespec *at)
{
	at->tv_nsec += FRAME_NS;
	at->tv_sec += at->tv_nsec / 1000000000;
	at->tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, at, NULL) == EINTR) {}
}

static int publish(struct stoa_proxy *vehicle, long frames, long *ret_dropped)
{
	struct vehicle now;
	struct timespec at;
	int r = stoa_snapshot(vehicle, &now, sizeof(now), STOA_DEFAULT, NULL); /* go on where the last one ended */
	clock_gettime(CLOCK_MONOTONIC, &at);
	while (r == 0 && frames-- > 0) {
		now.position.x += (double)now.position.v * FRAME_NS / 1e9;
		r = stoa_assign_all(vehicle, &now, sizeof(now), STOA_NOWAIT);
		if (r == -EAGAIN) {
			++*ret_dropped;
			r = 0;
		}
		wait_for_frame(&at);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct stoa *s = NULL;
	struct stoa_proxy *vehicle = NULL;
	const struct vehicle first = { .position.v = 0.5f, .ok = true };
	long frames = argc > 1 ? atol(argv[1]) : 10000, dropped = 0;
	int r = stoa_start("sim", STOA_CLASSES(&vehicle_class), STOA_OPTIONS(.flags = STOA_JOIN), &s);
	r = r ? r : stoa_create(s, "vehicle", &vehicle_class, &first, 0, &vehicle);
	r = r ? r : stoa_attach_thread(s); /* lane and pages now, not in the first frame */
	r = r ? r : publish(vehicle, frames, &dropped);
	printf("%ld frames dropped, %s\n", dropped, stoa_strerror(r));
	stoa_detach(s);
	return r != 0;
}
