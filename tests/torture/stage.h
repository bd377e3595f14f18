/*
 * stage.h: what steps plays on: a namespace with three objects, the commands that it is given, and what must have come of
 * them if each was applied once.
 */
#ifndef STOA_STAGE_H
#define STOA_STAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "include/stoa.h"
#include "src/layout.h"
#include "tests/torture/trace.h"

#define PAGE_TEXT 37 /* bytes of the text */

struct tally {
	int64_t count, sum, last;
};
struct tally_args {
	int64_t n;
};
struct tally_ret {
	int64_t count, sum, last;
};
struct page {
	int64_t count;
	stoa_text text;
};
/* Who waits, and is given a number. */
struct desk {
	struct stoa_token who;
};
extern const struct stoa_class tally_class, page_class, desk_class;
extern const struct stoa_method tally_add_row;

extern struct stage {
	struct stoa *s;
	struct stoa_proxy *tally, *page, *desk;
	struct stoa_proxy *extra; /* comes and goes; NULL: it is not there */
	pid_t guardian;
	struct region regions[9]; /* all that a coordinator shares with others, but for what is not used here */
	uint64_t target;	  /* `committed` when what was asked is done */
} stage;

/* What the objects hold. */
struct values {
	struct tally tally;
	int64_t pages;
	char text[PAGE_TEXT + 1];
};

extern struct wanted {
	struct values now, after[4]; /* after so many commands of the batch */
	int64_t twice;		     /* so many commands added two times, which is one change */
	uint64_t applied, rejected;
	struct tally_ret first; /* the answer to the first of the batch */
} want;

/* What the processes of a run tell each other. The coordinator has it from its fork. */
extern struct shared {
	_Atomic int ready, go, done; /* of a client that is a victim */
	int errand, status;
	int64_t n;
	struct tally_ret ret;
	_Atomic int fickle; /* methods fail from now on, as they may when they are run again */
} * shared;

void stage_open(void); /* ends the program if it cannot */
void stage_close(void);

struct life *stage_life(void);
pid_t stage_coordinator(void); /* waits for one; ends the program if there is none */
bool stage_is_idle(void);      /* the coordinator sleeps */
bool stage_is_over(void);      /* and has done what was asked */

/* Three commands on two objects; the first wants its answer, which comes to answer.ret. */
void stage_batch(void);
extern struct answer {
	struct tally_ret ret;
	uint64_t ticket;
} answer;

/* A command whose answer is given later, done, and the one that gives it, asked for: it comes to answer.ret.sum. */
void stage_wait(void);
void stage_give(int64_t n);

/* The creation or removal of the object "extra": asked for, or done. */
void stage_ask_create(void);
void stage_ask_remove(void);
void stage_create(void);
void stage_remove(void);

void want_tally(int64_t n); /* one command more */

#endif
