/*
 * test_signals.c: classes made from rows of text: every type, what is refused and why, adding, one class from several
 * processes, a coordinator that dies or starts again on what was kept, and descriptions that are none.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/stoa/counter.h"
#include "include/stoa/observe.h"
#include "proxy/await.h"
#include "proxy/send.h"
#include "src/class.h"
#include "src/declared.h"
#include "src/error.h"
#include "tests/harness.h"

#define ROWS(...) (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)
#define VEHICLE ROWS("position.x:f64 unit=m", "ok:bool", "name:text[32]", "n:i64")

/* As C lays the vehicle out. */
struct vehicle {
	double x;
	bool ok;
	char name[32];
	int64_t n;
};

static struct stoa *s;
static struct stoa_proxy *p;

static const struct stoa_class *signals(const char *name, const char *const *rows, size_t n)
{
	const struct stoa_class *cls = NULL;
	ok(stoa_signals(name, rows, n, &cls));
	return cls;
}

static const struct stoa_class *vehicle(void)
{
	return signals(NULL, VEHICLE);
}

static void start(const struct stoa_class *cls, const void *init)
{
	s = harness_start(NULL);
	p = harness_create(s, "it", cls, init);
}

static int add(struct stoa_proxy *to, const char *signal, double amount, double *ret)
{
	struct stoa_signals_add args = { STOA_TEXT_OF(signal), amount };
	struct stoa_signals_value after = { 0 };
	const struct stoa_method *m;
	ok(stoa_find_method(to, "add", &m));
	int r = stoa_call(to, m, &args, &after, SOON);
	if (ret && r == 0)
		*ret = after.value;
	return r;
}

static uint32_t find(struct stoa_proxy *of, const char *name)
{
	uint32_t attr = 0;
	ok(stoa_find_attr(of, name, 0, &attr));
	return attr;
}

/* ---- tables ---- */

static void rows_lie_as_in_c(void)
{
	const struct stoa_class *cls = vehicle();
	const struct stoa_struct *v = cls->state;
	assert_int_equal(v->n_attrs, 4);
	assert_int_equal(v->size, sizeof(struct vehicle));
	assert_int_equal(v->align, _Alignof(struct vehicle));
	assert_string_equal(v->attrs[0].name, "position.x");
	assert_string_equal(v->attrs[0].unit, "m");
	assert_int_equal(v->attrs[1].offset, offsetof(struct vehicle, ok));
	assert_int_equal(v->attrs[2].offset, offsetof(struct vehicle, name));
	assert_int_equal(v->attrs[3].offset, offsetof(struct vehicle, n));
	for (uint32_t i = 0; i < v->n_attrs; i++)
		assert_true(v->attrs[i].writable);
}

static void row_has_unit_and_doc(void)
{
	const struct stoa_class *cls = signals(NULL, ROWS("  a:f32\tunit=m/s  doc=how fast, unit=none", "b:u8 doc="));
	const struct stoa_attr *a = cls->state->attrs;
	assert_string_equal(a[0].name, "a");
	assert_string_equal(a[0].unit, "m/s");
	assert_string_equal(a[0].doc, "how fast, unit=none");
	assert_string_equal(a[1].doc, "");
	assert_null(a[1].unit);
}

static void types_are_those_of_the_canonical_texts(void)
{
	static const char *const types[] = { "i8",  "i16",     "i32",	    "i64",  "u8",	 "u16",
					     "u32", "u64",     "f32",	    "f64",  "bool",	 "text[5]",
					     "text", "blob",   "f64[2][3]", "i8[1][2][3]", "text[4][8]", "text[3][]",
					     "blob[2]", "bool[7]" };
	char row[64], wanted[64], *text;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		snprintf(row, sizeof(row), "x:%s", types[i]);
		snprintf(wanted, sizeof(wanted), "x:%s writable", types[i]);
		text = class_attr_text(&signals(NULL, ROWS(row))->state->attrs[0]);
		assert_string_equal(text, wanted);
		free(text);
	}
}

static void same_rows_are_the_same_class(void)
{
	const struct stoa_class *a = vehicle(), *b = vehicle();
	assert_ptr_equal(a, b);
	assert_string_not_equal(a->name, signals(NULL, ROWS("position.x:f64"))->name);
	const struct stoa_class *xy = signals(NULL, ROWS("x:f64", "y:f64"));
	const struct stoa_class *yx = signals(NULL, ROWS("y:f64 unit=m", "x:f64"));
	assert_ptr_not_equal(xy, yx);
	assert_string_equal(xy->name, yx->name);
	assert_string_not_equal(xy->name, signals(NULL, ROWS("x:f64", "y:f32"))->name);
	assert_string_equal(signals("car", VEHICLE)->name, "car");
}

static void wrong_rows_are_refused_with_the_reason(void)
{
	static const struct {
		const char *row, *why;
	} wrong[] = {
		{ "", "NAME:TYPE" },
		{ "x", "NAME:TYPE" },
		{ "x f64:", "NAME:TYPE" },
		{ ":f64", "name of the attribute is missing" },
		{ "x:", "no type \"\"" },
		{ "x:f66", "did you mean \"f64\"" },
		{ "x:tetx[3]", "did you mean \"text\"" },
		{ "x:complex", "types are" },
		{ "x:f64[0]", "no type" },
		{ "x:f64[", "no type" },
		{ "x:f64[]", "no type" },
		{ "x:text[]", "no type" },
		{ "x:f64[3", "no type" },
		{ "x:f64[-3]", "no type" },
		{ "x:f64[3]]", "no type" },
		{ "x:f64[3]x", "no type" },
		{ "x:f64[1][1][1][1]", "no type" },
		{ "x:blob[3][]", "no type" },
		{ "x:text[2][2][]x", "no type" },
		{ "x:f64[131073]", "more than 1048576 bytes" },
		{ "x:i8[1048577]", "no type" },
		{ "x:f64[65536][65536]", "more than 1048576 bytes" },
		{ "x:f64 m", "neither unit=" },
		{ "x:f64 unit=m wat", "\"wat\"" },
		{ "1x:f64", "cannot be the name" },
		{ "a..b:f64", "cannot be the name" },
		{ "x:f64\ny:f64", "not one line" },
		{ "x:f64 doc=\033[2J", "control characters" },
		{ "a23456789012345678901234567890123456789012345678901234567890abcd:f64", "longer than 63" },
		{ "good:f64", "two attributes are named" },
	};
	const struct stoa_class *cls;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		refused(-EINVAL, stoa_signals(NULL, ROWS("good:f64", wrong[i].row), &cls));
		says(wrong[i].why);
	}
	refused(-EINVAL, stoa_signals(NULL, NULL, 0, &cls));
	refused(-EINVAL, stoa_signals("", ROWS("x:f64"), &cls));
	refused(-EINVAL, stoa_signals("a b", ROWS("x:f64"), &cls));
	says("cannot be the name");
	refused(-EINVAL, stoa_signals(NULL, ROWS("x:i8[1000000]", "y:i8[100000]"), &cls));
	says("signal y");
	refused(-EINVAL, stoa_signals(NULL, ROWS("x:f64", NULL), &cls));
}

/* ---- objects ---- */

static void every_type_is_assigned_and_read(void)
{
	struct vehicle v = { .x = 1.5, .ok = true, .name = "one", .n = -7 }, now;
	double x;
	start(vehicle(), &v);
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	assert_true(now.x == 1.5 && now.ok && now.n == -7);
	assert_string_equal(now.name, "one");
	ok(STOA_ASSIGN(p, struct vehicle, x, &(double){ 2.5 }, SOON));
	ok(stoa_get(p, find(p, "position.x"), &x, sizeof(x), SOON, NULL));
	assert_true(x == 2.5);
	v = (struct vehicle){ .name = "two" };
	ok(stoa_assign_all(p, &v, sizeof(v), SOON));
	ok(stoa_snapshot(p, &now, sizeof(now), SOON, NULL));
	assert_true(now.x == 0 && !now.ok && now.n == 0);
	assert_string_equal(now.name, "two");
	ok(stoa_wait(p, STOA_ALL, 0, SOON, NULL));
}

static void text_and_arrays_are_assigned_and_read(void)
{
	double m[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } }, got[2][3];
	stoa_text text = { 0 }, note = STOA_TEXT_OF("longer than anything fixed");
	stoa_text three[3] = { STOA_TEXT_OF("a"), STOA_TEXT_OF(NULL), STOA_TEXT_OF("c") };
	stoa_blob blob = { 0 };
	start(signals(NULL, ROWS("m:f64[2][3]", "note:text", "raw:blob", "three:text[3][]")), NULL);
	ok(stoa_assign(p, find(p, "m"), m, sizeof(m), SOON));
	ok(stoa_assign(p, find(p, "note"), &note, sizeof(note), SOON));
	ok(stoa_assign(p, find(p, "raw"), &(stoa_blob){ m, sizeof(m) }, sizeof(blob), SOON));
	ok(stoa_assign(p, find(p, "three"), three, sizeof(three), SOON));
	harness_kill_coordinator(s);
	ok(stoa_get(p, find(p, "m"), got, sizeof(got), SOON, NULL));
	assert_memory_equal(got, m, sizeof(m));
	ok(stoa_get(p, find(p, "note"), &text, sizeof(text), SOON, NULL));
	assert_string_equal(text.data, "longer than anything fixed");
	ok(stoa_get(p, find(p, "raw"), &blob, sizeof(blob), SOON, NULL));
	assert_int_equal(blob.size, sizeof(m));
	assert_memory_equal(blob.data, m, sizeof(m));
	stoa_text_fini(&text);
	stoa_blob_fini(&blob);
	stoa_text back[3] = { 0 };
	ok(stoa_get(p, find(p, "three"), back, sizeof(back), SOON, NULL));
	assert_string_equal(back[2].data, "c");
	for (int i = 0; i < 3; i++)
		stoa_text_fini(&back[i]);
}

static void add_knows_the_ends_of_every_number(void)
{
	static const struct {
		const char *type;
		double most, least;
	} ends[] = { { "i8", INT8_MAX, INT8_MIN }, { "i16", INT16_MAX, INT16_MIN }, { "i32", INT32_MAX, INT32_MIN },
		     { "u8", UINT8_MAX, 0 },	   { "u16", UINT16_MAX, 0 },	    { "u32", UINT32_MAX, 0 } };
	char row[16];
	double after;
	s = harness_start(NULL);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		snprintf(row, sizeof(row), "x:%s", ends[i].type);
		p = harness_create(s, ends[i].type, signals(NULL, ROWS(row)), NULL);
		ok(add(p, "x", ends[i].most, &after));
		assert_true(after == ends[i].most);
		refused(-EOVERFLOW, add(p, "x", 1, &after));
		says(ends[i].type);
		ok(add(p, "x", -ends[i].most, &after));
		assert_true(after == 0);
		ok(add(p, "x", ends[i].least, &after));
		refused(-EOVERFLOW, add(p, "x", -1, &after));
		ok(add(p, "x", 0, &after));
		assert_true(after == ends[i].least);
	}
}

static void add_is_exact_where_doubles_are_not(void)
{
	struct {
		int64_t i;
		uint64_t u;
	} v = { INT64_MAX - 1, UINT64_MAX - 1 };
	start(signals(NULL, ROWS("i:i64", "u:u64")), &v);
	ok(add(p, "i", 1, NULL));
	ok(add(p, "u", 1, NULL));
	refused(-EOVERFLOW, add(p, "i", 1, NULL));
	refused(-EOVERFLOW, add(p, "u", 1, NULL));
	ok(add(p, "u", -0x1p53, NULL));
	refused(-EINVAL, add(p, "u", 0x1p53 + 2, NULL));
	says("2^53");
	ok(stoa_snapshot(p, &v, sizeof(v), SOON, NULL));
	assert_true(v.i == INT64_MAX && v.u == UINT64_MAX - (UINT64_C(1) << 53));
}

static void add_refuses_what_is_no_number(void)
{
	double after;
	start(signals(NULL, ROWS("speed:f64", "f:f32", "n:i32", "ok:bool", "name:text[8]", "a:f64[2]", "t:text")),
	      NULL);
	ok(add(p, "speed", 0.5, &after));
	ok(add(p, "speed", 0.25, &after));
	assert_true(after == 0.75);
	ok(add(p, "f", 0.5, &after));
	assert_true(after == 0.5);
	refused(-EOVERFLOW, add(p, "f", 1e39, NULL));
	refused(-EOVERFLOW, add(p, "speed", INFINITY, NULL));
	refused(-EOVERFLOW, add(p, "speed", NAN, NULL));
	refused(-EINVAL, add(p, "n", 0.5, NULL));
	says("no whole number");
	refused(-EINVAL, add(p, "n", NAN, NULL));
	static const char *const others[] = { "ok", "name", "a", "t" };
	for (int i = 0; i < 4; i++) {
		refused(-EINVAL, add(p, others[i], 1, NULL));
		says("not one number");
	}
	refused(-ENOENT, add(p, "sped", 1, NULL));
	says("did you mean speed?");
	refused(-ENOENT, add(p, NULL, 1, NULL));
	ok(add(p, "speed", 0, &after));
	assert_true(after == 0.75);
}

/* ---- several processes ---- */

static int count_signals(void *data, const struct stoa_class *cls, uint64_t fingerprint)
{
	*(int *)data += strncmp(cls->name, "signals_", 8) == 0 && fingerprint != 0;
	return 0;
}

static int n_signals(void)
{
	int n = 0;
	ok(stoa_classes(s, count_signals, &n));
	return n;
}

static void declare_and_add(int i)
{
	struct stoa_proxy *mine;
	const struct stoa_class *cls =
		i % 2 ? vehicle() : signals(NULL, ROWS("n:i64 doc=many", "name:text[32]", "ok:bool", "position.x:f64"));
	ok(stoa_create(s, "shared", cls, NULL, 0, &mine));
	for (int k = 0; k < 50; k++)
		ok(add(mine, "n", 1, NULL));
}

static void processes_that_declare_the_same_share_it(void)
{
	struct vehicle v;
	s = harness_start(NULL);
	harness_spawn_all(6, declare_and_add);
	harness_join_all();
	assert_int_equal(n_signals(), 1);
	ok(stoa_open(s, "shared", vehicle(), SOON, &p));
	ok(stoa_snapshot(p, &v, sizeof(v), SOON, NULL));
	assert_int_equal(v.n, 300);
	refused(-EEXIST, stoa_create(s, "shared", signals(NULL, ROWS("n:i64")), NULL, 0, &p));
	says("of class signals_");
}

static void name_has_one_meaning(void)
{
	start(signals("car", ROWS("x:f64", "y:f64")), NULL);
	harness_create(s, "too", signals("car", ROWS("y:f64", "x:f64 unit=m")), NULL);
	struct stoa_proxy *no;
	refused(-EPROTO, stoa_create(s, "no", signals("car", ROWS("x:f64", "y:f32")), NULL, 0, &no));
	says("y:f64");
	refused(-EPROTO, stoa_create(s, "no", signals("car", ROWS("x:f64", "z:f64")), NULL, 0, &no));
	says("without attribute z");
	refused(-EPROTO, stoa_create(s, "no", signals("car", ROWS("x:f64")), NULL, 0, &no));
	says("2 attributes");
	refused(-EPROTO, stoa_create(s, "no", signals("counter", ROWS("value:i64")), NULL, 0, &no));
	says("other methods");
	refused(-ENOENT, stoa_open(s, "no", NULL, STOA_NOWAIT, &no));
}

STOA_STRUCT(vehicle, STOA_ATTR(struct vehicle, x, .writable = true), STOA_ATTR(struct vehicle, ok),
	    STOA_ATTR(struct vehicle, name), STOA_ATTR(struct vehicle, n, .writable = true));
STOA_RECORD(vehicle, 3);

static void record_needs_no_code(void)
{
	start(&vehicle_class, &(struct vehicle){ .n = 3, .ok = true });
	struct vehicle v;
	ok(STOA_ASSIGN(p, struct vehicle, n, &(int64_t){ 4 }, SOON));
	refused(-EPERM, STOA_ASSIGN(p, struct vehicle, ok, &(bool){ false }, SOON));
	harness_kill_coordinator(s);
	ok(STOA_ASSIGN(p, struct vehicle, x, &(double){ 0.5 }, SOON));
	ok(stoa_snapshot(p, &v, sizeof(v), SOON, NULL));
	assert_true(v.n == 4 && v.x == 0.5 && v.ok);
}

/* ---- deaths and starts ---- */

static void declared_class_outlives_a_killed_coordinator(void)
{
	double after = 0;
	start(vehicle(), NULL);
	for (int i = 1; i <= 3; i++) {
		harness_kill_coordinator(s);
		ok(add(p, "n", 1, &after));
		assert_true(after == i);
		harness_create(s, (char[]){ 'a', (char)('0' + i), 0 }, vehicle(), NULL);
		assert_int_equal(n_signals(), 1);
	}
}

/* End it, and serve what it kept with these classes. */
static pid_t serve_again(pid_t server, const struct stoa_class *const *classes)
{
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(server);
	harness_settle(s);
	stoa_detach(s);
	return harness_serve(classes, NULL, &s);
}

/* The last one takes over what was kept, and leaves nothing. */
static void end(pid_t server)
{
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(server);
	harness_settle(s);
	stoa_detach(s);
	ok(stoa_start("test", NULL, NULL, &s));
}

static void declared_class_is_served_again(void)
{
	const struct stoa_class *found;
	double after;
	pid_t server = harness_serve(NULL, NULL, &s);
	p = harness_create(s, "it", vehicle(), &(struct vehicle){ .x = 2.5, .name = "kept" });
	harness_create(s, "other", signals("car", ROWS("x:i8")), NULL);
	harness_create(s, "record", &vehicle_class, NULL);
	server = serve_again(server, NULL);
	ok(stoa_open(s, "it", NULL, SOON, &p)); /* who knows nothing of its rows */
	ok(add(p, "position.x", 0.5, &after));
	assert_true(after == 3);
	ok(stoa_assign(p, find(p, "n"), &(int64_t){ 9 }, sizeof(int64_t), SOON));
	ok(stoa_find_class(s, "car", &found));
	p = harness_create(s, "another", found, NULL);
	refused(-EOVERFLOW, add(p, "x", 128, NULL));
	ok(stoa_open(s, "record", &vehicle_class, SOON, &p));
	ok(STOA_ASSIGN(p, struct vehicle, n, &(int64_t){ 4 }, SOON));
	end(server);
	struct vehicle v;
	ok(stoa_open(s, "it", vehicle(), SOON, &p));
	ok(stoa_snapshot(p, &v, sizeof(v), SOON, NULL));
	assert_true(v.x == 3 && v.n == 9);
	assert_string_equal(v.name, "kept");
}

struct thing {
	int64_t a, b;
};
STOA_STRUCT(thing, STOA_ATTR(struct thing, a, .writable = true), STOA_ATTR(struct thing, b, .writable = true));

static int thing_up(struct thing *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->a++;
	return 0;
}
STOA_METHOD(thing, up, stoa_none, stoa_none, .writes = "a");
STOA_CLASS(thing, 1, &thing_up_row);

/* ---- descriptions from strangers ---- */

/* Declare these bytes, as the library would not. */
static int declare_bytes(const void *image, size_t size)
{
	struct sending w;
	ok(send_begin(s, size, sizeof(struct reply) + STOA_ERROR_MAX, SOON, &w));
	memcpy(w.args, image, size);
	w.record->kind = RECORD_DECLARE;
	w.record->class_id = UINT16_MAX;
	w.record->object = UINT32_MAX;
	w.record->row = 0;
	w.record->origin = 0;
	ok(send_publish(&w, NULL, 0));
	return await_answer(&w, NULL, NULL);
}

static int declare(const struct stoa_class *cls)
{
	void *image;
	size_t size;
	ok(class_pack(cls, &image, &size));
	int r = declare_bytes(image, size);
	free(image);
	return r;
}

/* Its objects are only read while nobody has the code, and keep what they have for when it is back. */
static void name_of_a_class_with_code_cannot_be_taken(void)
{
	struct thing v;
	pid_t server = harness_serve(STOA_CLASSES(&thing_class), NULL, &s);
	harness_create(s, "it", &thing_class, &(struct thing){ 1, 2 });
	refused(-EPROTO, declare(signals("thing", ROWS("a:i64"))));
	server = serve_again(server, NULL);
	refused(-EPROTO, declare(signals("thing", ROWS("a:i64"))));
	says("class thing is there already");
	ok(stoa_open(s, "it", &thing_class, SOON, &p));
	refused(-ENOSYS, stoa_call(p, &thing_up_row, NULL, NULL, SOON));
	server = serve_again(server, STOA_CLASSES(&thing_class));
	ok(stoa_open(s, "it", &thing_class, SOON, &p));
	ok(stoa_call(p, &thing_up_row, NULL, NULL, SOON));
	ok(stoa_snapshot(p, &v, sizeof(v), SOON, NULL));
	assert_true(v.a == 2 && v.b == 2);
	end(server);
}

static void code_and_too_much_cannot_be_declared(void)
{
	struct stoa_struct state = vehicle_struct;
	struct stoa_class big = vehicle_class;
	struct stoa_proxy *no;
	s = harness_start(NULL);
	refused(-ENOSYS, declare(&thing_class));
	says("without methods");
	refused(-ENOENT, stoa_create(s, "no", &thing_class, NULL, 0, &no));
	big.state = &state;
	state.size = (1 << 20) + 8;
	refused(-EINVAL, declare(&big));
	says("1048576");
	refused(-EINVAL, stoa_create(s, "no", &big, NULL, 0, &no));
	says("1048576");
	state.size = 4096;
	refused(-EINVAL, declare(&big));
	says("all of its members");
	state.size = sizeof(struct vehicle);
	state.n_attrs = 0;
	refused(-EINVAL, declare(&big));
	struct stoa_attr attr = vehicle_attrs[0];
	attr.unit = "\033[2J";
	state.attrs = &attr;
	state.size = sizeof(double);
	state.n_attrs = 1;
	refused(-EINVAL, declare(&big));
	says("control characters");
	size_t size = DECLARED_IMAGE_MAX + 1;
	void *zero = calloc(1, size);
	refused(-EINVAL, declare_bytes(zero, size));
	says("1048576");
	free(zero);
	refused(-EBADMSG, declare_bytes("", 0));
	assert_int_equal(n_signals(), 0);
}

static int keep_last(void *ret, const struct stoa_traced *t)
{
	*(struct stoa_traced *)ret = *t;
	return 0;
}

/* The newest command, as the trace has it. */
static void is_traced(const char *class_name, int status)
{
	struct stoa_traced last = { 0 };
	ok(stoa_trace(s, 0, keep_last, &last));
	assert_string_equal(last.kind, "declare");
	assert_string_equal(last.class_name, class_name);
	assert_int_equal(last.status, status);
}

static void refused_declaration_is_traced_as_of_no_class(void)
{
	s = harness_start(NULL);
	ok(declare(signals("car", ROWS("x:i8"))));
	is_traced("car", 0);
	refused(-ENOSYS, declare(&thing_class));
	is_traced("", -ENOSYS);
	refused(-EPROTO, declare(signals("car", ROWS("x:f64"))));
	is_traced("", -EPROTO);
}

/* Each byte of a description in turn as something else: it is taken or refused, and whatever was taken can be used. */
static void no_bytes_of_a_description_crash_anything(void)
{
	unsigned char *image;
	size_t size;
	s = harness_start(NULL);
	p = harness_create(s, "hits", &counter_class, NULL);
	ok(class_pack(signals("car", ROWS("x:f64", "t:text[4]", "b:bool")), (void **)&image, &size));
	for (size_t i = 0; i < size; i++) {
		unsigned char was = image[i];
		for (unsigned by = 1; by < 256; by = by * 4 + 3) {
			image[i] = (unsigned char)(was ^ by);
			int r = declare_bytes(image, size);
			assert_true(r == 0 || r == -EBADMSG || r == -EINVAL || r == -ENOSYS || r == -EPROTO);
		}
		image[i] = was;
		refused(-EBADMSG, declare_bytes(image, i));
	}
	free(image);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	assert_int_equal(harness_health(s).restarts, 0);
	harness_kill_coordinator(s);
	ok(counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	assert_int_equal(harness_health(s).restarts, 1);
}

static void classes_have_a_limit_with_room_for_programs(void)
{
	char row[32];
	int r = 0, n = 0;
	pid_t server = harness_serve(NULL, NULL, &s);
	for (; r == 0 && n < 4096; n++) {
		snprintf(row, sizeof(row), "x%d:f64", n);
		r = declare(signals(NULL, ROWS(row)));
	}
	assert_int_equal(r, -ENOSPC);
	says("no more can be declared");
	ok(declare(signals(NULL, ROWS("x0:f64"))));
	server = serve_again(server, STOA_CLASSES(&thing_class));
	harness_create(s, "it", &thing_class, NULL);
	p = harness_create(s, "first", signals(NULL, ROWS("x0:f64")), NULL);
	harness_kill_coordinator(s);
	ok(add(p, "x0", 1, NULL));
	end(server);
}

/* All that there is of a class, over and over, under other names. */
static void descriptions_have_a_limit_in_all(void)
{
	enum { N = 900 };
	const char *rows[N];
	char name[8], doc[1001] = "";
	int r = 0, n = 0;
	s = harness_start(NULL);
	memset(doc, 'd', sizeof(doc) - 1);
	for (int i = 0; i < N; i++)
		assert_true(asprintf((char **)&rows[i], "x%d:u8 doc=%s", i, doc) > 0);
	for (; r == 0 && n < 20; n++) {
		snprintf(name, sizeof(name), "big%d", n);
		r = declare(signals(name, rows, N));
	}
	assert_int_equal(r, -ENOSPC);
	says("bytes");
	assert_true(n > 8);
	for (int i = 0; i < N; i++)
		free((char *)rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(rows_lie_as_in_c),
		HARNESS(row_has_unit_and_doc),
		HARNESS(types_are_those_of_the_canonical_texts),
		HARNESS(same_rows_are_the_same_class),
		HARNESS(wrong_rows_are_refused_with_the_reason),
		HARNESS(every_type_is_assigned_and_read),
		HARNESS(text_and_arrays_are_assigned_and_read),
		HARNESS(add_knows_the_ends_of_every_number),
		HARNESS(add_is_exact_where_doubles_are_not),
		HARNESS(add_refuses_what_is_no_number),
		HARNESS(processes_that_declare_the_same_share_it),
		HARNESS(name_has_one_meaning),
		HARNESS(record_needs_no_code),
		HARNESS(declared_class_outlives_a_killed_coordinator),
		HARNESS(declared_class_is_served_again),
		HARNESS(name_of_a_class_with_code_cannot_be_taken),
		HARNESS(code_and_too_much_cannot_be_declared),
		HARNESS_SECONDS(no_bytes_of_a_description_crash_anything, 60),
		HARNESS(refused_declaration_is_traced_as_of_no_class),
		HARNESS(descriptions_have_a_limit_in_all),
		HARNESS_SECONDS(classes_have_a_limit_with_room_for_programs, 60),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
