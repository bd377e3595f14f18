/*
 * load.c: stoa_load, the objects of a file back into a namespace.
 *
 * All of the file is in private memory and has been checked, its sum first, before the first object is created. An
 * object of a class that has grown meanwhile is brought over by attribute name, as a coordinator does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/await.h"
#include "proxy/directory.h"
#include "proxy/send.h"
#include "src/cancel.h"
#include "src/class.h"
#include "src/declared.h"
#include "src/dump.h"
#include "src/error.h"
#include "src/names.h"
#include "src/part.h"

#define PIECE (4u << 20)	 /* of an object's images, which a command carries: a lane of twice that is enough */
#define CLASSES_ROOM (64u << 20) /* for the classes of a dump, which are not of the state */
#define RESTAGES_MAX 3 /* the pieces are lost with a coordinator; more often, and it is they that it dies of */

/* A class of the file, and the coordinator's of that name; NULL: it has none, and needs no code to have it. */
struct kind {
	struct stoa_class *dumped;
	struct class_plan *plan;
	const struct class_view *view;
	struct image_layout *
		*moved; /* the images of the file's parts of attributes, onto the struct of the coordinator's */
};

struct loading {
	struct stoa *stoa;
	char *bytes;
	size_t size, room;
	const char *at, *end; /* what is left of it */
	struct dump_layouts layouts;
	struct dump_head head;
	struct kind *kinds;
	const char *objects; /* where they begin */
	char *images;	     /* of the object in hand, as the coordinator's class has them */
	size_t images_room;
};

/* ---- reading ---- */

static int damaged(const char *why)
{
	return error_set(-EBADMSG, "the dump is damaged: %s; nothing was loaded", why);
}

static int no_dump(void)
{
	return error_set(-EBADMSG, "this is no dump of stoa, or one of a machine of another byte order");
}

static int read_all(struct loading *l, int fd)
{
	for (;;) {
		if (l->size == l->room) {
			char *more = realloc(l->bytes, l->room = 2 * l->room + (1 << 16));
			if (!more)
				return error_set(-ENOMEM, "no memory for a dump of %zu bytes and more", l->size);
			l->bytes = more;
		}
		ssize_t n = read(fd, l->bytes + l->size, l->room - l->size);
		if (n < 0 && errno != EINTR)
			return error_set(-errno, "cannot read the dump: %s", strerror(errno));
		if (n == 0)
			return 0;
		l->size += n > 0 ? (size_t)n : 0;
		if (l->size >= 3 && memcmp(l->bytes, "tpl", 3) != 0)
			return no_dump(); /* it may have no end, either */
		if (l->size > l->stoa->space.geometry.state + CLASSES_ROOM)
			return error_set(-ENOSPC, "the dump is more than namespace %s can hold; nothing was loaded",
					 l->stoa->name);
	}
}

/* The next image of the file. NULL: there is none that is whole. */
static const char *next(struct loading *l, size_t *ret_size)
{
	const char *image = l->at;
	size_t left = (size_t)(l->end - l->at), n = left < 8 || memcmp(image, "tpl", 3) != 0 ? 0 : image_length(image);
	if (n < 8 || n > left)
		return NULL;
	l->at += n;
	*ret_size = n;
	return image;
}

static int next_as(struct loading *l, const struct image_layout *layout, void *to)
{
	size_t size;
	const char *image = next(l, &size);
	if (!image || image_check(layout, image, size) < 0)
		return -EBADMSG;
	return image_unpack(layout, image, to);
}

static int check_head(struct loading *l)
{
	l->at = l->bytes;
	l->end = l->bytes + l->size;
	if (next_as(l, l->layouts.head, &l->head) < 0 || strcmp(l->head.what, DUMP_WHAT) != 0)
		return no_dump();
	if (l->head.version != DUMP_VERSION)
		return error_set(-EBADMSG, "the dump is of version %u, this library knows %u", l->head.version,
				 DUMP_VERSION);
	return 0;
}

static int check_sum(struct loading *l)
{
	struct dump_end end;
	const struct image_layout *layout = l->layouts.end;
	size_t n = l->size - (layout->size < l->size ? layout->size : l->size);
	if (image_check(layout, l->bytes + n, l->size - n) < 0)
		return damaged("it has no end, and was cut off");
	image_unpack(layout, l->bytes + n, &end);
	if (end.bytes != n || end.sum != dump_sum(0, l->bytes, n))
		return damaged("its sum is another than when it was written");
	l->end = l->bytes + n;
	return 0;
}

/* ---- classes ---- */

static bool same(char *a, char *b)
{
	bool are = a && b && strcmp(a, b) == 0;
	free(a);
	free(b);
	return are;
}

static int refuse_row(const struct stoa_class *cls, const struct stoa_attr *a, const struct stoa_attr *b)
{
	char *here = b ? class_attr_text(b) : NULL, *there = class_attr_text(a);
	int r = error_set(-EPROTO, "class %s differs: attribute %s is \"%s\" in the dump and %s%s%s in the coordinator",
			  cls->name, a->name, there ? there : "?", here ? "\"" : "", here ? here : "not there",
			  here ? "\"" : "");
	free(here);
	free(there);
	return r;
}

/* Each row of the file must be there as it was. A class with hooks, which alone know what is what, must be the same. */
static int compare(const struct kind *k)
{
	const struct stoa_class *from = k->dumped, *to = k->view->described;
	for (uint32_t i = 0; i < from->state->n_attrs; i++) {
		const struct stoa_attr *a = &from->state->attrs[i];
		int n = class_find_attr(to->state, a->name);
		const struct stoa_attr *b = n < 0 ? NULL : &to->state->attrs[n];
		if (!b || !same(class_attr_text(a), class_attr_text(b)))
			return refuse_row(from, a, b);
	}
	uint32_t parts = k->plan->n_parts - k->plan->n_attr_parts,
		 parts_to = k->view->plan->n_parts - k->view->plan->n_attr_parts;
	if (parts != parts_to)
		return error_set(-EPROTO,
				 "class %s differs: its hooks have %u parts in the dump and %u in the coordinator",
				 from->name, parts, parts_to);
	for (uint32_t i = 0; parts && i < to->state->n_attrs; i++)
		if (class_find_attr(from->state, to->state->attrs[i].name) < 0)
			return error_set(
				-EPROTO,
				"class %s differs: attribute %s is not in the dump, and a class with hooks must be "
				"the same",
				from->name, to->state->attrs[i].name);
	return 0;
}

/* The same attributes, where the coordinator's struct has them. */
static int make_moved(struct kind *k)
{
	const struct stoa_struct *from = k->dumped->state, *to = k->view->described->state;
	struct stoa_attr *attrs = calloc(from->n_attrs + 1, sizeof(*attrs));
	k->moved = calloc(k->plan->n_attr_parts + 1, sizeof(struct image_layout *));
	int r = attrs && k->moved ? 0 : -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < from->n_attrs; i++)
		attrs[i] = to->attrs[class_find_attr(to, from->attrs[i].name)];
	for (uint32_t i = 0; r == 0 && i < k->plan->n_attr_parts; i++)
		r = image_layout_new(attrs, k->plan->parts[i].attrs, k->plan->parts[i].n_attrs, &k->moved[i]);
	free(attrs);
	return r;
}

static int load_class(struct loading *l, struct kind *k)
{
	char text[STOA_ERROR_MAX];
	size_t size;
	const char *image = next(l, &size);
	int r = image ? class_unpack(image, size, &k->dumped) : -EBADMSG;
	r = r ? r : part_plan_new(k->dumped, &k->plan);
	if (r < 0)
		return r == -ENOMEM ? r : damaged("a class is not well described");
	r = proxy_find_view(l->stoa, k->dumped->name, &k->view);
	if (r == -ENOENT && declared_check(k->dumped, text) != -ENOSYS)
		return 0;
	r = r ? r : compare(k);
	return r ? r : make_moved(k);
}

/* A class that was made at run time is made here, too: it is all in the file. */
static int declare_missing(struct loading *l)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < l->head.classes; i++) {
		struct kind *k = &l->kinds[i];
		if (k->view)
			continue;
		r = proxy_declare(l->stoa, k->dumped, &k->view);
		r = r ? r : compare(k); /* somebody else may have, before us */
		r = r ? r : make_moved(k);
	}
	return r;
}

static int load_classes(struct loading *l)
{
	int r = 0;
	if (l->head.classes > CLASSES_MAX)
		return damaged("it has too many classes");
	l->kinds = calloc(l->head.classes + 1, sizeof(*l->kinds));
	if (!l->kinds)
		return -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < l->head.classes; i++)
		r = load_class(l, &l->kinds[i]);
	l->objects = l->at;
	return r ? r : declare_missing(l);
}

/* ---- objects ---- */

static int images_room(struct loading *l, size_t size)
{
	if (size <= l->images_room)
		return 0;
	char *more = realloc(l->images, size + size / 2);
	if (!more)
		return -ENOMEM;
	l->images = more;
	l->images_room = size + size / 2;
	return 0;
}

/* Onto the coordinator's struct: the parts of attributes; what is new there stays zero. */
static int unpack(struct loading *l, const struct kind *k, char *state)
{
	size_t size;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < k->plan->n_attr_parts; i++) {
		const char *image = next(l, &size);
		r = image && image_check(k->plan->parts[i].image, image, size) == 0
			    ? image_unpack(k->moved[i], image, state)
			    : damaged("a part is not well formed");
	}
	return r;
}

/* Then into its parts; those of hooks follow as they are. */
static int pack(struct loading *l, const struct kind *k, const char *state, size_t *ret_size)
{
	const struct class_plan *plan = k->view->plan;
	size_t at = 0, size;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < plan->n_parts; i++) {
		bool hook = i >= plan->n_attr_parts;
		const char *image = hook ? next(l, &size) : NULL;
		if (hook && (!image || image_check(plan->parts[i].image, image, size) < 0))
			return damaged("a part of hooks is not well formed");
		size = hook ? size : image_size(plan->parts[i].image, state);
		r = images_room(l, at + size);
		if (r == 0 && hook)
			memcpy(l->images + at, image, size);
		else if (r == 0)
			image_pack(plan->parts[i].image, state, l->images + at);
		at += size;
	}
	*ret_size = at;
	return r;
}

/* The next object of the file, as the coordinator's class has it, in l->images. */
static int convert(struct loading *l, struct dump_object *ret, size_t *ret_size)
{
	int r = next_as(l, l->layouts.object, ret);
	if (r < 0 || ret->class_number >= l->head.classes || ret->parts != l->kinds[ret->class_number].plan->n_parts)
		return damaged("an object is not well formed");
	const struct kind *k = &l->kinds[ret->class_number];
	const struct class_plan *plan = k->view->plan;
	char *state = calloc(1, k->view->described->state->size + 1);
	r = state ? unpack(l, k, state) : -ENOMEM;
	r = r ? r : pack(l, k, state, ret_size);
	for (uint32_t i = 0; state && i < plan->n_attr_parts; i++)
		image_fini(plan->parts[i].image, state);
	free(state);
	return r == -ENOMEM ? error_set(r, "no memory for object %s", ret->name) : r;
}

static int check_object(const struct loading *l, const struct dump_object *o, const char *before)
{
	struct found there;
	int r = names_check("object", o->name);
	if (r < 0)
		return r;
	if (strcmp(before, o->name) >= 0)
		return damaged("its objects are not in order");
	r = directory_find(l->stoa, o->name, &there);
	if (r == 0)
		return error_set(-EEXIST, "object %s is there already; nothing was loaded", o->name);
	return r == -ENOENT ? 0 : error_set(r, "no memory for the list of objects");
}

static int check_objects(struct loading *l)
{
	struct dump_object o;
	char before[LAYOUT_NAME] = "";
	size_t size;
	for (uint32_t i = 0; i < l->head.objects; i++) {
		int r = convert(l, &o, &size);
		r = r ? r : check_object(l, &o, before);
		if (r < 0)
			return r;
		memcpy(before, o.name, sizeof(before));
	}
	return l->at == l->end ? 0 : damaged("there is more in it than it says");
}

static int create_from(struct loading *l, const struct dump_object *o, enum create_from from, size_t size,
		       int64_t timeout)
{
	struct sending w;
	int r = proxy_send_create(l->stoa, o->name, l->kinds[o->class_number].view, from, l->images, size, STOA_EXCL,
				  timeout, &w);
	return r ? r : await_answer(&w, NULL, NULL);
}

/* Its answer is waited for, unless it is empty. */
static int stage_piece(struct loading *l, uint64_t at, size_t size, int64_t timeout)
{
	const struct stage_args args = { .offset = at };
	struct sending w;
	int r = send_begin(l->stoa, sizeof(args) + size, size ? sizeof(struct reply) + STOA_ERROR_MAX : 0, timeout, &w);
	if (r < 0)
		return r;
	memcpy(w.args, &args, sizeof(args));
	memcpy(w.args + sizeof(args), l->images + at, size);
	w.record->kind = RECORD_STAGE;
	w.record->class_id = w.record->object = UINT32_MAX;
	w.record->row = 0;
	w.record->origin = 0;
	r = send_publish(&w, NULL, 0);
	return r || !size ? r : await_answer(&w, NULL, NULL);
}

/* What was staged is let go, and the error is that of an object that is not created. */
static int unstage(struct loading *l, int r)
{
	struct stoa_error e;
	stoa_last_error(&e);
	stage_piece(l, 0, 0, STOA_NOWAIT);
	return error_set(r, "%s", e.text);
}

static int create_staged(struct loading *l, const struct dump_object *o, size_t size, int64_t timeout)
{
	int r = 0;
	for (size_t at = 0; r == 0 && at < size; at += PIECE)
		r = stage_piece(l, at, size - at < PIECE ? size - at : PIECE, timeout);
	return r ? unstage(l, r) : create_from(l, o, CREATE_FROM_STAGED, 0, timeout);
}

static int create(struct loading *l, const struct dump_object *o, size_t size, int64_t timeout)
{
	int r = size > PIECE ? -ESTALE : create_from(l, o, CREATE_FROM_PARTS, size, timeout);
	for (int i = 0; i < RESTAGES_MAX && r == -ESTALE; i++)
		r = create_staged(l, o, size, timeout);
	return r;
}

/* The first n of them, that we have made. All are sent before they are waited for: nobody may be there to do it. */
static uint32_t remove_first(struct loading *l, uint32_t n, int64_t timeout)
{
	struct dump_object o;
	struct sending w;
	size_t size;
	uint32_t kept = 0;
	l->at = l->objects;
	for (uint32_t i = 0; i < n && convert(l, &o, &size) == 0; i++) {
		int r = proxy_send_remove(l->stoa, o.name, false, timeout, &w);
		kept += r < 0 && r != -ENOENT && r != -ESTALE;
	}
	stoa_sync(l->stoa, timeout, NULL);
	return kept;
}

/* The error of this thread stays what it was. */
static void undo(struct loading *l, uint32_t n, int64_t timeout)
{
	struct dump_object o;
	struct stoa_error e;
	size_t size;
	stoa_last_error(&e);
	uint32_t kept = remove_first(l, n, timeout);
	char text[2 * STOA_ERROR_MAX], left[64] = "nothing stays loaded"; /* cut to one where it is kept */
	if (kept)
		snprintf(left, sizeof(left), "%u objects before it stay: they could not be removed", kept);
	else if (e.may_apply)
		strcpy(left, "it may be there later, and no other");
	snprintf(text, sizeof(text), "object %s: %s; %s", convert(l, &o, &size) == 0 ? o.name : "?", e.text, left);
	error_set_command(e.code, e.origin, e.may_apply, e.ticket, text, strlen(text));
}

static int create_all(struct loading *l, int64_t timeout)
{
	struct dump_object o;
	size_t size;
	l->at = l->objects;
	for (uint32_t i = 0; i < l->head.objects; i++) {
		int r = convert(l, &o, &size);
		r = r ? r : create(l, &o, size, timeout);
		if (r < 0) {
			undo(l, i, timeout);
			return r;
		}
	}
	return 0;
}

static void loading_fini(struct loading *l)
{
	for (uint32_t i = 0; l->kinds && i < l->head.classes; i++) {
		struct kind *k = &l->kinds[i];
		for (uint32_t p = 0; k->moved && p < k->plan->n_attr_parts; p++)
			image_layout_free(k->moved[p]);
		free(k->moved);
		part_plan_free(k->plan);
		class_free(k->dumped);
	}
	free(l->kinds);
	free(l->images);
	free(l->bytes);
	dump_layouts_fini(&l->layouts);
}

int stoa_load(struct stoa *s, int fd, int64_t timeout, size_t *ret_n)
{
	CANCEL_LATER;
	struct loading l = { .stoa = s };
	int r = handle_enter(s);
	if (r < 0)
		return r;
	r = dump_layouts_init(&l.layouts);
	r = r ? r : read_all(&l, fd);
	r = r ? r : check_head(&l);
	r = r ? r : check_sum(&l);
	r = r ? r : load_classes(&l);
	r = r ? r : check_objects(&l);
	r = r ? r : create_all(&l, timeout);
	if (r == 0 && ret_n)
		*ret_n = l.head.objects;
	loading_fini(&l);
	return r;
}
