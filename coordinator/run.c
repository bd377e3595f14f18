/*
 * run.c: see run.h. Also what methods call back: stoa_fail, stoa_caller, stoa_time_ns, stoa_touch.
 */
#include "coordinator/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "coordinator/guardian.h"
#include "coordinator/object.h"
#include "coordinator/trace.h"
#include "src/clock.h"
#include "src/error.h"
#include "src/value.h"

#define FEW 64		     /* bytes: more than one vector */
#define ALWAYS_CHECKED 4096u /* bytes of an object up to which undeclared writes are always looked for */

/* ---- attributes of mirror and shadow ---- */

/* For a few bytes, a vector memcmp loads more than those and masks the rest:
 * at a mirror's guard a slow fault each time. */
static bool few_same(const char *a, const char *b, size_t size)
{
	typedef uint64_t pair __attribute__((vector_size(16), aligned(1), may_alias));
	pair differ = { 0 };
	uint64_t x, y;
	for (; size >= sizeof(pair); a += sizeof(pair), b += sizeof(pair), size -= sizeof(pair))
		differ |= *(const pair *)a ^ *(const pair *)b;
	if (differ[0] | differ[1])
		return false;
	if (size >= sizeof(x)) {
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		if (x != y)
			return false;
		a += sizeof(x), b += sizeof(x), size -= sizeof(x);
	}
	while (size > 0 && *a == *b)
		a++, b++, size--;
	return size == 0;
}

static inline bool bytes_same(const struct object *o, uint32_t at, uint32_t size)
{
	const char *mirror = (const char *)o->mirror + at, *shadow = (const char *)o->shadow + at;
	uint64_t x, y;
	if (size != sizeof(x))
		return size <= FEW ? few_same(mirror, shadow, size) : memcmp(mirror, shadow, size) == 0;
	memcpy(&x, mirror, sizeof(x));
	memcpy(&y, shadow, sizeof(y));
	return x == y;
}

static inline bool attr_same(const struct object *o, const struct stoa_attr *a)
{
	return bytes_same(o, a->offset, a->size);
}

/* Text and blobs that are in `from` but not in `to` are freed: they were replaced, or are undone. */
static void values_drop(const struct stoa_attr *a, char *from, const char *to, bool keep)
{
	for (uint32_t at = 0; at < a->size; at += sizeof(stoa_text)) {
		stoa_text *f = (stoa_text *)(from + a->offset + at);
		const stoa_text *t = (const stoa_text *)(to + a->offset + at);
		if (f->data != t->data)
			value_free(f->data);
		if (keep)
			value_keep(t->data);
	}
}

static inline void attr_keep(struct object *o, const struct stoa_attr *a)
{
	char *shadow = (char *)o->shadow + a->offset;
	const char *mirror = (const char *)o->mirror + a->offset;
	if (image_is_variable(a->kind))
		values_drop(a, o->shadow, o->mirror, true);
	if (a->size == sizeof(uint64_t)) /* mostly: no call, then */
		memcpy(shadow, mirror, sizeof(uint64_t));
	else
		memcpy(shadow, mirror, a->size);
}

static void attr_undo(struct object *o, const struct stoa_attr *a)
{
	if (image_is_variable(a->kind))
		values_drop(a, o->mirror, o->shadow, false);
	memcpy((char *)o->mirror + a->offset, (char *)o->shadow + a->offset, a->size);
}

/* ---- steps ---- */

static struct step *step_add(struct coordinator *c, struct object *o, const uint32_t *attrs, uint32_t n)
{
	struct step *s = &c->steps[c->n_steps++];
	*s = (struct step){ .object = o, .attrs = attrs, .n_attrs = n };
	return s;
}

static bool step_declares(const struct step *s, uint32_t attr)
{
	uint32_t low = 0, high = s->n_attrs;
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (s->attrs[mid] < attr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n_attrs && s->attrs[low] == attr;
}

/* An attribute of the object that differs from its shadow though no step so far declares it; -1: none. */
static int32_t undeclared_write(const struct coordinator *c, const struct object *o)
{
	const struct stoa_struct *state = o->cls->code->state;
	for (uint32_t i = 0; i < state->n_attrs; i++) {
		bool declared = false;
		for (uint32_t k = 0; k < c->n_steps && !declared; k++)
			declared = c->steps[k].object == o && step_declares(&c->steps[k], i);
		if (!declared && !attr_same(o, &state->attrs[i]))
			return (int32_t)i;
	}
	return -1;
}

/* Pack the hooks' parts that this step touched. */
static int prepare_touched(struct coordinator *c, const struct step *s)
{
	const struct class_plan *plan = s->object->cls->plan;
	int r = 0;
	for (uint32_t i = s->touched_from; r == 0 && i < s->touched_to; i++) {
		uint32_t k = plan->n_attr_parts + c->touched_parts[i];
		if (c->touched_parts[i] >= plan->n_parts - plan->n_attr_parts)
			return error_set(-EINVAL, "class %s touched part %u; it has %u", s->object->cls->code->name,
					 c->touched_parts[i], plan->n_parts - plan->n_attr_parts);
		r = object_prepare(c, s->object, k);
		if (r == 0)
			object_part_changed(s->object, k);
	}
	return r;
}

/* An object begins with one cell for each part, and gets the other when it first changes. */
static bool is_roomy(const struct object *o)
{
	for (uint32_t k = 0; k < o->cls->plan->n_attr_parts; k++)
		if (!o->cls->plan->parts[k].image->variable && (!o->body->parts[k].cell[0] || !o->body->parts[k].cell[1]))
			return false;
	return true;
}

/* Room in the cells for what a step made longer: the last thing that can fail. */
static int step_prepare(struct coordinator *c, const struct step *s)
{
	const struct stoa_struct *state = s->object->cls->code->state;
	int r = 0;
	if (s->fixed && s->object->roomy && s->touched_from == s->touched_to)
		return 0;
	for (uint32_t i = 0; r == 0 && i < s->n_attrs; i++) {
		const struct stoa_attr *a = &state->attrs[s->attrs[i]];
		uint32_t k = s->object->cls->plan->part_of[s->attrs[i]];
		if (image_is_variable(a->kind) ? s->assigned || !attr_same(s->object, a)
					       : !s->object->body->parts[k].cell[!s->object->current[k]])
			r = object_prepare(c, s->object, k);
	}
	s->object->roomy = s->object->roomy || is_roomy(s->object);
	return r == 0 ? prepare_touched(c, s) : r;
}

static void step_keep(const struct step *s, const struct stamp *stamp)
{
	const struct stoa_struct *state = s->object->cls->code->state;
	for (uint32_t i = 0; i < s->n_attrs; i++) {
		const struct stoa_attr *a = &state->attrs[s->attrs[i]];
		if (!s->assigned && attr_same(s->object, a))
			continue;
		attr_keep(s->object, a);
		object_changed(s->object, s->attrs[i], stamp);
	}
}

static void step_undo(struct coordinator *c, const struct step *s)
{
	const struct stoa_struct *state = s->object->cls->code->state;
	bool hooked = object_has_hooks(s->object), by_part = hooked && s->object->cls->code->hooks->by_part;
	int r = by_part	 ? object_restore(c, s->object, c->touched_parts + s->touched_from, s->touched_to - s->touched_from)
		: hooked ? object_rebuild(c, s->object)
			 : 0;
	if (r < 0)
		abort(); /* the next coordinator rebuilds everything */
	if (hooked && !by_part)
		return;
	bool all = state->size <= ALWAYS_CHECKED || c->verify;
	for (uint32_t i = 0; i < (all ? state->n_attrs : s->n_attrs); i++) {
		const struct stoa_attr *a = &state->attrs[all ? i : s->attrs[i]];
		if (!attr_same(s->object, a))
			attr_undo(s->object, a);
	}
}

int run_settle(struct coordinator *c, bool ok)
{
	struct stamp stamp = { .version = c->ticket + 1,
			       .time_ns = c->now_ns,
			       .pid = (uint32_t)c->caller.pid,
			       .client = c->caller.client };
	int r = 0;
	for (uint32_t i = 0; ok && r == 0 && i < c->n_steps; i++)
		r = step_prepare(c, &c->steps[i]);
	if (r < 0)
		outcome_library(c, r);
	for (uint32_t i = 0; i < c->n_steps; i++) {
		if (ok && r == 0)
			step_keep(&c->steps[i], &stamp);
		else
			step_undo(c, &c->steps[i]);
	}
	c->n_steps = 0;
	c->n_touched_parts = 0;
	return r;
}

/* ---- running ---- */

/* `running` and its deadline are stored. The guardian of one that was asleep may not look in time. */
static inline void note_deadline(const struct coordinator *c, int64_t deadline)
{
	if (deadline > 0 && deadline < STOA_MS(WATCH_DOZE_MS))
		watch_tell(&c->space->state->pulse, c->ns->link_fd);
}

void run_note(struct coordinator *c, uint64_t running, uint32_t object, uint32_t row, int64_t deadline)
{
	struct pulse *p = &c->space->state->pulse;
	int64_t now = clock_read(CLOCK_MONOTONIC_COARSE);
	if (running != c->noted) /* several methods of one command are timed together */
		trace_tick(c, now, running);
	atomic_store_explicit(&p->since_ns, now, memory_order_relaxed);
	atomic_store_explicit(&p->deadline_ns, deadline ? now + deadline : 0, memory_order_relaxed);
	atomic_store_explicit(&p->object, object, memory_order_relaxed);
	atomic_store_explicit(&p->row, row, memory_order_relaxed);
	atomic_store_explicit(&p->job, c->n_steps ? c->n_steps - 1 : 0, memory_order_relaxed);
	atomic_store_explicit(&p->running, running, memory_order_release);
	note_deadline(c, deadline);
}

void run_hook(struct coordinator *c)
{
	_Atomic int64_t *deadline = &c->space->state->pulse.deadline_ns;
	c->hook_timed = atomic_load_explicit(deadline, memory_order_relaxed) == 0;
	if (!c->hook_timed)
		return;
	atomic_store_explicit(deadline, clock_now() + c->ns->options.deadline, memory_order_release);
	note_deadline(c, c->ns->options.deadline);
}

void run_hook_end(struct coordinator *c)
{
	run_check_process(c);
	if (c->hook_timed)
		atomic_store_explicit(&c->space->state->pulse.deadline_ns, 0, memory_order_release);
}

void run_check_process(const struct coordinator *c)
{
	if (atomic_load_explicit(&c->own->here, memory_order_relaxed) == 0)
		_exit(127);
}

void run_noted_end(struct coordinator *c)
{
	atomic_store_explicit(&c->space->state->pulse.running, 0, memory_order_release);
}

static bool others_same(const struct object *o, const struct server_method *m)
{
	for (uint32_t i = 0; i < m->n_others; i++)
		if (!bytes_same(o, m->others[i].at, m->others[i].size))
			return false;
	return true;
}

static int check_undeclared(struct coordinator *c, const struct object *o, const struct server_method *m)
{
	if ((o->cls->code->state->size > ALWAYS_CHECKED && !c->verify) || others_same(o, m))
		return 0;
	int32_t bad = undeclared_write(c, o); /* none, if an earlier step of this command declares it */
	if (bad < 0)
		return 0;
	return outcome_set(c, -EACCES,
			   "method %s of class %s wrote %s, which its row does not declare; add it to .writes",
			   m->row->name, o->cls->code->name, o->cls->code->state->attrs[bad].name);
}

const struct stoa_attr *run_find_unfit(const struct stoa_struct *of, const uint32_t *select, uint32_t n,
				       const void *values)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct stoa_attr *a = &of->attrs[select ? select[i] : i];
		if (!image_is_storable(a, values))
			return a;
	}
	return NULL;
}

const char *run_why_unfit(const struct stoa_attr *a)
{
	return a->kind == STOA_CHARS ? "without a NUL within its size; copy one byte less, and end it"
				     : "neither 0 nor 1, and it is a bool; assign true or false";
}

/* What is kept must be what a successor takes: it has nothing else to load the object from. */
static int check_values(struct coordinator *c, const struct object *o, const struct server_method *m, const void *ret)
{
	const struct stoa_struct *result = m->row->ret;
	if (m->n_choosy == 0 && !m->ret->choosy)
		return 0;
	const struct stoa_attr *own = run_find_unfit(o->cls->code->state, m->choosy, m->n_choosy, o->mirror);
	const struct stoa_attr *bad = own || !result ? own : run_find_unfit(result, NULL, result->n_attrs, ret);
	return !bad ? 0
		    : outcome_set(c, -EINVAL, "method %s of class %s left %s%s %s", m->row->name, o->cls->code->name,
				  bad->name, own ? "" : " of its result", run_why_unfit(bad));
}

static void attr_poison(const struct stoa_attr *a, char *self)
{
	static char text[] = "poisoned: this read is not declared";
	for (uint32_t at = 0; image_is_variable(a->kind) && at < a->size; at += sizeof(stoa_text))
		*(stoa_text *)(self + a->offset + at) = (stoa_text){ text, sizeof(text) - 1 };
	for (uint32_t i = 0; !image_is_variable(a->kind) && i < a->size; i++)
		self[a->offset + i] = a->kind == STOA_BOOL    ? !self[a->offset + i]
				      : a->kind == STOA_CHARS ? 'p' * (i + 1 < a->size)
							      : (char)(self[a->offset + i] ^ 0x5a);
}

/* Does the reader's result change when attribute i does? Run it once more on a copy with i poisoned. */
static bool depends_on(const struct coordinator *c, const struct object *o, const struct server_method *m,
		       const void *args, uint32_t i, int status, const void *ret, char *copy, char *again)
{
	const struct stoa_class *code = o->cls->code;
	memcpy(copy, o->mirror, code->state->size);
	attr_poison(&code->state->attrs[i], copy);
	memset(again, 0, m->row->ret->size);
	int r = m->row->run(copy, args, again);
	run_check_process(c);
	size_t n = image_size(m->ret, again), n_ret = image_size(m->ret, ret);
	char *a = malloc(n + 1), *b = malloc(n_ret + 1);
	bool differs = r != status || n != n_ret;
	if (a && b && !differs) {
		image_pack(m->ret, again, a);
		image_pack(m->ret, ret, b);
		differs = memcmp(a, b, n) != 0;
	}
	free(a);
	free(b);
	image_drop(m->ret, again);
	return differs;
}

/* Verify mode: a reader must not depend on what it does not declare. */
static int check_reads(struct coordinator *c, const struct object *o, const struct server_method *m, const void *args,
		       int status, const void *ret)
{
	const struct stoa_struct *state = o->cls->code->state;
	const struct step reads = { .attrs = m->reads, .n_attrs = m->n_reads };
	char *copy = malloc(state->size + 1), *again = malloc(m->row->ret->size + 1);
	int r = copy && again ? 0 : -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < state->n_attrs; i++)
		if (!step_declares(&reads, i) && depends_on(c, o, m, args, i, status, ret, copy, again))
			r = outcome_set(c, -EACCES,
					"method %s of class %s read %s, which its row does not declare; "
					"add it to .reads",
					m->row->name, o->cls->code->name, state->attrs[i].name);
	free(copy);
	free(again);
	return r;
}

int run_method(struct coordinator *c, struct object *o, const struct server_method *m, const void *args, void *ret)
{
	c->outcome.status = 0;
	c->outcome.text[0] = '\0';
	c->outcome.origin = STOA_FROM_METHOD;
	struct step *s = step_add(c, o, m->writes, m->n_writes);
	s->fixed = m->fixed;
	s->touched_from = c->n_touched_parts;
	run_note(c, c->ticket + 1, o->index, (uint32_t)(m - o->cls->methods), m->deadline);
	c->ran = true;
	int r = m->row->run(o->mirror, args, ret);
	run_check_process(c);
	s->touched_to = c->n_touched_parts;
	if (r > 0)
		return outcome_set(c, -EINVAL,
				   "method %s of class %s returned %d; a method returns 0 or a negative errno",
				   m->row->name, o->cls->code->name, r);
	c->outcome.status = r;
	if (!mirror_check(&o->mirror_memory, c->verify))
		r = outcome_set(c, -EACCES, "method %s of class %s wrote before the beginning of its object",
				m->row->name, o->cls->code->name);
	if (r == 0)
		r = check_undeclared(c, o, m);
	if (r == 0)
		r = check_values(c, o, m, ret);
	if (r == 0 && c->verify && m->row->reader)
		r = check_reads(c, o, m, args, r, ret);
	return r;
}

const struct stoa_struct *run_state(void)
{
	const struct coordinator *c = coordinator_self;
	return c->steps[c->n_steps - 1].object->cls->code->state;
}

int run_validate(struct coordinator *c, const struct object *o, bool is_new)
{
	const struct stoa_class *code = o->cls->code;
	if (!code->validate)
		return 0;
	run_hook(c);
	int r = code->validate(o->mirror, is_new);
	run_hook_end(c);
	return r <= 0 ? r
		      : outcome_set(c, -EINVAL, "validate of class %s returned %d; it returns 0 or a negative errno",
				    code->name, r);
}

int run_assign(struct coordinator *c, struct object *o, const uint32_t *attrs, uint32_t n,
	       const struct image_layout *layout, const void *image)
{
	struct step *s = step_add(c, o, attrs, n);
	s->assigned = true;
	if (n == 1) {
		s->one = attrs[0];
		s->attrs = &s->one;
	}
	int r = image_unpack(layout, image, o->mirror);
	if (r < 0)
		return outcome_set(c, r, "no memory for the value assigned to object %s", o->name);
	if (!o->cls->code->validate)
		return 0;
	run_note(c, c->ticket + 1, o->index, UINT32_MAX, 0);
	c->outcome.origin = STOA_FROM_METHOD; /* if it refuses */
	return c->outcome.status = run_validate(c, o, false);
}

/* ---- for methods ---- */

int stoa_fail(int code, const char *format, ...)
{
	struct coordinator *c = coordinator_self;
	char text[STOA_ERROR_MAX];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (c)
		snprintf(c->outcome.text, sizeof(c->outcome.text), "%s", text);
	else
		error_set_command(code, STOA_FROM_METHOD, false, 0, text, strlen(text)); /* a reader, in its client */
	return code;
}

const struct stoa_client *stoa_caller(void)
{
	static const struct stoa_client nobody;
	return coordinator_self ? &coordinator_self->caller : &nobody;
}

int64_t stoa_time_ns(void)
{
	return coordinator_self ? coordinator_self->now_ns : clock_real();
}

void stoa_touch(uint32_t part)
{
	struct coordinator *c = coordinator_self;
	if (!c)
		return;
	if (c->n_touched_parts == c->room_touched_parts) {
		uint32_t room = c->room_touched_parts ? 2 * c->room_touched_parts : 16;
		uint32_t *more = realloc(c->touched_parts, room * sizeof(*more));
		if (!more)
			abort(); /* the guardian undoes the command and reports it */
		c->touched_parts = more;
		c->room_touched_parts = room;
	}
	c->touched_parts[c->n_touched_parts++] = part;
	if (c->n_steps)
		object_prefetch(c, c->steps[c->n_steps - 1].object, part);
}
