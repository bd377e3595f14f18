/*
 * test_routes.c: what a thread has looked up for its calls is used again only as long as it holds (proxy/route.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/lane.h"
#include "src/clock.h"
#include "tests/harness.h"

struct tally {
	uint64_t value, total, casts;
	double level;
	uint32_t small;
	char text[16];
};
struct tally_add {
	uint64_t n, weight;
};
struct tally_long {
	uint64_t n, a, b, c;
};
struct tally_sum {
	uint64_t sum;
};
STOA_STRUCT(tally, STOA_ATTR(struct tally, value), STOA_ATTR(struct tally, total), STOA_ATTR(struct tally, casts),
	    STOA_ATTR(struct tally, level, .writable = true), STOA_ATTR(struct tally, small, .writable = true),
	    STOA_ATTR(struct tally, text, .writable = true));
STOA_STRUCT(tally_add, STOA_ATTR(struct tally_add, n), STOA_ATTR(struct tally_add, weight));
STOA_STRUCT(tally_long, STOA_ATTR(struct tally_long, n), STOA_ATTR(struct tally_long, a),
	    STOA_ATTR(struct tally_long, b), STOA_ATTR(struct tally_long, c));
STOA_STRUCT(tally_sum, STOA_ATTR(struct tally_sum, sum));

STOA_STUB(tally, one, struct tally_add, stoa_none);
STOA_STUB(tally, two, struct tally_add, stoa_none);
STOA_STUB(tally, three, struct tally_add, stoa_none);
STOA_STUB(tally, bare, stoa_none, stoa_none);
STOA_STUB(tally, lengthy, struct tally_long, stoa_none);
STOA_STUB(tally, folding, struct tally_add, stoa_none);
STOA_STUB(tally, meddle, stoa_none, struct tally_sum);

static int tally_one(struct tally *self, const struct tally_add *args, stoa_none *ret)
{
	(void)ret;
	self->value += args->n;
	return 0;
}
STOA_METHOD(tally, one, tally_add, stoa_none, .writes = "value");

static int tally_two(struct tally *self, const struct tally_add *args, stoa_none *ret)
{
	(void)ret;
	self->value += args->n;
	self->total += args->n * args->weight;
	return 0;
}
STOA_METHOD(tally, two, tally_add, stoa_none, .writes = "value total");

static int tally_three(struct tally *self, const struct tally_add *args, stoa_none *ret)
{
	self->casts++;
	return tally_two(self, args, ret);
}
STOA_METHOD(tally, three, tally_add, stoa_none, .writes = "value total casts");

static int tally_bare(struct tally *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->value++;
	return 0;
}
STOA_METHOD(tally, bare, stoa_none, stoa_none, .writes = "value");

static int tally_lengthy(struct tally *self, const struct tally_long *args, stoa_none *ret)
{
	(void)ret;
	self->value += args->n;
	self->total += args->a + args->b + args->c;
	return 0;
}
STOA_METHOD(tally, lengthy, tally_long, stoa_none, .writes = "value total");

static int tally_folding(struct tally *self, const struct tally_add *args, stoa_none *ret)
{
	(void)ret;
	self->value += args->n;
	self->total += args->weight;
	return 0;
}
STOA_METHOD(tally, folding, tally_add, stoa_none, .writes = "value total", .folds = true);

static struct stoa_proxy *p;
static const struct tally_add twice = { 1, 2 };

/* A reader, here in the client, that casts. */
static int tally_meddle(const struct tally *self, const stoa_none *args, struct tally_sum *ret)
{
	(void)args;
	ret->sum = self->value + self->total;
	int r = tally_two_cast(p, &twice, SOON);
	return r ? r : -EBADE;
}
STOA_READER(tally, meddle, stoa_none, tally_sum, .reads = "value total");

STOA_CLASS(tally, 1, &tally_one_row, &tally_two_row, &tally_three_row, &tally_bare_row, &tally_lengthy_row,
	   &tally_folding_row, &tally_meddle_row);
static const struct stoa_class *const classes[] = { &tally_class, NULL };

static struct stoa *s;

static void start(void)
{
	s = harness_start(classes);
	p = harness_create(s, "tally", &tally_class, NULL);
}

static struct tally look(struct stoa_proxy *at)
{
	struct tally t;
	ok(stoa_snapshot(at, &t, sizeof(t), SOON, NULL));
	return t;
}

/* Casts and calls, so often that all but the first are on a route. */
static void add_three(struct stoa_proxy *to)
{
	ok(tally_two_cast(to, &twice, SOON));
	ok(tally_two_call(to, &twice, NULL, SOON));
	ok(tally_two_cast(to, &twice, SOON));
}

static void all_kinds_of_methods_do_what_they_do(void)
{
	uint64_t rejected;
	start();
	for (int i = 0; i < 100; i++) {
		ok(tally_one_cast(p, &twice, SOON));
		ok(tally_two_cast(p, &twice, SOON));
		ok(tally_three_cast(p, &twice, SOON));
		ok(tally_bare_cast(p, NULL, SOON));
		ok(tally_bare_cast(p, &(stoa_none){ 0 }, SOON));
		ok(tally_lengthy_cast(p, &(struct tally_long){ 1, 1, 2, 3 }, SOON));
		ok(tally_folding_cast(p, &twice, SOON));
		ok(tally_one_call(p, &twice, NULL, SOON));
		ok(tally_bare_call(p, NULL, NULL, SOON));
		ok(tally_folding_call(p, &twice, NULL, SOON));
	}
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 0);
	struct tally t = look(p);
	assert_int_equal(t.value, 100 * 10);
	assert_int_equal(t.total, 100 * (2 + 2 + 6 + 2 + 2));
	assert_int_equal(t.casts, 100);
}

static void arguments_are_asked_for_on_a_route_too(void)
{
	start();
	refused(-EINVAL, tally_two_cast(p, NULL, SOON));
	add_three(p);
	refused(-EINVAL, tally_two_cast(p, NULL, SOON));
	says("takes arguments");
	refused(-EINVAL, tally_two_call(p, NULL, NULL, SOON));
	refused(-EINVAL, tally_folding_cast(p, NULL, SOON));
	refused(-EINVAL, stoa_cast(p, NULL, &twice, SOON));
	assert_int_equal(look(p).value, 3);
}

static void attributes_of_all_sizes_are_assigned(void)
{
	char text[16] = "";
	start();
	for (uint32_t i = 1; i <= 100; i++) {
		double level = i / 8.0;
		ok(STOA_ASSIGN(p, struct tally, level, &level, SOON));
		ok(STOA_ASSIGN(p, struct tally, small, &i, SOON));
		snprintf(text, sizeof(text), "%u", i);
		ok(STOA_ASSIGN(p, struct tally, text, &text, SOON));
		struct tally t = look(p);
		assert_true(t.level == level);
		assert_int_equal(t.small, i);
		assert_string_equal(t.text, text);
	}
}

static void size_is_looked_at_on_a_route_too(void)
{
	double level = 1;
	uint64_t value = 1;
	uint32_t at = offsetof(struct tally, level);
	start();
	for (int i = 0; i < 3; i++) {
		ok(stoa_assign(p, at, &level, sizeof(level), SOON));
		refused(-EINVAL, stoa_assign(p, at, &level, sizeof(level) - 1, SOON));
		refused(-EINVAL, stoa_assign(p, at + 1, &level, sizeof(level), SOON));
		refused(-EPERM, STOA_ASSIGN(p, struct tally, value, &value, SOON));
	}
	struct tally t = look(p);
	assert_true(t.level == 1 && t.value == 0);
}

static void removed_object_is_refused_at_once(void)
{
	double level = 1;
	start();
	add_three(p);
	ok(STOA_ASSIGN(p, struct tally, level, &level, SOON));
	ok(stoa_remove(s, "tally", SOON));
	refused(-ESTALE, tally_two_cast(p, &twice, SOON));
	refused(-ESTALE, tally_two_call(p, &twice, NULL, SOON));
	refused(-ESTALE, STOA_ASSIGN(p, struct tally, level, &level, SOON));
	struct stoa_proxy *next = harness_create(s, "tally", &tally_class, NULL);
	refused(-ESTALE, tally_two_cast(p, &twice, SOON));
	add_three(next);
	assert_int_equal(look(next).value, 3);
	refused(-ESTALE, tally_two_cast(p, &twice, SOON));
}

/* It takes the place of another proxy, most likely in its very memory. */
static void proxy_of_another_object_has_a_route_of_its_own(void)
{
	start();
	for (int i = 0; i < 100; i++) {
		char name[16];
		snprintf(name, sizeof(name), "tally-%d", i);
		struct stoa_proxy *other = harness_create(s, name, &tally_class, NULL);
		add_three(other);
		assert_int_equal(look(other).value, 3);
		stoa_close(other);
	}
	assert_int_equal(look(p).value, 0);
}

/* It has rows of its own, which stoa_find_method gives. */
static void proxy_without_a_class_is_refused_all_the_same(void)
{
	struct stoa_proxy *bare;
	start();
	ok(stoa_open(s, "tally", NULL, SOON, &bare));
	for (int i = 0; i < 3; i++) {
		refused(-EINVAL, tally_two_cast(bare, &twice, SOON));
		refused(-EINVAL, tally_two_call(bare, &twice, NULL, SOON));
		add_three(p);
	}
	assert_int_equal(look(p).value, 9);
	stoa_close(bare);
}

static void more_objects_than_there_are_places_take_turns(void)
{
	enum { OBJECTS = 100, TIMES = 5000 };
	struct stoa_proxy *all[OBJECTS];
	uint64_t one[OBJECTS] = { 0 }, two[OBJECTS] = { 0 };
	unsigned seed = 1;
	start();
	for (int i = 0; i < OBJECTS; i++) {
		char name[16];
		snprintf(name, sizeof(name), "tally-%d", i);
		all[i] = harness_create(s, name, &tally_class, NULL);
	}
	for (int i = 0; i < TIMES; i++) {
		int at = rand_r(&seed) % OBJECTS;
		if (rand_r(&seed) % 2) {
			ok(tally_one_cast(all[at], &twice, SOON));
			one[at]++;
		} else {
			ok(tally_two_cast(all[at], &twice, SOON));
			two[at]++;
		}
	}
	for (int i = 0; i < OBJECTS; i++) {
		assert_int_equal(look(all[i]).value, one[i] + two[i]);
		assert_int_equal(look(all[i]).total, 2 * two[i]);
		stoa_close(all[i]);
	}
}

static void namespaces_have_routes_of_their_own(void)
{
	start();
	struct stoa *other;
	ok(stoa_start("other", classes, STOA_OPTIONS(.flags = STOA_VERIFY), &other));
	struct stoa_proxy *there = harness_create(other, "tally", &tally_class, NULL);
	for (int i = 0; i < 100; i++) {
		ok(tally_two_cast(p, &twice, SOON));
		ok(tally_two_cast(there, &twice, SOON));
		ok(tally_two_call(there, &twice, NULL, SOON));
	}
	assert_int_equal(look(p).value, 100);
	assert_int_equal(look(there).value, 200);
	stoa_close(there);
	other = stoa_detach(other);
	add_three(p);
	assert_int_equal(look(p).value, 103);
	ok(stoa_start("other", classes, STOA_OPTIONS(.flags = STOA_VERIFY), &other));
	there = harness_create(other, "tally", &tally_class, NULL);
	add_three(there);
	assert_int_equal(look(there).value, 3);
	assert_int_equal(look(p).value, 103);
	stoa_close(there);
	other = stoa_detach(other);
}

static void cast_many(int n)
{
	for (int i = 0; i < n; i++)
		ok(tally_two_cast(p, &twice, SOON));
	ok(stoa_sync(s, SOON, NULL));
}

static void child_has_routes_of_its_own(void)
{
	start();
	add_three(p);
	pid_t child = harness_spawn(cast_many, 5000);
	cast_many(5000);
	harness_join(child);
	assert_int_equal(look(p).value, 10003);
	assert_int_equal(look(p).total, 20006);
}

static void read_only_method_has_no_route(void)
{
	struct tally_sum sum;
	ok(stoa_start("test", classes, STOA_OPTIONS(0), &s)); /* in verify mode it would run in the coordinator */
	p = harness_create(s, "tally", &tally_class, NULL);
	add_three(p);
	refused(-EDEADLK, tally_meddle_call(p, NULL, &sum, SOON));
	add_three(p);
	refused(-EDEADLK, tally_meddle_call(p, NULL, &sum, SOON));
	assert_int_equal(look(p).value, 6);
}

static void coordinator_that_follows_is_reached(void)
{
	start();
	for (int i = 0; i < 3; i++) {
		add_three(p);
		harness_kill_coordinator(s);
	}
	add_three(p);
	assert_int_equal(look(p).value, 12);
}

static uint32_t doorbell(void) { return atomic_load(&s->space.ingress->doorbell); }

static bool is_asleep(void)
{
	return atomic_load(&s->space.state->life.changes) & LIFE_ASLEEP && doorbell() & 1;
}

static void sleeping_coordinator_is_rung(void)
{
	start();
	add_three(p);
	for (int i = 0; i < 3; i++) {
		until(is_asleep());
		uint32_t sleep = doorbell(); /* another sleep has another */
		ok(tally_two_cast(p, &twice, SOON));
		assert_int_not_equal(doorbell(), sleep);
	}
	assert_int_equal(look(p).value, 6);
}

/* More than a lane can hold: each is accepted, or refused in time and not done. */
static void full_lane_is_told(void)
{
	ok(stoa_start("test", classes, STOA_OPTIONS(.max_queue = 1 << 20), &s));
	p = harness_create(s, "tally", &tally_class, NULL);
	add_three(p);
	harness_freeze(s);
	uint64_t accepted = 0;
	int r;
	while ((r = tally_two_cast(p, &twice, STOA_NOWAIT)) == 0)
		accepted++;
	assert_int_equal(r, -EAGAIN);
	refused(-EAGAIN, tally_two_cast(p, &twice, STOA_MS(20)));
	harness_thaw(s);
	ok(tally_two_cast(p, &twice, SOON));
	assert_int_equal(look(p).value, accepted + 4);
}

static void cast_until_refused(int unused)
{
	(void)unused;
	int64_t deadline = clock_now() + SOON;
	int r = 0;
	add_three(p);
	while (r == 0 && clock_now() < deadline)
		r = tally_two_cast(p, &twice, SOON);
	assert_int_equal(r, -ECONNABORTED);
	refused(-ECONNABORTED, tally_two_cast(p, &twice, SOON));
	refused(-ECONNABORTED, tally_two_call(p, &twice, NULL, SOON));
}

static void who_was_evicted_is_refused(void)
{
	start();
	pid_t child = harness_spawn(cast_until_refused, 0);
	until(look(p).value > 10);
	ok(stoa_evict(s, child, SOON));
	harness_join(child);
	add_three(p);
}

static void stay(int unused)
{
	(void)unused;
	add_three(p);
	pause();
}

/* It was taken for gone, and its lanes became others'. */
static void who_is_let_in_again_has_routes_of_its_own(void)
{
	struct lane *lane = NULL;
	start();
	add_three(p);
	pid_t other = harness_spawn(stay, 0); /* else the namespace would end */
	until(look(p).value == 6);
	ok(lane_get(s, SOON, &lane));
	const struct lane_head *head = lane->head;
	assert_int_equal(shutdown(s->conn_fd, SHUT_RDWR), 0);
	until(atomic_load(&head->done));
	int r = 0;
	for (int i = 0; r == 0 && i < 200; i++) /* within so many it looks whether anybody takes them */
		r = tally_two_cast(p, &twice, SOON);
	assert_int_equal(r, -ECONNRESET);
	ok(stoa_sync(s, SOON, NULL));
	uint64_t before = look(p).value;
	add_three(p);
	assert_int_equal(look(p).value, before + 3);
	kill(other, SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(all_kinds_of_methods_do_what_they_do),
		HARNESS(arguments_are_asked_for_on_a_route_too),
		HARNESS(attributes_of_all_sizes_are_assigned),
		HARNESS(child_has_routes_of_its_own),
		HARNESS(coordinator_that_follows_is_reached),
		HARNESS(full_lane_is_told),
		HARNESS(more_objects_than_there_are_places_take_turns),
		HARNESS(namespaces_have_routes_of_their_own),
		HARNESS(proxy_of_another_object_has_a_route_of_its_own),
		HARNESS(proxy_without_a_class_is_refused_all_the_same),
		HARNESS(read_only_method_has_no_route),
		HARNESS(removed_object_is_refused_at_once),
		HARNESS(size_is_looked_at_on_a_route_too),
		HARNESS(sleeping_coordinator_is_rung),
		HARNESS(who_is_let_in_again_has_routes_of_its_own),
		HARNESS(who_was_evicted_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
