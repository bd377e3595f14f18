/*
 * places.h: the namespaces of this machine, live and left over, told from their files without attaching to any.
 */
#ifndef STOA_TOOL_PLACES_H
#define STOA_TOOL_PLACES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct place {
	char name[NAME_MAX + 16]; /* as -n takes it: NAME, or USER/NAME of another user */
	char dir[PATH_MAX];
	uid_t uid; /* who made it */
	pid_t coordinator, guardian; /* who hold its lock; 0: nobody */
	bool live; /* somebody does */
	bool damaged; /* set aside by a coordinator; or not a namespace by its name: nobody can attach */
	uint64_t bytes; /* of memory that its files take */
};

/*
 * All of this user's, in $STOA_DIR or /dev/shm/stoa-UID, by name; with all, also those of other users that this one can
 * see. malloc'ed, also if there are none. -ENOMEM, or that the directory cannot be read; none is no error.
 */
int places_find(bool all, struct place **ret_places, size_t *ret_n);

/* The directory of this user's namespaces. False: $STOA_DIR is no absolute path. */
bool places_above(char ret_dir[PATH_MAX]);

#endif
