/*
 * classes.c: see classes.h.
 */
#include "coordinator/classes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "coordinator/declared.h"
#include "coordinator/load.h"
#include "src/class.h"
#include "src/error.h"
#include "src/segment.h"

/* What it is made into; the class stays. */
static void unmake(struct server_class *cls)
{
	for (uint32_t i = 0; cls->methods && i < cls->n_methods; i++) {
		image_layout_free(cls->methods[i].args);
		image_layout_free(cls->methods[i].ret);
		free(cls->methods[i].writes);
		free(cls->methods[i].reads);
		free(cls->methods[i].others);
		free(cls->methods[i].choosy);
	}
	for (uint32_t i = 0; cls->attr_images && i < cls->code->state->n_attrs; i++)
		image_layout_free(cls->attr_images[i]);
	free(cls->methods);
	free(cls->attr_images);
	free(cls->writables);
	image_layout_free(cls->writable);
	image_layout_free(cls->init);
	part_plan_free(cls->plan);
	*cls = (struct server_class){
		.code = cls->code, .declared = cls->declared, .id = cls->id, .n_methods = cls->n_methods, .hh = cls->hh
	};
}

static void server_class_free(struct server_class *cls)
{
	unmake(cls);
	free(cls->declared);
	free(cls);
}

static int struct_layout(const struct stoa_struct *s, struct image_layout **ret)
{
	return image_layout_new(s ? s->attrs : NULL, NULL, s ? s->n_attrs : 0, ret);
}

/* What is to be looked at after each run: worked out here once. writes is ascending. */
static int method_checks(const struct stoa_struct *state, struct server_method *m)
{
	m->others = calloc(state->n_attrs + 1, sizeof(*m->others));
	m->choosy = calloc(m->n_writes + 1, sizeof(*m->choosy));
	if (!m->others || !m->choosy)
		return -ENOMEM;
	m->fixed = true;
	for (uint32_t i = 0, w = 0; i < state->n_attrs; i++) {
		const struct stoa_attr *a = &state->attrs[i];
		struct span *last = m->n_others ? &m->others[m->n_others - 1] : NULL;
		if (w < m->n_writes && m->writes[w] == i) {
			w++;
			m->fixed = m->fixed && !image_is_variable(a->kind);
			if (!image_is_always_storable(a))
				m->choosy[m->n_choosy++] = i;
		} else if (last && last->at + last->size == a->offset) {
			last->size += a->size;
		} else {
			m->others[m->n_others++] = (struct span){ a->offset, a->size };
		}
	}
	return 0;
}

static int method_init(const struct namespace *ns, const struct stoa_class *code, const struct stoa_method *row,
		       struct server_method *m)
{
	const char *bad;
	m->row = row;
	m->deadline = row->deadline ? row->deadline : ns->options.deadline;
	int r = struct_layout(row->args, &m->args);
	r = r ? r : struct_layout(row->ret, &m->ret);
	r = r ? r : class_select(code->state, row->writes, &m->writes, &m->n_writes, &bad);
	r = r ? r : class_select(code->state, row->reads ? row->reads : "*", &m->reads, &m->n_reads, &bad);
	r = r ? r : method_checks(code->state, m);
	if (r == 0)
		m->ret_max = row->ret_max ? row->ret_max : m->ret->variable ? CLASS_RET_MAX : m->ret->size;
	return r;
}

static int select_writables(struct server_class *cls)
{
	const struct stoa_struct *state = cls->code->state;
	cls->writables = malloc((state->n_attrs + 1) * sizeof(uint32_t));
	if (!cls->writables)
		return -ENOMEM;
	for (uint32_t i = 0; i < state->n_attrs; i++)
		if (state->attrs[i].writable)
			cls->writables[cls->n_writables++] = i;
	return image_layout_new(state->attrs, cls->writables, cls->n_writables, &cls->writable);
}

static int make(const struct namespace *ns, struct server_class *cls)
{
	const struct stoa_class *code = cls->code;
	cls->methods = calloc(cls->n_methods + 1, sizeof(*cls->methods));
	cls->attr_images = calloc(code->state->n_attrs + 1, sizeof(*cls->attr_images));
	int r = cls->methods && cls->attr_images ? part_plan_new(code, &cls->plan) : -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < cls->n_methods; i++) {
		r = method_init(ns, code, code->methods[i], &cls->methods[i]);
		cls->on_leave = code->methods[i]->on_leave ? &cls->methods[i] : cls->on_leave;
	}
	r = r ? r : select_writables(cls);
	return r ? r : struct_layout(code->hooks && code->hooks->init ? code->hooks->init_args : code->state, &cls->init);
}

static int list_class(struct coordinator *c, const struct stoa_class *code, struct server_class **ret)
{
	struct server_class *cls = calloc(1, sizeof(*cls));
	if (!cls)
		return -ENOMEM;
	cls->code = code;
	cls->n_methods = class_n_methods(code);
	HASH_ADD_KEYPTR(hh, c->classes, code->name, strlen(code->name), cls);
	*ret = cls;
	return 0;
}

/* ---- descriptions of the program's classes: packed once, for all coordinators that are forked from here ---- */

int classes_describe(struct namespace *ns)
{
	size_t n = 0;
	while (ns->classes[n])
		n++;
	ns->descriptions = calloc(n + 1, sizeof(*ns->descriptions));
	int r = ns->descriptions ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = class_pack(ns->classes[i], &ns->descriptions[i].data, &ns->descriptions[i].size);
	return r;
}

void classes_drop(struct namespace *ns)
{
	for (size_t i = 0; ns->descriptions && ns->classes[i]; i++)
		free(ns->descriptions[i].data);
	free(ns->descriptions);
	free(ns->classes);
	ns->descriptions = NULL;
	ns->classes = NULL;
}

/* The program's class that is described so; NULL: none. */
static const struct stoa_class *described_by(const struct coordinator *c, const void *image, size_t size)
{
	const struct namespace *ns = c->ns;
	for (size_t i = 0; ns->classes[i]; i++)
		if (ns->descriptions[i].size == size && memcmp(ns->descriptions[i].data, image, size) == 0)
			return ns->classes[i];
	return NULL;
}

/* ---- descriptions in the state ---- */

/* What an image describes: the program's own class, or what was unpacked of it, to be freed. */
static int understand(const struct coordinator *c, const void *image, size_t size, struct server_description *ret)
{
	struct stoa_class *unpacked = NULL;
	const struct stoa_class *code = described_by(c, image, size);
	int r = code ? 0 : class_unpack(image, size, &unpacked);
	*ret = (struct server_description){ .described = code ? code : unpacked, .unpacked = unpacked };
	return r;
}

static int add_description(struct coordinator *c, const struct server_description *d)
{
	struct server_description *more = realloc(c->descriptions, (c->n_descriptions + 1) * sizeof(*c->descriptions));
	if (!more)
		return -ENOMEM;
	c->descriptions = more;
	c->descriptions[c->n_descriptions++] = *d;
	return 0;
}

static int load_description(struct coordinator *c, uint32_t id)
{
	const struct class_entry *e = space_class(c->space, id);
	uint64_t at = atomic_load_explicit(&e->image, memory_order_acquire);
	struct server_description d = { 0 };
	int r = heap_claim(&c->heap, BLOCK_CLASS, at);
	if (r == 0 && e->image_size > heap_capacity(&c->heap, at))
		r = error_set(-EPROTO, "the description of class number %u is longer than its block", id);
	r = r ? r : understand(c, space_state(c->space, at), e->image_size, &d);
	r = r ? r : add_description(c, &d);
	if (r < 0)
		class_free(d.unpacked);
	return r;
}

/* Behind those of the class before it. */
static int reserve_tallies(struct coordinator *c, uint32_t id, uint32_t n)
{
	struct class_entry *e = space_class(c->space, id);
	uint32_t first = 0;
	for (uint32_t i = 0; i < id; i++)
		if (space_class(c->space, i)->tallies != TALLIES_NONE)
			first = space_class(c->space, i)->tallies + class_n_methods(c->descriptions[i].described) + 1;
	e->tallies = first <= TALLIES && n < TALLIES - first ? first : TALLIES_NONE;
	return e->tallies == TALLIES_NONE
		       ? 0
		       : segment_reserve(c->ns->state_fd, (char *)space_tally(c->space, first) - (char *)c->space->state,
					 (n + 1) * sizeof(struct tallied));
}

/* Publish a description; `directory` tells clients to look again. The entry counts once n_classes says so. */
static int publish_description(struct coordinator *c, const char *name, const void *image, size_t size,
			       uint32_t *ret_id)
{
	uint32_t id = c->n_descriptions;
	struct server_description d = { 0 };
	uint64_t at;
	if (id == CLASSES_MAX)
		return error_set(-ENOSPC, "%d class descriptions are in this namespace; start it anew", CLASSES_MAX);
	struct class_entry *e = space_class(c->space, id);
	int r = segment_reserve(c->ns->state_fd, (char *)e - (char *)c->space->state, sizeof(*e));
	r = r ? r : heap_new(&c->heap, BLOCK_CLASS, size, &at);
	r = r ? r : understand(c, image, size, &d);
	r = r ? r : reserve_tallies(c, id, class_n_methods(d.described));
	r = r ? r : add_description(c, &d);
	if (r < 0) {
		class_free(d.unpacked);
		return r;
	}
	memcpy(space_state(c->space, at), image, size);
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->image_size = size;
	atomic_store_explicit(&e->image, at, memory_order_release);
	atomic_store_explicit(&c->space->state->n_classes, id + 1, memory_order_release);
	atomic_fetch_add_explicit(&c->space->state->directory, 1, memory_order_release);
	*ret_id = id;
	return 0;
}

/* What the state says may be damaged. */
static void bind_tallies(struct coordinator *c, struct server_class *cls)
{
	uint32_t first = cls->id == CLASS_UNPUBLISHED ? TALLIES_NONE : space_class(c->space, cls->id)->tallies;
	bool counted = first < TALLIES && cls->n_methods < TALLIES - first;
	for (uint32_t i = 0; i < cls->n_methods; i++)
		cls->methods[i].tally = counted ? space_tally(c->space, first + i) : &c->uncounted;
	cls->assigned = counted ? space_tally(c->space, first + cls->n_methods) : &c->uncounted;
}

int classes_make(struct coordinator *c, struct server_class *cls)
{
	if (cls->init)
		return 0;
	int r = make(c->ns, cls);
	if (r == 0)
		bind_tallies(c, cls);
	else
		unmake(cls);
	return r;
}

/* The description that is ours already, if there is one. */
static int bind_class(struct coordinator *c, const struct stoa_class *code)
{
	struct server_class *cls;
	int r = list_class(c, code, &cls);
	if (r < 0)
		return r;
	while (cls->id < c->n_descriptions && c->descriptions[cls->id].described != code)
		cls->id++;
	if (cls->id == c->n_descriptions)
		cls->id = CLASS_UNPUBLISHED;
	return 0;
}

static int publish_class(struct coordinator *c, struct server_class *cls)
{
	uint32_t id = 0;
	size_t i = 0;
	while (c->ns->classes[i] != cls->code)
		i++;
	int r = publish_description(c, cls->code->name, c->ns->descriptions[i].data, c->ns->descriptions[i].size, &id);
	if (r < 0)
		return r;
	cls->id = id;
	c->descriptions[id].current = cls;
	if (cls->init)
		bind_tallies(c, cls);
	return 0;
}

int classes_publish(struct coordinator *c)
{
	struct stoa_error e;
	int r = 0;
	for (struct server_class *cls = c->classes; cls && r == 0; cls = cls->hh.next) {
		if (cls->id != CLASS_UNPUBLISHED)
			continue;
		r = publish_class(c, cls);
		if ((r != -ENOSPC && r != -EFBIG) || c->head == 0) /* a namespace with nothing in it is not begun */
			continue;
		stoa_last_error(&e);
		namespace_log(c->ns, LOG_ERR, "class %s is new or has changed, and there is no room for it: %s",
			      cls->code->name, e.text);
		r = 0;
	}
	return r;
}

/* ---- classes without code ---- */

/* Description number id is all there is to its class. -ENOSYS, -EINVAL: it is not. */
static int adopt(struct coordinator *c, uint32_t id)
{
	struct server_description *d = &c->descriptions[id];
	char text[STOA_ERROR_MAX];
	struct declared *declared;
	struct server_class *cls;
	int r = declared_new(d->described, &declared, text);
	if (r < 0)
		return r;
	r = list_class(c, &declared->cls, &cls);
	if (r < 0) {
		free(declared);
		return r;
	}
	cls->declared = declared;
	cls->id = id;
	d->current = cls;
	return 0;
}

struct newest {
	const char *name;
	UT_hash_handle hh;
};

/* Of each name that the program has no class of, the newest description: its class, if it needs no code. */
static int adopt_all(struct coordinator *c)
{
	struct newest *names = calloc(c->n_descriptions + 1, sizeof(*names)), *seen = NULL, *known;
	int r = names ? 0 : -ENOMEM;
	for (uint32_t id = c->n_descriptions; r == 0 && id-- > 0;) {
		const char *name = names[id].name = c->descriptions[id].described->name;
		HASH_FIND_STR(seen, name, known);
		if (known || classes_find(c, name))
			continue;
		HASH_ADD_KEYPTR(hh, seen, name, strlen(name), &names[id]);
		r = adopt(c, id);
		r = r == -ENOMEM ? r : 0;
	}
	HASH_CLEAR(hh, seen);
	free(names);
	return r;
}

/* The newest description of this name, or n_descriptions. */
static uint32_t find_described(const struct coordinator *c, const char *name)
{
	for (uint32_t id = c->n_descriptions; id-- > 0;)
		if (strcmp(c->descriptions[id].described->name, name) == 0)
			return id;
	return c->n_descriptions;
}

static int room_for_declared(const struct coordinator *c, size_t size)
{
	uint64_t total = size;
	for (uint32_t id = 0; id < c->n_descriptions; id++)
		total += space_class(c->space, id)->image_size;
	if (c->n_descriptions < CLASSES_DECLARED_MAX && total <= DECLARED_TOTAL_MAX)
		return 0;
	return error_set(-ENOSPC,
			 "%u classes are described in this namespace, in %ju bytes, and no more can be declared; start it "
			 "anew",
			 c->n_descriptions, (uintmax_t)(total - size));
}

/* In our words, not the client's. */
static int publish_declared(struct coordinator *c, const struct stoa_class *cls, uint32_t *ret_id)
{
	void *image;
	size_t size;
	int r = class_pack(cls, &image, &size);
	if (r < 0)
		return r;
	r = room_for_declared(c, size);
	r = r ? r : publish_description(c, cls->name, image, size, ret_id);
	if (r == -ENOSPC && !heap_is_swept(&c->heap)) {
		objects_tidy(c, UINT32_MAX);
		r = publish_description(c, cls->name, image, size, ret_id);
	}
	free(image);
	return r ? r : adopt(c, *ret_id);
}

/* A name that was ever somebody's stays his: objects of it may come back with its code. */
static int declare(struct coordinator *c, const struct stoa_class *cls, uint32_t *ret_id)
{
	char text[STOA_ERROR_MAX];
	uint32_t id = find_described(c, cls->name);
	if (id == c->n_descriptions)
		return publish_declared(c, cls, ret_id);
	int r = declared_same(cls, c->descriptions[id].described, text);
	if (r == -EPROTO)
		return error_set(r, "%s", text);
	r = r || classes_find(c, cls->name) ? r : adopt(c, id);
	if (r == 0)
		*ret_id = id;
	return r;
}

int classes_declare(struct coordinator *c, const void *image, size_t size, uint32_t *ret_id)
{
	char text[STOA_ERROR_MAX];
	struct stoa_class *described;
	struct declared *declared;
	if (size > DECLARED_IMAGE_MAX)
		return error_set(-EINVAL, "the description of a class has %zu bytes; at most %u are possible", size,
				 DECLARED_IMAGE_MAX);
	int r = class_unpack(image, size, &described);
	if (r < 0)
		return r == -EBADMSG ? error_set(r, "what was declared is no description of a class") : r;
	r = declared_new(described, &declared, text);
	if (r == 0) {
		r = declare(c, &declared->cls, ret_id);
		free(declared);
	} else if (r != -ENOMEM) {
		error_set(r, "%s", r == -ENOSYS ? "only a class without methods and hooks can be declared" : text);
	}
	class_free(described);
	return r;
}

/* ---- old rows to new ones ---- */

static bool same_text(char *a, char *b)
{
	bool same = a && b && strcmp(a, b) == 0;
	free(a);
	free(b);
	return same;
}

static int bind_rows(struct server_description *d)
{
	const struct stoa_class *old = d->described, *new = d->current->code;
	uint32_t n = class_n_methods(old);
	d->methods = malloc((n + 1) * sizeof(int32_t));
	d->attrs = malloc((old->state->n_attrs + 1) * sizeof(int32_t));
	if (!d->methods || !d->attrs)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		int k = class_find_method(new, old->methods[i]->name);
		d->methods[i] = k >= 0 && same_text(class_method_text(old, old->methods[i]),
						    class_method_text(new, new->methods[k]))
					? k
					: -1;
	}
	for (uint32_t i = 0; i < old->state->n_attrs; i++) {
		int k = class_find_attr(new->state, old->state->attrs[i].name);
		d->attrs[i] = k >= 0 && same_text(class_attr_text(&old->state->attrs[i]),
						  class_attr_text(&new->state->attrs[k]))
				      ? k
				      : -1;
	}
	return 0;
}

int classes_load(struct coordinator *c)
{
	uint32_t n = atomic_load(&c->space->state->n_classes);
	int r = 0;
	for (uint32_t id = 0; r == 0 && id < n; id++)
		r = load_description(c, id);
	for (const struct stoa_class **code = c->ns->classes; r == 0 && *code; code++)
		r = bind_class(c, *code);
	r = r ? r : adopt_all(c);
	for (uint32_t id = 0; r == 0 && id < c->n_descriptions; id++) {
		struct server_description *d = &c->descriptions[id];
		d->current = classes_find(c, d->described->name);
		if (d->current && d->current->id != id)
			r = bind_rows(d);
	}
	return r;
}

void classes_fini(struct coordinator *c)
{
	struct server_class *cls, *next;
	HASH_ITER(hh, c->classes, cls, next)
	{
		HASH_DEL(c->classes, cls);
		server_class_free(cls);
	}
	for (uint32_t i = 0; i < c->n_descriptions; i++) {
		class_free(c->descriptions[i].unpacked);
		free(c->descriptions[i].methods);
		free(c->descriptions[i].attrs);
	}
	free(c->descriptions);
}

struct server_class *classes_find(const struct coordinator *c, const char *name)
{
	struct server_class *cls;
	HASH_FIND_STR(c->classes, name, cls);
	return cls;
}

const struct server_method *classes_method_of(const struct coordinator *c, const struct server_class *cls,
					      uint32_t class_id, uint32_t row)
{
	if (class_id != cls->id) {
		if (class_id >= c->n_descriptions || c->descriptions[class_id].current != cls ||
		    row >= class_n_methods(c->descriptions[class_id].described))
			return NULL;
		row = (uint32_t)c->descriptions[class_id].methods[row];
	}
	return row < cls->n_methods ? &cls->methods[row] : NULL;
}

int32_t classes_attr(const struct coordinator *c, const struct server_class *cls, uint32_t class_id, uint32_t attr)
{
	if (class_id != cls->id) {
		if (class_id >= c->n_descriptions || c->descriptions[class_id].current != cls ||
		    attr >= c->descriptions[class_id].described->state->n_attrs)
			return -1;
		attr = (uint32_t)c->descriptions[class_id].attrs[attr];
	}
	return attr < cls->code->state->n_attrs ? (int32_t)attr : -1;
}

const struct image_layout *classes_attr_image(struct server_class *cls, uint32_t attr)
{
	if (!cls->attr_images[attr])
		image_layout_new(cls->code->state->attrs, &attr, 1, &cls->attr_images[attr]);
	return cls->attr_images[attr];
}

const char *classes_row_name(const struct coordinator *c, uint32_t class_id, uint32_t row, bool is_attr)
{
	if (class_id >= c->n_descriptions)
		return "?";
	const struct stoa_class *cls = c->descriptions[class_id].described;
	if (is_attr)
		return row < cls->state->n_attrs ? cls->state->attrs[row].name : "*";
	return row < class_n_methods(cls) ? cls->methods[row]->name : "?";
}
