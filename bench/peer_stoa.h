/*
 * peer_stoa.h: an error of stoa, as the benchmark keeps it.
 */
#ifndef BENCH_PEER_STOA_H
#define BENCH_PEER_STOA_H

int stoa_trouble(int code); /* code, which is negative, with the text of stoa_last_error */

#endif
