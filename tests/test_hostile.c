/*
 * test_hostile.c: what a client does with the memory and the connection that it was given: it cannot write the state,
 * it cannot make the coordinator wait, or deaf to others, and what it destroys of others' is made good or told; of its
 * lies about times nothing is computed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "include/stoa/observe.h"
#include "proxy/connection.h"
#include "proxy/handle.h"
#include "proxy/lane.h"
#include "proxy/proxy.h"
#include "proxy/send.h"
#include "proxy/wait.h"
#include "src/image.h"
#include "src/message.h"
#include "src/park.h"
#include "src/ring.h"
#include "tests/harness.h"
#include "tests/scratch.h"

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static int64_t value(void)
{
	int64_t v = -1;
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	return v;
}

static void cast(int n)
{
	while (n-- > 0)
		ok(harness_count(p, STOA_DEFAULT));
}

/* Another client comes in, is served, and goes. */
static void come_and_go(int i)
{
	struct stoa *own = NULL;
	(void)i;
	ok(stoa_attach("test", NULL, &own));
	struct stoa_proxy *hits = NULL;
	ok(stoa_open(own, "hits", &counter_class, SOON, &hits));
	ok(counter_add_call(hits, &(struct counter_args){ 1 }, NULL, SOON));
	stoa_detach(own);
}

static void close_welcome(const struct welcome *w)
{
	close(w->conn_fd);
	close(w->state_fd);
	close(w->ingress_fd);
	close(w->doorbell_fd);
}

/* ---- the state ----------------------------------------------------------------------------------------------- */

static void write_state(int i)
{
	signal(SIGSEGV, SIG_DFL);
	uint64_t *word = (uint64_t *)((char *)s->space.state + (i ? s->space.geometry.heap_at : 0));
	memset(word, 0xff, 64);
}

/* A namespace's file in our maps that can be written. */
static bool is_writable(const char *file)
{
	char line[512];
	bool any = false;
	FILE *f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof(line), f))
		any = any || (strstr(line, file) && strstr(line, " rw"));
	if (f)
		fclose(f);
	return any;
}

static void state_cannot_be_written_by_a_client(void)
{
	start();
	cast(3);
	for (int i = 0; i < 2; i++)
		assert_int_equal(harness_status(harness_spawn(write_state, i)), -SIGSEGV);
	assert_int_equal(mprotect(s->space.state, LAYOUT_PAGE, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(errno, EACCES);
	assert_true(is_writable("/test/ingress"));
	assert_true(is_writable("/test/lane."));
	assert_false(is_writable("/test/state"));
	assert_int_equal(value(), 3);
}

static void state_descriptor_is_read_only(void)
{
	struct welcome w;
	start();
	ok(connection_open(s->dir, s->owner, false, clock_deadline(SOON), &w));
	assert_int_equal(fcntl(w.state_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(pwrite(w.state_fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(w.state_fd, 0), -1);
	assert_int_equal(fallocate(w.state_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LAYOUT_PAGE), -1);
	assert_true(mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w.state_fd, 0) == MAP_FAILED);
	close_welcome(&w);
	cast(1);
	assert_int_equal(value(), 1);
}

static void attach_reader(int i)
{
	struct stoa *reader = NULL;
	(void)i;
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &reader));
	assert_int_equal(mprotect(reader->space.ingress, LAYOUT_PAGE, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(mprotect(reader->space.state, LAYOUT_PAGE, PROT_READ | PROT_WRITE), -1);
	stoa_detach(reader);
}

static void ingress_cannot_be_written_by_a_reader(void)
{
	start();
	harness_join(harness_spawn(attach_reader, 0));
}

/* ---- descriptors --------------------------------------------------------------------------------------------- */

/* An eventfd that takes no more, and would wait. */
static int full_eventfd(void)
{
	uint64_t most = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(write(fd, &most, sizeof(most)), sizeof(most));
	return fd;
}

/* Ask for a lane that is to be woken through fd. */
static int ask_lane(int conn, int fd, struct message *ret, int fds[MESSAGE_FDS])
{
	struct message m = { .kind = MESSAGE_LANE, .id = 77, .n_fds = 1 };
	int r;
	assert_int_equal(message_send(conn, &m, &fd), 0);
	until((r = message_receive(conn, ret, fds)) != -EAGAIN);
	assert_int_equal(r, 0);
	return ret->kind == MESSAGE_LANE ? 0 : ret->status;
}

/* A command of kind 0 in a lane of our own, from a thread that sleeps in its event loop. */
static void publish_asleep(const struct message *lane, int lane_fd)
{
	uint64_t ticket;
	char *at = mmap(NULL, LANE_ARENA + LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, lane_fd, 0);
	assert_true(at != MAP_FAILED);
	*(struct record *)(at + LANE_ARENA) = (struct record){ .seq = lane->b };
	park_announce(&((struct lane_head *)at)->answer, PARK_EVENT);
	assert_int_equal(ring_publish(&s->space, (uint32_t)lane->a, LANE_ARENA / LANE_UNIT, NULL, NULL, &(uint64_t){ 0 }, &ticket), 0);
	handle_ring(s);
	munmap(at, LANE_ARENA + LAYOUT_PAGE);
}

/* One end of a pair of datagram sockets that takes no more, and would wait. */
static int full_bell(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	while (send(pair[1], "", 1, MSG_DONTWAIT) == 1) {
	}
	return pair[1];
}

static void thread_is_woken_without_waiting_for_it(void)
{
	struct message lane;
	int fds[MESSAGE_FDS], pair[2], blocks = full_eventfd();
	start();
	assert_int_equal(ask_lane(s->conn_fd, blocks, &lane, fds), -EBADMSG);
	close(blocks);
	assert_int_equal(ask_lane(s->conn_fd, full_bell(pair), &lane, fds), 0);
	publish_asleep(&lane, fds[0]);
	cast(1);
	assert_int_equal(value(), 1);
	assert_int_equal(harness_health(s).restarts, 0);
	assert_int_equal(harness_health(s).rejected, 1);
	close(pair[0]);
	close(pair[1]);
	close(fds[0]);
}

/* A connection that the coordinator closes, but we do not, and that stays readable: its number is soon another's. */
static void refused_connection_takes_none_with_it(void)
{
	struct message m = { .kind = MESSAGE_INHERIT, .n_fds = 1 };
	int pair[2], before;
	start();
	pid_t coordinator = harness_coordinator(s);
	cast(1);
	assert_int_equal(value(), 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	before = scratch_fds_of(coordinator);
	assert_int_equal(message_send(s->conn_fd, &m, &pair[1]), 0);
	until(scratch_fds_of(coordinator) == before + 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(send(pair[0], "x", 1, 0), 1);
	until(scratch_fds_of(coordinator) == before);
	for (int i = 0; i < 3; i++)
		harness_join(harness_spawn(come_and_go, 0));
	assert_int_equal(value(), 4);
	close(pair[0]);
	close(pair[1]);
}

/* ---- what others have queued ---------------------------------------------------------------------------------- */

static void spoil(uint64_t ticket)
{
	atomic_store(ring_slot(&s->space, ticket),
		     ring_word(ring_lap(&s->space, ticket) + 1, RING_LANE_SPECIAL, RING_VOID));
}

static void lane_goes_on_after_commands_of_it_were_destroyed(void)
{
	uint64_t rejected;
	start();
	harness_freeze(s);
	uint64_t next = handle_committed(s);
	cast(4);
	spoil(next + 1);
	spoil(next + 2);
	harness_thaw(s);
	cast(2);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 2);
	assert_int_equal(value(), 4);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	assert_int_equal(value(), 5);
}

/* A word for a record that is to come makes it early; it is not applied again, and not after what was before it. */
static void forged_word_applies_nothing_twice(void)
{
	uint64_t rejected, ticket;
	struct lane *lane = NULL;
	start();
	ok(lane_get(s, SOON, &lane));
	harness_freeze(s);
	uint64_t next = handle_committed(s);
	cast(3);
	uint32_t third = ring_word_units(atomic_load(ring_slot(&s->space, next + 2)));
	atomic_store(ring_slot(&s->space, next), ring_word(ring_lap(&s->space, next) + 1, lane->id, third));
	for (int i = 0; i < 3; i++)
		assert_int_equal(ring_publish(&s->space, lane->id, third, NULL, NULL, &(uint64_t){ 0 }, &ticket), 0);
	harness_thaw(s);
	ok(counter_add_call(p, &(struct counter_args){ 10 }, NULL, SOON));
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 2);
	assert_int_equal(value(), 11);
	assert_int_equal(harness_health(s).rejected, 5);
}

/* A record that is being written has the bytes of an older one, which a word may lead to: they are no command. */
static void forged_word_does_not_apply_what_is_being_written(void)
{
	struct sending w;
	struct target *t;
	const struct bound_method *m = NULL;
	const struct counter_args one = { 1 };
	uint64_t ticket;
	start();
	ok(send_target(p, &t));
	ok(binding_method(t->binding, &counter_add_row, &m));
	for (int i = 0; i < 1000; i++)
		ok(counter_add_call(p, &one, NULL, SOON));
	ok(send_begin(s, m->args->size, m->reply_size, SOON, &w));
	for (int i = 0; i < 2; i++) {
		ok(ring_publish(&s->space, w.lane->id, lane_units(w.lane, w.record), NULL, NULL, &(uint64_t){ 0 }, &ticket));
		until(handle_committed(s) > ticket);
		assert_int_equal(value(), 1000);
		image_pack(m->args, &one, w.args);
		send_address(w.record, t, RECORD_CALL, m->row);
	}
	ok(send_publish(&w, NULL, 0));
	ok(stoa_sync(s, SOON, NULL));
	assert_int_equal(value(), 1001);
}

static uint32_t find_flag(uint64_t value)
{
	uint32_t i = 0, n = atomic_load(&s->space.state->flags_end);
	while (i < n && atomic_load(space_flags(&s->space, i)) != value)
		i++;
	assert_true(i < n);
	return i;
}

static void raised_flag_of_a_liar_hides_no_write(void)
{
	start();
	harness_freeze(s);
	uint64_t next = handle_committed(s);
	cast(1);
	uint64_t lies[] = { next + 9, UINT64_MAX };
	int64_t v;
	uint32_t at = find_flag(next + 1);
	for (int i = 0; i < 2; i++) {
		atomic_store(space_flags(&s->space, at), lies[i]);
		refused(-EAGAIN, STOA_GET(p, struct counter, value, &v, STOA_NOWAIT));
	}
	harness_thaw(s);
	assert_int_equal(value(), 1);
	ok(STOA_GET(p, struct counter, value, &v, STOA_NOWAIT)); /* nothing is waited for, though the lie stands */
	harness_join(harness_spawn(come_and_go, 0));
	until(atomic_load(space_flags(&s->space, at)) != UINT64_MAX); /* a writer has gone, so flags are looked at */
}

static void read_value(int i)
{
	(void)i;
	value();
}

/* A slot that is filled for a lap far ahead, and a flag that says so: the coordinator empties the slot. */
static void read_that_waits_for_a_lie_goes_on_when_it_is_mended(void)
{
	start();
	harness_freeze(s);
	uint64_t next = handle_committed(s);
	cast(1);
	uint32_t at = find_flag(next + 1);
	atomic_store(ring_slot(&s->space, next + 1), ring_word(ring_lap(&s->space, next + 1) + 5, 0, 0));
	atomic_store(space_flags(&s->space, at), next + 2);
	pid_t reader = harness_spawn(read_value, 0);
	until(atomic_load(space_park(&s->space, proxy_target(p)->object)) & PARK_FUTEX);
	int64_t began = clock_now();
	harness_thaw(s);
	harness_join(reader);
	assert_true(clock_now() - began < SOON);
}

static _Atomic int *step;

/* Who waits for the answer is told, and need not wait for his deadline. */
static void call_is_told_that_its_command_was_destroyed(int i)
{
	(void)i;
	ok(stoa_attach_thread(s));
	atomic_store(step, 1);
	until(atomic_load(step) == 2);
	refused(-EBADMSG, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
}

static void call_whose_slot_is_emptied_is_told(void)
{
	start();
	step = harness_shared(sizeof(*step));
	pid_t caller = harness_spawn(call_is_told_that_its_command_was_destroyed, 0);
	until(atomic_load(step) == 1);
	harness_freeze(s);
	uint64_t next = handle_committed(s);
	atomic_store(step, 2);
	until(harness_health(s).queued == 1);
	atomic_store(ring_slot(&s->space, next), ring_word(ring_lap(&s->space, next), 0, 0));
	harness_join(caller);
	harness_thaw(s);
	cast(1);
	assert_int_equal(value(), 1);
}

/* ---- truncation ----------------------------------------------------------------------------------------------- */

static void truncate_ingress(void)
{
	struct welcome w;
	ok(connection_open(s->dir, s->owner, false, clock_deadline(SOON), &w));
	assert_int_equal(ftruncate(w.ingress_fd, 0), 0);
	close_welcome(&w);
}

static bool is_whole(void)
{
	struct stat st;
	char path[PATH_MAX + 16];
	snprintf(path, sizeof(path), "%s/ingress", s->dir);
	return stat(path, &st) == 0 && (uint64_t)st.st_size == s->space.geometry.ingress &&
	       atomic_load(&s->space.state->pulse.asleep);
}

/* Until it is whole again, who touches it dies: only the state is looked at. */
static void ingress_is_made_whole(void)
{
	start();
	cast(1);
	assert_int_equal(value(), 1);
	const struct life *life = &s->space.state->life;
	for (uint64_t i = 0; i < 3; i++) {
		if (i == 1) { /* the coordinator becomes the guardian */
			kill(harness_guardian(s), SIGKILL);
			until(harness_health(s).restarts == 2 && harness_health(s).verdict == STOA_HEALTHY);
		}
		uint64_t before = atomic_load(&life->restarts);
		truncate_ingress();
		until(atomic_load(&life->restarts) > before && is_whole());
		cast(2);
		assert_int_equal(value(), 3 + 2 * (int64_t)i);
	}
}

static void commands_lost_in_the_ingress_are_told(void)
{
	uint64_t rejected;
	start();
	cast(1);
	assert_int_equal(value(), 1);
	const struct life *life = &s->space.state->life;
	uint64_t before = atomic_load(&life->restarts);
	struct welcome w;
	ok(connection_open(s->dir, s->owner, false, clock_deadline(SOON), &w));
	harness_freeze(s);
	cast(3);
	assert_int_equal(ftruncate(w.ingress_fd, 0), 0);
	harness_thaw(s);
	until(atomic_load(&life->restarts) > before && is_whole());
	cast(2);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 3);
	assert_int_equal(value(), 3);
	close_welcome(&w);
}

/* ---- times that it makes up ------------------------------------------------------------------------------------ */

static const int64_t lies[] = { INT64_MIN, -1, INT64_MAX };
#define LIES (sizeof(lies) / sizeof(lies[0]))

static int keep_last(void *ret, const struct stoa_traced *t)
{
	*(struct stoa_traced *)ret = *t;
	return 0;
}

/* How long a call has waited, as the trace has it, that says of itself when it was sent. */
static int64_t queued_since(int64_t sent_ns)
{
	struct sending w;
	struct target *t;
	const struct bound_method *m = NULL;
	const struct counter_args one = { 1 };
	struct stoa_traced last = { 0 };
	ok(send_target(p, &t));
	ok(binding_method(t->binding, &counter_add_row, &m));
	ok(send_begin(s, m->args->size, m->reply_size, SOON, &w));
	image_pack(m->args, &one, w.args);
	send_address(w.record, t, RECORD_CALL, m->row);
	w.record->timed = 1;
	w.record->sent_ns = sent_ns;
	ok(send_publish(&w, NULL, 0));
	ok(stoa_sync(s, SOON, NULL));
	ok(stoa_trace(s, 0, keep_last, &last));
	return last.queued_ns;
}

static void forged_time_of_sending_is_no_wait(void)
{
	start();
	for (size_t i = 0; i < LIES; i++)
		assert_int_equal(queued_since(lies[i]), 0);
	assert_in_range(queued_since(clock_now()), 1, SOON);
	assert_int_equal(harness_health(s).restarts, 0);
}

static int keep_wait(void *ret, const struct stoa_attached *a)
{
	assert_int_equal(a->waits, STOA_WAITS_ANSWER);
	*(int64_t *)ret = a->waits_ns;
	return 0;
}

static void forged_time_of_a_wait_is_none(void)
{
	struct lane *lane = NULL;
	int64_t waits_ns = -1;
	start();
	ok(lane_get(s, SOON, &lane));
	for (size_t i = 0; i < LIES; i++) {
		atomic_store(&lane->head->waits, WAITS_ANSWER);
		atomic_store(&lane->head->waits_ns, lies[i]);
		ok(stoa_clients(s, keep_wait, &waits_ns));
		assert_int_equal(waits_ns, 0);
	}
	atomic_store(&lane->head->waits_ns, clock_now() - 1);
	ok(stoa_clients(s, keep_wait, &waits_ns));
	assert_in_range(waits_ns, 1, SOON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(state_cannot_be_written_by_a_client),
		HARNESS(state_descriptor_is_read_only),
		HARNESS(ingress_cannot_be_written_by_a_reader),
		HARNESS(thread_is_woken_without_waiting_for_it),
		HARNESS(refused_connection_takes_none_with_it),
		HARNESS(lane_goes_on_after_commands_of_it_were_destroyed),
		HARNESS(forged_word_applies_nothing_twice),
		HARNESS(forged_word_does_not_apply_what_is_being_written),
		HARNESS(raised_flag_of_a_liar_hides_no_write),
		HARNESS(read_that_waits_for_a_lie_goes_on_when_it_is_mended),
		HARNESS(call_whose_slot_is_emptied_is_told),
		HARNESS(ingress_is_made_whole),
		HARNESS(commands_lost_in_the_ingress_are_told),
		HARNESS(forged_time_of_a_wait_is_none),
		HARNESS(forged_time_of_sending_is_no_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
