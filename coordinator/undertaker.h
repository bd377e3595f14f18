/*
 * undertaker.h: who has the coordinator's memory when the coordinator is dead.
 *
 * The kernel tells a parent of a death only when it has given back the memory of the dead, if nobody else uses that:
 * some 10 ms for 100 MiB. So a coordinator that has much shares its memory with a process that only waits for its death:
 * the guardian hears of it at once, and that process ends a little later, out of the successor's way.
 */
#ifndef STOA_UNDERTAKER_H
#define STOA_UNDERTAKER_H

/* Make one for the calling process, if it has none; where none can be made, deaths are heard of later. */
void undertaker_begin(void);

/* The process that has one lives on without. */
void undertaker_end(void);

#endif
