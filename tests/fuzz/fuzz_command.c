/*
 * fuzz_command.c: commands as a hostile client can write them. Input: records with their arguments, each right or wrong
 * in any field, then bytes put anywhere into the lane, and words put into the ring; then turns.
 *
 * Each word is one command: applied, rejected or abandoned, and counted once; what must hold holds after each turn.
 */
#include <string.h>

#include "coordinator/classes.h"
#include "coordinator/commit.h"
#include "coordinator/objects.h"
#include "src/class.h"
#include "src/ring.h"
#include "tests/fuzz/world.h"

#define COMMANDS_MAX 8

static uint32_t next_unit;
static uint64_t next_seq;
static uint8_t bytes[2048];

/* ---- records ---- */

/* Arguments: an image's body behind the head that its object's row wants, or bytes as they are. */
static size_t arguments(struct input *in, const struct record *r, const struct object *o, bool headless, uint8_t *to)
{
	const struct image_layout *l = NULL;
	size_t n = input_u8(in);
	if (o && o->cls && headless) {
		const struct server_method *m =
			r->kind == RECORD_CALL ? classes_method(world, o->cls, r->class_id, r->row) : NULL;
		int32_t attr = r->kind == RECORD_ASSIGN ? classes_attr(world, o->cls, r->class_id, r->row) : -1;
		l = m ? m->args : attr >= 0 ? classes_attr_image(o->cls, (uint32_t)attr) : o->cls->writable;
	}
	if (!l) {
		input_bytes(in, to, n);
		return n;
	}
	if (l->head_size + n > 1024)
		n = 0;
	memcpy(to, l->head, l->head_size);
	input_bytes(in, to + l->head_size, n);
	n += l->head_size;
	memcpy(to + 4, &(uint32_t){ (uint32_t)n }, 4);
	return n;
}

static size_t create_arguments(struct input *in, uint8_t *to)
{
	static const char *const names[] = { "one", "fresh", "other", "bad/name", "", "-x", "heap", "hits" };
	static const char *const classes[] = { "thing", "pile", "counter", "car" };
	uint8_t how = input_u8(in);
	struct create_args a = { .excl = how & 1, .from = how >> 1 & 3 };
	strcpy(a.object, names[how >> 2 & 7]);
	strcpy(a.class_name, classes[how >> 5 & 3]);
	memcpy(to, &a, sizeof(a));
	struct server_class *cls = classes_find(world, a.class_name);
	if (cls && classes_make(world, cls) < 0)
		cls = NULL;
	size_t n = input_u8(in), head = cls && how & 0x80 ? cls->init->head_size : 0;
	if (head)
		memcpy(to + sizeof(a), cls->init->head, head);
	input_bytes(in, to + sizeof(a) + head, n);
	n += head;
	if (head)
		memcpy(to + sizeof(a) + 4, &(uint32_t){ (uint32_t)n }, 4);
	return sizeof(a) + n;
}

/* A description of signals with some bytes as the input has them, or nothing but those. */
static size_t declare_arguments(struct input *in, uint8_t *to)
{
	static const char *const rows[] = { "x:f64 unit=m", "n:i8[3]", "t:text[4]" };
	static void *image;
	static size_t size;
	const struct stoa_class *cls;
	if (!image)
		fuzz_check(stoa_signals("car", rows, 3, &cls) == 0 && class_pack(cls, &image, &size) == 0 &&
				   size < sizeof(bytes) / 2,
			   "no description");
	uint8_t how = input_u8(in);
	memcpy(to, image, size);
	for (int i = 0; i < how % 8; i++)
		to[input_u16(in) % size] = input_u8(in);
	if (!(how & 8))
		return size;
	size_t n = input_u8(in);
	input_bytes(in, to, n);
	return n;
}

/* A record that is right but where the bits of `wrong` say that a field comes from the input. */
static struct record head(struct input *in, uint16_t kind, const struct object **ret_object)
{
	uint8_t wrong = input_u8(in), which = input_u8(in);
	const struct object *o = which % 8 < world->room_objects ? world->objects[which % 8] : NULL;
	struct record r = world_record(kind, o, which >> 3 & 7, 0, 0);
	r.seq = next_seq;
	if (wrong & 1)
		r.seq = input_u64(in);
	if (wrong & 2)
		r.origin = input_u64(in);
	if (wrong & 4)
		r.object = input_u32(in);
	if (wrong & 8)
		r.class_id = input_u8(in);
	if (wrong & 16)
		r.row = input_u32(in);
	if (wrong & 32)
		r.cancel = input_u32(in);
	if (wrong & 64)
		r.kind = input_u16(in);
	*ret_object = o;
	return r;
}

static void reply(struct input *in, struct record *r, uint32_t at)
{
	uint8_t how = input_u8(in);
	r->reply_at = (at + 7) & ~7u;
	r->reply_size = how == 0xff ? input_u32(in) : how * 4u;
	if (how & 1 && how < 0xf0)
		r->reply_at = input_u32(in);
}

static size_t many(struct input *in, struct record *main, uint8_t *to)
{
	size_t at = 0, n = input_u8(in) % 5;
	const struct object *o;
	uint32_t replies[4] = { 0 };
	for (size_t i = 0; i < n; i++) {
		struct record *r = (struct record *)(to + at);
		uint8_t how = input_u8(in);
		struct record inner = head(in, how & 3 ? how & 3 : RECORD_CALL, &o);
		inner.args_size = (uint32_t)arguments(in, &inner, o, !(how & 4), to + at + sizeof(inner));
		uint32_t there = inner.args_size;
		if (how & 8) { /* says that it is longer, and its image says the same */
			inner.args_size += input_u16(in);
			memcpy(to + at + sizeof(inner) + 4, &inner.args_size, 4);
		}
		if (i < 4)
			replies[i] = (uint32_t)at;
		memcpy(r, &inner, sizeof(inner));
		at = (at + sizeof(inner) + there + 7) & ~(size_t)7;
		if (at > sizeof(bytes) - 1400)
			n = i + 1;
	}
	main->row = (uint32_t)n;
	main->reply_at = (uint32_t)(sizeof(*main) + at);
	main->reply_size = 1024;
	for (size_t i = 0; i < n && i < 4; i++) { /* inside of the answer, or somewhere */
		struct record *r = (struct record *)(to + replies[i]);
		uint8_t how = input_u8(in);
		r->reply_at = how & 1 ? input_u32(in) : main->reply_at + 64 + (uint32_t)i * 240;
		r->reply_size = how & 2 ? input_u32(in) : how & 4 ? 0 : 240;
	}
	return at;
}

static void command(struct input *in)
{
	static const uint16_t kinds[] = { RECORD_CALL,	 RECORD_ASSIGN, RECORD_ASSIGN_ALL, RECORD_CREATE,
					  RECORD_REMOVE, RECORD_MANY,	RECORD_DECLARE,	   0 };
	uint8_t how = input_u8(in);
	const struct object *o;
	struct record r = head(in, (how & 15) == 15 ? RECORD_STAGE : kinds[how & 7], &o);
	size_t n = r.kind == RECORD_MANY      ? many(in, &r, bytes)
		   : r.kind == RECORD_CREATE  ? create_arguments(in, bytes)
		   : r.kind == RECORD_DECLARE ? declare_arguments(in, bytes)
					      : arguments(in, &r, o, !(how & 8), bytes);
	r.args_size = (uint32_t)n;
	if (r.kind != RECORD_MANY || how & 16)
		reply(in, &r, (uint32_t)(sizeof(r) + n));
	uint32_t units = next_unit;
	uint64_t ticket;
	memcpy(world_lane() + (uint64_t)units * LANE_UNIT + sizeof(r), bytes, n);
	next_unit += (uint32_t)((sizeof(r) + n + 1024) / LANE_UNIT) + 1;
	if (how & 32)
		r.args_size = input_u32(in);
	memcpy(world_lane() + (uint64_t)units * LANE_UNIT, &r, sizeof(r));
	if (how & 64)
		units = input_u32(in) & 0x7ffff;
	if (ring_publish(&world_ns.space, how & 128 ? input_u16(in) & 0x1fff : 0, units, NULL, NULL, &(uint64_t){ 0 }, &ticket) == 0)
		next_seq++;
}

/* ---- the rest of what a client can write ---- */

static void scribble(struct input *in)
{
	uint8_t how = input_u8(in);
	uint32_t at = input_u16(in) % (4 * LAYOUT_PAGE);
	uint64_t value = input_u64(in);
	if (how & 1)
		memcpy(world_lane() + LANE_ARENA + at, &value, 1u << (how >> 1 & 3));
	else
		memcpy((char *)world_ns.space.ingress + at % (world_ns.space.geometry.ingress - 8), &value, 8);
}

static uint64_t counted(void)
{
	return world->totals.applied + world->totals.rejected + world->totals.abandoned;
}

static void turns(void)
{
	for (uint32_t i = 0; i < 4 * world_ns.space.geometry.queue; i++) {
		uint64_t head = world->head, before = counted();
		uint32_t n = commit_turn(world);
		fuzz_check(world->head == head + n, "%u commands moved the head by %ju", n,
			   (uintmax_t)(world->head - head));
		fuzz_check(counted() - before == n, "%u commands are %ju in the counts", n,
			   (uintmax_t)(counted() - before));
		world_check();
		if (n == 0 && !ring_mend(&world_ns.space, world->head, true))
			return;
	}
	fuzz_fail("the queue is never empty");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	struct input in = { data, size };
	if (!begun)
		world_begin(world_classes);
	begun = true;
	world_restore();
	fuzz_check(world_recover() == 0, "recovery failed");
	uint8_t how = input_u8(&in);
	world->stopping = how & 0x80 ? STOA_NOW : -1;
	next_unit = LANE_ARENA / LANE_UNIT;
	next_seq = world->lanes[0].seq;
	for (int i = 0; i <= how % COMMANDS_MAX; i++)
		command(&in);
	for (int i = 0; i < (how >> 3 & 3); i++)
		scribble(&in);
	turns();
	return 0;
}
