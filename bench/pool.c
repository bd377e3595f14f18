/*
 * pool.c: see pool.h. The helper is the last process. `ready`, `go` and `done` are the steps of a slice, each a futex.
 *
 * An order is written while nobody looks at it. Each process has a `turn` of its own, which publishes the order to it,
 * and which is raised for those only that the order wants; all of them have counted `done`, after their last look, when
 * the next order is written. With one turn for all, a process that the order does not want would look, too, with nobody
 * waiting for it: one that wakes late would find the next order half written, or take part in it twice.
 */
#include "bench/pool.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cpu.h"
#include "bench/futex.h"
#include "bench/servers.h"
#include "bench/slice.h"
#include "bench/ticks.h"

#define SEATS (BENCH_CLIENTS_MAX + 1)
#define PEERS_MOST 64
#define LISTEN_NS 50000
#define LOOK_NS 200000000
#define PATIENCE_NS INT64_C(30000000000) /* beyond the length of the slice */

const char *const pace_names[PACE_COUNT] = { "busy", "parked", "rate" };

static struct arena {
	struct order order;
	int64_t start_ns;
	bool quit;
	_Alignas(64) _Atomic uint32_t ready;
	_Alignas(64) _Atomic uint32_t go;
	_Alignas(64) _Atomic uint32_t done;
	_Alignas(64) _Atomic bool stop;
	_Alignas(64) _Atomic bool listening;
	_Alignas(64) _Atomic uint32_t met;
	_Alignas(64) struct seat seats[SEATS];
	struct {
		_Alignas(64) _Atomic uint32_t turn;
	} desks[SEATS];
} *arena;

static struct {
	unsigned clients;
	pid_t pids[SEATS];
	int pinned; /* what servers are now; -1: not known */
} pool;

static volatile sig_atomic_t interrupted;

static void on_signal(int unused)
{
	(void)unused;
	interrupted = 1;
}

void pool_catch_signals(void)
{
	struct sigaction on = { .sa_handler = on_signal };
	sigaction(SIGINT, &on, NULL);
	sigaction(SIGTERM, &on, NULL);
	sigaction(SIGHUP, &on, NULL);
	signal(SIGPIPE, SIG_IGN); /* whoever reads our table has left: that is told when it is written, and all is tidied up */
}

bool pool_interrupted(void)
{
	return interrupted;
}

/* ---- a client process ---- */

static struct {
	const struct peer *peer;
	void *client;
} opened[PEERS_MOST];

static int open_peer(const struct peer *peer, unsigned me, void **ret)
{
	unsigned i = 0;
	while (i < PEERS_MOST - 1 && opened[i].peer && opened[i].peer != peer)
		i++;
	if (opened[i].peer != peer) {
		void *client = peer->data;
		int r = peer->open ? peer->open(me, &client) : 0;
		if (r < 0)
			return r;
		opened[i].peer = peer;
		opened[i].client = client;
	}
	*ret = opened[i].client;
	return 0;
}

static void close_peers(void)
{
	for (unsigned i = 0; i < PEERS_MOST && opened[i].peer; i++)
		if (opened[i].peer->close)
			opened[i].peer->close(opened[i].client);
}

static void count_up(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	futex_wake(word);
}

static void await_word(_Atomic uint32_t *word, uint32_t old)
{
	while (atomic_load(word) == old)
		futex_wait(word, old, LOOK_NS);
}

void pool_meet(void)
{
	atomic_fetch_add(&arena->met, 1);
	while (atomic_load(&arena->met) < arena->order.clients && !atomic_load(&arena->stop))
		sched_yield();
}

void pool_listen(void)
{
	atomic_store(&arena->listening, true);
}

bool pool_await_listener(const _Atomic bool *stop)
{
	const struct timespec look = { .tv_nsec = LISTEN_NS }, pause = { .tv_nsec = PARKED_PAUSE_NS };
	for (; !atomic_load(stop); nanosleep(&look, NULL))
		if (atomic_exchange(&arena->listening, false)) {
			nanosleep(&pause, NULL);
			return true;
		}
	return false;
}

static void take_place(const struct order *o, unsigned place)
{
	if (o->pinned)
		cpu_pin_self(place);
	else
		cpu_free_self();
}

static void take_part(unsigned me, bool is_helper)
{
	const struct order *o = &arena->order;
	struct seat *seat = &arena->seats[me];
	uint32_t go = atomic_load(&arena->go);
	void *client = NULL;
	memset(seat, 0, sizeof(*seat));
	take_place(o, is_helper || cpu_count() == 1 ? 0 : 1 + me % (cpu_count() - 1));
	seat->status = open_peer(o->peer, is_helper ? BENCH_HELPER : me, &client);
	count_up(&arena->ready);
	await_word(&arena->go, go);
	if (seat->status == 0 && is_helper)
		seat->status = o->op->help(client, &arena->stop);
	else if (seat->status == 0)
		slice_run(o, me, client, arena->start_ns, seat);
	else if (!is_helper)
		pool_meet(); /* the others wait for it */
	if (seat->status < 0)
		snprintf(seat->text, sizeof(seat->text), "%s", trouble_text());
	count_up(&arena->done);
}

static void work(unsigned me, uint32_t turn)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	for (;; turn++) {
		await_word(&arena->desks[me].turn, turn);
		if (arena->quit)
			break;
		take_part(me, me == pool.clients);
	}
	close_peers();
	exit(0); /* there are libraries that tidy up then */
}

/* ---- the benchmark's own process ---- */

static int fork_clients(void)
{
	pid_t parent = getpid();
	fflush(NULL);
	for (unsigned i = 0; i <= pool.clients; i++) {
		uint32_t turn = atomic_load(&arena->desks[i].turn);
		pool.pids[i] = fork();
		if (pool.pids[i] < 0)
			return trouble(-errno, "cannot fork: %s", strerror(errno));
		if (pool.pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(1);
			work(i, turn);
		}
	}
	return 0;
}

int pool_begin(unsigned clients)
{
	arena = mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		return trouble(-errno, "mmap: %s", strerror(errno));
	pool.clients = clients;
	pool.pinned = -1;
	return fork_clients();
}

static void reap(bool kill_them)
{
	for (unsigned i = 0; i <= pool.clients; i++)
		if (pool.pids[i] > 0) {
			if (kill_them)
				kill(pool.pids[i], SIGKILL);
			while (waitpid(pool.pids[i], NULL, 0) < 0 && errno == EINTR) {}
			pool.pids[i] = 0;
		}
}

/* Who does not close what it has opened within a second is killed. */
void pool_end(void)
{
	if (!arena)
		return;
	arena->quit = true;
	for (unsigned i = 0; i <= pool.clients; i++)
		count_up(&arena->desks[i].turn);
	int64_t end = clock_deadline(1000000000);
	for (unsigned i = 0; i <= pool.clients; i++)
		while (pool.pids[i] > 0 && clock_now() < end) {
			pid_t r = waitpid(pool.pids[i], NULL, WNOHANG);
			if (r == 0)
				usleep(1000);
			else if (r == pool.pids[i] || errno != EINTR)
				pool.pids[i] = 0;
		}
	reap(true);
	munmap(arena, sizeof(*arena));
	arena = NULL;
}

/* None of them ends by itself while there is a slice. */
static int find_dead(void)
{
	siginfo_t info = { 0 };
	for (unsigned i = 0; i <= pool.clients; i++)
		if (pool.pids[i] > 0 && waitid(P_PID, (id_t)pool.pids[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid)
			return trouble(-ECHILD, "client process %u has died: %s %d", i,
				       info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
	return 0;
}

static int await_count(_Atomic uint32_t *word, uint32_t n, int64_t patience)
{
	int64_t end = clock_deadline(patience);
	for (uint32_t seen; (seen = atomic_load(word)) < n;) {
		if (interrupted)
			return trouble(-EINTR, "interrupted");
		if (find_dead() < 0)
			return -ECHILD;
		if (clock_now() > end)
			return trouble(-ETIMEDOUT, "it hung: %u of %u processes have come so far", seen, n);
		futex_wait(word, seen, LOOK_NS);
	}
	return 0;
}

static void pin_servers(const struct order *o)
{
	pid_t own = o->peer->server ? o->peer->server(o->peer->data) : 0;
	if (own > 0)
		cpu_pin(own, o->pinned);
	if (pool.pinned != o->pinned)
		servers_pin(o->pinned);
	pool.pinned = o->pinned;
}

static int take_steps(const struct order *o)
{
	bool helped = o->op->help != NULL;
	uint32_t wanted = o->clients + helped;
	arena->order = *o;
	atomic_store(&arena->ready, 0);
	atomic_store(&arena->done, 0);
	atomic_store(&arena->stop, false);
	atomic_store(&arena->listening, false);
	atomic_store(&arena->met, 0);
	for (unsigned i = 0; i < o->clients; i++)
		count_up(&arena->desks[i].turn);
	if (helped)
		count_up(&arena->desks[pool.clients].turn);
	int r = await_count(&arena->ready, wanted, PATIENCE_NS);
	if (r < 0)
		return r;
	arena->start_ns = clock_now() + 200000 + 20000 * (int64_t)o->clients; /* by then all are awake */
	count_up(&arena->go);
	r = await_count(&arena->done, o->clients, o->length_ns + PATIENCE_NS);
	atomic_store(&arena->stop, true);
	if (r == -ETIMEDOUT && o->pace == PACE_RATE)
		trouble(r, "it does not come near %g a second", o->rate);
	return r ? r : await_count(&arena->done, wanted, PATIENCE_NS);
}

/* From when the first of the clients began until the last was done, over what all did. */
static double mean_of_all(const struct order *o)
{
	int64_t from_ns = INT64_MAX, until_ns = 0;
	double n = 0;
	for (unsigned k = 0; k < o->clients; k++) {
		const struct seat *seat = &arena->seats[k];
		if (seat->n == 0)
			continue;
		n += (double)seat->n;
		from_ns = seat->from_ns < from_ns ? seat->from_ns : from_ns;
		until_ns = seat->until_ns > until_ns ? seat->until_ns : until_ns;
	}
	return n > 0 ? (double)(until_ns - from_ns) / n : 0;
}

static int judge(const struct order *o, struct report *ret)
{
	unsigned n = o->clients + (o->op->help != NULL);
	const struct seat *first = &arena->seats[0];
	memset(ret, 0, sizeof(*ret));
	for (unsigned k = 0; k < n; k++) {
		const struct seat *seat = &arena->seats[k < o->clients ? k : pool.clients];
		if (seat->status < 0)
			return trouble(seat->status, "%s", seat->text);
		histogram_merge(&ret->histogram, &seat->histogram);
	}
	ret->mean_ns = mean_of_all(o);
	if (ret->mean_ns == 0)
		ret->mean_ns = (double)histogram_at(&ret->histogram, 0.5);
	ret->cost_ns = ret->mean_ns;
	if (o->clients == 1 && !o->op->finish && first->costs.n)
		ret->cost_ns = (double)histogram_at(&first->costs, 0.5) / SLICE_COST_UNIT / (o->op->each ? o->op->each : 1);
	return ret->histogram.n ? 0 : trouble(-ETIMEDOUT, "not one operation ended in a slice");
}

int pool_run(const struct order *order, struct report *ret_report)
{
	int64_t from = clock_now();
	pin_servers(order);
	int r = take_steps(order);
	if (r < 0) {
		char why[160];
		snprintf(why, sizeof(why), "%s", trouble_text());
		reap(true); /* somebody may be stuck for ever */
		if (r != -EINTR && fork_clients() < 0)
			return -ECHILD;
		return trouble(r, "%s", why);
	}
	r = judge(order, ret_report);
	ret_report->lasted_ns = clock_now() - from;
	return r;
}
