/*
 * signals.c: class tables made from text, at run time: stoa_signals.
 *
 * A table is never freed, as one that a compiler made: proxies and bindings know it by its address. All are in a list
 * that only grows, so that the same rows are the same table.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/class.h"
#include "src/declared.h"
#include "src/error.h"
#include "src/image.h"
#include "src/nearest.h"

#define BLANKS " \t"

struct signals {
	struct declared declared;
	struct stoa_struct state;
	char name[STOA_NAME_MAX + 1]; /* of one that has none of its own */
	char *key;		      /* name and rows, as they were given */
	char *texts;		      /* the same, cut into names, units and docs */
	struct stoa_attr *attrs;
	struct signals *next;
};

static struct signals *_Atomic all;

static struct signals *signals_free(struct signals *s)
{
	if (!s)
		return NULL;
	free(s->key);
	free(s->texts);
	free(s->attrs);
	free(s);
	return NULL;
}

/* ---- types ---- */

static const char *each_kind(const void *data, size_t i)
{
	(void)data;
	return class_kind_name((uint32_t)i + STOA_I8);
}

static int no_type(const char *name, const char *type)
{
	size_t n = strcspn(type, "[");
	const char *meant = nearest(type, n, each_kind, NULL);
	if (meant)
		return error_set(-EINVAL, "signal %s: there is no type \"%.*s\" (did you mean \"%s\"?)", name, (int)n,
				 type, meant);
	return error_set(-EINVAL,
			 "signal %s: there is no type \"%.*s\"; types are i8 to i64, u8 to u64, f32, f64, bool, text, "
			 "text[BYTES], blob, and arrays of them as f64[3]",
			 name, (int)n, type);
}

static int bad_dims(const char *name, const char *type)
{
	return error_set(-EINVAL,
			 "signal %s: \"%.32s\" is no type: up to %d dimensions as in f64[2][3], each at least 1; "
			 "text[32] is text of up to 31 bytes, text[3][] three texts of any length",
			 name, type, STOA_RANK_MAX);
}

/* "[2]" at *at: 2, and *at is behind it; 0: it is no dimension. */
static uint32_t take_dim(const char **at)
{
	char *end;
	bool digit = (*at)[0] == '[' && (*at)[1] >= '0' && (*at)[1] <= '9';
	unsigned long n = digit ? strtoul(*at + 1, &end, 10) : 0;
	if (!digit || *end != ']' || n == 0 || n > DECLARED_SIZE_MAX)
		return 0;
	*at = end + 1;
	return (uint32_t)n;
}

/* "[2][3]". *ret_open: and "[]" behind it. */
static int take_dims(struct stoa_attr *a, const char *type, bool *ret_open)
{
	const char *at = strchrnul(type, '[');
	while (a->rank < STOA_RANK_MAX && (a->dims[a->rank] = take_dim(&at)) > 0)
		a->rank++;
	*ret_open = strcmp(at, "[]") == 0;
	return *at && !*ret_open ? bad_dims(a->name, type) : 0;
}

static int take_type(struct stoa_attr *a, const char *type)
{
	bool open;
	int kind = class_find_kind(type, strcspn(type, "["));
	if (kind < 0)
		return no_type(a->name, type);
	int r = take_dims(a, type, &open);
	if (r == 0 && open && (kind != STOA_CHARS || a->rank == 0))
		r = bad_dims(a->name, type);
	if (r < 0)
		return r;
	a->kind = (uint8_t)(kind == STOA_CHARS && (open || a->rank == 0) ? STOA_TEXT : kind);
	uint64_t size = class_kind_size(a->kind);
	for (uint32_t i = 0; i < a->rank && size <= DECLARED_SIZE_MAX; i++)
		size *= a->dims[i];
	if (size > DECLARED_SIZE_MAX)
		return error_set(-EINVAL, "signal %s: %s takes more than %u bytes", a->name, type, DECLARED_SIZE_MAX);
	a->size = (uint32_t)size;
	return 0;
}

/* ---- rows ---- */

/* "unit=m", or "doc=" and all of the rest. Returns what comes after it; NULL: it is neither. */
static char *take_word(struct stoa_attr *a, char *at)
{
	bool is_unit = strncmp(at, "unit=", 5) == 0;
	char *end = is_unit ? at + strcspn(at, BLANKS) : at + strlen(at);
	if (is_unit)
		a->unit = at + 5;
	else if (strncmp(at, "doc=", 4) == 0)
		a->doc = at + 4;
	else
		return NULL;
	char *next = *end ? end + 1 : end;
	*end = '\0';
	return next + strspn(next, BLANKS);
}

/* Cuts the row into pieces. */
static int take_row(struct stoa_attr *a, char *row)
{
	row += strspn(row, BLANKS);
	char *colon = strchr(row, ':'), *end = row + strcspn(row, BLANKS);
	if (!colon || colon > end)
		return error_set(-EINVAL, "signal \"%.64s\" has no type: write NAME:TYPE, as in position.x:f64", row);
	char *at = *end ? end + 1 : end;
	*colon = *end = '\0';
	*a = (struct stoa_attr){ .name = row, .writable = true };
	if (strlen(row) > STOA_NAME_MAX)
		return error_set(-EINVAL, "signal \"%.16s...\": its name is longer than %d bytes", row,
				 STOA_NAME_MAX);
	int r = take_type(a, colon + 1);
	for (at += strspn(at, BLANKS); r == 0 && *at;) {
		char *next = take_word(a, at);
		if (!next)
			return error_set(-EINVAL, "signal %s: \"%.64s\" is neither unit=UNIT nor doc=TEXT", a->name, at);
		at = next;
	}
	return r;
}

static uint64_t aligned(uint64_t at, uint64_t align)
{
	return (at + align - 1) / align * align;
}

/* One after the other, as in a C struct. */
static int place_all(struct signals *s)
{
	uint64_t at = 0;
	s->state.align = 1;
	for (uint32_t i = 0; i < s->state.n_attrs; i++) {
		struct stoa_attr *a = &s->attrs[i];
		uint32_t align = class_kind_align(a->kind);
		a->offset = (uint32_t)aligned(at, align);
		at = (uint64_t)a->offset + a->size;
		s->state.align = align > s->state.align ? align : s->state.align;
		if (at > DECLARED_SIZE_MAX)
			return error_set(-EINVAL, "signal %s: up to it, they take more than %u bytes", a->name,
					 DECLARED_SIZE_MAX);
	}
	s->state.size = (uint32_t)aligned(at, s->state.align);
	return 0;
}

/* texts: the name, then a row after each line end. */
static int take_rows(struct signals *s)
{
	char *row = strchr(s->texts, '\n');
	int r = 0;
	*row = '\0';
	for (uint32_t i = 0; r == 0 && i < s->state.n_attrs; i++) {
		char *next = strchrnul(++row, '\n');
		*next = '\0';
		r = take_row(&s->attrs[i], row);
		row = next;
	}
	return r ? r : place_all(s);
}

/* ---- tables ---- */

/* Everything by which one differs from another. */
static char *key_new(const char *name, const char *const *rows, size_t n)
{
	char *key = NULL;
	size_t size;
	FILE *to = open_memstream(&key, &size);
	if (!to)
		return NULL;
	fprintf(to, "%s\n", name ? name : "");
	for (size_t i = 0; i < n; i++)
		fprintf(to, "%s%s", i ? "\n" : "", rows[i]);
	if (fclose(to) == 0)
		return key;
	free(key);
	return NULL;
}

static struct signals *signals_new(char *key, size_t n)
{
	struct signals *s = calloc(1, sizeof(*s));
	if (!s) {
		free(key);
		return NULL;
	}
	s->key = key;
	s->texts = key ? strdup(key) : NULL;
	s->attrs = calloc(n, sizeof(*s->attrs));
	s->state = (struct stoa_struct){ .name = "signals", .attrs = s->attrs, .n_attrs = (uint32_t)n };
	return s->texts && s->attrs ? s : signals_free(s);
}

static int check(const struct signals *s)
{
	char text[STOA_ERROR_MAX];
	int r = class_check(&s->declared.cls, text);
	r = r ? r : declared_check(&s->declared.cls, text);
	return r == -EINVAL ? error_set(r, "%s", text) : r;
}

static int signals_fill(struct signals *s, bool named)
{
	int r = take_rows(s);
	if (r < 0)
		return r;
	declared_init(&s->declared, named ? s->texts : "signals", &s->state, NULL);
	r = check(s);
	if (r < 0 || named)
		return r;
	uint64_t fingerprint = class_fingerprint(&s->declared.cls);
	snprintf(s->name, sizeof(s->name), "signals_%016jx", (uintmax_t)fingerprint);
	declared_init(&s->declared, s->name, &s->state, NULL);
	return fingerprint ? check(s) : -ENOMEM;
}

static struct signals *find(const char *key)
{
	struct signals *s = atomic_load_explicit(&all, memory_order_acquire);
	while (s && strcmp(s->key, key) != 0)
		s = s->next;
	return s;
}

/* Two threads may make the same one: the first counts. */
static struct signals *publish(struct signals *s)
{
	s->next = atomic_load_explicit(&all, memory_order_acquire);
	for (;;) {
		struct signals *other = find(s->key);
		if (other) {
			signals_free(s);
			return other;
		}
		if (atomic_compare_exchange_strong_explicit(&all, &s->next, s, memory_order_acq_rel,
							    memory_order_acquire))
			return s;
	}
}

static int check_lines(const char *name, const char *const *rows, size_t n)
{
	if (n == 0 || n > DECLARED_ATTRS_MAX)
		return error_set(-EINVAL,
				 "a class of %zu signals; 1 to %u are possible, each NAME:TYPE as in position.x:f64", n,
				 DECLARED_ATTRS_MAX);
	if (name && (!*name || strchr(name, '\n')))
		return error_set(-EINVAL, "\"%.16s\" cannot be the name of a class", name);
	for (size_t i = 0; i < n; i++)
		if (!rows[i] || strchr(rows[i], '\n'))
			return error_set(-EINVAL, "signal number %zu is not one line", i + 1);
	return 0;
}

int stoa_signals(const char *name, const char *const *rows, size_t n, const struct stoa_class **ret)
{
	int r = check_lines(name, rows, n);
	char *key = r == 0 ? key_new(name, rows, n) : NULL;
	struct signals *s = key ? find(key) : NULL;
	if (r < 0 || s) {
		free(key);
	} else {
		s = signals_new(key, n);
		r = s ? signals_fill(s, name != NULL) : -ENOMEM;
		s = r == 0 ? publish(s) : signals_free(s);
	}
	if (r == 0)
		*ret = &s->declared.cls;
	return r == -ENOMEM ? error_set(r, "no memory for a class of %zu signals", n) : r;
}
