/*
 * storm.c: eight clients that cast and call as fast as they can, while something is killed every 1 to 50 ms.
 *
 * When and what is drawn from the seed before anything happens: a client, the coordinator, the guardian, or both; a client
 * is replaced by another, and where both died the storm starts the next coordinator, which takes over what they left.
 * Each client tells in shared memory what it has sent and what was acknowledged, before and after each call: in the end
 * the count is between the two, and each answer that arrived was that to its question. With --plan, or PLAN=1, the
 * strikes are printed, and nothing is done.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/stoa.h"
#include "proxy/handle.h"
#include "tests/torture/torture.h"

#define SHORT_SECONDS 5
#define CLIENTS 8

/* ---- the class: it counts, echoes, and sees what is missing: a client numbers its commands ---- */

struct sea {
	uint64_t total;
	uint64_t counts[CLIENTS];
	uint64_t lives[CLIENTS], last[CLIENTS]; /* of whom, and number, of the newest command */
	uint64_t gaps[CLIENTS];    /* numbers that did not come */
	uint64_t repeats[CLIENTS]; /* that came again, or too late */
};
struct sea_args {
	uint64_t client, life, n;
	uint64_t before; /* what was acknowledged to the life before, at the least */
};
STOA_STRUCT(sea, STOA_ATTR(struct sea, total), STOA_ATTR(struct sea, counts), STOA_ATTR(struct sea, lives),
	    STOA_ATTR(struct sea, last), STOA_ATTR(struct sea, gaps), STOA_ATTR(struct sea, repeats));
STOA_STRUCT(sea_args, STOA_ATTR(struct sea_args, client), STOA_ATTR(struct sea_args, life),
	    STOA_ATTR(struct sea_args, n), STOA_ATTR(struct sea_args, before));

struct sea_ret {
	uint64_t client, life, n, count;
	int64_t pid;
};
STOA_STRUCT(sea_ret, STOA_ATTR(struct sea_ret, client), STOA_ATTR(struct sea_ret, life), STOA_ATTR(struct sea_ret, n),
	    STOA_ATTR(struct sea_ret, count), STOA_ATTR(struct sea_ret, pid));

/* Commands of one life come in order; those of the next come when its predecessor's are all queued. */
static void find_missing(struct sea *self, const struct sea_args *args)
{
	uint64_t i = args->client;
	if (self->lives[i] != args->life) {
		self->repeats[i] += args->life < self->lives[i];
		self->gaps[i] += args->before > self->last[i] ? args->before - self->last[i] : 0;
		self->lives[i] = args->life;
		self->last[i] = 0;
	}
	self->repeats[i] += args->n <= self->last[i];
	self->gaps[i] += args->n > self->last[i] + 1 ? args->n - self->last[i] - 1 : 0;
	self->last[i] = args->n;
}

static int sea_add(struct sea *self, const struct sea_args *args, struct sea_ret *ret)
{
	if (args->client >= CLIENTS)
		return stoa_fail(-EINVAL, "client %ju", (uintmax_t)args->client);
	find_missing(self, args);
	self->total++;
	*ret = (struct sea_ret){ args->client, args->life, args->n, ++self->counts[args->client], stoa_caller()->pid };
	return 0;
}
STOA_METHOD(sea, add, sea_args, sea_ret, .writes = "*");
STOA_CLASS(sea, 1, &sea_add_row);

static const struct stoa_class *const classes[] = { &sea_class, NULL };

/* ---- what the clients tell ---- */

static struct story {
	_Atomic uint64_t sent;         /* calls and casts begun */
	_Atomic uint64_t acknowledged; /* of them, returned 0: applied, or accepted and so to be applied */
	_Atomic uint64_t doubtful;     /* returned an error that says "may still apply" */
	_Atomic uint64_t refused;      /* returned another error */
	_Atomic uint64_t wrong;        /* answers to something else */
	_Atomic uint64_t last;         /* number of the newest that was acknowledged, of this life */
	_Atomic uint64_t last_count;   /* newest count that an answer told */
	_Atomic int64_t began_ns, last_ns; /* when the last call that was answered began, and when it was */
	_Atomic int code;              /* the last error */
	char text[STOA_ERROR_MAX], said[STOA_ERROR_MAX];
	char unused[64];
} *stories; /* one for each client, whichever process it is just now */

static _Atomic int *stop;

static bool story_error(struct story *story, int r)
{
	struct stoa_error e;
	stoa_last_error(&e);
	atomic_store(&story->code, r);
	memcpy(story->text, e.text, sizeof e.text);
	if (e.may_apply)
		atomic_fetch_add(&story->doubtful, 1);
	else
		atomic_fetch_add(&story->refused, 1);
	return e.may_apply;
}

static void check_answer(struct story *story, const struct sea_args *asked, const struct sea_ret *ret)
{
	uint64_t before = atomic_load(&story->last_count);
	if (ret->client != asked->client || ret->life != asked->life || ret->n != asked->n || ret->pid != getpid() ||
	    ret->count <= before) {
		if (atomic_fetch_add(&story->wrong, 1) == 0)
			snprintf(story->said, sizeof story->said,
				 "asked %ju/%ju/%ju by %d after count %ju; answered %ju/%ju/%ju by %jd, count %ju",
				 (uintmax_t)asked->client, (uintmax_t)asked->life, (uintmax_t)asked->n, (int)getpid(),
				 (uintmax_t)before, (uintmax_t)ret->client, (uintmax_t)ret->life, (uintmax_t)ret->n,
				 (intmax_t)ret->pid, (uintmax_t)ret->count);
	}
	atomic_store(&story->last_count, ret->count);
}

/* False: it was refused, and its number can be used again. */
static bool one_command(struct stoa_proxy *p, struct story *story, const struct sea_args *args, bool call)
{
	struct sea_ret ret = { 0 };
	int64_t began = clock_now();
	atomic_fetch_add(&story->sent, 1);
	int r = call ? stoa_call(p, &sea_add_row, args, &ret, STOA_MS(3000))
		     : stoa_cast(p, &sea_add_row, args, STOA_MS(3000));
	if (r < 0) {
		bool may_apply = story_error(story, r);
		torture_pause(); /* nobody serves: do not spin on it */
		return may_apply;
	}
	atomic_fetch_add(&story->acknowledged, 1);
	atomic_store(&story->last, args->n);
	if (!call)
		return true;
	check_answer(story, args, &ret);
	atomic_store(&story->last_ns, clock_now());
	atomic_store(&story->began_ns, began);
	return true;
}

static struct stoa *s;
static struct stoa_proxy *sea;

static void be_client(uint64_t client, uint64_t life, uint64_t seed)
{
	struct story *story = &stories[client];
	struct sea_args args = { .client = client, .life = life, .before = atomic_load(&story->last) };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	atomic_store(&story->last, 0);
	for (args.n = 1; !atomic_load(stop);)
		args.n += one_command(sea, story, &args, (args.n * 2654435761u ^ seed) >> 8 & 1);
	_exit(0);
}

/* ---- who is there ---- */

static struct {
	pid_t pid;
	uint64_t life;
} clients[CLIENTS];

static uint64_t lives;
static pid_t server; /* our child that is stoa_serve; 0: none is known */
static uint64_t starts;

static void spawn_client(uint64_t i)
{
	clients[i].life = ++lives;
	clients[i].pid = fork();
	if (clients[i].pid == 0)
		be_client(i, clients[i].life, torture.seed ^ clients[i].life << 32);
}

static void kill_client(uint64_t i)
{
	kill(clients[i].pid, SIGKILL);
	waitpid(clients[i].pid, NULL, 0);
	spawn_client(i);
}

static void serve(unsigned flags)
{
	server = fork();
	starts++;
	if (server != 0)
		return;
	setpgid(0, 0);
	int r = stoa_serve("storm", classes, STOA_OPTIONS(.flags = flags, .max_threads = 64, .max_objects = 16,
							 .max_attrs = 256, .timeout = STOA_MS(5000)));
	if (r < 0 && r != -EEXIST) /* that one was already a guardian when its coordinator was killed */
		printf("FAILED stoa_serve: %s\n", torture_error());
	_exit(r < 0);
}

/* ---- the plan ---- */

enum victim { CLIENT, COORDINATOR, GUARDIAN, BOTH };
static const char *const victims[] = { "client", "coordinator", "guardian", "both" };

struct strike {
	int64_t after_ns; /* the strike before it is done */
	enum victim victim;
	uint64_t client; /* if it is one */
};

/* What is drawn for one strike is the same whatever became of the others. */
static struct strike draw(void)
{
	struct strike k = { .after_ns = STOA_MS(1) + (int64_t)torture_random(STOA_MS(49)) };
	uint64_t n = torture_random(100);
	k.client = torture_random(CLIENTS);
	k.victim = n < 40 ? CLIENT : n < 75 ? COORDINATOR : n < 90 ? GUARDIAN : BOTH;
	return k;
}

/* As many as there are, or as would fit in the time if no strike took any. */
static int print_plan(void)
{
	int64_t at = 0;
	for (uint64_t n = 0; n < torture.rounds; n++) {
		struct strike k = draw();
		if ((at += k.after_ns) > torture.length_ns)
			break;
		printf("strike %ju: after %.2f ms, %s", (uintmax_t)n + 1, (double)k.after_ns / 1e6, victims[k.victim]);
		printf(k.victim == CLIENT ? " %ju\n" : "\n", (uintmax_t)k.client);
	}
	return torture_end();
}

/* ---- the killer ---- */

static unsigned kills[BOTH + 1];
static struct times services[BOTH + 1]; /* from a death to the answer of a call that began after it */

/* When a call that began after this moment was answered; 0: none has been yet. */
static int64_t answered_since(int64_t since)
{
	for (int i = 0; i < CLIENTS; i++)
		if (atomic_load(&stories[i].began_ns) > since)
			return atomic_load(&stories[i].last_ns);
	return 0;
}

static void reap(void)
{
	/* Guardians are our children, or become ours; a client ends only by our hand. */
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
		for (int i = 0; i < CLIENTS; i++)
			if (clients[i].pid == pid) {
				torture_fail("client %d died by itself", i);
				spawn_client((uint64_t)i);
			}
}

static void await_service(uint64_t n, enum victim v, int64_t since)
{
	int64_t end = clock_deadline(SOON), ns;
	while (!(ns = answered_since(since)) && clock_now() < end)
		sched_yield();
	torture_check(ns, "no call was answered after a death (%s)", victims[v]);
	if (ns)
		times_add(&services[v], ns - since);
	if (ns - since > BOUND)
		printf("  strike %ju (%s): %.0f ms\n", (uintmax_t)n, victims[v], (double)(ns - since) / 1e6);
}

/* The last one may not be over: then this one waits for it. */
static void strike(uint64_t n, const struct strike *k)
{
	enum victim v = k->victim;
	torture_where("strike %ju (%s)", (uintmax_t)n, victims[v]);
	nanosleep(&(struct timespec){ .tv_nsec = k->after_ns }, NULL);
	kills[v]++;
	if (v == CLIENT) {
		kill_client(k->client);
		return;
	}
	torture_check(torture_until(torture_kill(s, v != GUARDIAN, v != COORDINATOR)), "there is nobody to be killed");
	int64_t since = clock_now();
	if (v == BOTH)
		serve(STOA_KEEP);
	await_service(n, v, since);
	reap();
}

/* ---- the end ---- */

/* The last rejections, for who has to find out. */
static void print_rejections(uint64_t n)
{
	for (uint64_t i = n > 5 ? n - 5 : 0; i < n; i++) {
		const struct reject *e = space_reject(&s->space, i + 1);
		printf("  rejected: ticket %ju, lane %u, pid %d, code %d, %s\n", (uintmax_t)e->ticket, e->lane, (int)e->pid, e->code,
		       e->text);
	}
}

static uint64_t total;

static void check_counts(void)
{
	struct sea have;
	struct stoa_health h;
	int r = stoa_snapshot(sea, &have, sizeof have, SOON, NULL);
	torture_check(r == 0, "the snapshot failed with %d: %s", r, torture_error());
	if (r < 0)
		return;
	for (int i = 0; i < CLIENTS; i++) {
		struct story *st = &stories[i];
		uint64_t sent = atomic_load(&st->sent), good = atomic_load(&st->acknowledged), no = atomic_load(&st->refused);
		torture_check(have.counts[i] >= good, "client %d: %ju acknowledged, %ju counted", i, (uintmax_t)good,
			      (uintmax_t)have.counts[i]);
		torture_check(have.counts[i] <= sent - no, "client %d: %ju sent, %ju of them refused, %ju counted", i,
			      (uintmax_t)sent, (uintmax_t)no, (uintmax_t)have.counts[i]);
		torture_check(atomic_load(&st->wrong) == 0, "client %d: %ju answers to something else; %s", i,
			      (uintmax_t)atomic_load(&st->wrong), st->said);
		torture_check(have.gaps[i] <= atomic_load(&st->doubtful) && have.repeats[i] == 0,
			      "client %d: %ju commands are missing, %ju came again; %ju were in doubt", i,
			      (uintmax_t)have.gaps[i], (uintmax_t)have.repeats[i], (uintmax_t)atomic_load(&st->doubtful));
		total += have.counts[i];
		if (atomic_load(&st->doubtful) || no)
			printf("  client %d: %ju doubtful, %ju refused, the last with %d: %s\n", i,
			       (uintmax_t)atomic_load(&st->doubtful), (uintmax_t)no, atomic_load(&st->code), st->text);
	}
	torture_check(total == have.total, "%ju in all, %ju in the sum", (uintmax_t)have.total, (uintmax_t)total);
	torture_check(stoa_health(s, &h) == 0, "no health");
	torture_check(h.applied == have.total + 1 && h.pushed == h.applied + h.rejected + h.abandoned + h.queued &&
			      h.abandoned == 0,
		      "%ju pushed, %ju applied, %ju rejected, %ju abandoned, %ju queued; %ju counted", (uintmax_t)h.pushed,
		      (uintmax_t)h.applied, (uintmax_t)h.rejected, (uintmax_t)h.abandoned, (uintmax_t)h.queued,
		      (uintmax_t)have.total);
	printf("  %ju commands applied, %ju rejected\n", (uintmax_t)h.applied, (uintmax_t)h.rejected);
	print_rejections(h.rejected);
}

static void end_clients(void)
{
	atomic_store(stop, 1);
	for (int i = 0; i < CLIENTS; i++) {
		torture_check(torture_until(waitpid(clients[i].pid, NULL, WNOHANG) != 0), "client %d does not end", i);
		kill(clients[i].pid, SIGKILL);
	}
}

static bool lanes_are_back(void)
{
	struct stoa_health h;
	return stoa_health(s, &h) == 0 && h.threads <= 1;
}

/* What was kept is still the same at the next start, which keeps nothing. */
static void remove_kept(void)
{
	struct sea have;
	serve(0);
	int r = stoa_attach("storm", STOA_OPTIONS(.timeout = SOON), &s);
	r = r ? r : stoa_open(s, "sea", &sea_class, SOON, &sea);
	r = r ? r : stoa_snapshot(sea, &have, sizeof have, SOON, NULL);
	torture_check(r == 0 && have.total == total, "after the stop %ju are counted, not %ju (%d)", (uintmax_t)have.total,
		      (uintmax_t)total, r);
	torture_check(stoa_stop(s, STOA_DRAIN, SOON) == 0, "it does not stop: %s", torture_error());
	s = stoa_detach(s);
	reap();
}

static void finish(void)
{
	torture_where("at the end");
	end_clients();
	stoa_sync(s, SOON, NULL);
	check_counts();
	torture_check(torture_until(lanes_are_back()), "lanes of the dead are still given out");
	torture_check(stoa_stop(s, STOA_DRAIN, SOON) == 0, "it does not stop: %s", torture_error());
	s = stoa_detach(s);
	reap();
	remove_kept();
}

int main(int argc, char **argv)
{
	const char *plan = getenv("PLAN");
	torture_begin("storm", SHORT_SECONDS);
	if ((argc > 1 && strcmp(argv[1], "--plan") == 0) || (plan && strcmp(plan, "1") == 0))
		return print_plan();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	char *shared = mmap(NULL, CLIENTS * sizeof *stories + 64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	stories = (struct story *)shared;
	stop = (_Atomic int *)(shared + CLIENTS * sizeof *stories);
	serve(STOA_KEEP);
	int r = stoa_attach("storm", STOA_OPTIONS(.timeout = SOON), &s);
	r = r ? r : stoa_create(s, "sea", &sea_class, NULL, STOA_EXCL, &sea);
	if (r < 0) {
		printf("cannot start: %s\n", torture_error());
		return 1;
	}
	torture_go();
	for (uint64_t i = 0; i < CLIENTS; i++)
		spawn_client(i);
	for (uint64_t n = 1; n <= torture.rounds && clock_now() < torture.end_ns; n++) {
		struct strike k = draw();
		strike(n, &k);
	}
	finish();
	printf("  killed: %u clients, %u coordinators, %u guardians, %u times both\n", kills[CLIENT], kills[COORDINATOR],
	       kills[GUARDIAN], kills[BOTH]);
	times_check(&services[COORDINATOR], "from a coordinator's death to the first call");
	times_check(&services[GUARDIAN], "from a guardian's death to the first call");
	times_print(&services[BOTH], "from the death of both to the first call");
	return torture_end();
}
