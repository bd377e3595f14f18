/*
 * spin.h: how long the coordinator waits for the next command before it sleeps, and on which CPU.
 */
#ifndef STOA_SPIN_H
#define STOA_SPIN_H

#include "coordinator/coordinator.h"

void spin_begin(struct coordinator *c);

/* True: there is a command. */
bool spin_wait(const struct coordinator *c);

/* Learn from a sleep that began at asleep_ns and has just ended; leave the CPU of a caller that shares it. */
void spin_learn(struct coordinator *c, int64_t asleep_ns);

/* For producers: who runs there keeps us from it. */
void spin_tell_cpu(const struct coordinator *c);

#endif
