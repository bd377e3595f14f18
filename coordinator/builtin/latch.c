/*
 * latch.c: the method of the built-in class "latch". Nobody counts below zero.
 */
#include "include/stoa/latch.h"

#include <errno.h>

STOA_STRUCT(latch, STOA_ATTR(struct latch, left, .doc = "to be counted down; 0: open", .writable = true));
STOA_STRUCT(latch_count, STOA_ATTR(struct latch_count, n, .doc = "by how much"));
STOA_STRUCT(latch_left, STOA_ATTR(struct latch_left, left, .doc = "after the method"));

static int latch_down(struct latch *self, const struct latch_count *args, struct latch_left *ret)
{
	if (args->n > self->left)
		return stoa_fail(-ERANGE, "%ju are to be counted down, and %ju are left", (uintmax_t)args->n,
				 (uintmax_t)self->left);
	self->left -= args->n;
	ret->left = self->left;
	return 0;
}

STOA_METHOD(latch, down, latch_count, latch_left, .writes = "left", .doc = "count down by n");
STOA_CLASS(latch, 1, &latch_down_row);
