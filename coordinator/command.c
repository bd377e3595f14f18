/*
 * command.c: see command.h. A single call or assignment is a list of one job; RECORD_MANY is a list of several, all or
 * nothing: every job runs, then all are kept or all are undone, then the answers are written.
 */
#include "coordinator/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "coordinator/classes.h"
#include "coordinator/fold.h"
#include "coordinator/lanes.h"
#include "coordinator/later.h"
#include "coordinator/leave.h"
#include "coordinator/load.h"
#include "coordinator/objects.h"
#include "coordinator/run.h"
#include "coordinator/stage.h"
#include "coordinator/tally.h"
#include "coordinator/trace.h"
#include "src/error.h"
#include "src/later.h"
#include "src/names.h"
#include "src/prefetch.h"
#include "src/ring.h"

#define KILLS_MAX 8		     /* from outside, while it ran … */
#define LOST_MAX (UINT64_C(1) << 32) /* of a lane's commands, one after the other; far from wrapping its numbers */
#define KILLS_OF_STOP 4		     /* … each stop counts for so many: it takes the others a second */

struct job {
	const struct record *record;
	const char *args;
	struct object *object;
	const struct server_method *method; /* NULL: an assignment */
	const uint32_t *attrs;
	const struct image_layout *layout; /* of the value */
	uint32_t n_attrs, one;
	struct tallied *tally; /* of the method, or of assignments to the class; NULL: it was not found */
	size_t ret_at;	     /* in c->ret */
};

/* The command in hand. */
struct command {
	struct record record; /* our copy */
	char *base;	      /* the record in its lane */
	uint32_t lane;
	struct job jobs[MANY_MAX];
	uint32_t n_jobs, failed;
	bool hooked; /* an object's class has hooks */
	struct fold_sums sums; /* RECORD_FOLD: what is to be applied */
};

static const struct command *in_hand;

/* ---- outcomes ---- */

int outcome_set(struct coordinator *c, int code, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(c->outcome.text, sizeof(c->outcome.text), format, ap);
	va_end(ap);
	c->outcome.status = code;
	c->outcome.origin = STOA_FROM_LIBRARY;
	return code;
}

int outcome_library(struct coordinator *c, int code)
{
	struct stoa_error e;
	stoa_last_error(&e);
	return outcome_set(c, code, "%s", e.code == code ? e.text : stoa_strerror(code));
}

int scratch(unsigned char **buffer, size_t *room, size_t size)
{
	if (size <= *room)
		return 0;
	size_t more = size < 4096 ? 4096 : size + size / 2;
	unsigned char *p = realloc(*buffer, more);
	if (!p)
		return error_set(-ENOMEM, "no memory for a command of %zu bytes", size);
	*buffer = p;
	*room = more;
	return 0;
}

/* Which object, class and row a rejected command was for, as far as it is known. */
static void reject_name(const struct coordinator *c, const struct command *cmd, struct reject *e)
{
	const struct create_args *create = (const struct create_args *)c->bytes;
	if (cmd->record.kind == RECORD_CREATE && cmd->record.args_size >= sizeof(*create)) {
		snprintf(e->object, sizeof(e->object), "%.*s", STOA_NAME_MAX, create->object);
		snprintf(e->class_name, sizeof(e->class_name), "%.*s", STOA_NAME_MAX, create->class_name);
	}
	if (cmd->failed >= cmd->n_jobs)
		return;
	const struct job *j = &cmd->jobs[cmd->failed];
	const struct record *r = j->record;
	if (j->object)
		snprintf(e->object, sizeof(e->object), "%s", j->object->name);
	if (r->class_id < c->n_descriptions) {
		snprintf(e->class_name, sizeof(e->class_name), "%s", c->descriptions[r->class_id].described->name);
		snprintf(e->row, sizeof(e->row), "%s",
			 classes_row_name(c, r->class_id, r->row, r->kind != RECORD_CALL && r->kind != RECORD_FOLD));
	}
}

static void reject_record(struct coordinator *c, uint32_t lane, const struct command *cmd)
{
	struct reject *e = space_reject(c->space, ++c->totals.rejected);
	atomic_store_explicit(&e->number, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	e->ticket = c->ticket;
	e->time_ns = c->now_ns;
	e->code = c->outcome.status;
	e->pid = c->caller.pid;
	e->lane = lane;
	e->origin = c->outcome.origin;
	e->object[0] = e->class_name[0] = e->row[0] = '\0';
	if (cmd)
		reject_name(c, cmd, e);
	snprintf(e->text, sizeof(e->text), "%s",
		 c->outcome.text[0] ? c->outcome.text : stoa_strerror(c->outcome.status));
	atomic_store_explicit(&e->number, c->totals.rejected, memory_order_release);
}

/* A word that leads to no command of an honest client. */
static enum command_result reject_word(struct coordinator *c, uint32_t lane, const char *why)
{
	c->caller = (struct stoa_client){ .client = lane };
	outcome_set(c, -EBADMSG, "%s", why);
	reject_record(c, lane, NULL);
	return COMMAND_DONE;
}

/* Its lane has no memory here: it is nobody's, or was taken from who was evicted, and can put words into the ring. */
static enum command_result reject_absent(struct coordinator *c, uint32_t lane)
{
	if (!roster_lane_held(&c->ns->roster, lane))
		return reject_word(c, lane, "the lane of this command is not attached");
	c->caller = (struct stoa_client){ .pid = space_lane(c->space, lane)->owner, .client = lane };
	outcome_set(c, -ECONNABORTED, "its process was evicted before");
	reject_record(c, lane, NULL);
	return COMMAND_DONE;
}

/* ---- answers ---- */

static struct reply *reply_place(const struct command *cmd, const struct record *r)
{
	return r->reply_size ? (struct reply *)(cmd->base + r->reply_at) : NULL;
}

static struct reply reply_head(const struct coordinator *c, const struct command *cmd, int status, size_t size)
{
	return (struct reply){ .done = c->ticket + 1,
			       .status = status,
			       .size = (uint32_t)size,
			       .origin = c->outcome.origin,
			       .failed = cmd->failed };
}

/* Begin the command's own answer. Returns where its size bytes are to be put; NULL: nobody wants it. */
static void *answer_begin(struct coordinator *c, const struct command *cmd, int status, size_t size)
{
	struct reply *to = reply_place(cmd, &cmd->record);
	if (!to)
		return NULL;
	struct answer *a = &c->answers[c->n_answers++];
	a->to = to;
	a->head = reply_head(c, cmd, status, size);
	a->staged = size <= sizeof(a->bytes) ? (uint32_t)size : 0;
	return a->staged ? (void *)a->bytes : to + 1;
}

static void reply_error(struct coordinator *c, const struct command *cmd)
{
	const struct record *r = &cmd->record;
	size_t room = r->reply_size ? r->reply_size - sizeof(struct reply) : 0, n = strlen(c->outcome.text);
	n = n < room ? n : room;
	void *to = answer_begin(c, cmd, c->outcome.status, n);
	if (to)
		memcpy(to, c->outcome.text, n);
}

/* The answers of the commands in a RECORD_MANY. */
static void reply_each(const struct coordinator *c, const struct command *cmd)
{
	for (uint32_t i = 0; i < cmd->n_jobs; i++) {
		const struct job *j = &cmd->jobs[i];
		struct reply *head = reply_place(cmd, j->record);
		size_t n = head && j->method ? image_pack(j->method->ret, c->ret + j->ret_at, head + 1) : 0;
		if (head)
			*head = reply_head(c, cmd, 0, n);
	}
}

/* Where to the answer will come. */
static void reply_later(struct coordinator *c, const struct command *cmd)
{
	const struct later open = { .state = later_state(c->ticket, LATER_OPEN) };
	void *to = answer_begin(c, cmd, REPLY_LATER, sizeof(open));
	if (to)
		memcpy(to, &open, sizeof(open));
}

static void reply_results(struct coordinator *c, const struct command *cmd)
{
	if (c->deferred) {
		reply_later(c, cmd);
		return;
	}
	const struct job *j = &cmd->jobs[0];
	bool single = cmd->record.kind != RECORD_MANY;
	size_t n = single && j->method ? image_size(j->method->ret, c->ret + j->ret_at) : 0;
	if (!single)
		reply_each(c, cmd);
	void *to = answer_begin(c, cmd, 0, n);
	if (to && n)
		image_pack(j->method->ret, c->ret + j->ret_at, to);
}

/* ---- checking what came ---- */

/* Where the record says its arguments and its answer are: inside of `room` bytes from the record on? */
static bool record_fits(const struct record *r, uint64_t room)
{
	uint64_t args_end = sizeof(*r) + (uint64_t)r->args_size;
	return args_end <= room &&
	       (r->reply_size == 0 || (r->reply_size >= sizeof(struct reply) && r->reply_at % 8 == 0 &&
				       r->reply_at >= args_end && (uint64_t)r->reply_at + r->reply_size <= room));
}

/* The object that is meant, with its mirror. */
static int job_object(struct coordinator *c, struct command *cmd, struct job *j)
{
	struct object *o = j->object = objects_get(c, j->record->object, j->record->origin);
	if (!o)
		return outcome_set(c, -ESTALE, "the object was removed");
	if (object_touch(c, o) < 0)
		return outcome_set(c, -ENOMEM, "no memory");
	int woken = object_wake(c, o);
	if (woken < 0)
		return outcome_library(c, woken);
	if (o->quarantined)
		return outcome_set(c, -EFAULT, "object %s is quarantined: %s", o->name, o->quarantined);
	if (!o->cls)
		return outcome_set(c, -ENOSYS, "the coordinator has no code for the class of object %s", o->name);
	cmd->hooked = cmd->hooked || o->cls->code->hooks;
	return 0;
}

static int job_method(struct coordinator *c, struct job *j)
{
	const struct object *o = j->object;
	j->method = classes_method(c, o->cls, j->record->class_id, j->record->row);
	if (!j->method || !j->method->row->run)
		return outcome_set(c, -EPROTO, "class %s of object %s has no such method any more, or a different one",
				   o->cls->code->name, o->name);
	j->layout = j->method->args;
	j->tally = j->method->tally;
	if (j->record->kind == RECORD_FOLD && !j->method->row->folds)
		return outcome_set(c, -EPROTO, "method %s of class %s does not fold", j->method->row->name,
				   o->cls->code->name);
	return 0;
}

static int job_attr(struct coordinator *c, struct job *j)
{
	const struct object *o = j->object;
	int32_t attr = classes_attr(c, o->cls, j->record->class_id, j->record->row);
	if (attr < 0)
		return outcome_set(c, -EPROTO,
				   "class %s of object %s has no such attribute any more, or a different one",
				   o->cls->code->name, o->name);
	if (!o->cls->code->state->attrs[attr].writable)
		return outcome_set(c, -EPERM, "attribute %s of object %s is not writable",
				   o->cls->code->state->attrs[attr].name, o->name);
	j->one = (uint32_t)attr;
	j->attrs = &j->one;
	j->n_attrs = 1;
	j->tally = o->cls->assigned;
	j->layout = classes_attr_image(o->cls, j->one);
	return 0;
}

static int job_all(struct job *j)
{
	const struct server_class *cls = j->object->cls;
	j->attrs = cls->writables;
	j->n_attrs = cls->n_writables;
	j->tally = cls->assigned;
	j->layout = cls->writable;
	return 0;
}

static int job_bind(struct coordinator *c, struct command *cmd, struct job *j)
{
	const struct record *r = j->record;
	int res = job_object(c, cmd, j);
	if (res == 0)
		res = r->kind == RECORD_CALL || r->kind == RECORD_FOLD ? job_method(c, j)
		      : r->kind == RECORD_ASSIGN			 ? job_attr(c, j)
									 : job_all(j);
	if (res < 0 || r->kind == RECORD_FOLD)
		return res;
	if (!j->layout)
		return outcome_set(c, -ENOMEM, "no memory");
	if (image_check(j->layout, j->args, r->args_size) < 0)
		return outcome_set(c, -EBADMSG, "the %u argument bytes for object %s are no image of \"%s\"",
				   r->args_size, j->object->name, j->layout->format);
	return 0;
}

static bool is_job(uint32_t kind)
{
	return kind == RECORD_CALL || kind == RECORD_ASSIGN || kind == RECORD_ASSIGN_ALL;
}

/* What is written down of it as its object: the command's own has none. */
static void command_meant(struct command *cmd, const struct object *o, uint32_t class_id)
{
	cmd->record.object = o->index;
	cmd->record.class_id = (uint16_t)class_id;
	cmd->record.origin = o->body->origin;
}

/* The records inside RECORD_MANY, in c->bytes: record and arguments, each padded to 8. */
static int many_bind(struct coordinator *c, struct command *cmd)
{
	const struct record *main = &cmd->record;
	uint64_t at = 0, room = (uint64_t)main->reply_at + main->reply_size;
	if (main->row > MANY_MAX)
		return outcome_set(c, -EINVAL, "%u commands at once; at most %d", main->row, MANY_MAX);
	for (uint32_t i = 0; i < main->row; i++) {
		struct job *j = &cmd->jobs[i];
		const struct record *r = (const struct record *)(c->bytes + at);
		*j = (struct job){ .record = r, .args = (const char *)(r + 1) };
		cmd->failed = i;
		if (at + sizeof(*r) > main->args_size || r->args_size > main->args_size - at - sizeof(*r) ||
		    !is_job(r->kind))
			return outcome_set(c, -EBADMSG, "the command is not well formed");
		cmd->n_jobs = i + 1;
		if (r->reply_size && (r->reply_at < main->reply_at || r->reply_size < sizeof(struct reply) ||
				      r->reply_at % 8 || (uint64_t)r->reply_at + r->reply_size > room))
			return outcome_set(c, -EBADMSG, "the command is not well formed");
		int res = job_bind(c, cmd, j);
		if (res < 0)
			return res;
		if (i == 0)
			command_meant(cmd, j->object, r->class_id);
		at += (sizeof(*r) + r->args_size + 7) & ~UINT64_C(7);
	}
	return 0;
}

/* ---- running ---- */

/* Mostly a few words, and a call of memset costs more. Behind `size` there is room for ZERO_ROOM more. */
#define ZERO_ROOM 16
static inline void zero(unsigned char *at, size_t size)
{
	if (size > 64) {
		memset(at, 0, size);
		return;
	}
	for (unsigned char *end = at + size; at < end; at += ZERO_ROOM)
		memset(at, 0, ZERO_ROOM);
}

static int ret_room(struct coordinator *c, struct command *cmd)
{
	size_t size = 0;
	for (uint32_t i = 0; i < cmd->n_jobs; i++) {
		cmd->jobs[i].ret_at = size;
		if (cmd->jobs[i].method)
			size += (cmd->jobs[i].method->row->ret ? cmd->jobs[i].method->row->ret->size + 15u : 15u) &
				~15u;
	}
	int r = scratch(&c->ret, &c->ret_room, size + ZERO_ROOM);
	if (r == 0)
		zero(c->ret, size);
	return r;
}

static int job_run(struct coordinator *c, const struct command *cmd, const struct job *j)
{
	if (!j->method)
		return run_assign(c, j->object, j->attrs, j->n_attrs, j->layout, j->args);
	const struct stoa_struct *args = j->method->row->args;
	int r = scratch(&c->args, &c->args_room, (args ? args->size : 0) + ZERO_ROOM);
	if (r < 0)
		return outcome_library(c, r);
	zero(c->args, args ? args->size : 0);
	if (j->record->kind != RECORD_FOLD)
		image_borrow(j->layout, j->args, c->args);
	else if (!fold_unpack(args, &cmd->sums, c->args))
		return outcome_set(c, -EBADMSG, "the sums of the casts do not fit the arguments");
	r = run_method(c, j->object, j->method, c->args, c->ret + j->ret_at);
	if (r < 0)
		return r;
	size_t n = image_size(j->method->ret, c->ret + j->ret_at);
	uint32_t room = j->record->reply_size;
	if (n > j->method->ret_max || (room && n > room - sizeof(struct reply)))
		return outcome_set(c, -EMSGSIZE,
				   "the result of method %s has %zu bytes, over its limit of %u (.ret_max)",
				   j->method->row->name, n, j->method->ret_max);
	return 0;
}

static int jobs_run(struct coordinator *c, struct command *cmd)
{
	int r = ret_room(c, cmd);
	if (r < 0)
		return outcome_library(c, r);
	for (uint32_t i = 0; r == 0 && i < cmd->n_jobs; i++) {
		cmd->failed = i;
		r = job_run(c, cmd, &cmd->jobs[i]);
	}
	int settled = run_settle(c, r == 0);
	r = r ? r : settled;
	if (r == 0)
		reply_results(c, cmd);
	else if (later_any(c))
		later_undo(c);
	for (uint32_t i = 0; i < cmd->n_jobs; i++)
		if (cmd->jobs[i].method)
			image_drop(cmd->jobs[i].method->ret, c->ret + cmd->jobs[i].ret_at);
	return r;
}

/* The images of a create: behind its arguments, or staged. */
static int check_first(struct coordinator *c, struct create_args *a, struct server_class *cls, const char *image,
		       size_t size)
{
	int r = classes_make(c, cls);
	if (r < 0)
		return outcome_library(c, r);
	if (a->from > CREATE_FROM_PARTS)
		return outcome_set(c, -EBADMSG, "the command is not well formed");
	if (a->from == CREATE_FROM_INIT && image_check(cls->init, image, size) < 0)
		return outcome_set(c, -EBADMSG, "the first state of object %s is no image of \"%s\"", a->object,
				   cls->init->format);
	if (a->from == CREATE_FROM_PARTS && part_plan_check(cls->plan, image, size) < 0)
		return outcome_set(c, -EBADMSG, "the state of object %s is not that of class %s", a->object,
				   cls->code->name);
	return 0;
}

/* From here on they are the images of parts like any. */
static int take_staged(struct coordinator *c, const struct command *cmd, struct create_args *a, const char **ret_image,
		       size_t *ret_size)
{
	const struct staged *staged = c->lanes[cmd->lane].staged;
	if (!staged)
		return outcome_set(c, -ESTALE, "the state of object %s is gone with the coordinator that had it",
				   a->object);
	a->from = CREATE_FROM_PARTS;
	*ret_image = staged->bytes;
	*ret_size = staged->size;
	return 0;
}

static int command_create(struct coordinator *c, struct command *cmd)
{
	struct create_args *a = (struct create_args *)c->bytes;
	if (cmd->record.args_size < sizeof(*a))
		return outcome_set(c, -EBADMSG, "the command is not well formed");
	a->object[LAYOUT_NAME - 1] = a->class_name[LAYOUT_NAME - 1] = '\0';
	int r = names_check("object", a->object);
	if (r < 0)
		return outcome_library(c, r);
	struct server_class *cls = classes_find(c, a->class_name);
	if (!cls)
		return outcome_set(c, -ENOENT, "the coordinator has no class %s", a->class_name);
	if (cls->id == CLASS_UNPUBLISHED)
		return outcome_set(c, -ENOSPC,
				   "there was no room for class %s as it has become; remove objects, and start the "
				   "namespace again",
				   a->class_name);
	struct object *o = objects_find(c, a->object);
	if (o && (a->excl || o->cls != cls))
		return outcome_set(c, -EEXIST, "object %s is there already, of class %s", o->name,
				   c->descriptions[o->class_id].described->name);
	if (o) {
		command_meant(cmd, o, o->class_id);
		return 0;
	}
	const char *image = (const char *)(a + 1);
	size_t size = cmd->record.args_size - sizeof(*a);
	r = a->from == CREATE_FROM_STAGED ? take_staged(c, cmd, a, &image, &size) : 0;
	r = r ? r : check_first(c, a, cls, image, size);
	if (r < 0)
		return r;
	struct stamp stamp = { .version = c->ticket + 1,
			       .time_ns = c->now_ns,
			       .pid = (uint32_t)c->caller.pid,
			       .client = c->caller.client };
	c->outcome.text[0] = '\0';
	c->outcome.origin = STOA_FROM_METHOD; /* if the init hook refuses */
	r = objects_touch_room(c);
	r = r ? r : objects_create(c, a->object, cls, a->from, a->from == CREATE_FROM_ZERO ? NULL : image, &stamp,
				   &o);
	if (r < 0)
		return c->outcome.text[0] ? (c->outcome.status = r) : outcome_library(c, r);
	object_touch(c, o);
	command_meant(cmd, o, o->class_id);
	c->directory_changed = true;
	return 0;
}

static int command_declare(struct coordinator *c, struct command *cmd)
{
	uint32_t id = 0;
	int r = classes_declare(c, c->bytes, cmd->record.args_size, &id);
	if (r == 0)
		cmd->record.class_id = (uint16_t)id;
	return r < 0 ? outcome_library(c, r) : 0;
}

static int command_stage(struct coordinator *c, const struct command *cmd)
{
	int r = stage_add(c, &c->lanes[cmd->lane], c->bytes, cmd->record.args_size);
	return r < 0 ? outcome_library(c, r) : 0;
}

static int command_remove(struct coordinator *c, const struct command *cmd)
{
	struct object *o = objects_get(c, cmd->record.object, cmd->record.origin);
	if (!o)
		return outcome_set(c, -ESTALE, "the object was removed");
	if (object_touch(c, o) < 0)
		return outcome_set(c, -ENOMEM, "no memory to remove object %s", o->name);
	objects_remove(c, o, c->ticket + 1);
	c->directory_changed = true;
	return 0;
}

/* "method add of object hits", for messages. */
static void command_name(const struct command *cmd, char *what, size_t size)
{
	const struct job *j = cmd->failed < cmd->n_jobs ? &cmd->jobs[cmd->failed] : NULL;
	if (j && j->method && j->object)
		snprintf(what, size, "method %s of object %s", j->method->row->name, j->object->name);
	else if (j && j->object)
		snprintf(what, size, "an assignment to object %s", j->object->name);
	else
		snprintf(what, size, "%s",
			 cmd->record.kind == RECORD_CREATE ? "the init hook of a new object" : "a command");
}

/* A command at whose hands the coordinator died too often, or that ran past its deadline. */
static int judge_suspect(struct coordinator *c, struct command *cmd)
{
	const struct life *life = &c->space->state->life;
	char what[2 * LAYOUT_NAME + 32], how[64];
	if (atomic_load_explicit(&life->suspect, memory_order_relaxed) != c->ticket + 1)
		return 0;
	cmd->failed = atomic_load(&life->suspect_job);
	command_name(cmd, what, sizeof(what));
	process_how(atomic_load(&life->suspect_status), how, sizeof(how));
	if (atomic_load(&life->suspect_overran))
		return outcome_set(c, -ETIME, "%s ran past its deadline and was ended", what);
	uint32_t crashes = atomic_load(&life->suspect_crashes);
	if (crashes && crashes < CRASHES_MAX && c->ran_before)
		_exit(COORDINATOR_AGAIN); /* it may have crashed on what another method did to its process */
	if (crashes >= CRASHES_MAX)
		return outcome_set(c, -EFAULT, "%s crashed the coordinator, %d times, %s", what, CRASHES_MAX, how);
	uint32_t kills = atomic_load(&life->suspect_kills), stops = atomic_load(&life->suspect_stops);
	if (kills + KILLS_OF_STOP * stops >= KILLS_MAX)
		return outcome_set(c, -EFAULT,
				   "the coordinator was killed %u times, and stopped %u times, while %s ran", kills,
				   stops, what);
	return 0;
}

/* The log told of the deaths: it tells of their end too. */
static int check_suspect(struct coordinator *c, struct command *cmd)
{
	int r = judge_suspect(c, cmd);
	if (r < 0)
		namespace_log(c->ns, LOG_WARNING, "the command with ticket %ju, of pid %d, is rejected: %s",
			      (uintmax_t)c->ticket, (int)c->caller.pid, c->outcome.text);
	return r;
}

static bool is_of_directory(uint32_t kind)
{
	return kind == RECORD_CREATE || kind == RECORD_REMOVE || kind == RECORD_DECLARE ||
	       kind == RECORD_STAGE;
}

static int command_bind(struct coordinator *c, struct command *cmd)
{
	struct record *r = &cmd->record;
	if (r->kind == RECORD_MANY)
		return many_bind(c, cmd);
	if (is_of_directory(r->kind))
		return 0;
	if (!is_job(r->kind) && r->kind != RECORD_FOLD)
		return outcome_set(c, -EBADMSG, "the command is of unknown kind %u", r->kind);
	cmd->jobs[0] = (struct job){ .record = r, .args = (const char *)c->bytes };
	cmd->n_jobs = 1;
	return job_bind(c, cmd, &cmd->jobs[0]);
}

static bool hooked_needs_first(const struct command *cmd)
{
	bool needs = false;
	for (const struct job *j = cmd->jobs; !needs && j < cmd->jobs + cmd->n_jobs; j++)
		needs = j->object && j->object->cls && run_needs_commit(j->object);
	return needs;
}

/* Must what came before in this turn be committed first?
 * Commands on the directory, and those only undone from cells. */
static inline bool needs_first(const struct command *cmd)
{
	return is_of_directory(cmd->record.kind) || (cmd->hooked && hooked_needs_first(cmd));
}

static void command_finish(struct coordinator *c, const struct command *cmd, int status)
{
	if (status == 0) {
		c->totals.applied++;
		return;
	}
	if (!c->outcome.text[0])
		snprintf(c->outcome.text, sizeof(c->outcome.text), "%s", stoa_strerror(status));
	reply_error(c, cmd);
	if (c->stopping == STOA_NOW) {
		c->totals.abandoned++;
		return;
	}
	if (cmd->lane != RING_LANE_SPECIAL)
		c->lanes[cmd->lane].rejected++;
	reject_record(c, cmd->lane, cmd);
}

/* From memory that its owner goes on writing: no later read may go there again instead of to the copy. */
static void copy_out(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Copy the record's head out of the lane. False: it was taken before, or is none. */
static bool command_head(struct command *cmd, const struct server_lane *lane, uint64_t at)
{
	if (at < LANE_ARENA || at > LANE_LIMIT - sizeof(cmd->record))
		return false;
	cmd->base = (char *)lane->base + at;
	copy_out(&cmd->record, cmd->base, sizeof(cmd->record));
	/* The line of its answer comes while it runs, unless its client looks there too early. Nothing is checked yet. */
	if (cmd->record.reply_size)
		prefetch_to_write((const char *)((uintptr_t)cmd->base + cmd->record.reply_at));
	return cmd->record.seq - lane->seq < LOST_MAX && !lane->damaged;
}

/* Copy its arguments. What fails from here on is this command's failure, and the lane goes on. */
static int command_args(struct coordinator *c, struct command *cmd, const struct server_lane *lane, uint64_t at)
{
	struct record *r = &cmd->record;
	if (!record_fits(r, LANE_LIMIT - at)) {
		r->args_size = r->reply_size = 0; /* they would lie outside */
		return outcome_set(c, -EBADMSG, "the command's arguments or answer do not fit its lane");
	}
	if (scratch(&c->bytes, &c->bytes_room, r->args_size + 8) < 0) {
		r->args_size = 0;
		return outcome_library(c, -ENOMEM);
	}
	if (r->kind == RECORD_FOLD)
		return r->args_size == sizeof(struct fold_args) ? 0
								: outcome_set(c, -EBADMSG, "the command is not well formed");
	copy_out(c->bytes, cmd->base + sizeof(*r), r->args_size);
	return lane->damaged ? outcome_set(c, -EBADMSG, "the command's lane was truncated") : 0;
}

/* What runs is noted until all of it is done: a method, or the hooks of its class. */
static int command_apply(struct coordinator *c, struct command *cmd)
{
	uint32_t kind = cmd->record.kind;
	if (kind == RECORD_CREATE || kind == RECORD_DECLARE)
		run_note(c, c->ticket + 1, UINT32_MAX, UINT32_MAX, 0);
	int r = kind == RECORD_CREATE	 ? command_create(c, cmd)
		: kind == RECORD_DECLARE ? command_declare(c, cmd)
		: kind == RECORD_REMOVE	 ? command_remove(c, cmd)
		: kind == RECORD_STAGE	 ? command_stage(c, cmd)
					 : jobs_run(c, cmd);
	if (r < 0)
		coordinator_check_process(c, r); /* the note stands: a command that lowers them itself must not come for ever */
	run_noted_end(c);
	if (kind == RECORD_CREATE)
		stage_drop(c, &c->lanes[cmd->lane]);
	if (r == 0 && cmd->n_jobs == 0)
		answer_begin(c, cmd, 0, 0);
	return r;
}

/* The sums of casts. They count as taken whatever becomes of them: the next of the chain goes on from here. */
static void command_sums(struct coordinator *c, struct command *cmd, struct server_lane *lane)
{
	if (cmd->record.kind != RECORD_FOLD || cmd->record.args_size != sizeof(struct fold_args))
		return;
	fold_take((const struct fold_args *)(cmd->base + sizeof(cmd->record)), lane, &cmd->sums);
	c->totals.folded += cmd->sums.casts - 1;
	c->rush = c->rush || cmd->sums.casts > 1;
}

/* What is abandoned was not called. Of several at once none has a time of its own. */
static void jobs_count(const struct coordinator *c, const struct command *cmd, uint64_t n, int status, bool timed)
{
	int64_t run_ns = timed && cmd->n_jobs == 1 ? atomic_load(&c->trace[c->ticket % TRACED].run_ns) : -1;
	for (uint32_t i = 0; i < cmd->n_jobs && c->stopping != STOA_NOW; i++) {
		const struct job *j = &cmd->jobs[i];
		bool failed = status < 0 && cmd->failed == i;
		if (j->object)
			tally_call(&c->tallies[j->object->index], n, failed, run_ns);
		if (j->tally)
			tally_call(j->tally, n, failed, run_ns);
	}
}

static inline void command_count(const struct coordinator *c, const struct command *cmd, int status, bool timed)
{
	const struct job *j = &cmd->jobs[0];
	uint64_t n = cmd->record.kind == RECORD_FOLD ? cmd->sums.casts : 1;
	if (status < 0 || timed || cmd->n_jobs != 1) {
		jobs_count(c, cmd, n, status, timed);
		return;
	}
	tally_add(&c->tallies[j->object->index].calls, n);
	tally_add(&j->tally->calls, n);
}

/* All of the chain was applied before: its newest cast came just in time, and could not know. */
static bool is_empty(const struct command *cmd)
{
	return cmd->record.kind == RECORD_FOLD && cmd->sums.casts == 0;
}

void command_prefetch(const struct coordinator *c, uint64_t word)
{
	uint32_t lane = ring_word_lane(word);
	if (lane >= space_lanes(c->space) || !c->lanes[lane].base)
		return;
	const char *record = (char *)c->lanes[lane].base + (uint64_t)ring_word_units(word) * LANE_UNIT;
	prefetch_to_read(record);
	prefetch_to_read(record + 64); /* its arguments, mostly all */
}

static int cancelled(struct coordinator *c)
{
	return outcome_set(c, -ECANCELED, "timed out and cancelled before it was applied");
}

/* From what was bound to what is counted: r is of the binding. */
static enum command_result command_do(struct coordinator *c, struct command *cmd, int r)
{
	if (c->stopping == STOA_NOW)
		r = outcome_set(c, -ECANCELED, "the coordinator was stopped before the command was applied");
	else if (r == 0 && cmd->record.cancel == CANCEL_TIMED_OUT)
		r = cancelled(c);
	r = r ? r : check_suspect(c, cmd);
	int64_t begun = cmd->record.timed ? clock_now() : 0;
	r = r || is_empty(cmd) ? r : command_apply(c, cmd);
	if (r == -ESTALE && later_gave_up(c))
		r = cancelled(c);
	command_finish(c, cmd, r);
	trace_write(c, &cmd->record, cmd->lane, r, begun);
	command_count(c, cmd, r, begun);
	return later_any(c) || needs_first(cmd) ? COMMAND_LAST : COMMAND_DONE;
}

static void command_begin(struct coordinator *c, struct command *cmd, struct stoa_client caller)
{
	c->caller = caller;
	c->outcome.status = 0;
	c->outcome.text[0] = '\0';
	cmd->n_jobs = cmd->failed = 0;
	cmd->hooked = false;
}

/* A word that is of no lane: clients have left, or somebody forged it. */
static enum command_result special_run(struct coordinator *c, struct command *cmd, uint64_t word, bool first)
{
	int r = leave_record(c, word, &cmd->record);
	if (r == -EBADMSG)
		return reject_word(c, cmd->lane, "a client damaged the queue here");
	command_begin(c, cmd, (struct stoa_client){ .client = cmd->lane });
	r = r < 0 ? outcome_library(c, r) : many_bind(c, cmd);
	if (!first && needs_first(cmd))
		return COMMAND_ALONE;
	return command_do(c, cmd, r);
}

const struct record *command_record(uint32_t *ret_lane, const char **ret_base)
{
	*ret_lane = in_hand->lane;
	*ret_base = in_hand->base;
	return &in_hand->record;
}

bool command_is_reader(void)
{
	return in_hand->jobs[in_hand->failed].method->row->reader;
}

enum command_result command_run(struct coordinator *c, uint64_t word, bool first)
{
	static struct command cmd; /* large; one command at a time */
	in_hand = &cmd;
	cmd.lane = ring_word_lane(word);
	if (cmd.lane == RING_LANE_SPECIAL)
		return special_run(c, &cmd, word, first);
	struct server_lane *lane = lanes_get(c, cmd.lane);
	if (!lane)
		return reject_absent(c, cmd.lane);
	uint64_t at = (uint64_t)ring_word_units(word) * LANE_UNIT;
	if (!command_head(&cmd, lane, at))
		return reject_word(c, cmd.lane, "this is no new command of its lane");
	command_begin(c, &cmd, lane->owner);
	int r = command_args(c, &cmd, lane, at);
	r = r ? r : command_bind(c, &cmd);
	if (!first && needs_first(&cmd))
		return COMMAND_ALONE;
	lane->rejected += cmd.record.seq - lane->seq; /* lost: a client wrote over their words in the ring */
	lane->seq = cmd.record.seq + 1;
	lane_touch(c, lane);
	command_sums(c, &cmd, lane);
	return command_do(c, &cmd, r);
}
