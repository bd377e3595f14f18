/*
 * profile_casts.c: what slow casts met. Each is timed, and counted by what was in its way.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/profile.h"
#include "bench/ticks.h"
#include "proxy/lane.h"
#include "proxy/wait.h"

#define BURST_NS INT64_C(20000000) /* for each client; the CPUs are shared by two or more */
#define SUSPECT_NS 2000.0	   /* of one that took longer, the kernel is asked */

/* The gravest thing that a cast met, in this order. */
enum met { MET_NOTHING, MET_TAKEN, MET_TAKEN_2, MET_TAKEN_4, MET_LOOK, MET_PAGE, MET_FAULT, MET_FULL, MET_SLEEP, MET_SWITCH,
	   MET_COUNT };

static const char *const met_names[MET_COUNT] = {
	"nothing", "its ticket taken, once", "... 2 or 3 times", "... 4 times and more", "its lane looked for room",
	"first at a page in its burst", "a page fault", "no room, and spun for it", "no room, and slept for it", "another on its CPU",
};

/* Each takes twice as long as the one before. */
enum { UNDER_500_NS, UNDER_1_US, UNDER_2_US, UNDER_4_US, UNDER_8_US, UNDER_16_US, LONGER, COLUMNS };

struct counts {
	uint64_t n[MET_COUNT][COLUMNS];
	double most_ns[MET_COUNT];
};

/* What the cast that is just being done has met. */
static struct {
	unsigned tries;
	bool looked, full, slept, first;
} now;

/* ---- what is in the way of a cast ---- */

struct told {
	ring_ready *ready;
	const void *data;
};

static void count_try(const void *data, const struct ring_producer *p, uint64_t ticket)
{
	const struct told *told = data;
	now.tries++;
	if (told->ready)
		told->ready(told->data, p, ticket);
}

int __real_ring_publish(const struct space *s, uint32_t lane, uint32_t units, ring_ready *ready, const void *data,
			uint64_t *room, uint64_t *ret_ticket);
int __wrap_ring_publish(const struct space *s, uint32_t lane, uint32_t units, ring_ready *ready, const void *data,
			uint64_t *room, uint64_t *ret_ticket);
int __wrap_ring_publish(const struct space *s, uint32_t lane, uint32_t units, ring_ready *ready, const void *data,
			uint64_t *room, uint64_t *ret_ticket)
{
	int r = __real_ring_publish(s, lane, units, count_try, &(struct told){ ready, data }, room, ret_ticket);
	now.full = now.full || r == -EAGAIN;
	return r;
}

int __real_lane_make_room(struct lane *lane, uint64_t size);
int __wrap_lane_make_room(struct lane *lane, uint64_t size);
int __wrap_lane_make_room(struct lane *lane, uint64_t size)
{
	int r = __real_lane_make_room(lane, size);
	now.looked = true;
	now.full = now.full || r == -EAGAIN;
	return r;
}

void __real_handle_sleep(struct stoa *s, const _Atomic uint32_t *word, uint32_t value, int64_t deadline);
void __wrap_handle_sleep(struct stoa *s, const _Atomic uint32_t *word, uint32_t value, int64_t deadline);
void __wrap_handle_sleep(struct stoa *s, const _Atomic uint32_t *word, uint32_t value, int64_t deadline)
{
	now.slept = true;
	__real_handle_sleep(s, word, value, deadline);
}

/* ---- pages, which may cost something though the kernel has no fault: a hypervisor has its own ---- */

static struct {
	const struct lane *lane;
	bool lane_seen[LANE_LIMIT / LAYOUT_PAGE], ring_seen[LAYOUT_QUEUE_MAX * sizeof(uint64_t) / LAYOUT_PAGE];
} pages;

/* The record goes to `at`, or to a larger ring, whose pages are seen to when it looks for room. */
static void note_pages(const char *at)
{
	const struct ring_producer *ring = &pages.lane->ring;
	bool *record = &pages.lane_seen[(size_t)(at - (const char *)pages.lane->head) / LAYOUT_PAGE];
	bool *slot = &pages.ring_seen[((ring->last - 1) & ring->mask) * sizeof(uint64_t) / LAYOUT_PAGE];
	now.first = !*record || !*slot;
	*record = *slot = true;
}

/* ---- counting ---- */

/* What the kernel counts of this process, since it was last asked: of one that was not slow it has counted nothing. */
struct kernel {
	bool switched, faulted;
};

static struct kernel ask_kernel(void)
{
	static struct rusage before;
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	struct kernel k = { .switched = u.ru_nivcsw > before.ru_nivcsw, .faulted = u.ru_minflt > before.ru_minflt };
	before = u;
	return k;
}

static enum met what_it_met(struct kernel k)
{
	enum met taken = now.tries == 0 ? MET_NOTHING : now.tries == 1 ? MET_TAKEN : now.tries < 4 ? MET_TAKEN_2 : MET_TAKEN_4;
	return k.switched   ? MET_SWITCH
	       : now.slept  ? MET_SLEEP
	       : now.full   ? MET_FULL
	       : k.faulted  ? MET_FAULT
	       : now.first  ? MET_PAGE
	       : now.looked ? MET_LOOK
			    : taken;
}

static void count(struct counts *c, double ns)
{
	enum met met = what_it_met(ns > SUSPECT_NS ? ask_kernel() : (struct kernel){ 0 });
	unsigned column = 0;
	for (double under = 500; column < LONGER && ns >= under; under *= 2)
		column++;
	c->n[met][column]++;
	c->most_ns[met] = ns > c->most_ns[met] ? ns : c->most_ns[met];
}

struct casting {
	struct stoa *stoa;
	struct stoa_proxy *tally;
	struct counts *counts;
	int64_t start_ns, burst_ns, pause_ns; /* a pause, in which all is applied */
	unsigned bursts;
};

static int burst(const struct casting *c, struct counts *counts)
{
	uint64_t end = ticks_now() + (uint64_t)((double)c->burst_ns / ticks.ns), from = 0;
	memset(pages.lane_seen, 0, sizeof(pages.lane_seen));
	memset(pages.ring_seen, 0, sizeof(pages.ring_seen));
	ask_kernel();
	while (from < end) {
		const char *at = pages.lane->newest;
		now = (typeof(now)){ 0 };
		from = ticks_now();
		int r = tally_add_cast(c->tally, &(struct tally_add){ 1, 2 }, STOA_DEFAULT);
		double ns = ticks_to_ns(ticks_now() - from);
		if (r < 0)
			return stoa_trouble(r);
		note_pages(at);
		count(counts, ns);
	}
	int r = stoa_sync(c->stoa, STOA_DEFAULT, NULL);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int be_caster(unsigned me, void *data)
{
	const struct casting *c = data;
	int r = stoa_attach_thread(c->stoa);
	if (r < 0)
		return stoa_trouble(r);
	pages.lane = lane_known(c->stoa);
	for (unsigned i = 0; i < c->bursts && r == 0; i++) {
		int64_t at = c->start_ns + i * (c->burst_ns + c->pause_ns);
		const struct timespec t = { .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		r = burst(c, &c->counts[me]);
	}
	return r;
}

/* ---- the table ---- */

static void print_row(const char *name, const uint64_t *n, double most_ns, double all)
{
	printf("  %-30s", name);
	uint64_t sum = 0;
	for (unsigned k = 0; k < COLUMNS; k++)
		sum += n[k];
	printf(" %8.1f ", 1e4 * (double)sum / all);
	for (unsigned k = 0; k < COLUMNS; k++)
		printf(" %8.1f", 1e4 * (double)n[k] / all);
	printf(" %9.0f us\n", most_ns / 1000);
}

static void print(const struct counts *counts, unsigned clients)
{
	struct counts sum = { 0 };
	uint64_t of_all[COLUMNS] = { 0 }, n = 0;
	double most = 0;
	for (unsigned i = 0; i < clients; i++)
		for (int m = 0; m < MET_COUNT; m++) {
			for (unsigned k = 0; k < COLUMNS; k++) {
				sum.n[m][k] += counts[i].n[m][k];
				of_all[k] += counts[i].n[m][k];
				n += counts[i].n[m][k];
			}
			sum.most_ns[m] = counts[i].most_ns[m] > sum.most_ns[m] ? counts[i].most_ns[m] : sum.most_ns[m];
			most = sum.most_ns[m] > most ? sum.most_ns[m] : most;
		}
	printf("\nCasts by %u, of 10000 (there were %ju), by what was in their way, and by how long they took\n", clients,
	       (uintmax_t)n);
	printf("  %-30s %8s  %8s %8s %8s %8s %8s %8s %8s %12s\n", "", "all", "<0.5 us", "<1 us", "<2 us", "<4 us", "<8 us",
	       "<16 us", "longer", "longest");
	for (int m = 0; m < MET_COUNT; m++)
		print_row(met_names[m], sum.n[m], sum.most_ns[m], (double)n);
	print_row("all", of_all, most, (double)n);
}

int casts_profile(struct stoa *s, struct stoa_proxy *tally, unsigned clients, unsigned bursts, int64_t pause_ns)
{
	pid_t pids[BENCH_CLIENTS_MAX];
	struct casting c = { .stoa = s,
			     .tally = tally,
			     .counts = profile_share(clients * sizeof(struct counts)),
			     .start_ns = clock_now() + pause_ns,
			     .pause_ns = pause_ns,
			     .burst_ns = BURST_NS * (clients > 2 ? clients : 2) / 2,
			     .bursts = bursts };
	int r = c.counts ? profile_fork(clients, be_caster, &c, pids) : -ENOMEM;
	r = r ? r : profile_join(clients, pids);
	if (r == 0)
		print(c.counts, clients);
	return r;
}
