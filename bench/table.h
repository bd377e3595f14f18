/*
 * table.h: what was measured, for a person to read.
 */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "bench/run.h"

void table_print(const struct run *run);
void table_print_probe(const struct run *run);
const char *table_ns(double ns); /* "3.14 ns", "48.2 us"; one of some texts that are used in turn */

#endif
