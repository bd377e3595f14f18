/*
 * serving.h: which namespace this process is the coordinator of, so that a method that calls stoa on it is refused
 * (-EDEADLK) instead of waiting for itself.
 */
#ifndef STOA_SERVING_H
#define STOA_SERVING_H

#include <stdbool.h>

extern bool serving_any; /* set: this process is a coordinator */

void serving_set(const char *dir); /* NULL: of none */
bool serving_is(const char *dir);

#endif
