/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * With --spawn: starts workers, agents and control, and starts them again when they die, at once at
 * first and with growing patience if they keep dying. Main thread. Without --spawn all of this does
 * nothing.
 *
 * Children get a session of their own and outlive the primary. One that an earlier primary left
 * behind counts as the child it was.
 */
#ifndef PRIMARY_CHILDREN_H
#define PRIMARY_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "primary/primary.h"
#include "primary/repair.h"

/* Before anything pins the main thread: children are to have the affinity that we were given. */
void children_note_affinity(void);

struct children *children_create(struct primary *p, struct fault *f);
void children_destroy(struct primary *p);
/* Starts whom nobody stands in for (see peers_adopt()). */
void children_start(struct primary *p);

/*
 * Process 'pid' is gone: reaps it if it was ours, fills in how it ended, and starts its successor
 * if it is due at once. 'ready_ms' is when it was ready (monotonic), 0: never.
 */
void children_gone(struct primary *p, pid_t pid, uint64_t ready_ms, struct death *d);

bool children_has(struct primary *p, pid_t pid);
/* Starts who is due; returns ms until the next is, or -1. */
int children_poll(struct primary *p);
/* How many live. */
unsigned int children_alive(struct primary *p);
void children_signal(struct primary *p, int sig);

#endif
