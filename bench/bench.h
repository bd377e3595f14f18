/*
 * bench.h: what can be measured: peers (stoa, the floors, what a user would take instead) and their operations.
 *
 * A peer is started in the benchmark's own process, before the clients are forked; each client process then opens it
 * for itself, once. A new peer is a file with a `const struct peer`, and a line in peers.c; one that needs a library
 * has a stand-in in absent.c too, which takes its place where the library is missing.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/histogram.h"

#define BENCH_CLIENTS_MAX 256
#define BENCH_HELPER BENCH_CLIENTS_MAX /* the number of the process that helps */

/* The counter that all peers keep, 64 bytes, and what is done to it: two arguments, two attributes. */
struct tally {
	uint64_t value, total, other, rest[5];
};
static inline uint64_t tally_apply(struct tally *t, uint64_t n, uint64_t weight)
{
	t->total += n * weight;
	return t->value += n;
}

/* An object of 1 KiB. */
struct page {
	uint64_t value;
	uint8_t body[1016];
};

/* W: update and go on. R: read one attribute. S: the whole. C: update, with the new value. RW: write, then read it back.
 * N: hear of a change. */
enum kind { KIND_FLOOR, KIND_W, KIND_R, KIND_S, KIND_C, KIND_RW, KIND_N, KIND_COUNT };
extern const char *const kind_names[KIND_COUNT];

enum {
	OP_PARKS = 1 << 0,  /* measured with both sides asleep between calls, too */
	OP_PINNED = 1 << 1, /* one process a CPU, or it makes no sense */
	OP_WAITS = 1 << 2,  /* asleep by nature: not measured busy */
};

struct op {
	enum kind kind;
	const char *name; /* unique within its peer */
	const char *like; /* the operation of stoa that it is compared with; NULL: the first of its kind */
	unsigned flags;
	uint32_t each; /* operations in one run; 0: 1 */
	uint32_t most; /* clients; 0: any number */
	/* 0: done. Above: done, and took so many ns by its own clock. Below: failed. */
	int64_t (*run)(void *client);
	int (*finish)(void *client); /* wait until all runs have been applied; NULL: they are */
	/* What one more process does meanwhile, until *stop; NULL: there is none. */
	int (*help)(void *client, const _Atomic bool *stop);
	/* Instead of run: a loop of its own, in another program, for so long. */
	int (*loop)(void *client, int64_t ns, struct histogram *ret);
};

struct peer {
	const char *name, *doc;
	const struct op *ops;
	size_t n_ops;
	int (*start)(void); /* -ENOTSUP: it cannot be measured here. NULL: nothing to start */
	void (*stop)(void);
	int (*open)(unsigned client, void **ret); /* in each client process, and the helper's; *ret is data before */
	void (*close)(void *client);
	pid_t (*server)(void *data); /* a process to be pinned that servers.h does not know of; 0: none now */
	void *data;
};

/* Keeps a text for the user, of this process; returns code, which is negative. */
int trouble(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
int stoa_trouble(int code); /* the same, with the text of stoa_last_error */
const char *trouble_text(void);

/* All peers, those that are absent too, in the order of the table; NULL ends it. */
extern const struct peer *const peers[];

#endif
