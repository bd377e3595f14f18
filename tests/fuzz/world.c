/*
 * world.c: see world.h.
 */
#include "tests/fuzz/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordinator/classes.h"
#include "coordinator/commit.h"
#include "coordinator/lanes.h"
#include "coordinator/objects.h"
#include "coordinator/options.h"
#include "src/cell.h"
#include "src/ring.h"
#include "src/segment.h"

#define LANE_BYTES (8 * LAYOUT_PAGE) /* of records: more than any input fills */
#define BEHIND (UINT64_C(8) << 30)   /* more than any 32-bit index leads to */

struct coordinator *world;
struct namespace world_ns;
static char *lane; /* number 0, as its client has it */
static char *own_dir;

/* ---- a class with everything ---- */

struct thing {
	uint64_t n, hidden;
	float ratio;
	bool open, flags[3];
	char name[16];
	int16_t m[2][3];
	stoa_text note, notes[2];
	stoa_blob bytes;
	uint8_t big[1100]; /* a part of its own */
};
STOA_STRUCT(thing, STOA_ATTR(struct thing, n), STOA_ATTR(struct thing, hidden),
	    STOA_ATTR(struct thing, ratio, .writable = true), STOA_ATTR(struct thing, open, .writable = true),
	    STOA_ATTR(struct thing, flags), STOA_ATTR(struct thing, name, .writable = true), STOA_ATTR(struct thing, m),
	    STOA_ATTR(struct thing, note, .writable = true), STOA_ATTR(struct thing, notes),
	    STOA_ATTR(struct thing, bytes, .writable = true), STOA_ATTR(struct thing, big));

struct add {
	uint64_t n;
	stoa_text note;
};
STOA_STRUCT(add, STOA_ATTR(struct add, n), STOA_ATTR(struct add, note));
struct sum {
	uint64_t n;
	stoa_text note;
};
STOA_STRUCT(sum, STOA_ATTR(struct sum, n), STOA_ATTR(struct sum, note));

static int thing_add(struct thing *self, const struct add *args, struct sum *ret)
{
	if (args->n == 13)
		return stoa_fail(-EDOM, "13 is refused");
	if (args->n == 14)
		self->hidden++;
	self->n += args->n;
	self->big[args->n % sizeof(self->big)]++;
	ret->n = self->n;
	int r = stoa_text_set_n(&self->note, args->note.data, args->note.size);
	r = r ? r : stoa_text_set_n(&self->notes[args->n % 2], self->note.data, self->note.size / 2);
	return r ? r : stoa_text_set_n(&ret->note, self->note.data, self->note.size);
}
STOA_METHOD(thing, add, add, sum, .writes = "n note notes big", .ret_max = 256);

static int thing_look(const struct thing *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	ret->n = self->n;
	return 0;
}
STOA_READER(thing, look, stoa_none, sum, .reads = "n");
STOA_CLASS(thing, 1, &thing_add_row, &thing_look_row);

/* The same class a version later: one attribute more, one of another type, one gone; a method that differs. */
struct newer {
	uint64_t n, hidden;
	double ratio;
	bool open;
	char name[16];
	stoa_text more, note, notes[2];
	stoa_blob bytes;
	uint8_t big[1100];
};
STOA_STRUCT(newer, STOA_ATTR(struct newer, n), STOA_ATTR(struct newer, hidden),
	    STOA_ATTR(struct newer, ratio, .writable = true), STOA_ATTR(struct newer, open, .writable = true),
	    STOA_ATTR(struct newer, name, .writable = true), STOA_ATTR(struct newer, more),
	    STOA_ATTR(struct newer, note, .writable = true), STOA_ATTR(struct newer, notes),
	    STOA_ATTR(struct newer, bytes, .writable = true), STOA_ATTR(struct newer, big));

static int newer_add(void *self, const void *args, void *ret)
{
	const struct add *a = args;
	struct newer *l = self;
	l->n += a->n;
	((struct sum *)ret)->n = l->n;
	return stoa_text_set_n(&l->note, a->note.data, a->note.size);
}
static const struct stoa_method newer_add_row = { .name = "add",
						  .class_name = "thing",
						  .run = newer_add,
						  .args = &add_struct,
						  .ret = &sum_struct,
						  .writes = "n note" };
static const struct stoa_class newer_class = {
	.name = "thing",
	.abi = STOA_ABI,
	.version = 2,
	.state = &newer_struct,
	.methods = (const struct stoa_method *const[]){ &newer_add_row, NULL },
};

/* ---- a class with hooks ---- */

struct pile {
	uint32_t n;
	stoa_text label;
	stoa_blob heaps[2]; /* no attributes: packed by the hooks */
};
STOA_STRUCT(pile, STOA_ATTR(struct pile, n), STOA_ATTR(struct pile, label, .writable = true));
struct push {
	uint32_t heap;
	stoa_blob bytes;
};
STOA_STRUCT(push, STOA_ATTR(struct push, heap), STOA_ATTR(struct push, bytes));

/* The coordinator does not call fini of what is there when it ends; who makes another one in its process frees it. */
static struct held {
	struct held *next, **at;
	uint8_t bytes[];
} *held;

static void held_free(void *bytes)
{
	struct held *h = bytes ? (struct held *)((char *)bytes - sizeof(*h)) : NULL;
	if (!h)
		return;
	*h->at = h->next;
	if (h->next)
		h->next->at = h->at;
	free(h);
}

static void *held_new(const void *from, size_t n)
{
	struct held *h = malloc(sizeof(*h) + n);
	if (!h)
		return NULL;
	h->next = held;
	h->at = &held;
	if (held)
		held->at = &h->next;
	held = h;
	return memcpy(h->bytes, from, n);
}

static int heap_set(stoa_blob *heap, const void *from, size_t n)
{
	void *data = n ? held_new(from, n) : NULL;
	if (n && !data)
		return -ENOMEM;
	held_free(heap->data);
	*heap = (stoa_blob){ data, n };
	return 0;
}

static int pile_init(void *self, const void *args)
{
	const struct push *p = args;
	((struct pile *)self)->n = p->heap;
	return p->heap == 13 ? -EDOM
			     : heap_set(&((struct pile *)self)->heaps[p->heap % 2], p->bytes.data, p->bytes.size);
}

static void pile_fini(void *self)
{
	for (int i = 0; i < 2; i++)
		held_free(((struct pile *)self)->heaps[i].data);
}

static int pile_pack(const void *self, uint32_t part, stoa_blob *ret)
{
	const stoa_blob *heap = &((const struct pile *)self)->heaps[part];
	return stoa_blob_set(ret, heap->data, heap->size);
}

static int pile_unpack(void *self, uint32_t part, const void *data, size_t size)
{
	if (size && *(const uint8_t *)data == 0xee)
		return -EBADMSG;
	return heap_set(&((struct pile *)self)->heaps[part], data, size);
}

static int pile_push(struct pile *self, const struct push *args, stoa_none *ret)
{
	(void)ret;
	if (args->bytes.size && *(uint8_t *)args->bytes.data == 0xee)
		return stoa_fail(-EDOM, "0xee is refused");
	self->n++;
	stoa_touch(args->heap); /* 2 and above: there is no such part */
	return heap_set(&self->heaps[args->heap % 2], args->bytes.data, args->bytes.size);
}
STOA_METHOD(pile, push, push, stoa_none, .writes = "n");

static const struct stoa_hooks pile_hooks = { .init_args = &push_struct,
					      .init = pile_init,
					      .fini = pile_fini,
					      .parts = 2,
					      .pack = pile_pack,
					      .unpack = pile_unpack };
STOA_CLASS_HOOKS(pile, 1, &pile_hooks, &pile_push_row);

const struct stoa_class *const world_classes[] = { &thing_class, &pile_class, NULL };
const struct stoa_class *const world_new_classes[] = { &newer_class, &pile_class, NULL };

/* ---- commands ---- */

char *world_lane(void)
{
	return lane;
}

bool world_send(uint32_t units, const struct record *r, const void *args, uint64_t *ret_ticket)
{
	char *at = lane + (uint64_t)units * LANE_UNIT;
	memcpy(at, r, sizeof(*r));
	if (r->args_size)
		memcpy(at + sizeof(*r), args, r->args_size);
	return ring_publish(&world_ns.space, 0, units, NULL, NULL, &(uint64_t){ 0 }, ret_ticket) == 0;
}

struct record world_record(uint16_t kind, const struct object *o, uint32_t row, size_t args_size, uint32_t reply_size)
{
	struct record r = { .seq = world->lanes[0].seq, .kind = kind, .row = row, .args_size = (uint32_t)args_size };
	if (o) {
		r.object = o->index;
		r.origin = o->body->origin;
		r.class_id = o->class_id;
	}
	r.reply_at = (uint32_t)(sizeof(r) + args_size + 7) & ~7u;
	r.reply_size = reply_size;
	return r;
}

void world_turns(void)
{
	for (uint32_t i = 0; i < 2 * world_ns.space.geometry.queue; i++)
		if (commit_turn(world) == 0 && !ring_mend(&world_ns.space, world->head, true))
			return;
	fuzz_fail("the queue is never empty");
}

static void apply(const struct record *r, const void *args)
{
	uint64_t ticket, applied = world->totals.applied;
	fuzz_check(world_send(LANE_ARENA / LANE_UNIT, r, args, &ticket), "the ring is full");
	world_turns();
	fuzz_check(world->totals.applied == applied + 1, "refused: %s", world->outcome.text);
}

/* ---- making ---- */

static void create(const char *name, const char *cls, const struct image_layout *layout, const void *init)
{
	unsigned char bytes[4096];
	struct create_args *a = (struct create_args *)bytes;
	*a = (struct create_args){ .from = init ? CREATE_FROM_INIT : CREATE_FROM_ZERO };
	strcpy(a->object, name);
	strcpy(a->class_name, cls);
	size_t n = sizeof(*a) + (init ? image_pack(layout, init, a + 1) : 0);
	struct record r = world_record(RECORD_CREATE, NULL, 0, n, 128);
	apply(&r, bytes);
}

static void call(const char *name, uint32_t row, const void *args)
{
	unsigned char bytes[1024];
	struct object *o = objects_find(world, name);
	const struct image_layout *layout = o->cls->methods[row].args;
	struct record r = world_record(RECORD_CALL, o, row, image_pack(layout, args, bytes), 512);
	apply(&r, bytes);
}

static void fill(void)
{
	static char note[] = "a note", long_note[200];
	struct push first = { 1, { note, sizeof(note) } };
	memset(long_note, 'x', sizeof(long_note) - 1);
	struct server_class *pile = classes_find(world, "pile");
	fuzz_check(classes_make(world, pile) == 0, "no memory");
	const struct image_layout *init = pile->init;
	create("one", "thing", NULL, NULL);
	create("two", "thing", NULL, NULL);
	create("gone", "thing", NULL, NULL);
	create("heap", "pile", init, &first);
	create("hits", "counter", NULL, NULL);
	call("one", 0, &(struct add){ 7, { note, sizeof(note) - 1 } });
	call("two", 0, &(struct add){ 8, { long_note, sizeof(long_note) - 1 } });
	call("one", 0, &(struct add){ 9, { long_note, sizeof(long_note) - 1 } });
	call("heap", 0, &(struct push){ 0, { long_note, sizeof(long_note) } });
	call("hits", 0, &(int64_t){ 5 });
	struct record r = world_record(RECORD_REMOVE, objects_find(world, "gone"), 0, 0, 64);
	apply(&r, NULL);
}

/* What is behind the segment faults; what is written to it stays here, and goes when it is restored. */
static void *copy_of(int fd, uint64_t limit)
{
	char *room = mmap(NULL, limit + BEHIND, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	fuzz_check(room != MAP_FAILED, "no address space");
	void *at = mmap(room, limit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0);
	fuzz_check(at == room, "cannot map a segment");
	return at;
}

static void make_private(void)
{
	struct space *s = &world_ns.space;
	segment_unmap(s->state, s->geometry.state);
	segment_unmap(s->ingress, s->geometry.ingress);
	s->state = copy_of(world_ns.state_fd, s->geometry.state);
	s->ingress = copy_of(world_ns.ingress_fd, s->geometry.ingress);
}

static void end(void)
{
	world_forget();
	munmap(lane, LANE_LIMIT);
	namespace_end(&world_ns);
	namespace_close(&world_ns);
	rmdir(own_dir);
	free(own_dir);
}

static void open_namespace(void)
{
	char dir[256];
	const char *above = getenv("STOA_DIR");
	snprintf(dir, sizeof(dir), "%s/fuzz.XXXXXX", above && above[0] ? above : "/dev/shm");
	fuzz_check(mkdtemp(dir), "cannot make a directory %s", dir);
	own_dir = strdup(dir);
	setenv("STOA_DIR", dir, 1);
	int r = namespace_open(&world_ns, "world", world_classes,
			       STOA_OPTIONS(.flags = STOA_VERIFY, .max_state = 1 << 20, .max_objects = 16,
					    .max_threads = 2, .max_attrs = 512, .max_queue = 16),
			       NULL);
	fuzz_check(r == 0, "cannot make a namespace: %s", stoa_strerror(r));
}

static void open_lane(void)
{
	const struct roster_client me = { .pid = getpid() };
	uint64_t seq;
	int fd = lanes_give(world, 0, &(struct lane_owner){ .is = &me, .name = "" }, &seq);
	fuzz_check(fd >= 0 && (lane = segment_map(fd, LANE_LIMIT, true)), "cannot make a lane");
	fuzz_check(segment_reserve(fd, LANE_ARENA, LANE_BYTES) == 0, "cannot reserve a lane");
	close(fd);
}

void world_begin(const struct stoa_class *const *then)
{
	open_namespace();
	fuzz_check(world_recover() == 0, "a new namespace does not begin");
	open_lane();
	fill();
	world_forget();
	classes_drop(&world_ns);
	fuzz_check(options_take_classes(&world_ns, then) == 0 && classes_describe(&world_ns) == 0,
		   "the classes are refused");
	make_private();
	strcpy(world_ns.copy.name, "nowhere"); /* what is damaged here is no file's */
	fuzz_at_end(end);
}

/* ---- again and again ---- */

void world_restore(void)
{
	const struct space *s = &world_ns.space;
	world_forget();
	madvise(s->state, s->geometry.state, MADV_DONTNEED);
	madvise(s->ingress, s->geometry.ingress, MADV_DONTNEED);
	memset(lane + sizeof(struct segment_head), 0, LAYOUT_PAGE - sizeof(struct segment_head));
	memset(lane + LANE_ARENA, 0, LANE_BYTES);
}

int world_recover(void)
{
	world = calloc(1, sizeof(*world));
	fuzz_check(world, "out of memory");
	world->ns = &world_ns;
	world->space = &world_ns.space;
	coordinator_self = world;
	int r = coordinator_recover(world);
	if (r < 0)
		world_forget();
	else
		commit_wake_all(world);
	return r;
}

void world_forget(void)
{
	if (world)
		coordinator_forget(world);
	free(world);
	world = coordinator_self = NULL;
	while (held)
		held_free(held->bytes);
}

/* ---- what must hold ---- */

static void check_part(const struct object *o, uint32_t k)
{
	const struct part_plan *plan = &o->cls->plan->parts[k];
	const struct part *p = &o->body->parts[k];
	bool of_hooks = k >= o->cls->plan->n_attr_parts;
	stoa_blob packed = { 0 };
	uint64_t tag;
	int cur = cell_current(&p->tags, world->head, &tag);
	if (of_hooks)
		fuzz_check(pile_pack(o->mirror, k - o->cls->plan->n_attr_parts, &packed) == 0, "no memory");
	if (cur < 0 && of_hooks && packed.size == 0) {
		stoa_blob_fini(&packed);
		return; /* nothing was ever in it */
	}
	fuzz_check(cur == o->current[k], "object %s, part %u: cell %d is current, not %u", o->name, k, cur,
		   o->current[k]);
	const void *from = of_hooks ? &packed : o->mirror;
	const struct cell *cell = cell_at(world->space, p, cur);
	size_t size = image_size(plan->image, from);
	void *image = malloc(size);
	image_pack(plan->image, from, image);
	fuzz_check(atomic_load(&cell->size) == size && memcmp(image, (const char *)cell + plan->image_at, size) == 0,
		   "object %s, part %u: the cell is not as the mirror", o->name, k);
	free(image);
	stoa_blob_fini(&packed);
}

static void check_object(const struct object *o)
{
	fuzz_check(!o->queued && !o->n_dirty, "object %s is not settled", o->name);
	for (uint32_t i = 0; i < o->cls->code->state->n_attrs; i++) {
		const struct stoa_attr *a = &o->cls->code->state->attrs[i];
		fuzz_check(memcmp((char *)o->mirror + a->offset, (char *)o->shadow + a->offset, a->size) == 0,
			   "object %s: %s differs from its shadow", o->name, a->name);
	}
	for (uint32_t k = 0; k < o->cls->plan->n_parts; k++)
		check_part(o, k);
}

static void check_size(int fd, uint64_t size, const char *file)
{
	struct stat st;
	fuzz_check(fstat(fd, &st) == 0 && (uint64_t)st.st_size == size, "the %s has %jd bytes", file,
		   (intmax_t)st.st_size);
}

void world_check(void)
{
	const struct totals *t = &world->space->state->totals[world->totals_current];
	fuzz_check(atomic_load(&world->space->state->committed) == world->head, "committed is not where the head is");
	fuzz_check(memcmp(t, &world->totals, sizeof(*t)) == 0 || world->head == 0, "the totals are not committed");
	for (const struct object *o = world->by_name; o; o = o->hh.next)
		if (o->mirror && !o->quarantined)
			check_object(o);
	check_size(world_ns.state_fd, world_ns.space.geometry.state, "state");
	check_size(world_ns.ingress_fd, world_ns.space.geometry.ingress, "ingress");
}
