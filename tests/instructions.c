/*
 * instructions.c: one operation N times, for check_instructions.sh to count its instructions. Through the public
 * interface alone, with a coordinator of its own; it begins with the numbers of the processes.
 *
 *     tests/instructions cast 1024        a multiple of 128
 *
 * What is only written goes in bursts, while guardian and coordinator are stopped: else it would depend on who is
 * faster how many commands are applied at once, and how many casts join one. The coordinator is stopped in the middle of
 * a command, and not in its sleep, in which it would have to be rung.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "include/stoa.h"

#define PATIENCE STOA_MS(20000)

struct tally {
	uint64_t value, total, blocks[5], level; /* 64 bytes */
};
struct tally_add {
	uint64_t n, weight;
};
struct tally_value {
	uint64_t value;
};
STOA_STRUCT(tally, STOA_ATTR(struct tally, value), STOA_ATTR(struct tally, total), STOA_ATTR(struct tally, blocks),
	    STOA_ATTR(struct tally, level, .writable = true));
STOA_STRUCT(tally_add, STOA_ATTR(struct tally_add, n), STOA_ATTR(struct tally_add, weight));
STOA_STRUCT(tally_value, STOA_ATTR(struct tally_value, value));
STOA_STUB(tally, add, struct tally_add, struct tally_value);
STOA_STUB(tally, ask, struct tally_add, struct tally_value);
STOA_STUB(tally, sum, struct tally_add, stoa_none);
STOA_STUB(tally, tick, stoa_none, stoa_none);
STOA_STUB(tally, hold, stoa_none, stoa_none);

static int tally_add(struct tally *self, const struct tally_add *args, struct tally_value *ret)
{
	ret->value = self->value += args->n;
	self->total += args->n * args->weight;
	return 0;
}
STOA_METHOD(tally, add, tally_add, tally_value, .writes = "value total");

/* Longer than its caller spins: else some would sleep and be woken, and others not. */
static int tally_ask(struct tally *self, const struct tally_add *args, struct tally_value *ret)
{
	const struct timespec pause = { .tv_nsec = 500000 };
	nanosleep(&pause, NULL);
	return tally_add(self, args, ret);
}
STOA_METHOD(tally, ask, tally_add, tally_value, .writes = "value total");

static int tally_sum(struct tally *self, const struct tally_add *args, stoa_none *ret)
{
	(void)ret;
	self->value += args->n;
	self->total += args->weight;
	return 0;
}
STOA_METHOD(tally, sum, tally_add, stoa_none, .writes = "value total", .folds = true);

/* Nothing is looked up once for it: it has no arguments. */
static int tally_tick(struct tally *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->value++;
	return 0;
}
STOA_METHOD(tally, tick, stoa_none, stoa_none, .writes = "value");

/* Long enough to be stopped in. */
static int tally_hold(struct tally *self, const stoa_none *args, stoa_none *ret)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	(void)self;
	(void)args;
	(void)ret;
	nanosleep(&pause, NULL);
	return 0;
}
STOA_METHOD(tally, hold, stoa_none, stoa_none, .writes = "level");

STOA_CLASS(tally, 1, &tally_add_row, &tally_ask_row, &tally_sum_row, &tally_tick_row, &tally_hold_row);

static struct stoa *stoa;
static struct stoa_proxy *tally;
static struct stoa_health health;

/* ---- the operations ---- */

static int cast(void)
{
	return tally_add_cast(tally, &(struct tally_add){ 1, 2 }, STOA_DEFAULT);
}

static int tick(void)
{
	return tally_tick_cast(tally, NULL, STOA_DEFAULT);
}

static int assign(void)
{
	const uint64_t level = 1;
	return STOA_ASSIGN(tally, struct tally, level, &level, STOA_DEFAULT);
}

static int fold(void)
{
	return tally_sum_cast(tally, &(struct tally_add){ 1, 2 }, STOA_DEFAULT);
}

static int call(void)
{
	struct tally_value ret;
	return tally_ask_call(tally, &(struct tally_add){ 1, 2 }, &ret, STOA_DEFAULT);
}

static int get(void)
{
	uint64_t value;
	return STOA_GET(tally, struct tally, value, &value, STOA_DEFAULT);
}

static int snapshot(void)
{
	struct tally now;
	return stoa_snapshot(tally, &now, sizeof(now), STOA_DEFAULT, NULL);
}

static const struct operation {
	const char *name;
	int (*run)(void);
	unsigned burst; /* 0: it waits, so the coordinator must run */
	bool reads;	/* it would wait for a command in which the coordinator is stopped */
} operations[] = {
	{ "assign", assign, 32, false },
	{ "call", call, 0, false },
	{ "cast", cast, 32, false }, /* applied before the next tick of the clock, mostly: that may end a turn */
	{ "fold", fold, 128, false },
	{ "get", get, 128, true },
	{ "snapshot", snapshot, 128, true },
	{ "tick", tick, 32, false },
};

/* ---- bursts ---- */

/* As ps shows it: T is stopped, Z has ended. 0: it is gone. */
static char state_of(pid_t pid)
{
	char path[32], line[128] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	const char *name = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (f)
		fclose(f);
	return name && name[1] == ' ' ? name[2] : '\0';
}

static bool is_stopped(pid_t pid)
{
	return state_of(pid) == 'T';
}

static bool is_over(pid_t pid)
{
	return state_of(pid) == 'Z' || state_of(pid) == '\0';
}

/* Asked for, not waited for: the coordinator wakes nobody. */
static bool is_idle(pid_t pid)
{
	(void)pid;
	return stoa_health(stoa, &health) == 0 && health.queued == 0;
}

static bool is_held(pid_t pid)
{
	(void)pid;
	return stoa_health(stoa, &health) == 0 && strcmp(health.method, "hold") == 0;
}

static int await(bool (*is_so)(pid_t), pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	for (int64_t waited = 0; !is_so(pid); waited += pause.tv_nsec) {
		if (waited > PATIENCE)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int stop(pid_t pid)
{
	return kill(pid, SIGSTOP) < 0 ? -errno : await(is_stopped, pid);
}

/* The guardian goes first, and comes back last: it would take a coordinator that is stopped for a hung one. */
static int stop_both(void)
{
	int r = stop(health.guardian);
	return r ? r : stop(health.coordinator);
}

static int continue_both(void)
{
	kill(health.coordinator, SIGCONT);
	kill(health.guardian, SIGCONT);
	return await(is_idle, health.coordinator);
}

/* In the middle of a command, whose sender is told its ticket. */
static int stop_awake(uint64_t *ret_held)
{
	for (;;) {
		int r = stoa_submit(tally, &tally_hold_row, NULL, NULL, NULL, PATIENCE, ret_held);
		r = r ? r : await(is_held, health.coordinator);
		r = r ? r : stop_both();
		if (r < 0 || is_held(health.coordinator))
			return r;
		continue_both(); /* too late */
		r = stoa_await(stoa, *ret_held, PATIENCE);
		if (r < 0)
			return r;
	}
}

static int burst(const struct operation *op)
{
	uint64_t held = 0;
	int r = op->reads ? stop_both() : stop_awake(&held);
	for (unsigned i = 0; r == 0 && i < op->burst; i++)
		r = op->run();
	int idle = continue_both();
	r = r ? r : idle;
	return r || op->reads ? r : stoa_await(stoa, held, PATIENCE);
}

static int repeat(const struct operation *op, unsigned n)
{
	int r = 0;
	for (unsigned i = 0; r == 0 && i < n; i += op->burst ? op->burst : 1)
		r = op->burst ? burst(op) : op->run();
	return r;
}

/* ---- the whole ---- */

static int begin(void)
{
	int r = stoa_start("instructions", STOA_CLASSES(&tally_class), NULL, &stoa);
	r = r ? r : stoa_create(stoa, "tally", &tally_class, NULL, 0, &tally);
	r = r ? r : stoa_health(stoa, &health);
	printf("client %d\ncoordinator %d\nguardian %d\n", (int)getpid(), (int)health.coordinator,
	       (int)health.guardian);
	return fflush(stdout) ? -errno : r;
}

/* Its counts are written when the coordinator ends. */
static int end(void)
{
	stoa = stoa_detach(stoa);
	return await(is_over, health.coordinator);
}

static const struct operation *find(const char *name)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct operation *op = argc == 3 ? find(argv[1]) : NULL;
	if (!op) {
		fprintf(stderr, "usage: instructions assign|call|cast|fold|get|snapshot|tick N\n");
		return 2;
	}
	int r = begin();
	r = r ? r : repeat(op, (unsigned)strtoul(argv[2], NULL, 10));
	r = r ? r : end();
	if (r < 0) {
		fprintf(stderr, "instructions: %s: %s\n", op->name, stoa_strerror(r));
		return 1;
	}
	return 0;
}
