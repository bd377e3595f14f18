/*
 * test_class.c: class tables checked, selected from, told as texts, described and undescribed. Each mistake that
 * class_check knows has a case here: a right class with one thing made wrong, and what the text must then say.
 */
#include "src/class.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tpl.h>

#include <cmocka.h>

/* ---- a class that has everything -------------------------------------------------------------------------- */

struct hits {
	uint64_t requests, bytes;
	struct {
		double x;
		float v;
	} position;
	char label[32];
	char lines[4][16];
	double m[2][3];
	stoa_text note, notes[2];
	stoa_blob picture;
	bool open;
};
STOA_STRUCT(hits, STOA_ATTR(struct hits, requests, .unit = "request", .doc = "answered"),
	    STOA_ATTR(struct hits, bytes, .unit = "byte"), STOA_ATTR(struct hits, position.x, .writable = true),
	    STOA_ATTR(struct hits, position.v), STOA_ATTR(struct hits, label), STOA_ATTR(struct hits, lines),
	    STOA_ATTR(struct hits, m, .writable = true), STOA_ATTR(struct hits, note), STOA_ATTR(struct hits, notes),
	    STOA_ATTR(struct hits, picture), STOA_ATTR(struct hits, open));

struct hit {
	uint32_t bytes;
	stoa_text path;
};
STOA_STRUCT(hit, STOA_ATTR(struct hit, bytes, .unit = "byte"), STOA_ATTR(struct hit, path));

struct total {
	uint64_t n;
};
STOA_STRUCT(total, STOA_ATTR(struct total, n));

static int hits_record(struct hits *self, const struct hit *args, struct stoa_none *ret)
{
	(void)ret;
	self->bytes += args->bytes;
	return 0;
}
STOA_METHOD(hits, record, hit, stoa_none, .writes = "requests position bytes requests", .deadline = STOA_MS(5),
	    .doc = "one hit");

static int hits_reset(struct hits *self, const struct stoa_none *args, struct stoa_none *ret)
{
	(void)args, (void)ret;
	self->bytes = 0;
	return 0;
}
STOA_METHOD(hits, reset, stoa_none, stoa_none, .writes = "*", .ret_max = 7);

static int hits_ping(struct hits *self, const struct stoa_none *args, struct stoa_none *ret)
{
	(void)self, (void)args, (void)ret;
	return 0;
}
STOA_METHOD(hits, ping, stoa_none, stoa_none);

static int hits_total(const struct hits *self, const struct stoa_none *args, struct total *ret)
{
	(void)args;
	ret->n = self->requests;
	return 0;
}
STOA_READER(hits, total, stoa_none, total, .reads = "requests");

static int hits_all(const struct hits *self, const struct stoa_none *args, struct total *ret)
{
	return hits_total(self, args, ret);
}
STOA_READER(hits, all, stoa_none, total);

static int init(void *self, const void *args)
{
	(void)self, (void)args;
	return 0;
}

static int pack(const void *self, uint32_t part, stoa_blob *ret)
{
	(void)self, (void)part, (void)ret;
	return 0;
}

static int unpack(void *self, uint32_t part, const void *data, size_t size)
{
	(void)self, (void)part, (void)data, (void)size;
	return 0;
}

static const struct stoa_hooks hooks = {
	.init_args = &hit_struct, .init = init, .parts = 16, .pack = pack, .unpack = unpack
};
STOA_CLASS_HOOKS(hits, 3, &hooks, &hits_record_row, &hits_reset_row, &hits_ping_row, &hits_total_row, &hits_all_row);

/* ---- right and wrong -------------------------------------------------------------------------------------- */

/* A copy of the class that a case may break. */
struct broken {
	struct stoa_class cls;
	struct stoa_struct state, args;
	struct stoa_attr attrs[11], arg_attrs[2];
	struct stoa_method record, total;
	const struct stoa_method *methods[3];
	struct stoa_hooks hooks;
};

static void broken_init(struct broken *b)
{
	*b = (struct broken){ .cls = hits_class, .state = hits_struct, .args = hit_struct };
	memcpy(b->attrs, hits_attrs, sizeof(b->attrs));
	memcpy(b->arg_attrs, hit_attrs, sizeof(b->arg_attrs));
	b->record = hits_record_row;
	b->total = hits_total_row;
	b->hooks = hooks;
	b->state.attrs = b->attrs;
	b->args.attrs = b->arg_attrs;
	b->record.args = &b->args;
	b->methods[0] = &b->record;
	b->methods[1] = &b->total;
	b->cls.state = &b->state;
	b->cls.methods = b->methods;
	b->cls.hooks = &b->hooks;
}

#define LONGEST "a123456789b123456789c123456789d123456789e123456789f123456789g12" /* 63 bytes */

/* Break the class by the statement; then the text must be this. */
#define WRONG(statement, expected)                                                                                     \
	do {                                                                                                           \
		struct broken b;                                                                                       \
		char text[STOA_ERROR_MAX] = "untouched";                                                               \
		broken_init(&b);                                                                                       \
		assert_int_equal(class_check(&b.cls, text), 0);                                                        \
		assert_string_equal(text, "untouched");                                                                \
		statement;                                                                                             \
		assert_int_equal(class_check(&b.cls, text), -EINVAL);                                                  \
		assert_string_equal(text, expected);                                                                   \
	} while (0)

static void class_check_numbers_rows_when_right(void **state)
{
	char text[STOA_ERROR_MAX];

	(void)state;
	hits_all_index = hits_total_index = 99;
	for (int i = 0; i < 2; i++)
		assert_int_equal(class_check(&hits_class, text), 0);
	assert_int_equal(*hits_record_row.index, 0);
	assert_int_equal(*hits_total_row.index, 3);
	assert_int_equal(*hits_all_row.index, 4);
	assert_int_equal(class_n_methods(&hits_class), 5);
}

static void class_check_numbers_nothing_when_wrong(void **state)
{
	struct broken b;
	char text[STOA_ERROR_MAX];

	(void)state;
	broken_init(&b);
	b.total.deadline = -1;
	*b.record.index = *b.total.index = 77;
	assert_int_equal(class_check(&b.cls, text), -EINVAL);
	assert_int_equal(*b.record.index, 77);
	assert_int_equal(*b.total.index, 77);
}

static void class_check_passes_when_code_is_missing_or_names_are_long(void **state)
{
	struct broken b;
	char text[STOA_ERROR_MAX];

	(void)state;
	broken_init(&b);
	b.record.run = NULL;
	b.attrs[4].name = LONGEST;
	assert_int_equal(class_check(&b.cls, text), 0);
}

static void class_check_tells_when_a_name_is_wrong(void **state)
{
	(void)state;
	WRONG(b.cls.name = NULL, "class (unnamed): the name of the class is missing");
	WRONG(b.cls.name = "", "class : the name of the class is missing");
	WRONG(b.cls.name = "a.b", "class a.b: \"a.b\" cannot be the name of a class: use letters, digits and _, "
				  "no digit first; dots are in names of attributes only");
	WRONG(b.cls.name = LONGEST "3",
	      "class " LONGEST ": the name of the class, \"a123456789b12345...\", is longer than 63 bytes");
	WRONG(b.record.name = "re-cord", "class hits: \"re-cord\" cannot be the name of a method: use letters, digits "
					 "and _, no digit first; dots are in names of attributes only");
	WRONG(b.record.name = "a.b", "class hits: \"a.b\" cannot be the name of a method: use letters, digits "
				     "and _, no digit first; dots are in names of attributes only");
	WRONG(b.total.name = NULL, "class hits: the name of the method is missing");
	WRONG(b.attrs[1].name = NULL, "class hits: the name of the attribute is missing");
	for (size_t i = 0; i < 5; i++) {
		static const char *const bad[] = { "1x", "a.", ".a", "a..b", "a b" };
		char expected[STOA_ERROR_MAX];

		snprintf(expected, sizeof(expected),
			 "class hits: \"%s\" cannot be the name of an attribute: use letters, digits and _, "
			 "no digit first; dots are between nested members", bad[i]);
		WRONG(b.attrs[1].name = bad[i], expected);
	}
	WRONG(b.state.name = "", "class hits: the name of the struct is missing");
}

static void class_check_tells_when_names_meet(void **state)
{
	(void)state;
	WRONG(b.attrs[4].name = "requests", "class hits: two attributes are named \"requests\"");
	WRONG(b.arg_attrs[1].name = "bytes",
	      "class hits, method record, arguments: two attributes are named \"bytes\"");
	WRONG(b.total.name = "record", "class hits: two methods are named \"record\"");
	WRONG(b.total.class_name = "misses", "class hits, method total: the row is of class misses");
	WRONG(b.total.class_name = NULL, "class hits, method total: the row is of class (unnamed)");
}

static void class_check_tells_when_a_type_is_wrong(void **state)
{
	(void)state;
	WRONG(b.attrs[0].kind = 0, "class hits, attribute requests: kind 0 is none of enum stoa_kind");
	WRONG(b.attrs[0].kind = STOA_BLOB + 1, "class hits, attribute requests: kind 15 is none of enum stoa_kind");
	WRONG(b.attrs[6].rank = 4, "class hits, attribute m: it has 4 dimensions, over 3");
	WRONG((b.attrs[4].rank = 0, b.attrs[4].size = 1),
	      "class hits, attribute label: char is text: use char[N], or int8_t for a number");
	WRONG(b.attrs[6].dims[1] = 0, "class hits, attribute m: dimension 1 is 0");
	WRONG(b.attrs[6].dims[1] = UINT32_MAX, "class hits, attribute m: dimension 1 is 4294967295");
	WRONG(b.attrs[6].dims[1] = 4, "class hits, attribute m: its size is 48, but f64[2][4] takes 64 bytes");
	WRONG(b.attrs[0].kind = STOA_I32, "class hits, attribute requests: its size is 8, but i32 takes 4 bytes");
	WRONG(b.arg_attrs[0].kind = STOA_I8,
	      "class hits, method record, arguments, attribute bytes: its size is 4, but i8 takes 1 bytes");
	WRONG(b.arg_attrs[0].writable = true,
	      "class hits, method record, arguments, attribute bytes: only attributes of the state can be writable");
}

static void class_check_tells_when_a_place_is_wrong(void **state)
{
	(void)state;
	WRONG(b.attrs[10].offset = b.state.size,
	      "class hits, attribute open: it ends at byte 249 of a struct of 248 bytes");
	WRONG(b.attrs[0].offset = UINT32_MAX,
	      "class hits, attribute requests: it ends at byte 4294967303 of a struct of 248 bytes");
	WRONG(b.attrs[0].offset = 4, "class hits, attribute requests: its offset 4 is not aligned to 8");
	WRONG(b.attrs[0].offset = 8, "class hits, attribute bytes: it overlaps with requests");
	WRONG(b.attrs[4].offset += 1, "class hits, attribute lines: it overlaps with label");
}

static void class_check_tells_when_a_struct_is_wrong(void **state)
{
	(void)state;
	WRONG(b.cls.state = NULL, "class hits: the state is missing: set it to the struct's table");
	WRONG(b.state.size = 0, "class hits: struct hits has 0 bytes: 1 to 1073741824 are possible");
	WRONG(b.state.size = (1 << 30) + 8,
	      "class hits: struct hits has 1073741832 bytes: 1 to 1073741824 are possible");
	WRONG(b.state.align = 3, "class hits: struct hits is aligned to 3, which does not fit its size 248");
	WRONG(b.state.align = 16, "class hits: struct hits is aligned to 16, which does not fit its size 248");
	WRONG(b.state.align = 0, "class hits: struct hits is aligned to 0, which does not fit its size 248");
	WRONG(b.state.n_attrs = 65536, "class hits: struct hits has 65536 attributes, over 65535");
	WRONG(b.state.attrs = NULL, "class hits: struct hits has no table of attributes");
	WRONG(b.args.size = 0, "class hits, method record, arguments: struct hit has 0 bytes: 1 to 1073741824 are "
			       "possible");
	WRONG((b.total.ret = &b.args, b.record.args = NULL, b.args.size = 0),
	      "class hits, method total, result: struct hit has 0 bytes: 1 to 1073741824 are possible");
}

static void class_check_tells_when_a_method_is_wrong(void **state)
{
	(void)state;
	WRONG(b.record.writes = "bytes requets", "class hits, method record: writes names \"requets\", which is no "
						 "attribute of hits (did you mean \"requests\"?)");
	WRONG(b.record.writes = "position.y", "class hits, method record: writes names \"position.y\", which is no "
					      "attribute of hits (did you mean \"position.x\"?)");
	WRONG(b.record.writes = "posit", "class hits, method record: writes names \"posit\", which is no "
					 "attribute of hits");
	WRONG(b.record.writes = LONGEST, "class hits, method record: writes names \"" LONGEST "\", which is no "
				      "attribute of hits");
	WRONG(b.total.reads = "everything", "class hits, method total: reads names \"everything\", which is no "
					    "attribute of hits");
	WRONG(b.total.writes = " bytes", "class hits, method total: a reader writes nothing, but writes names "
					 "\" bytes\"");
	WRONG(b.record.deadline = -5, "class hits, method record: its deadline is -5 ns; 0 is the coordinator's");
}

static void class_check_tells_when_a_method_cannot_be_on_leave(void **state)
{
	(void)state;
	WRONG(b.total.on_leave = true, "class hits, method total: it is .on_leave, which a method that only reads "
				       "cannot be");
	WRONG(b.record.on_leave = true, "class hits, method record: it is .on_leave, and has arguments or a result; "
					"use stoa_none for both");
	WRONG((b.record.on_leave = b.total.on_leave = true, b.total.reader = false, b.record.args = NULL,
	       b.record.ret = b.total.ret = NULL),
	      "class hits, method total: record is .on_leave already; make one of them");
}

static void class_check_tells_when_hooks_are_wrong(void **state)
{
	(void)state;
	WRONG(b.hooks.pack = NULL, "class hits: hooks: 16 parts need both pack and unpack");
	WRONG(b.hooks.unpack = NULL, "class hits: hooks: 16 parts need both pack and unpack");
	WRONG(b.hooks.parts = 0, "class hits: hooks: pack and unpack are for parts, and parts is 0");
	WRONG(b.hooks.parts = UINT32_MAX, "class hits: hooks: it has 4294967295 parts, over 65535");
	WRONG(b.hooks.init = NULL, "class hits: hooks: init_args are for init, which is missing");
	WRONG((b.hooks.init_args = &b.args, b.record.args = NULL, b.args.align = 0),
	      "class hits, arguments of init: struct hit is aligned to 0, which does not fit its size 24");
}

static void class_check_tells_when_there_is_no_table(void **state)
{
	char text[STOA_ERROR_MAX];

	(void)state;
	assert_int_equal(class_check(NULL, text), -EINVAL);
	assert_string_equal(text, "class (unnamed): the table is missing");
}

static void class_check_tells_when_methods_are_too_many(void **state)
{
	const struct stoa_method **methods = calloc(4098, sizeof(*methods));
	struct broken b;
	char text[STOA_ERROR_MAX];

	(void)state;
	broken_init(&b);
	for (uint32_t i = 0; i < 4097; i++)
		methods[i] = &b.record;
	b.cls.methods = methods;
	assert_int_equal(class_check(&b.cls, text), -EINVAL);
	assert_string_equal(text, "class hits: it has 4097 methods, over 4096");
	free(methods);
}

/* ---- finding and selecting -------------------------------------------------------------------------------- */

static void class_find_finds_rows_by_name(void **state)
{
	(void)state;
	assert_int_equal(class_find_attr(&hits_struct, "position.v"), 3);
	assert_int_equal(class_find_attr(&hits_struct, "position"), -ENOENT);
	assert_int_equal(class_find_attr(&stoa_none_struct, "x"), -ENOENT);
	assert_int_equal(class_find_method(&hits_class, "ping"), 2);
	assert_int_equal(class_find_method(&hits_class, "pin"), -ENOENT);
}

static void selects(const char *names, uint32_t n, const uint32_t *expected)
{
	uint32_t *select = NULL, n_select = 77;
	const char *bad = NULL;

	assert_int_equal(class_select(&hits_struct, names, &select, &n_select, &bad), 0);
	assert_int_equal(n_select, n);
	if (n)
		assert_memory_equal(select, expected, n * sizeof(*select));
	free(select);
}

static void class_select_takes_names_prefixes_and_star(void **state)
{
	static const uint32_t all[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

	(void)state;
	selects(NULL, 0, NULL);
	selects("", 0, NULL);
	selects(" \t\n ", 0, NULL);
	selects("bytes requests\tbytes\n", 2, (const uint32_t[]){ 0, 1 });
	selects("position", 2, (const uint32_t[]){ 2, 3 });
	selects("position position.v bytes", 3, (const uint32_t[]){ 1, 2, 3 });
	selects("position.v", 1, (const uint32_t[]){ 3 });
	selects("*", 11, all);
	selects("position.v *", 11, all);
}

static void class_select_points_at_the_unknown_word(void **state)
{
	static const char names[] = "bytes positio * x";
	uint32_t *select = NULL, n = 77;
	const char *bad = NULL;

	(void)state;
	assert_int_equal(class_select(&hits_struct, names, &select, &n, &bad), -EINVAL);
	assert_ptr_equal(bad, names + 6);
	assert_null(select);
	assert_int_equal(n, 77);
	assert_int_equal(class_select(&hits_struct, "position.", &select, &n, &bad), -EINVAL);
}

/* ---- texts ------------------------------------------------------------------------------------------------ */

static void attr_text_is(uint32_t i, const char *expected)
{
	char *text = class_attr_text(&hits_attrs[i]);

	assert_string_equal(text, expected);
	free(text);
}

static void class_attr_text_tells_name_type_and_writable(void **state)
{
	(void)state;
	attr_text_is(0, "requests:u64");
	attr_text_is(2, "position.x:f64 writable");
	attr_text_is(3, "position.v:f32");
	attr_text_is(4, "label:text[32]");
	attr_text_is(5, "lines:text[4][16]");
	attr_text_is(6, "m:f64[2][3] writable");
	attr_text_is(7, "note:text");
	attr_text_is(8, "notes:text[2][]");
	attr_text_is(9, "picture:blob");
	attr_text_is(10, "open:bool");
}

static void class_type_text_fits_when_longest(void **state)
{
	struct stoa_attr attr = { .kind = STOA_TEXT, .rank = 3, .dims = { UINT32_MAX, UINT32_MAX, UINT32_MAX } };
	char text[64];

	(void)state;
	assert_string_equal(class_type_text(&attr, text), "text[4294967295][4294967295][4294967295][]");
}

static void method_text_is(const struct stoa_method *method, const char *expected)
{
	char *text = class_method_text(&hits_class, method);

	assert_string_equal(text, expected);
	free(text);
}

static void class_method_text_tells_arguments_result_and_names(void **state)
{
	struct stoa_method bare = { .name = "bare", .reader = true, .reads = "  position *" };

	(void)state;
	method_text_is(&hits_record_row,
		       "record(bytes:u32, path:text) -> () writes=bytes,position.v,position.x,requests");
	method_text_is(&hits_reset_row, "reset() -> () writes=bytes,label,lines,m,note,notes,open,picture,"
					"position.v,position.x,requests");
	method_text_is(&hits_ping_row, "ping() -> ()");
	method_text_is(&hits_total_row, "reader total() -> (n:u64) reads=requests");
	method_text_is(&hits_all_row, "reader all() -> (n:u64) reads=*");
	method_text_is(&bare, "reader bare() -> () reads=*");
}

/* ---- descriptions ----------------------------------------------------------------------------------------- */

static void same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_ptr_equal(a, b);
}

static void same_struct(const struct stoa_struct *a, const struct stoa_struct *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->align, b->align);
	assert_int_equal(a->n_attrs, b->n_attrs);
	for (uint32_t i = 0; i < a->n_attrs; i++) {
		char *at = class_attr_text(&a->attrs[i]), *bt = class_attr_text(&b->attrs[i]);

		assert_string_equal(at, bt);
		same_text(a->attrs[i].unit, b->attrs[i].unit);
		same_text(a->attrs[i].doc, b->attrs[i].doc);
		assert_int_equal(a->attrs[i].offset, b->attrs[i].offset);
		assert_int_equal(a->attrs[i].size, b->attrs[i].size);
		free(at);
		free(bt);
	}
}

static void same_method(const struct stoa_class *ac, const struct stoa_class *bc, uint32_t i)
{
	const struct stoa_method *a = ac->methods[i], *b = bc->methods[i];
	char *at = class_method_text(ac, a), *bt = class_method_text(bc, b);

	assert_string_equal(at, bt);
	same_struct(a->args, b->args);
	same_struct(a->ret, b->ret);
	same_text(a->writes, b->writes);
	same_text(a->reads, b->reads);
	same_text(a->doc, b->doc);
	assert_string_equal(b->class_name, bc->name);
	assert_true(a->deadline == b->deadline && a->ret_max == b->ret_max && a->reader == b->reader);
	assert_null(b->run);
	assert_int_equal(*b->index, i);
	free(at);
	free(bt);
}

static void class_unpack_gives_what_was_packed(void **state)
{
	struct stoa_class *cls;
	void *image;
	size_t size;

	(void)state;
	assert_int_equal(class_pack(&hits_class, &image, &size), 0);
	assert_int_equal(class_unpack(image, size, &cls), 0);
	memset(image, 0xff, size); /* nothing points into it */
	free(image);
	assert_string_equal(cls->name, "hits");
	assert_int_equal(cls->version, 3);
	assert_null(cls->doc);
	same_struct(&hits_struct, cls->state);
	assert_int_equal(class_n_methods(cls), 5);
	for (uint32_t i = 0; i < 5; i++)
		same_method(&hits_class, cls, i);
	assert_int_equal(cls->hooks->parts, 16);
	same_struct(&hit_struct, cls->hooks->init_args);
	assert_null(cls->hooks->pack);
	assert_null(class_free(cls));
	assert_null(class_free(NULL));
}

static void class_unpack_gives_a_record_without_methods(void **state)
{
	static const struct stoa_class record = { .name = "record", .state = &total_struct, .doc = "日本語" };
	struct stoa_class *cls;
	void *image;
	size_t size;

	(void)state;
	assert_int_equal(class_pack(&record, &image, &size), 0);
	assert_int_equal(class_unpack(image, size, &cls), 0);
	free(image);
	assert_int_equal(class_n_methods(cls), 0);
	assert_null(cls->hooks);
	assert_string_equal(cls->doc, "日本語");
	class_free(cls);
}

static void class_pack_describes_a_description(void **state)
{
	struct stoa_class *cls;
	void *image, *again;
	size_t size, size_again;

	(void)state;
	assert_int_equal(class_pack(&hits_class, &image, &size), 0);
	assert_int_equal(class_unpack(image, size, &cls), 0);
	assert_int_equal(class_pack(cls, &again, &size_again), 0);
	assert_int_equal(size, size_again);
	assert_memory_equal(image, again, size);
	class_free(cls);
	free(image);
	free(again);
}

/* The host program's hooks: an allocator of its own, whose blocks free() would not know, and a count of complaints. */
extern tpl_hook_t tpl_hook;
static int complaints;

static int host_oops(const char *format, ...)
{
	(void)format;
	return ++complaints;
}

static void *host_realloc(void *block, size_t size)
{
	char *start = realloc(block ? (char *)block - 16 : NULL, size + 16);

	return start ? start + 16 : NULL;
}

static void *host_malloc(size_t size)
{
	return host_realloc(NULL, size);
}

static void host_free(void *block)
{
	free(block ? (char *)block - 16 : NULL);
}

static int set_hooks(void **state)
{
	static tpl_hook_t were;

	*state = &were;
	were = tpl_hook;
	complaints = 0;
	tpl_hook.oops = host_oops;
	tpl_hook.malloc = host_malloc;
	tpl_hook.realloc = host_realloc;
	tpl_hook.free = host_free;
	return 0;
}

static int reset_hooks(void **state)
{
	tpl_hook = *(tpl_hook_t *)*state;
	return complaints ? -1 : 0;
}

/* In memory of exactly this size, so that a read past the end is seen. Right or -EBADMSG, never worse. */
static int unpack_copy(const void *image, size_t size)
{
	struct stoa_class *cls = NULL;
	void *copy = malloc(size ? size : 1);
	int r;

	memcpy(copy, image, size);
	r = class_unpack(copy, size, &cls);
	free(copy);
	if (r == 0)
		class_free(cls);
	else
		assert_int_equal(r, -EBADMSG);
	return r;
}

static void class_unpack_refuses_when_truncated(void **state)
{
	unsigned char *image;
	size_t size;
	uint32_t n;

	(void)state;
	assert_int_equal(class_pack(&hits_class, (void **)&image, &size), 0);
	for (n = 0; n < size; n++) {
		assert_int_equal(unpack_copy(image, n), -EBADMSG);
		memcpy(image + 4, &n, sizeof(n)); /* also with a length that fits */
		assert_int_equal(unpack_copy(image, n), -EBADMSG);
	}
	memcpy(image + 4, &n, sizeof(n));
	assert_int_equal(unpack_copy(image, size), 0);
	image = realloc(image, size + 1);
	image[size] = 0;
	assert_int_equal(unpack_copy(image, size + 1), -EBADMSG);
	n++;
	memcpy(image + 4, &n, sizeof(n));
	assert_int_equal(unpack_copy(image, size + 1), -EBADMSG);
	free(image);
}

static void class_unpack_survives_when_corrupted(void **state)
{
	static const unsigned char values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	unsigned char *image;
	size_t size, head;
	uint32_t refused = 0;

	(void)state;
	assert_int_equal(class_pack(&hits_class, (void **)&image, &size), 0);
	head = 8 + strlen((char *)image + 8) + 1;
	for (size_t i = 0; i < size; i++) {
		unsigned char was = image[i];

		for (size_t v = 0; v < sizeof(values); v++) {
			int r;

			image[i] = values[v];
			r = unpack_copy(image, size);
			refused += r < 0;
			if (i < head && image[i] != was)
				assert_int_equal(r, -EBADMSG);
		}
		image[i] = was;
	}
	assert_true(refused > size);
	free(image);
}

/* Where these numbers are, one after the other. */
static unsigned char *find_numbers(unsigned char *image, size_t size, uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t numbers[] = { a, b, c };
	unsigned char *at = memmem(image, size, numbers, sizeof(numbers));

	assert_non_null(at);
	return at;
}

/* Two structs that no method has any more sum up to 2^32 attributes, and what lies between them would point far off. */
static void class_unpack_refuses_counts_that_wrap_around(void **state)
{
	const uint32_t none = UINT32_MAX, half = 0x80000000, one = 1, half_and_one = half + 1;
	unsigned char *image, *row;
	size_t size;

	(void)state;
	assert_int_equal(class_pack(&hits_class, (void **)&image, &size), 0);
	memcpy(find_numbers(image, size, 0, 1, 2) + 4, &none, 4); /* ret_max, args and ret of record */
	memcpy(find_numbers(image, size, hits_reset_row.ret_max, 3, 4) + 4, &none, 4);
	memcpy(find_numbers(image, size, sizeof(struct hit), 8, 2) + 8, &half_and_one, 4);
	row = find_numbers(image, size, 1, 1, 0); /* the result of record: stoa_none */
	memcpy(row + 8, &one, 4);
	memcpy(find_numbers(image, size, 1, 1, 0) + 8, &half, 4); /* the arguments of reset */
	assert_int_equal(unpack_copy(image, size), -EBADMSG);
	free(image);
}

static void class_unpack_refuses_structs_that_are_not_there(void **state)
{
	unsigned char *image, *args;
	size_t size;

	(void)state;
	assert_int_equal(class_pack(&hits_class, (void **)&image, &size), 0);
	args = find_numbers(image, size, hits_reset_row.ret_max, 3, 4) + 4; /* the state is 0, record has 1 and 2 */
	memset(args, 0xff, 4);
	assert_int_equal(unpack_copy(image, size), 0); /* none */
	args[0] = 0xfe;
	assert_int_equal(unpack_copy(image, size), -EBADMSG);
	free(image);
}

/* ---- many ------------------------------------------------------------------------------------------------- */

enum { MANY = 4096 };

static void many_init(struct stoa_attr *attrs, char (*names)[16], char *writes)
{
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "a%u", i * 7919 % MANY);
		writes += sprintf(writes, "%s ", names[i]);
		attrs[i] = (struct stoa_attr){
			.name = names[i], .offset = 8 * (i * 31 % MANY), .size = 8, .kind = STOA_U64
		};
	}
}

static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void class_check_is_quick_when_attributes_are_many(void **state)
{
	static struct stoa_attr attrs[MANY];
	static char names[MANY][16], writes[MANY * 16];
	const struct stoa_struct many = { "many", 8 * MANY, 8, attrs, MANY };
	const struct stoa_method all = { .name = "all", .class_name = "many", .writes = writes };
	const struct stoa_method *const methods[] = { &all, NULL };
	const struct stoa_class cls = { .name = "many", .state = &many, .methods = methods };
	char text[STOA_ERROR_MAX];
	struct stoa_class *described;
	void *image;
	size_t size;
	int64_t took;

	(void)state;
	many_init(attrs, names, writes);
	took = -cpu_ns();
	assert_int_equal(class_check(&cls, text), 0);
	took += cpu_ns();
	assert_true(took < INT64_C(50000000));
	assert_int_equal(class_pack(&cls, &image, &size), 0);
	assert_int_equal(class_unpack(image, size, &described), 0);
	same_struct(&many, described->state);
	class_free(described);
	free(image);
	attrs[MANY - 1].name = attrs[0].name;
	assert_int_equal(class_check(&cls, text), -EINVAL);
	assert_string_equal(text, "class many: two attributes are named \"a0\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(class_check_numbers_rows_when_right),
		cmocka_unit_test(class_check_numbers_nothing_when_wrong),
		cmocka_unit_test(class_check_passes_when_code_is_missing_or_names_are_long),
		cmocka_unit_test(class_check_tells_when_a_name_is_wrong),
		cmocka_unit_test(class_check_tells_when_names_meet),
		cmocka_unit_test(class_check_tells_when_a_type_is_wrong),
		cmocka_unit_test(class_check_tells_when_a_place_is_wrong),
		cmocka_unit_test(class_check_tells_when_a_struct_is_wrong),
		cmocka_unit_test(class_check_tells_when_a_method_is_wrong),
		cmocka_unit_test(class_check_tells_when_a_method_cannot_be_on_leave),
		cmocka_unit_test(class_check_tells_when_hooks_are_wrong),
		cmocka_unit_test(class_check_tells_when_there_is_no_table),
		cmocka_unit_test(class_check_tells_when_methods_are_too_many),
		cmocka_unit_test(class_find_finds_rows_by_name),
		cmocka_unit_test(class_select_takes_names_prefixes_and_star),
		cmocka_unit_test(class_select_points_at_the_unknown_word),
		cmocka_unit_test(class_attr_text_tells_name_type_and_writable),
		cmocka_unit_test(class_type_text_fits_when_longest),
		cmocka_unit_test(class_method_text_tells_arguments_result_and_names),
		cmocka_unit_test_setup_teardown(class_unpack_gives_what_was_packed, set_hooks, reset_hooks),
		cmocka_unit_test(class_unpack_gives_a_record_without_methods),
		cmocka_unit_test(class_pack_describes_a_description),
		cmocka_unit_test_setup_teardown(class_unpack_refuses_when_truncated, set_hooks, reset_hooks),
		cmocka_unit_test_setup_teardown(class_unpack_survives_when_corrupted, set_hooks, reset_hooks),
		cmocka_unit_test(class_unpack_refuses_counts_that_wrap_around),
		cmocka_unit_test(class_unpack_refuses_structs_that_are_not_there),
		cmocka_unit_test(class_check_is_quick_when_attributes_are_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
