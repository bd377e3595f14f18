/*
 * fuzz_class.c: classes from elsewhere: descriptions as a state has them, and tables as a module has them. Input: which
 * of the two; then the bytes of a description (its length put right or not), or what a table is to be made of.
 *
 * What is accepted is used as the coordinator and a client use it: cut into parts, told as texts, described and read
 * back to the same description. What is refused has a reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/class.h"
#include "src/part.h"
#include "tests/fuzz/fuzz.h"

#define BIG (1u << 20) /* larger ones are right as well, and slow */

/* ---- what is accepted ---- */

static void use_texts(const struct stoa_class *cls)
{
	for (uint32_t i = 0; i < cls->state->n_attrs; i++) {
		char *text = class_attr_text(&cls->state->attrs[i]);
		fuzz_check(text && text[0], "an attribute has no text");
		fuzz_check(class_find_attr(cls->state, cls->state->attrs[i].name) == (int)i,
			   "an attribute is not found");
		free(text);
	}
	for (uint32_t i = 0; i < class_n_methods(cls); i++) {
		const char *bad;
		uint32_t *select, n;
		char *text = class_method_text(cls, cls->methods[i]);
		fuzz_check(text && text[0], "a method has no text");
		fuzz_check(class_select(cls->state, cls->methods[i]->writes, &select, &n, &bad) == 0,
			   "writes is refused");
		free(select);
		free(text);
	}
}

static bool is_big(const struct stoa_class *cls)
{
	uint64_t n = cls->state->size;
	for (uint32_t i = 0; i < class_n_methods(cls); i++) {
		n += cls->methods[i]->args ? cls->methods[i]->args->size : 0;
		n += cls->methods[i]->ret ? cls->methods[i]->ret->size : 0;
	}
	return n > BIG;
}

/* Bytes of one part in a struct of exactly its size, and back: each attribute keeps what it was given. */
static void use_part(const struct stoa_struct *s, const struct image_layout *l)
{
	unsigned char *from = calloc(1, s->size), *to = calloc(1, s->size);
	for (uint32_t i = 0; i < l->n_fields; i++)
		if (!image_is_variable(l->fields[i].kind))
			memset(from + l->fields[i].offset, (int)i % 200 + 1, l->fields[i].size);
	unsigned char *image = malloc(image_size(l, from));
	image_pack(l, from, image);
	fuzz_check(image_unpack(l, image, to) == 0, "no memory");
	for (uint32_t i = 0; i < l->n_fields; i++)
		for (uint32_t at = 0; at < l->fields[i].size && !image_is_variable(l->fields[i].kind); at++)
			fuzz_check(to[l->fields[i].offset + at] == i % 200 + 1, "field %u lies in another", i);
	image_fini(l, to);
	free(image);
	free(from);
	free(to);
}

static void use_parts(const struct stoa_class *cls)
{
	struct class_plan *plan;
	int r = part_plan_new(cls, &plan);
	fuzz_check(r == 0 || r == -ENOMEM, "part_plan_new returned %d", r);
	if (r < 0)
		return;
	for (uint32_t i = 0; i < plan->n_attrs; i++)
		fuzz_check(plan->part_of[i] < plan->n_attr_parts && plan->n_attr_parts <= plan->n_parts,
			   "attribute %u has no part", i);
	for (uint32_t k = 0; k < plan->n_attr_parts; k++)
		use_part(cls->state, plan->parts[k].image);
	part_plan_free(plan);
}

static void use(const struct stoa_class *cls)
{
	void *image, *again;
	size_t size, size_again;
	struct stoa_class *read;
	use_texts(cls);
	if (is_big(cls))
		return;
	use_parts(cls);
	fuzz_check(class_pack(cls, &image, &size) == 0, "no memory");
	fuzz_check(class_unpack(image, size, &read) == 0, "its own description is refused");
	fuzz_check(class_pack(read, &again, &size_again) == 0, "no memory");
	fuzz_check(size == size_again && memcmp(image, again, size) == 0, "described again it is another");
	class_free(read);
	free(image);
	free(again);
}

/* ---- descriptions ---- */

static void description(struct input *in, bool mend)
{
	struct stoa_class *cls;
	size_t n;
	uint8_t *image = input_rest(in, &n);
	if (mend && n >= 8)
		memcpy(image + 4, &(uint32_t){ (uint32_t)n }, 4);
	int r = class_unpack(image, n, &cls);
	fuzz_check(r == 0 || r == -EBADMSG || r == -ENOMEM, "class_unpack returned %d", r);
	if (r == 0) {
		use(cls);
		class_free(cls);
	}
	free(image);
}

/* ---- tables ---- */

#define ATTRS_MAX 6
#define METHODS_MAX 3
#define TEXTS_MAX 64

static char texts[TEXTS_MAX][80];
static unsigned n_texts;

static const char *text(struct input *in)
{
	static const char *const likely[] = { NULL, "", "a", "b", "ab", "p.x", "p.y", "p", "*", "a b", "p *", "cls" };
	uint8_t n = input_u8(in);
	if (n < 0xc0 || n_texts == TEXTS_MAX)
		return likely[n % (sizeof(likely) / sizeof(*likely))];
	char *own = texts[n_texts++];
	size_t size = n == 0xff ? STOA_NAME_MAX + 1 : n - 0xc0u;
	input_bytes(in, own, size);
	own[size] = '\0';
	return own;
}

/* Mostly small. */
static uint32_t number(struct input *in)
{
	uint8_t n = input_u8(in);
	return n == 0xff ? input_u32(in) : n == 0xfe ? input_u16(in) : n;
}

static void attribute(struct input *in, struct stoa_attr *a)
{
	static const uint8_t sizes[] = { 1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1, 1, 16, 16 };
	uint8_t how = input_u8(in);
	*a = (struct stoa_attr){ .name = text(in), .unit = text(in), .doc = text(in), .kind = how & 0xf };
	a->rank = input_u8(in) % (STOA_RANK_MAX + 2);
	a->size = a->kind < sizeof(sizes) ? sizes[a->kind] : 1;
	for (unsigned i = 0; i < STOA_RANK_MAX; i++) {
		a->dims[i] = number(in);
		a->size *= i < a->rank ? a->dims[i] : 1;
	}
	a->offset = number(in);
	a->writable = how & 0x10;
	if (how & 0x20)
		a->size = number(in);
	if (how & 0x40)
		a->kind = input_u8(in);
}

static const struct stoa_struct *structure(struct input *in, struct stoa_struct *s, struct stoa_attr *attrs)
{
	uint8_t how = input_u8(in);
	*s = (struct stoa_struct){ .name = text(in), .size = number(in), .align = 1u << (how & 7), .attrs = attrs };
	s->n_attrs = number(in) % (ATTRS_MAX + 1);
	for (uint32_t i = 0; i < s->n_attrs; i++)
		attribute(in, &attrs[i]);
	if (how & 0x10)
		s->align = number(in);
	if (how & 0x20)
		s->attrs = NULL;
	return how & 0x40 ? NULL : s;
}

struct table {
	struct stoa_class cls;
	struct stoa_struct state, init, args[METHODS_MAX], ret[METHODS_MAX];
	struct stoa_attr attrs[2 + 2 * METHODS_MAX][ATTRS_MAX];
	struct stoa_method methods[METHODS_MAX];
	const struct stoa_method *rows[METHODS_MAX + 1];
	uint32_t indexes[METHODS_MAX];
	struct stoa_hooks hooks;
};

static int run(void *self, const void *args, void *ret)
{
	return self && args && ret ? 0 : -EINVAL;
}
static int init(void *self, const void *args)
{
	return self && args ? 0 : -EINVAL;
}
static int pack(const void *self, uint32_t part, stoa_blob *ret)
{
	return self ? stoa_blob_set(ret, &part, 4) : 0;
}
static int unpack(void *self, uint32_t part, const void *data, size_t size)
{
	return self && data && size ? -(int)part : 0;
}

static void method(struct input *in, struct table *t, uint32_t i)
{
	uint8_t how = input_u8(in);
	struct stoa_method *m = &t->methods[i];
	*m = (struct stoa_method){ .name = text(in), .class_name = text(in), .run = run, .writes = text(in) };
	m->reads = text(in);
	m->doc = text(in);
	m->args = structure(in, &t->args[i], t->attrs[2 + 2 * i]);
	m->ret = structure(in, &t->ret[i], t->attrs[3 + 2 * i]);
	m->ret_max = number(in);
	m->reader = how & 1;
	m->index = how & 2 ? NULL : &t->indexes[i];
	m->deadline = how & 4 ? (int64_t)input_u64(in) : 0;
	if (!(how & 8))
		m->class_name = t->cls.name;
	t->rows[i] = m;
}

static void hooks(struct input *in, struct table *t)
{
	uint8_t how = input_u8(in);
	t->hooks = (struct stoa_hooks){ .parts = number(in) };
	t->hooks.init_args = structure(in, &t->init, t->attrs[1]);
	t->hooks.init = how & 1 ? init : NULL;
	t->hooks.pack = how & 2 ? pack : NULL;
	t->hooks.unpack = how & 4 ? unpack : NULL;
	t->cls.hooks = &t->hooks;
}

static void table(struct input *in)
{
	struct table t = { 0 };
	char why[STOA_ERROR_MAX] = "";
	uint8_t how = input_u8(in);
	n_texts = 0;
	t.cls = (struct stoa_class){
		.name = text(in), .abi = input_u8(in) % 3, .version = number(in), .doc = text(in)
	};
	t.cls.methods = how & 8 ? NULL : t.rows;
	t.cls.state = structure(in, &t.state, t.attrs[0]);
	for (uint32_t i = 0; i < how % (METHODS_MAX + 1); i++)
		method(in, &t, i);
	if (how & 0x10)
		hooks(in, &t);
	int r = class_check(&t.cls, why);
	fuzz_check(r == 0 || r == -ENOMEM || (r == -EINVAL && why[0] && memchr(why, '\0', sizeof(why))),
		   "class_check returned %d without a reason", r);
	if (r == 0)
		use(&t.cls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	if (how & 1)
		table(&in);
	else
		description(&in, how & 2);
	return 0;
}
