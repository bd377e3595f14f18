/*
 * notify.h: telling a service manager how we do, as sd_notify(3) does. Without one, nothing happens.
 */
#ifndef STOA_NOTIFY_H
#define STOA_NOTIFY_H

#include <stdint.h>

void notify_send(const char *text); /* "READY=1" */

/* How often it wants to hear WATCHDOG=1 from this process, ns, already halved; 0: not. */
int64_t notify_watchdog(void);

#endif
