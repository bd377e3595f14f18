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

static void find_writes(struct route *r)
{
	const struct bound_method *m = r->bound;
	r->plain = m->n_writes > 0 && m->n_writes <= ROUTE_WRITES && m->args->small && !m->folds;
	for (uint32_t i = 0; r->plain && i < ROUTE_WRITES; i++)
		r->raised[i] = r->flags + m->writes[i < m->n_writes ? i : 0];
}

static void find_head(struct route *r, const struct target *t)
{
	struct record head = { .args_size = r->args->size };
	send_address(&head, t, RECORD_CALL, r->bound->row);
	memcpy(r->head, &head.origin, ROUTE_HEAD);
}

/* Where it is kept from now on. NULL: nowhere. */
static struct route *place_of(const struct route *r, const struct target *t, const struct space *s)
{
	/* With lanes of epochs before, and while it stops, there is more to see to at each call. */
	if (r->lane->before || ring_is_ending(s))
		return NULL;
	if (!mine)
		mine = calloc(ROUTES, sizeof(*mine));
	routes_hide(false);
	return mine ? &mine[route_place(t, r->method)] : NULL;
}

int route_find(struct stoa_proxy *p, const struct stoa_method *method, int64_t timeout, struct route *own,
	       const struct route **ret)
{
	struct stoa *s = p->stoa;
	struct target *t;
	*own = (struct route){ .method = method, .changes = atomic_load(&s->space.state->life.changes) };
	int r = send_target(p, &t);
	r = r ? r : binding_method(t->binding, method, &own->bound);
	r = r ? r : handle_whole(s);
	r = r ? r : lane_get(s, timeout, &own->lane);
	if (r)
		return r;
	own->incarnation = t->incarnation;
	own->generation = own->lane->generation;
	own->args = own->bound->args;
	own->args_size = (uint16_t)own->args->size;
	own->cast_size = (uint16_t)lane_whole(sizeof(struct record) + own->args->size);
	own->flags = t->flags + 1;
	find_writes(own);
	find_head(own, t);
	struct route *kept = place_of(own, t, &s->space);
	if (kept)
		*kept = *own;
	else
		own->plain = false;
	*ret = kept ? kept : own;
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
