/*
 * many.c: see many.h. The record's arguments are records themselves, each with its arguments, padded to 8; the answer
 * is the command's own, then one for each of them.
 */
#include "proxy/many.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/await.h"
#include "proxy/send.h"
#include "proxy/wait.h"
#include "src/error.h"

#define MAIN_REPLY ((uint32_t)sizeof(struct reply) + STOA_ERROR_MAX)

struct item {
	const struct target *target;
	const struct bound_method *method; /* NULL: an assignment */
	const struct bound_attr *attr;
	const struct image_layout *layout;
	const void *from;
};

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static size_t reply_room(const struct item *i)
{
	return i->method ? padded(i->method->reply_size) : 0;
}

/* Write the records into the arguments; answers follow the main one. */
static void write_items(struct sending *w, const struct item *items, size_t n)
{
	char *at = w->args;
	uint32_t reply_at = w->record->reply_at + (uint32_t)padded(MAIN_REPLY);
	for (size_t k = 0; k < n; k++) {
		struct record *r = (struct record *)at;
		memset(r, 0, sizeof(*r));
		send_address(r, items[k].target, items[k].method ? RECORD_CALL : RECORD_ASSIGN,
			     items[k].method ? items[k].method->row : items[k].attr->attr);
		r->args_size = (uint32_t)image_pack(items[k].layout, items[k].from, r + 1);
		r->reply_at = reply_at;
		r->reply_size = (uint32_t)reply_room(&items[k]);
		reply_at += r->reply_size;
		at += padded(sizeof(*r) + r->args_size);
	}
}

static struct flags item_flags(const struct item *i)
{
	return i->method ? send_flags(i->target, i->method->writes, i->method->n_writes)
			 : send_flags(i->target, &i->attr->attr, 1);
}

static int send_items(struct stoa *s, const struct item *items, size_t n, int64_t timeout, struct sending *w)
{
	struct flags flags[MANY_MAX];
	size_t args = 0, replies = padded(MAIN_REPLY);
	for (size_t k = 0; k < n && args <= LANE_LIMIT; k++) { /* so the sum cannot overflow */
		args += padded(sizeof(struct record) + image_size(items[k].layout, items[k].from));
		replies += reply_room(&items[k]);
		flags[k] = item_flags(&items[k]);
	}
	if (args > LANE_LIMIT || replies > LANE_LIMIT)
		return error_set(-EMSGSIZE, "the commands take %zu bytes or more together; at most %ju", args + replies,
				 (uintmax_t)(LANE_FIRST << LANE_LOGS));
	int r = send_begin(s, args, replies, timeout, w);
	if (r < 0)
		return r;
	write_items(w, items, n);
	send_address(w->record, items[0].target, RECORD_MANY, (uint32_t)n);
	return send_publish(w, flags, n);
}

/* The results, once the main answer says that all were applied. The record stays ours until the next is taken. */
static int take_results(const struct sending *w, struct stoa_command *commands, const struct item *items, size_t n)
{
	const char *at = w->args;
	int r = 0;
	for (size_t k = 0; r == 0 && k < n; k++) {
		const struct record *rec = (const struct record *)at;
		const struct reply *reply = (const struct reply *)((const char *)w->record + rec->reply_at);
		if (items[k].method && commands[k].ret) {
			r = image_check(items[k].method->ret, reply + 1, reply->size);
			r = r ? r : image_unpack(items[k].method->ret, reply + 1, commands[k].ret);
		}
		at += padded(sizeof(*rec) + rec->args_size);
	}
	return r < 0 ? error_set(r, "the answer of a command is damaged") : 0;
}

static void set_statuses(const struct sending *w, struct stoa_command *commands, size_t n, int r)
{
	const struct reply *reply = (const struct reply *)((const char *)w->record + w->record->reply_at);
	bool answered = reply->done == w->ticket + 1;
	for (size_t k = 0; k < n; k++)
		commands[k].status = r == 0 || (answered && k == reply->failed) || !answered ? r : -ECANCELED;
}

static int bind_command(struct stoa *s, const struct stoa_command *c, struct item *ret)
{
	struct target *t;
	static const stoa_none none;
	if (!c->proxy || c->proxy->stoa != s)
		return error_set(-EINVAL, "a command's proxy is not of namespace %s", s->name);
	int r = send_target(c->proxy, &t);
	if (r < 0)
		return r;
	*ret = (struct item){ .target = t, .from = c->args ? c->args : &none };
	if (!c->method) {
		r = send_check_assign(c->proxy, t, c->attr, c->size, &ret->attr);
		ret->layout = r < 0 ? NULL : ret->attr->image;
		return r;
	}
	r = binding_method(t->binding, c->method, &ret->method);
	if (r == 0 && !c->args && ret->method->args->n_fields)
		r = error_set(-EINVAL, "method %s of object %s takes arguments; none were given", c->method->name,
			      c->proxy->name);
	ret->layout = r < 0 ? NULL : ret->method->args;
	return r;
}

int stoa_call_many(struct stoa *s, size_t n, struct stoa_command *commands, int64_t timeout)
{
	struct item items[MANY_MAX];
	struct sending w;
	if (n == 0)
		return 0;
	if (n > MANY_MAX)
		return error_set(-EINVAL, "%zu commands at once; at most %d", n, MANY_MAX);
	for (size_t k = 0; k < n; k++) {
		int r = bind_command(s, &commands[k], &items[k]);
		if (r < 0)
			return r;
	}
	int r = send_items(s, items, n, timeout, &w);
	if (r < 0)
		return r;
	r = await_answer(&w, NULL, NULL);
	r = r ? r : take_results(&w, commands, items, n);
	set_statuses(&w, commands, n, r);
	return r;
}

int many_assign(struct stoa_proxy *p, const struct target *t, const void *from, int64_t timeout)
{
	const struct binding *b = t->binding;
	struct item *items = calloc(b->n_attrs + 1, sizeof(*items));
	struct sending w;
	size_t n = 0;
	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->n_attrs; i++)
		if (b->attrs[i].writable && !b->attrs[i].bad)
			items[n++] = (struct item){ .target = t,
						    .attr = &b->attrs[i],
						    .layout = b->attrs[i].image,
						    .from = (const char *)from + b->attrs[i].offset };
	int r = n > MANY_MAX ? error_set(-EMSGSIZE,
					 "class %s has %zu writable attributes; with a newer coordinator at most %d "
					 "can be assigned at once",
					 b->ours->name, n, MANY_MAX)
		: n	     ? send_items(p->stoa, items, n, timeout, &w)
			     : 0;
	if (r == 0 && n)
		r = await_answer(&w, NULL, NULL);
	free(items);
	return r;
}
