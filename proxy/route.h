/*
 * route.h: what a thread has found for its calls of one method of one object, or for its assignments to one attribute:
 * all that is the same in each of them.
 *
 * It is looked up once, and holds for as long as nothing has changed since: not the process (fork), nor the handle, nor
 * the namespace (life.changes). A thread keeps some routes, each at a place that its object and what is done tell. Who
 * finds another there twice, and nobody else between, takes it. Only plain calls have one: they write one attribute or
 * two, and their arguments are one small image.
 */
#ifndef STOA_ROUTE_H
#define STOA_ROUTE_H

#include <stddef.h>
#include <string.h>

#include "proxy/lane.h"
#include "proxy/proxy.h"
#include "src/image.h"

#define ROUTE_WRITES 2
#define ROUTE_FOLDS UINT16_MAX /* casts have no record of such a size: none joins a run of records, where it would show */
#define ROUTE_HEAD (offsetof(struct record, reply_at) - offsetof(struct record, origin))
struct route {
	uint64_t target;     /* its id; 0: none is here */
	uintptr_t what;	     /* is done: route_to_method, route_to_attr */
	uint64_t generation; /* of the handle: what follows is looked at only while it is that */
	uint64_t changes;    /* life.changes, from before it was looked up */
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
_Static_assert(sizeof(struct route) == 128, "a route is two cache lines");

#define ROUTES 64
extern __thread const struct route *routes; /* all empty in a thread that may not call us, or has not yet */

static inline uintptr_t route_to_method(const struct stoa_method *method) { return (uintptr_t)method; } /* even */
static inline uintptr_t route_to_attr(uint32_t attr) { return 8 * (uintptr_t)attr + 1; }

static inline size_t route_place(const struct target *t, uintptr_t what)
{
	return (what / 32 + t->id) % ROUTES;
}

/* What the records of its calls have in common; they are not answered, until their sender says so. */
static inline void route_head(const struct route *r, struct record *to)
{
	memcpy((char *)to + offsetof(struct record, origin), r->head, ROUTE_HEAD);
	to->reply_at = to->reply_size = 0;
}

static inline uint64_t route_changes(const struct stoa *s)
{
	return atomic_load(&s->space.state->life.changes);
}
static inline bool route_holds(const struct route *r, const struct stoa *s)
{
	return route_changes(s) == r->changes;
}

/* NULL: there is none, or it does not hold. */
static inline const struct route *route_get(struct stoa_proxy *p, const struct stoa *s, uintptr_t what)
{
	const struct target *t = proxy_target(p);
	const struct route *r = &routes[route_place(t, what)];
	return r->target == t->id && r->what == what &&
			       r->generation == atomic_load_explicit(&s->mark->generation, memory_order_relaxed) &&
			       route_holds(r, s) && !s->damaged
		       ? r
		       : NULL;
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
