/*
 * serving.c: see serving.h. Set before the coordinator runs any method, by its one thread.
 */
#include "src/serving.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

bool serving_any;
static char serving[PATH_MAX];

void serving_set(const char *dir)
{
	serving_any = dir;
	snprintf(serving, sizeof(serving), "%s", dir ? dir : "");
}

bool serving_is(const char *dir)
{
	return serving_any && strcmp(serving, dir) == 0;
}
