/*
 * spin.c: see spin.h.
 */
#include "coordinator/spin.h"

#include <sched.h>
#include <string.h>

#include "src/clock.h"
#include "src/park.h"
#include "src/ring.h"

#define LEAST_NS 20000 /* waiting on for so long is cheaper than sleeping, if a command comes in it */
#define MOVE_NS 20000000 /* between two moves, at the least; after slow ones more */
#define MOVE_MOST_NS INT64_C(10000000000)
#define MOVE_SLOW_NS 1000000

void spin_begin(struct coordinator *c)
{
	c->spin_ns = LEAST_NS;
	c->move_pause_ns = MOVE_NS;
}

/* ---- waiting ---- */

static bool look_out(const struct coordinator *c, int times)
{
	uint64_t word;
	for (int i = 0; i < times; i++) {
		if (ring_take(c->space, c->head, &word))
			return true;
		park_pause();
	}
	return false;
}

bool spin_wait(const struct coordinator *c)
{
	if (c->spin_ns == 0)
		return false;
	if (look_out(c, 64))
		return true;
	int64_t end = clock_now() + c->spin_ns;
	do {
		sched_yield(); /* a client may be waiting for this very CPU */
		if (look_out(c, 16))
			return true;
	} while (clock_now() < end);
	return false;
}

/* ---- where ---- */

/* Written only when it changes: each producer has that line. */
void spin_tell_cpu(const struct coordinator *c)
{
	struct life *life = &c->space->state->life;
	uint32_t cpu = (uint32_t)sched_getcpu() + 1;
	if (atomic_load_explicit(&life->cpu, memory_order_relaxed) != cpu)
		atomic_store_explicit(&life->cpu, cpu, memory_order_relaxed);
}

/* Wherever this process might run before: a mask of all CPUs, unless somebody has given it another. */
static void run_anywhere(const cpu_set_t *before)
{
	cpu_set_t every, now;
	memset(&every, 0xff, sizeof(every));
	if (sched_setaffinity(0, sizeof(every), &every) < 0 || sched_getaffinity(0, sizeof(now), &now) < 0 ||
	    !CPU_EQUAL(&now, before))
		sched_setaffinity(0, sizeof(*before), before);
}

static bool go_elsewhere(uint32_t cpu)
{
	cpu_set_t before, others, now;
	if (sched_getaffinity(0, sizeof(before), &before) < 0)
		return false;
	others = before;
	CPU_CLR(cpu, &others);
	if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof(others), &others) < 0)
		return false;
	/* That may have taken long, and what somebody has set meanwhile stays. */
	if (sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &others))
		run_anywhere(&before);
	return true;
}

/*
 * To another CPU, if there is one. Where a caller shares ours, each call takes two switches; and as both sleep so often, it
 * takes the scheduler some ten milliseconds to part them, or for ever if others want the other CPUs, too. Not again for
 * that long: callers on several CPUs would have us go round. The kernel takes any other CPU, and we are back only when it
 * is our turn there; where that takes long, as behind real time, we try less and less often.
 */
static void move_from(struct coordinator *c, uint32_t cpu, int64_t now)
{
	if (now - c->moved_ns < c->move_pause_ns)
		return;
	c->moves = go_elsewhere(cpu);
	c->moved_ns = clock_now();
	bool slow = c->moved_ns - now > MOVE_SLOW_NS;
	int64_t pause = slow ? c->move_pause_ns * 2 : c->move_pause_ns / 2;
	c->move_pause_ns = pause < MOVE_NS ? MOVE_NS : pause < MOVE_MOST_NS ? pause : MOVE_MOST_NS;
}

/* ---- learning ---- */

/* When, if it was while we slept; else 0. */
static int64_t when_rung(const struct coordinator *c, int64_t asleep_ns, int64_t now)
{
	int64_t rung = atomic_load_explicit(&c->space->ingress->rung_ns, memory_order_relaxed);
	return rung > asleep_ns && rung < now ? rung : 0;
}

/*
 * A sleep that was shorter than the longest wait had better been waited out: where a wake is slow, as between virtual
 * CPUs, who wakes us is held up by it for longer than we have work, and would wake us again for each few commands. So a
 * sleep counts until we were rung, and not until we were awake, which may take as long again. After long sleeps, all
 * waiting is in vain; and so it is on the CPU of a client that wants to go on, if that is the only one. On one of several,
 * others may come meanwhile: who slept at once would be woken for each of their commands, and cost a client there a switch.
 */
void spin_learn(struct coordinator *c, int64_t asleep_ns)
{
	int64_t now = clock_now(), rung = when_rung(c, asleep_ns, now), slept = (rung ? rung : now) - asleep_ns;
	uint32_t by = atomic_load_explicit(&c->space->ingress->rung_cpu, memory_order_relaxed);
	bool here = rung && by != 0 && by == (uint32_t)sched_getcpu() + 1;
	if (here && slept < PARK_SPIN_MOST_NS) {
		move_from(c, by - 1, now);
		c->spin_ns = c->moves ? LEAST_NS : 0;
	} else {
		c->spin_ns = park_learn(c->spin_ns, slept, LEAST_NS);
	}
}
