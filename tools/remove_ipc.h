/*
 * remove_ipc.h: does systemd-logind remove a user's shared memory when the user has logged out (logind.conf(5))?
 */
#ifndef STOA_TOOL_REMOVE_IPC_H
#define STOA_TOOL_REMOVE_IPC_H

#include <stdbool.h>

/*
 * What RemoveIPC= is by the files below root ("" for this machine): logind.conf, the first there is of /etc, /run,
 * /usr/local/lib and /usr/lib, then all logind.conf.d/NAME.conf of those directories, in the order of their names, the
 * same name in an earlier directory hiding it in a later. Unset is true, as logind has it.
 */
bool remove_ipc_is_set(const char *root);

#endif
