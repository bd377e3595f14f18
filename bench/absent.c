/*
 * absent.c: stand-ins for the peers whose libraries may be missing where this is built. They are weak: the peer itself,
 * where it is compiled, takes the place.
 */
#include <errno.h>

#include "bench/bench.h"

#define STAND_IN(id, package)                                                                                          \
	static int start_##id(void)                                                                                    \
	{                                                                                                              \
		return trouble(-ENOTSUP, "built without " package ", which scripts/bench installs");                   \
	}                                                                                                              \
	extern const struct peer peer_##id;                                                                            \
	__attribute__((weak)) const struct peer peer_##id = {                                                          \
		.name = #id, .doc = "not here: built without " package, .start = start_##id                            \
	}

STAND_IN(iceoryx, "libiceoryx-binding-c-dev");
STAND_IN(lmdb, "liblmdb-dev");
STAND_IN(memcached, "libmemcached-dev");
STAND_IN(nng, "libnng-dev");
STAND_IN(qb, "libqb-dev");
STAND_IN(redis, "libhiredis-dev");
STAND_IN(zmq, "libzmq3-dev");
