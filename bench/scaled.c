/*
 * scaled.c: see scaled.h. Classes of so many attributes are made at the start; all have one method, which adds to the
 * attribute that it is told. Of a dict, some of the keys are added to, all over it.
 */
#include "bench/scaled.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/stoa/dict.h"

#define BLOCK_WORDS 128 /* bytes beyond the first few hundred come in blocks of 1 KiB, each a part of its own */
#define CLASSES_MOST 16
#define KEYS_USED 64
#define IDLERS_MOST 512

struct world worlds[WORLDS_MOST];
unsigned n_worlds;

static struct stoa *opened[WORLDS_MOST];
static unsigned n_opened;
static pid_t idlers[IDLERS_MOST];
static unsigned n_idlers;

/* ---- classes ---- */

struct scaled_add {
	uint64_t offset, n;
};
struct scaled_sum {
	uint64_t value;
};
STOA_STRUCT(scaled_add, STOA_ATTR(struct scaled_add, offset), STOA_ATTR(struct scaled_add, n));
STOA_STRUCT(scaled_sum, STOA_ATTR(struct scaled_sum, value));

static int add_to(void *self, const void *args, void *ret)
{
	const struct scaled_add *a = args;
	uint64_t *word = (uint64_t *)((char *)self + a->offset);
	((struct scaled_sum *)ret)->value = *word += a->n;
	return 0;
}

/* A class, and all that it points to; they live as long as the benchmark. */
struct made {
	struct stoa_class cls;
	struct stoa_struct state;
	struct stoa_method add;
	const struct stoa_method *methods[2];
	uint32_t index;
	char name[24];
	struct stoa_attr attrs[];
};

static struct made *made[CLASSES_MOST + 1];
static unsigned n_made;

/* n attributes: scalars first, then blocks of so many words. */
static void fill_attrs(struct made *m, uint32_t n, uint32_t scalars, uint32_t words)
{
	uint32_t offset = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct stoa_attr *a = &m->attrs[i];
		char *name = malloc(8);
		snprintf(name, 8, "a%u", i % 100000);
		*a = (struct stoa_attr){ .name = name, .offset = offset, .kind = STOA_U64, .dims = { 1, 1, 1 } };
		a->size = i < scalars ? 8 : words * 8;
		a->rank = i >= scalars;
		a->dims[0] = a->rank ? words : 1;
		offset += a->size;
	}
	m->state = (struct stoa_struct){
		.name = m->name, .size = offset, .align = 8, .attrs = m->attrs, .n_attrs = n
	};
}

static const struct stoa_class *make_class(uint32_t n, uint32_t scalars, uint32_t words, uint32_t written)
{
	struct made *m = calloc(1, sizeof(*m) + n * sizeof(struct stoa_attr));
	snprintf(m->name, sizeof(m->name), "scaled%u", n_made);
	fill_attrs(m, n, scalars, words);
	m->add = (struct stoa_method){ .name = "add",
				       .class_name = m->name,
				       .run = add_to,
				       .args = &scaled_add_struct,
				       .ret = &scaled_sum_struct,
				       .writes = m->attrs[written].name,
				       .index = &m->index };
	m->methods[0] = &m->add;
	m->cls = (struct stoa_class){
		.name = m->name, .abi = STOA_ABI, .version = 1, .state = &m->state, .methods = m->methods
	};
	made[n_made++] = m;
	return &m->cls;
}

/* An object of so many bytes: one scalar, and blocks. */
static const struct stoa_class *class_of_size(uint32_t bytes)
{
	uint32_t words = bytes / 8;
	if (words <= BLOCK_WORDS)
		return make_class(2, 1, words - 1, 0);
	return make_class(1 + (words - 1) / BLOCK_WORDS, 1, BLOCK_WORDS, 0);
}

/* ---- operations ---- */

static unsigned next(struct world *w)
{
	w->turn = w->turn + 1 < w->namespaces ? w->turn + 1 : 0;
	return w->turn;
}

static int64_t get(void *client)
{
	struct world *w = client;
	uint64_t value;
	int r = stoa_get(w->proxy[next(w)], w->attr, &value, sizeof(value), STOA_DEFAULT, NULL);
	return r < 0 ? stoa_trouble(r) : 0;
}

static const void *next_args(struct world *w)
{
	w->arg = w->arg + 1 < w->n_args ? w->arg + 1 : 0;
	return w->args + w->arg * w->args_size;
}

static int64_t cast(void *client)
{
	struct world *w = client;
	int r = stoa_cast(w->proxy[next(w)], w->add, next_args(w), STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int64_t call(void *client)
{
	struct world *w = client;
	union {
		struct scaled_sum sum;
		struct dict_number number;
	} ret;
	int r = stoa_call(w->proxy[next(w)], w->add, next_args(w), &ret, STOA_DEFAULT);
	return r < 0 ? stoa_trouble(r) : 0;
}

static int sync_casts(void *client)
{
	struct world *w = client;
	int r = 0;
	for (unsigned i = 0; i < w->namespaces && r == 0; i++)
		r = stoa_sync(w->stoa[i], STOA_MS(20000), NULL);
	return r < 0 ? stoa_trouble(r) : 0;
}

const struct op scaled_ops[SCALED_OPS] = {
	[SCALED_R] = { .kind = KIND_R, .name = "get", .run = get },
	[SCALED_W] = { .kind = KIND_W, .name = "cast", .run = cast, .finish = sync_casts },
	[SCALED_C] = { .kind = KIND_C, .name = "call", .run = call },
};

static int open_client(unsigned me, void **ret)
{
	struct world *w = *ret;
	int r = 0;
	(void)me;
	for (unsigned i = 0; i < w->namespaces && r == 0; i++)
		r = stoa_attach_thread(w->stoa[i]);
	return r < 0 ? stoa_trouble(r) : 0;
}

static pid_t find_coordinator(void *data)
{
	struct world *w = data;
	struct stoa_health h;
	return stoa_health(w->stoa[0], &h) == 0 ? h.coordinator : 0;
}

/* ---- worlds ---- */

static struct world *begin_world(const char *dimension, uint32_t n, uint32_t attr, const struct stoa_method *add,
				 size_t args_size, uint32_t n_args)
{
	struct world *w = &worlds[n_worlds++];
	w->dimension = dimension;
	w->n = n;
	w->attr = attr;
	w->add = add;
	w->args = calloc(n_args, args_size);
	w->args_size = args_size;
	w->n_args = n_args;
	w->peer = (struct peer){ .name = dimension, .open = open_client, .server = find_coordinator, .data = w };
	return w;
}

static struct world *add_world(const char *dimension, uint32_t n, const struct stoa_class *cls, uint32_t attr)
{
	struct world *w = begin_world(dimension, n, attr, cls->methods[0], sizeof(struct scaled_add), 1);
	*(struct scaled_add *)w->args = (struct scaled_add){ attr, 1 };
	return w;
}

static int start(const char *name, const struct stoa_class *const *classes, struct stoa **ret)
{
	int r = stoa_start(name, classes, NULL, ret);
	if (r < 0)
		return stoa_trouble(r);
	opened[n_opened++] = *ret;
	return 0;
}

static int enter(struct world *w, struct stoa *s, const char *object, const struct stoa_class *cls)
{
	unsigned i = w->namespaces++;
	w->stoa[i] = s;
	int r = stoa_create(s, object, cls, NULL, 0, &w->proxy[i]);
	return r < 0 ? stoa_trouble(r) : 0;
}

/* Each in one namespace of many objects, of which the last is used. */
static int build_objects(const uint32_t *counts, unsigned n)
{
	const struct stoa_class *cls = class_of_size(64);
	int r = 0;
	for (unsigned i = 0; i < n && r == 0; i++) {
		char name[32];
		struct stoa *s = NULL;
		struct stoa_proxy *unused;
		snprintf(name, sizeof(name), "objects-%u", counts[i]);
		r = start(name, STOA_CLASSES(cls), &s);
		for (uint32_t k = 0; k + 1 < counts[i] && r == 0; k++) {
			snprintf(name, sizeof(name), "object%u", k);
			r = stoa_create(s, name, cls, NULL, 0, &unused);
		}
		r = r ? r : enter(add_world("objects", counts[i], cls, 0), s, "last", cls);
	}
	return r;
}

/* All in one namespace; the last attribute is used. */
static int build_attributes(const uint32_t *counts, unsigned n)
{
	const struct stoa_class *classes[CLASSES_MOST] = { NULL };
	struct stoa *s = NULL;
	for (unsigned i = 0; i < n; i++)
		classes[i] = make_class(counts[i], counts[i], 0, counts[i] - 1);
	int r = start("attributes", classes, &s);
	for (unsigned i = 0; i < n && r == 0; i++)
		r = enter(add_world("attributes", counts[i], classes[i], 8 * (counts[i] - 1)), s, classes[i]->name, classes[i]);
	return r;
}

static int build_bytes(const uint32_t *counts, unsigned n)
{
	const struct stoa_class *classes[CLASSES_MOST] = { NULL };
	struct stoa *s = NULL;
	for (unsigned i = 0; i < n; i++)
		classes[i] = class_of_size(counts[i]);
	int r = start("bytes", classes, &s);
	for (unsigned i = 0; i < n && r == 0; i++)
		r = enter(add_world("bytes", counts[i], classes[i], 0), s, classes[i]->name, classes[i]);
	return r;
}

/* They share the namespaces: the second uses the first's, too. */
static int build_namespaces(const uint32_t *counts, unsigned n)
{
	const struct stoa_class *cls = class_of_size(64);
	struct stoa *all[WORLD_NAMESPACES_MOST];
	int r = 0;
	for (uint32_t k = 0; k < counts[n - 1] && r == 0; k++) {
		char name[32];
		snprintf(name, sizeof(name), "namespace-%u", k);
		r = start(name, STOA_CLASSES(cls), &all[k]);
	}
	for (unsigned i = 0; i < n && r == 0; i++) {
		struct world *w = add_world("namespaces", counts[i], cls, 0);
		for (uint32_t k = 0; k < counts[i] && r == 0; k++)
			r = enter(w, all[k], "object", cls);
	}
	return r;
}

/* A process that attaches, says so, and sleeps. */
static int add_idler(struct stoa *s, const int told[2])
{
	char fine = 0;
	pid_t pid = n_idlers < IDLERS_MOST ? fork() : -1;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fine = stoa_attach_thread(s) == 0;
		if (write(told[1], &fine, 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	if (pid < 0)
		return trouble(-EAGAIN, "cannot fork");
	idlers[n_idlers++] = pid;
	return read(told[0], &fine, 1) == 1 && fine ? 0 : trouble(-EMFILE, "a client cannot attach");
}

static int build_clients(const uint32_t *counts, unsigned n)
{
	const struct stoa_class *cls = class_of_size(64);
	int told[2], r = pipe(told) < 0 ? trouble(-errno, "pipe: %s", strerror(errno)) : 0;
	for (unsigned i = 0; i < n && r == 0; i++) {
		char name[32];
		struct stoa *s = NULL;
		snprintf(name, sizeof(name), "clients-%u", counts[i]);
		r = start(name, STOA_CLASSES(cls), &s);
		r = r ? r : enter(add_world("clients", counts[i], cls, 0), s, "object", cls);
		for (uint32_t k = 1; k < counts[i] && r == 0; k++)
			r = add_idler(s, told);
	}
	return r;
}

static stoa_text key_of(uint32_t i)
{
	char name[16];
	stoa_text key = { 0 };
	snprintf(name, sizeof(name), "key%u", i);
	stoa_text_set(&key, name);
	return key;
}

static int put_keys(struct stoa_proxy *dict, uint32_t n)
{
	int r = 0;
	for (uint32_t k = 0; k < n && r == 0; k++) {
		struct dict_item item = { key_of(k), stoa_any_i64(0) };
		r = dict_put_cast(dict, &item, STOA_DEFAULT);
		stoa_text_fini(&item.key);
	}
	return r < 0 ? stoa_trouble(r) : 0;
}

/* A dict of so many keys. Read is how many they are. */
static int build_keys(const uint32_t *counts, unsigned n)
{
	struct stoa *s = NULL;
	int r = start("keys", STOA_CLASSES(NULL), &s);
	for (unsigned i = 0; i < n && r == 0; i++) {
		struct world *w = begin_world("keys", counts[i], offsetof(struct dict, len), &dict_add_row,
					      sizeof(struct dict_amount), KEYS_USED);
		struct dict_amount *all = (struct dict_amount *)w->args;
		char name[32];
		for (uint32_t k = 0; k < KEYS_USED; k++)
			all[k] = (struct dict_amount){ key_of(k * UINT32_C(2654435761) % counts[i]), 1 };
		snprintf(name, sizeof(name), "dict-%u", counts[i]);
		r = enter(w, s, name, &dict_class);
		r = r ? r : put_keys(w->proxy[0], counts[i]);
	}
	return r;
}

int scaled_begin(bool briefly)
{
	static const uint32_t objects[] = { 1, 100, 1000, 10000 }, attributes[] = { 1, 10, 100, 1000 },
			      bytes[] = { 64, 1 << 10, 16 << 10, 128 << 10, 1 << 20 }, namespaces[] = { 1, 2, 4, 8 },
			      clients[] = { 1, 16, 64, 256 }, keys[] = { 100, 1000, 10000, 100000 };
	int r = build_objects(objects, briefly ? 2 : 4);
	r = r ? r : build_attributes(attributes, briefly ? 2 : 4);
	r = r ? r : build_bytes(bytes, briefly ? 2 : 5);
	r = r ? r : build_namespaces(namespaces, briefly ? 2 : 4);
	r = r ? r : build_keys(keys, briefly ? 2 : 4);
	return r ? r : build_clients(clients, briefly ? 2 : 4);
}

void scaled_end(void)
{
	for (unsigned i = 0; i < n_idlers; i++)
		if (kill(idlers[i], SIGKILL) == 0)
			waitpid(idlers[i], NULL, 0);
	for (unsigned i = 0; i < n_opened; i++)
		stoa_detach(opened[i]);
}
