/*
 * lane.h: a thread's lane: the memory its commands are written to, and the answers it still wants.
 *
 * A lane belongs to one thread; nothing in it is locked. Records are taken from a ring of bytes, oldest freed first:
 * once its command is committed and nobody holds it for its answer; one that waits for an answer given later is left
 * where it is, and the ring goes on around it. When that ring is full a larger one is begun behind
 * it and the old one is left to drain: 32 KiB, 64 KiB … 32 MiB. Only growing makes system calls.
 */
#ifndef STOA_LANE_H
#define STOA_LANE_H

#include "proxy/handle.h"
#include "src/prefetch.h"
#include "src/ring.h"

struct bound_method;
struct loop;

/*
 * What a thread notes of a record; not in the record, which the coordinator is reading when the ticket is known. Records
 * without an answer that follow each other, a run, have one note, of the first of them, written when the run ends.
 */
struct note {
	uint64_t ticket; /* of the newest of them, plus one; 0: of no command; UINT64_MAX: not published yet */
	uint32_t units;	 /* their length */
	uint32_t held;	 /* enum note_held */
};
#define RUN_MAX 8192u /* bytes, unless its first record has more: of the 32 KiB of the smallest ring */

enum note_held {
	NOTE_FREE,
	NOTE_HELD,   /* for its answer */
	NOTE_LET_GO, /* nobody wants that, but it may be just being given later */
};

/* The newest command of a folding method, which casts join while it is queued (fold.c). */
struct fold {
	uint64_t incarnation; /* of its object; 0: there is none */
	const struct bound_method *method;
	struct record *record;
	uint64_t ticket, chain;
	uint64_t word; /* in the ring, unless somebody destroys it */
	uint64_t mark; /* of its run */
	uint32_t which;
	struct fold_sums sums;	       /* as in the record, where `which` counts */
	uint64_t pending[FOLD_FIELDS]; /* what the coordinator may have to apply of them at once */
};

/* An answer that is wanted later: of a submit, or of a call that timed out. */
struct pending {
	uint64_t ticket;
	struct record *record;
	struct note *note;
	const struct bound_method *method; /* NULL: no result to unpack */
	void *ret, *data;
	int64_t deadline; /* of the event; INT64_MAX: none */
	bool event;	  /* wanted by stoa_next; else kept for stoa_await */
	struct pending *next;
};

/* A record that waits for an answer which may take long. Those around it are used again. */
struct island {
	char *at;
	uint64_t size;
	struct island *next;
};

struct lane {
	struct stoa *stoa;
	uint64_t generation, epoch;
	uint32_t id;
	uint64_t place; /* a word of the ring, of lap 1, that leads to a record here, less the record's address in units */
	struct ring_producer ring;
	int fd, event_fd; /* event_fd: our end of a socket pair; the coordinator has the other */
	struct lane_head *head; /* its mapping */
	struct note *notes;	/* by unit */
	struct fold fold;
	uint64_t seq;
	uint64_t timed;			      /* `seq` of the next command that is timed … */
	bool timing;			      /* … unless it is this one */
	uint32_t patience;		      /* before its first look for an answer (wait.c) */
	int64_t aside_end;		      /* it stands aside for its next command until then; 0: not yet (send.c) */
	int64_t sleep_end;		      /* of its last sleep, if nobody woke it */
	uint64_t committed_last, restarts;    /* the same, and of which coordinator, when a record was last freed */
	uint64_t marked;		      /* answers up to here are marked as valid, or never will be */
	uint32_t size_log;		      /* of the ring of bytes: LANE_FIRST << size_log */
	char *start, *oldest, *newest;	      /* newest: where the next record goes */
	char *room_end;			      /* from there to here is surely free */
	char *touched;			      /* so far each page of the ring, and of its notes, was written */
	char *counted;			      /* where `newest` was … */
	uint64_t used;			      /* … when so many bytes were used */
	char *run;			      /* where the run begins that the newest record is of; NULL: it is of none */
	char *run_end;			      /* records may join it up to here; NULL: none may */
	struct island *islands;		      /* in what is free */
	uint64_t rejected_before;	      /* of the lane's commands, when this thread took it */
	uint64_t rejected_earlier;	      /* of this thread's, in lanes of epochs before that are freed */
	struct pending *pending, **pending_end, *spare;
	uint32_t n_unwanted;	   /* of pending, without an event: the oldest go when there are too many */
	struct loop *loop;	   /* event.c */
	struct lane *before; /* this thread's, of the epoch before: not all that was sent in it is done */
	struct lane *next_idle, *next;
};

#define LANE_FIRST (UINT64_C(32) << 10)
#define LANE_LOGS 10

/* The lane that this thread used last: generation is its handle's. */
#define LANE_NONE UINT64_MAX /* no handle's generation: look it up */
struct lane_recent {
	uint64_t generation;
	struct lane *lane;
};
extern __thread struct lane_recent lane_recent;

int lane_find(struct stoa *s, int64_t timeout, struct lane **ret);

/* This thread's lane, if it has one, be it of an epoch before; NULL. For who has the time to look. */
struct lane *lane_known(const struct stoa *s);

/* This thread's lane; made, or taken from a thread that ended, if it has none. Error codes of stoa_attach_thread. */
static inline int lane_get(struct stoa *s, int64_t timeout, struct lane **ret)
{
	uint64_t generation = atomic_load_explicit(&s->mark->generation, memory_order_relaxed);
	struct lane *lane = lane_recent.lane;
	if (generation != lane_recent.generation ||
	    lane->epoch != atomic_load_explicit(&s->space.state->life.epoch, memory_order_relaxed)) {
		struct lane *found; /* `lane` has no address: it stays in a register */
		int r = lane_find(s, timeout, &found);
		if (r < 0)
			return r;
		lane = found;
	}
	*ret = lane;
	return 0;
}

static inline uint32_t lane_units(const struct lane *lane, const struct record *r)
{
	return (uint32_t)((uint64_t)((uintptr_t)r - (uintptr_t)lane->head) / LANE_UNIT);
}
static inline uint64_t lane_word(const struct lane *lane, const struct record *r)
{
	return lane->place + (uintptr_t)r / LANE_UNIT;
}
static inline struct note *lane_note(const struct lane *lane, const char *at)
{
	return &lane->notes[((uintptr_t)at - (uintptr_t)lane->head - LANE_ARENA) / LANE_UNIT];
}
static inline uint64_t lane_room(const struct lane *lane)
{
	return (uint64_t)(lane->room_end - lane->newest);
}

/* No record joins the run that is, if there is one. All of it is published. */
static inline void lane_end_run(struct lane *lane)
{
	if (lane->run)
		*lane_note(lane, lane->run) = (struct note){ .ticket = lane->ring.last,
							     .units = (uint32_t)((uint64_t)(lane->newest - lane->run) / LANE_UNIT) };
	lane->run = lane->run_end = NULL;
}

/* See that there is room for a record of size bytes, behind the run that was. Errors as of lane_record. */
__attribute__((cold)) int lane_make_room(struct lane *lane, uint64_t size);
static inline int lane_see_room(struct lane *lane, uint64_t size)
{
	lane_end_run(lane);
	return size > lane_room(lane) ? lane_make_room(lane, size) : 0;
}

/* Begin a run with a record of size bytes. Errors as of lane_record. */
int lane_begin_run(struct lane *lane, uint64_t size);

/* Does anybody take the lane's commands still? Who only casts waits for nothing, and would not hear of it. Errors as of
 * lane_record. */
int lane_gone(const struct lane *lane);
static inline int lane_see_done(const struct lane *lane)
{
	return atomic_load_explicit(&lane->head->done, memory_order_relaxed) ? lane_gone(lane) : 0;
}

/* Is it the turn of the next command, which joins no run, to be timed? Then choose the one after it, and see that. */
__attribute__((cold)) int lane_choose_now(struct lane *lane);
static inline int lane_choose(struct lane *lane)
{
	return lane->seq < lane->timed ? 0 : lane_choose_now(lane);
}

/* It is that of this record, whose head is written. */
__attribute__((cold)) void lane_time_now(struct lane *lane, struct record *r);
static inline void lane_time(struct lane *lane, struct record *r)
{
	if (lane->timing)
		lane_time_now(lane, r);
}

/*
 * The next record is here, of so many whole units. The place of the one after it is taken from the coordinator's cache
 * meanwhile, who has long read what was there.
 */
static inline void lane_put(struct lane *lane, char *at, uint64_t whole)
{
	lane->newest = at + whole;
	prefetch_to_write(at + whole);
	prefetch_to_write(at + whole + 64);
}

static inline uint64_t lane_whole(uint64_t size)
{
	return (size + LANE_UNIT - 1) & ~(uint64_t)(LANE_UNIT - 1);
}

/* Room at *ret_at for a record of so many whole units that joins the run. False: it is to be looked for. */
static inline bool lane_join(struct lane *lane, uint64_t whole, char **ret_at)
{
	char *at = lane->newest;
	if ((uintptr_t)at + whole > (uintptr_t)lane->run_end) /* as numbers: it may be larger than any memory */
		return false;
	lane_put(lane, at, whole);
	*ret_at = at;
	return true;
}

/*
 * Room at *ret_at for a record of size bytes, with its arguments and answer. *ret_note: NULL if it is not answered.
 * -EAGAIN: no room; -EMSGSIZE: never; -ECONNRESET, -ECONNABORTED: nobody takes the lane's commands any more.
 */
static inline int lane_record(struct lane *lane, uint64_t size, bool answered, char **ret_at,
			      struct note **ret_note)
{
	uint64_t whole = lane_whole(size);
	*ret_note = NULL;
	if (!answered && lane_join(lane, whole, ret_at))
		return 0;
	int r = answered ? lane_see_room(lane, size) : lane_begin_run(lane, size);
	r = r || !answered ? r : lane_choose(lane);
	if (r)
		return r;
	char *at = lane->newest;
	if (answered) {
		*ret_note = lane_note(lane, at);
		**ret_note = (struct note){ .ticket = UINT64_MAX, .units = (uint32_t)(whole / LANE_UNIT) };
	}
	lane_put(lane, at, whole);
	*ret_at = at;
	return 0;
}

/*
 * The newest record is written. Release, and as the last of it: until its number stands there, it is no command, though
 * somebody may forge a word that leads to it.
 */
static inline void lane_written(const struct lane *lane, struct record *r)
{
	__atomic_store_n(&r->seq, lane->seq, __ATOMIC_RELEASE);
}

/* The newest record was not published: its room is free again. */
void lane_unrecord(struct lane *lane, struct record *r);

int pending_add(struct lane *lane, const struct pending *p); /* -ENOMEM */
void pending_drop(struct lane *lane, struct pending **at); /* its answer was taken */
void pending_let_go(struct lane *lane);			   /* all of them: they are not to be answered any more */
/* stoa_next shall not tell of it: its status is kept for stoa_await, the caller's memory let go. */
void pending_unwant(struct lane *lane, struct pending *p);

/* Free all lanes of a handle in this process; after a fork: those of the parent, without a word to the coordinator. */
void lanes_free(struct stoa *s);
void event_free(struct lane *lane);			 /* event.c */
void event_forget_fds(struct lane *lane);		 /* they are closed, or another's by now */
void event_take_over(struct lane *lane, struct lane *old); /* the loop of the thread's lane of an epoch before */
void event_pending(struct lane *lane, int64_t deadline); /* an answer is wanted by then */

/* Does this thread run a read-only method? Then it may not call us: what it reads lies in its scratch. */
void lane_set_reader(bool in_reader);

/* Memory of this thread for at least size bytes, kept for its next use. NULL when there is none. */
void *lane_scratch(size_t size);

#endif
