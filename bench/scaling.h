/*
 * scaling.h: what R, W and C of one object cost when there is more of something else: objects, attributes, bytes,
 * namespaces, attached clients.
 */
#ifndef BENCH_SCALING_H
#define BENCH_SCALING_H

int scaling_run(void); /* measures and prints; -EINTR: by the user, after printing the rounds that were complete */

#endif
