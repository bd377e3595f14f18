/*
 * names.h: which names are good, and where a namespace lives.
 */
#ifndef STOA_NAMES_H
#define STOA_NAMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "include/stoa.h"

/*
 * Check a name of what ("namespace", "object"): 1 to STOA_NAME_MAX bytes of [A-Za-z0-9_-] — objects also ':' — with no
 * leading '-'. No dot (OBJECT.ATTR is split at the first), no slash, no control characters. Sets the thread's error
 * ("object name \"a/b\" has '/': letters, digits, '_', '-' and ':' are allowed") and returns -EINVAL.
 */
int names_check(const char *what, const char *name);

/* The directory of a namespace, $STOA_DIR/NAME or /dev/shm/stoa-UID/NAME, and the one above it. -ENAMETOOLONG with the
 * thread's error when the path, with "/socket", does not fit a socket address (sun_path, 108 bytes). */
int names_dir(const char *name, char ret_above[PATH_MAX], char ret_dir[PATH_MAX]);

/*
 * To attach: NAME as above, or USER/NAME: what USER (a login name or a number) serves in /dev/shm/stoa-UID, whatever
 * $STOA_DIR says. ret_owner is who must be serving it. -EINVAL, with the thread's error, for any other slash.
 */
int names_find(const char *name, char ret_dir[PATH_MAX], uid_t *ret_owner);

#define NAMES_ANYONE ((uid_t)-1)	    /* as an owner: $STOA_DIR tells a place, and not whose it is */
#define NAMES_BOTH_MAX (2 * STOA_NAME_MAX + 1) /* bytes of USER/NAME */

/* The first directory on the way to what lies at path, from the root on, that is shut; false: none. */
bool names_find_shut(const char *path, bool (*is_shut)(const char *dir, const void *data), const void *data,
		     char ret_dir[PATH_MAX]);

bool names_dir_is_chosen(void); /* by $STOA_DIR: the directory above is the user's then, not ours to judge or remove */

#endif
