/*
 * route.c: see route.h.
 */
#include "proxy/route.h"

#include "proxy/send.h"
#include "src/ring.h"
#include "src/segment.h"

static const struct route nowhere[ROUTES];
__thread const struct route *routes = nowhere;
static __thread struct route *mine;

/* Where it is kept from now on. NULL: it is not. */
static struct route *find_place(uint64_t target, uintptr_t what, const struct lane *lane)
{
	if (!mine) {
		mine = segment_map_own(ROUTES * sizeof(*mine));
		routes_hide(false);
	}
	if (!mine)
		return NULL;
	struct route *r = (struct route *)((char *)mine + route_at(target, what));
	uint64_t last = r->wanted;
	r->wanted = target + what; /* a hint: another with the same sum does no harm */
	bool turn = r->target == 0 || (r->target == target && r->what == what) || last == r->wanted;
	/* With lanes of epochs before, and while it stops, there is more to see to at each call. And an id that is of a
	 * generation behind the lane's (proxies_renew) does not lead to it. */
	return turn && !lane->before && !ring_is_ending(&lane->stoa->space) &&
			       handle_current(lane->stoa, lane->generation, lane->epoch)
		       ? r
		       : NULL;
}

static void fill(struct route *r, const struct target *t, struct lane *lane, enum record_kind kind, uint32_t row,
		 const uint32_t *writes, uint32_t n)
{
	struct record head = { .args_size = r->args->size };
	send_address(&head, t, kind, row);
	memcpy(r->head, (const char *)&head + offsetof(struct record, origin), ROUTE_HEAD);
	r->args_size = (uint16_t)r->args->size;
	r->cast_size = (uint16_t)lane_whole(sizeof(struct record) + r->args->size);
	for (uint32_t i = 0; i < ROUTE_WRITES; i++)
		r->raised[i] = t->flags + 1 + writes[i < n ? i : 0];
	r->to = t;
	r->lane = lane;
}

void route_keep(const struct target *t, const struct bound_method *m, struct lane *lane, uint64_t changes)
{
	bool plain = m->n_writes > 0 && m->n_writes <= ROUTE_WRITES && m->args->small;
	uint64_t target = atomic_load(&t->id);
	struct route *r = plain ? find_place(target, route_to_method(m->ours), lane) : NULL;
	if (!r)
		return;
	*r = (struct route){ .target = target,
			     .what = route_to_method(m->ours),
			     .changes = changes,
			     .method = m,
			     .args = m->args };
	fill(r, t, lane, RECORD_CALL, m->row, m->writes, m->n_writes);
	if (m->folds)
		r->cast_size = ROUTE_FOLDS;
}

void route_keep_attr(const struct target *t, uint32_t attr, const struct bound_attr *a, struct lane *lane,
		     uint64_t changes)
{
	uint64_t target = atomic_load(&t->id);
	struct route *r = a->image->small ? find_place(target, route_to_attr(attr), lane) : NULL;
	if (!r)
		return;
	*r = (struct route){ .target = target,
			     .what = route_to_attr(attr),
			     .changes = changes,
			     .args = a->image,
			     .value_size = (uint16_t)a->size };
	fill(r, t, lane, RECORD_ASSIGN, a->attr, &a->attr, 1);
}

void routes_hide(bool hide)
{
	routes = hide || !mine ? nowhere : mine;
}

void routes_free(void)
{
	segment_unmap(mine, ROUTES * sizeof(*mine));
	mine = NULL;
	routes_hide(true);
}
