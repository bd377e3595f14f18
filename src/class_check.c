/*
 * class_check.c: everything a programmer can get wrong in a class table, found before the class is used.
 *
 * Each check returns 0, or -EINVAL with a text that says where (class, method, struct, attribute), what is wrong, and
 * what to do; -ENOMEM is the only other error. Rows are numbered only when all of the class is right.
 */
#include "src/class.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "src/layout.h"
#include "src/nearest.h"

#define RET_MAX (16u << 20) /* it has to fit a lane, with its command */

enum { ATTRS_MAX = 65535, METHODS_MAX = 4096, PARTS_MAX = 65535, STRUCT_MAX = 1 << 30 };

#define BLANKS " \t\n"

struct where {
	const char *cls, *method, *part, *attr; /* NULL: not in one */
	char *text;
};

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(char *text, const char *format, ...)
{
	size_t n = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + n, STOA_ERROR_MAX - n, format, args);
	va_end(args);
}

static int wrong(const struct where *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int wrong(const struct where *w, const char *format, ...)
{
	va_list args;
	size_t n;

	*w->text = '\0';
	append(w->text, "class %.63s", w->cls ? w->cls : "(unnamed)");
	if (w->method)
		append(w->text, ", method %.63s", w->method);
	if (w->part)
		append(w->text, ", %s", w->part);
	if (w->attr)
		append(w->text, ", attribute %.63s", w->attr);
	append(w->text, ": ");
	n = strlen(w->text);
	va_start(args, format);
	vsnprintf(w->text + n, STOA_ERROR_MAX - n, format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- names ------------------------------------------------------------------------------------------------ */

/* Bytes of the identifier that text begins with; 0: none. */
static size_t identifier(const char *text)
{
	if (*text >= '0' && *text <= '9')
		return 0;
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
}

static bool is_name(const char *name, bool dotted)
{
	size_t n = identifier(name);

	while (dotted && n && name[n] == '.') {
		name += n + 1;
		n = identifier(name);
	}
	return n && name[n] == '\0';
}

static int name_check(const struct where *w, const char *what, const char *name)
{
	bool dotted = strcmp(what, "attribute") == 0;

	if (!name || !*name)
		return wrong(w, "the name of the %s is missing", what);
	if (strnlen(name, STOA_NAME_MAX + 1) > STOA_NAME_MAX)
		return wrong(w, "the name of the %s, \"%.16s...\", is longer than %d bytes", what, name, STOA_NAME_MAX);
	if (!is_name(name, dotted))
		return wrong(
			w, "\"%s\" cannot be the name of %s %s: use letters, digits and _, no digit first; dots are %s",
			name, dotted ? "an" : "a", what,
			dotted ? "between nested members" : "in names of attributes only");
	return 0;
}

struct seen {
	const char *name;
	UT_hash_handle hh;
};

/* The names are in seen[0..n). *ret_twice: the first that is there again, or NULL. */
static int find_duplicate(struct seen *seen, uint32_t n, const char **ret_twice)
{
	struct seen *table = NULL, *other;
	int r = 0;

	*ret_twice = NULL;
	for (uint32_t i = 0; i < n && r == 0 && !*ret_twice; i++) {
		HASH_FIND_STR(table, seen[i].name, other);
		if (other) {
			*ret_twice = seen[i].name;
			continue;
		}
		HASH_ADD_KEYPTR(hh, table, seen[i].name, strlen(seen[i].name), &seen[i]);
		r = seen[i].hh.tbl ? 0 : -ENOMEM;
	}
	HASH_CLEAR(hh, table);
	return r;
}

/* ---- attributes ------------------------------------------------------------------------------------------- */

#define KIND(T)                                                                                                        \
	{                                                                                                              \
		sizeof(T), _Alignof(T)                                                                                 \
	}

static const struct {
	uint8_t size, align;
} kinds[] = {
	[STOA_I8] = KIND(int8_t),      [STOA_I16] = KIND(int16_t),    [STOA_I32] = KIND(int32_t),
	[STOA_I64] = KIND(int64_t),    [STOA_U8] = KIND(uint8_t),     [STOA_U16] = KIND(uint16_t),
	[STOA_U32] = KIND(uint32_t),   [STOA_U64] = KIND(uint64_t),   [STOA_F32] = KIND(float),
	[STOA_F64] = KIND(double),     [STOA_BOOL] = KIND(_Bool),     [STOA_CHARS] = KIND(char),
	[STOA_TEXT] = KIND(stoa_text), [STOA_BLOB] = KIND(stoa_blob),
};

uint32_t class_kind_size(uint8_t kind)
{
	return kinds[kind].size;
}

uint32_t class_kind_align(uint8_t kind)
{
	return kinds[kind].align;
}

static int type_check(const struct where *w, const struct stoa_attr *attr)
{
	uint64_t size;
	char type[64];

	if (attr->kind < STOA_I8 || attr->kind > STOA_BLOB)
		return wrong(w, "kind %u is none of enum stoa_kind", attr->kind);
	if (attr->rank > STOA_RANK_MAX)
		return wrong(w, "it has %u dimensions, over %d", attr->rank, STOA_RANK_MAX);
	if (attr->kind == STOA_CHARS && attr->rank == 0)
		return wrong(w, "char is text: use char[N], or int8_t for a number");
	size = kinds[attr->kind].size;
	for (uint32_t i = 0; i < attr->rank; i++) {
		if (attr->dims[i] == 0 || attr->dims[i] > STRUCT_MAX || size > STRUCT_MAX)
			return wrong(w, "dimension %u is %u", i, attr->dims[i]);
		size *= attr->dims[i];
	}
	if (size != attr->size)
		return wrong(w, "its size is %u, but %s takes %ju bytes", attr->size, class_type_text(attr, type),
			     (uintmax_t)size);
	return 0;
}

static int place_check(const struct where *w, const struct stoa_struct *s, const struct stoa_attr *attr)
{
	uint64_t end = (uint64_t)attr->offset + attr->size;

	if (end > s->size)
		return wrong(w, "it ends at byte %ju of a struct of %u bytes", (uintmax_t)end, s->size);
	if (attr->offset % kinds[attr->kind].align)
		return wrong(w, "its offset %u is not aligned to %u", attr->offset, kinds[attr->kind].align);
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	uint32_t at = (*(const struct stoa_attr *const *)a)->offset, to = (*(const struct stoa_attr *const *)b)->offset;

	return (at > to) - (at < to);
}

static int overlap_check(struct where w, const struct stoa_struct *s)
{
	const struct stoa_attr **order = calloc(s->n_attrs + 1, sizeof(const struct stoa_attr *));
	int r = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_attrs; i++)
		order[i] = &s->attrs[i];
	qsort(order, s->n_attrs, sizeof(*order), by_offset);
	for (uint32_t i = 1; i < s->n_attrs && r == 0; i++) {
		if (order[i - 1]->offset + order[i - 1]->size <= order[i]->offset)
			continue;
		w.attr = order[i]->name;
		r = wrong(&w, "it overlaps with %.63s", order[i - 1]->name);
	}
	free(order);
	return r;
}

static int attr_names_check(const struct where *w, const struct stoa_struct *s)
{
	struct seen *seen = calloc(s->n_attrs + 1, sizeof(*seen));
	const char *twice;
	int r;

	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_attrs; i++)
		seen[i].name = s->attrs[i].name;
	r = find_duplicate(seen, s->n_attrs, &twice);
	if (r == 0 && twice)
		r = wrong(w, "two attributes are named \"%s\"", twice);
	free(seen);
	return r;
}

static int attr_check(struct where w, const struct stoa_struct *s, const struct stoa_attr *attr, bool is_state)
{
	int r = name_check(&w, "attribute", attr->name);

	w.attr = attr->name;
	r = r ? r : type_check(&w, attr);
	r = r ? r : place_check(&w, s, attr);
	if (r == 0 && attr->writable && !is_state)
		r = wrong(&w, "only attributes of the state can be writable");
	return r;
}

static int struct_check(const struct where *w, const struct stoa_struct *s, bool is_state)
{
	int r = name_check(w, "struct", s->name);

	if (r < 0)
		return r;
	if (s->size == 0 || s->size > STRUCT_MAX)
		return wrong(w, "struct %s has %u bytes: 1 to %d are possible", s->name, s->size, STRUCT_MAX);
	if (s->align > _Alignof(max_align_t))
		return wrong(w, "struct %s is aligned to %u; at most %zu", s->name, s->align, _Alignof(max_align_t));
	if (s->align == 0 || (s->align & (s->align - 1)) || s->size % s->align)
		return wrong(w, "struct %s is aligned to %u, which does not fit its size %u", s->name, s->align,
			     s->size);
	if (s->n_attrs > ATTRS_MAX)
		return wrong(w, "struct %s has %u attributes, over %d", s->name, s->n_attrs, ATTRS_MAX);
	if (s->n_attrs && !s->attrs)
		return wrong(w, "struct %s has no table of attributes", s->name);
	for (uint32_t i = 0; i < s->n_attrs && r == 0; i++)
		r = attr_check(*w, s, &s->attrs[i], is_state);
	r = r ? r : attr_names_check(w, s);
	return r ? r : overlap_check(*w, s);
}

/* ---- methods ---------------------------------------------------------------------------------------------- */

static const char *each_attr(const void *data, size_t i)
{
	const struct stoa_struct *s = data;

	return i < s->n_attrs ? s->attrs[i].name : NULL;
}

static int select_check(const struct where *w, const struct stoa_struct *s, const char *verb, const char *names)
{
	uint32_t *select, n_select;
	const char *bad, *meant;
	int r = class_select(s, names, &select, &n_select, &bad);
	int n;

	if (r == 0)
		free(select);
	if (r != -EINVAL)
		return r;
	n = (int)strcspn(bad, BLANKS);
	meant = nearest(bad, (size_t)n, each_attr, s);
	if (meant)
		return wrong(w, "%s names \"%.*s\", which is no attribute of %.63s (did you mean \"%s\"?)", verb, n,
			     bad, w->cls, meant);
	return wrong(w, "%s names \"%.*s\", which is no attribute of %.63s", verb, n, bad, w->cls);
}

static int part_check(struct where w, const char *part, const struct stoa_struct *s)
{
	w.part = part;
	return s ? struct_check(&w, s, false) : 0;
}

static int folds_check(const struct where *w, const struct stoa_class *cls, const struct stoa_method *m)
{
	uint32_t n = m->args ? m->args->n_attrs : 0;

	if (m->reader)
		return wrong(w, "a reader does not fold");
	if (cls->hooks)
		return wrong(w, "it folds, which no method of a class with hooks can");
	if (n == 0 || n > FOLD_FIELDS)
		return wrong(w, "it folds, with %u arguments; 1 to %d are possible", n, FOLD_FIELDS);
	for (uint32_t i = 0; i < n; i++)
		if (m->args->attrs[i].rank || m->args->attrs[i].kind > STOA_U64)
			return wrong(w, "it folds, and its argument %.63s is not one integer", m->args->attrs[i].name);
	return 0;
}

static int on_leave_check(const struct where *w, const struct stoa_class *cls, const struct stoa_method *m)
{
	if (m->reader || m->folds)
		return wrong(w, "it is .on_leave, which a method that %s cannot be", m->reader ? "only reads" : "folds");
	if ((m->args && m->args->n_attrs) || (m->ret && m->ret->n_attrs))
		return wrong(w, "it is .on_leave, and has arguments or a result; use stoa_none for both");
	for (uint32_t i = 0; cls->methods[i] != m; i++)
		if (cls->methods[i]->on_leave)
			return wrong(w, "%.63s is .on_leave already; make one of them", cls->methods[i]->name);
	return 0;
}

static int method_check(struct where w, const struct stoa_class *cls, const struct stoa_method *m)
{
	int r = name_check(&w, "method", m->name);

	if (r < 0)
		return r;
	w.method = m->name;
	if (!m->class_name || strcmp(m->class_name, cls->name) != 0)
		return wrong(&w, "the row is of class %.63s", m->class_name ? m->class_name : "(unnamed)");
	if (m->reader && m->writes && m->writes[strspn(m->writes, BLANKS)])
		return wrong(&w, "a reader writes nothing, but writes names \"%s\"", m->writes);
	if (m->deadline < 0)
		return wrong(&w, "its deadline is %jd ns; 0 is the coordinator's", (intmax_t)m->deadline);
	if (m->ret_max > RET_MAX)
		return wrong(&w, "its .ret_max is %u; at most %u", m->ret_max, RET_MAX);
	r = select_check(&w, cls->state, "writes", m->writes);
	r = r ? r : select_check(&w, cls->state, "reads", m->reads);
	r = r ? r : part_check(w, "arguments", m->args);
	r = r ? r : part_check(w, "result", m->ret);
	r = r || !m->folds ? r : folds_check(&w, cls, m);
	return r || !m->on_leave ? r : on_leave_check(&w, cls, m);
}

static int method_names_check(const struct where *w, const struct stoa_class *cls, uint32_t n)
{
	struct seen *seen = calloc(n + 1, sizeof(*seen));
	const char *twice;
	int r;

	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		seen[i].name = cls->methods[i]->name;
	r = find_duplicate(seen, n, &twice);
	if (r == 0 && twice)
		r = wrong(w, "two methods are named \"%s\"", twice);
	free(seen);
	return r;
}

/* ---- classes ---------------------------------------------------------------------------------------------- */

static int hooks_check(const struct where *w, const struct stoa_hooks *hooks, bool has_code)
{
	if (!hooks)
		return 0;
	if (hooks->parts > PARTS_MAX)
		return wrong(w, "hooks: it has %u parts, over %d", hooks->parts, PARTS_MAX);
	if (has_code && hooks->parts && (!hooks->pack || !hooks->unpack))
		return wrong(w, "hooks: %u parts need both pack and unpack", hooks->parts);
	if (!hooks->parts && (hooks->pack || hooks->unpack))
		return wrong(w, "hooks: pack and unpack are for parts, and parts is 0");
	if (has_code && hooks->init_args && !hooks->init)
		return wrong(w, "hooks: init_args are for init, which is missing");
	return part_check(*w, "arguments of init", hooks->init_args);
}

static int table_check(const struct where *w, const struct stoa_class *cls, bool has_code)
{
	uint32_t n = class_n_methods(cls);
	int r = name_check(w, "class", cls->name);

	if (r == 0 && !cls->state)
		r = wrong(w, "the state is missing: set it to the struct's table");
	if (r == 0 && n > METHODS_MAX)
		r = wrong(w, "it has %u methods, over %d", n, METHODS_MAX);
	r = r ? r : struct_check(w, cls->state, true);
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = method_check(*w, cls, cls->methods[i]);
	r = r ? r : method_names_check(w, cls, n);
	return r ? r : hooks_check(w, cls->hooks, has_code);
}

static int class_check_with(const struct stoa_class *cls, bool has_code, char text[STOA_ERROR_MAX])
{
	struct where w = { .cls = cls ? cls->name : NULL, .text = text };
	int r = cls ? 0 : wrong(&w, "the table is missing");

	if (r == 0 && cls->abi > STOA_ABI)
		r = wrong(&w, "it was compiled for tables of version %u; this library knows them up to %u", cls->abi,
			  STOA_ABI);
	r = r ? r : table_check(&w, cls, has_code);
	if (r < 0)
		return r;
	for (uint32_t i = 0; cls->methods && cls->methods[i]; i++)
		if (cls->methods[i]->index) /* two threads may register one class: they store the same */
			__atomic_store_n(cls->methods[i]->index, i, __ATOMIC_RELAXED);
	return 0;
}

int class_check(const struct stoa_class *cls, char text[STOA_ERROR_MAX])
{
	return class_check_with(cls, true, text);
}

int class_check_described(const struct stoa_class *cls, char text[STOA_ERROR_MAX])
{
	return class_check_with(cls, false, text);
}
