/*
 * test_hooks.c: hooks that crash or hang. In a command it is rejected, and undone, like any; while a new coordinator
 * takes an object over, that object is quarantined, and all others are served.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/harness.h"

#define DEADLINE (STOA_MS(300) + HARNESS_DYING) /* of a hook */

enum hook { INIT, FINI, PACK, UNPACK, VALIDATE, HOOKS };
enum how { WELL, CRASH, HANG, REFUSE, FORK, SPOIL };

struct frail {
	int64_t n;
	char name[8];
	int64_t kept; /* packed by the hooks */
};
struct what {
	int32_t fails;
};
STOA_STRUCT(frail, STOA_ATTR(struct frail, n), STOA_ATTR(struct frail, name));
STOA_STRUCT(what, STOA_ATTR(struct what, fails));
STOA_STUB(frail, add, struct what, struct what);

static struct shared {
	struct {
		_Atomic int how;   /* what the hook does … */
		_Atomic int times; /* … so many times */
		_Atomic int runs;
	} of[HOOKS];
} *shared;

static struct stoa *s;
static struct stoa_proxy *p, *other;

static int act(enum hook hook)
{
	atomic_fetch_add(&shared->of[hook].runs, 1);
	if (atomic_load(&shared->of[hook].times) == 0)
		return 0;
	atomic_fetch_sub(&shared->of[hook].times, 1);
	switch (atomic_load(&shared->of[hook].how)) {
	case CRASH:
		abort();
	case HANG:
		for (;;)
			pause();
	case REFUSE:
		return -EDOM;
	case FORK:
		return fork() < 0 ? -errno : 0;
	}
	return 0;
}

static int frail_init(void *self, const void *args)
{
	(void)args;
	((struct frail *)self)->kept = 1;
	if (atomic_load(&shared->of[INIT].how) == SPOIL)
		memset(((struct frail *)self)->name, 'x', sizeof(((struct frail *)self)->name));
	return act(INIT);
}
static void frail_fini(void *self)
{
	(void)self;
	act(FINI);
}
static int frail_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	(void)part;
	int r = act(PACK);
	return r ? r : stoa_blob_set(ret, &((const struct frail *)self)->kept, sizeof(int64_t));
}
static int frail_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	(void)part;
	memcpy(&((struct frail *)self)->kept, data, size);
	return act(UNPACK);
}
static const struct stoa_hooks hooks = {
	.init = frail_init, .fini = frail_fini, .parts = 1, .pack = frail_pack, .unpack = frail_unpack
};

static int frail_add(struct frail *self, const struct what *args, struct what *ret)
{
	ret->fails = (int32_t)self->kept;
	self->n++;
	self->kept++;
	stoa_touch(0);
	return args->fails ? stoa_fail(-ERANGE, "as it was told to") : 0;
}
STOA_METHOD(frail, add, what, what, .writes = "n");
STOA_CLASS_HOOKS(frail, 1, &hooks, &frail_add_row);

/* One of many parts: each is a number, and packs to nothing while it is 0. */
#define SLOTS 1000
struct slots {
	int64_t n;
	int64_t of[SLOTS]; /* packed by the hooks */
};
struct slot {
	uint32_t part;
	bool fails;
};
struct sum {
	int64_t n, of, all;
};
STOA_STRUCT(slots, STOA_ATTR(struct slots, n));
STOA_STRUCT(slot, STOA_ATTR(struct slot, part), STOA_ATTR(struct slot, fails));
STOA_STRUCT(sum, STOA_ATTR(struct sum, n), STOA_ATTR(struct sum, of), STOA_ATTR(struct sum, all));
STOA_STUB(slots, add, struct slot, struct sum);

static int slots_init(void *self, const void *args)
{
	(void)self, (void)args;
	return 0;
}
static int slots_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	const int64_t *n = &((const struct slots *)self)->of[part];
	int r = act(PACK);
	return r ? r : stoa_blob_set(ret, n, *n ? sizeof(*n) : 0);
}
static int slots_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	((struct slots *)self)->of[part] = 0;
	if (size)
		memcpy(&((struct slots *)self)->of[part], data, size);
	return act(UNPACK);
}
static const struct stoa_hooks slots_hooks = {
	.init = slots_init, .parts = SLOTS, .pack = slots_pack, .unpack = slots_unpack, .by_part = true
};

static int slots_add(struct slots *self, const struct slot *args, struct sum *ret)
{
	stoa_touch(args->part);
	stoa_touch(SLOTS - 1);
	self->n++;
	if (args->part < SLOTS)
		ret->of = ++self->of[args->part];
	self->of[SLOTS - 1] += 10;
	ret->n = self->n;
	for (int i = 0; i < SLOTS; i++)
		ret->all += self->of[i];
	return args->fails ? stoa_fail(-ERANGE, "as it was told to") : 0;
}
STOA_METHOD(slots, add, slot, sum, .writes = "n");

static int slots_look(const struct slots *self, const struct slot *args, struct sum *ret)
{
	ret->n = self->n;
	ret->of = self->of[args->part];
	return 0;
}
STOA_READER(slots, look, slot, sum);
STOA_CLASS_HOOKS(slots, 1, &slots_hooks, &slots_add_row, &slots_look_row);

/* A class without hooks, beside it; a new one is not below 0, and none below -10. */
struct plain {
	int64_t n;
};
STOA_STRUCT(plain, STOA_ATTR(struct plain, n, .writable = true));

static int plain_validate(const void *self, bool is_new)
{
	const struct plain *plain = self;
	int r = act(VALIDATE), least = is_new ? 0 : -10;
	return r || plain->n >= least ? r : stoa_fail(-ERANGE, "n is %jd, below %d", (intmax_t)plain->n, least);
}
STOA_CLASS_VALIDATE(plain, 1, plain_validate, NULL);

static void start(void)
{
	shared = harness_shared(sizeof(*shared));
	s = harness_start_with(STOA_CLASSES(&frail_class, &plain_class, &slots_class),
			       STOA_OPTIONS(.deadline = DEADLINE));
	p = harness_create(s, "f", &frail_class, NULL);
	other = harness_create(s, "o", &plain_class, NULL);
}

static void set(enum hook hook, enum how how, int times)
{
	atomic_store(&shared->of[hook].runs, 0);
	atomic_store(&shared->of[hook].how, how);
	atomic_store(&shared->of[hook].times, times);
}

static int runs(enum hook hook)
{
	return atomic_load(&shared->of[hook].runs);
}

static int add(bool fails)
{
	return frail_add_call(p, &(struct what){ fails }, &(struct what){ 0 }, SOON);
}

/* n was added to so many times, kept too, and both in what a new coordinator takes over; others are served. */
static void check(int64_t n)
{
	int64_t value;
	struct what kept;
	ok(STOA_GET(p, struct frail, n, &value, SOON));
	assert_int_equal(value, n);
	refused(-ERANGE, frail_add_call(p, &(struct what){ true }, NULL, SOON));
	ok(frail_add_call(p, &(struct what){ false }, &kept, SOON));
	assert_int_equal(kept.fails, 1 + n);
	ok(STOA_ASSIGN(other, struct plain, n, &n, SOON));
	ok(STOA_GET(other, struct plain, n, &value, SOON));
	assert_int_equal(value, n);
}

static int keep_rejection(void *data, const struct stoa_rejection *r)
{
	*(struct stoa_rejection *)data = *r;
	return 0;
}

static void is_other(int64_t n)
{
	int64_t value;
	ok(STOA_GET(other, struct plain, n, &value, SOON));
	assert_int_equal(value, n);
}

static void class_validates_what_comes_from_outside(void)
{
	struct stoa_proxy *q;
	struct stoa_rejection r = { 0 };
	start();
	refused(-ERANGE, stoa_create(s, "q", &plain_class, &(struct plain){ -1 }, STOA_EXCL, &q));
	says("n is -1, below 0");
	refused(-ENOENT, stoa_open(s, "q", NULL, STOA_NOWAIT, &q));
	ok(STOA_ASSIGN(other, struct plain, n, &(int64_t){ -10 }, SOON));
	ok(STOA_ASSIGN(other, struct plain, n, &(int64_t){ -11 }, SOON)); /* as a cast: what is said is recorded */
	is_other(-10);
	ok(stoa_rejected(s, 0, keep_rejection, &r));
	assert_int_equal(r.code, -ERANGE);
	assert_string_equal(r.text, "n is -11, below -10");
	harness_kill_coordinator(s); /* what is committed is not asked about */
	is_other(-10);
}

static void class_validates_what_is_loaded(void)
{
	size_t n;
	start();
	int fd = memfd_create("dump", MFD_CLOEXEC);
	ok(STOA_ASSIGN(other, struct plain, n, &(int64_t){ -10 }, SOON));
	ok(stoa_dump(s, "o", fd, 0, SOON, &n));
	ok(stoa_remove(s, "o", SOON));
	lseek(fd, 0, SEEK_SET);
	set(VALIDATE, REFUSE, 1);
	refused(-EDOM, stoa_load(s, fd, SOON, &n));
	refused(-ENOENT, stoa_open(s, "o", NULL, STOA_NOWAIT, &other));
	lseek(fd, 0, SEEK_SET);
	ok(stoa_load(s, fd, SOON, &n)); /* it is not new */
	ok(stoa_open(s, "o", &plain_class, SOON, &other));
	is_other(-10);
	close(fd);
}

static void validation_that_crashes_hangs_or_fails_changes_nothing(void)
{
	static const struct {
		enum how how;
		int code;
		const char *text;
	} cases[] = { { CRASH, -EFAULT, "an assignment to object o crashed the coordinator, 2 times, by SIGABRT" },
		      { HANG, -ETIME, "an assignment to object o ran past its deadline and was ended" },
		      { REFUSE, -EDOM, "Numerical argument out of domain" } };
	struct stoa_rejection r = { 0 };
	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set(VALIDATE, cases[i].how, 99);
		ok(STOA_ASSIGN(other, struct plain, n, &(int64_t){ 5 }, SOON));
		is_other(0);
		ok(stoa_rejected(s, 0, keep_rejection, &r));
		assert_int_equal(r.code, cases[i].code);
		assert_string_equal(r.text, cases[i].text);
	}
	set(VALIDATE, WELL, 0);
	check(0);
}

/* ---- in a command -------------------------------------------------------------------------------------------- */

static void init_hook_that_crashes_or_hangs_creates_nothing(void)
{
	struct stoa_proxy *q;
	struct stoa_rejection r = { 0 };
	start();
	set(INIT, CRASH, 99);
	refused(-EFAULT, stoa_create(s, "g", &frail_class, NULL, STOA_EXCL, &q));
	says("the init hook of a new object crashed the coordinator, 2 times, by SIGABRT");
	assert_int_equal(runs(INIT), 2);
	set(INIT, HANG, 99);
	refused(-ETIME, stoa_create(s, "g", &frail_class, NULL, STOA_EXCL, &q));
	assert_int_equal(runs(INIT), 1);
	ok(stoa_rejected(s, 0, keep_rejection, &r));
	assert_string_equal(r.object, "g");
	assert_string_equal(r.class_name, "frail");
	assert_int_equal(r.pid, getpid());
	set(INIT, WELL, 0);
	refused(-ENOENT, stoa_open(s, "g", NULL, STOA_NOWAIT, &q));
	ok(stoa_create(s, "g", &frail_class, NULL, STOA_EXCL, &q));
	check(0);
}

static void init_hook_that_leaves_a_text_without_its_end_creates_nothing(void)
{
	struct stoa_proxy *q;
	struct stoa_error e;
	start();
	set(INIT, SPOIL, 1);
	refused(-EINVAL, stoa_create(s, "g", &frail_class, NULL, STOA_EXCL, &q));
	says("the init hook of class frail left name without a NUL");
	stoa_last_error(&e);
	assert_int_equal(e.origin, STOA_FROM_LIBRARY);
	set(INIT, WELL, 0);
	ok(stoa_create(s, "g", &frail_class, NULL, STOA_EXCL, &q));
	harness_kill_coordinator(s);
	check(0);
}

static void pack_hook_that_crashes_or_hangs_undoes_its_command(void)
{
	struct stoa_error e;
	start();
	ok(add(false));
	set(PACK, CRASH, 99);
	refused(-EFAULT, add(false));
	says("method add of object f crashed");
	stoa_last_error(&e);
	assert_int_equal(e.origin, STOA_FROM_LIBRARY);
	assert_int_equal(runs(PACK), 2);
	set(PACK, HANG, 99);
	refused(-ETIME, add(false));
	assert_int_equal(runs(PACK), 1);
	set(PACK, REFUSE, 99);
	refused(-EDOM, add(false));
	set(PACK, WELL, 0);
	check(1);
}

/* Undo unpacks the object anew; the command is tried again, and fails of itself. */
static void unpack_hook_that_crashes_in_an_undo_harms_nothing(void)
{
	start();
	ok(add(false));
	set(UNPACK, CRASH, 1);
	refused(-ERANGE, add(true));
	set(UNPACK, REFUSE, 1);
	refused(-ERANGE, add(true));
	check(1);
}

static void hooks_that_fork_make_no_second_coordinator(void)
{
	start();
	for (int hook = INIT; hook < HOOKS; hook++) {
		struct stoa_proxy *q;
		set((enum hook)hook, FORK, 1);
		ok(stoa_create(s, "g", &frail_class, NULL, STOA_EXCL, &q));
		ok(frail_add_call(q, &(struct what){ false }, NULL, SOON));
		refused(-ERANGE, frail_add_call(q, &(struct what){ true }, NULL, SOON));
		ok(frail_add_call(q, &(struct what){ false }, NULL, SOON));
		ok(stoa_remove(s, "g", SOON));
		stoa_close(q);
	}
	check(0);
	assert_int_equal(harness_health(s).restarts, 0);
}

static void fini_hook_that_crashes_or_hangs_removes_its_object(void)
{
	struct stoa_proxy *q;
	start();
	for (int how = CRASH; how <= HANG; how++) {
		ok(stoa_create(s, "g", &frail_class, NULL, STOA_EXCL, &q));
		set(FINI, (enum how)how, 1);
		ok(stoa_remove(s, "g", SOON));
		refused(-ENOENT, stoa_open(s, "g", NULL, STOA_NOWAIT, &q));
		until(runs(FINI) > 0);
		if (how == HANG) /* the guardian knows, and has a deadline for it */
			until(harness_health(s).running_for > 0);
		set(FINI, WELL, 0);
		check(how - CRASH);
	}
}

static void check_slots(struct stoa_proxy *q, int64_t n)
{
	struct sum sum;
	ok(slots_add_call(q, &(struct slot){ 5, false }, &sum, SOON));
	assert_int_equal(sum.n, n);
	assert_int_equal(sum.of, n);
	assert_int_equal(sum.all, 11 * n);
}

static void undo_by_part_takes_back_what_was_touched(void)
{
	start();
	struct stoa_proxy *q = harness_create(s, "q", &slots_class, NULL);
	check_slots(q, 1);
	set(UNPACK, WELL, 0);
	refused(-ERANGE, slots_add_call(q, &(struct slot){ 5, true }, NULL, SOON));
	assert_int_equal(runs(UNPACK), 2);
	refused(-ERANGE, slots_add_call(q, &(struct slot){ 6, true }, NULL, SOON)); /* which nothing was in */
	refused(-EINVAL, slots_add_call(q, &(struct slot){ SLOTS, false }, NULL, SOON));
	says("class slots touched part 1000; it has 1000");
	check_slots(q, 2);
	set(PACK, REFUSE, 1);
	refused(-EDOM, slots_add_call(q, &(struct slot){ 5, false }, NULL, SOON));
	set(PACK, WELL, 0);
	struct stoa_command many[] = {
		{ .proxy = q, .method = &slots_add_row, .args = &(struct slot){ 5, false } },
		{ .proxy = q, .method = &slots_add_row, .args = &(struct slot){ 7, true } },
	};
	refused(-ERANGE, stoa_call_many(s, 2, many, SOON));
	check_slots(q, 3);
	harness_kill_coordinator(s);
	check_slots(q, 4);
}

/* ---- when all is over ---------------------------------------------------------------------------------------- */

static void namespace_ends_though_the_fini_hook_crashes(void)
{
	start();
	set(FINI, CRASH, 99);
	pid_t guardian = harness_guardian(s);
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	until(harness_has_ended(guardian));
}

static void coordinator_becomes_guardian_though_the_fini_hook_hangs(void)
{
	start();
	set(FINI, HANG, 99);
	pid_t coordinator = harness_coordinator(s);
	kill(harness_guardian(s), SIGKILL);
	until(harness_guardian(s) == coordinator && harness_coordinator(s) != coordinator);
	set(FINI, WELL, 0);
	check(0);
}

/* ---- in recovery --------------------------------------------------------------------------------------------- */

static void check_quarantined(void)
{
	int64_t n = -1, value = 7;
	refused(-EFAULT, add(false));
	says("object f is quarantined: the unpack hook of its class crashed on its state");
	ok(STOA_GET(p, struct frail, n, &n, SOON));
	assert_int_equal(n, 1);
	ok(STOA_ASSIGN(other, struct plain, n, &value, SOON));
	harness_kill_coordinator(s);
	refused(-EFAULT, add(false)); /* the next one leaves it alone, too */
	ok(STOA_GET(other, struct plain, n, &value, SOON));
	assert_int_equal(value, 7);
}

static void object_is_quarantined_when_its_unpack_hook_crashes(void)
{
	start();
	ok(add(false));
	set(UNPACK, CRASH, 2);
	harness_kill_coordinator(s);
	until(runs(UNPACK) == 2);
	check_quarantined();
	assert_int_equal(runs(UNPACK), 2);
}

static void object_is_quarantined_when_its_unpack_hook_hangs(void)
{
	start();
	ok(add(false));
	set(UNPACK, HANG, 1);
	harness_kill_coordinator(s);
	check_quarantined();
	assert_int_equal(runs(UNPACK), 1);
}

static void check_refused(void)
{
	int64_t n = -1;
	refused(-EFAULT, add(false));
	says("object f is quarantined: the unpack hook of its class failed on its state");
	ok(STOA_GET(p, struct frail, n, &n, SOON));
	assert_int_equal(n, 1);
	ok(STOA_ASSIGN(other, struct plain, n, &n, SOON));
}

static void object_is_quarantined_while_its_unpack_hook_fails(void)
{
	struct stoa *again;
	start();
	ok(add(false));
	set(UNPACK, REFUSE, 99);
	for (int i = 0; i < 3; i++) {
		harness_kill_coordinator(s);
		check_refused();
	}
	harness_kill_both(s);
	ok(stoa_start("test", STOA_CLASSES(&frail_class, &plain_class), STOA_OPTIONS(.deadline = DEADLINE),
		      &again));
	check_refused();
	set(UNPACK, WELL, 0);
	harness_kill_coordinator(s);
	check(1);
}

static void object_is_taken_over_when_its_unpack_hook_crashes_once(void)
{
	start();
	for (int i = 0; i < 3; i++) {
		set(UNPACK, CRASH, 1);
		harness_kill_coordinator(s);
		until(runs(UNPACK) == 2);
		check(i);
	}
}

#define FRAIL 40 /* more than a guardian takes of deaths without progress */

static void all_objects_of_a_class_are_quarantined_when_its_unpack_hook_always_crashes(void)
{
	char name[16];
	struct stoa_proxy *q;
	start();
	for (int i = 0; i < FRAIL; i++) {
		snprintf(name, sizeof(name), "f-%d", i);
		ok(stoa_create(s, name, &frail_class, NULL, STOA_EXCL, &q));
	}
	set(UNPACK, CRASH, 2 * (FRAIL + 1));
	harness_kill_coordinator(s);
	refused(-EFAULT, add(false));
	refused(-EFAULT, frail_add_call(q, &(struct what){ false }, NULL, SOON));
	assert_int_equal(runs(UNPACK), 2 * (FRAIL + 1));
	ok(STOA_ASSIGN(other, struct plain, n, &(int64_t){ 3 }, SOON));
	harness_kill_coordinator(s);
	refused(-EFAULT, add(false)); /* still, and nothing has tried again */
	assert_int_equal(runs(UNPACK), 2 * (FRAIL + 1));
}

static void quarantined_object_can_be_removed(void)
{
	start();
	set(UNPACK, CRASH, 2);
	harness_kill_coordinator(s);
	refused(-EFAULT, add(false));
	ok(stoa_remove(s, "f", SOON));
	p = harness_create(s, "f", &frail_class, NULL);
	check(0);
}

/* A client has the attributes of such an object, and nothing of its parts. */
static void reader_of_parts_runs_where_they_are(void)
{
	struct sum sum = { 0 };
	shared = harness_shared(sizeof(*shared));
	/* to verify, the coordinator would run all readers */
	ok(stoa_start("test", STOA_CLASSES(&slots_class), STOA_OPTIONS(.max_state = HARNESS_STATE), &s));
	struct stoa_proxy *slots = harness_create(s, "s", &slots_class, NULL);
	ok(slots_add_call(slots, &(struct slot){ 7, false }, &sum, SOON));
	ok(stoa_call(slots, &slots_look_row, &(struct slot){ 7, false }, &sum, SOON));
	assert_int_equal(sum.n, 1);
	assert_int_equal(sum.of, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(all_objects_of_a_class_are_quarantined_when_its_unpack_hook_always_crashes),
		HARNESS(coordinator_becomes_guardian_though_the_fini_hook_hangs),
		HARNESS(fini_hook_that_crashes_or_hangs_removes_its_object),
		HARNESS(hooks_that_fork_make_no_second_coordinator),
		HARNESS(class_validates_what_comes_from_outside),
		HARNESS(class_validates_what_is_loaded),
		HARNESS(init_hook_that_crashes_or_hangs_creates_nothing),
		HARNESS(init_hook_that_leaves_a_text_without_its_end_creates_nothing),
		HARNESS(namespace_ends_though_the_fini_hook_crashes),
		HARNESS(object_is_quarantined_when_its_unpack_hook_crashes),
		HARNESS(object_is_quarantined_when_its_unpack_hook_hangs),
		HARNESS(object_is_quarantined_while_its_unpack_hook_fails),
		HARNESS(object_is_taken_over_when_its_unpack_hook_crashes_once),
		HARNESS(pack_hook_that_crashes_or_hangs_undoes_its_command),
		HARNESS(quarantined_object_can_be_removed),
		HARNESS(reader_of_parts_runs_where_they_are),
		HARNESS(undo_by_part_takes_back_what_was_touched),
		HARNESS(unpack_hook_that_crashes_in_an_undo_harms_nothing),
		HARNESS(validation_that_crashes_hangs_or_fails_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
