/*
 * proxy.h: a client's handle to an object.
 *
 * What a proxy reads and writes through is its target: one incarnation of the object, with the binding of its class. A
 * target never changes; when the object's class changes under it (a coordinator with new code), the proxy gets another
 * target, and the old one stays until the proxy is closed, for threads that still use it.
 */
#ifndef STOA_PROXY_H
#define STOA_PROXY_H

#include "proxy/bind.h"
#include "proxy/handle.h"

struct target {
	_Atomic uint64_t id; /* unique in this process: a multiple of TARGET_ID */
	const struct binding *binding;
	const struct body *body;
	uint64_t incarnation, origin;
	uint32_t object, class_id;
	_Atomic uint64_t *flags; /* of "all writable"; attribute i is at 1 + i. Read-only for readers */
	struct target *older;
};

#define TARGET_ID 128

struct stoa_proxy {
	struct stoa *stoa;
	_Atomic(struct target *) target;
	const struct stoa_class *ours; /* as given; NULL: by name */
	char name[LAYOUT_NAME];
	_Atomic uint32_t refs; /* its user's, and one for each watch */
	_Atomic bool closed;   /* its user has closed it: watches of it say nothing more */
	struct stoa_proxy *next;
};

void proxy_unref(struct stoa_proxy *p);

/* Have all targets of a handle have new ids: what threads have noted of them (route.h) is of no use any more. */
void proxies_renew(struct stoa *s);

/* The coordinator's present description of a class; -ENOENT, with the thread's error. */
int proxy_find_view(struct stoa *s, const char *name, const struct class_view **ret);

/* Declare a class that the coordinator was found to lack. -ENOENT: it needs code, and the thread's error stays. */
int proxy_declare(struct stoa *s, const struct stoa_class *cls, const struct class_view **ret);

struct sending;

/* Send a create; its answer is to be waited for. */
int proxy_send_create(struct stoa *s, const char *object, const struct class_view *view, enum create_from from,
		      const void *image, size_t size, unsigned flags, int64_t timeout, struct sending *ret);
int proxy_send_remove(struct stoa *s, const char *object, bool answered, int64_t timeout, struct sending *ret);

static inline struct target *proxy_target(struct stoa_proxy *p)
{
	return atomic_load_explicit(&p->target, memory_order_acquire);
}

/* Is the target dead as of g? Its body may have become another object's. */
static inline bool target_dead(const struct target *t, uint64_t g)
{
	uint64_t died = atomic_load_explicit(&t->body->died, memory_order_relaxed);
	return (died && died <= g) ||
	       atomic_load_explicit(&t->body->incarnation, memory_order_acquire) != t->incarnation;
}

/* The target is dead: has the object come back in another form? 0: there is a new target; -ESTALE: it is gone. */
int proxy_retarget(struct stoa_proxy *p);

/* A thread that waits for something of this object sleeps on this word. */
static inline _Atomic uint32_t *target_park(const struct stoa *s, const struct target *t)
{
	return space_park(&s->space, t->object);
}

#endif
