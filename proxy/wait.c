/*
 * wait.c: see wait.h.
 */
#include "proxy/wait.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "proxy/connection.h"
#include "proxy/lane.h"
#include "src/cancel.h"
#include "src/clock.h"
#include "src/park.h"
#include "src/ring.h"

#define SLEEP_NS 100000000 /* a sleeper looks so often whether anyone is left to wake it */
#define GOES_ON_NS 50000000 /* who sleeps again so soon after that goes on waiting */
#define SPIN_NS 30000	   /* about what going to sleep and being woken costs, at the least */
#define ALONE_NS 3000	   /* giving up the CPU takes less, if nobody else wants it */
#define PAUSES 64	   /* of a spin that is too short for a look at the clock */
#define PATIENCE 8	   /* it is counted in so many parts of a pause */

/* For a coordinator that it has woken this thread spins … */
static __thread struct {
	int64_t most_ns; /* … for so long, if that is longer than SPIN_NS … */
	int64_t spun_ns; /* … and has just done so in vain */
} woken;

int64_t handle_deadline(const struct stoa *s, int64_t timeout)
{
	return clock_deadline(timeout < 0 ? s->timeout : timeout);
}

void handle_ring_bell(const struct stoa *s, uint32_t seen)
{
	_Atomic uint32_t *doorbell = &s->space.ingress->doorbell;
	uint64_t one = 1;
	if (s->read_only || s->doorbell_fd < 0)
		return;
	CANCEL_LATER;
	atomic_store_explicit(&s->space.ingress->rung_ns, clock_now(), memory_order_relaxed);
	atomic_store_explicit(&s->space.ingress->rung_cpu, (uint32_t)sched_getcpu() + 1, memory_order_relaxed);
	if (write(s->doorbell_fd, &one, sizeof(one)) < 0 && errno != EAGAIN) /* EAGAIN: it rings already */
		return;
	/* Only now: who is stopped before it has rung leaves that to others. Another sleep has another word. */
	atomic_compare_exchange_strong(doorbell, &seen, seen & ~1u);
}

uint32_t handle_announce(struct stoa *s, _Atomic uint32_t *word, uint32_t object)
{
	if (!s->read_only)
		return park_announce(word, PARK_FUTEX);
	uint32_t value = atomic_load(word);
	if (!(value & PARK_FUTEX))
		connection_say(s, MESSAGE_ANNOUNCE, object); /* which wakes the word, so that we look again */
	return value;
}

/* In the thread's lane, if it has one here, for who looks from outside. */
static struct lane_head *say_waits(const struct stoa *s, const _Atomic uint32_t *word, int64_t now, int64_t left)
{
	const struct geometry *g = &s->space.geometry;
	struct lane *lane = lane_known(s);
	if (!lane)
		return NULL;
	const _Atomic uint32_t *parks = space_park(&s->space, 0);
	bool object = word >= parks && word < parks + g->objects;
	bool room = word == &s->space.ingress->room || word == &s->space.ingress->aside;
	atomic_store_explicit(&lane->head->waits_for, object ? (uint32_t)(word - parks) : 0, memory_order_relaxed);
	if (now < lane->sleep_end || now - lane->sleep_end > GOES_ON_NS)
		atomic_store_explicit(&lane->head->waits_ns, now, memory_order_relaxed);
	lane->sleep_end = now + left;
	atomic_store_explicit(&lane->head->waits, object ? WAITS_OBJECT : room ? WAITS_ROOM : WAITS_ANSWER,
			      memory_order_release);
	return lane->head;
}

void handle_sleep(struct stoa *s, const _Atomic uint32_t *word, uint32_t value, int64_t deadline)
{
	int64_t now = clock_now(), left = deadline - now;
	handle_ring(s);
	left = left < SLEEP_NS ? left : SLEEP_NS;
	struct lane_head *head = say_waits(s, word, now, left);
	park_sleep(word, value, left);
	if (head)
		atomic_store_explicit(&head->waits, WAITS_NOT, memory_order_relaxed);
}

/* On one CPU nobody else runs while we spin. */
static bool may_spin(void)
{
	static _Atomic int cpus;
	int n = atomic_load_explicit(&cpus, memory_order_relaxed);
	if (n == 0)
		atomic_store(&cpus, n = (int)sysconf(_SC_NPROCESSORS_ONLN));
	return n > 1;
}

bool handle_shares_cpu(const struct stoa *s)
{
	uint32_t cpu = atomic_load_explicit(&s->space.state->life.cpu, memory_order_relaxed);
	return cpu != 0 && cpu == (uint32_t)sched_getcpu() + 1;
}

static bool has_reached(const _Atomic uint64_t *word, uint64_t need)
{
	return atomic_load_explicit(word, memory_order_acquire) >= need;
}

bool handle_spin_short(const _Atomic uint64_t *word, uint64_t need)
{
	for (int i = 0; i < PAUSES; i++, park_pause())
		if (has_reached(word, need))
			return true;
	return false;
}

/* So often that the clock read in between is a small part. */
static bool look_out(const _Atomic uint64_t *word, uint64_t need)
{
	for (int i = 0; i < 16; i++, park_pause())
		if (has_reached(word, need))
			return true;
	return false;
}

/* Until `least`, and until `most` if nobody else wants the CPU. */
static bool spin_long(const _Atomic uint64_t *word, uint64_t need, int64_t least, int64_t most)
{
	int64_t now = clock_now(), before;
	do {
		before = now;
		sched_yield(); /* who is to answer may be waiting for this very CPU */
		if (look_out(word, need))
			return true;
		now = clock_now();
	} while (may_spin() && (now < least || (now < most && now - before < ALONE_NS)));
	return false;
}

bool handle_spin(const _Atomic uint64_t *word, uint64_t need)
{
	return handle_spin_short(word, need) || spin_long(word, need, clock_deadline(SPIN_NS), 0);
}

bool handle_spin_woken(const _Atomic uint64_t *word, uint64_t need, int64_t deadline)
{
	int64_t now = clock_now(), left = deadline - now, most = woken.most_ns;
	if (most > SPIN_NS && sched_getscheduler(0) != SCHED_OTHER)
		most = 0; /* one of real time, who gives way to nobody by yielding */
	if (spin_long(word, need, now + (SPIN_NS < left ? SPIN_NS : left), now + (most < left ? most : left)))
		return true;
	woken.spun_ns = clock_now() - now;
	return false;
}

/* Its first look found the answer, or one that came so many pauses later. One that took longer had to wait for others. */
static void learn_patience(struct lane *lane, uint32_t late)
{
	if (late == 0)
		lane->patience -= lane->patience > 0;
	else if (late < PAUSES / 2 && lane->patience < PAUSES / 2 * PATIENCE)
		lane->patience += PATIENCE / 2;
}

/*
 * A coordinator that runs dry gives up its CPU between its looks, and is back within ALONE_NS if nobody has taken it: its
 * answer comes that much later. To give up this one earlier is to have it back when all have had it who wait for theirs.
 */
static bool spin_late(const struct stoa *s, const _Atomic uint64_t *word, uint64_t need)
{
	int64_t end = clock_deadline(ALONE_NS);
	while (may_spin() && !handle_shares_cpu(s) && clock_now() < end)
		if (look_out(word, need))
			return true;
	return false;
}

bool handle_spin_answer(struct lane *lane, const struct record *r, const struct reply *reply, uint64_t need)
{
	uint32_t first = lane->patience / PATIENCE, i = 0;
	for (; i < first; i++)
		park_pause();
	prefetch_to_read(r); /* what await_take looks at: the coordinator has taken its line, too */
	for (; i < PAUSES; i++, park_pause()) {
		if (has_reached(&reply->valid, need)) {
			learn_patience(lane, i - first);
			return true;
		}
	}
	return spin_late(lane->stoa, &reply->valid, need) || spin_long(&reply->valid, need, clock_deadline(SPIN_NS), 0);
}

static int park(struct stoa *s, _Atomic uint32_t *word, uint32_t object, uint64_t need, int64_t deadline)
{
	while (handle_committed(s) < need) {
		if (clock_now() >= deadline)
			return -ETIMEDOUT;
		uint32_t value = handle_announce(s, word, object);
		/* Pairs with the fence in commit(): either we see `committed`, or the coordinator sees our bit. */
		atomic_thread_fence(memory_order_seq_cst);
		if (handle_committed(s) >= need)
			return 0;
		handle_sleep(s, word, value, deadline);
		/* A slot stays filled until it is committed, or someone lied, or destroyed what was in it. */
		bool held = handle_committed(s) >= need || ring_holds(&s->space, need - 1);
		uint64_t end = held ? need : ring_end(&s->space);
		/* Behind the last look at the ring, which may be the one that finds the damage. */
		if (handle_committed(s) < need && (s->damaged || handle_gone_for_good(s)))
			return -ECONNRESET; /* handle_gone() tells of damage, too */
		need = end;
	}
	return 0;
}

int handle_park(struct stoa *s, _Atomic uint32_t *word, uint32_t object, uint64_t need, int64_t deadline)
{
	int64_t from = clock_now(), spun = woken.spun_ns;
	int r = park(s, word, object, need, deadline);
	if (r == 0 && spun)
		woken.most_ns = park_learn(spun, clock_now() - from, SPIN_NS);
	woken.spun_ns = 0;
	return r;
}

int handle_await(struct stoa *s, _Atomic uint32_t *word, uint32_t object, uint64_t need, int64_t deadline)
{
	bool rung = handle_ring(s); /* the publisher may have died before it did */
	const _Atomic uint64_t *committed = &s->space.state->committed;
	if (deadline && (rung ? handle_spin_woken(committed, need, deadline) : handle_spin(committed, need)))
		return 0;
	return handle_park(s, word, object, need, deadline);
}
