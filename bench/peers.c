/*
 * peers.c: the table of peers, in the order of the output.
 */
#include "bench/bench.h"

extern const struct peer peer_floors, peer_mutex, peer_robust, peer_stoa;

const struct peer *const peers[] = {
	&peer_floors, &peer_stoa, &peer_mutex, &peer_robust, NULL,
};
