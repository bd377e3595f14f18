/*
 * dump.c: stoa_dump, all objects at one moment into a file.
 *
 * The moment is one value of `committed` for all parts of all objects, those that only hooks can read too. That the
 * objects are all there were then is told by the directory: if it changed on the way, all is done again.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/directory.h"
#include "proxy/moment.h"
#include "proxy/read.h"
#include "proxy/wait.h"
#include "src/cancel.h"
#include "src/class.h"
#include "src/clock.h"
#include "src/dump.h"
#include "src/error.h"
#include "src/park.h"

/* ---- writing ---- */

struct writer {
	int fd;
	int status; /* the first error */
	size_t n;   /* in buffer */
	uint64_t bytes, sum;
	char buffer[1 << 16];
};

static void put_out(struct writer *w, const char *from, size_t n)
{
	while (n && w->status == 0) {
		ssize_t done = write(w->fd, from, n);
		if (done < 0 && errno != EINTR)
			w->status = error_set(-errno, "cannot write the dump: %s", strerror(errno));
		from += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
}

static void put(struct writer *w, const void *from, size_t n)
{
	w->sum = dump_sum(w->sum, from, n);
	w->bytes += n;
	if (n > sizeof(w->buffer) - w->n) {
		put_out(w, w->buffer, w->n);
		w->n = 0;
	}
	if (n > sizeof(w->buffer)) {
		put_out(w, from, n);
		return;
	}
	memcpy(w->buffer + w->n, from, n);
	w->n += n;
}

static void put_image(struct writer *w, const struct image_layout *layout, const void *from)
{
	char image[512];
	_Static_assert(sizeof(struct dump_head) + 128 < sizeof(image), "each of them, with its format, fits");
	put(w, image, image_pack(layout, from, image));
}

/* ---- what there is ---- */

struct dumping {
	struct stoa *stoa;
	struct stoa_proxy **proxies;
	struct target **targets;
	size_t n;
	struct moment moment;
};

static void forget(struct dumping *d)
{
	moment_end_whole(&d->moment);
	while (d->n > 0) /* the last first: it is the first in the handle's list */
		stoa_close(d->proxies[--d->n]);
	free(d->proxies);
	free(d->targets);
	*d = (struct dumping){ .stoa = d->stoa };
}

static int open_all(struct dumping *d, const char *pattern)
{
	struct found *all = NULL;
	size_t n = 0;
	int r = directory_all(d->stoa, &all, &n);
	d->proxies = calloc(n + 1, sizeof(*d->proxies));
	d->targets = calloc(n + 1, sizeof(*d->targets));
	if (r < 0 || !d->proxies || !d->targets)
		r = error_set(-ENOMEM, "no memory for %zu objects", n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (pattern && fnmatch(pattern, all[i].name, 0) != 0)
			continue;
		r = stoa_open(d->stoa, all[i].name, NULL, STOA_NOWAIT, &d->proxies[d->n]);
		d->n += r == 0;
	}
	free(all);
	return r == -ENOENT ? -ESTALE : r; /* removed meanwhile */
}

/* All that is there, as of one moment. -ESTALE: objects came or went. */
static int take(struct dumping *d, const char *pattern, bool barrier, int64_t timeout)
{
	const struct state_head *state = d->stoa->space.state;
	uint64_t before = atomic_load_explicit(&state->directory, memory_order_acquire);
	uint64_t tag = atomic_load_explicit(&state->directory_tag, memory_order_relaxed), since = handle_committed(d->stoa);
	int r = open_all(d, pattern);
	for (size_t i = 0; r == 0 && i < d->n; i++) {
		r = barrier ? read_barrier(d->proxies[i], timeout) : 0;
		d->targets[i] = proxy_target(d->proxies[i]);
	}
	r = r ? r : moment_begin_whole(&d->moment, d->targets, d->n);
	r = r ? r : moment_take(d->stoa, &d->moment, d->targets, d->n, timeout);
	if (r < 0)
		return r;
	/* The change that the directory told of first may have been committed between the list and the moment. */
	bool same = since >= tag || handle_committed(d->stoa) < tag;
	return same && atomic_load_explicit(&state->directory, memory_order_acquire) == before ? 0 : -ESTALE;
}

static int take_all(struct dumping *d, const char *pattern, bool barrier, int64_t timeout)
{
	int64_t deadline = handle_deadline(d->stoa, timeout);
	for (;;) {
		int r = take(d, pattern, barrier, timeout);
		if (r != -ESTALE || handle_whole(d->stoa) < 0)
			return r;
		forget(d);
		if (clock_now() >= deadline)
			return error_set(-ETIMEDOUT, "objects come and go faster than they can be copied");
		park_pause();
	}
}

/* ---- the file ---- */

/* The classes of the objects, numbered as they come: numbers by their ids, plus one. */
struct numbers {
	uint32_t of[CLASSES_MAX], n;
	const struct class_view *views[CLASSES_MAX];
};

static void number(struct numbers *c, const struct dumping *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct class_view *view = d->targets[i]->binding->view;
		if (c->of[view->id])
			continue;
		c->views[c->n++] = view;
		c->of[view->id] = c->n;
	}
}

static int put_class(struct writer *w, const struct class_view *view)
{
	void *image;
	size_t size;
	int r = class_pack(view->described, &image, &size);
	if (r < 0)
		return error_set(r, "no memory for the description of class %s", view->described->name);
	put(w, image, size);
	free(image);
	return 0;
}

/* Damage is not carried on: who loads it would be refused all of it. */
static int put_part(struct writer *w, const struct copy *c, const char *object)
{
	const struct image_layout *layout = c->plan->image;
	static const stoa_blob nothing;
	if (c->tag == 0) {
		put_image(w, layout, &nothing);
		return 0;
	}
	const char *image = c->bytes + c->plan->image_at;
	size_t size = layout->variable ? ((const struct cell *)c->bytes)->size : layout->size;
	if (image_check(layout, image, size) < 0)
		return error_set(-EPROTO, "the state of object %s is damaged; a pattern can leave it out", object);
	put(w, image, size);
	return 0;
}

static int put_objects(struct writer *w, const struct dump_layouts *l, const struct dumping *d, const struct numbers *c)
{
	const struct copy *copy = d->moment.copies;
	int r = 0;
	for (size_t i = 0; r == 0 && i < d->n; i++) {
		const struct class_view *view = d->targets[i]->binding->view;
		struct dump_object o = { .class_number = c->of[view->id] - 1, .parts = view->plan->n_parts };
		memcpy(o.name, d->proxies[i]->name, sizeof(o.name));
		put_image(w, l->object, &o);
		for (uint32_t k = 0; r == 0 && k < o.parts; k++)
			r = put_part(w, copy++, o.name);
	}
	return r;
}

static int put_all(struct writer *w, const struct dump_layouts *l, const struct dumping *d, struct numbers *c)
{
	number(c, d);
	struct dump_head head = {
		.what = DUMP_WHAT,
		.version = DUMP_VERSION,
		.classes = c->n,
		.objects = (uint32_t)d->n,
		.time_ns = clock_real(),
	};
	memcpy(head.namespace, d->stoa->name, strlen(d->stoa->name));
	put_image(w, l->head, &head);
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < c->n; i++)
		r = put_class(w, c->views[i]);
	r = r ? r : put_objects(w, l, d, c);
	put_image(w, l->end, &(struct dump_end){ .bytes = w->bytes, .sum = w->sum });
	put_out(w, w->buffer, r < 0 ? 0 : w->n);
	return r ? r : w->status;
}

static int write_all(const struct dumping *d, int fd)
{
	struct dump_layouts l;
	struct numbers *c = calloc(1, sizeof(*c));
	struct writer *w = calloc(1, sizeof(*w));
	int r = dump_layouts_init(&l);
	if (r < 0 || !c || !w) {
		r = error_set(-ENOMEM, "no memory for a dump");
	} else {
		w->fd = fd;
		r = put_all(w, &l, d, c);
	}
	dump_layouts_fini(&l);
	free(c);
	free(w);
	return r;
}

int stoa_dump(struct stoa *s, const char *pattern, int fd, unsigned flags, int64_t timeout, size_t *ret_n)
{
	CANCEL_LATER;
	struct dumping d = { .stoa = s };
	int r = handle_enter(s);
	if (r == 0 && flags & ~(unsigned)STOA_COMMITTED)
		r = error_set(-EINVAL, "flags has 0x%x, which a dump does not know", flags & ~(unsigned)STOA_COMMITTED);
	if (r < 0)
		return r;
	r = take_all(&d, pattern, !(flags & STOA_COMMITTED), timeout);
	r = r ? r : handle_whole(s);
	r = r ? r : write_all(&d, fd);
	if (r == 0 && ret_n)
		*ret_n = d.n;
	forget(&d);
	return r;
}
