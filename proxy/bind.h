/*
 * bind.h: a client's class bound to the coordinator's description of it, by name, row by row.
 *
 * A row that differs is bound as bad, with a text that says what differs, and refused when it is used; rows that a
 * client does not use never matter. Everything that a read or a command needs is worked out here once.
 */
#ifndef STOA_BIND_H
#define STOA_BIND_H

#include "proxy/handle.h"
#include "src/part.h"

/* The coordinator's description of a class, with its parts. */
struct class_view {
	uint32_t id;
	struct stoa_class *described;
	struct class_plan *plan;
};

struct bound_attr {
	uint32_t attr;	 /* in the described class; UINT32_MAX: not there */
	uint32_t offset; /* in our struct: how it is named */
	uint32_t size;	 /* of the C member */
	uint32_t part, part_at; /* its number, and its place in the body */
	uint32_t at;	/* of a fixed one: its bytes in the cell */
	uint32_t stamp; /* in the cell's stamps */
	uint32_t flags[2]; /* that a read looks at, by place: its own, and that of all; its own twice, if it is not writable */
	bool variable, writable;
	bool quick; /* usable, and one number of 4 or 8 bytes */
	struct image_layout *image; /* of its value alone, offset 0 */
	char *bad;		    /* NULL: usable */
};

struct bound_method {
	const struct stoa_method *ours; /* NULL: it cannot be used */
	uint32_t row;		  /* in the described class */
	uint32_t *writes, *reads; /* places of flags after the object's first */
	uint32_t n_writes, n_reads;
	struct image_layout *args, *ret;
	size_t reply_size; /* of the answer, with its heads: a result or an error's text, also one given later */
	bool local;	     /* a reader that runs here */
	bool folds;	     /* for both sides */
	char *bad;	     /* why it cannot be used */
};

struct binding {
	const struct stoa_class *ours; /* NULL class: the described one */
	const struct class_view *view;
	struct bound_attr *attrs; /* by place in ours */
	uint32_t n_attrs;
	const struct bound_attr **by_offset; /* a hash table; NULL: there is none */
	uint32_t by_offset_mask;
	struct bound_method *methods;	/* by place in ours */
	uint32_t n_methods;
	struct image_layout **parts;	/* a part's image onto our struct; NULL: it has attributes that we lack */
	const struct bound_attr *whole; /* the first attribute that keeps a struct from being read whole; NULL: none */
	struct image_layout *writable;	/* all writable attributes, from our struct; NULL: we lack some */
	struct binding *next;
};

/* The description with this id. s->mutex is held. -EPROTO, -ENOMEM. */
int view_get(struct stoa *s, uint32_t id, const struct class_view **ret);
void views_free(struct stoa *s);

/* Bind ours (NULL: as described) to a view; kept with the handle. s->mutex is held. */
int binding_get(struct stoa *s, const struct stoa_class *ours, const struct class_view *view, struct binding **ret);
void bindings_free(struct stoa *s);

/* The attribute at this offset of our struct; -EINVAL or -EPROTO, with the thread's error. The same for a method. */
static inline uint32_t binding_hash(const struct binding *b, uint32_t offset)
{
	return (offset * 2654435769u >> 12) & b->by_offset_mask;
}
/* One that is quick, at the first look; NULL: there may be one all the same. */
static inline const struct bound_attr *binding_quick(const struct binding *b, uint32_t offset)
{
	const struct bound_attr *a = b->by_offset[binding_hash(b, offset)];
	return a && a->offset == offset && a->quick ? a : NULL;
}
int binding_attr(const struct binding *b, uint32_t offset, const struct bound_attr **ret);
int binding_refuse(const struct binding *b, const struct stoa_method *method);
static inline int binding_method(const struct binding *b, const struct stoa_method *method,
				 const struct bound_method **ret)
{
	uint32_t i = method && method->index ? __atomic_load_n(method->index, __ATOMIC_RELAXED) : UINT32_MAX;
	if (i >= b->n_methods || b->methods[i].ours != method) /* which is not NULL */
		return binding_refuse(b, method);
	*ret = &b->methods[i];
	return 0;
}

#endif
