/*
 * part.h: how the state of a class is cut into parts. Both sides compute it from the class alone.
 *
 * Fixed attributes are gathered, in order, up to 1 KiB or 64 of them; a bigger one is a part of its own, as is each
 * text or blob and each part of the class's hooks. What a commit writes is the parts that changed.
 */
#ifndef STOA_PART_H
#define STOA_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "src/image.h"
#include "src/layout.h"

struct part_plan {
	uint32_t n_attrs;     /* 0: a part of the hooks */
	uint32_t first_stamp; /* of its attributes, in an object's array of stamps */
	uint32_t *attrs;
	struct image_layout *image; /* with the offsets of the class's own struct; of hooks: one blob */
	uint32_t image_at;          /* in the cell, so that the first field is aligned to 8 */
	uint64_t size;              /* bytes of the cell; of a variable part: without its text or blob */
};

struct class_plan {
	uint32_t n_parts, n_attrs;
	uint32_t n_attr_parts; /* the parts of the hooks come after them */
	struct part_plan *parts;
	uint32_t *part_of;  /* attribute → part */
	uint32_t *place_of; /* attribute → place in that part, its stamp and its field */
	uint32_t *stamp_of; /* attribute → place in an object's array of stamps */
};

int part_plan_new(const struct stoa_class *cls, struct class_plan **ret); /* -ENOMEM */
/* Are these exactly the images of all parts, one after the other? 0 or -EBADMSG. Withstands any bytes. */
int part_plan_check(const struct class_plan *plan, const char *images, size_t size);

struct class_plan *part_plan_free(struct class_plan *plan);

#endif
