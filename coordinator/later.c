/*
 * later.c: see later.h. Also what methods call: stoa_defer, stoa_answer, stoa_wanted. A token is not believed, though
 * only methods write one: it leads to a place in a lane that is its owner's, or nowhere.
 */
#include "coordinator/later.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "coordinator/classes.h"
#include "coordinator/command.h"
#include "coordinator/commit.h"
#include "coordinator/lanes.h"
#include "coordinator/run.h"
#include "src/later.h"

/* ---- tokens ---- */

/* Where a token leads, as it says; and, once it is found, where that is. */
struct place {
	uint64_t ticket, number; /* of the command and of its client */
	uint32_t lane, at;	 /* at: of its record */
	uint32_t reply_at, room; /* as its record has them */
	uint32_t class_id, row;
	const struct record *record;
	struct later *later;
};

static struct place place_read(const struct stoa_token *token)
{
	const uint64_t *w = token->word;
	return (struct place){ .ticket = w[0] - 1,
			       .number = w[1],
			       .lane = (uint32_t)(w[2] >> 32),
			       .at = (uint32_t)w[2],
			       .reply_at = (uint32_t)(w[3] >> 32),
			       .room = (uint32_t)w[3],
			       .class_id = (uint32_t)(w[4] >> 32),
			       .row = (uint32_t)w[4] };
}

static struct stoa_token place_token(const struct place *p)
{
	return (struct stoa_token){ { p->ticket + 1, p->number, (uint64_t)p->lane << 32 | p->at,
				      (uint64_t)p->reply_at << 32 | p->room, (uint64_t)p->class_id << 32 | p->row } };
}

#define HEADS (sizeof(struct reply) + sizeof(struct later))

/* Does it lie in a lane as a record with its answer does? */
static bool place_fits(const struct coordinator *c, const struct place *p)
{
	return p->ticket < UINT64_MAX >> 2 && p->lane < space_lanes(c->space) && p->at >= LANE_ARENA && p->at % 8 == 0 &&
	       p->reply_at >= sizeof(struct record) && p->reply_at % 8 == 0 && p->room >= HEADS &&
	       (uint64_t)p->at + p->reply_at + p->room <= LANE_LIMIT;
}

/* Or is about to: who is dead, or has another program by now, takes no answer. */
static bool has_left(const struct roster_client *owner)
{
	struct pollfd p[] = { { .fd = owner->pid_fd, .events = POLLIN }, { .fd = owner->conn_fd, .events = POLLRDHUP } };
	if (owner->dead || owner->evicted)
		return true;
	return poll(p, sizeof(p) / sizeof(*p), 0) > 0 && (p[0].revents || p[1].revents);
}

/* The lane is this client's still, and he is there. */
static bool is_owned(const struct coordinator *c, uint32_t lane, uint64_t number)
{
	const struct roster *r = &c->ns->roster;
	return lane < r->n_lanes && r->lanes[lane].used && !r->lanes[lane].ending && number &&
	       c->lanes[lane].owner.number == number && !has_left(&r->clients[r->lanes[lane].client]);
}

static bool place_find(struct coordinator *c, struct place *p)
{
	const struct server_lane *lane = is_owned(c, p->lane, p->number) ? lanes_get(c, p->lane) : NULL;
	if (!lane || lane->damaged)
		return false;
	p->record = (const struct record *)((char *)lane->base + p->at);
	p->later = (struct later *)((char *)lane->base + p->at + p->reply_at + sizeof(struct reply));
	return true;
}

static uint32_t why_let_go(const struct record *r)
{
	return atomic_load_explicit(&r->cancel, memory_order_relaxed);
}

static bool is_let_go(const struct record *r)
{
	return why_let_go(r) != CANCEL_NOT;
}

/* ---- answers ---- */

struct result {
	const struct image_layout *layout; /* NULL: a text */
	const void *from;
	size_t size;
};

static int result_of_text(struct place *p, const char *text, struct result *ret)
{
	size_t n = text ? strlen(text) : 0, room = p->room - HEADS;
	*ret = (struct result){ .from = text, .size = n < room ? n : room };
	return 0;
}

/* As the method's row has it, which deferred. */
static int result_of_method(struct coordinator *c, const struct place *p, const void *from, struct result *ret)
{
	struct server_class *cls = p->class_id < c->n_descriptions ? c->descriptions[p->class_id].current : NULL;
	const struct server_method *m =
		cls && classes_make(c, cls) == 0 ? classes_method(c, cls, p->class_id, p->row) : NULL;
	if (!m)
		return stoa_fail(-EPROTO, "the method that deferred its answer is there no more, or a different one");
	const struct stoa_struct *rows = m->row->ret;
	if (!from)
		return stoa_fail(-EINVAL, "the answer of method %s of class %s is NULL; give its result",
				 m->row->name, cls->code->name);
	const struct stoa_attr *bad = rows && m->ret->choosy ? run_find_unfit(rows, NULL, rows->n_attrs, from) : NULL;
	if (bad)
		return stoa_fail(-EINVAL, "in the answer of method %s of class %s, %s is %s", m->row->name,
				 cls->code->name, bad->name, run_why_unfit(bad));
	*ret = (struct result){ .layout = m->ret, .from = from, .size = image_size(m->ret, from) };
	if (ret->size > m->ret_max || ret->size > p->room - HEADS)
		return stoa_fail(-EMSGSIZE, "the answer of method %s of class %s has %zu bytes, over its limit of %u",
				 m->row->name, cls->code->name, ret->size, m->ret_max);
	return 0;
}

/* Noted first: whoever follows us finds it claimed, or not, and takes it back. */
static void note(struct coordinator *c, const struct place *p)
{
	struct answering *a = &c->space->state->answering;
	uint32_t n = c->n_given;
	atomic_store_explicit(&a->since, c->head, memory_order_relaxed);
	a->of[n].ticket = p->ticket;
	a->of[n].lane = p->lane;
	a->of[n].at = p->at + p->reply_at + (uint32_t)sizeof(struct reply);
	atomic_store_explicit(&a->n, n + 1, memory_order_release);
}

/* Its caller waits, and will take what is given to him. */
static bool claim(struct coordinator *c, const struct place *p)
{
	note(c, p);
	if (!later_turn(p->later, p->ticket, LATER_OPEN, LATER_CLAIMED))
		return false;
	atomic_thread_fence(memory_order_seq_cst); /* pairs with later_let_go in proxy/later.c */
	if (is_let_go(p->record)) {
		later_turn(p->later, p->ticket, LATER_CLAIMED, LATER_CLOSED);
		return false;
	}
	return true;
}

static void give(struct coordinator *c, const struct place *p, int status, const struct result *what)
{
	if (what->layout)
		image_pack(what->layout, what->from, p->later + 1);
	else
		memcpy(p->later + 1, what->from, what->size);
	c->given[c->n_given++] = (struct given){ .to = p->later,
						 .ticket = p->ticket,
						 .lane = p->lane,
						 .status = status,
						 .size = (uint32_t)what->size };
}

void later_undo(struct coordinator *c)
{
	for (uint32_t i = 0; i < c->n_given; i++)
		later_turn(c->given[i].to, c->given[i].ticket, LATER_CLAIMED, LATER_OPEN);
	atomic_store_explicit(&c->space->state->answering.n, 0, memory_order_release);
	c->n_given = 0;
	c->deferred = false;
}

void later_write(struct coordinator *c)
{
	for (uint32_t i = 0; i < c->n_given; i++) {
		const struct given *g = &c->given[i];
		g->to->status = g->status;
		g->to->size = g->size;
		g->to->origin = STOA_FROM_METHOD;
		atomic_store_explicit(&g->to->by, c->ticket + 1, memory_order_release);
	}
}

void later_written(struct coordinator *c)
{
	for (uint32_t i = 0; i < c->n_given; i++)
		commit_wake_lane(c, c->given[i].lane);
	c->deferred = false;
	if (c->n_given == 0)
		return;
	c->n_given = 0;
	/* Behind the commit, as it is stored: else a claim would stay whose answer never came. */
	atomic_store_explicit(&c->space->state->answering.n, 0, memory_order_release);
}

/* ---- recovery ---- */

static void take_back(struct coordinator *c, uint64_t ticket, uint32_t i, uint32_t at)
{
	struct server_lane *lane = i < space_lanes(c->space) && lane_is_known(c, i) ? lanes_get(c, i) : NULL;
	if (!lane || at % 8 || at < LANE_ARENA || at > LANE_LIMIT - sizeof(struct later))
		return;
	struct later *later = (struct later *)((char *)lane->base + at);
	uint64_t by = atomic_load(&later->by);
	if (atomic_load(&later->state) != later_state(ticket, LATER_CLAIMED) || (by && by <= c->head))
		return; /* it was not claimed yet, or was answered before, and noted in vain */
	atomic_store(&later->by, 0);
	later_turn(later, ticket, LATER_CLAIMED, LATER_OPEN);
}

void later_recover(struct coordinator *c)
{
	struct answering *a = &c->space->state->answering;
	uint32_t n = atomic_load(&a->n);
	for (uint32_t i = 0; i < n && i < GIVEN_MAX && atomic_load(&a->since) == c->head; i++)
		take_back(c, a->of[i].ticket, a->of[i].lane, a->of[i].at);
	atomic_store(&a->n, 0);
}

/* ---- for methods ---- */

/* The coordinator, if a method of its runs that may have its will. */
static struct coordinator *in_method(void)
{
	struct coordinator *c = coordinator_self;
	return c && c->n_steps && !command_is_reader() ? c : NULL;
}

static const char nobody_waits[] = "nobody waits for an answer: it was cast, or its caller has given up";

bool later_gave_up(const struct coordinator *c)
{
	return c->gave_up == c->ticket + 1 && strcmp(c->outcome.text, nobody_waits) == 0;
}

int stoa_defer(struct stoa_token *ret_token)
{
	struct coordinator *c = in_method();
	const char *base;
	struct place p;
	if (!c)
		return stoa_fail(-EINVAL, "only a method that may write can answer later");
	const struct record *r = command_record(&p.lane, &base);
	if (r->kind == RECORD_MANY)
		return stoa_fail(-EINVAL, "this method may answer later; call it alone, not as one of several commands");
	p.ticket = c->ticket;
	p.number = c->caller.number;
	p.at = (uint32_t)(base - (const char *)c->lanes[p.lane].base);
	p.reply_at = r->reply_at;
	p.room = r->reply_size;
	p.class_id = r->class_id;
	p.row = r->row;
	bool there = r->kind == RECORD_CALL && p.room && place_find(c, &p);
	uint32_t why = there ? why_let_go(p.record) : CANCEL_NOT;
	if (why == CANCEL_TIMED_OUT)
		c->gave_up = c->ticket + 1;
	if (!there || why != CANCEL_NOT)
		return stoa_fail(-ESTALE, "%s", nobody_waits);
	if (!place_fits(c, &p))
		return stoa_fail(-EMSGSIZE, "the caller has no room for an answer that is given later");
	c->deferred = true;
	*ret_token = place_token(&p);
	return 0;
}

bool stoa_wanted(const struct stoa_token *token)
{
	struct coordinator *c = coordinator_self;
	struct place p = place_read(token);
	return c && place_fits(c, &p) && place_find(c, &p) && !is_let_go(p.record) &&
	       atomic_load(&p.later->state) == later_state(p.ticket, LATER_OPEN);
}

int stoa_answer(const struct stoa_token *token, int status, const void *ret)
{
	struct coordinator *c = in_method();
	struct place p = place_read(token);
	struct result what = { 0 };
	if (!c)
		return stoa_fail(-EINVAL, "only a method that may write can give an answer");
	if (status > 0 || status == REPLY_LATER)
		return stoa_fail(-EINVAL, "an answer's status is %d; it is 0 or a negative errno", status);
	if (!place_fits(c, &p) || p.ticket == c->ticket)
		return stoa_fail(-EINVAL, "this is no token of a command before");
	if (c->n_given == GIVEN_MAX)
		return stoa_fail(-ENOSPC, "a command can give %d answers, and not more", GIVEN_MAX);
	int r = status < 0 ? result_of_text(&p, ret, &what) : result_of_method(c, &p, ret, &what);
	if (r < 0)
		return r;
	if (!place_find(c, &p) || !claim(c, &p))
		return -ESTALE;
	give(c, &p, status, &what);
	return 0;
}
