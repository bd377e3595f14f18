/*
 * class_image.c: a class as a tpl image and back, for clients that have no table and for a state that outlives its
 * coordinator. Four flat tables: the class, all structs, all their attributes in the same order, all methods.
 *
 * tpl prints when an image is wrong, believes its counts, and takes its allocator from the host program's tpl_hook,
 * which is not ours to set: so the image is walked here before tpl sees it, and nothing that tpl allocated is kept.
 * Out of memory inside tpl itself ends the process. Only descriptions meet it: those in a state, and what a client
 * declares, which is at most some MiB, and whose command is rejected once it has ended two coordinators.
 */
#include "src/class.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <tpl.h>

extern tpl_hook_t tpl_hook;

#define CLASS_ROW "ssuuuc"
#define STRUCT_ROW "suuu"
#define ATTR_ROW "sssuuuuuccc"
#define METHOD_ROW "ssssIuuuc"
#define FORMAT "S(" CLASS_ROW ")A(S(" STRUCT_ROW "))A(S(" ATTR_ROW "))A(S(" METHOD_ROW "))"

enum { CLASS, STRUCTS, ATTRS, METHODS }; /* tpl's numbers of the tables */

#define NONE UINT32_MAX /* instead of the number of a struct */

struct description {
	struct {
		char *name, *doc;
		uint32_t version, parts, init_args;
		char has_hooks;
	} cls;
	struct {
		char *name;
		uint32_t size, align, n_attrs;
	} strukt;
	struct {
		char *name, *unit, *doc;
		uint32_t offset, size, dims[STOA_RANK_MAX];
		char rank, kind, writable;
	} attr;
	struct {
		char *name, *doc, *writes, *reads;
		int64_t deadline;
		uint32_t ret_max, args, ret;
		char how; /* bit 0: a reader, bit 1: folds */
	} method;
	tpl_node *map;
	uint32_t n_structs;
};

_Static_assert(STOA_RANK_MAX == 3, "ATTR_ROW has three dims");

static int description_init(struct description *d)
{
	*d = (struct description){ 0 };
	d->map = tpl_map((char *)FORMAT, &d->cls, &d->strukt, &d->attr, &d->method);
	return d->map ? 0 : -ENOMEM;
}

/* ---- describe --------------------------------------------------------------------------------------------- */

static void pack_attr(struct description *d, const struct stoa_attr *attr)
{
	d->attr.name = (char *)attr->name;
	d->attr.unit = (char *)attr->unit;
	d->attr.doc = (char *)attr->doc;
	d->attr.offset = attr->offset;
	d->attr.size = attr->size;
	memcpy(d->attr.dims, attr->dims, sizeof(d->attr.dims));
	d->attr.rank = (char)attr->rank;
	d->attr.kind = (char)attr->kind;
	d->attr.writable = attr->writable;
	tpl_pack(d->map, ATTRS);
}

static uint32_t pack_struct(struct description *d, const struct stoa_struct *s)
{
	if (!s)
		return NONE;
	d->strukt.name = (char *)s->name;
	d->strukt.size = s->size;
	d->strukt.align = s->align;
	d->strukt.n_attrs = s->n_attrs;
	tpl_pack(d->map, STRUCTS);
	for (uint32_t i = 0; i < s->n_attrs; i++)
		pack_attr(d, &s->attrs[i]);
	return d->n_structs++;
}

static void pack_method(struct description *d, const struct stoa_method *m)
{
	d->method.name = (char *)m->name;
	d->method.doc = (char *)m->doc;
	d->method.writes = (char *)m->writes;
	d->method.reads = (char *)m->reads;
	d->method.deadline = m->deadline;
	d->method.ret_max = m->ret_max;
	d->method.args = pack_struct(d, m->args);
	d->method.ret = pack_struct(d, m->ret);
	d->method.how = (char)(m->reader | m->folds << 1);
	tpl_pack(d->map, METHODS);
}

static void pack_class(struct description *d, const struct stoa_class *cls)
{
	pack_struct(d, cls->state); /* the first: number 0 */
	for (uint32_t i = 0; cls->methods && cls->methods[i]; i++)
		pack_method(d, cls->methods[i]);
	d->cls.name = (char *)cls->name;
	d->cls.doc = (char *)cls->doc;
	d->cls.version = cls->version;
	d->cls.has_hooks = cls->hooks != NULL;
	d->cls.parts = cls->hooks ? cls->hooks->parts : 0;
	d->cls.init_args = pack_struct(d, cls->hooks ? cls->hooks->init_args : NULL);
	tpl_pack(d->map, CLASS);
}

int class_pack(const struct stoa_class *cls, void **ret_image, size_t *ret_size)
{
	struct description d;
	void *image = NULL;
	size_t size;
	int r = description_init(&d);

	if (r < 0)
		return r;
	pack_class(&d, cls);
	if (tpl_dump(d.map, TPL_GETSIZE, &size) == 0)
		image = malloc(size);
	if (image)
		tpl_dump(d.map, TPL_MEM | TPL_PREALLOCD, image, size);
	tpl_free(d.map);
	if (!image)
		return -ENOMEM;
	*ret_image = image;
	*ret_size = size;
	return 0;
}

/* ---- is it one? ------------------------------------------------------------------------------------------- */

static uint32_t get32(const unsigned char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

/* Past one value, or NULL where the image ends before it does. */
static const unsigned char *pass(char letter, const unsigned char *p, const unsigned char *end)
{
	size_t left = (size_t)(end - p), n = letter == 'I' ? 8 : letter == 'c' ? 1 : 4;

	if (n <= left && letter == 's') {
		uint32_t length = get32(p); /* with a NUL that is not there; 0: NULL */

		n += length ? length - 1 : 0;
	}
	return n <= left ? p + n : NULL;
}

static const unsigned char *pass_table(const char *row, uint32_t n, const unsigned char *p, const unsigned char *end)
{
	while (p && n--)
		for (const char *letter = row; p && *letter; letter++)
			p = pass(*letter, p, end);
	return p;
}

static bool is_description(const unsigned char *image, size_t size)
{
	static const char *const tables[] = { STRUCT_ROW, ATTR_ROW, METHOD_ROW };
	const unsigned char *p = image, *end = image + size;

	/* Flags: 2 for the strings, no 1 for another byte order. */
	if (size < 8 + sizeof(FORMAT) || memcmp(p, "tpl\2", 4) != 0 || get32(p + 4) != size ||
	    memcmp(p + 8, FORMAT, sizeof(FORMAT)) != 0)
		return false;
	p = pass_table(CLASS_ROW, 1, p + 8 + sizeof(FORMAT), end);
	for (size_t i = 0; p && i < sizeof(tables) / sizeof(tables[0]); i++) {
		const unsigned char *rows = pass('u', p, end);

		p = rows ? pass_table(tables[i], get32(p), rows, end) : NULL;
	}
	return p == end;
}

/* ---- and back --------------------------------------------------------------------------------------------- */

struct described {
	struct stoa_class cls; /* first: class_free is given this */
	struct stoa_hooks hooks;
	uint32_t n_structs, n_attrs, n_methods;
	struct stoa_struct *structs;
	struct stoa_attr *attrs;
	struct stoa_method *methods;
	const struct stoa_method **rows; /* ends with NULL */
	uint32_t *indexes;
	char *strings, *end; /* one after the other; no more bytes than the image has */
};

static void *described_free(struct described *to)
{
	if (!to)
		return NULL;
	free(to->structs);
	free(to->attrs);
	free(to->methods);
	free(to->rows);
	free(to->indexes);
	free(to->strings);
	free(to);
	return NULL;
}

static struct described *described_new(tpl_node *map, size_t size)
{
	struct described *to = calloc(1, sizeof(*to));

	if (!to)
		return NULL;
	to->n_structs = (uint32_t)tpl_Alen(map, STRUCTS);
	to->n_attrs = (uint32_t)tpl_Alen(map, ATTRS);
	to->n_methods = (uint32_t)tpl_Alen(map, METHODS);
	to->structs = calloc(to->n_structs + 1u, sizeof(*to->structs));
	to->attrs = calloc(to->n_attrs + 1u, sizeof(*to->attrs));
	to->methods = calloc(to->n_methods + 1u, sizeof(*to->methods));
	to->rows = calloc(to->n_methods + 1u, sizeof(*to->rows));
	to->indexes = calloc(to->n_methods + 1u, sizeof(*to->indexes));
	to->strings = to->end = malloc(size);
	if (!to->structs || !to->attrs || !to->methods || !to->rows || !to->indexes || !to->strings)
		return described_free(to);
	return to;
}

static const char *take_string(struct described *to, char **from)
{
	char *text = to->end;

	if (!*from)
		return NULL;
	to->end = stpcpy(text, *from) + 1;
	tpl_hook.free(*from);
	*from = NULL;
	return text;
}

/* Number i of the structs, or NULL if it is NONE; false: there is no such one. */
static bool take_struct(const struct described *to, uint32_t i, const struct stoa_struct **ret)
{
	*ret = i < to->n_structs ? &to->structs[i] : NULL;
	return i < to->n_structs || i == NONE;
}

static void unpack_attr(struct described *to, struct description *d, struct stoa_attr *attr)
{
	tpl_unpack(d->map, ATTRS);
	attr->name = take_string(to, &d->attr.name);
	attr->unit = take_string(to, &d->attr.unit);
	attr->doc = take_string(to, &d->attr.doc);
	attr->offset = d->attr.offset;
	attr->size = d->attr.size;
	memcpy(attr->dims, d->attr.dims, sizeof(attr->dims));
	attr->rank = (uint8_t)d->attr.rank;
	attr->kind = (uint8_t)d->attr.kind;
	attr->writable = d->attr.writable;
}

/* The structs' attributes follow one another; they must be as many as there are. */
static bool unpack_structs(struct described *to, struct description *d)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < to->n_attrs; i++)
		unpack_attr(to, d, &to->attrs[i]);
	for (struct stoa_struct *s = to->structs; s < to->structs + to->n_structs; s++) {
		tpl_unpack(d->map, STRUCTS);
		s->name = take_string(to, &d->strukt.name);
		s->size = d->strukt.size;
		s->align = d->strukt.align;
		s->n_attrs = d->strukt.n_attrs;
		s->attrs = &to->attrs[at];
		if (s->n_attrs > to->n_attrs - at)
			return false;
		at += s->n_attrs;
	}
	return at == to->n_attrs;
}

static bool unpack_method(struct described *to, struct description *d, uint32_t i)
{
	struct stoa_method *m = &to->methods[i];

	tpl_unpack(d->map, METHODS);
	m->name = take_string(to, &d->method.name);
	m->class_name = to->cls.name;
	m->writes = take_string(to, &d->method.writes);
	m->reads = take_string(to, &d->method.reads);
	m->doc = take_string(to, &d->method.doc);
	m->deadline = d->method.deadline;
	m->ret_max = d->method.ret_max;
	m->reader = d->method.how & 1;
	m->folds = d->method.how & 2;
	m->index = &to->indexes[i];
	to->rows[i] = m;
	return take_struct(to, d->method.args, &m->args) && take_struct(to, d->method.ret, &m->ret);
}

static bool unpack_class(struct described *to, struct description *d)
{
	tpl_unpack(d->map, CLASS);
	to->cls.name = take_string(to, &d->cls.name);
	to->cls.doc = take_string(to, &d->cls.doc);
	to->cls.version = d->cls.version;
	to->cls.methods = to->rows;
	to->cls.hooks = d->cls.has_hooks ? &to->hooks : NULL;
	to->hooks.parts = d->cls.parts;
	if (!unpack_structs(to, d))
		return false;
	for (uint32_t i = 0; i < to->n_methods; i++)
		if (!unpack_method(to, d, i))
			return false;
	return take_struct(to, 0, &to->cls.state) && take_struct(to, d->cls.init_args, &to->hooks.init_args);
}

static int described_check(const struct described *to)
{
	char text[STOA_ERROR_MAX];
	int r = class_check_described(&to->cls, text);

	return r == -EINVAL ? -EBADMSG : r;
}

int class_unpack(const void *image, size_t size, struct stoa_class **ret)
{
	struct description d;
	struct described *to = NULL;
	int r = is_description(image, size) ? description_init(&d) : -EBADMSG;

	if (r < 0)
		return r;
	r = tpl_load(d.map, TPL_MEM, image, size) == 0 ? 0 : -EBADMSG;
	if (r == 0) {
		to = described_new(d.map, size);
		r = to ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = unpack_class(to, &d) ? described_check(to) : -EBADMSG;
	tpl_free(d.map);
	if (r < 0)
		described_free(to);
	else
		*ret = &to->cls;
	return r;
}

struct stoa_class *class_free(struct stoa_class *cls)
{
	return described_free((struct described *)cls);
}
