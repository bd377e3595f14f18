/*
 * peers.c: the table of peers, in the order of the output. The floors are first: run.c probes with them.
 */
#include "bench/bench.h"

extern const struct peer peer_floors, peer_iceoryx, peer_lmdb, peer_memcached, peer_mq, peer_mutex, peer_nng,
	peer_python, peer_qb, peer_redis, peer_robust, peer_socket, peer_stoa, peer_zmq;

const struct peer *const peers[] = {
	&peer_floors, &peer_stoa,      &peer_mutex, &peer_robust, &peer_lmdb, &peer_iceoryx, &peer_redis,
	&peer_memcached, &peer_socket, &peer_mq,    &peer_zmq,	  &peer_nng,  &peer_qb,	     &peer_python, NULL,
};
