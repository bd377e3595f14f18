/*
 * layout.h: what lies where in the shared segments of a namespace.
 *
 * state    written by the coordinator (and, where said, the guardian); clients map it read-only
 * ingress  the ring, the flags and the park words; clients map it read-write, so nothing in it is believed
 * lane.N   one thread's command bytes with their replies; that thread and the coordinator map it, and what a thread
 *          notes of them it keeps elsewhere
 *
 * Offsets, never pointers. What different parties write lies on different pairs of cache lines. A "tag" is a value of
 * `committed`: what carries a tag counts from the moment `committed` reaches it; tag 0 is "nothing".
 */
#ifndef STOA_LAYOUT_H
#define STOA_LAYOUT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "include/stoa.h"

#define LAYOUT_MAGIC UINT64_C(0x0a1a0d0a616f7473) /* "stoa\n\r\032\n": damage by text mode shows */
#define LAYOUT_MAJOR 6                            /* another major does not interoperate */
#define LAYOUT_MINOR 0                            /* an additive minor does */
#define LAYOUT_PAGE 4096
#define LAYOUT_LINE 128 /* two cache lines: the adjacent-line prefetcher makes pairs of them */
#define LAYOUT_NAME (STOA_NAME_MAX + 1)
#define LAYOUT_THREAD 16 /* of the name of a thread or program, as Linux has them */

enum segment_kind { SEGMENT_STATE = 1, SEGMENT_INGRESS, SEGMENT_LANE };

struct segment_head {
	uint64_t magic;
	uint16_t major, minor;
	uint32_t kind;
	uint64_t limit;     /* bytes of the file and of its mapping; most of it a hole */
	uint64_t namespace_id; /* random; the same in all segments of a namespace */
};
_Static_assert(sizeof(struct segment_head) == 32, "any version can read the head of a segment");

/* Chosen when the namespace is made. Both sides compute every offset from these five (layout_geometry). */
struct geometry {
	uint32_t queue;   /* slots of the ring, a power of two */
	uint32_t lanes;   /* most lanes at a time; there are twice as many, half for odd and half for even epochs */
	uint32_t objects; /* most objects at a time */
	uint32_t flags;   /* most attributes of all objects */
	uint64_t state;   /* limit of the state segment */
	/* computed */
	uint64_t lanes_at, rejects_at, trace_at, log_at, attached_at, classes_at, tallies_at, objects_at,
		object_tallies_at, heap_at;                             /* in state */
	uint64_t parks_at, flags_at, ingress;                           /* in ingress, and its limit */
	uint32_t queue_log, unused;
};

/* ---- state ------------------------------------------------------------------------------------------------ */

enum life_phase { LIFE_STARTING, LIFE_SERVING, LIFE_CLOSING, LIFE_ENDED };

/* Written by the guardian. */
struct life {
	_Atomic uint64_t epoch; /* one more at each start of a guardian: lanes of another epoch are void */
	_Atomic uint32_t phase; /* enum life_phase; the coordinator sets SERVING and CLOSING */
	_Atomic int32_t guardian, coordinator; /* pids, 0: none */
	_Atomic uint32_t flags; /* STOA_KEEP, STOA_VERIFY */
	_Atomic uint32_t stopping; /* enum stoa_stop, plus one; the coordinator's, for the one after it */
	_Atomic uint64_t restarts;
	_Atomic int64_t started_ns;      /* CLOCK_REALTIME */
	_Atomic uint64_t suspect;        /* pulse.running when the coordinator died; 0: none */
	_Atomic uint32_t suspect_crashes; /* deaths of its own making */
	_Atomic uint32_t suspect_kills;   /* deaths from outside while it ran */
	_Atomic uint32_t suspect_overran; /* the guardian ended it past its deadline */
	_Atomic uint32_t suspect_stops;   /* somebody stopped it, and the guardian ended that */
	_Atomic uint32_t suspect_job;     /* pulse.job at its last death */
	_Atomic int32_t suspect_status;   /* how it died then, as waitpid(2) has it, or STATUS_CLOSED */
	_Atomic uint64_t logged;          /* messages, by either of the two */
	/* But for LIFE_ASLEEP, grows behind what may end a client's way to an object: see life_changed. With it the
	 * coordinator sleeps, and is to be rung. One word, so that who has published has one to look at. */
	_Atomic uint64_t changes;
	_Atomic uint32_t cpu; /* plus one, on which the coordinator began its last turn; 0: not known */
};
#define LIFE_ASLEEP UINT64_C(1)

/* A coordinator or an epoch has begun, or it stops, or an object is dead: clients look again for what they have found. */
static inline void life_changed(struct life *life)
{
	atomic_fetch_add(&life->changes, 2 * LIFE_ASLEEP);
}

static inline void life_asleep(struct life *life, bool asleep)
{
	if (asleep)
		atomic_fetch_or(&life->changes, LIFE_ASLEEP);
	else
		atomic_fetch_and(&life->changes, ~LIFE_ASLEEP);
}

#define PULSE_LOADING UINT64_MAX
#define CRASHES_MAX 2 /* of its own making: then a command is rejected, an object quarantined */

/* The heartbeat: what the coordinator does, and since when. */
struct pulse {
	_Atomic int64_t beat_ns;  /* CLOCK_MONOTONIC of the last turn or idle beat */
	_Atomic uint64_t running; /* ticket + 1 of the command that runs; 0: none; PULSE_LOADING: a hook alone */
	_Atomic int64_t since_ns, deadline_ns; /* CLOCK_MONOTONIC start, and when the guardian ends it */
	_Atomic uint32_t object, row;          /* of it; UINT32_MAX: none */
	_Atomic uint32_t asleep;               /* parked: no beat is due before the idle beat */
	_Atomic uint32_t threads;              /* lanes given out */
	_Atomic uint64_t resident, resident_start; /* bytes of its memory, now and when it began to serve */
	_Atomic uint32_t job;                  /* which of the commands of a RECORD_MANY runs */
	_Atomic uint32_t clients;              /* processes that are attached */
	_Atomic uint32_t unwatched;            /* the guardian looks only now and then (coordinator/watch.c) */
};

/* What is committed lies in pairs of cells, each with its tag: src/cell.h tells which is current. */
struct tags {
	_Atomic uint64_t of[2];
};

struct totals {
	uint64_t applied, rejected, abandoned;
	uint64_t folded; /* casts that had no command of their own */
};

/* The objects that the turn in hand, or the last one, has to do with: noted before anything of theirs is written. */
#define TURN_NOTED 128
struct turn {
	_Atomic uint32_t n; /* above TURN_NOTED: there were more than could be noted */
	_Atomic uint32_t objects[TURN_NOTED]; /* their entries */
};

/*
 * The answers given later (src/later.h) by the command in hand, noted before anything of them is written: what a
 * coordinator that dies leaves of them is taken back, unless `committed` has passed `since`.
 */
#define GIVEN_MAX 128
struct answering {
	_Atomic uint64_t since; /* `committed` then */
	_Atomic uint32_t n;
	uint32_t unused;
	struct {
		uint64_t ticket;
		uint32_t lane, at; /* of a struct later, from the lane's start */
	} of[GIVEN_MAX];
};

struct state_head {
	struct segment_head head;
	struct geometry geometry;
	char name[LAYOUT_NAME];
	alignas(LAYOUT_LINE) _Atomic uint64_t committed; /* commands committed: storing it is the commit */
	alignas(LAYOUT_LINE) _Atomic uint64_t taken;     /* commands looked at: too late to cancel, or to join, below it */
	alignas(LAYOUT_LINE) struct pulse pulse;
	alignas(LAYOUT_LINE) struct life life;
	alignas(LAYOUT_LINE) struct tags totals_tags;
	struct totals totals[2];
	alignas(LAYOUT_LINE) _Atomic uint64_t directory; /* grows whenever an object or class comes or goes … */
	_Atomic uint64_t directory_tag;                  /* … and the tag from which the newest change counts */
	_Atomic uint64_t heap_end;                       /* offset: blocks lie without gaps below it */
	_Atomic uint64_t next_incarnation;
	_Atomic uint32_t n_objects, n_classes;           /* entries ever used */
	_Atomic uint32_t flags_end;                      /* flags ever given out; a body's go to its successors */
	_Atomic uint32_t attached_end;                   /* rows of attached processes ever used */
	_Atomic uint32_t lanes_end[2];                   /* lanes ever given out, of either half of their numbers */
	_Atomic uint32_t leaving;                        /* coordinator/leave.h: the next to be told; UINT32_MAX: none */
	_Atomic uint32_t hooked;                         /* there may be objects of classes with hooks */
	alignas(LAYOUT_LINE) struct turn turn;
	alignas(LAYOUT_LINE) struct answering answering;
};
_Static_assert(sizeof(struct state_head) <= LAYOUT_PAGE, "the head of the state is one page");

/* The sums of casts that were folded (src/fold.h). */
#define FOLD_FIELDS 8
struct fold_sums {
	uint64_t casts;
	uint64_t fields[FOLD_FIELDS]; /* of the arguments, in their order, modulo 2^64 */
};
struct fold_applied {
	uint64_t chain; /* 0: none yet */
	struct fold_sums sums;
};

/* What the coordinator knows of a lane, beyond the lane's own word for it. */
struct lane_cell {
	uint64_t seq;      /* the record that it takes next */
	uint64_t rejected; /* of this lane's commands */
	struct fold_applied folded; /* of the lane's newest chain, also where it was rejected */
};
struct lane_row {
	struct tags tags;
	struct lane_cell cells[2];
	_Atomic int32_t pid; /* of its owner; 0: free */
	uint32_t uid;	     /* … and what else his commands may want to know of him, who may be gone by then */
	uint64_t number;
	uint64_t started; /* of his process, as coordinator/process.h has it; 0: not known, or he has left */
	int32_t owner;	  /* his pid, also when it is free */
	int32_t tid;	  /* as he says */
	char name[LAYOUT_THREAD]; /* the same: of his thread */
	uint32_t attached;	  /* which he is in the table of those, plus one; 0: he has no place there */
	uint32_t unused;
	int64_t since_ns;			/* CLOCK_REALTIME of when it was given out … */
	uint64_t seq_first, rejected_first; /* … and what `seq` and `rejected` were then */
	uint64_t unused2[12];
};
_Static_assert(sizeof(struct lane_row) == 3 * LAYOUT_LINE, "a lane's row is three lines");

#define REJECTS 256 /* the last ones are kept: rejection n at n % REJECTS */
struct reject {
	_Atomic uint64_t number; /* of the rejection, from 1; 0 while the rest is written */
	uint64_t ticket;
	int64_t time_ns; /* CLOCK_REALTIME */
	int32_t code, pid;
	uint32_t lane, origin;
	char object[LAYOUT_NAME], class_name[LAYOUT_NAME], row[LAYOUT_NAME];
	char text[STOA_ERROR_MAX];
};
_Static_assert(sizeof(struct reject) == 40 + 3 * LAYOUT_NAME + STOA_ERROR_MAX, "a rejection has no gaps");

#define TRACED 1024 /* commands are kept as they were run: ticket t at t % TRACED */
enum { TRACED_TIMED = 0x100, TRACED_TICKS = 0x200 }; /* run_ns is known; it is what the coarse clock saw pass */
struct traced {
	_Atomic uint64_t ticket; /* plus one; 0 while the rest is written. It counts once `committed` has reached it */
	int64_t time_ns; /* CLOCK_REALTIME of its turn */
	uint64_t origin; /* as its record has them */
	uint32_t object, class_id;
	uint32_t row;
	uint16_t lane;
	_Atomic uint16_t kind; /* of the record, and these bits */
	int32_t pid, status;
	_Atomic int64_t run_ns;
	int64_t queued_ns; /* from its caller to its run; not with TRACED_TICKS */
};
_Static_assert(sizeof(struct traced) == 64, "a traced command is one cache line");

#define LOGGED 64 /* messages are kept: message n, from 1, at n % LOGGED */
struct logged {
	_Atomic uint64_t number; /* 0 while the rest is written */
	int64_t time_ns;	 /* CLOCK_REALTIME */
	int32_t pid, priority;	 /* as syslog(3) has it */
	char text[488];
};
_Static_assert(sizeof(struct logged) == 512, "a message is an eighth of a page");

#define ATTACHED 1024 /* processes that are told of, in the places of the roster; more can be attached */
struct attached {
	_Atomic int32_t pid; /* 0: none */
	uint32_t uid, read_only;
	_Atomic uint32_t evicted; /* it lives, and may not come back */
	int64_t since_ns; /* CLOCK_REALTIME */
	char name[LAYOUT_THREAD]; /* as it says */
	uint64_t unused2[3];
};
_Static_assert(sizeof(struct attached) == 64, "an attached process is one cache line");

struct class_entry {
	_Atomic uint64_t image; /* offset of its description, a tpl image; 0: not there */
	uint64_t image_size;
	char name[LAYOUT_NAME];
	uint32_t tallies; /* the first of its methods', one more for its assignments behind them; TALLIES_NONE */
	uint32_t unused;
	uint64_t unused2[5];
};
_Static_assert(sizeof(struct class_entry) == LAYOUT_LINE, "a class entry is one line");
#define CLASSES_MAX 4096
#define CLASSES_DECLARED_MAX 3072 /* when there are so many, clients declare no more: programs have classes, too */

/*
 * What was done to an object, or by a method: the coordinator counts as commands end, before they are committed, and the
 * turn after a death counts once more what it runs again. Nothing else depends on it.
 */
struct tallied {
	_Atomic uint64_t calls, failed; /* failed: of the calls */
	_Atomic uint64_t timed;         /* of the calls: those whose time was taken … */
	_Atomic uint64_t time_ns;       /* … and its sum */
};
_Static_assert(sizeof(struct tallied) == 32, "a tally is half a cache line");
#define TALLIES 2048 /* methods that are counted */
#define TALLIES_NONE UINT32_MAX

struct object_entry {
	_Atomic uint64_t born; /* tag; 0: free */
	_Atomic uint64_t body; /* offset of its body */
	_Atomic uint32_t crashes; /* of coordinators that loaded it; at CRASHES_MAX it is quarantined */
	uint32_t class_id;        /* as its body has it; the coordinator's, who need not look at the body then */
	uint32_t unused[10];
	char name[LAYOUT_NAME];
};
_Static_assert(sizeof(struct object_entry) == LAYOUT_LINE, "an object entry is one line");

/* The two cells of a piece of an object's state. */
struct part {
	struct tags tags;
	_Atomic uint64_t cell[2]; /* offsets */
};
_Static_assert(sizeof(struct part) == 32, "a part is four words");

/* An object as proxies hold it. The memory of a body only ever becomes another body: its incarnation tells. */
struct body {
	_Atomic uint64_t incarnation; /* unique in the namespace; 0: none */
	_Atomic uint64_t died;        /* tag; 0: alive */
	uint64_t origin;              /* incarnation under which the object was created: a changed class keeps it */
	uint32_t object, class_id;    /* its entry, its class's entry */
	uint32_t flags_at, n_flags;   /* its flags: one for "all writable", then one per attribute; 0: none yet */
	uint32_t n_parts, unused;
	uint64_t unused2[2];
	struct part parts[];
};
_Static_assert(sizeof(struct body) == 64, "a body's head is one cache line");

/* Every block of the heap begins with its capacity; readers never look at it. */
struct block {
	uint64_t capacity; /* bytes behind this head */
	uint64_t self;     /* offset of those bytes: tells a block from bytes that look like one */
	uint32_t use;      /* enum block_use */
	uint32_t claimed;  /* the heap's generation that knows of it: it is in use, or in the list of free ones */
	uint64_t unused[5];
};
_Static_assert(sizeof(struct block) == 64, "what follows a block's head is aligned to 64");
enum block_use { BLOCK_CELL = 1, BLOCK_BODY, BLOCK_CLASS };

/* One version of a part: this head, one stamp per attribute in it, then the tpl image. */
struct cell {
	_Atomic uint64_t size; /* of the image */
	uint64_t unused;
};
_Static_assert(sizeof(struct cell) == 16, "a cell's head is two words");
struct stamp {
	uint64_t version, changes;
	int64_t time_ns;
	uint32_t pid, client;
};
_Static_assert(sizeof(struct stamp) == 32, "a stamp is four words");

/* ---- ingress ---------------------------------------------------------------------------------------------- */

/* Reads that waited for a pending write, as those who waited say. */
#define BARRIER_FIRST 4096 /* ns: they are counted by their wait, below this, below twice as much, and so on */
#define BARRIER_STEPS 24
struct barrier {
	_Atomic uint64_t waited[BARRIER_STEPS]; /* the last: all that waited longer */
	_Atomic uint64_t ns;			/* of all but those that had no need to look at the clock */
};

struct ingress_head {
	struct segment_head head;
	alignas(LAYOUT_LINE) _Atomic uint64_t tail;     /* a hint: the slots themselves say what is filled */
	alignas(LAYOUT_LINE) _Atomic uint32_t doorbell; /* bit 0: it sleeps, ring its eventfd; above: which sleep */
	_Atomic int64_t rung_ns;			/* CLOCK_MONOTONIC of just before it was last rung; a hint */
	_Atomic uint64_t run; /* src/fold.h; here, since who publishes looks at this line, too, and it seldom changes */
	_Atomic uint32_t rung_cpu;			/* plus one: of who last rang; a hint, as is rung_ns */
	alignas(LAYOUT_LINE) _Atomic uint32_t room;     /* park word of those who wait for a free slot … */
	_Atomic uint32_t aside;				/* … and of those who do on the coordinator's own CPU */
	alignas(LAYOUT_LINE) _Atomic uint64_t watchers[LAYOUT_PAGE / 64 * 2]; /* lanes whose loop watches objects */
	alignas(LAYOUT_LINE) struct barrier barrier;
};
_Static_assert(sizeof(struct ingress_head) <= LAYOUT_PAGE, "the head of the ingress is one page");
#define RING_AT LAYOUT_PAGE /* of the ingress */

/* ---- lane ------------------------------------------------------------------------------------------------- */

#define LANE_UNIT 128u
#define LANE_LIMIT (UINT64_C(64) << 20) /* of a lane: an offset has 19 bits of units */
#define LANE_ARENA LAYOUT_PAGE          /* where records begin */
#define LANES_MAX 8191                  /* a lane number has 13 bits; the last is special */
#define THREADS_MAX (LANES_MAX / 2)

struct lane_head {
	struct segment_head head;
	alignas(LAYOUT_LINE) _Atomic uint32_t answer; /* park word of its thread */
	_Atomic uint32_t done; /* the coordinator has taken the lane back: nothing in it is taken from here on, and its
				* number may be another's, with its row … */
	struct lane_cell last; /* … which said this in the end */
	/* Its thread's word for what it sleeps on, for who looks at it from outside. */
	alignas(LAYOUT_LINE) _Atomic uint32_t waits; /* enum lane_waits */
	_Atomic uint32_t waits_for;		     /* WAITS_OBJECT: its entry */
	_Atomic int64_t waits_ns;		     /* CLOCK_MONOTONIC: since when */
	_Atomic uint32_t left; /* its client has detached: a coordinator that begins an epoch may not have heard of it */
};
enum lane_waits { WAITS_NOT, WAITS_ANSWER, WAITS_ROOM, WAITS_OBJECT };
_Static_assert(sizeof(struct lane_head) <= LANE_ARENA, "records begin behind the head of a lane");

#define MANY_MAX 256 /* records in a RECORD_MANY */
enum record_kind {
	RECORD_CALL = 1,
	RECORD_ASSIGN,
	RECORD_ASSIGN_ALL,
	RECORD_CREATE,
	RECORD_REMOVE,
	RECORD_MANY,
	RECORD_FOLD,
	RECORD_DECLARE, /* its arguments are the description of a class that needs no code (src/declared.h) */
	RECORD_STAGE,
};

enum cancel {
	CANCEL_NOT,
	CANCEL_TIMED_OUT, /* it shall not be applied, if this is seen before `taken` passes; nor answered later */
	CANCEL_LET_GO,	  /* it shall not be answered later … */
	CANCEL_LOST,	  /* … since there was no coordinator */
};

/* A command's bytes; args_size bytes of arguments follow. The coordinator copies first, then checks, then uses. */
struct record {
	uint64_t seq;         /* one more than the lane's record before it: no record is taken twice */
	uint64_t origin;      /* of the object: whatever form it has by now */
	uint32_t object;      /* its entry */
	uint32_t row;         /* method, or attribute of RECORD_ASSIGN; RECORD_MANY: how many records follow */
	uint32_t args_size, reply_size; /* bytes; 0: no answer wanted */
	uint16_t class_id;    /* the class, as bound, that row belongs to */
	uint8_t kind;         /* enum record_kind */
	uint8_t timed;        /* it is one of those, some one in 64, whose times are taken */
	_Atomic uint32_t cancel; /* enum cancel, set by the owner */
	/* What follows counts only where it is said above. */
	uint32_t reply_at, unused; /* from here */
	int64_t sent_ns;           /* CLOCK_MONOTONIC */
	uint64_t unused2;
};
_Static_assert(CLASSES_MAX <= UINT16_MAX, "a record has 16 bits of its class");
_Static_assert(sizeof(struct record) == 64, "a record's head is one cache line");

#define REPLY_LATER INT32_MIN /* as its status: a struct later follows, and takes the answer */
struct reply {
	uint64_t done; /* ticket + 1 */
	int32_t status;
	uint32_t size;   /* of the result image, or of the error's text */
	uint32_t origin; /* enum stoa_origin */
	uint32_t failed; /* RECORD_MANY: which of them */
	/* ticket + 1, stored once `committed` is above the ticket: who spins here needs no other line */
	_Atomic uint64_t valid;
};
_Static_assert(sizeof(struct reply) == 32, "a reply's head is four words");

/* The answer to a command whose method has deferred it (src/later.h); the result image, or the text, follows. */
struct later {
	_Atomic uint64_t state; /* later_state */
	_Atomic uint64_t by;	/* ticket + 1 of the command that gives it: it counts once `committed` has reached it */
	int32_t status;
	uint32_t size, origin, unused; /* as in struct reply */
};
_Static_assert(sizeof(struct later) == 32, "it is written with the reply's head, as one line");

/* The arguments of RECORD_FOLD. Not an image: they grow while they are queued. */
struct fold_args {
	uint64_t chain; /* of records whose sums go on from one another: one more than the number of the first */
	_Atomic uint32_t which; /* of the sums counts: 0 or 1 */
	uint32_t unused;
	_Atomic uint64_t sums[2][1 + FOLD_FIELDS]; /* as in struct fold_sums */
};
_Static_assert(sizeof(struct fold_args) == 160, "its arguments have no gaps");

/*
 * What follows them: nothing, the image of what the init hook (or the state) takes, or those of all parts in order; or
 * the latter came before, in pieces.
 */
enum create_from { CREATE_FROM_ZERO, CREATE_FROM_INIT, CREATE_FROM_PARTS, CREATE_FROM_STAGED };

/* The arguments of RECORD_CREATE. */
struct create_args {
	char object[LAYOUT_NAME];
	char class_name[LAYOUT_NAME];
	uint32_t excl, from; /* enum create_from */
};
_Static_assert(sizeof(struct create_args) == 2 * LAYOUT_NAME + 8, "its arguments have no gaps");

/* The arguments of RECORD_STAGE: a piece of the images of a new object's parts follows. */
struct stage_args {
	uint64_t offset; /* where it belongs; 0 begins anew */
};

/* ---- computing it ------------------------------------------------------------------------------------------ */

#define LAYOUT_QUEUE_MIN 16u
#define LAYOUT_QUEUE_MAX (1u << 22)

/* Fill in the computed fields. -EINVAL: a count is out of range (text names the option and the range). */
int layout_geometry(struct geometry *g, char text[STOA_ERROR_MAX]);

/* What there is to reach by offset: the state and ingress segments as mapped here,
 * with their geometry kept privately. */
struct space {
	struct geometry geometry;
	struct state_head *state; /* read-only in clients */
	struct ingress_head *ingress; /* read-only in read-only clients */
};

static inline void *space_state(const struct space *s, uint64_t at) { return (char *)s->state + at; }
static inline uint32_t space_lanes(const struct space *s) { return 2 * s->geometry.lanes; }
static inline struct lane_row *space_lane(const struct space *s, uint32_t i)
{
	return (struct lane_row *)space_state(s, s->geometry.lanes_at) + i;
}
static inline struct class_entry *space_class(const struct space *s, uint32_t i)
{
	return (struct class_entry *)space_state(s, s->geometry.classes_at) + i;
}
static inline struct tallied *space_tally(const struct space *s, uint32_t i)
{
	return (struct tallied *)space_state(s, s->geometry.tallies_at) + i;
}
static inline struct tallied *space_object_tally(const struct space *s, uint32_t i)
{
	return (struct tallied *)space_state(s, s->geometry.object_tallies_at) + i;
}
static inline struct object_entry *space_object(const struct space *s, uint32_t i)
{
	return (struct object_entry *)space_state(s, s->geometry.objects_at) + i;
}
static inline struct reject *space_reject(const struct space *s, uint64_t number)
{
	return (struct reject *)space_state(s, s->geometry.rejects_at) + number % REJECTS;
}
static inline struct traced *space_traced(const struct space *s, uint64_t ticket)
{
	return (struct traced *)space_state(s, s->geometry.trace_at) + ticket % TRACED;
}
static inline struct logged *space_logged(const struct space *s, uint64_t number)
{
	return (struct logged *)space_state(s, s->geometry.log_at) + number % LOGGED;
}
static inline struct attached *space_attached(const struct space *s, uint32_t i)
{
	return (struct attached *)space_state(s, s->geometry.attached_at) + i;
}
static inline _Atomic uint64_t *ingress_ring(struct ingress_head *ingress)
{
	return (_Atomic uint64_t *)((char *)ingress + RING_AT);
}
static inline _Atomic uint64_t *space_ring(const struct space *s)
{
	return ingress_ring(s->ingress);
}
/* The park word of those who wait for object i to change, or for a command on it. */
static inline _Atomic uint32_t *space_park(const struct space *s, uint32_t i)
{
	return (_Atomic uint32_t *)((char *)s->ingress + s->geometry.parks_at) + i;
}
static inline _Atomic uint64_t *space_flags(const struct space *s, uint32_t at)
{
	return (_Atomic uint64_t *)((char *)s->ingress + s->geometry.flags_at) + at;
}

#endif
