/*
 * route.h: what a thread has found for its calls of one method of one object, or for its assignments to one attribute:
 * all that is the same in each of them.
 *
 * It is looked up once, and holds for as long as nothing has changed since: not the process (a fork empties the memory
 * of routes), nor the handle (the targets have other ids then: proxies_renew), nor the namespace (life.changes). A thread
 * keeps some routes, each at a place that its object and what is done tell. Who finds another there twice, and nobody
 * else between, takes it. Only plain calls have one: they write one attribute or two, and their arguments are one small
 * image.
 */
#ifndef STOA_ROUTE_H
#define STOA_ROUTE_H

#include <stddef.h>
#include <string.h>

#include "proxy/lane.h"
#include "proxy/proxy.h"
#include "src/image.h"

#define ROUTE_WRITES 2
#define ROUTE_FOLDS UINT16_MAX /* no run has room for a record of that size: its casts go another way there */
#define ROUTE_HEAD (offsetof(struct record, reply_at) - offsetof(struct record, origin))
struct route {
	alignas(TARGET_ID) uint64_t target; /* its id; 0: none is here */
	uintptr_t what;			    /* is done: route_to_method, route_to_attr */
	uint64_t changes;		    /* life.changes, from before it was looked up, less LIFE_ASLEEP */
	struct lane *lane;
	const struct bound_method *method;	/* NULL: an assignment */
	const struct image_layout *args;	/* of the method; of the value */
	_Atomic uint64_t *raised[ROUTE_WRITES]; /* flags of what is written; if it is one, twice */
	const struct target *to;		/* where the id is still its proxy's */
	char head[ROUTE_HEAD];			/* of its records, from their origin on */
	uint16_t args_size, cast_size;		/* bytes of the arguments, and of the record of a cast; ROUTE_FOLDS */
	uint16_t value_size;			/* of an assignment */
	uint64_t wanted;			/* here, and was not */
};
_Static_assert(sizeof(struct route) == TARGET_ID, "by its target's id one has its place: route_at");

#define ROUTES 64
extern __thread const struct route *routes; /* all empty in a thread that may not call us, or has not yet */

static inline uintptr_t route_to_method(const struct stoa_method *method) { return (uintptr_t)method; } /* even */
static inline uintptr_t route_to_attr(uint32_t attr) { return 8 * (uintptr_t)attr + 1; }

/* Of ROUTES of them, in bytes behind the first. */
static inline size_t route_at(uint64_t target, uintptr_t what)
{
	return (target + what * (sizeof(struct route) / 32)) & ((ROUTES - 1) * sizeof(struct route));
}

/* What the records of its calls have in common; they are not answered, nor timed, until their sender says so. */
static inline void route_head(const struct route *r, struct record *to)
{
	memcpy((char *)to + offsetof(struct record, origin), r->head, ROUTE_HEAD);
}

/* life.changes; 0, which no route has, once the handle is damaged. */
static inline uint64_t route_word(const struct stoa *s)
{
	return atomic_load(atomic_load_explicit(&s->changes, memory_order_acquire));
}
static inline uint64_t route_changes(const struct stoa *s)
{
	return route_word(s) & ~LIFE_ASLEEP;
}

/* NULL: there is none, or it does not hold. */
static inline const struct route *route_get(struct stoa_proxy *p, uintptr_t what)
{
	uint64_t target = atomic_load_explicit(&proxy_target(p)->id, memory_order_relaxed);
	const struct route *r = (const struct route *)((const char *)routes + route_at(target, what));
	return r->target == target && r->what == what && route_changes(p->stoa) == r->changes ? r : NULL;
}

/* Behind a publication: it still holds, and the coordinator is awake. */
static inline bool route_is_quiet(const struct route *r, const struct stoa *s)
{
	return route_word(s) == r->changes;
}

/*
 * Keep one, if it is plain, and its turn: for calls of a method, or assignments to the attribute at an offset. All of it
 * was found behind this look at life.changes.
 */
void route_keep(const struct target *t, const struct bound_method *m, struct lane *lane, uint64_t changes);
void route_keep_attr(const struct target *t, uint32_t attr, const struct bound_attr *a, struct lane *lane,
		     uint64_t changes);

/* The thread runs a read-only method, or no longer. */
void routes_hide(bool hide);

/* The thread ends. */
void routes_free(void);

#endif
