/*
 * fuzz_state.c: a state that was damaged, and a coordinator that begins on it. Input: changes to the state and the
 * ingress of a namespace with several classes, one of which has changed since, objects, text, blobs and hooks.
 *
 * The coordinator fails with an error, or serves: it creates, calls, assigns and removes, and what must hold holds.
 */
#include <errno.h>
#include <string.h>

#include "coordinator/classes.h"
#include "coordinator/objects.h"
#include "src/ring.h"
#include "tests/fuzz/world.h"

#define CHANGES_MAX 16
#define BLOCKS_MAX 128

static uint64_t blocks[BLOCKS_MAX]; /* offsets of their bytes */
static uint32_t n_blocks;
static uint64_t used; /* bytes of the state */

static void begin(void)
{
	world_begin(world_new_classes);
	const struct state_head *state = world_ns.space.state;
	used = atomic_load(&state->heap_end);
	for (uint64_t at = world_ns.space.geometry.heap_at; at < used && n_blocks < BLOCKS_MAX;) {
		const struct block *b = space_state(&world_ns.space, at);
		blocks[n_blocks++] = b->self;
		at += sizeof(*b) + b->capacity;
	}
}

/* ---- damage ---- */

/* Where a change goes: a table of the state, a block or its head, the ingress, or anywhere. */
static char *place(struct input *in, uint8_t where)
{
	const struct geometry *g = &world_ns.space.geometry;
	char *state = (char *)world_ns.space.state, *ingress = (char *)world_ns.space.ingress;
	uint64_t at = input_u16(in), block = blocks[at >> 8 < n_blocks ? at >> 8 : 0];
	switch (where % 8) {
	case 0:
		return state + at % LAYOUT_PAGE;
	case 1:
		return state + g->lanes_at + at % (4 * sizeof(struct lane_row));
	case 2:
		return state + g->classes_at + at % (8 * sizeof(struct class_entry));
	case 3:
		return state + g->objects_at + at % (8 * sizeof(struct object_entry));
	case 4:
		return state + block - sizeof(struct block) + (at & 0xff) % sizeof(struct block);
	case 5:
		return state + block + (at & 0xff);
	case 6:
		return ingress + (at & 0x8000 ? RING_AT + at % (16 * sizeof(uint64_t)) : at % LAYOUT_PAGE);
	default:
		return state + g->heap_at + input_u32(in) % (used - g->heap_at);
	}
}

static void change(struct input *in)
{
	uint8_t how = input_u8(in);
	char *at = place(in, how);
	uint64_t old;
	uint32_t n;
	memcpy(&old, at, sizeof(old));
	switch (how >> 3 & 7) {
	case 0:
		*at = (char)input_u8(in);
		return;
	case 1:
		n = input_u32(in);
		memcpy(at, &n, sizeof(n));
		return;
	case 2:
		old = input_u64(in);
		break;
	case 3: /* an offset that is good for something */
		old = blocks[input_u8(in) % n_blocks] + (uint64_t)(how >> 6) * 64;
		break;
	case 4:
		old += (uint64_t)(int8_t)input_u8(in);
		break;
	case 5: /* a head of a block that is none */
		old = (uint64_t)(at - (char *)world_ns.space.state) + sizeof(struct block);
		break;
	case 6:
		memset(at, (int8_t)input_u8(in), 64);
		return;
	default:
		memmove(at, space_state(&world_ns.space, blocks[input_u8(in) % n_blocks]), 64);
		return;
	}
	memcpy(at, &old, sizeof(old));
}

/* ---- service ---- */

static uint32_t next_unit;

static void send(const struct record *r, const void *args)
{
	uint64_t ticket;
	world_send(next_unit, r, args, &ticket); /* a full or closed ring is one of the things that are found */
	next_unit += 8;
	world_turns();
}

static void create(const char *name, const char *cls)
{
	struct create_args a = { 0 };
	strcpy(a.object, name);
	strcpy(a.class_name, cls);
	struct record r = world_record(RECORD_CREATE, NULL, 0, sizeof(a), 64);
	send(&r, &a);
}

static void call(const struct object *o, const void *args)
{
	unsigned char bytes[512];
	const struct image_layout *layout = o->cls->methods[0].args;
	size_t n = image_pack(layout, args, bytes);
	struct record r = world_record(RECORD_CALL, o, 0, n, 128);
	send(&r, bytes);
}

static void assign_all(const struct object *o)
{
	unsigned char bytes[512];
	/* A successor loads an object at its first command, and may have found it damaged then. */
	if (!o->mirror || o->quarantined || image_size(o->cls->writable, o->mirror) > sizeof(bytes))
		return;
	struct record r = world_record(RECORD_ASSIGN_ALL, o, 0, image_pack(o->cls->writable, o->mirror, bytes), 64);
	send(&r, bytes);
}

struct text_args {
	uint64_t n;
	stoa_text text;
};

static void use_all(void)
{
	char text[] = "some text";
	struct text_args args = { 0, { text, sizeof(text) - 1 } };
	for (uint32_t i = 0; i < world->room_objects; i++) {
		const struct object *o = world->objects[i];
		if (!o || !o->cls || o->quarantined)
			continue;
		if (strcmp(o->cls->code->name, "counter") == 0)
			call(o, &(int64_t){ 1 });
		else
			call(o, &args);
		assign_all(o);
	}
}

static void serve(void)
{
	next_unit = LANE_ARENA / LANE_UNIT;
	ring_mend(&world_ns.space, world->head, true);
	world_check();
	use_all();
	create("new", "thing");
	create("newer", "pile");
	world_check();
	for (uint32_t i = 0; i < 2; i++)
		if (world->objects[i]) {
			struct record r = world_record(RECORD_REMOVE, world->objects[i], 0, 0, 64);
			send(&r, NULL);
		}
	create("newest", "thing");
	use_all();
	world_check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	if (!n_blocks)
		begin();
	world_restore();
	for (int i = 0; in.left && i < CHANGES_MAX; i++)
		change(&in);
	if (world_recover() == 0)
		serve();
	return 0;
}
