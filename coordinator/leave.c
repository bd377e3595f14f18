/*
 * leave.c: see leave.h. A word has room for 19 bits: in a namespace of more objects it is for all that have the same
 * remainder, all or nothing.
 */
#include "coordinator/leave.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/former.h"
#include "coordinator/classes.h"
#include "coordinator/objects.h"
#include "src/image.h"
#include "src/ring.h"

#define LOOKS 4096 /* at entries, before others have their turn */

static void go_on_at(struct coordinator *c, uint32_t place)
{
	c->leaving = place;
	atomic_store_explicit(&c->space->state->leaving, place, memory_order_relaxed);
}

void leave_init(struct coordinator *c)
{
	c->any_minds = true;
	c->leaving = atomic_load(&c->space->state->leaving);
}

void leave_note(struct coordinator *c)
{
	c->any_minds = c->any_minds || leave_is_due(c); /* a round that was not finished has not seen all */
	go_on_at(c, 0);
}

/* The object's place among the words; UINT32_MAX: the word is none of these. */
static uint32_t place_of(const struct coordinator *c, uint64_t word)
{
	uint32_t units = ring_word_units(word);
	if (ring_word_lane(word) != RING_LANE_SPECIAL || units < RING_LEAVE ||
	    units - RING_LEAVE >= c->space->geometry.objects)
		return UINT32_MAX;
	return units - RING_LEAVE;
}

static const struct server_method *method_of(struct coordinator *c, uint32_t index)
{
	const struct object_entry *e = space_object(c->space, index);
	if (!atomic_load_explicit(&e->born, memory_order_relaxed) || e->class_id >= c->n_descriptions)
		return NULL;
	struct server_class *cls = c->descriptions[e->class_id].current;
	return cls && classes_make(c, cls) == 0 ? cls->on_leave : NULL;
}

static bool minds(struct coordinator *c, uint32_t place, uint32_t n)
{
	bool any = false;
	for (uint32_t i = place; i < n && !any; i += RING_LEAVES)
		any = method_of(c, i);
	return any;
}

static int tell(struct coordinator *c, uint32_t place)
{
	uint64_t room = c->head + c->space->geometry.queue, ticket;
	int r = ring_publish(c->space, RING_LANE_SPECIAL, RING_LEAVE + place, NULL, NULL, &room, &ticket);
	if (r == 0)
		c->leave_end = ticket + 1;
	return r;
}

/* The words that we put there are to be taken first: of many deaths in a row, the later ones share a round. */
static bool is_telling(const struct coordinator *c)
{
	uint64_t word;
	return c->head < c->leave_end && ring_take(c->space, c->head, &word);
}

void leave_publish(struct coordinator *c)
{
	if (is_telling(c))
		return;
	uint32_t n = atomic_load(&c->space->state->n_objects), end = n < RING_LEAVES ? n : RING_LEAVES;
	uint32_t room = c->space->geometry.queue / 4; /* the rest is for others */
	int r = c->leaving > 0 || c->any_minds ? 0 : -ENOENT;
	c->any_minds = c->any_minds && c->leaving > 0; /* at the beginning of a round: until one is seen */
	uint32_t next = c->leaving;
	for (uint32_t looks = 0; r == 0 && next < end && room > 0 && looks < LOOKS; looks++) {
		if (minds(c, next, n)) {
			c->any_minds = true;
			r = tell(c, next);
			room--;
		}
		next += r == 0;
	}
	go_on_at(c, next >= end || (r < 0 && r != -EAGAIN) ? UINT32_MAX : next);
}

/* Append the call of the method for object i, if it is still there, and can be called. */
static int record_append(struct coordinator *c, uint32_t i, struct record *all)
{
	const struct server_method *m = method_of(c, i);
	const struct object *o = m ? objects_at(c, i) : NULL;
	if (!o || !o->cls) /* it is quarantined */
		return 0;
	uint32_t args = m->args->size, size = (uint32_t)sizeof(struct record) + (args + 7) / 8 * 8;
	if (scratch(&c->bytes, &c->bytes_room, all->args_size + size) < 0)
		return -ENOMEM;
	struct record *r = (struct record *)(c->bytes + all->args_size);
	*r = (struct record){ .origin = o->body->origin,
			      .object = i,
			      .class_id = (uint16_t)o->cls->id,
			      .row = (uint32_t)(m - o->cls->methods),
			      .args_size = args,
			      .kind = RECORD_CALL };
	memcpy(r + 1, m->args->head, args); /* of no attributes */
	all->args_size += size;
	all->row++;
	return 0;
}

int leave_record(struct coordinator *c, uint64_t word, struct record *ret)
{
	uint32_t place = place_of(c, word), n = atomic_load(&c->space->state->n_objects);
	int r = 0;
	*ret = (struct record){ .kind = RECORD_MANY };
	if (place == UINT32_MAX)
		return -EBADMSG;
	for (uint32_t i = place; r == 0 && i < n; i += RING_LEAVES)
		r = record_append(c, i, ret);
	return r;
}

bool stoa_attached(uint64_t number)
{
	const struct coordinator *c = coordinator_self;
	bool found = c && number && former_is_there(c, number);
	for (uint32_t i = 0; c && number && i < c->ns->roster.n_clients && !found; i++) {
		const struct roster_client *client = &c->ns->roster.clients[i];
		found = client->used && !client->dead && !client->evicted && client->number == number;
	}
	return found;
}
