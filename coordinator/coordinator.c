/*
 * coordinator.c: the coordinator's life: recover, serve, sleep, stop.
 */
#include "coordinator/coordinator.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "coordinator/classes.h"
#include "coordinator/client.h"
#include "coordinator/commit.h"
#include "coordinator/lanes.h"
#include "coordinator/later.h"
#include "coordinator/leave.h"
#include "coordinator/load.h"
#include "coordinator/objects.h"
#include "coordinator/spin.h"
#include "coordinator/undertaker.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/flag.h"
#include "src/fold.h"
#include "src/park.h"
#include "src/ring.h"
#include "src/segment.h"
#include "src/serving.h"

#define IDLE_BEAT_MS 500	   /* an idle coordinator wakes twice a second to say that it lives */
#define POLL_TURNS 256		   /* a busy one looks at its descriptors every so many turns … */
#define POLL_NS 4000000		   /* … and after so long, where methods are slow */
#define MEND_NS INT64_C(500000000) /* a command behind a forged tail is found in this, per 65536 slots of the queue */
#define MEASURE_NS 1000000000
#define MUCH (4 << 20) /* bytes of mirrors: with less, the kernel is done with a dead coordinator in a millisecond */
#define FIRST_USER_MS 5000 /* an embedded one nobody attached to in this time ends */
#define RETURN_MS 2000	   /* clients that wait, or have an event loop, come back within this */

struct coordinator *coordinator_self;

void coordinator_check_process(const struct coordinator *c, int code)
{
	if (code == -EBADF ? fcntl(c->ns->dir_fd, F_GETFD) < 0 || fcntl(c->ns->state_fd, F_GETFD) < 0
			   : (code == -ENOMEM || code == -EFBIG || code == -EMFILE) && process_is_limited(&c->limits))
		abort();
}

/* ---- start ---- */

/* Is the ingress as long as it was made? A cut behind what is in use faults nowhere, but no newcomer would take it. */
bool coordinator_check_ingress(struct coordinator *c)
{
	struct stat st;
	if (fstat(c->ns->ingress_fd, &st) == 0 && (uint64_t)st.st_size != c->space->geometry.ingress)
		c->ingress_damaged = 1;
	return !c->ingress_damaged;
}

/* How many entries were ever used: what is done for each of them takes room for all. */
static int check_counts(const struct coordinator *c)
{
	const struct state_head *state = c->space->state;
	const struct geometry *g = &c->space->geometry;
	uint32_t classes = atomic_load(&state->n_classes), objects = atomic_load(&state->n_objects),
		 flags = atomic_load(&state->flags_end);
	if (classes <= CLASSES_MAX && objects <= g->objects && flags <= g->flags)
		return 0;
	return error_set(-EPROTO, "the state says that it has %u classes, %u objects and %u flags, over its limits",
			 classes, objects, flags);
}

/* A client truncated the ingress: make it whole again. What was queued behind the cut is lost. */
static int restore_ingress(struct coordinator *c)
{
	const struct geometry *g = &c->space->geometry;
	if (coordinator_check_ingress(c))
		return 0;
	c->ingress_damaged = 0;
	namespace_log(c->ns, LOG_ERR, "a client truncated the ingress of namespace %s; its queue is begun anew",
		      c->ns->name);
	int r = segment_set_size(c->ns->ingress_fd, g->ingress);
	if (r < 0)
		return error_set(r, "cannot restore the ingress of namespace %s: %s", c->ns->name, strerror(-r));
	uint64_t flags = atomic_load(&c->space->state->flags_end), objects = atomic_load(&c->space->state->n_objects);
	r = segment_reserve(c->ns->ingress_fd, 0, g->parks_at + objects * sizeof(uint32_t) + 1);
	r = r ? r : segment_reserve(c->ns->ingress_fd, g->flags_at, flags * sizeof(uint64_t) + 1);
	if (r < 0)
		return r;
	c->space->ingress->head = (struct segment_head){ .magic = LAYOUT_MAGIC,
							 .major = LAYOUT_MAJOR,
							 .minor = LAYOUT_MINOR,
							 .kind = SEGMENT_INGRESS,
							 .limit = g->ingress,
							 .namespace_id = c->ns->id };
	ring_reset(c->space, c->head);
	return 0;
}

int coordinator_recover(struct coordinator *c)
{
	struct state_head *state = c->space->state;
	c->epoll_fd = c->signal_fd = c->state_ro_fd = c->ingress_ro_fd = c->proc_fd = c->spare_fd = -1;
	process_read_limits(&c->limits);
	c->head = atomic_load(&state->committed);
	c->trace = space_traced(c->space, 0);
	c->tallies = space_object_tally(c->space, 0);
	spin_begin(c);
	c->verify = c->ns->options.flags & STOA_VERIFY;
	/* the one before us may have died while it stopped */
	c->stopping = (int)atomic_load(&state->life.stopping) - 1;
	life_changed(&state->life); /* … or before it could say what it had changed */
	life_asleep(&state->life, false); /* … or asleep */
	atomic_store(&state->pulse.asleep, 0);
	c->own = segment_map_own(LAYOUT_PAGE);
	if (!c->own)
		return error_set(-errno, "cannot map a page: %s", strerror(errno));
	atomic_store(&c->own->here, 1);
	int r = check_counts(c);
	r = r ? r : commit_load(c); /* first: all that follows believes `committed` */
	r = r ? r : segment_guard(c->space->ingress, c->space->geometry.ingress, segment_set_flag,
				   (void *)&c->ingress_damaged);
	r = r ? r : restore_ingress(c);
	if (r == 0)
		c->ingress_head = c->space->ingress->head;
	r = r ? r : heap_init(&c->heap, c->space, c->ns->state_fd);
	c->successor = atomic_load(&state->life.phase) >= LIFE_SERVING && atomic_load(&state->turn.n) <= TURN_NOTED;
	if (r == 0 && !c->successor)
		r = heap_check(&c->heap);
	r = r ? r : classes_load(c);
	r = r ? r : objects_load(c);
	r = r ? r : lanes_load(c);
	if (r < 0)
		return r;
	later_recover(c);
	leave_init(c);
	ring_open(c->space, c->head);
	lanes_mark_old(c);
	return client_init(c);
}

void coordinator_forget(struct coordinator *c)
{
	undertaker_end();
	segment_unguard(c->space->ingress);
	if (c->own)
		munmap(c->own, LAYOUT_PAGE);
	client_fini(c);
	lanes_fini(c);
	objects_fini(c);
	classes_fini(c);
	heap_fini(&c->heap);
	free(c->touched);
	free(c->touched_parts);
	free(c->bytes);
	free(c->args);
	free(c->ret);
}

/*
 * In what a method forks. It is no coordinator, and may live long: with our descriptors it would keep clients waiting
 * for the end of their connections. Without our mappings it cannot go on in our place.
 */
static void be_nobody(void)
{
	struct coordinator *c = coordinator_self;
	if (!c)
		return;
	coordinator_self = NULL;
	serving_set(NULL);
	client_fini(c);
	lanes_fini(c);
	namespace_close(c->ns);
}

static void mind_forks(void)
{
	static bool minded; /* the coordinator of a guardian that was one has it from there */
	if (!minded && pthread_atfork(NULL, NULL, be_nobody) == 0)
		minded = true;
}

/* ---- stopping ---- */

/* Noted before anybody is told: who follows us goes on stopping. */
void coordinator_begin_stop(struct coordinator *c, enum stoa_stop how)
{
	c->stopping = (int)how;
	atomic_store(&c->space->state->life.stopping, (uint32_t)how + 1);
	life_changed(&c->space->state->life);
}

/* Producers that are faster than we would keep us from ever coming to the end of the queue. */
static void turn_away(struct coordinator *c)
{
	atomic_store(&c->space->state->life.phase, LIFE_CLOSING);
}

/* The ring is closed behind what was accepted; that is applied, or abandoned, and then it is over. */
static bool stop(struct coordinator *c)
{
	if (!c->closed) {
		ring_mend(c->space, c->head, true);
		c->closed = ring_close(c->space, c->head, &c->end) == 0;
		if (c->closed)
			namespace_log(c->ns, LOG_INFO, "stopping: %ju commands to %s", (uintmax_t)(c->end - c->head),
				      c->stopping == STOA_NOW ? "abandon" : "apply");
	} else
		ring_mend(c->space, c->head, true); /* a client may have wiped what we wait for */
	return c->closed && c->head == c->end;
}

/* An embedded coordinator ends with its last user: not before the first has come, and an heir's clients could have. */
static void check_users(struct coordinator *c, int64_t started)
{
	if (!c->ns->embedded || c->stopping >= 0 || c->n_users > 0)
		return;
	int64_t waits = !c->had_user ? FIRST_USER_MS : c->ns->heir ? RETURN_MS : 0;
	if (waits == 0 || clock_now() - started > waits * 1000000)
		coordinator_begin_stop(c, STOA_DRAIN);
}

/* ---- serving ---- */

/* How much memory we take: a method that leaks shows. A system call or three, so not more than once a second. */
static void pulse_memory(struct coordinator *c, bool first)
{
	struct pulse *pulse = &c->space->state->pulse;
	int64_t now = clock_read(CLOCK_MONOTONIC_COARSE);
	unsigned long pages;
	if (mirror_held() > MUCH)
		undertaker_begin();
	if (!first && now - c->measured_ns < MEASURE_NS)
		return;
	c->measured_ns = now;
	FILE *f = process_read(c->proc_fd, "statm");
	if (f && fscanf(f, "%*u %lu", &pages) == 1) {
		atomic_store_explicit(&pulse->resident, pages * (uint64_t)sysconf(_SC_PAGESIZE), memory_order_relaxed);
		if (first)
			atomic_store_explicit(&pulse->resident_start, atomic_load(&pulse->resident),
					      memory_order_relaxed);
	}
	if (f)
		fclose(f);
}

static void mend_flags(const struct coordinator *c)
{
	uint32_t n = atomic_load_explicit(&c->space->state->flags_end, memory_order_relaxed);
	for (uint32_t i = 0; i < n; i++)
		flag_mend(c->space, space_flags(c->space, i));
	fold_mend(c->space, c->head);
}

/*
 * Sleep until the doorbell, a descriptor or the idle beat. Before the last look at the ring it is said, in life.changes
 * and in the doorbell word, which tells whether somebody has rung already; a producer looks at one of the two after its
 * CAS, all sequentially consistent: one of us sees the other. The eventfd stays readable until it is read, so a ring
 * before epoll_wait is not lost.
 */
static int doze(struct coordinator *c)
{
	struct pulse *pulse = &c->space->state->pulse;
	struct life *life = &c->space->state->life;
	int64_t now = clock_read(CLOCK_MONOTONIC_COARSE);
	bool thorough = c->doubtful || now - c->mended_ns > MEND_NS * (1 + c->space->geometry.queue / 65536);
	int r = 0;
	c->mended_ns = thorough ? now : c->mended_ns;
	if (thorough && !coordinator_check_ingress(c))
		return 0;
	_Atomic uint32_t *doorbell = &c->space->ingress->doorbell;
	/* Another word than the last one's: a producer that was stopped since then does not clear it. */
	uint32_t sleep = (atomic_load(doorbell) | 1) + 2;
	atomic_store(doorbell, sleep);
	life_asleep(life, true);
	if (ring_mend(c->space, c->head, thorough) && !(c->closed && c->head == c->end)) {
		life_asleep(life, false);
		atomic_store(doorbell, sleep - 1);
		return client_poll(c, 0);
	}
	if (c->doubtful)
		mend_flags(c);
	c->doubtful = false;
	atomic_store_explicit(&pulse->asleep, 1, memory_order_release);
	r = client_poll(c, IDLE_BEAT_MS);
	atomic_store_explicit(&pulse->asleep, 0, memory_order_release);
	life_asleep(life, false);
	atomic_store(doorbell, sleep - 1);
	atomic_store_explicit(&pulse->beat_ns, clock_now(), memory_order_relaxed);
	return r;
}

static enum coordinator_exit serve(struct coordinator *c)
{
	const _Atomic int64_t *beat = &c->space->state->pulse.beat_ns; /* the end of the last turn */
	int64_t started = clock_now(), polled = started;
	uint32_t turns = 0;
	bool worked = false; /* since it slept: then more may come soon */
	for (int r = 0; r == 0;) {
		if (c->ingress_damaged)
			abort(); /* what is mapped here now is ours alone; the next one restores it */
		check_users(c, started);
		if (c->stopping >= 0)
			turn_away(c);
		spin_tell_cpu(c);
		if (commit_turn(c)) {
			int64_t now = atomic_load_explicit(beat, memory_order_relaxed);
			worked = true;
			if (++turns % POLL_TURNS == 0 || now - polled > POLL_NS || leave_is_due(c)) {
				polled = now;
				r = client_poll(c, 0);
				pulse_memory(c, false);
			}
			continue;
		}
		if (c->stopping >= 0) {
			if (!stop(c)) {
				r = client_poll(c, 0);
				continue;
			}
			lanes_forget_all(c);
			return COORDINATOR_ENDED;
		}
		if (worked && spin_wait(c))
			continue;
		worked = false;
		pulse_memory(c, false);
		int64_t asleep = clock_now();
		r = doze(c);
		spin_learn(c, asleep);
	}
	return COORDINATOR_ORPHANED;
}

enum coordinator_exit coordinator_run(struct namespace *ns)
{
	struct coordinator *c = calloc(1, sizeof(*c));
	if (!c) {
		roster_tell(ns->link_fd, LINK_FAILED, -ENOMEM, "no memory");
		return COORDINATOR_FAILED;
	}
	c->ns = ns;
	c->space = &ns->space;
	coordinator_self = c;
	serving_set(ns->dir);
	mind_forks();
	int r = coordinator_recover(c);
	if (r < 0) {
		struct stoa_error e;
		stoa_last_error(&e);
		roster_tell(ns->link_fd, LINK_FAILED, r, e.code == r ? e.text : stoa_strerror(r));
		return COORDINATOR_FAILED;
	}
	struct life *life = &ns->space.state->life;
	atomic_store_explicit(&ns->space.state->pulse.beat_ns, clock_now(), memory_order_relaxed);
	atomic_store(&life->phase, c->stopping < 0 ? LIFE_SERVING : LIFE_CLOSING);
	commit_wake_all(c);
	pulse_memory(c, true);
	roster_tell(ns->link_fd, LINK_READY, 0, "");
	enum coordinator_exit end = serve(c);
	if (end == COORDINATOR_ENDED)
		return end; /* and so does the process */
	coordinator_self = NULL;
	serving_set(NULL);
	coordinator_forget(c);
	free(c);
	return end;
}
