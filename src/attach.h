/*
 * attach.h: stoa_attach for stoa_start, which need not wait for a coordinator: it starts one. proxy/handle.c has it.
 */
#ifndef STOA_ATTACH_H
#define STOA_ATTACH_H

#include <stdint.h>

#include "include/stoa.h"

/* As stoa_attach, but -ENOENT when nobody has served for absent ns. */
int attach_within(const char *name, const struct stoa_options *options, int64_t absent, struct stoa **ret_stoa);

#endif
