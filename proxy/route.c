/*
 * route.c: see route.h.
 */
#include "proxy/route.h"

#include <stdlib.h>

#include "proxy/send.h"
#include "src/image.h"
#include "src/ring.h"

static const struct route nowhere[ROUTES];
__thread const struct route *routes = nowhere;
static __thread struct route *mine;

/* The lane, and all that is the object's. */
static int find_way(struct route *r, struct stoa *s, const struct target *t, int64_t timeout)
{
	int e = handle_whole(s);
	e = e ? e : lane_get(s, timeout, &r->lane);
	if (e)
		return e;
	r->incarnation = t->incarnation;
	r->generation = r->lane->generation;
	r->flags = t->flags + 1;
	return 0;
}

static void find_record(struct route *r, const struct target *t, enum record_kind kind, uint32_t row)
{
	struct record head = { .args_size = r->args->size };
	send_address(&head, t, kind, row);
	memcpy(r->head, &head.origin, ROUTE_HEAD);
	r->args_size = (uint16_t)r->args->size;
	r->cast_size = (uint16_t)lane_whole(sizeof(struct record) + r->args->size);
}

static void find_writes(struct route *r, const uint32_t *writes, uint32_t n)
{
	r->plain = n > 0 && n <= ROUTE_WRITES && r->args->small && !(r->method && r->method->folds);
	for (uint32_t i = 0; r->plain && i < ROUTE_WRITES; i++)
		r->raised[i] = r->flags + writes[i < n ? i : 0];
}

/* Where it is from now on. NULL: it cannot be kept. */
static const struct route *keep(const struct route *r, const struct target *t, const struct space *s)
{
	/* With lanes of epochs before, and while it stops, there is more to see to at each call. */
	if (r->lane->before || ring_is_ending(s))
		return NULL;
	if (!mine)
		mine = calloc(ROUTES, sizeof(*mine));
	if (!mine)
		return NULL;
	routes_hide(false);
	struct route *kept = &mine[route_place(t, r->what)];
	*kept = *r;
	return kept;
}

int route_find(struct stoa_proxy *p, const struct stoa_method *method, int64_t timeout, struct route *own,
	       const struct route **ret)
{
	struct stoa *s = p->stoa;
	struct target *t;
	*own = (struct route){ .what = route_to_method(method), .changes = route_changes(s) };
	int r = send_target(p, &t);
	r = r ? r : binding_method(t->binding, method, &own->method);
	r = r ? r : find_way(own, s, t, timeout);
	if (r)
		return r;
	own->args = own->method->args;
	find_record(own, t, RECORD_CALL, own->method->row);
	find_writes(own, own->method->writes, own->method->n_writes);
	*ret = keep(own, t, &s->space);
	if (!*ret) {
		own->plain = false;
		*ret = own;
	}
	return 0;
}

int route_find_attr(struct stoa *s, const struct target *t, uint32_t attr, const struct bound_attr *a, uint64_t changes,
		    int64_t timeout, const struct route **ret)
{
	struct route own = { .what = route_to_attr(attr), .changes = changes, .args = a->image };
	*ret = NULL;
	if (!own.args->small)
		return 0;
	int r = find_way(&own, s, t, timeout);
	if (r)
		return r;
	own.value_size = (uint16_t)a->size;
	find_record(&own, t, RECORD_ASSIGN, a->attr);
	find_writes(&own, &a->attr, 1);
	*ret = keep(&own, t, &s->space);
	return 0;
}

void routes_hide(bool hide)
{
	routes = hide || !mine ? nowhere : mine;
}

void routes_free(void)
{
	free(mine);
	mine = NULL;
	routes_hide(true);
}
