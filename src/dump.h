/*
 * dump.h: objects in a file: a sequence of tpl images, each with its own length in its head.
 *
 *   struct dump_head; for each class its description (class.h); for each object, by name, struct dump_object and the
 *   images of its parts, in the order of its class's plan; struct dump_end, whose sum is of all bytes before it.
 *
 * The file says what it holds before it does, and at its end that it did: what is cut off or damaged shows. Native byte
 * order, which the images tell.
 */
#ifndef STOA_DUMP_H
#define STOA_DUMP_H

#include "src/image.h"
#include "src/layout.h"

#define DUMP_WHAT "stoa dump"
#define DUMP_VERSION 1

struct dump_head {
	char what[16]; /* DUMP_WHAT */
	uint32_t version;
	uint32_t classes, objects; /* how many follow */
	char namespace[LAYOUT_NAME * 2]; /* that was dumped */
	int64_t time_ns; /* CLOCK_REALTIME */
};

struct dump_object {
	char name[LAYOUT_NAME];
	uint32_t class_number; /* from 0, of those in the file */
	uint32_t parts;	       /* images that follow */
};

struct dump_end {
	uint64_t bytes, sum; /* of all before it */
};

struct dump_layouts {
	struct image_layout *head, *object, *end;
};

int dump_layouts_init(struct dump_layouts *l); /* -ENOMEM; fini all the same */
void dump_layouts_fini(struct dump_layouts *l);

/* CRC-64 of ECMA-182, reflected, inverted before and after (as xz(1) has it): of more bytes; 0 to begin with. */
uint64_t dump_sum(uint64_t sum, const void *bytes, size_t n);

#endif
