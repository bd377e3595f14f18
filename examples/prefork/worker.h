/*
 * worker.h: one worker process of the server.
 */
#ifndef PREFORK_WORKER_H
#define PREFORK_WORKER_H

#include <stoa.h>

/*
 * Answer what comes to the listening socket until SIGTERM; stats is the shared object. A child of the process that
 * attached calls it, and no other thread is there. Returns its exit status.
 */
int worker_run(int listen_fd, struct stoa *stoa, struct stoa_proxy *stats);

#endif
