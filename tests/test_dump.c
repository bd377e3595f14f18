/*
 * test_dump.c: all objects to a file and back: what only hooks know too, at one moment, into a class that has grown; and
 * what is refused: another class, by row, and whatever bytes a file may have, without anything being created.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/stoa/blob.h"
#include "include/stoa/counter.h"
#include "include/stoa/dict.h"
#include "include/stoa/list.h"
#include "include/stoa/rendezvous.h"
#include "include/stoa/set.h"
#include "proxy/await.h"
#include "proxy/directory.h"
#include "proxy/send.h"
#include "src/dump.h"
#include "tests/harness.h"

/* ---- classes ---- */

struct old {
	int64_t a, b;
	stoa_text note;
};
struct new {
	stoa_text note;
	double extra;
	int64_t b, a;
};
struct changed {
	int64_t a;
	double b;
	stoa_text note;
};
STOA_STRUCT(old, STOA_ATTR(struct old, a, .writable = true), STOA_ATTR(struct old, b), STOA_ATTR(struct old, note));
STOA_STRUCT(new, STOA_ATTR(struct new, note), STOA_ATTR(struct new, extra), STOA_ATTR(struct new, b),
	    STOA_ATTR(struct new, a, .writable = true, .doc = "first"));
STOA_STRUCT(changed, STOA_ATTR(struct changed, a, .writable = true), STOA_ATTR(struct changed, b),
	    STOA_ATTR(struct changed, note));
static const struct stoa_class old_thing = { .name = "thing", .abi = STOA_ABI, .version = 1, .state = &old_struct },
			       new_thing = { .name = "thing", .abi = STOA_ABI, .version = 2, .state = &new_struct },
			       changed_thing = { .name = "thing", .abi = STOA_ABI, .version = 3, .state = &changed_struct };

/* Bytes that only hooks know: two parts; the second is empty until there are more than one. */
struct deep {
	int64_t n;
	int64_t *of[2];
};
struct deep_args {
	int64_t n;
};
STOA_STRUCT(deep, STOA_ATTR(struct deep, n));
STOA_STRUCT(deep_args, STOA_ATTR(struct deep_args, n));
STOA_STUB(deep, add, struct deep_args, struct deep_args);

static int deep_init(void *self, const void *args)
{
	struct deep *d = self;
	d->n = 100 + ((const struct deep_args *)args)->n;
	return 0;
}
static void deep_fini(void *self)
{
	struct deep *d = self;
	free(d->of[0]);
	free(d->of[1]);
	d->of[0] = d->of[1] = NULL;
}
static int deep_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	const int64_t *of = ((const struct deep *)self)->of[part];
	return stoa_blob_set(ret, of, of ? sizeof(*of) : 0);
}
static int deep_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	struct deep *d = self;
	if (size != 0 && size != sizeof(int64_t))
		return -EBADMSG;
	d->of[part] = size ? malloc(sizeof(int64_t)) : NULL;
	if (size)
		memcpy(d->of[part], data, size);
	return size && *d->of[part] == 13 ? -EDOM : 0; /* it takes no 13 */
}
static const struct stoa_hooks deep_hooks = { .init_args = &deep_args_struct, .init = deep_init, .fini = deep_fini,
					      .parts = 2, .pack = deep_pack, .unpack = deep_unpack };

/* n goes to the first part, and to the second if it is odd. */
static int deep_add(struct deep *self, const struct deep_args *args, struct deep_args *ret)
{
	for (uint32_t i = 0; i < 1 + (args->n & 1); i++) {
		if (!self->of[i] && !(self->of[i] = calloc(1, sizeof(int64_t))))
			return -ENOMEM;
		*self->of[i] += args->n;
		stoa_touch(i);
	}
	self->n++;
	ret->n = (self->of[0] ? *self->of[0] : 0) * 1000 + (self->of[1] ? *self->of[1] : 0);
	return 0;
}
STOA_METHOD(deep, add, deep_args, deep_args, .writes = "n");
STOA_CLASS_HOOKS(deep, 1, &deep_hooks, &deep_add_row);

static const struct stoa_hooks other_hooks = { .init_args = &deep_args_struct, .init = deep_init, .fini = deep_fini,
					       .parts = 3, .pack = deep_pack, .unpack = deep_unpack };
static struct stoa_class other_deep;

/* ---- one dump after another ---- */

static struct stoa *s;
static int fd = -1;

static void start(const struct stoa_class *thing, const struct stoa_class *deep)
{
	s = harness_start_with(STOA_CLASSES(thing, deep), STOA_OPTIONS(.max_state = UINT64_C(512) << 20,
								       .deadline = STOA_MS(1000) * HARNESS_SLOW));
}

/* End the namespace, and begin one with these classes. */
static void start_anew(const struct stoa_class *thing, const struct stoa_class *deep)
{
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	stoa_detach(s);
	start(thing, deep);
}

static size_t dump(const char *pattern)
{
	size_t n = 0;
	if (fd < 0)
		fd = memfd_create("dump", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	ok(stoa_dump(s, pattern, fd, 0, SOON, &n));
	return n;
}

static void forget(void)
{
	close(fd);
	fd = -1;
}

static int load(size_t *ret_n)
{
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return stoa_load(s, fd, SOON, ret_n);
}

static int count_one(void *data, const char *object, const struct stoa_class *cls)
{
	(void)object;
	(void)cls;
	++*(size_t *)data;
	return 0;
}

static size_t n_objects(void)
{
	size_t n = 0;
	ok(stoa_list(s, NULL, count_one, &n));
	return n;
}

static int64_t add(const char *object, int64_t n)
{
	struct stoa_proxy *p;
	struct deep_args ret;
	ok(stoa_open(s, object, &deep_class, SOON, &p));
	ok(deep_add_call(p, &(struct deep_args){ n }, &ret, SOON));
	stoa_close(p);
	return ret.n;
}

static void make(void)
{
	start(&old_thing, &deep_class);
	stoa_close(harness_create(s, "t", &old_thing, &(struct old){ 1, 2, STOA_TEXT_OF("tea") }));
	stoa_close(harness_create(s, "d", &deep_class, &(struct deep_args){ 1 }));
	stoa_close(harness_create(s, "e", &deep_class, &(struct deep_args){ 2 }));
	assert_int_equal(add("d", 3), 3003);
	assert_int_equal(add("e", 4), 4000);
	assert_int_equal(dump(NULL), 3);
}

static void what_hooks_know_comes_back(void)
{
	struct stoa_proxy *p;
	struct deep d = { 0 };
	size_t n = 0;
	make();
	start_anew(&old_thing, &deep_class);
	ok(load(&n));
	assert_int_equal(n, 3);
	assert_int_equal(add("d", 2), 5003);
	assert_int_equal(add("e", 1), 5001);
	ok(stoa_open(s, "d", &deep_class, SOON, &p));
	ok(STOA_GET(p, struct deep, n, &d.n, SOON));
	assert_int_equal(d.n, 103);
	stoa_close(p);
	harness_kill_coordinator(s); /* what was loaded is there like any */
	assert_int_equal(add("d", 2), 7003);
	forget();
}

static void a_class_that_has_grown_takes_it_by_name(void)
{
	struct stoa_proxy *p;
	struct new got = { 0 };
	make();
	start_anew(&new_thing, &deep_class);
	ok(load(NULL));
	ok(stoa_open(s, "t", &new_thing, SOON, &p));
	ok(stoa_snapshot(p, &got, sizeof(got), SOON, NULL));
	assert_int_equal(got.a, 1);
	assert_int_equal(got.b, 2);
	assert_true(got.extra == 0);
	assert_string_equal(got.note.data, "tea");
	stoa_text_fini(&got.note);
	stoa_close(p);
	forget();
}

static void a_class_that_differs_is_refused_by_row(void)
{
	other_deep = deep_class;
	make();
	start_anew(&changed_thing, &deep_class);
	refused(-EPROTO, load(NULL));
	says("class thing differs: attribute b is \"b:i64\" in the dump and \"b:f64\" in the coordinator");
	assert_int_equal(n_objects(), 0);
	start_anew(&old_thing, &counter_class);
	refused(-ENOENT, load(NULL));
	says("no class deep");
	assert_int_equal(n_objects(), 0);
	other_deep.hooks = &other_hooks;
	start_anew(&old_thing, &other_deep);
	refused(-EPROTO, load(NULL));
	says("class deep differs: its hooks have 2 parts in the dump and 3 in the coordinator");
	assert_int_equal(n_objects(), 0);
	forget();
}

static void what_is_there_stays_and_nothing_is_loaded(void)
{
	make();
	ok(stoa_remove(s, "d", SOON));
	ok(stoa_remove(s, "e", SOON));
	refused(-EEXIST, load(NULL));
	says("object t is there already");
	assert_int_equal(n_objects(), 1);
	forget();
}

static void one_that_its_hooks_refuse_takes_the_others_back(void)
{
	make();
	assert_int_equal(add("e", 9), 13009);
	dump(NULL);
	start_anew(&old_thing, &deep_class);
	refused(-EFAULT, load(NULL));
	says("object e: the unpack hook of class deep returned");
	assert_int_equal(n_objects(), 0);
	ok(stoa_sync(s, SOON, NULL));
	forget();
}

static void a_pattern_chooses(void)
{
	make();
	assert_int_equal(dump("[de]"), 2);
	assert_int_equal(dump("x*"), 0);
	start_anew(&old_thing, &deep_class);
	ok(load(NULL));
	assert_int_equal(n_objects(), 0);
	forget();
}

/* ---- whatever the bytes ---- */

static char *bytes;
static size_t size;

static void read_dump(void)
{
	size = (size_t)lseek(fd, 0, SEEK_END);
	bytes = malloc(size);
	assert_int_equal(pread(fd, bytes, size, 0), size);
}

static void write_dump(size_t n)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, bytes, n, 0), n);
}

/* With the sum that these bytes have. */
static void write_forged(void)
{
	struct dump_layouts l;
	struct dump_end end;
	ok(dump_layouts_init(&l));
	end.bytes = size - l.end->size;
	end.sum = dump_sum(0, bytes, end.bytes);
	image_pack(l.end, &end, bytes + end.bytes);
	dump_layouts_fini(&l);
	write_dump(size);
}

static void one_that_is_damaged_or_cut_off_is_refused(void)
{
	make();
	read_dump();
	start_anew(&old_thing, &deep_class);
	for (size_t n = 0; n < size; n += n < 64 || n + 64 > size ? 1 : 37) {
		write_dump(n);
		refused(-EBADMSG, load(NULL));
	}
	for (size_t i = 0; i < size; i += 3) {
		bytes[i] ^= (char)(1 << i % 8);
		write_dump(size);
		refused(-EBADMSG, load(NULL));
		bytes[i] ^= (char)(1 << i % 8);
	}
	assert_int_equal(n_objects(), 0);
	write_dump(size);
	ok(load(NULL));
	assert_int_equal(n_objects(), 3);
	free(bytes);
	forget();
}

/* Somebody made it so: its sum is right, and nothing else need be. It is refused, or loaded as what it is. */
static void one_that_is_forged_harms_nothing(void)
{
	make();
	read_dump();
	start_anew(&old_thing, &deep_class);
	for (size_t i = 8; i + 60 < size; i++) {
		char was = bytes[i];
		bytes[i] = (char)(i % 3 == 0 ? 0xff : i % 3 == 1 ? was + 1 : 0);
		write_forged();
		if (load(NULL) == 0)
			for (int k = 0; k < 3; k++)
				stoa_remove(s, (const char *[]){ "t", "d", "e" }[k], SOON);
		bytes[i] = was;
	}
	write_forged();
	if (n_objects() == 0)
		ok(load(NULL));
	assert_int_equal(harness_health(s).restarts, 0);
	free(bytes);
	forget();
}

/* The first of the numbers of this attribute part, which are `was` now, become `is`. */
static void forge(const void *was, const void *is, size_t n)
{
	char *at = memmem(bytes, size, was, n);
	assert_non_null(at);
	memcpy(at, is, n);
}

/* A length that the parts do not have. */
static void a_forged_dict_and_set_show_what_is_there(void)
{
	static const uint64_t was[] = { 3, 3 }, is[] = { UINT64_MAX, 3 };
	struct stoa_proxy *p;
	struct dict_json items = { 0 };
	struct set_json members = { 0 };
	start(&old_thing, &deep_class);
	p = harness_create(s, "dict", &dict_class, NULL);
	ok(dict_update_call(p, &(struct dict_json){ STOA_TEXT_OF("{\"a\": 1, \"b\": 2, \"c\": 3}") }, NULL, SOON));
	stoa_close(p);
	p = harness_create(s, "set", &set_class, NULL);
	ok(set_update_call(p, &(struct set_json){ STOA_TEXT_OF("[1, 2, 3]") }, NULL, SOON));
	stoa_close(p);
	dump(NULL);
	read_dump();
	forge(was, is, sizeof(is));
	forge(was, is, sizeof(is));
	write_forged();
	start_anew(&old_thing, &deep_class);
	ok(load(NULL));
	ok(stoa_open(s, "dict", &dict_class, SOON, &p));
	ok(dict_items_call(p, NULL, &items, SOON));
	assert_string_equal(items.json.data, "{\"a\": 1, \"b\": 2, \"c\": 3}");
	stoa_close(p);
	ok(stoa_open(s, "set", &set_class, SOON, &p));
	ok(set_members_call(p, NULL, &members, SOON));
	assert_string_equal(members.json.data, "[1, 2, 3]");
	stoa_close(p);
	stoa_text_fini(&items.json);
	stoa_text_fini(&members.json);
	assert_int_equal(harness_health(s).restarts, 0);
	free(bytes);
	forget();
}

/* More parts in use than there are. */
static void a_forged_list_is_refused(void)
{
	static const uint32_t was[] = { 3, 0, 3, 0, 0, 1 }, is[] = { 3, 0, 3, 0, 0, 4097 };
	start(&old_thing, &deep_class);
	struct stoa_proxy *p = harness_create(s, "list", &list_class, NULL);
	for (int i = 0; i < 3; i++)
		ok(list_append_call(p, &(struct list_value){ stoa_any_i64(i) }, NULL, SOON));
	stoa_close(p);
	dump(NULL);
	read_dump();
	forge(was, is, sizeof(is));
	write_forged();
	start_anew(&old_thing, &deep_class);
	refused(-EFAULT, load(NULL));
	assert_int_equal(harness_health(s).restarts, 0);
	free(bytes);
	forget();
}

/* All places are taken, and there should be more. */
static void a_forged_rendezvous_has_no_place_beyond_its_last(void)
{
	static const uint32_t was[] = { 256, 256, 0, 0, 0 }, is[] = { 300, 256, 0, 0, 0 };
	struct rendezvous_seat seat;
	struct stoa_proxy *p;
	start(&old_thing, &deep_class);
	p = harness_create(s, "r", &rendezvous_class, &(struct rendezvous_of){ RENDEZVOUS_MAX });
	for (int i = 0; i < RENDEZVOUS_MAX; i++)
		ok(rendezvous_join_call(p, NULL, &seat, SOON));
	stoa_close(p);
	dump(NULL);
	read_dump();
	forge(was, is, sizeof(is));
	write_forged();
	start_anew(&old_thing, &deep_class);
	ok(load(NULL));
	ok(stoa_open(s, "r", &rendezvous_class, SOON, &p));
	refused(-EUSERS, rendezvous_join_call(p, NULL, &seat, SOON));
	stoa_close(p);
	assert_int_equal(harness_health(s).restarts, 0);
	free(bytes);
	forget();
}

/* ---- larger than a command ---- */

#define LARGE_PIECE (8u << 20)
#define LARGE_PIECES 5

static char large_byte(size_t i)
{
	return (char)(i ^ i >> 8 ^ i >> 16);
}

static void make_large(void)
{
	struct stoa_proxy *p;
	struct blob_size n;
	char *piece = malloc(LARGE_PIECE);
	start(&old_thing, &deep_class);
	p = harness_create(s, "large", &blob_class, NULL);
	for (size_t at = 0; at < LARGE_PIECES * LARGE_PIECE; at += LARGE_PIECE) {
		for (size_t i = 0; i < LARGE_PIECE; i++)
			piece[i] = large_byte(at + i);
		ok(blob_append_call(p, &(struct blob_args){ { piece, LARGE_PIECE } }, &n, SOON));
	}
	stoa_close(p);
	free(piece);
	assert_int_equal(dump(NULL), 1);
	start_anew(&old_thing, &deep_class);
}

static void check_large(void)
{
	struct stoa_proxy *p;
	stoa_blob all = { 0 };
	size_t bad = 0;
	ok(stoa_open(s, "large", &blob_class, SOON, &p));
	ok(STOA_GET(p, struct blob, value, &all, SOON));
	assert_int_equal(all.size, LARGE_PIECES * LARGE_PIECE);
	for (size_t i = 0; i < all.size; i++)
		bad += ((const char *)all.data)[i] != large_byte(i);
	assert_int_equal(bad, 0);
	stoa_blob_fini(&all);
	stoa_close(p);
}

static void one_larger_than_a_command_comes_back(void)
{
	size_t n;
	make_large();
	ok(load(&n));
	assert_int_equal(n, 1);
	check_large();
	forget();
}

static void kill_at(int applied)
{
	until(harness_health(s).applied >= (uint64_t)applied);
	harness_kill_coordinator(s);
}

static void pieces_that_are_lost_with_the_coordinator_are_sent_again(void)
{
	make_large();
	for (int64_t end = clock_deadline(SOON); harness_health(s).rejected == 0 && clock_now() < end;) {
		pid_t child = harness_spawn(kill_at, (int)harness_health(s).applied + 3);
		ok(load(NULL));
		harness_join(child);
		check_large();
		ok(stoa_remove(s, "large", SOON));
	}
	assert_int_equal(harness_health(s).rejected, 1);
	forget();
}

/* As the library would not: pieces out of order, none, and no state. */
static int stage(uint64_t offset, const char *text, size_t n)
{
	struct sending w;
	ok(send_begin(s, sizeof(offset) + n, sizeof(struct reply) + STOA_ERROR_MAX, SOON, &w));
	memcpy(w.args, &offset, sizeof(offset));
	memcpy(w.args + sizeof(offset), text, n);
	w.record->kind = RECORD_STAGE;
	w.record->class_id = UINT16_MAX;
	w.record->object = UINT32_MAX;
	w.record->row = 0;
	w.record->origin = 0;
	ok(send_publish(&w, NULL, 0));
	return await_answer(&w, NULL, NULL);
}

static int create_staged(void)
{
	const struct class_view *view;
	struct sending w;
	ok(proxy_find_view(s, "blob", &view));
	ok(proxy_send_create(s, "b", view, CREATE_FROM_STAGED, NULL, 0, 0, SOON, &w));
	return await_answer(&w, NULL, NULL);
}

static void file_without_an_end_is_refused(void)
{
	start(&old_thing, &deep_class);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	refused(-EBADMSG, stoa_load(s, zero, SOON, NULL));
	says("no dump of stoa");
	close(zero);
}

static void pieces_that_are_none_are_refused(void)
{
	start(&old_thing, &deep_class);
	refused(-ESTALE, create_staged());
	refused(-EBADMSG, stage(3, "", 0));
	refused(-ESTALE, stage(3, "abc", 3));
	ok(stage(0, "abc", 3));
	ok(stage(0, "", 0)); /* what is staged is let go */
	refused(-ESTALE, create_staged());
	ok(stage(0, "abc", 3));
	ok(stage(3, "abc", 3));
	refused(-ESTALE, stage(3, "abc", 3));
	refused(-EBADMSG, create_staged());
	refused(-ESTALE, create_staged());
	ok(stage(0, "abc", 3));
	harness_kill_coordinator(s);
	refused(-ESTALE, stage(3, "abc", 3));
	refused(-ESTALE, create_staged());
	assert_int_equal(n_objects(), 0);
}

/* ---- at one moment ---- */

#define PAIRS 200

static _Atomic int *stop;

/* Each command adds one to all of them; while they are odd, one object more is there. */
static void change(int unused)
{
	static struct stoa_proxy *p[PAIRS];
	struct stoa_proxy *passing;
	static struct stoa_command all[PAIRS];
	static const struct counter_args one = { 1 };
	char name[16];
	(void)unused;
	for (int k = 0; k < PAIRS; k++) {
		snprintf(name, sizeof(name), "c%d", k);
		ok(stoa_open(s, name, &counter_class, SOON, &p[k]));
		all[k] = (struct stoa_command){ .proxy = p[k], .method = &counter_add_row,
						.args = &one };
	}
	while (!atomic_load(stop)) {
		ok(stoa_create(s, "passing", &counter_class, NULL, STOA_EXCL, &passing));
		ok(stoa_call_many(s, PAIRS, all, SOON));
		stoa_close(passing);
		ok(stoa_call_many(s, PAIRS, all, SOON));
		ok(stoa_remove(s, "passing", SOON));
	}
	stoa_detach(s);
}

/* Of object k, from its head and the image of its only part. The name is looked for whole: 0x3263 reads "c2", too. */
static int64_t value_in_dump(int k)
{
	struct counter c;
	char name[LAYOUT_NAME] = { 0 };
	snprintf(name, sizeof(name), "c%d", k);
	const char *at = memmem(bytes, size, name, sizeof(name));
	assert_non_null(at);
	at += sizeof(name) + 2 * sizeof(uint32_t);
	memcpy(&c, at + image_length(at) - sizeof(c), sizeof(c));
	return c.value;
}

static void all_objects_are_as_of_one_moment(void)
{
	struct stoa_proxy *p;
	int64_t value;
	char name[16];
	stop = harness_shared(sizeof(*stop));
	start(&old_thing, &deep_class);
	for (int k = 0; k < PAIRS; k++) {
		snprintf(name, sizeof(name), "c%d", k);
		stoa_close(harness_create(s, name, &counter_class, NULL));
	}
	pid_t changer = harness_spawn(change, 0);
	for (int64_t end = clock_deadline(STOA_MS(2500)); clock_now() < end;) {
		size_t n = dump(NULL);
		assert_true(n == PAIRS || n == PAIRS + 1);
		read_dump();
		int64_t first = value_in_dump(0);
		for (int k = 1; k < PAIRS; k++)
			assert_int_equal(value_in_dump(k), first);
		assert_true(n == PAIRS + 1 || first % 2 == 0);
		free(bytes);
	}
	atomic_store(stop, 1);
	harness_join(changer);
	ok(stoa_open(s, "c0", &counter_class, SOON, &p));
	ok(STOA_GET(p, struct counter, value, &value, SOON));
	assert_true(value > 0);
	stoa_close(p);
	forget();
}

static void without_a_coordinator_what_is_committed_is_dumped(void)
{
	struct stoa *reader;
	make();
	harness_freeze(s);
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &reader));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	ok(stoa_dump(reader, NULL, fd, STOA_COMMITTED, STOA_NOWAIT, NULL));
	stoa_detach(reader);
	harness_thaw(s);
	refused(-EINVAL, stoa_dump(s, NULL, fd, STOA_EXCL, SOON, NULL));
	refused(-EBADF, stoa_dump(s, NULL, -1, 0, SOON, NULL));
	refused(-EBADF, stoa_load(s, -1, SOON, NULL));
	forget();
}

#define MANY 3000

static void load_and_lose_both(int unused)
{
	(void)unused;
	until(harness_health(s).verdict == STOA_HEALTHY);
	refused(-ECONNRESET, load(NULL));
	says("may be there later, and no other");
}

/* What was created is taken back by whoever serves next, and is not waited for one by one: each would take 0.1 s. */
static void load_ends_soon_when_both_die_and_nothing_of_it_stays(void)
{
	char name[16];
	start(&old_thing, &deep_class);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		stoa_close(harness_create(s, name, &counter_class, NULL));
	}
	assert_int_equal(dump(NULL), MANY);
	start_anew(&old_thing, &deep_class);
	pid_t child = harness_spawn(load_and_lose_both, 0);
	until(harness_health(s).objects >= 50);
	harness_freeze(s);
	assert_true(harness_health(s).objects < MANY);
	harness_kill_both(s);
	int64_t before = clock_now();
	harness_join(child);
	assert_true(clock_now() - before < STOA_MS(2000 * HARNESS_SLOW));
	ok(stoa_start("test", STOA_CLASSES(&old_thing, &deep_class), NULL, &(struct stoa *){ NULL }));
	until(harness_health(s).queued == 0);
	assert_true(n_objects() <= 1);
	forget();
}

static void write_at(int state, uint64_t at, uint64_t value)
{
	assert_int_equal(pwrite(state, &value, sizeof(value), (off_t)at), sizeof(value));
}

/* Guardian and coordinator are dead, and a text's size is more than there is: so much that a sum with it is small. */
static void damaged_size_is_not_believed(void)
{
	struct found t;
	char path[PATH_MAX + 16];
	uint64_t wrong = UINT64_MAX - 40, right, offsets[2];
	struct stoa_proxy *p;
	struct old got = { 0 };
	make();
	ok(stoa_open(s, "t", &old_thing, SOON, &p));
	ok(directory_find(s, "t", &t));
	const struct part *note = &t.body->parts[1]; /* the last of them */
	uint64_t at = atomic_load(&note->cell[0]) ? atomic_load(&note->cell[0]) : atomic_load(&note->cell[1]);
	harness_kill_both(s);
	snprintf(path, sizeof(path), "%s/state", s->dir);
	int state = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(state, &right, sizeof(right), (off_t)at), sizeof(right));
	write_at(state, at, wrong);
	assert_true(stoa_dump(s, NULL, fd, STOA_COMMITTED, STOA_NOWAIT, NULL) < 0);
	refused(-EAGAIN, STOA_GET(p, struct old, note, &got.note, STOA_NOWAIT));
	refused(-ETIMEDOUT, STOA_GET(p, struct old, note, &got.note, STOA_MS(20)));
	says("or are damaged");
	write_at(state, at, right);
	ok(STOA_GET(p, struct old, note, &got.note, STOA_MS(20)));
	stoa_text_fini(&got.note);
	for (int k = 0; k < 2; k++) { /* a number's cell is nowhere */
		uint64_t *cell = (uint64_t *)&t.body->parts[0].cell[k];
		offsets[k] = *cell;
		write_at(state, (uint64_t)((char *)cell - (char *)s->space.state), wrong);
	}
	refused(-ETIMEDOUT, STOA_GET(p, struct old, a, &got.a, STOA_MS(20)));
	for (int k = 0; k < 2; k++)
		write_at(state, (uint64_t)((char *)&t.body->parts[0].cell[k] - (char *)s->space.state), offsets[k]);
	ok(STOA_GET(p, struct old, a, &got.a, STOA_MS(20)));
	stoa_close(p);
	close(state);
	ok(stoa_start("test", STOA_CLASSES(&old_thing, &deep_class), NULL, &(struct stoa *){ NULL }));
	forget();
}

/* The check value of the catalogue of parametrised CRC algorithms, CRC-64/XZ. */
static void sum_is_that_of_the_standard(void)
{
	assert_true(dump_sum(0, "123456789", 9) == UINT64_C(0x995dc9bbdf1939fa));
	assert_true(dump_sum(dump_sum(0, "1234", 4), "56789", 5) == UINT64_C(0x995dc9bbdf1939fa));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(a_class_that_differs_is_refused_by_row),
		HARNESS(a_class_that_has_grown_takes_it_by_name),
		HARNESS(a_forged_dict_and_set_show_what_is_there),
		HARNESS(a_forged_list_is_refused),
		HARNESS(a_forged_rendezvous_has_no_place_beyond_its_last),
		HARNESS(a_pattern_chooses),
		HARNESS(all_objects_are_as_of_one_moment),
		HARNESS(damaged_size_is_not_believed),
		HARNESS(file_without_an_end_is_refused),
		HARNESS(load_ends_soon_when_both_die_and_nothing_of_it_stays),
		HARNESS_SECONDS(one_larger_than_a_command_comes_back, 40),
		HARNESS_SECONDS(one_that_is_damaged_or_cut_off_is_refused, 40),
		HARNESS_SECONDS(one_that_is_forged_harms_nothing, 60),
		HARNESS(one_that_its_hooks_refuse_takes_the_others_back),
		HARNESS_SECONDS(pieces_that_are_lost_with_the_coordinator_are_sent_again, 40),
		HARNESS(pieces_that_are_none_are_refused),
		HARNESS(sum_is_that_of_the_standard),
		HARNESS(what_hooks_know_comes_back),
		HARNESS(what_is_there_stays_and_nothing_is_loaded),
		HARNESS(without_a_coordinator_what_is_committed_is_dumped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
