/*
 * test_ring.c: the ring, the write flags, park words and cells: in order, full, wrapped, closed, opened again, and
 * mended after lies; with several producers at once.
 */
#include "src/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/cell.h"
#include "src/clock.h"
#include "src/flag.h"
#include "src/park.h"

#define N 16

static struct space space;
static const struct space *const s = &space;

static int setup_at(uint64_t committed)
{
	char text[STOA_ERROR_MAX];
	space.geometry =
		(struct geometry){ .queue = N, .lanes = 4, .objects = 4, .flags = 16, .state = UINT64_C(64) << 20 };
	if (layout_geometry(&space.geometry, text) < 0)
		return -1;
	space.state = aligned_alloc(LAYOUT_PAGE, LAYOUT_PAGE);
	space.ingress = aligned_alloc(LAYOUT_PAGE, space.geometry.ingress);
	memset(space.state, 0, LAYOUT_PAGE);
	memset(space.ingress, 0, space.geometry.ingress);
	atomic_store(&space.state->committed, committed);
	atomic_store(&space.ingress->tail, committed);
	for (uint64_t t = committed; t < committed + N; t++)
		atomic_store(ring_slot(s, t), ring_word(ring_lap(s, t), 0, 0));
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_at(0);
}

static int teardown(void **state)
{
	(void)state;
	free(space.state);
	free(space.ingress);
	return 0;
}

static uint64_t committed(void)
{
	return atomic_load(&space.state->committed);
}

static uint64_t queued(void)
{
	return ring_end(s) - committed();
}

static void commit(uint64_t n)
{
	atomic_fetch_add(&space.state->committed, n);
}

static uint64_t push(uint32_t units)
{
	uint64_t ticket = 0;
	assert_int_equal(ring_publish(s, 1, units, NULL, NULL, &(uint64_t){ 0 }, &ticket), 0);
	return ticket;
}

static void takes(uint64_t ticket, uint32_t units)
{
	uint64_t word = 0;
	assert_int_equal(ring_take(s, ticket, &word), 1);
	assert_int_equal(ring_word_lane(word), 1);
	assert_int_equal(ring_word_units(word), units);
}

/* ---- order --------------------------------------------------------------------------------------------------- */

static void ring_gives_back_what_was_published_in_order(void **state)
{
	uint64_t word;
	(void)state;
	assert_int_equal(ring_take(s, 0, &word), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(push(100 + i), i);
	assert_int_equal(queued(), 3);
	for (uint32_t i = 0; i < 3; i++)
		takes(i, 100 + i);
	assert_int_equal(ring_take(s, 3, &word), 0);
}

static void ring_is_full_until_a_commit(void **state)
{
	uint64_t ticket = 77;
	(void)state;
	for (uint32_t i = 0; i < N; i++)
		push(i);
	assert_int_equal(ring_publish(s, 1, 0, NULL, NULL, &(uint64_t){ 0 }, &ticket), -EAGAIN);
	assert_int_equal(ticket, 77);
	assert_int_equal(queued(), N);
	commit(1);
	assert_int_equal(push(5), N);
	assert_int_equal(ring_publish(s, 1, 0, NULL, NULL, &(uint64_t){ 0 }, &ticket), -EAGAIN);
}

static void wrap(uint64_t from)
{
	teardown(NULL);
	assert_int_equal(setup_at(from), 0);
	for (uint64_t i = 0; i < 5 * N; i++) {
		assert_true(push((uint32_t)i) == from + i);
		takes(from + i, (uint32_t)i);
		commit(1);
	}
	assert_int_equal(queued(), 0);
}

static void ring_wraps(void **state)
{
	(void)state;
	wrap(0);
	wrap((UINT64_C(1) << 36) - 2 * N); /* and so does the lap, of 32 bits */
	wrap((UINT64_C(1) << 35) - 2 * N);
}

static void ring_helps_a_tail_that_lags(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		push(i);
	atomic_store(&space.ingress->tail, 1); /* their producers died before they moved it */
	assert_int_equal(push(9), 5);
	takes(5, 9);
	assert_int_equal(atomic_load(&space.ingress->tail), 6);
}

#define PRODUCERS 4
#define EACH 20000

static uint64_t told[PRODUCERS * EACH]; /* ticket → what was published under it, as its producer was told */

static void *produce(void *of)
{
	uint64_t ticket, last = 0, room = 0; /* kept as a lane does */
	for (uint32_t i = 0; i < EACH;) {
		if (ring_publish(s, (uint32_t)(uintptr_t)of, i, NULL, NULL, &room, &ticket) < 0) {
			sched_yield();
			continue;
		}
		if (i && ticket <= last)
			return of;
		last = ticket;
		if (ticket < PRODUCERS * EACH)
			told[ticket] = ring_word(1, (uint32_t)(uintptr_t)of, i);
		i++;
	}
	return NULL;
}

static void ring_keeps_each_producers_order_when_four_publish(void **state)
{
	pthread_t t[PRODUCERS];
	static uint64_t taken[PRODUCERS * EACH];
	uint32_t next[PRODUCERS] = { 0 };
	void *bad;
	(void)state;
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		pthread_create(&t[i], NULL, produce, (void *)i);
	for (uint64_t n = 0, word; n < PRODUCERS * EACH;) {
		if (!ring_take(s, n, &word)) {
			ring_mend(s, n, n % 64 == 0); /* harmless while honest producers publish */
			sched_yield();
			continue;
		}
		uint32_t lane = ring_word_lane(word);
		assert_true(lane < PRODUCERS);
		assert_int_equal(ring_word_units(word), next[lane]);
		next[lane]++;
		taken[n] = ring_word(1, lane, ring_word_units(word));
		n++;
		commit(1);
	}
	for (int i = 0; i < PRODUCERS; i++) {
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
	assert_memory_equal(told, taken, sizeof(told));
}

/* ---- closing ------------------------------------------------------------------------------------------------- */

static void closed_ring_takes_no_more_and_opens_again(void **state)
{
	uint64_t end, ticket;
	(void)state;
	push(1);
	push(2);
	assert_int_equal(ring_close(s, 0, &end), 0);
	assert_int_equal(end, 2);
	assert_int_equal(ring_close(s, 0, &end), 0);
	assert_int_equal(end, 2);
	assert_int_equal(ring_publish(s, 1, 3, NULL, NULL, &(uint64_t){ 0 }, &ticket), -ESHUTDOWN);
	assert_int_equal(queued(), 2);
	commit(2);
	ring_open(s, 2);
	ring_open(s, 2);
	assert_int_equal(queued(), 0);
	assert_int_equal(push(4), 2);
	takes(2, 4);
}

static void full_ring_is_closed_once_there_is_room(void **state)
{
	uint64_t end, ticket;
	(void)state;
	for (uint32_t i = 0; i < N; i++)
		push(i);
	assert_int_equal(ring_close(s, 0, &end), -EAGAIN);
	commit(3);
	assert_int_equal(ring_close(s, 3, &end), 0);
	assert_int_equal(end, N);
	assert_int_equal(ring_publish(s, 1, 0, NULL, NULL, &(uint64_t){ 0 }, &ticket), -ESHUTDOWN);
}

/* ---- lies ---------------------------------------------------------------------------------------------------- */

static void ring_survives_any_tail(void **state)
{
	const uint64_t tails[] = {
		0, 1, N, N + 1, 1000, UINT64_MAX, UINT64_MAX - N, UINT64_C(1) << 32, UINT64_C(1) << 63
	};
	(void)state;
	teardown(NULL);
	assert_int_equal(setup_at(1000), 0);
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		atomic_store(&space.ingress->tail, tails[i]);
		uint64_t ticket = push((uint32_t)i);
		assert_true(ticket >= committed() && ticket < committed() + N);
		while (committed() <= ticket) {
			if (!ring_filled(s, committed()))
				assert_true(ring_mend(s, committed(), true));
			commit(1);
		}
	}
}

/* As a producer leaves it that was stopped before its CAS while the tail was forged and the slots before were wiped. */
static void fill_behind_a_hole(uint64_t ticket, uint32_t units)
{
	atomic_store(ring_slot(s, ticket), ring_word(ring_lap(s, ticket) + 1, 1, units));
}

static void producer_is_not_misled_when_the_tail_was_forged(void **state)
{
	(void)state;
	atomic_store(&space.ingress->tail, 5);
	assert_int_equal(push(9), 0);
	takes(0, 9);
	assert_int_equal(push(8), 1);
}

static void nothing_is_published_behind_the_end_when_the_tail_was_forged(void **state)
{
	uint64_t end, ticket;
	(void)state;
	assert_int_equal(push(9), 0);
	assert_int_equal(ring_close(s, 0, &end), 0);
	atomic_store(&space.ingress->tail, 2);
	assert_int_equal(ring_publish(s, 1, 1, NULL, NULL, &(uint64_t){ 0 }, &ticket), -ESHUTDOWN);
}

static void hole_is_filled_when_a_producer_was_misled(void **state)
{
	uint64_t word = 0;
	(void)state;
	atomic_store(&space.ingress->tail, 5);
	fill_behind_a_hole(5, 9);
	assert_int_equal(ring_take(s, 0, &word), 0);
	assert_true(ring_mend(s, 0, false));
	for (uint64_t t = 0; t < 5; t++) {
		assert_int_equal(ring_take(s, t, &word), 1);
		assert_int_equal(ring_word_lane(word), RING_LANE_SPECIAL);
		assert_int_equal(ring_word_units(word), RING_VOID);
	}
	takes(5, 9);
	assert_int_equal(push(1), 6);
}

static void hole_is_found_when_the_tail_was_forged_back(void **state)
{
	(void)state;
	fill_behind_a_hole(7, 9);
	assert_false(ring_mend(s, 0, false));
	assert_true(ring_mend(s, 0, true));
	takes(7, 9);
}

static void slot_of_a_nonsense_lap_is_mended(void **state)
{
	const uint32_t laps[] = { 2, 3, 1000, UINT32_MAX, UINT32_MAX / 2, UINT32_MAX / 2 + 5 };
	(void)state;
	for (size_t i = 0; i < sizeof(laps) / sizeof(laps[0]); i++) {
		uint64_t head = committed(), word;
		atomic_store(ring_slot(s, head), ring_word(laps[i] + ring_lap(s, head), 3, 4));
		assert_int_equal(ring_take(s, head, &word), 0);
		ring_mend(s, head, true);
		assert_true(push(6) == head);
		takes(head, 6);
		commit(1);
	}
}

static void empty_ring_is_left_as_it_is(void **state)
{
	(void)state;
	assert_false(ring_mend(s, 0, false));
	assert_false(ring_mend(s, 0, true));
	atomic_store(&space.ingress->tail, 9);
	assert_false(ring_mend(s, 0, false));
	assert_int_equal(push(1), 0);
}

/* ---- flags --------------------------------------------------------------------------------------------------- */

static void flag_keeps_a_higher_value_when_a_late_one_is_raised(void **state)
{
	_Atomic uint64_t *flag = space_flags(s, 8);
	(void)state;
	/* A producer that was stopped between publishing ticket 0 and raising; the ring has gone round since. */
	uint64_t newest = s->geometry.queue + 2;
	atomic_store(&space.state->committed, 2);
	atomic_store(flag, newest);
	flag_raise(flag, 1);
	assert_int_equal(atomic_load(flag), newest);
	flag_mend(s, flag);
	assert_int_equal(atomic_load(flag), newest);
	atomic_store(flag, newest + 1); /* beyond what anybody can have published: a lie */
	flag_raise(flag, 3);
	assert_int_equal(atomic_load(flag), newest + 1);
	flag_mend(s, flag);
	assert_int_equal(atomic_load(flag), newest);
}

static void flag_is_pending_until_committed_passes_it(void **state)
{
	_Atomic uint64_t *flag = space_flags(s, 3);
	(void)state;
	assert_int_equal(flag_pending(s, flag), 0);
	push(1);
	flag_raise(flag, push(2) + 1);
	assert_int_equal(flag_pending(s, flag), 2);
	flag_raise(flag, 1); /* an older one does not lower it */
	assert_int_equal(flag_pending(s, flag), 2);
	commit(1);
	assert_int_equal(flag_pending(s, flag), 2);
	commit(1);
	assert_int_equal(flag_pending(s, flag), 0);
}

static void flag_of_a_liar_delays_by_the_queue_at_most(void **state)
{
	_Atomic uint64_t *flag = space_flags(s, 3);
	(void)state;
	atomic_store(flag, 5); /* in the ring, of a slot that is not filled */
	assert_int_equal(flag_pending(s, flag), 0);
	push(1);
	push(1);
	assert_int_equal(flag_pending(s, flag), 2);
	atomic_store(flag, UINT64_MAX);
	assert_int_equal(flag_pending(s, flag), 2);
	commit(2);
	assert_int_equal(flag_pending(s, flag), 0);
	push(3);
	assert_int_equal(flag_pending(s, flag), 3);
}

/* Who raises for a ticket that he does not get, or dies before he has it, hides nothing that is queued. */
static void flag_waits_for_the_queue_when_its_slot_is_empty(void **state)
{
	_Atomic uint64_t *flag = space_flags(s, 3);
	(void)state;
	flag_raise(flag, push(1) + 1);
	flag_raise(flag, 2);
	assert_int_equal(flag_pending(s, flag), 1);
	push(2);
	assert_int_equal(flag_pending(s, flag), 2);
}

static void flag_waits_for_no_end_of_the_ring(void **state)
{
	_Atomic uint64_t *flag = space_flags(s, 3);
	uint64_t end;
	(void)state;
	push(1);
	flag_raise(flag, 2);
	assert_int_equal(ring_close(s, 0, &end), 0);
	assert_int_equal(flag_pending(s, flag), 1);
	commit(1);
	assert_int_equal(flag_pending(s, flag), 0);
}

static void raise_and_look(const void *flag, const struct ring_producer *p, uint64_t ticket)
{
	(void)p;
	assert_false(ring_filled(s, ticket));
	flag_raise(*(_Atomic uint64_t *const *)flag, ticket + 1);
}

static void ring_tells_the_ticket_before_it_is_published(void **state)
{
	_Atomic uint64_t *flag = space_flags(s, 3);
	uint64_t ticket = 0;
	(void)state;
	push(1);
	assert_int_equal(ring_publish(s, 1, 2, raise_and_look, &flag, &(uint64_t){ 0 }, &ticket), 0);
	assert_int_equal(atomic_load(flag), ticket + 1);
	for (uint32_t i = 2; i < N; i++)
		push(i);
	assert_int_equal(ring_publish(s, 1, 2, raise_and_look, &flag, &(uint64_t){ 0 }, &ticket), -EAGAIN);
	assert_int_equal(atomic_load(flag), 2); /* there was no ticket to be had */
}

/* So many others publish while the first ticket is told. */
struct rush {
	_Atomic uint64_t *flag;
	uint32_t others, calls;
};

static void raise_in_a_rush(const void *data, const struct ring_producer *p, uint64_t ticket)
{
	struct rush *rush = *(struct rush *const *)data;
	(void)p;
	flag_raise(rush->flag, ticket + 1);
	rush->calls++;
	for (; rush->others; rush->others--)
		push(7);
}

static void ring_publishes_behind_others_under_a_ticket_that_was_told(void **state)
{
	struct rush rush = { space_flags(s, 3), 5, 0 }, *data = &rush;
	uint64_t ticket = 0;
	(void)state;
	push(1);
	assert_int_equal(ring_publish(s, 1, 3, raise_in_a_rush, &data, &(uint64_t){ 0 }, &ticket), 0);
	assert_int_equal(ticket, 6);
	takes(6, 3);
	assert_int_equal(rush.calls, 2);
	assert_int_equal(atomic_load(rush.flag), 7);
	assert_int_equal(atomic_load(&space.ingress->tail), 7);
}

/* ---- park words ---------------------------------------------------------------------------------------------- */

static void spin_is_learned_from_sleeps(void **state)
{
	(void)state;
	assert_int_equal(park_learn(0, 40000, 20000), 80000);
	assert_int_equal(park_learn(80000, 15000, 20000), 190000);
	assert_int_equal(park_learn(80000, 40000, 20000), PARK_SPIN_MOST_NS);
	assert_int_equal(park_learn(0, 1000, 20000), 20000);
	assert_int_equal(park_learn(80000, PARK_SPIN_MOST_NS, 20000), 40000);
	assert_int_equal(park_learn(40000, INT64_MAX, 20000), 20000);
	assert_int_equal(park_learn(20000, INT64_MAX, 20000), 0);
}

static void park_wakes_only_who_announced(void **state)
{
	_Atomic uint32_t word = 0;
	(void)state;
	assert_int_equal(park_wake(&word), 0);
	assert_int_equal(atomic_load(&word), 0);
	uint32_t value = park_announce(&word, PARK_FUTEX);
	assert_int_equal(atomic_load(&word), value);
	assert_int_equal(park_announce(&word, PARK_EVENT), value | PARK_EVENT);
	assert_int_equal(park_wake(&word), PARK_FUTEX | PARK_EVENT);
	assert_int_equal(park_wake(&word), 0);
	assert_int_not_equal(atomic_load(&word), value); /* the epoch: a sleeper on the old word does not sleep on */
	assert_int_not_equal(park_announce(&word, PARK_FUTEX), value);
}

static _Atomic uint32_t bell;
static _Atomic int rung, heard;

static void *sleep_and_hear(void *unused)
{
	(void)unused;
	for (int i = 1; i <= 2000; i++) {
		while (atomic_load(&rung) < i) {
			uint32_t value = park_announce(&bell, PARK_FUTEX);
			atomic_thread_fence(memory_order_seq_cst);
			if (atomic_load(&rung) < i)
				park_sleep(&bell, value, 20 * INT64_C(1000000000));
		}
		atomic_store(&heard, i);
	}
	return NULL;
}

static void park_loses_no_wake(void **state)
{
	pthread_t t;
	int64_t before = clock_now();
	(void)state;
	pthread_create(&t, NULL, sleep_and_hear, NULL);
	for (int i = 1; i <= 2000; i++) {
		atomic_store(&rung, i);
		atomic_thread_fence(memory_order_seq_cst);
		park_wake(&bell);
		while (atomic_load(&heard) < i)
			sched_yield();
	}
	pthread_join(t, NULL);
	assert_true(clock_now() - before < 15 * INT64_C(1000000000)); /* one lost wake is 20 s */
}

static void park_sleeps_no_longer_than_asked(void **state)
{
	_Atomic uint32_t word = 0;
	int64_t before = clock_now();
	(void)state;
	park_sleep(&word, park_announce(&word, PARK_FUTEX), 20000000);
	park_sleep(&word, 1234, 20 * INT64_C(1000000000));
	park_sleep(&word, atomic_load(&word), 0);
	park_sleep(&word, atomic_load(&word), -5);
	assert_true(clock_now() - before >= 20000000 && clock_now() - before < 10 * INT64_C(1000000000));
}

/* ---- cells --------------------------------------------------------------------------------------------------- */

static void cell_with_the_greatest_tag_that_is_committed_counts(void **state)
{
	struct tags tags = { 0 };
	uint64_t tag;
	(void)state;
	assert_int_equal(cell_current(&tags, 100, &tag), -1);
	cell_begin(&tags, 0, 5);
	assert_int_equal(cell_current(&tags, 4, &tag), -1);
	assert_int_equal(cell_current(&tags, 5, &tag), 0);
	cell_begin(&tags, 1, 9);
	assert_int_equal(cell_current(&tags, 8, &tag), 0);
	assert_int_equal(tag, 5);
	assert_int_equal(cell_current(&tags, 9, &tag), 1);
	assert_int_equal(tag, 9);
	cell_begin(&tags, 0, 12); /* being written for a later batch */
	assert_int_equal(cell_current(&tags, 11, &tag), 1);
	assert_int_equal(cell_current(&tags, 12, &tag), 0);
}

static void copy_is_thrown_away_when_its_cell_is_written_again(void **state)
{
	struct tags tags = { 0 };
	uint64_t tag;
	(void)state;
	cell_begin(&tags, 0, 5);
	int k = cell_current(&tags, 5, &tag);
	assert_true(cell_still(&tags, k, tag));
	cell_begin(&tags, 1, 6);
	assert_true(cell_still(&tags, k, tag));
	cell_begin(&tags, 0, 7);
	assert_false(cell_still(&tags, k, tag));
}

static void cell_that_was_not_committed_is_blank_after_recovery(void **state)
{
	struct tags tags = { 0 };
	uint64_t tag;
	(void)state;
	cell_begin(&tags, 0, 5);
	cell_begin(&tags, 1, 9); /* died before the store of committed = 9 */
	assert_int_equal(cell_recover(&tags, 7), 0);
	assert_int_equal(cell_current(&tags, 1000, &tag), 0);
	assert_int_equal(tag, 5);
	assert_int_equal(cell_recover(&tags, 4), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(cell_that_was_not_committed_is_blank_after_recovery),
		T(cell_with_the_greatest_tag_that_is_committed_counts),
		T(closed_ring_takes_no_more_and_opens_again),
		T(copy_is_thrown_away_when_its_cell_is_written_again),
		T(empty_ring_is_left_as_it_is),
		T(flag_is_pending_until_committed_passes_it),
		T(flag_keeps_a_higher_value_when_a_late_one_is_raised),
		T(flag_of_a_liar_delays_by_the_queue_at_most),
		T(flag_waits_for_no_end_of_the_ring),
		T(flag_waits_for_the_queue_when_its_slot_is_empty),
		T(ring_tells_the_ticket_before_it_is_published),
		T(ring_publishes_behind_others_under_a_ticket_that_was_told),
		T(full_ring_is_closed_once_there_is_room),
		T(hole_is_filled_when_a_producer_was_misled),
		T(hole_is_found_when_the_tail_was_forged_back),
		T(producer_is_not_misled_when_the_tail_was_forged),
		T(nothing_is_published_behind_the_end_when_the_tail_was_forged),
		T(park_loses_no_wake),
		T(spin_is_learned_from_sleeps),
		T(park_sleeps_no_longer_than_asked),
		T(park_wakes_only_who_announced),
		T(ring_gives_back_what_was_published_in_order),
		T(ring_helps_a_tail_that_lags),
		T(ring_is_full_until_a_commit),
		T(ring_keeps_each_producers_order_when_four_publish),
		T(ring_survives_any_tail),
		T(ring_wraps),
		T(slot_of_a_nonsense_lap_is_mended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
