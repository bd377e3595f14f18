/*
 * class.c: names and texts of class tables: find a row, select attributes by a list of names, and write rows as the
 * canonical texts by which two processes compare theirs. It reads tables that class_check has passed, and keeps
 * nothing. class_check.c and class_image.c are the other rooms of class.h.
 */
#include "src/class.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define BLANKS " \t\n"

uint32_t class_n_methods(const struct stoa_class *cls)
{
	uint32_t n = 0;

	while (cls->methods && cls->methods[n])
		n++;
	return n;
}

int class_find_attr(const struct stoa_struct *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_attrs; i++)
		if (strcmp(s->attrs[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}

int class_find_method(const struct stoa_class *cls, const char *name)
{
	for (uint32_t i = 0; cls->methods && cls->methods[i]; i++)
		if (strcmp(cls->methods[i]->name, name) == 0)
			return (int)i;
	return -ENOENT;
}

/* ---- selecting attributes by name ------------------------------------------------------------------------- */

/* The words are what is hashed, and the attributes look themselves up: the list is short, the class may be long. */
struct word {
	const char *text; /* in the list: not terminated */
	size_t size;
	bool used;
	UT_hash_handle hh;
};

static struct word *word_find(struct word *table, const char *text, size_t size)
{
	struct word *word;

	HASH_FIND(hh, table, text, size, word);
	return word;
}

/* Fills the array with the words of the list, each once; ret_table is the hash of them. */
static int words_init(struct word *words, const char *names, struct word **ret_table)
{
	struct word *word = words, *table = NULL;

	for (names += strspn(names, BLANKS); *names; names += strspn(names, BLANKS)) {
		word->text = names;
		word->size = strcspn(names, BLANKS);
		names += word->size;
		if (word_find(table, word->text, word->size))
			continue;
		HASH_ADD_KEYPTR(hh, table, word->text, word->size, word);
		if (!word->hh.tbl) {
			HASH_CLEAR(hh, table);
			return -ENOMEM;
		}
		word++;
	}
	*ret_table = table;
	return 0;
}

static bool use(struct word *table, const char *text, size_t size)
{
	struct word *word = word_find(table, text, size);

	if (word)
		word->used = true;
	return word != NULL;
}

/* Is "position.x" selected: by "*", by "position" or by its own name? All of them count as used. */
static bool is_selected(struct word *table, const char *name)
{
	bool selected = use(table, "*", 1);

	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
		selected |= use(table, name, (size_t)(dot - name));
	return use(table, name, strlen(name)) || selected;
}

static const char *first_unused(const struct word *table)
{
	for (const struct word *word = table; word; word = word->hh.next) /* in the order of the list */
		if (!word->used && !(word->size == 1 && *word->text == '*'))
			return word->text;
	return NULL;
}

static int select_words(const struct stoa_struct *s, struct word *table, uint32_t **ret_select, uint32_t *ret_n,
			const char **ret_bad)
{
	uint32_t *select = malloc((s->n_attrs + 1) * sizeof(*select)), n = 0;
	const char *bad;

	if (!select)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_attrs; i++)
		if (is_selected(table, s->attrs[i].name))
			select[n++] = i;
	bad = first_unused(table);
	if (bad) {
		free(select);
		*ret_bad = bad;
		return -EINVAL;
	}
	*ret_select = select;
	*ret_n = n;
	return 0;
}

int class_select(const struct stoa_struct *s, const char *names, uint32_t **ret_select, uint32_t *ret_n,
		 const char **ret_bad)
{
	struct word *words, *table;
	int r;

	if (!names)
		names = "";
	words = calloc(strlen(names) / 2 + 1, sizeof(*words)); /* a blank between any two */
	if (!words)
		return -ENOMEM;
	r = words_init(words, names, &table);
	if (r == 0) {
		r = select_words(s, table, ret_select, ret_n, ret_bad);
		HASH_CLEAR(hh, table);
	}
	free(words);
	return r;
}

/* ---- canonical texts -------------------------------------------------------------------------------------- */

static const char *const type_names[] = {
	[STOA_I8] = "i8",     [STOA_I16] = "i16",    [STOA_I32] = "i32",   [STOA_I64] = "i64",	 [STOA_U8] = "u8",
	[STOA_U16] = "u16",   [STOA_U32] = "u32",    [STOA_U64] = "u64",   [STOA_F32] = "f32",	 [STOA_F64] = "f64",
	[STOA_BOOL] = "bool", [STOA_CHARS] = "text", [STOA_TEXT] = "text", [STOA_BLOB] = "blob",
};

const char *class_kind_name(uint32_t kind)
{
	return kind < sizeof(type_names) / sizeof(type_names[0]) ? type_names[kind] : NULL;
}

int class_find_kind(const char *name, size_t size)
{
	const char *known;

	for (uint32_t kind = STOA_I8; (known = class_kind_name(kind)); kind++)
		if (strlen(known) == size && memcmp(known, name, size) == 0)
			return (int)kind;
	return -ENOENT;
}

const char *class_type_text(const struct stoa_attr *attr, char text[64])
{
	int n = snprintf(text, 64, "%s", type_names[attr->kind]);

	for (uint32_t i = 0; i < attr->rank; i++)
		n += snprintf(text + n, 64 - (size_t)n, "[%u]", attr->dims[i]);
	if (attr->kind == STOA_TEXT && attr->rank) /* four texts of any length are not one of three bytes */
		snprintf(text + n, 64 - (size_t)n, "[]");
	return text;
}

char *class_attr_text(const struct stoa_attr *attr)
{
	char type[64], *text;
	int n = asprintf(&text, "%s:%s%s", attr->name, class_type_text(attr, type), attr->writable ? " writable" : "");

	return n < 0 ? NULL : text;
}

static void print_struct(FILE *to, const struct stoa_struct *s)
{
	char type[64];

	fputc('(', to);
	for (uint32_t i = 0; s && i < s->n_attrs; i++)
		fprintf(to, "%s%s:%s", i ? ", " : "", s->attrs[i].name, class_type_text(&s->attrs[i], type));
	fputc(')', to);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted: attributes may change their places in a class that grows. */
static int print_selected(FILE *to, const char *key, const struct stoa_struct *s, const uint32_t *select, uint32_t n)
{
	const char **names = calloc(n + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		names[i] = s->attrs[select[i]].name;
	qsort(names, n, sizeof(*names), by_name);
	for (uint32_t i = 0; i < n; i++)
		fprintf(to, "%s%s", i ? "," : key, names[i]);
	free(names);
	return 0;
}

static bool has_star(const char *names)
{
	for (names += strspn(names, BLANKS); *names; names += strspn(names, BLANKS)) {
		if (strcspn(names, BLANKS) == 1 && *names == '*')
			return true;
		names += strcspn(names, BLANKS);
	}
	return false;
}

/*
 * What is written is told name by name, "*" too: a client that knows fewer attributes would not raise the flags of the
 * others. What is read is not: each side reads what its own struct has.
 */
static int print_names(FILE *to, const struct stoa_class *cls, const struct stoa_method *method)
{
	const char *names = method->reader ? method->reads : method->writes, *bad;
	uint32_t *select, n;
	int r;

	if (method->reader && (!names || has_star(names)))
		return fputs(" reads=*", to) < 0 ? -ENOMEM : 0;
	r = class_select(cls->state, names, &select, &n, &bad);
	if (r < 0)
		return r;
	r = print_selected(to, method->reader ? " reads=" : " writes=", cls->state, select, n);
	free(select);
	return r;
}

char *class_method_text(const struct stoa_class *cls, const struct stoa_method *method)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	int r;

	if (!to)
		return NULL;
	fprintf(to, "%s%s", method->reader ? "reader " : "", method->name);
	print_struct(to, method->args);
	fputs(" -> ", to);
	print_struct(to, method->ret);
	r = print_names(to, cls, method);
	if (fclose(to) == 0 && r == 0)
		return text;
	free(text);
	return NULL;
}

/* FNV-1a of 64 bits: Fowler, Noll, Vo, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

/* Takes text. */
static bool add_text(uint64_t *sum, char *text)
{
	bool good = text != NULL;
	*sum += good ? hash_text(text) : 0;
	free(text);
	return good;
}

uint64_t class_fingerprint(const struct stoa_class *cls)
{
	uint64_t sum = hash_text(cls->name);
	bool good = true;
	for (uint32_t i = 0; good && i < cls->state->n_attrs; i++)
		good = add_text(&sum, class_attr_text(&cls->state->attrs[i]));
	for (uint32_t i = 0; good && i < class_n_methods(cls); i++)
		good = add_text(&sum, class_method_text(cls, cls->methods[i]));
	return !good ? 0 : sum ? sum : 1;
}
