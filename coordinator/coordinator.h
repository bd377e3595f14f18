/*
 * coordinator.h: the coordinator's own memory. All of it is rebuilt from the state at each start (load.c).
 *
 * A turn (commit.c) takes a batch off the ring, runs each command (command.c, run.c), writes the parts that changed,
 * then the lanes' and the totals' cells and the answers, and stores `committed`. Nothing that a turn wrote counts
 * before that.
 */
#ifndef STOA_COORDINATOR_H
#define STOA_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "coordinator/heap.h"
#include "coordinator/mirror.h"
#include "coordinator/namespace.h"
#include "coordinator/process.h"
#include "src/image.h"
#include "src/part.h"

struct span {
	uint32_t at, size;
};

/* A method as it is run here. */
struct server_method {
	const struct stoa_method *row;
	struct image_layout *args, *ret;
	uint32_t *writes, *reads;
	uint32_t n_writes, n_reads;
	struct span *others; /* the bytes of the struct that are of attributes which it does not declare to write */
	uint32_t n_others;
	uint32_t *choosy, n_choosy; /* of what it writes: attributes that can be left as no image may have them */
	bool fixed;	      /* it writes no text or blob */
	int64_t deadline;
	uint32_t ret_max;
	struct tallied *tally;
};

#define CLASS_UNPUBLISHED UINT32_MAX

/* A class that this coordinator has code for, or that needs none. */
struct server_class {
	const struct stoa_class *code;
	struct declared *declared; /* it needs none: `code` is this one's; NULL: it is the program's */
	uint32_t id; /* its description's entry in the state, or CLASS_UNPUBLISHED */
	uint32_t n_methods;
	/* from here on: once an object needs it, see classes_make */
	struct class_plan *plan;
	struct server_method *methods;
	const struct server_method *on_leave; /* NULL: clients may leave */
	struct tallied *assigned;
	struct image_layout **attr_images; /* of single attributes, made when first assigned */
	struct image_layout *writable;
	uint32_t *writables, n_writables;
	struct image_layout *init; /* NULL: it is not made */
	UT_hash_handle hh;	   /* by name */
};

/* A description in the state, by entry: what commands and bodies refer to. */
struct server_description {
	const struct stoa_class *described;
	struct stoa_class *unpacked; /* NULL: it is as the program has it, too */
	struct server_class *current;  /* the class of that name; NULL: no code for it */
	int32_t *methods, *attrs;      /* its rows → those of current; -1: gone or changed; NULL: the same */
};

struct object {
	uint32_t index; /* of its entry */
	char name[LAYOUT_NAME];
	struct server_class *cls; /* NULL: no code: it can be read, not called */
	uint32_t class_id;
	uint64_t body_at, incarnation;
	struct body *body;
	void *mirror; /* the live struct; NULL: nobody has needed it here yet, or never can (no cls) */
	struct mirror mirror_memory;
	void *shadow; /* the mirror as the last good command left it */
	struct stamp *stamps; /* by the plan's order */
	uint8_t *current;     /* part → its committed cell */
	uint8_t *dirty;       /* part → changed in this turn */
	uint32_t *dirty_parts, n_dirty;
	bool roomy;	      /* each part of fixed size has both its cells */
	stoa_blob *packed;    /* hooks: parts as packed by the command in hand */
	bool queued;          /* in the turn's list of objects to wake or write */
	bool removed;
	const char *quarantined; /* why: it can be read, not called; NULL: it is not */
	UT_hash_handle hh; /* by name */
};

struct server_lane {
	void *base; /* NULL: not mapped */
	volatile int damaged; /* its owner truncated it */
	uint64_t seq, rejected;
	struct fold_applied folded;
	struct stoa_client owner; /* of what is in it, also when he is gone */
	uint8_t current; /* cell of its row */
	bool queued;     /* in the turn's list */
	bool old;        /* of an epoch before, with commands in the ring: it is not given out */
	struct staged *staged; /* NULL: nothing */
};

/* One method, or assignment, run but not settled: what it may have changed. */
struct step {
	struct object *object;
	const uint32_t *attrs; /* declared, ascending */
	uint32_t n_attrs, one; /* one: of a single assignment */
	uint32_t touched_from, touched_to; /* in touched_parts */
	bool fixed;    /* none of them is a text or blob */
	bool assigned; /* a new version even where the bytes are the same */
};

/* What a command came to, on its way to the answer or the record of rejections. */
struct outcome {
	int status;
	enum stoa_origin origin;
	char text[STOA_ERROR_MAX];
};

/* What a client may do. */
enum rights { RIGHTS_NONE, RIGHTS_READ, RIGHTS_WRITE };

#define BATCH_MAX 128 /* commands of a turn: bounds how long the first answer waits for the last */
#define TURN_MAX (BATCH_MAX + 64) /* the same, with those that must not be committed later (FOLD_BLOCK) */

/*
 * A command's answer. Its owner may be spinning on its line, and takes that from us at each look: so the head, and the
 * bytes behind it if they are few, are written in one go with the commit.
 */
struct answer {
	struct reply *to;
	struct reply head;
	uint32_t staged; /* of bytes; 0: they are there already */
	char bytes[64 - sizeof(struct reply)];
};

/* An answer that the command in hand gives to an earlier one (later.h). */
struct given {
	struct later *to;
	uint64_t ticket; /* of that one */
	uint32_t lane;
	int32_t status;
	uint32_t size;
};

/* coordinator/former.h */
struct former {
	uint64_t number; /* 0: none */
	pid_t pid;
	int pid_fd;
};

#define NEWCOMERS 64

/* A connection that has not said hello. */
struct newcomer {
	bool used;
	enum rights rights;
	int fd;
	int64_t until_ns;
};

struct coordinator {
	struct namespace *ns;
	struct {
		_Atomic int here;
	} *own; /* a page that a fork empties: tells the coordinator from what its methods fork */
	const struct space *space;
	struct segment_head ingress_head; /* as it was when we began */
	volatile int ingress_damaged;     /* a client truncated it */
	struct heap heap;
	int epoll_fd, signal_fd, state_ro_fd, ingress_ro_fd; /* read-only ones are for clients */
	struct process_limits limits; /* as they were when we began */
	int proc_fd; /* /proc/self, wherever a method has changed our root to */

	struct server_class *classes;
	struct server_description *descriptions;
	uint32_t n_descriptions;
	struct object **objects; /* by entry */
	struct object *by_name;
	uint32_t room_objects;
	uint32_t *free_entries, n_free_entries;
	bool successor; /* the one before us served, under the same guardian: we need not look at all the state first */
	uint32_t tidied, untidy_end; /* entries between these may have objects that we have not listed */

	struct server_lane *lanes;
	uint64_t staged; /* bytes of room of what is staged in them */
	bool verify;
	int64_t measured_ns; /* our memory, last */
	uint32_t n_users; /* clients that can write */
	bool had_user;
	struct newcomer newcomers[NEWCOMERS];
	uint32_t n_newcomers;
	int spare_fd;	       /* closed for a moment when there is no other descriptor */
	int64_t full_said_ns;
	int64_t deaf_until_ns; /* when to listen again; 0: we do */
	uint32_t n_ending;     /* lanes whose owner is gone */
	bool doubtful;	       /* a writer is gone, who may have left lies in the ingress */
	uint32_t leaving;	/* as in the state: the next place to be told that clients have left */
	uint64_t leave_end;     /* behind the last word that we put into the ring */
	struct former *formers;
	uint32_t n_formers;
	bool any_minds;		/* false: no object is of a class that minds */
	uint64_t old_until;    /* `committed` here: lanes of epochs before are done with; UINT64_MAX: they are */
	int stopping; /* -1: no; else enum stoa_stop */
	int64_t mended_ns; /* when the whole ring was looked at */
	uint64_t end; /* of the ring, once closed */
	bool closed;

	/* the turn */
	uint64_t head;   /* == committed between turns */
	uint64_t ticket; /* of the command in hand */
	bool rush;       /* casts are folded faster than they are taken */
	int64_t spin_ns;    /* how long it waits for more before it sleeps */
	int64_t moved_ns;   /* when it last left a CPU to a caller … */
	int64_t move_pause_ns; /* … which it does not again for so long; … */
	bool moves;	       /* … if there was another for it */
	uint64_t room_told; /* head when those who wait for room were last woken */
	int64_t now_ns;  /* CLOCK_REALTIME of the turn */
	int64_t tick_ns; /* the coarse clock, when it was last read */
	uint64_t noted;	 /* what began then, as pulse.running; 0: nothing in this turn */
	struct traced *trace; /* in the state */
	struct tallied *tallies; /* there, too: by object */
	struct tallied uncounted; /* of all methods for which there is no room */
	struct totals totals;
	uint8_t totals_current;
	struct object **touched; /* objects with commands in this turn */
	uint32_t n_touched, room_touched;
	bool directory_changed;
	uint32_t *lanes_touched, n_lanes_touched;
	struct answer answers[TURN_MAX];
	uint32_t n_answers;
	bool deferred; /* the command in hand answers later */
	uint64_t gave_up; /* ticket + 1 of the last that could not, as its caller had timed out since it was taken */
	struct given given[GIVEN_MAX];
	uint32_t n_given;
	struct step steps[MANY_MAX];
	uint32_t n_steps;
	bool ran; /* a method, in this process */
	bool ran_before; /* … before the turn in hand: what must be committed together ran before it in any process */
	bool hook_timed; /* the hook that runs has a deadline of its own */
	struct outcome outcome;
	struct stoa_client caller; /* of the command in hand */

	/* scratch, grown as needed, never per command in the steady state */
	unsigned char *bytes, *args, *ret;
	size_t bytes_room, args_room, ret_room;
	uint32_t *touched_parts, n_touched_parts, room_touched_parts; /* named by stoa_touch */
};

/* Put the command's failure into c->outcome and return code. */
int outcome_set(struct coordinator *c, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with the thread's error, which the library has set with this code. */
int outcome_library(struct coordinator *c, int code);

/*
 * Something failed with this code: if it did because a method has closed the descriptors of this process or lowered its
 * limits, end it. The next coordinator has the guardian's.
 */
void coordinator_check_process(const struct coordinator *c, int code);

/* Make *buffer at least size bytes. -ENOMEM. */
int scratch(unsigned char **buffer, size_t *room, size_t size);

/* False: a client made the ingress shorter, or longer; the coordinator ends at its next turn, the next one mends it. */
bool coordinator_check_ingress(struct coordinator *c);
void coordinator_begin_stop(struct coordinator *c, enum stoa_stop how);

/*
 * What coordinator_run begins and ends with: everything rebuilt from the state, which may be damaged, and given back.
 * ns and space are set. Forget after a failure, too.
 */
int coordinator_recover(struct coordinator *c);
void coordinator_forget(struct coordinator *c);

/* The coordinator of this process while coordinator_run runs; NULL in clients. */
extern struct coordinator *coordinator_self;

#endif
