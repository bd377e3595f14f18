/*
 * mirror.h: memory for mirrors. Each ends where 64 KiB begin that nobody can touch, so that a method that writes past
 * the end of its object crashes there and then, is undone as any crash, and has harmed no other object. As many lie
 * before it, with the rest of its first page between: that is its own, zero, and looked at when a method has run.
 */
#ifndef STOA_MIRROR_H
#define STOA_MIRROR_H

#include <stdbool.h>
#include <stddef.h>

struct mirror {
	void *at;     /* size bytes, zeroed */
	void *map;    /* NULL: from the heap, without a guard: there are too many mirrors for the kernel's map limit */
	size_t size, mapped;
	size_t before; /* bytes that can be written before it */
};

int mirror_init(struct mirror *m, size_t size, size_t align); /* -ENOMEM */
void mirror_fini(struct mirror *m);

/* Bytes of all mirrors of this process. */
size_t mirror_held(void);

/* Has nobody written before it? Looks at a cache line, or at all that could be written. Cleans what it finds. */
bool mirror_check(const struct mirror *m, bool all);

#endif
