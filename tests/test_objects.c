/*
 * test_objects.c: objects come, are found and listed, and go; what is sent to one that is gone is refused or rejected,
 * and never reaches another that has its name or its place.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/counter.h"
#include "src/class.h"
#include "tests/harness.h"

struct thing {
	int64_t n;
	stoa_text text;
};
STOA_STRUCT(thing, STOA_ATTR(struct thing, n, .writable = true), STOA_ATTR(struct thing, text, .writable = true));
STOA_RECORD(thing, 1);

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(STOA_CLASSES(&thing_class));
}

/* ---- create and open ---------------------------------------------------------------------------------------- */

static void create_opens_what_is_there(void)
{
	struct stoa_proxy *again;
	int64_t v;
	start();
	p = harness_create(s, "hits", &counter_class, &(struct counter){ 42 });
	ok(stoa_create(s, "hits", &counter_class, &(struct counter){ 7 }, 0, &again));
	ok(STOA_GET(again, struct counter, value, &v, STOA_DEFAULT));
	assert_int_equal(v, 42);
	refused(-EEXIST, stoa_create(s, "hits", &counter_class, NULL, STOA_EXCL, &again));
	says("hits");
	assert_int_not_equal(stoa_create(s, "hits", &thing_class, NULL, 0, &again), 0);
	says("hits");
}

static _Atomic int *created;

static void create_at_once(int i)
{
	struct stoa_proxy *mine;
	int r = stoa_create(s, "race", &counter_class, NULL, i % 2 ? STOA_EXCL : 0, &mine);
	if (r == 0)
		ok(counter_add_cast(mine, &(struct counter_args){ 1 }, STOA_DEFAULT));
	else
		refused(-EEXIST, r);
	atomic_fetch_add(created, r == 0);
}

static void one_object_is_made_when_eight_create_it_at_once(void)
{
	int64_t v;
	start();
	created = harness_shared(sizeof(*created));
	harness_spawn_all(8, create_at_once);
	harness_join_all();
	ok(stoa_open(s, "race", &counter_class, STOA_DEFAULT, &p));
	ok(STOA_GET(p, struct counter, value, &v, STOA_DEFAULT));
	assert_int_equal(v, atomic_load(created));
	assert_true(v >= 4 && v <= 5);
	assert_int_equal(harness_health(s).objects, 1);
}

static void remove_always(int i)
{
	(void)i;
	while (atomic_load(created) == 0) {
		int r = stoa_remove(s, "brief", STOA_DEFAULT);
		assert_true(r == 0 || r == -ENOENT || r == -ESTALE);
	}
}

static void create_tells_when_it_was_removed_at_once(void)
{
	start();
	created = harness_shared(sizeof(*created));
	pid_t remover = harness_spawn(remove_always, 0);
	for (int r = 0; r != -ESTALE;) {
		r = stoa_create(s, "brief", &counter_class, NULL, 0, &p);
		if (r == 0)
			stoa_close(p);
		else
			refused(-ESTALE, r);
	}
	says("brief");
	atomic_store(created, 1);
	harness_join(remover);
}

static void open_and_count(int i)
{
	struct stoa_proxy *late;
	(void)i;
	ok(stoa_open(s, "late", &counter_class, SOON, &late));
	ok(counter_add_call(late, &(struct counter_args){ 1 }, NULL, SOON));
}

static void open_waits_until_it_is_created(void)
{
	start();
	pid_t waiter = harness_spawn(open_and_count, 0);
	until(harness_health(s).verdict == STOA_HEALTHY);
	p = harness_create(s, "late", &counter_class, NULL);
	harness_join(waiter);
}

static void open_is_refused_when_it_never_comes(void)
{
	start();
	int64_t before = clock_now();
	refused(-ENOENT, stoa_open(s, "never", &counter_class, STOA_MS(50), &p));
	assert_true(clock_now() - before >= STOA_MS(50));
	says("no object never in namespace test");
	refused(-ENOENT, stoa_open(s, "never", NULL, STOA_NOWAIT, &p));
}

static void bad_names_are_refused(void)
{
	char long_name[201];
	static const char *const bad[] = { "",	   ".",	      "..", "a/b",  "a.b", "a b",
					   "a\tb", "\033[2J", "-a", "\x7f", "ä",   NULL };
	memset(long_name, 'x', 200);
	long_name[200] = '\0';
	start();
	for (int i = 0; bad[i]; i++) {
		refused(-EINVAL, stoa_create(s, bad[i], &counter_class, NULL, 0, &p));
		refused(-EINVAL, stoa_open(s, bad[i], &counter_class, STOA_NOWAIT, &p));
		refused(-EINVAL, stoa_remove(s, bad[i], STOA_DEFAULT));
	}
	refused(-EINVAL, stoa_create(s, long_name, &counter_class, NULL, 0, &p));
	long_name[64] = '\0';
	refused(-EINVAL, stoa_create(s, long_name, &counter_class, NULL, 0, &p));
	long_name[63] = '\0';
	ok(stoa_create(s, long_name, &counter_class, NULL, 0, &p));
	ok(stoa_create(s, "a:b-c_D0", &counter_class, NULL, 0, &p));
	assert_int_equal(harness_health(s).objects, 2);
}

/* One that needs code: of a class without methods, the rows are enough (test_signals.c). */
static void create_is_refused_when_the_class_is_not_served(void)
{
	static const struct stoa_method up = { .name = "up", .class_name = "thing" }, *const methods[] = { &up, NULL };
	struct stoa_class cls = thing_class;
	cls.methods = methods;
	s = harness_start(NULL);
	refused(-ENOENT, stoa_create(s, "thing", &cls, NULL, 0, &p));
	says("has no class thing");
}

static void object_is_created_from_the_class_as_described(void)
{
	const struct stoa_class *described;
	const struct stoa_method *add;
	struct counter_value v;
	start();
	ok(stoa_find_class(s, "counter", &described));
	refused(-ENOENT, stoa_find_class(s, "nothing", &described));
	ok(stoa_create(s, "hits", described, &(struct counter){ 42 }, 0, &p));
	ok(stoa_find_method(p, "add", &add));
	ok(stoa_call(p, add, &(struct counter_args){ 10 }, &v, STOA_DEFAULT));
	assert_int_equal(v.value, 52);
	assert_string_equal(stoa_class_of(p)->name, "counter");
}

/* ---- list --------------------------------------------------------------------------------------------------- */

static char listed[256];

static int note(void *data, const char *object, const struct stoa_class *cls)
{
	int *left = data;
	size_t n = strlen(listed);
	snprintf(listed + n, sizeof(listed) - n, "%s:%s ", object, cls->name);
	return left && --*left == 0 ? 7 : 0;
}

static void list_names_what_matches_in_order(void)
{
	int left = 2;
	start();
	harness_create(s, "b1", &counter_class, NULL);
	harness_create(s, "a2", &thing_class, NULL);
	harness_create(s, "a1", &counter_class, NULL);
	ok(stoa_list(s, NULL, note, NULL));
	assert_string_equal(listed, "a1:counter a2:thing b1:counter ");
	listed[0] = '\0';
	ok(stoa_list(s, "a*", note, NULL));
	assert_string_equal(listed, "a1:counter a2:thing ");
	listed[0] = '\0';
	ok(stoa_remove(s, "a1", STOA_DEFAULT));
	stoa_list(s, NULL, note, &left);
	assert_string_equal(listed, "a2:thing b1:counter ");
}

/* ---- remove ------------------------------------------------------------------------------------------------- */

static _Atomic int *step;

/* Two processes that have their lanes before the coordinator freezes;
 * the second one's command is behind the first's. */
static void remove_hits(int i)
{
	struct stoa_proxy *again;
	ok(stoa_attach_thread(s));
	atomic_fetch_add(step, 1);
	until(atomic_load(step) == 3);
	if (i == 0) {
		ok(stoa_remove(s, "hits", SOON));
	} else {
		until(harness_health(s).queued == 1);
		ok(stoa_create(s, "hits", &counter_class, NULL, STOA_EXCL, &again));
	}
}

static void command_behind_a_new_creation_does_not_reach_the_new_object(void)
{
	uint64_t rejected;
	int64_t v;
	start();
	step = harness_shared(sizeof(*step));
	p = harness_create(s, "hits", &counter_class, NULL);
	harness_spawn_all(2, remove_hits);
	until(atomic_load(step) == 2);
	harness_freeze(s);
	atomic_store(step, 3);
	until(harness_health(s).queued == 2);
	ok(counter_add_cast(p, &(struct counter_args){ 1 }, STOA_NOWAIT));
	harness_thaw(s);
	harness_join_all();
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 1);
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	assert_int_equal(v, 0);
}

static void command_behind_a_removal_is_rejected_and_later_ones_go_on(void)
{
	uint64_t rejected;
	int64_t v;
	struct stoa_error e;
	start();
	step = harness_shared(sizeof(*step));
	p = harness_create(s, "hits", &counter_class, NULL);
	struct stoa_proxy *other = harness_create(s, "other", &counter_class, NULL);
	pid_t remover = harness_spawn(remove_hits, 0);
	until(atomic_load(step) == 1);
	harness_freeze(s);
	atomic_store(step, 3);
	until(harness_health(s).queued == 1);
	ok(counter_add_cast(p, &(struct counter_args){ 1 }, STOA_NOWAIT));
	ok(counter_add_cast(other, &(struct counter_args){ 1 }, STOA_NOWAIT));
	harness_thaw(s);
	harness_join(remover);
	ok(stoa_sync(s, SOON, &rejected));
	assert_int_equal(rejected, 1);
	assert_int_equal(harness_health(s).rejected, 1);
	ok(STOA_GET(other, struct counter, value, &v, STOA_DEFAULT));
	assert_int_equal(v, 1);
	refused(-ESTALE, counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	stoa_last_error(&e);
	assert_int_equal(e.origin, STOA_FROM_LIBRARY);
	says("hits was removed");
}

static int note_class(void *data, const struct stoa_class *cls, uint64_t fingerprint)
{
	static char last[STOA_NAME_MAX + 1];
	uint64_t *seen = data; /* of counter, of thing */
	assert_true(strcmp(last, cls->name) < 0);
	strcpy(last, cls->name);
	seen[0] = strcmp(cls->name, "counter") == 0 ? fingerprint : seen[0];
	seen[1] = strcmp(cls->name, "thing") == 0 ? fingerprint : seen[1];
	return seen[1] != 0;
}

static void classes_are_listed_by_name_with_fingerprints(void)
{
	uint64_t seen[2] = { 0 };
	start();
	ok(stoa_classes(s, note_class, seen));
	assert_int_equal(seen[0], class_fingerprint(&counter_class));
	assert_int_equal(seen[1], class_fingerprint(&thing_class));
	assert_int_not_equal(seen[0], seen[1]);
}

static void proxy_is_refused_when_its_object_is_gone(void)
{
	int64_t v;
	struct counter c;
	start();
	p = harness_create(s, "hits", &counter_class, NULL);
	ok(stoa_remove(s, "hits", STOA_DEFAULT));
	refused(-ENOENT, stoa_remove(s, "hits", STOA_DEFAULT));
	refused(-ESTALE, counter_add_cast(p, &(struct counter_args){ 1 }, STOA_DEFAULT));
	refused(-ESTALE, counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	refused(-ESTALE, STOA_ASSIGN(p, struct counter, value, &v, STOA_DEFAULT));
	refused(-ESTALE, STOA_GET(p, struct counter, value, &v, STOA_DEFAULT));
	refused(-ESTALE, stoa_peek(p, 0, &v, sizeof(v), NULL));
	refused(-ESTALE, stoa_snapshot(p, &c, sizeof(c), STOA_DEFAULT, NULL));
	refused(-ESTALE, stoa_wait(p, STOA_ALL, UINT64_MAX - 1, STOA_DEFAULT, NULL));
	refused(-ENOENT, stoa_open(s, "hits", NULL, STOA_NOWAIT, &p));
}

static void proxy_is_refused_when_its_object_was_made_anew(void)
{
	int64_t v;
	struct counter c;
	start();
	struct stoa_proxy *old = harness_create(s, "hits", &counter_class, &(struct counter){ 1 });
	ok(stoa_remove(s, "hits", STOA_DEFAULT));
	p = harness_create(s, "hits", &counter_class, &(struct counter){ 2 });
	refused(-ESTALE, counter_add_cast(old, &(struct counter_args){ 1 }, STOA_DEFAULT));
	refused(-ESTALE, counter_add_call(old, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT));
	refused(-ESTALE, STOA_GET(old, struct counter, value, &v, STOA_DEFAULT));
	refused(-ESTALE, stoa_snapshot(old, &c, sizeof(c), STOA_DEFAULT, NULL));
	ok(STOA_GET(p, struct counter, value, &v, STOA_DEFAULT));
	assert_int_equal(v, 2);
}

static void objects_come_and_go_without_end(void)
{
	struct thing now = { 0 };
	const char text[] = "some text that is the object's own";
	start();
	for (int i = 0; i < 500; i++) {
		struct stoa_text t = { (char *)text, (size_t)i % sizeof(text) };
		char copy[sizeof(text)];
		memcpy(copy, text, sizeof(text));
		copy[t.size] = '\0';
		t.data = copy;
		p = harness_create(s, i % 3 ? "thing" : "other", &thing_class, &(struct thing){ i, t });
		ok(stoa_snapshot(p, &now, sizeof(now), STOA_DEFAULT, NULL));
		assert_int_equal(now.n, i);
		assert_int_equal(now.text.size, t.size);
		ok(stoa_remove(s, i % 3 ? "thing" : "other", STOA_DEFAULT));
		stoa_close(p);
	}
	stoa_text_fini(&now.text);
	assert_int_equal(harness_health(s).objects, 0);
}

static void come_and_go(int i)
{
	struct stoa_proxy *mine;
	char name[16];
	snprintf(name, sizeof(name), "object-%d", i % 2);
	for (int n = 0; n < 200; n++) {
		struct counter_value v;
		int r = stoa_create(s, name, &counter_class, NULL, 0, &mine);
		if (r < 0) {
			refused(-ESTALE, r); /* removed before we could open it */
			continue;
		}
		r = counter_add_call(mine, &(struct counter_args){ 1 }, &v, STOA_DEFAULT);
		assert_true(r == 0 || r == -ESTALE);
		r = stoa_remove(s, name, STOA_DEFAULT);
		assert_true(r == 0 || r == -ENOENT || r == -ESTALE);
		stoa_close(mine);
	}
}

static void objects_come_and_go_under_each_other(void)
{
	start();
	harness_spawn_all(4, come_and_go);
	harness_join_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(bad_names_are_refused),
		HARNESS(classes_are_listed_by_name_with_fingerprints),
		HARNESS(command_behind_a_new_creation_does_not_reach_the_new_object),
		HARNESS(command_behind_a_removal_is_rejected_and_later_ones_go_on),
		HARNESS(create_is_refused_when_the_class_is_not_served),
		HARNESS(create_opens_what_is_there),
		HARNESS(create_tells_when_it_was_removed_at_once),
		HARNESS(list_names_what_matches_in_order),
		HARNESS(object_is_created_from_the_class_as_described),
		HARNESS(objects_come_and_go_under_each_other),
		HARNESS(objects_come_and_go_without_end),
		HARNESS(one_object_is_made_when_eight_create_it_at_once),
		HARNESS(open_is_refused_when_it_never_comes),
		HARNESS(open_waits_until_it_is_created),
		HARNESS(proxy_is_refused_when_its_object_is_gone),
		HARNESS(proxy_is_refused_when_its_object_was_made_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
