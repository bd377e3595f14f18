/*
 * test_roster.c: what the coordinator tells, the guardian knows; what cannot be told is not done; no descriptor is
 * lost.
 */
#include "coordinator/roster.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/scratch.h"

#define LANES 4
#define LAST (LANES - 1)

struct sides {
	struct roster coordinator, guardian;
	int link[2]; /* the coordinator's end, the guardian's end */
	int fds;
};

static int setup(void **state)
{
	static struct sides s;
	s.fds = scratch_fds();
	*state = &s;
	if (roster_init(&s.coordinator, LANES) < 0 || roster_init(&s.guardian, LANES) < 0)
		return -1;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s.link);
}

static int teardown(void **state)
{
	struct sides *s = *state;
	roster_fini(&s->coordinator);
	roster_fini(&s->guardian);
	close(s->link[0]);
	if (s->link[1] >= 0)
		close(s->link[1]);
	if (scratch_fds() == s->fds)
		return 0;
	print_error("descriptors were left open\n");
	return -1;
}

static struct roster_client make_client(unsigned mark)
{
	struct roster_client c = { .conn_fd = eventfd(mark, EFD_NONBLOCK), .pid_fd = eventfd(mark, EFD_NONBLOCK) };
	c.pid = (pid_t)mark;
	c.uid = mark + 1;
	return c;
}

/* Is it the eventfd that was made with this mark? It is left as it was. */
static bool is_marked(int fd, uint64_t mark)
{
	uint64_t value = 0;
	return read(fd, &value, sizeof(value)) == sizeof(value) && value == mark &&
	       write(fd, &value, sizeof(value)) == sizeof(value);
}

static uint32_t add(struct sides *s, unsigned mark)
{
	struct roster_client c = make_client(mark);
	uint32_t index;
	assert_int_equal(roster_add_client(&s->coordinator, s->link[0], &c, &index), 0);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], NULL), 1);
	return index;
}

static void roster_knows_a_client_on_both_sides(void **state)
{
	struct sides *s = *state;
	uint32_t i = add(s, 7);
	for (int side = 0; side < 2; side++) {
		struct roster_client *c = side ? &s->guardian.clients[i] : &s->coordinator.clients[i];
		assert_true(c->used);
		assert_false(c->read_only);
		assert_int_equal(c->pid, 7);
		assert_int_equal(c->uid, 8);
		assert_true(is_marked(c->conn_fd, 7));
		assert_true(is_marked(c->pid_fd, 7));
	}
	assert_int_not_equal(s->guardian.clients[i].conn_fd, s->coordinator.clients[i].conn_fd);
	assert_true(fcntl(s->guardian.clients[i].conn_fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], NULL), 0);
}

static void roster_takes_a_reader_without_pidfd(void **state)
{
	struct sides *s = *state;
	struct roster_client c = { .read_only = true, .conn_fd = eventfd(9, EFD_NONBLOCK), .pid_fd = -1 };
	uint32_t i;
	assert_int_equal(roster_add_client(&s->coordinator, s->link[0], &c, &i), 0);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], NULL), 1);
	assert_true(s->guardian.clients[i].used && s->guardian.clients[i].read_only);
	assert_true(is_marked(s->guardian.clients[i].conn_fd, 9));
	assert_int_equal(s->guardian.clients[i].pid_fd, -1);
}

static void roster_drops_a_client_on_both_sides(void **state)
{
	struct sides *s = *state;
	struct link_message m;
	int before = scratch_fds();
	uint32_t i = add(s, 7);
	assert_int_equal(scratch_fds(), before + 4);
	assert_int_equal(roster_drop_client(&s->coordinator, s->link[0], i), 0);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], &m), 1);
	assert_int_equal(m.kind, LINK_CLIENT_GONE);
	assert_false(s->coordinator.clients[i].used || s->guardian.clients[i].used);
	assert_int_equal(scratch_fds(), before);
	assert_int_equal(roster_drop_client(&s->coordinator, s->link[0], i), -ENOENT);
	assert_int_equal(roster_drop_client(&s->coordinator, s->link[0], 9999), -ENOENT);
	assert_int_equal(add(s, 8), i); /* the place is used again */
}

static void roster_knows_the_dead_by_their_place_until_they_are_gone(void **state)
{
	struct sides *s = *state;
	unsigned i = add(s, 7);
	assert_false(s->guardian.clients[i].dead);
	roster_mark_dead(&s->coordinator, s->link[0], i);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], NULL), 1);
	assert_true(s->coordinator.clients[i].dead && s->guardian.clients[i].dead);
	assert_int_equal(roster_drop_client(&s->coordinator, s->link[0], i), 0);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], NULL), 1);
	assert_int_equal(add(s, 8), i);
	assert_false(s->coordinator.clients[i].dead || s->guardian.clients[i].dead);
}

static void roster_holds_the_lanes_of_the_evicted_while_they_live(void **state)
{
	struct sides *s = *state;
	unsigned i = add(s, 7);
	struct roster_lane lane = { .client = i, .event_fd = eventfd(5, EFD_NONBLOCK) };
	assert_int_equal(roster_set_lane(&s->coordinator, s->link[0], 1, LINK_LANE, &lane), 0);
	assert_int_equal(roster_evict_client(&s->coordinator, s->link[0], i), 0);
	assert_false(roster_lane_held(&s->coordinator, 1));
	assert_int_equal(roster_set_lane(&s->coordinator, s->link[0], 1, LINK_LANE_ENDING, &lane), 0);
	while (roster_hear(&s->guardian, s->link[1], NULL) == 1) {}
	assert_true(s->coordinator.clients[i].evicted && s->guardian.clients[i].evicted);
	assert_true(roster_lane_held(&s->coordinator, 1) && roster_lane_held(&s->guardian, 1));
	assert_false(roster_lane_held(&s->guardian, 0) || roster_lane_held(&s->guardian, LANES));
	roster_mark_dead(&s->guardian, -1, i);
	assert_false(roster_lane_held(&s->guardian, 1));
	assert_int_equal(roster_drop_client(&s->coordinator, s->link[0], i), 0);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], NULL), 1);
	assert_int_equal(add(s, 8), i);
	assert_false(s->coordinator.clients[i].evicted || s->guardian.clients[i].evicted);
	assert_false(roster_lane_held(&s->coordinator, 1));
}

static void roster_grows(void **state)
{
	struct sides *s = *state;
	for (unsigned n = 0; n < 100; n++)
		assert_int_equal(add(s, n + 1), n);
	for (unsigned n = 0; n < 100; n++) {
		assert_int_equal(s->guardian.clients[n].pid, n + 1);
		assert_true(is_marked(s->coordinator.clients[n].conn_fd, n + 1));
	}
}

static void set_lane(struct sides *s, uint32_t index, enum link_kind kind, const struct roster_lane *lane)
{
	assert_int_equal(roster_set_lane(&s->coordinator, s->link[0], index, kind, lane), 0);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], NULL), 1);
}

static void roster_follows_a_lane_through_its_life(void **state)
{
	struct sides *s = *state;
	int before = scratch_fds();
	struct roster_lane lane = { .client = 3, .event_fd = eventfd(5, EFD_NONBLOCK) };
	struct roster_lane *there = &s->guardian.lanes[LAST], *here = &s->coordinator.lanes[LAST];
	assert_int_equal(s->guardian.n_lanes, LANES);
	assert_false(there->used);
	set_lane(s, LAST, LINK_LANE, &lane);
	assert_true(here->used && there->used && there->client == 3 && !there->ending);
	assert_true(is_marked(there->event_fd, 5));
	lane.until = 123;
	set_lane(s, LAST, LINK_LANE_ENDING, &lane);
	assert_true(there->used && there->ending && there->until == 123 && there->client == 3);
	assert_true(here->used && here->ending && here->until == 123);
	assert_int_equal(scratch_fds(), before);
	set_lane(s, LAST, LINK_LANE_FREE, NULL);
	assert_false(here->used || there->used || there->ending);
	assert_int_equal(roster_set_lane(&s->coordinator, s->link[0], LANES, LINK_LANE_FREE, NULL), -EINVAL);
}

static void roster_replaces_the_events_of_a_lane(void **state)
{
	struct sides *s = *state;
	int before = scratch_fds();
	struct roster_lane lane = { .event_fd = eventfd(5, EFD_NONBLOCK) };
	set_lane(s, 0, LINK_LANE, &lane);
	set_lane(s, 0, LINK_LANE, &lane); /* the same again */
	assert_true(is_marked(s->coordinator.lanes[0].event_fd, 5));
	lane.event_fd = eventfd(6, EFD_NONBLOCK);
	set_lane(s, 0, LINK_LANE, &lane);
	assert_true(is_marked(s->guardian.lanes[0].event_fd, 6));
	assert_int_equal(scratch_fds(), before + 2);
	lane.event_fd = -1;
	set_lane(s, 0, LINK_LANE, &lane);
	assert_int_equal(scratch_fds(), before);
}

static void roster_tells_readiness_and_failure(void **state)
{
	struct sides *s = *state;
	struct link_message m;
	assert_int_equal(roster_tell(s->link[0], LINK_READY, 0, NULL), 0);
	assert_int_equal(roster_tell(s->link[0], LINK_FAILED, -EPROTO, "class hits differs"), 0);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], &m), 1);
	assert_int_equal(m.kind, LINK_READY);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], &m), 1);
	assert_int_equal(m.kind, LINK_FAILED);
	assert_int_equal(m.code, -EPROTO);
	assert_string_equal(m.text, "class hits differs");
}

static void roster_refuses_what_it_cannot_tell(void **state)
{
	struct sides *s = *state;
	struct roster_lane lane = { .event_fd = -1 };
	struct roster_client c = make_client(7);
	uint32_t kept = add(s, 1), index = 77;
	set_lane(s, 1, LINK_LANE, &lane);
	while (roster_tell(s->link[0], LINK_READY, 0, NULL) == 0) {}
	assert_int_equal(roster_add_client(&s->coordinator, s->link[0], &c, &index), -EAGAIN);
	assert_int_equal(index, 77);
	assert_true(is_marked(c.conn_fd, 7)); /* still the caller's */
	close(c.conn_fd);
	close(c.pid_fd);
	assert_int_equal(roster_set_lane(&s->coordinator, s->link[0], 0, LINK_LANE, &lane), -EAGAIN);
	assert_false(s->coordinator.lanes[0].used);
	assert_int_equal(roster_evict_client(&s->coordinator, s->link[0], kept), -EAGAIN);
	assert_false(s->coordinator.clients[kept].evicted);
	/* but what takes away cannot wait */
	assert_int_equal(roster_set_lane(&s->coordinator, s->link[0], 1, LINK_LANE_FREE, NULL), 0);
	assert_false(s->coordinator.lanes[1].used);
	assert_int_equal(roster_drop_client(&s->coordinator, s->link[0], kept), 0);
	assert_false(s->coordinator.clients[kept].used);
}

static void roster_goes_on_without_a_guardian(void **state)
{
	struct sides *s = *state;
	struct roster_client c = make_client(7);
	uint32_t i;
	close(s->link[1]);
	s->link[1] = -1;
	assert_int_equal(roster_add_client(&s->coordinator, s->link[0], &c, &i), 0);
	assert_true(s->coordinator.clients[i].used);
	c = make_client(8);
	assert_int_equal(roster_add_client(&s->coordinator, -1, &c, &i), 0);
	assert_int_equal(roster_hear(&s->coordinator, s->link[0], NULL), -EPIPE);
}

static void roster_passes_over_nonsense(void **state)
{
	struct sides *s = *state;
	struct link_message m = { .kind = LINK_LANE, .index = 1u << 30 }, heard;
	assert_int_equal(send(s->link[0], &m, sizeof(m), 0), sizeof(m));
	m.kind = LINK_CLIENT_GONE;
	assert_int_equal(send(s->link[0], &m, sizeof(m), 0), sizeof(m));
	m.kind = LINK_CLIENT; /* without a connection */
	m.index = 0;
	assert_int_equal(send(s->link[0], &m, sizeof(m), 0), sizeof(m));
	assert_int_equal(send(s->link[0], "short", 5, 0), 5);
	for (int i = 0; i < 4; i++)
		assert_int_equal(roster_hear(&s->guardian, s->link[1], &heard), 1);
	assert_int_equal(heard.kind, LINK_NONE);
	assert_int_equal(roster_hear(&s->guardian, s->link[1], &heard), 0);
	assert_true(s->guardian.n_clients == 0 || !s->guardian.clients[0].used);
}

/* A guardian that missed an end hears of a new client in the same place. */
static void roster_replaces_a_client_that_it_missed_going(void **state)
{
	struct sides *s = *state;
	uint32_t i = add(s, 7);
	assert_int_equal(roster_drop_client(&s->coordinator, -1, i), 0);
	int before = scratch_fds();
	assert_int_equal(add(s, 8), i);
	assert_int_equal(s->guardian.clients[i].pid, 8);
	assert_int_equal(scratch_fds(), before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(roster_knows_a_client_on_both_sides, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_takes_a_reader_without_pidfd, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_drops_a_client_on_both_sides, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_holds_the_lanes_of_the_evicted_while_they_live, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_knows_the_dead_by_their_place_until_they_are_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_follows_a_lane_through_its_life, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_replaces_the_events_of_a_lane, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_tells_readiness_and_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_refuses_what_it_cannot_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_goes_on_without_a_guardian, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_passes_over_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(roster_replaces_a_client_that_it_missed_going, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
