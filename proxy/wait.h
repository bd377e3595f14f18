/*
 * wait.h: how a client waits for the coordinator: it rings, spins, then sleeps on a word in the ingress, and never for
 * longer than it takes to see that nobody is left to wake it.
 */
#ifndef STOA_WAIT_H
#define STOA_WAIT_H

#include "proxy/handle.h"

/* Absolute, on the monotonic clock, of a timeout as the API takes it. Costs a clock read: not on the fast paths. */
int64_t handle_deadline(const struct stoa *s, int64_t timeout);

/* Ring the coordinator if it sleeps: true. After publishing, and before sleeping on what it is to do. */
void handle_ring_bell(const struct stoa *s, uint32_t seen);
static inline bool handle_ring(const struct stoa *s)
{
	uint32_t seen = atomic_load(&s->space.ingress->doorbell);
	if (seen & 1)
		handle_ring_bell(s, seen);
	return seen & 1;
}

/* Does the coordinator run on this very CPU, as of its last turn? Then it does not while we do. */
bool handle_shares_cpu(const struct stoa *s);

/* Spin for so long as a look at the clock is not worth it, 64 pauses. False: *word has not reached `need`. */
bool handle_spin_short(const _Atomic uint64_t *word, uint64_t need);

/* Spin until *word has reached `need`. False: it has not, for as long as going to sleep and being woken takes. */
bool handle_spin(const _Atomic uint64_t *word, uint64_t need);

/*
 * The same, where the coordinator has just been woken for it, and may be waiting for this very CPU. That may take longer:
 * how long, handle_park learns.
 */
bool handle_spin_woken(const _Atomic uint64_t *word, uint64_t need, int64_t deadline);

/*
 * The same for the answer of a command, whose record and ticket + 1 (need) these are. Each look takes the answer's line
 * away from the coordinator, who has it come early to write there, and would have to ask for it once more. So the thread
 * learns when its answers come, and looks no earlier.
 */
bool handle_spin_answer(struct lane *lane, const struct record *r, const struct reply *reply, uint64_t need);

/* handle_await behind the spinning. */
int handle_park(struct stoa *s, _Atomic uint32_t *word, uint32_t object, uint64_t need, int64_t deadline);

/*
 * Wait until committed has reached `need`, spinning first, then asleep on word, which the coordinator wakes at commits
 * that matter to it. 0, -ETIMEDOUT, -ECONNRESET. May be called by read-only clients: object is then announced.
 */
int handle_await(struct stoa *s, _Atomic uint32_t *word, uint32_t object, uint64_t need, int64_t deadline);

/* Set the waiting bit and return the word to sleep on; a read-only client asks the coordinator to set it. */
uint32_t handle_announce(struct stoa *s, _Atomic uint32_t *word, uint32_t object);

/* One sleep of handle_await and its like, bounded; the caller has announced value and looked again. */
void handle_sleep(struct stoa *s, const _Atomic uint32_t *word, uint32_t value, int64_t deadline);

#endif
