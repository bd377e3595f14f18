/*
 * mirror.c: see mirror.h.
 */
#include "coordinator/mirror.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARDED_MAX 8192 /* of them: each takes two or three of the 65530 maps that a process may have by default */
#define GUARD (64 * 1024)
#define LOOK 64 /* bytes before it, after each method */

static unsigned n_guarded;
static size_t held;

static int map_guarded(struct mirror *m, size_t size, size_t align)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size + page - 1) / page * page;
	size_t before = bytes - (size + align - 1) / align * align, mapped = bytes + 2 * GUARD;
	char *map = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(map + GUARD, bytes, PROT_READ | PROT_WRITE) < 0) {
		munmap(map, mapped);
		return -ENOMEM;
	}
	*m = (struct mirror){ .at = map + GUARD + before, .map = map, .mapped = mapped, .before = before };
	n_guarded++;
	return 0;
}

int mirror_init(struct mirror *m, size_t size, size_t align)
{
	if (n_guarded >= GUARDED_MAX || map_guarded(m, size, align) < 0)
		*m = (struct mirror){ .at = calloc(1, size) };
	if (!m->at)
		return -ENOMEM;
	m->size = size;
	held += size;
	return 0;
}

void mirror_fini(struct mirror *m)
{
	held -= m->size;
	if (m->map) {
		munmap(m->map, m->mapped);
		n_guarded--;
	} else {
		free(m->at);
	}
	*m = (struct mirror){ 0 };
}

static bool line_is_zero(const char *at)
{
	typedef uint64_t pair __attribute__((vector_size(16), aligned(1), may_alias));
	const pair *p = (const pair *)at;
	pair any = p[0] | p[1] | p[2] | p[3];
	return (any[0] | any[1]) == 0;
}

size_t mirror_held(void)
{
	return held;
}

bool mirror_check(const struct mirror *m, bool all)
{
	static const char zero[LOOK];
	if (!all && m->before >= LOOK && line_is_zero((char *)m->at - LOOK))
		return true;
	size_t n = all || m->before < LOOK ? m->before : LOOK;
	for (char *at = (char *)m->at - n; at < (char *)m->at; at += LOOK) {
		size_t left = (size_t)((char *)m->at - at);
		if (memcmp(at, zero, left < LOOK ? left : LOOK) != 0) {
			memset((char *)m->at - m->before, 0, m->before);
			return false;
		}
	}
	return true;
}
