/*
 * lane.c: see lane.h.
 */
#include "proxy/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/await.h"
#include "proxy/connection.h"
#include "proxy/later.h"
#include "proxy/route.h"
#include "proxy/wait.h"
#include "src/cancel.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/ring.h"
#include "src/segment.h"

/* What a thread remembers of its lanes. A lane is looked at only if its generation is a live handle's. */
static __thread struct {
	struct remembered {
		uint64_t generation;
		struct lane *lane;
	} * lanes;
	uint32_t n;
	void *scratch;
	size_t scratch_size;
} mine;

__thread struct lane_recent lane_recent = { .generation = LANE_NONE };
__thread bool lane_in_reader;

#define TOUCHED (UINT64_C(256) << 10) /* of a ring of bytes at once: once for each 2000 small commands */
/* Of all records that there can be; of which only what is used takes memory. */
#define NOTES_SIZE (LANE_LIMIT / LANE_UNIT * sizeof(struct note))

static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

extern struct stoa *handles; /* handle.c, under handles_lock */

static void islands_free(struct lane *lane)
{
	while (lane->islands) {
		struct island *i = lane->islands;
		lane->islands = i->next;
		free(i);
	}
}

static void lane_free(struct lane *lane)
{
	CANCEL_LATER;
	event_free(lane);
	islands_free(lane);
	if (lane->head)
		segment_unmap(lane->head, LANE_LIMIT);
	if (lane->notes)
		munmap(lane->notes, NOTES_SIZE);
	if (lane->fd >= 0)
		close(lane->fd);
	if (lane->event_fd >= 0)
		close(lane->event_fd);
	*lane->pending_end = lane->spare; /* their records may be unmapped: only the list is freed */
	lane->spare = lane->pending;
	while (lane->spare) {
		struct pending *p = lane->spare;
		lane->spare = p->next;
		free(p);
	}
	free(lane);
}

/* Take it off the handle's list; mutex is held. */
static void unlist(struct lane *lane)
{
	struct lane **at = &lane->stoa->lanes;
	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
}

/* Free a lane of an epoch before. */
static void drop_before(struct lane **at)
{
	struct lane *old = *at;
	*at = old->before;
	pthread_mutex_lock(&old->stoa->mutex);
	unlist(old);
	pthread_mutex_unlock(&old->stoa->mutex);
	lane_free(old);
}

static void idle_put(struct lane *lane)
{
	struct stoa *s = lane->stoa;
	pthread_mutex_lock(&s->mutex);
	lane->next_idle = s->idle_lanes;
	s->idle_lanes = lane;
	pthread_mutex_unlock(&s->mutex);
}

/* Not to be answered any more, whoever still wants it. */
static void let_go(struct lane *lane, struct pending **at)
{
	struct pending *p = *at;
	enum later_end end = later_let_go(lane, p->record, p->ticket, 0);
	struct note *note = p->note;
	pending_drop(lane, at);
	note->held = end == LATER_QUEUED || end == LATER_WAITS ? NOTE_LET_GO : NOTE_FREE;
}

void pending_let_go(struct lane *lane)
{
	while (lane->pending)
		let_go(lane, &lane->pending);
}

/* The thread's answers and watches are wanted by nobody any more. */
static void retire(struct lane *lane)
{
	event_free(lane);
	lane->fold.incarnation = 0;
	pending_let_go(lane);
	while (lane->before)
		drop_before(&lane->before);
	idle_put(lane);
}

/* A thread ends: its lanes wait for the next thread that needs one. It may have been cancelled before, to no effect. */
static void on_thread_end(void *unused)
{
	CANCEL_LATER;
	(void)unused;
	pthread_mutex_lock(&handles_lock);
	for (uint32_t i = 0; i < mine.n; i++)
		for (struct stoa *s = handles; s; s = s->next)
			if (mine.lanes[i].generation && atomic_load(&s->mark->generation) == mine.lanes[i].generation)
				retire(mine.lanes[i].lane);
	pthread_mutex_unlock(&handles_lock);
	free(mine.lanes);
	free(mine.scratch);
	routes_free();
	memset(&mine, 0, sizeof(mine));
	lane_recent = (struct lane_recent){ .generation = LANE_NONE };
}

static void make_key(void)
{
	pthread_key_create(&thread_end, on_thread_end);
}

/* Have on_thread_end run for this thread. */
static void at_thread_end(void)
{
	pthread_once(&once, make_key);
	pthread_setspecific(thread_end, &mine);
}

void *lane_scratch(size_t size)
{
	if (size <= mine.scratch_size)
		return mine.scratch;
	at_thread_end();
	size_t more = size < 4096 ? 4096 : size + size / 2;
	void *p = realloc(mine.scratch, more);
	if (!p)
		return NULL;
	mine.scratch = p;
	mine.scratch_size = more;
	return p;
}

static int remember(uint64_t generation, struct lane *lane)
{
	uint32_t i = 0;
	while (i < mine.n && mine.lanes[i].generation)
		i++;
	if (i == mine.n) {
		struct remembered *more = realloc(mine.lanes, (mine.n + 4) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		memset(more + mine.n, 0, 4 * sizeof(*more));
		mine.lanes = more;
		mine.n += 4;
	}
	at_thread_end();
	mine.lanes[i] = (struct remembered){ generation, lane };
	return 0;
}

/* Drop what is of no live handle. */
static void forget_dead(void)
{
	pthread_mutex_lock(&handles_lock);
	for (uint32_t i = 0; i < mine.n; i++) {
		bool live = false;
		for (struct stoa *s = handles; s && !live; s = s->next)
			live = atomic_load(&s->mark->generation) == mine.lanes[i].generation;
		if (!live)
			mine.lanes[i] = (struct remembered){ 0 };
	}
	pthread_mutex_unlock(&handles_lock);
}

/* ---- making and freeing ---- */

/* Where the ring of bytes of this size begins. */
static uint64_t ring_at(uint32_t size_log)
{
	return LANE_ARENA + ((UINT64_C(1) << size_log) - 1) * LANE_FIRST;
}

static char *ring_end_of(const struct lane *lane)
{
	return lane->start + (LANE_FIRST << lane->size_log);
}

/* Of each page a byte is written, if it is zero: with zero. */
static void touch_pages(void *at, uint64_t size)
{
	for (char *page = at; page < (char *)at + size; page += LAYOUT_PAGE)
		atomic_compare_exchange_strong((_Atomic char *)page, &(char){ 0 }, 0);
}

/*
 * The next record ends at `to`: take the page faults of its memory and of its note's, and of more, and let the room go no
 * further than that. One for each 32 casts, as they come, is what the slowest of a thousand would have. Not with
 * MADV_POPULATE_WRITE: where a hypervisor shadows the page tables, its own faults come with the first access.
 */
static void touch(struct lane *lane, const char *to)
{
	char *from = lane->touched, *end = ring_end_of(lane);
	if (to > from) {
		uint64_t size = ((uint64_t)(to - from) + TOUCHED - 1) / TOUCHED * TOUCHED;
		size = size < (uint64_t)(end - from) ? size : (uint64_t)(end - from);
		touch_pages(from, size);
		touch_pages(lane_note(lane, from), size / LANE_UNIT * sizeof(struct note));
		lane->touched += size;
	}
	lane->room_end = lane->room_end < lane->touched ? lane->room_end : lane->touched;
}

static void ring_begin(struct lane *lane, uint32_t size_log)
{
	islands_free(lane); /* they are in a ring that is not written any more */
	lane->size_log = size_log;
	lane->start = (char *)lane->head + ring_at(size_log);
	lane->oldest = lane->newest = lane->counted = lane->start;
	lane->used = 0;
	lane->room_end = ring_end_of(lane);
	lane->touched = lane->start;
}

static int lane_reserve(struct lane *lane, uint32_t size_log)
{
	return segment_reserve(lane->fd, ring_at(size_log), LANE_FIRST << size_log);
}

static int lane_map(struct lane *lane)
{
	struct segment_head head;
	int r = segment_check(lane->fd, "lane", SEGMENT_LANE, &head);
	if (r == 0 && head.limit != LANE_LIMIT)
		r = error_set(-EPROTO, "the coordinator's lane has %ju bytes", (uintmax_t)head.limit);
	r = r ? r : lane_reserve(lane, 0);
	lane->head = r < 0 ? NULL : segment_map(lane->fd, LANE_LIMIT, true);
	if (r == 0 && !lane->head)
		r = error_set(-errno, "cannot map a lane: %s", strerror(errno));
	if (r < 0)
		return r;
	void *notes = mmap(NULL, NOTES_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (notes == MAP_FAILED)
		return error_set(-errno, "cannot map the notes of a lane: %s", strerror(errno));
	lane->notes = notes;
	return 0;
}

/* Ask the coordinator for a lane; talk is held. */
static int lane_ask(struct lane *lane, int bell_fd, int64_t deadline)
{
	struct stoa *s = lane->stoa;
	struct message m = { .kind = MESSAGE_LANE, .a = (uint64_t)syscall(SYS_gettid), .n_fds = 1 }, in;
	int fds[MESSAGE_FDS];
	prctl(PR_GET_NAME, m.text);
	int r = connection_ask(s, &m, &bell_fd, deadline, &in, fds);
	if (r < 0)
		return r;
	for (uint32_t i = 1; i < in.n_fds; i++)
		close(fds[i]);
	lane->fd = in.n_fds ? fds[0] : -1;
	if (in.kind == MESSAGE_LANE && in.n_fds == 0) {
		connection_say(s, MESSAGE_LANE_FREE, in.a);
		return error_set(-EMFILE, "this process has no descriptor left for a lane");
	}
	if (in.kind != MESSAGE_LANE || in.n_fds == 0 || in.a >= space_lanes(&s->space))
		return error_set(-EPROTO, "the coordinator's answer about a lane is not understood");
	lane->id = (uint32_t)in.a;
	lane->seq = in.b;
	lane->ring = ring_producer(&s->space, handle_committed(s) + s->space.geometry.queue);
	lane->ring.last = 0; /* which is the thread's newest, too */
	lane->epoch = atomic_load(&s->epoch);
	r = lane_map(lane);
	lane->place = ring_word(1, lane->id, 0) - (uintptr_t)lane->head / LANE_UNIT;
	if (r < 0)
		connection_say(s, MESSAGE_LANE_FREE, lane->id);
	return r;
}

void lanes_free(struct stoa *s)
{
	while (s->lanes) {
		struct lane *lane = s->lanes;
		s->lanes = lane->next;
		lane_free(lane);
	}
	s->idle_lanes = NULL;
}

static int lane_new(struct stoa *s, int64_t deadline, struct lane **ret)
{
	struct lane *lane = calloc(1, sizeof(*lane));
	if (!lane)
		return -ENOMEM;
	lane->stoa = s;
	lane->fd = -1;
	lane->pending_end = &lane->pending;
	lane->generation = atomic_load(&s->mark->generation);
	int bell[2] = { -1, -1 };
	int r = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, bell);
	lane->event_fd = bell[0];
	if (r < 0) {
		r = error_set(-errno, "cannot make a socket pair: %s", strerror(errno));
	} else {
		pthread_mutex_lock(&s->talk);
		r = lane_ask(lane, bell[1], deadline);
		pthread_mutex_unlock(&s->talk);
		close(bell[1]);
	}
	if (r < 0) {
		lane_free(lane);
		return r;
	}
	ring_begin(lane, 0);
	touch(lane, lane->start + LANE_UNIT);
	pthread_mutex_lock(&s->mutex);
	lane->next = s->lanes;
	s->lanes = lane;
	pthread_mutex_unlock(&s->mutex);
	*ret = lane;
	return 0;
}

/* Take one out of those that wait, best one with nothing queued. Those of an epoch before are nobody's. */
static struct lane *idle_take(struct stoa *s)
{
	uint64_t committed = handle_committed(s);
	struct lane **at = &s->idle_lanes, **best = NULL, *lane;
	pthread_mutex_lock(&s->mutex);
	while ((lane = *at) && !(best && (*best)->ring.last <= committed)) {
		if (handle_current(s, lane->generation, lane->epoch)) {
			best = best && lane->ring.last > committed ? best : at;
			at = &lane->next_idle;
			continue;
		}
		*at = lane->next_idle;
		unlist(lane);
		lane_free(lane);
	}
	lane = best ? *best : NULL;
	if (lane)
		*best = lane->next_idle;
	pthread_mutex_unlock(&s->mutex);
	return lane;
}

/* Used again only when all is done that was sent in it: what is rejected of that is not the next thread's. */
static int lane_obtain(struct stoa *s, int64_t deadline, struct lane **ret)
{
	struct lane *lane = idle_take(s);
	if (!lane)
		return lane_new(s, deadline, ret);
	int r = handle_await(s, &lane->head->answer, UINT32_MAX, lane->ring.last, deadline);
	if (r < 0)
		idle_put(lane);
	*ret = lane;
	return r == -ETIMEDOUT ? error_set(r, "the coordinator has not come to the commands of the thread before") : r;
}

/* Move answers that have come into the memory of an earlier lane. False: there is no room now. */
static bool bring_answers(struct lane *lane, const struct lane *old)
{
	const char *start = (const char *)old->head;
	for (struct pending *p = lane->pending; p; p = p->next) {
		const struct record *from = p->record;
		char *at;
		if ((const char *)from < start || (const char *)from >= start + LANE_LIMIT)
			continue;
		uint64_t size = (uint64_t)from->reply_at + from->reply_size;
		if (lane_record(lane, size, true, &at, &p->note))
			return false;
		struct record *to = (struct record *)at;
		memcpy(to, from, size);
		to->seq = UINT64_MAX; /* it is no command here */
		later_moved(lane, to, p->ticket);
		p->record = to;
		*p->note = (struct note){ .units = p->note->units, .held = NOTE_HELD };
	}
	return true;
}

/* Free those lanes of epochs before that nothing comes into any more. */
static void settle(struct lane *lane)
{
	uint64_t committed = handle_committed(lane->stoa);
	for (struct lane **at = &lane->before; *at;) {
		const struct lane *old = *at;
		if (committed < old->ring.last || !bring_answers(lane, old)) {
			at = &(*at)->before;
			continue;
		}
		lane->rejected_earlier += await_rejected(old) - old->rejected_before;
		drop_before(at);
	}
}

/* The thread's lane of an epoch before: its answers are still wanted, and still come into its memory. */
static void take_over(struct lane *lane, struct lane *old)
{
	*lane->pending_end = old->pending;
	lane->pending_end = old->pending ? old->pending_end : lane->pending_end;
	lane->n_unwanted += old->n_unwanted;
	old->pending = NULL;
	old->pending_end = &old->pending;
	event_take_over(lane, old);
	lane->ring.last = old->ring.last;
	lane->rejected_earlier = old->rejected_earlier;
	lane->before = old;
	settle(lane);
}

static int lane_acquire(struct stoa *s, int64_t timeout, struct lane *old, struct lane **ret)
{
	CANCEL_LATER;
	if (s->read_only)
		return error_set(-EACCES, "namespace %s is attached read-only", s->name);
	int64_t deadline = handle_deadline(s, timeout == STOA_NOWAIT ? STOA_DEFAULT : timeout);
	for (;;) {
		int r = handle_renew(s, timeout);
		if (r < 0)
			return r;
		forget_dead();
		struct lane *lane = NULL;
		r = lane_obtain(s, deadline, &lane);
		if (r == -ECONNRESET && clock_now() < deadline && !handle_lost(s))
			continue; /* renewed by another thread meanwhile */
		if (r == -ECONNRESET) {
			handle_evicted(s);
			return handle_gone(s, false, 0);
		}
		r = r ? r : remember(lane->generation, lane);
		if (r < 0)
			return r;
		lane->rejected_before = await_rejected(lane);
		lane->rejected_earlier = 0;
		if (old)
			take_over(lane, old);
		*ret = lane;
		return 0;
	}
}

void lane_set_reader(bool in_reader)
{
	lane_in_reader = in_reader;
	routes_hide(in_reader);
	lane_recent.generation = LANE_NONE;
}

static struct remembered *recall(const struct stoa *s)
{
	uint64_t generation = atomic_load_explicit(&s->mark->generation, memory_order_relaxed);
	for (uint32_t i = 0; generation && i < mine.n; i++)
		if (mine.lanes[i].generation == generation)
			return &mine.lanes[i];
	return NULL;
}

struct lane *lane_known(const struct stoa *s)
{
	const struct remembered *known = recall(s);
	return known ? known->lane : NULL;
}

/* The thread's lane of the epoch that is, or in place of the one of an epoch before. */
static int lane_of(struct stoa *s, int64_t timeout, struct lane **ret)
{
	struct remembered *known = recall(s);
	struct lane *lane = known ? known->lane : NULL;
	ptrdiff_t at = known ? known - mine.lanes : 0; /* which may be moved */
	if (!lane || lane->epoch != atomic_load_explicit(&s->space.state->life.epoch, memory_order_relaxed)) {
		int r = lane_acquire(s, timeout, lane, ret);
		if (r == 0 && lane)
			mine.lanes[at].generation = 0; /* the new one is remembered beside it */
		return r;
	}
	if (lane->before)
		settle(lane);
	*ret = lane;
	return 0;
}

int lane_find(struct stoa *s, int64_t timeout, struct lane **ret)
{
	if (lane_in_reader)
		return error_set(-EDEADLK, "a read-only method may not call stoa");
	lane_recent.generation = LANE_NONE;
	int r = lane_of(s, timeout, ret);
	if (r == 0 && !(*ret)->before)
		lane_recent = (struct lane_recent){ (*ret)->generation, *ret };
	return r;
}

/* ---- records ---- */

/*
 * Behind its commit the coordinator marks the answers as valid, in their records: until it has, or has committed
 * another turn, or is another one, that store may still come.
 */
static void look_at_committed(struct lane *lane)
{
	uint64_t committed = handle_committed(lane->stoa);
	/* Behind it: once there is another coordinator than this, who committed that has stored its last. */
	uint64_t restarts = atomic_load(&lane->stoa->space.state->life.restarts);
	if (restarts != lane->restarts || committed > lane->committed_last) {
		lane->marked = lane->committed_last;
		lane->committed_last = committed;
		lane->restarts = restarts;
	}
	lane->ring.room = committed + lane->stoa->space.geometry.queue;
}

static bool may_be_marked(const struct lane *lane, const struct record *r, uint64_t ticket)
{
	const struct reply *reply = (const struct reply *)((const char *)r + r->reply_at);
	return ticket > lane->marked && r->reply_size &&
	       atomic_load_explicit(&reply->valid, memory_order_acquire) != ticket;
}

static bool is_held(const struct lane *lane, const struct record *r, const struct note *n)
{
	return n->held == NOTE_HELD ||
	       (n->held == NOTE_LET_GO && n->ticket && later_look(lane, r, n->ticket - 1) == LATER_WAITS);
}

/* The oldest record waits for an answer given later: leave it as an island. False: it does not, or there is no memory. */
static bool pass(struct lane *lane, const struct record *r, const struct note *n)
{
	struct island *i = n->held == NOTE_HELD && later_look(lane, r, n->ticket - 1) == LATER_WAITS
				   ? malloc(sizeof(*i))
				   : NULL;
	if (!i)
		return false;
	*i = (struct island){ lane->oldest, (uint64_t)n->units * LANE_UNIT, lane->islands };
	lane->islands = i;
	return true;
}

/* Free the oldest records: committed, and not held for their answer. */
static void reclaim(struct lane *lane)
{
	const char *end = ring_end_of(lane);
	look_at_committed(lane);
	while (lane->used) {
		const struct record *r = (const struct record *)lane->oldest;
		const struct note *n = lane_note(lane, lane->oldest);
		if (n->ticket > lane->committed_last || may_be_marked(lane, r, n->ticket) ||
		    (is_held(lane, r, n) && !pass(lane, r, n)))
			break;
		lane->used -= (uint64_t)n->units * LANE_UNIT;
		lane->oldest += (uint64_t)n->units * LANE_UNIT;
		if (lane->oldest == end)
			lane->oldest = lane->start;
	}
	if (lane->used == 0)
		lane->oldest = lane->newest = lane->counted = lane->start;
}

static void islands_prune(struct lane *lane)
{
	for (struct island **at = &lane->islands; *at;) {
		struct island *i = *at;
		if (is_held(lane, (const struct record *)i->at, lane_note(lane, i->at))) {
			at = &i->next;
			continue;
		}
		*at = i->next;
		free(i);
	}
}

/* The first island between from and to; NULL: none. */
static struct island **first_island(struct lane *lane, const char *from, const char *to)
{
	struct island **first = NULL;
	for (struct island **at = &lane->islands; *at; at = &(*at)->next)
		if ((*at)->at >= from && (*at)->at < (first ? (*first)->at : to))
			first = at;
	return first;
}

/* Is there room for size bytes in one piece between from and to? */
static bool has_gap(struct lane *lane, const char *from, const char *to, uint64_t size)
{
	struct island **i;
	while ((i = first_island(lane, from, to)) && (uint64_t)((*i)->at - from) < size)
		from = (*i)->at + (*i)->size;
	return (uint64_t)((i ? (*i)->at : to) - from) >= size;
}

/* What is left of the room is a record of nobody. */
static void waste_room(struct lane *lane)
{
	uint64_t room = lane_room(lane);
	if (room == 0)
		return;
	*lane_note(lane, lane->newest) = (struct note){ .units = (uint32_t)(room / LANE_UNIT) };
	lane->newest += room;
	lane->used += room;
}

/* Go on behind the island that ends the room: it is a record among the others again. */
static bool step_over(struct lane *lane, struct island **at)
{
	if (!at)
		return false;
	struct island *i = *at;
	waste_room(lane);
	lane->newest += i->size;
	lane->used += i->size;
	*at = i->next;
	free(i);
	return true;
}

/* Go on at the start, if the oldest records stand in the way of the end. */
static bool wrap(struct lane *lane, uint64_t size)
{
	if (lane->newest <= lane->oldest || !has_gap(lane, lane->start, lane->oldest, size))
		return false;
	waste_room(lane);
	lane->newest = lane->start;
	return true;
}

/* Is there room for size bytes in one piece? */
static bool make_room(struct lane *lane, uint64_t size)
{
	char *end = ring_end_of(lane);
	struct island **island;
	reclaim(lane);
	islands_prune(lane);
	do {
		if (lane->newest == end && (lane->oldest != lane->start || !lane->used))
			lane->newest = lane->start;
		bool full = lane->used && lane->newest == lane->oldest;
		char *limit = full ? lane->newest : lane->newest >= lane->oldest ? end : lane->oldest;
		island = first_island(lane, lane->newest, limit);
		lane->room_end = island ? (*island)->at : limit;
	} while (lane_room(lane) < size && (step_over(lane, island) || wrap(lane, size)));
	return lane_room(lane) >= size;
}

static int grow(struct lane *lane, uint64_t size)
{
	uint32_t log = lane->size_log + 1;
	while (log <= LANE_LOGS && (LANE_FIRST << log) < 2 * size && log < LANE_LOGS)
		log++;
	if (log > LANE_LOGS)
		return -EAGAIN;
	int r = lane_reserve(lane, log);
	if (r == 0)
		ring_begin(lane, log);
	return r;
}

/* Is the oldest record kept only for an answer that has come, and that nobody was there for? Then no longer. */
static bool drop_in_the_way(struct lane *lane)
{
	const struct note *oldest = lane->used ? lane_note(lane, lane->oldest) : NULL;
	struct pending **at = &lane->pending;
	while (*at && (*at)->note != oldest)
		at = &(*at)->next;
	if (!*at || (*at)->event || handle_committed(lane->stoa) <= (*at)->ticket)
		return false;
	let_go(lane, at);
	return true;
}

int lane_make_room(struct lane *lane, uint64_t size)
{
	if (size > LANE_FIRST << LANE_LOGS)
		return error_set(-EMSGSIZE, "the command takes %ju bytes with its answer; at most %ju", (uintmax_t)size,
				 (uintmax_t)(LANE_FIRST << LANE_LOGS));
	size = (size + LANE_UNIT - 1) / LANE_UNIT * LANE_UNIT;
	lane_end_run(lane);
	lane->used += (uint64_t)(lane->newest - lane->counted);
	bool room = make_room(lane, size);
	while (!room && drop_in_the_way(lane))
		room = make_room(lane, size);
	int r = room ? 0 : grow(lane, size);
	bool enough = r == 0 && lane_room(lane) >= size;
	lane->counted = lane->newest;
	if (lane->room_end > lane->touched)
		touch(lane, enough ? lane->newest + size : lane->newest);
	return r < 0 ? r : enough ? 0 : -EAGAIN;
}

#define TIMED_OF 64 /* about one command of so many is timed; not each 64th, which could beat with what a program does */

int lane_gone(const struct lane *lane)
{
	handle_evicted(lane->stoa);
	return handle_gone(lane->stoa, false, 0);
}

int lane_choose_now(struct lane *lane)
{
	int r = lane_see_done(lane);
	if (r < 0)
		return r;
	lane->timed = lane->seq + TIMED_OF / 2 + (lane->seq * UINT64_C(0x9e3779b97f4a7c15) >> 58) % TIMED_OF;
	lane->timing = true;
	return 0;
}

void lane_time_now(struct lane *lane, struct record *r)
{
	lane->timing = false;
	r->timed = 1;
	r->sent_ns = clock_now();
}

int lane_begin_run(struct lane *lane, uint64_t size)
{
	int r = lane_see_room(lane, size);
	r = r ? r : lane_choose(lane);
	if (r < 0)
		return r;
	uint64_t most = (lane->timed - lane->seq) * LANE_UNIT; /* up to the next that is timed: each has a unit or more */
	most = most < RUN_MAX ? most : RUN_MAX;
	lane->run = lane->newest;
	lane->run_end = lane->newest + (most < lane_room(lane) ? most : lane_room(lane));
	return 0;
}

void lane_unrecord(struct lane *lane, struct record *r)
{
	r->seq = UINT64_MAX; /* no forged word can have it taken */
	lane->newest = (char *)r;
	if (lane->run == lane->newest)
		lane->run = lane->run_end = NULL;
}

/* ---- answers wanted later ---- */

#define UNWANTED_MAX 64 /* answers kept for a stoa_await that may never come */

static void drop_oldest_unwanted(struct lane *lane)
{
	struct pending **at = &lane->pending;
	while (*at && ((*at)->event || handle_committed(lane->stoa) <= (*at)->ticket))
		at = &(*at)->next;
	if (*at)
		let_go(lane, at);
}

int pending_add(struct lane *lane, const struct pending *from)
{
	struct pending *p = lane->spare;
	if (p)
		lane->spare = p->next;
	else if (!(p = malloc(sizeof(*p))))
		return -ENOMEM;
	*p = *from;
	p->next = NULL;
	p->note->held = NOTE_HELD;
	*lane->pending_end = p;
	lane->pending_end = &p->next;
	if (p->event)
		event_pending(lane, p->deadline);
	else if (++lane->n_unwanted > UNWANTED_MAX)
		drop_oldest_unwanted(lane);
	return 0;
}

void pending_drop(struct lane *lane, struct pending **at)
{
	struct pending *p = *at;
	*at = p->next;
	if (!p->next)
		lane->pending_end = at;
	lane->n_unwanted -= !p->event;
	p->note->held = NOTE_FREE;
	p->next = lane->spare;
	lane->spare = p;
}

void pending_unwant(struct lane *lane, struct pending *p)
{
	p->event = false;
	p->ret = p->data = NULL;
	later_let_go(lane, p->record, p->ticket, 0);
	if (++lane->n_unwanted > UNWANTED_MAX)
		drop_oldest_unwanted(lane);
}
