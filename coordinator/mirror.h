/*
 * mirror.h: memory for mirrors. Each ends where an inaccessible page begins, so that a method that runs past the end of
 * its object crashes there and then, is undone as any crash, and has harmed no other object.
 */
#ifndef STOA_MIRROR_H
#define STOA_MIRROR_H

#include <stdbool.h>
#include <stddef.h>

struct mirror {
	void *at;     /* size bytes, zeroed */
	void *map;    /* NULL: from the heap, without a guard: there are too many mirrors for the kernel's map limit */
	size_t mapped;
};

int mirror_init(struct mirror *m, size_t size, size_t align); /* -ENOMEM */
void mirror_fini(struct mirror *m);

#endif
