/*
 * mirror.c: see mirror.h.
 */
#include "coordinator/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARDED_MAX 8192 /* of them: each takes two of the 65530 maps that a process may have by default */

static unsigned n_guarded;

static int map_guarded(struct mirror *m, size_t size, size_t align)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size + page - 1) / page * page;
	char *map = mmap(NULL, bytes + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(map, bytes, PROT_READ | PROT_WRITE) < 0) {
		munmap(map, bytes + page);
		return -ENOMEM;
	}
	*m = (struct mirror){ .at = map + bytes - (size + align - 1) / align * align,
			      .map = map,
			      .mapped = bytes + page };
	n_guarded++;
	return 0;
}

int mirror_init(struct mirror *m, size_t size, size_t align)
{
	if (n_guarded < GUARDED_MAX && map_guarded(m, size, align) == 0)
		return 0;
	*m = (struct mirror){ .at = calloc(1, size) };
	return m->at ? 0 : -ENOMEM;
}

void mirror_fini(struct mirror *m)
{
	if (m->map) {
		munmap(m->map, m->mapped);
		n_guarded--;
	} else {
		free(m->at);
	}
	*m = (struct mirror){ 0 };
}
