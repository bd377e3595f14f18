/*
 * serving.c: see serving.h. Set before the coordinator runs any method, by its one thread.
 */
#include "src/serving.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static char serving[PATH_MAX];

void serving_set(const char *dir)
{
	snprintf(serving, sizeof(serving), "%s", dir ? dir : "");
}

bool serving_is(const char *dir)
{
	return serving[0] && strcmp(serving, dir) == 0;
}
