/*
 * test_heirs.c: what a coordinator leaves to the next must be what was committed: parts that a refused command packed,
 * the blocks of class descriptions, and the one process that a method forked from.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

struct box {
	uint32_t n;
	stoa_text text;
	char *heap; /* packed by the hooks */
};
struct put {
	char letter[2];
	uint32_t part;
};
struct seen {
	char letter[2];
};
STOA_STRUCT(box, STOA_ATTR(struct box, n), STOA_ATTR(struct box, text, .writable = true));
STOA_STRUCT(put, STOA_ATTR(struct put, letter), STOA_ATTR(struct put, part));
STOA_STRUCT(seen, STOA_ATTR(struct seen, letter));
STOA_STUB(box, put, struct put, struct seen);
STOA_STUB(box, fork, stoa_none, stoa_none);

static int box_init(void *self, const void *args)
{
	struct box *box = self;
	(void)args;
	box->heap = strdup("A");
	return box->heap ? 0 : -ENOMEM;
}

static void box_fini(void *self)
{
	free(((struct box *)self)->heap);
}

static int box_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	(void)part;
	return stoa_blob_set(ret, ((const struct box *)self)->heap, 2);
}

static int box_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	struct box *box = self;
	(void)part;
	box->heap = calloc(1, size + 1);
	if (!box->heap)
		return -ENOMEM;
	memcpy(box->heap, data, size);
	return 0;
}

static const struct stoa_hooks hooks = {
	.init = box_init, .fini = box_fini, .parts = 1, .pack = box_pack, .unpack = box_unpack
};

/* Answers what was there; a letter "" changes nothing. A part that is not there is refused after part 0 was packed. */
static int box_put(struct box *self, const struct put *args, struct seen *ret)
{
	ret->letter[0] = self->heap[0];
	if (args->letter[0]) {
		self->heap[0] = args->letter[0];
		stoa_touch(0);
		if (args->part)
			stoa_touch(args->part);
	}
	return 0;
}

static int box_fork(struct box *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->n++;
	return fork() < 0 ? -errno : 0; /* and the child returns, too */
}
STOA_METHOD(box, put, put, seen, .writes = "");
STOA_METHOD(box, fork, stoa_none, stoa_none, .writes = "n");
STOA_CLASS_HOOKS(box, 1, &hooks, &box_put_row, &box_fork_row);

static struct stoa *s;
static struct stoa_proxy *p;

static void start(void)
{
	s = harness_start(STOA_CLASSES(&box_class));
	p = harness_create(s, "box", &box_class, NULL);
}

static void refused_command_leaves_no_part_to_the_next_coordinator(void)
{
	struct seen seen;
	start();
	refused(-EINVAL, box_put_call(p, &(struct put){ "B", 99 }, &seen, SOON));
	harness_kill_coordinator(s);
	ok(box_put_call(p, &(struct put){ "", 0 }, &seen, SOON));
	assert_int_equal(seen.letter[0], 'A');
}

static void descriptions_stay_when_cells_of_every_size_were_made(void)
{
	struct seen seen;
	start();
	char *bytes = calloc(1, 16384);
	memset(bytes, 'x', 16383);
	for (size_t n = 16; n < 16384; n += n / 8) {
		stoa_text text = { bytes + 16383 - n, n };
		ok(STOA_ASSIGN(p, struct box, text, &text, SOON));
		ok(stoa_sync(s, SOON, NULL));
	}
	free(bytes);
	harness_kill_coordinator(s);
	ok(box_put_call(p, &(struct put){ "", 0 }, &seen, SOON));
}

static void child_that_a_method_forked_is_no_coordinator(void)
{
	uint32_t n = 0;
	start();
	for (int i = 0; i < 20; i++)
		ok(box_fork_call(p, NULL, NULL, SOON));
	ok(STOA_GET(p, struct box, n, &n, SOON));
	assert_int_equal(n, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(child_that_a_method_forked_is_no_coordinator),
		HARNESS(descriptions_stay_when_cells_of_every_size_were_made),
		HARNESS(refused_command_leaves_no_part_to_the_next_coordinator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
