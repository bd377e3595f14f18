/*
 * route.h: what a thread has found for its calls of one method of one object, or for its assignments to one attribute:
 * all that is the same in each of them.
 *
 * It is looked up once, and holds for as long as nothing has changed since: not the process (fork), nor the handle, nor
 * the namespace (life.changes). A thread keeps a few routes, each at a place that its object and what is done tell, the
 * newer instead of the older.
 */
#ifndef STOA_ROUTE_H
#define STOA_ROUTE_H

#include <stddef.h>
#include <string.h>

#include "proxy/lane.h"
#include "proxy/proxy.h"

#define ROUTE_WRITES 2
#define ROUTE_HEAD (offsetof(struct record, sent_ns) - offsetof(struct record, origin))
struct route {
	uint64_t incarnation; /* of the object; 0: none, nothing is here */
	uintptr_t what;	      /* is done to it: route_to_method, route_to_attr */
	uint64_t generation; /* of the handle: what follows is looked at only while it is that */
	uint64_t changes;    /* life.changes, from before it was looked up */
	struct lane *lane;
	const struct bound_method *method; /* NULL: an assignment */
	const struct image_layout *args;   /* of the method; of the value */
	_Atomic uint64_t *flags;	   /* of the object's attributes */
	_Atomic uint64_t *raised[ROUTE_WRITES]; /* plain: those that are written; if it is one, twice */
	char head[ROUTE_HEAD];			/* of its records: from their origin on; they are not answered */
	/* Plain: bytes of the arguments, and of the record of a cast. There are no more than fit. */
	uint16_t args_size, cast_size;
	uint16_t value_size; /* of an assignment */
	bool plain; /* it raises few flags, the image of its arguments is small, and it does not fold; so is an assignment */
};
_Static_assert(sizeof(struct route) == 128, "a route is two cache lines");

#define ROUTES 16
extern __thread const struct route *routes; /* all empty in a thread that may not call us, or has not yet */

/* What the records of its calls have in common. */
static inline void route_head(const struct route *r, struct record *to)
{
	memcpy((char *)to + offsetof(struct record, origin), r->head, ROUTE_HEAD);
}

static inline uint64_t route_changes(const struct stoa *s)
{
	return atomic_load(&s->space.state->life.changes);
}
static inline bool route_holds(const struct route *r, const struct stoa *s)
{
	return route_changes(s) == r->changes;
}

static inline uintptr_t route_to_method(const struct stoa_method *method) { return (uintptr_t)method; } /* even */
static inline uintptr_t route_to_attr(uint32_t attr) { return 8 * (uintptr_t)attr + 1; }

static inline size_t route_place(const struct target *t, uintptr_t what)
{
	return (what / 32 + t->incarnation) % ROUTES;
}

/* The thread has looked it up, and it holds. NULL: it is to be looked up. */
static inline const struct route *route_get(struct stoa_proxy *p, const struct stoa *s, uintptr_t what)
{
	const struct target *t = proxy_target(p);
	const struct route *r = &routes[route_place(t, what)];
	return r->incarnation == t->incarnation && r->what == what &&
			       r->generation == atomic_load_explicit(&s->mark->generation, memory_order_relaxed) &&
			       route_holds(r, s) && !s->damaged
		       ? r
		       : NULL;
}

/* Look it up; in *own where it cannot be kept. Errors as of stoa_cast. */
__attribute__((cold)) int route_find(struct stoa_proxy *p, const struct stoa_method *method, int64_t timeout,
				     struct route *own, const struct route **ret);

/* The same for assignments to an attribute of a target, found while life.changes was this. NULL: there is none. */
__attribute__((cold)) int route_find_attr(struct stoa *s, const struct target *t, uint32_t attr,
					  const struct bound_attr *a, uint64_t changes, int64_t timeout,
					  const struct route **ret);

/* The thread runs a read-only method, or no longer. */
void routes_hide(bool hide);

/* The thread ends. */
void routes_free(void);

#endif
