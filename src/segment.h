/*
 * segment.h: the files of a namespace as mapped memory.
 *
 * A segment is a sparse file as long as its limit, mapped once at that length, so that growth needs no remapping. Pages
 * are reserved before they are touched: a full tmpfs is an error then, never a SIGBUS. What another process can
 * truncate is registered with the guard, which puts zero pages under a fault and tells its owner.
 */
#ifndef STOA_SEGMENT_H
#define STOA_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "src/layout.h"

/* Make the file of this kind in dir_fd, O_EXCL, mode 0600, limit bytes long with the first page reserved, its head
 * written. Returns the descriptor (CLOEXEC) or a negative errno with the thread's error. */
int segment_create(int dir_fd, const char *file, enum segment_kind kind, uint64_t limit, uint64_t namespace_id);

/* ftruncate, with -EFBIG where the signal of RLIMIT_FSIZE would end the process. */
int segment_set_size(int fd, uint64_t limit);

/* Map limit bytes of fd. NULL on failure, with errno set. A forked child has it too. Unmap with segment_unmap. */
void *segment_map(int fd, uint64_t limit, bool writable);
void segment_unmap(void *at, uint64_t limit);

/* Memory of this process alone: a forked child finds it empty. NULL on failure, with errno set. */
void *segment_map_own(uint64_t size);

/* Does fd hold a whole segment of this kind and version? Reads with pread, so damage cannot hurt. ret_head is a private
 * copy. -EPROTO with the thread's error, which says what is wrong. */
int segment_check(int fd, const char *file, enum segment_kind kind, struct segment_head *ret_head);

/* Reserve pages for [at, at + size) of fd. -ENOSPC with the thread's error. */
int segment_reserve(int fd, uint64_t at, uint64_t size);

/*
 * Guard a mapping against truncation by others: at a fault in it `damaged` is called with `of`, in a signal handler, and
 * then it reads as zeroes. Who reads first and then sees nothing of what `damaged` does has read no such zero. Any
 * thread. Faults elsewhere go to the handlers of the program. A process that has reset its handlers, or put one over
 * ours, guards again with its next call. Unguard before unmapping.
 */
typedef void segment_damaged(void *of);
int segment_guard(void *at, uint64_t size, segment_damaged *damaged, void *of);
void segment_set_flag(void *of); /* a volatile int */
void segment_unguard(void *at);

#endif
