/*
 * declared.h: classes that need no code: rows alone, and at most the method `add` of signals, which is the library's. A
 * client that creates an object of such a class declares it, if the coordinator does not have it: its description is
 * all there is to it.
 */
#ifndef STOA_DECLARED_H
#define STOA_DECLARED_H

#include <stdbool.h>
#include <stdint.h>

#include "include/stoa.h"

/* What a stranger may make a coordinator hold. */
#define DECLARED_ATTRS_MAX 4096u
#define DECLARED_SIZE_MAX (1u << 20)   /* of the struct, nearly all of it attributes: the limits of the state are theirs */
#define DECLARED_IMAGE_MAX (1u << 20)  /* of the description … */
#define DECLARED_TOTAL_MAX (16u << 20) /* … and of all there are in a namespace */

/* The table of such a class. */
struct declared {
	struct stoa_class cls;
	struct stoa_method add;
	const struct stoa_method *methods[2];
	uint32_t index;
};

/* The class of this name and state, which both stay the caller's; run NULL: as a client has it. */
void declared_init(struct declared *to, const char *name, const struct stoa_struct *state,
		   int (*run)(void *self, const void *args, void *ret));

/* Is the method that of signals? */
bool declared_adds(const struct stoa_class *cls);

/*
 * A class that has passed class_check_described, or is a description: needs it no code, and is it within the limits?
 * -ENOSYS: it has methods or hooks. -EINVAL: a limit, or a text that is none; text says which. -ENOMEM.
 */
int declared_check(const struct stoa_class *cls, char text[STOA_ERROR_MAX]);

/* Have both the same attributes, in any order? -EPROTO: text says which row differs. -ENOMEM. */
int declared_same(const struct stoa_class *ours, const struct stoa_class *theirs, char text[STOA_ERROR_MAX]);

#endif
