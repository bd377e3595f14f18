/*
 * stoa.h - live objects shared between the processes of one Linux machine.
 *
 * Many processes call methods on an object; one coordinator process applies the calls, one at a time, in one
 * order; every process reads the result straight from shared memory and never sees stale data.
 *
 * Conventions. 0 is success, a negative errno value is failure; a positive return is documented where it occurs.
 * Out parameters come last, are named ret_x and are untouched on failure. Timeouts are relative nanoseconds:
 * STOA_NOWAIT, STOA_DEFAULT (5 s) or STOA_MS(n). Pointers are borrowed for the length of the call unless said
 * otherwise. Structs that the library fills in have room to grow (reserved); those that you fill begin with their size,
 * or come from a macro. The library never prints and never exits. Everything here is there since 0.1. stoa(3) has the
 * rest.
 */
#ifndef STOA_H
#define STOA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STOA_PUBLIC __attribute__((visibility("default")))

/* ---- limits and special values ---------------------------------------------------------------------------- */

#define STOA_NAME_MAX 63   /* bytes in the name of a namespace, class, object, method or (dotted) attribute */
#define STOA_ERROR_MAX 256 /* bytes of an error text, with its final NUL */
#define STOA_RANK_MAX 3    /* dimensions of an array attribute */
#define STOA_ABI 1         /* of the class tables below */

#define STOA_NOWAIT ((int64_t)0)    /* do not wait at all: -EAGAIN instead */
#define STOA_DEFAULT ((int64_t)-1)  /* options.timeout, or 5 s */
#define STOA_MS(n) ((int64_t)(n)*1000000)

#define STOA_ALL UINT32_MAX /* instead of an attribute: any attribute of the object */

/* ---- opaque handles --------------------------------------------------------------------------------------- */

struct stoa;       /* a namespace: one handle for a process, all its threads and its forked children */
struct stoa_proxy; /* a handle to one object of it, as widely usable */

/* ---- the type vocabulary ---------------------------------------------------------------------------------- */

enum stoa_kind {
	STOA_I8 = 1,
	STOA_I16,
	STOA_I32,
	STOA_I64,
	STOA_U8,
	STOA_U16,
	STOA_U32,
	STOA_U64,
	STOA_F32,
	STOA_F64,
	STOA_BOOL,
	STOA_CHARS, /* char[N]: text of at most N - 1 bytes; the last dimension is the length */
	STOA_TEXT,  /* stoa_text: text of any length, or none */
	STOA_BLOB,  /* stoa_blob: bytes of any length */
};

/*
 * Text and bytes of any length. In arguments: yours, borrowed. In the state and in results: the library's; set them
 * with the functions below only. A result that you receive must be zeroed (or an earlier result) before the call, and
 * is freed with stoa_text_fini() or stoa_blob_fini(). data == NULL is "no text", which differs from "". An argument has
 * its size: write STOA_TEXT_OF("tea"), since (stoa_text){ "tea" } has size 0 and is "".
 */
typedef struct stoa_text {
	char *data;  /* size bytes and a NUL */
	size_t size;
} stoa_text;

typedef struct stoa_blob {
	void *data;
	size_t size;
} stoa_blob;

/* A string as an argument: borrowed, not copied, and not changed. NULL: no text. */
#define STOA_TEXT_OF(string) stoa__text_of(string)
static inline stoa_text stoa__text_of(const char *string)
{
	stoa_text text = { (char *)string, string ? __builtin_strlen(string) : 0 };
	return text;
}

STOA_PUBLIC int stoa_text_set(stoa_text *text, const char *from);                    /* copies; NULL: none; -ENOMEM */
STOA_PUBLIC int stoa_text_set_n(stoa_text *text, const char *from, size_t n);
STOA_PUBLIC int stoa_blob_set(stoa_blob *blob, const void *from, size_t n);
STOA_PUBLIC void stoa_text_fini(stoa_text *text); /* frees, leaves it empty; NULL is allowed */
STOA_PUBLIC void stoa_blob_fini(stoa_blob *blob);

/* ---- class tables (fill them with the macros below) ------------------------------------------------------- */

struct stoa_attr {
	const char *name; /* "requests"; nested: "position.x" */
	const char *unit; /* "byte"; NULL: none */
	const char *doc;  /* one line; NULL: none */
	uint32_t offset;  /* in the C struct, bytes: also how the attribute is named in calls */
	uint32_t size;    /* of the whole member, bytes */
	uint32_t dims[STOA_RANK_MAX];
	uint8_t rank; /* 0: a scalar */
	uint8_t kind; /* enum stoa_kind, of one element */
	bool writable; /* may be assigned from outside a method */
	uint8_t unused;
	const void *reserved[2];
};

struct stoa_struct {
	const char *name;
	uint32_t size; /* sizeof, bytes */
	uint32_t align;
	const struct stoa_attr *attrs;
	uint32_t n_attrs;
};

struct stoa_method {
	const char *name;
	const char *class_name;
	int (*run)(void *self, const void *args, void *ret); /* NULL: no code in this process */
	const struct stoa_struct *args; /* NULL: none */
	const struct stoa_struct *ret;  /* NULL: none */
	const char *writes; /* attribute names, blank-separated; "*": all; "position" means all of position.* */
	const char *reads;  /* of a read-only method */
	const char *doc;
	int64_t deadline; /* longest run, ns; 0: the coordinator's (1 s) */
	uint32_t ret_max; /* largest encoded result, bytes; 0: 64 KiB if it has text or blobs */
	bool reader; /* changes nothing; runs in the client where its code is there */
	bool folds;  /* adds its arguments to the state, and nothing else: casts may be run as one, with their sums */
	bool on_leave; /* the coordinator calls it, too: when clients have left */
	uint32_t *index; /* its place in its class, filled in at registration */
};

/*
 * For a class whose state is not one struct. init runs on zeroed memory; fini frees what the others made. pack gives
 * the bytes of one part (set them with stoa_blob_set), unpack takes them back, into memory that init has not seen.
 * Methods of such a class call stoa_touch(part); parts nobody touched are not written again. by_part: unpack also takes
 * a part for one that is there, and replaces it. Then only what a failed method touched is undone, and not by fini and
 * unpack of all.
 */
struct stoa_hooks {
	const struct stoa_struct *init_args; /* what stoa_create takes; NULL: the state struct itself */
	int (*init)(void *self, const void *args);
	void (*fini)(void *self);
	uint32_t parts; /* packed parts beside the attributes; 0: none */
	int (*pack)(const void *self, uint32_t part, stoa_blob *ret);
	int (*unpack)(void *self, uint32_t part, const void *data, size_t size);
	bool by_part; /* unpack replaces: a failed method costs what it touched */
};

struct stoa_class {
	const char *name;
	uint32_t abi;     /* STOA_ABI of the header it was compiled with: newer members of its tables are not read */
	uint32_t version; /* shown, never compared: rows are compared one by one */
	const struct stoa_struct *state;
	const struct stoa_method *const *methods; /* ends with NULL; NULL: none */
	const struct stoa_hooks *hooks;           /* NULL: none */
	const char *doc;
	/*
	 * Does a state do that comes from outside of the methods: given to a new object (is_new), assigned, or loaded? As
	 * a method does, it returns 0, or fails by stoa_fail(), and nothing has changed. NULL: any does.
	 */
	int (*validate)(const void *self, bool is_new);
};

typedef struct stoa_none {
	char unused;
} stoa_none; /* no arguments, or no result */

/* ---- options, stamps, errors, health ---------------------------------------------------------------------- */

enum {
	STOA_JOIN = 1 << 0,      /* start: attach if the namespace is already served */
	STOA_READ_ONLY = 1 << 1, /* attach: without any writable mapping */
	STOA_VERIFY = 1 << 2,    /* start: check undeclared writes in objects of any size, and undeclared reads */
	STOA_KEEP = 1 << 3,      /* start: the state stays when the coordinator stops, for the next start */
	STOA_EXCL = 1 << 4,      /* create: fail with -EEXIST if the object is there */
	STOA_COMMITTED = 1 << 5, /* dump: what is committed now, without waiting for pending writes */
};

/* Limits are taken when the namespace is made; 0 means the default in parentheses. Make it with STOA_OPTIONS(). */
struct stoa_options {
	size_t size;          /* sizeof(struct stoa_options) */
	unsigned flags;
	int64_t timeout;      /* how long start and attach wait, and what STOA_DEFAULT means, ns (5 s) */
	uint64_t max_state;   /* bytes of state (1 GiB); memory is taken as it is needed */
	uint32_t max_objects; /* (65536) */
	uint32_t max_threads; /* attached threads of all clients (1024) */
	uint32_t max_attrs;   /* attributes of all objects together (4194304) */
	uint32_t max_queue;   /* commands in the queue, a power of two (8192) */
	int64_t deadline;     /* longest run of a method, ns (1 s) */
	const uid_t *uids;    /* users beside the coordinator's own who may attach */
	uint32_t n_uids;
	void (*log)(void *data, int priority, const char *text); /* syslog(3) priorities; NULL: nowhere */
	void (*ready)(void *data); /* stoa_serve: called once clients can attach */
	void (*alive)(void *data); /* stoa_serve: called several times a second while the coordinator does well */
	void *data;
	gid_t group;           /* whose members may attach (0: none) */
	gid_t read_only_group; /* whose members may attach with STOA_READ_ONLY (0: none) */
};

/* Who changed an attribute last, and when. For a snapshot: the newest change in it. */
struct stoa_stamp {
	uint64_t version; /* ticket of the change, plus one: grows with every change */
	uint64_t changes; /* how many there were; of a snapshot: of all its attributes */
	int64_t time_ns;  /* of the commit, CLOCK_REALTIME */
	uint32_t pid;     /* of the writer, as the coordinator sees it */
	uint32_t client;  /* its lane */
	uint64_t reserved[3];
};

enum stoa_origin { STOA_FROM_LIBRARY, STOA_FROM_METHOD };

struct stoa_error {
	int code;                /* as returned */
	enum stoa_origin origin; /* whose error it is */
	bool may_apply;          /* the command may still be applied: see stoa_await */
	uint64_t ticket;         /* of the command; 0 if there was none */
	char text[STOA_ERROR_MAX];
	uint64_t reserved[4];
};

enum stoa_verdict { STOA_HEALTHY, STOA_SUSPECT, STOA_GONE };

struct stoa_health {
	enum stoa_verdict verdict;
	pid_t coordinator, guardian; /* 0: none */
	int64_t heartbeat_age;       /* ns */
	uint64_t pushed, applied, rejected, abandoned; /* commands; pushed = the others + queued */
	uint64_t queued;
	uint64_t restarts; /* of the coordinator since the namespace was started */
	uint32_t objects, threads;
	int64_t running_for; /* ns the method below runs; 0: idle */
	char object[STOA_NAME_MAX + 1], method[STOA_NAME_MAX + 1];
	char text[STOA_ERROR_MAX]; /* the verdict and why, one line */
	uint64_t resident, resident_start; /* bytes of memory of the coordinator, now and when it began to serve */
	uint64_t folded; /* casts that joined a command which was queued already; not in the numbers above */
	int64_t started_ns; /* when its guardian began to serve, CLOCK_REALTIME; 0: it never did */
	uint32_t clients;   /* processes that are attached; of a dead coordinator, those that were */
	uint32_t unused;
	uint64_t reserved[13];
};

/* A command that was not applied, and why. */
struct stoa_rejection {
	uint64_t number; /* of the rejection, from 1 */
	uint64_t ticket;
	int64_t time_ns; /* CLOCK_REALTIME */
	int code;
	enum stoa_origin origin;
	uint32_t pid, client; /* whose command */
	char object[STOA_NAME_MAX + 1], class_name[STOA_NAME_MAX + 1], row[STOA_NAME_MAX + 1]; /* "": not known */
	char text[STOA_ERROR_MAX];
	uint64_t reserved[4];
};

/* One of several commands for stoa_call_many: the call of a method or, without one, the assignment of an attribute. */
struct stoa_command {
	struct stoa_proxy *proxy;
	const struct stoa_method *method; /* NULL: assign attr from args, which has size bytes */
	const void *args;
	void *ret; /* the result; may be NULL */
	uint32_t attr;
	size_t size;
	int status; /* filled in */
	uint64_t reserved[2]; /* zero */
};

enum stoa_what { STOA_ANSWER, STOA_CHANGE, STOA_LOST, STOA_BACK };

struct stoa_event {
	enum stoa_what what;
	int status;       /* STOA_ANSWER: as stoa_call would have returned */
	void *data;       /* as given to stoa_submit or stoa_watch */
	uint64_t ticket;  /* STOA_ANSWER */
	uint64_t version; /* STOA_CHANGE: of the newest change */
	uint64_t skipped; /* STOA_CHANGE: changes since the last event that were not told one by one */
	uint64_t reserved[4];
};

/* Who called, inside a method. */
struct stoa_client {
	pid_t pid;
	uid_t uid;
	uint32_t client; /* its lane */
	uint64_t number; /* of this attachment of its process: no other ever has it in the namespace; 0: nobody's */
	uint64_t reserved[2];
};

/* Who waits for an answer that a method has deferred: plain data, to be kept in the state (STOA_TOKENS). Zero: nobody. */
struct stoa_token {
	uint64_t word[5];
};

enum stoa_stop { STOA_DRAIN, STOA_NOW };

/* ---- namespace -------------------------------------------------------------------------------------------- */

/*
 * Start a guardian and a coordinator from this process, and attach to them. Call it early in main: before threads
 * (-EBUSY) and before workers are forked. The coordinator ends with its last client. -EEXIST: served already (the text
 * has the pid; STOA_JOIN attaches instead). -EINVAL: a class is wrong (the text names class, row and reason).
 */
STOA_PUBLIC int stoa_start(const char *name, const struct stoa_class *const *classes,
			   const struct stoa_options *options, struct stoa **ret_stoa);

/*
 * Be the coordinator: returns when stoa_stop or SIGTERM (drain) ends it. The calling process is the guardian; methods
 * run in a child that is forked anew when one crashes. Errors as stoa_start.
 */
STOA_PUBLIC int stoa_serve(const char *name, const struct stoa_class *const *classes,
			   const struct stoa_options *options);

/*
 * Attach to a namespace, NAME or another user's USER/NAME; waits up to options.timeout for it. -ENOENT: nobody serves
 * it. -EACCES: not allowed. -EPROTO: another layout. Attaching twice gives the same handle, counted. Free with
 * stoa_detach.
 */
STOA_PUBLIC int stoa_attach(const char *name, const struct stoa_options *options, struct stoa **ret_stoa);

/* Take this thread's lane now and not in its first call. -EMFILE: the limit of threads is reached. */
STOA_PUBLIC int stoa_attach_thread(struct stoa *stoa);

/*
 * Wait until what this thread cast is committed; how many of its commands were ever rejected. Casts that were folded
 * into one count as one.
 */
STOA_PUBLIC int stoa_sync(struct stoa *stoa, int64_t timeout, uint64_t *ret_rejected);

/* How the coordinator does. Never blocks, works when it is hung or dead. */
STOA_PUBLIC int stoa_health(struct stoa *stoa, struct stoa_health *ret_health);

/*
 * Call each() for the last rejections (256 are kept), oldest first, with a number above after; stops when it returns
 * non-zero. Never blocks, works when the coordinator is hung or dead.
 */
STOA_PUBLIC int stoa_rejected(struct stoa *stoa, uint64_t after,
			      int (*each)(void *data, const struct stoa_rejection *rejection), void *data);

/* End the coordinator: STOA_DRAIN applies what was accepted,
 * STOA_NOW abandons and counts it. Waits until it is gone. */
STOA_PUBLIC int stoa_stop(struct stoa *stoa, enum stoa_stop how, int64_t timeout);

/*
 * Detach a client that misbehaves: the process with this pid, as the coordinator sees it (stoa_clients), with all its
 * threads. What it had queued is applied; when this returns, nothing more of it will be. It may not attach again until
 * it ends or the namespace is started anew: its calls return -ECONNABORTED. 0: also if it was evicted before, or has
 * ended meanwhile. -ENOENT: it is not attached. -EINVAL: it is this one. -EACCES: attached read-only, or neither the
 * coordinator's user nor root. -ETIMEDOUT: evicted, but what it had queued is not done yet; or the coordinator
 * does not answer, and may evict it later: the text says which.
 */
STOA_PUBLIC int stoa_evict(struct stoa *stoa, pid_t pid, int64_t timeout);

/* Give the handle and all proxies of it back. NULL is allowed. Returns NULL. */
STOA_PUBLIC struct stoa *stoa_detach(struct stoa *stoa);

/* ---- objects ---------------------------------------------------------------------------------------------- */

/*
 * Create an object, or open it if one of an equal class is there (STOA_EXCL: -EEXIST). init: the first state, or what
 * the class's init hook takes; NULL: zero. -EPROTO: a row differs from the coordinator's (the text says how). A class
 * of rows alone need not be the coordinator's: it is declared then (stoa_signals). -ENOSPC: there are too many classes.
 */
STOA_PUBLIC int stoa_create(struct stoa *stoa, const char *object, const struct stoa_class *cls, const void *init,
			    unsigned flags, struct stoa_proxy **ret_proxy);

/* Open an object; waits for it up to timeout, then -ENOENT. NULL class: as the coordinator describes it. */
STOA_PUBLIC int stoa_open(struct stoa *stoa, const char *object, const struct stoa_class *cls, int64_t timeout,
			  struct stoa_proxy **ret_proxy);

/* Remove an object. Proxies to it answer -ESTALE from then on. */
STOA_PUBLIC int stoa_remove(struct stoa *stoa, const char *object, int64_t timeout);

/* Call each() for the objects whose name matches (fnmatch(3); NULL: all), by name; stops when it returns non-zero. */
STOA_PUBLIC int stoa_list(struct stoa *stoa, const char *pattern,
			  int (*each)(void *data, const char *object, const struct stoa_class *cls), void *data);

/*
 * Call each() for the classes, as the coordinator describes them, by name; stops when it returns non-zero. fingerprint
 * is of all rows, in any order, without docs and units: where it is the same, so are they.
 */
STOA_PUBLIC int stoa_classes(struct stoa *stoa,
			     int (*each)(void *data, const struct stoa_class *cls, uint64_t fingerprint), void *data);

/*
 * Make a class without C: its attributes, all writable, from n rows "position.x:f64 unit=m doc=..." (stoa_classes(7) has
 * the types), with offsets as C would have them. name NULL: one that its rows make, the same for the same rows. Its
 * method `add`, in the coordinator, takes struct stoa_signals_add. The class is the library's, and is never freed: the
 * same rows give the same again. stoa_create declares it to a coordinator that does not have it; so it does with any
 * class without methods and hooks. -EINVAL: the text names the row and what is wrong.
 */
STOA_PUBLIC int stoa_signals(const char *name, const char *const *rows, size_t n, const struct stoa_class **ret_class);

struct stoa_signals_add {
	stoa_text signal; /* which: a number, no array */
	double amount;	  /* to a whole number only a whole one, up to 2^53; -EOVERFLOW: there is no such number */
};

struct stoa_signals_value {
	double value; /* after it; of a whole number over 2^53, the nearest */
};

/* Create an object of a class that only the coordinator has code for; stoa_find_class describes its arguments. */
STOA_PUBLIC int stoa_find_class(struct stoa *stoa, const char *name, const struct stoa_class **ret_class);

STOA_PUBLIC struct stoa_proxy *stoa_close(struct stoa_proxy *proxy); /* NULL is allowed; returns NULL */

/*
 * Write the objects whose name matches (fnmatch(3); NULL: all), with what only their hooks know, to a descriptor, as of
 * one moment; stoa_operations(7) has the format. Behind the barrier, unless flags is STOA_COMMITTED: then also when
 * nobody serves. -ETIMEDOUT: a write is pending, or they change too fast. What write(2) fails with. ret_n may be NULL.
 */
STOA_PUBLIC int stoa_dump(struct stoa *stoa, const char *pattern, int fd, unsigned flags, int64_t timeout,
			  size_t *ret_n);

/*
 * Create the objects of a dump. All of it is read and checked before the first is created; what was created is removed
 * again when one is refused. -EBADMSG: it is no dump, or damaged. -EPROTO: an attribute of a class differs. -ENOENT: a
 * class is not there. -EEXIST: an object is. -EMSGSIZE: one is too large (32 MiB). timeout is that of each create.
 */
STOA_PUBLIC int stoa_load(struct stoa *stoa, int fd, int64_t timeout, size_t *ret_n);

/* ---- writes ----------------------------------------------------------------------------------------------- */

/*
 * Send a command and do not wait for its answer. Returns when it is in the queue: a read that starts afterwards, in any
 * process, sees it. -EAGAIN: no room within the timeout. A rejected one is counted and recorded (stoa_sync). Of a
 * method that folds, it may join the thread's newest one if that is still queued, and both then run as one.
 */
STOA_PUBLIC int stoa_cast(struct stoa_proxy *proxy, const struct stoa_method *method, const void *args,
			  int64_t timeout);

/*
 * Send a command and wait for its answer. The method's own error comes back as it returned it (stoa_last_error has its
 * text and origin). -ECANCELED: timed out, and will never apply. -ETIMEDOUT: timed out, and may still apply.
 */
STOA_PUBLIC int stoa_call(struct stoa_proxy *proxy, const struct stoa_method *method, const void *args,
			  void *ret_result, int64_t timeout);

/*
 * Send a command; its answer arrives through stoa_next (with data) or stoa_await. ret_result is written then, and must
 * live until then. The timeout bounds the answer; finding room never waits (-EAGAIN).
 */
STOA_PUBLIC int stoa_submit(struct stoa_proxy *proxy, const struct stoa_method *method, const void *args,
			    void *ret_result, void *data, int64_t timeout, uint64_t *ret_ticket);

/* Wait for the answer to a command of this thread that was submitted, or whose call timed out. -ENOENT: not kept. */
STOA_PUBLIC int stoa_await(struct stoa *stoa, uint64_t ticket, int64_t timeout);

/* Assign one writable attribute, as a command of its own. -EPERM: not writable. */
STOA_PUBLIC int stoa_assign(struct stoa_proxy *proxy, uint32_t attr, const void *value, size_t size, int64_t timeout);

/* Assign all writable attributes from a struct, as one command. */
STOA_PUBLIC int stoa_assign_all(struct stoa_proxy *proxy, const void *from, size_t size, int64_t timeout);

/* Several commands as one, all or nothing, on objects of one namespace; waits for the answers. At most 256. */
STOA_PUBLIC int stoa_call_many(struct stoa *stoa, size_t n, struct stoa_command *commands, int64_t timeout);

/* ---- reads ------------------------------------------------------------------------------------------------ */

/*
 * Read one attribute behind the barrier: after all writes to it that were accepted before. size is that of the C type.
 * -ETIMEDOUT: a pending write was not committed in time. -ESTALE: the object is gone. ret_stamp may be NULL.
 */
STOA_PUBLIC int stoa_get(struct stoa_proxy *proxy, uint32_t attr, void *ret_value, size_t size, int64_t timeout,
			 struct stoa_stamp *ret_stamp);

/* The last committed value, without waiting for pending writes. */
STOA_PUBLIC int stoa_peek(struct stoa_proxy *proxy, uint32_t attr, void *ret_value, size_t size,
			  struct stoa_stamp *ret_stamp);

/* The whole struct at one moment, behind the barrier. */
STOA_PUBLIC int stoa_snapshot(struct stoa_proxy *proxy, void *ret_struct, size_t size, int64_t timeout,
			      struct stoa_stamp *ret_stamp);

/* Several objects of one namespace at one moment, each into its struct. ret_stamps: n of them, or NULL. */
STOA_PUBLIC int stoa_snapshot_many(size_t n, struct stoa_proxy *const *proxies, void *const *ret_structs,
				   int64_t timeout, struct stoa_stamp *ret_stamps);

/* Wait until the attribute (STOA_ALL: any) has a version above after. -ETIMEDOUT: it has not changed. */
STOA_PUBLIC int stoa_wait(struct stoa_proxy *proxy, uint32_t attr, uint64_t after, int64_t timeout,
			  struct stoa_stamp *ret_stamp);

/* ---- event loop, per thread ------------------------------------------------------------------------------- */

/* A descriptor that polls readable when stoa_next has something. It stays the library's. */
STOA_PUBLIC int stoa_fd(struct stoa *stoa);

/* 1: an event; 0: none, and the descriptor is armed. Never blocks. */
STOA_PUBLIC int stoa_next(struct stoa *stoa, struct stoa_event *ret_event);

/* Tell this thread's event loop of changes of the attribute (STOA_ALL: any). */
STOA_PUBLIC int stoa_watch(struct stoa_proxy *proxy, uint32_t attr, void *data);

/* Drop the watch or the pending answer that was given data. A command already sent still applies. -ENOENT: none. */
STOA_PUBLIC int stoa_cancel(struct stoa *stoa, void *data);

/* ---- by name, and errors ---------------------------------------------------------------------------------- */

STOA_PUBLIC int stoa_find_attr(struct stoa_proxy *proxy, const char *name, enum stoa_kind kind, uint32_t *ret_attr);
STOA_PUBLIC int stoa_find_method(struct stoa_proxy *proxy, const char *name, const struct stoa_method **ret_method);
STOA_PUBLIC const struct stoa_class *stoa_class_of(struct stoa_proxy *proxy); /* lives as long as the proxy */
STOA_PUBLIC const char *stoa_strerror(int code); /* of what this library returns; never NULL */
STOA_PUBLIC void stoa_last_error(struct stoa_error *ret_error); /* of this thread */

/* ---- inside methods only ---------------------------------------------------------------------------------- */

STOA_PUBLIC int stoa_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3))); /* returns code */
STOA_PUBLIC const struct stoa_client *stoa_caller(void);
STOA_PUBLIC bool stoa_attached(uint64_t number); /* is the client of this stoa_caller()->number still there? */
STOA_PUBLIC int64_t stoa_time_ns(void); /* CLOCK_REALTIME, the same all through a command */
STOA_PUBLIC void stoa_touch(uint32_t part); /* hooks: this part changed */

/*
 * Answer later: the command in hand is committed when its method returns 0, but its caller waits on, for stoa_answer.
 * Keep the token in the state: it is good as long as the caller waits, whatever restarts. A method that fails has
 * deferred nothing. -ESTALE: nobody waits (a cast, or a caller who has given up). -EINVAL: not in a read-only method,
 * nor in one of several commands (stoa_call_many). Return these: the caller then learns why.
 */
STOA_PUBLIC int stoa_defer(struct stoa_token *ret_token);

/*
 * Give the answer, from any method of the namespace, as part of what it commits: if it fails, it has answered nothing.
 * status 0: ret is the result, of the struct that the deferring method's row says; it is copied. Negative: the caller
 * gets this error; ret is its text, or NULL. 0: the caller gets the answer, once. -ESTALE, without a text: nobody waits
 * (timed out, dead, evicted, answered already): answer somebody else. -EINVAL: no token, no result, or one that no image
 * may have. -EMSGSIZE: over the row's ret_max. -EPROTO: that row is gone. -ENOSPC: 128 were given by this command.
 */
STOA_PUBLIC int stoa_answer(const struct stoa_token *token, int status, const void *ret);

/* Does its caller wait? He may cease to at any moment: only stoa_answer tells who gets an answer. */
STOA_PUBLIC bool stoa_wanted(const struct stoa_token *token);

/* ---- macros ----------------------------------------------------------------------------------------------- */

/*
 * What a stub takes. In C a wrong pointer is only a warning, and none at all from a system header, unless the parameter
 * is a transparent union: then it is an error. Callers pass plain pointers, or NULL, either way. (gcc -Wpedantic tells
 * each such call; __extension__ before the call silences it.)
 */
#ifdef __cplusplus
#define STOA__POINTER(T, name) typedef T *name
#define STOA__POINTEE(p) (p)
#else
#define STOA__POINTER(T, name)                                                                                         \
	typedef union {                                                                                                \
		T *pointer;                                                                                            \
	} __attribute__((transparent_union)) name
#define STOA__POINTEE(p) ((p).pointer)
#endif

/*
 * STOA_STUB(class, method, A, R): typed class_method_cast(), _call() and _submit(). For a header that others share.
 */
#define STOA_STUB(cls, method, A, R)                                                                                   \
	extern const struct stoa_method cls##_##method##_row;                                                          \
	STOA__POINTER(const A, cls##_##method##_stub_args);                                                            \
	STOA__POINTER(R, cls##_##method##_stub_ret);                                                                   \
	static inline __attribute__((unused)) int cls##_##method##_cast(                                               \
		struct stoa_proxy *proxy, cls##_##method##_stub_args args, int64_t timeout)                            \
	{                                                                                                              \
		return stoa_cast(proxy, &cls##_##method##_row, STOA__POINTEE(args), timeout);                          \
	}                                                                                                              \
	static inline __attribute__((unused)) int cls##_##method##_call(                                               \
		struct stoa_proxy *proxy, cls##_##method##_stub_args args, cls##_##method##_stub_ret ret,              \
		int64_t timeout)                                                                                       \
	{                                                                                                              \
		return stoa_call(proxy, &cls##_##method##_row, STOA__POINTEE(args), STOA__POINTEE(ret), timeout);      \
	}                                                                                                              \
	static inline __attribute__((unused)) int cls##_##method##_submit(                                             \
		struct stoa_proxy *proxy, cls##_##method##_stub_args args, cls##_##method##_stub_ret ret, void *data,  \
		int64_t timeout)                                                                                       \
	{                                                                                                              \
		return stoa_submit(proxy, &cls##_##method##_row, STOA__POINTEE(args), STOA__POINTEE(ret), data,        \
				   timeout, NULL);                                                                     \
	}                                                                                                              \
	struct stoa_none

#ifndef __cplusplus /* classes are written in C; in C++ fill a struct stoa_options, and begin with its size */

#define STOA_CLASSES(...) ((const struct stoa_class *const[]){ __VA_ARGS__, NULL })
#define STOA_OPTIONS(...) (&(struct stoa_options){ .size = sizeof(struct stoa_options), __VA_ARGS__ })

/* A scalar becomes a pointer to itself, an array decays: one step towards the element. */
#define STOA__STEP(m)                                                                                                  \
	_Generic((m),                                                                                                  \
		char: (char *)0, signed char: (signed char *)0, short: (short *)0, int: (int *)0, long: (long *)0,     \
		long long: (long long *)0, unsigned char: (unsigned char *)0, unsigned short: (unsigned short *)0,     \
		unsigned: (unsigned *)0, unsigned long: (unsigned long *)0,                                            \
		unsigned long long: (unsigned long long *)0, float: (float *)0, double: (double *)0, _Bool: (_Bool *)0, \
		stoa_text: (stoa_text *)0, stoa_blob: (stoa_blob *)0, default: (m))
#define STOA__STEP2(m) STOA__STEP(*STOA__STEP(m))
#define STOA__STEP3(m) STOA__STEP(*STOA__STEP2(m))
#define STOA__DIM0(m) (sizeof(m) / sizeof(*STOA__STEP(m)))
#define STOA__DIM1(m) (sizeof(*STOA__STEP(m)) / sizeof(*STOA__STEP2(m)))
#define STOA__DIM2(m) (sizeof(*STOA__STEP2(m)) / sizeof(*STOA__STEP3(m)))

/* 1 for an array, 0 for an element; a member of a type that is not in the vocabulary does not compile. */
#define STOA__IS_ARRAY(m)                                                                                              \
	_Generic((m), char: 0, signed char: 0, short: 0, int: 0, long: 0, long long: 0, unsigned char: 0,              \
		 unsigned short: 0, unsigned: 0, unsigned long: 0, unsigned long long: 0, float: 0, double: 0, _Bool: 0, \
		 stoa_text: 0, stoa_blob: 0, default: 1)
#define STOA__RANK(m) (STOA__IS_ARRAY(m) + STOA__IS_ARRAY(*STOA__STEP(m)) + STOA__IS_ARRAY(*STOA__STEP2(m)))
#define STOA__KIND(m)                                                                                                  \
	_Generic(STOA__STEP3(m), char *: STOA_CHARS, signed char *: STOA_I8, short *: STOA_I16, int *: STOA_I32,       \
		 long *: (sizeof(long) == 8 ? STOA_I64 : STOA_I32), long long *: STOA_I64, unsigned char *: STOA_U8,   \
		 unsigned short *: STOA_U16, unsigned *: STOA_U32,                                                     \
		 unsigned long *: (sizeof(long) == 8 ? STOA_U64 : STOA_U32), unsigned long long *: STOA_U64,           \
		 float *: STOA_F32, double *: STOA_F64, _Bool *: STOA_BOOL, stoa_text *: STOA_TEXT,                    \
		 stoa_blob *: STOA_BLOB)
#define STOA__M(T, member) (((T *)0)->member)

/* An array decays when it is dereferenced and taken the address of again; a pointer stays what it is. */
#define STOA__IS_POINTER(m) __builtin_types_compatible_p(__typeof__(&*STOA__STEP(m)), __typeof__(m))
#define STOA__NO_POINTER(m, member)                                                                                    \
	(0 * sizeof(struct {                                                                                           \
		_Static_assert(!STOA__IS_POINTER(m) && !STOA__IS_POINTER(*STOA__STEP(m)) &&                            \
				       !STOA__IS_POINTER(*STOA__STEP2(m)),                                             \
			       "stoa: " #member " is a pointer; use stoa_text, stoa_blob or an array");                \
		char unused;                                                                                           \
	}))

/* STOA_ATTR(struct tag, member, .unit = "m", .doc = "…", .writable = true): kind and sizes come from the C type. */
#define STOA_ATTR(T, ...) STOA__ATTR(T, __VA_ARGS__, .unused = 0)
#define STOA__ATTR(T, ...) STOA__ATTR_(T, __VA_ARGS__)
#define STOA__ATTR_(T, member, ...)                                                                                    \
	{                                                                                                              \
		__VA_ARGS__, .name = #member, .offset = offsetof(T, member),                                           \
		.size = sizeof(STOA__M(T, member)) + STOA__NO_POINTER(STOA__M(T, member), member),                     \
		.dims = { STOA__DIM0(STOA__M(T, member)), STOA__DIM1(STOA__M(T, member)),                              \
			  STOA__DIM2(STOA__M(T, member)) },                                                            \
		.rank = STOA__RANK(STOA__M(T, member)), .kind = STOA__KIND(STOA__M(T, member)),                        \
	}

/* STOA_TOKENS(struct tag, member, .doc = "…"): the row of a struct stoa_token, or of an array of them. */
#define STOA_TOKENS(T, ...) STOA__TOKENS(T, __VA_ARGS__, .unused = 0)
#define STOA__TOKENS(T, ...) STOA__TOKENS_(T, __VA_ARGS__)
#define STOA__TOKENS_(T, member, ...)                                                                                  \
	{                                                                                                              \
		__VA_ARGS__, .name = #member, .offset = offsetof(T, member),                                           \
		.size = sizeof(STOA__M(T, member)) + STOA__TOKENS_ONLY(STOA__M(T, member), member),                    \
		.dims = { sizeof(STOA__M(T, member)) / sizeof(struct stoa_token), 5 }, .rank = 2, .kind = STOA_U64,    \
	}
#define STOA__TOKENS_ONLY(m, member)                                                                                   \
	(0 * sizeof(struct {                                                                                           \
		_Static_assert(__builtin_types_compatible_p(__typeof__(m), struct stoa_token) ||                       \
				       __builtin_types_compatible_p(                                                   \
					       __typeof__(m), struct stoa_token[sizeof(m) / sizeof(struct stoa_token)]), \
			       "stoa: " #member " is no struct stoa_token, nor an array of them");                     \
		char unused;                                                                                           \
	}))

/* STOA_STRUCT(tag, STOA_ATTR(…), …): describes struct tag, of a state, of arguments or of a result, as tag_struct. */
#define STOA_STRUCT(tag, ...)                                                                                          \
	static const struct stoa_attr tag##_attrs[] = { __VA_ARGS__ };                                                 \
	static const struct stoa_struct tag##_struct __attribute__((unused)) = {                                       \
		.name = #tag,                                                                                          \
		.size = sizeof(struct tag),                                                                            \
		.align = _Alignof(struct tag),                                                                         \
		.attrs = tag##_attrs,                                                                                  \
		.n_attrs = sizeof(tag##_attrs) / sizeof(tag##_attrs[0]),                                               \
	}

static const struct stoa_struct stoa_none_struct __attribute__((unused)) = {
	.name = "stoa_none", .size = sizeof(stoa_none), .align = _Alignof(stoa_none)
};

/*
 * STOA_METHOD(class, method, args, ret, .writes = "a b", .deadline = STOA_MS(5)): the row of
 * int class_method(struct class *self, const struct args *args, struct ret *ret). A function of another type does not
 * compile. STOA_READER: the same with const self and .reads. A row is a global symbol, class_method_row.
 *
 * .folds = true promises that the method adds its arguments, 1 to 8 integers, to the state, and does nothing else. Casts
 * of a thread that are still queued may then run as one, with the sums: stoa_class(3). Not for classes with hooks.
 *
 * .on_leave = true: the coordinator itself calls the method, on each object of the class, when clients have died or
 * detached; it must do nothing where nobody did. With stoa_none for both; one in a class.
 */
#define STOA_METHOD(cls, method, A, R, ...) STOA__ROW(cls, method, struct cls, A, R, .reader = false, __VA_ARGS__)
#define STOA_READER(cls, method, A, R, ...) STOA__ROW(cls, method, const struct cls, A, R, .reader = true, __VA_ARGS__)
#define STOA__ROW(cls, method, SELF, A, R, ...)                                                                        \
	_Static_assert(__builtin_types_compatible_p(__typeof__(&cls##_##method),                                       \
						    int (*)(SELF *, const struct A *, struct R *)),                    \
		       "stoa: " #cls "_" #method " is not int (*)(" #SELF " *, const struct " #A " *, struct " #R      \
		       " *)");                                                                                         \
	static int cls##_##method##_run(void *self, const void *args, void *ret)                                       \
	{                                                                                                              \
		return cls##_##method((SELF *)self, (const struct A *)args, (struct R *)ret);                          \
	}                                                                                                              \
	static uint32_t cls##_##method##_index;                                                                        \
	extern const struct stoa_method cls##_##method##_row;                                                          \
	const struct stoa_method cls##_##method##_row = {                                                              \
		.name = #method,                                                                                       \
		.class_name = #cls,                                                                                    \
		.run = cls##_##method##_run,                                                                           \
		.args = &A##_struct,                                                                                   \
		.ret = &R##_struct,                                                                                    \
		.index = &cls##_##method##_index,                                                                      \
		__VA_ARGS__                                                                                            \
	}

/*
 * STOA_CLASS(class, version, &class_method_row, …), STOA_CLASS_HOOKS(class, version, &hooks, …),
 * STOA_CLASS_VALIDATE(class, version, validate, &class_method_row, …), STOA_RECORD(class, version).
 */
#define STOA_CLASS(cls, ver, ...) STOA__CLASS(cls, ver, NULL, NULL, __VA_ARGS__, NULL)
#define STOA_CLASS_HOOKS(cls, ver, hooks_, ...) STOA__CLASS(cls, ver, hooks_, NULL, __VA_ARGS__, NULL)
#define STOA_CLASS_VALIDATE(cls, ver, validate_, ...) STOA__CLASS(cls, ver, NULL, validate_, __VA_ARGS__, NULL)
#define STOA_RECORD(cls, ver) STOA__CLASS(cls, ver, NULL, NULL, NULL)
#define STOA__CLASS(cls, ver, hooks_, validate_, ...)                                                                  \
	static const struct stoa_method *const cls##_methods[] = { __VA_ARGS__ };                                      \
	extern const struct stoa_class cls##_class;                                                                    \
	const struct stoa_class cls##_class = {                                                                        \
		.name = #cls,                                                                                          \
		.abi = STOA_ABI,                                                                                       \
		.version = (ver),                                                                                      \
		.state = &cls##_struct,                                                                                \
		.methods = cls##_methods,                                                                              \
		.hooks = (hooks_),                                                                                     \
		.validate = (validate_),                                                                               \
	}

/* Type-checked: v must point to the member's own type. */
#define STOA__SAME(p, T, member)                                                                                       \
	((void)sizeof(struct {                                                                                         \
		_Static_assert(__builtin_types_compatible_p(__typeof__(&STOA__M(T, member)), __typeof__(p)) ||         \
				       __builtin_types_compatible_p(const __typeof__(STOA__M(T, member)) *,            \
								    __typeof__(p)),                                    \
			       "stoa: not a pointer to the type of " #member);                                         \
		int unused;                                                                                            \
	}))
#define STOA_GET(proxy, T, member, v, timeout)                                                                         \
	(STOA__SAME(v, T, member),                                                                                     \
	 stoa_get((proxy), offsetof(T, member), (v), sizeof(STOA__M(T, member)), (timeout), NULL))
#define STOA_ASSIGN(proxy, T, member, v, timeout)                                                                      \
	(STOA__SAME(v, T, member),                                                                                     \
	 stoa_assign((proxy), offsetof(T, member), (v), sizeof(STOA__M(T, member)), (timeout)))

#endif /* !__cplusplus */

/*
 * For the headers of the built-in classes, in front of their stubs: declares a table of the library by another symbol than
 * its name in C. A program or module with a class of its own of that name (timer_class) has its own, and we have ours.
 */
#define STOA__BUILTIN(type, table) extern STOA_PUBLIC const struct type table __asm__("stoa_" #table)

/* A module for stoad: defines this array, ended by NULL. */
#define STOA_MODULE(...)                                                                                               \
	extern STOA_PUBLIC const struct stoa_class *const stoa_module[];                                               \
	const struct stoa_class *const stoa_module[] = { __VA_ARGS__, NULL }

#ifdef __cplusplus
}
#endif

#endif
