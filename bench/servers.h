/*
 * servers.h: the processes that serve peers, and the directory with their sockets and files.
 *
 * They end with the benchmark, whatever ends it: servers_end() kills and reaps them and removes the directory; the
 * kernel kills those of a benchmark that was killed itself.
 */
#ifndef BENCH_SERVERS_H
#define BENCH_SERVERS_H

#include <stdbool.h>
#include <sys/types.h>

int servers_begin(void);             /* makes the directory; sets STOA_DIR below it */
const char *servers_dir(void);       /* short enough for the path of a socket */
void servers_end(void);
void servers_pin(bool pinned);

/* Forks serve(data), which does not return; its text to standard error goes to a file name.log in the directory. */
pid_t servers_fork(const char *name, void (*serve)(void *data), void *data);
pid_t servers_exec(const char *name, const char *const *argv); /* the same for a program of the system */
const char *servers_find(const char *program);                 /* its path, also where root's are; NULL: not here */

/* Wait until there is a listener at the path of a unix socket, or a text; or the server has died. */
int servers_await_socket(pid_t server, const char *path);
int servers_await_text(pid_t server, const char *name, const char *text); /* in name.log */
void servers_stop(pid_t server);      /* at once */
void servers_terminate(pid_t server); /* by SIGTERM: it has something to tidy up; at once if that takes long */

#endif
