/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients inject, out of the slot's ring (common/trap.h). A slot's thread, in its loop. */
#ifndef FWD_WORKER_INJECT_H
#define FWD_WORKER_INJECT_H

#include "fwd-worker/worker.h"

/* Instead of a port: the burst is of what was injected. */
#define PORT_INJECTED UINT32_MAX

/*
 * Takes the oldest record into the hand's rx[0], where a repair finds it: the record leaves the
 * ring only then, so whoever dies before does it again. False when there is none, or no mbuf for it
 * (it waits).
 */
bool inject_take(struct worker *w);

/* Input for it: it leaves by the vif it names, or is treated as if it had come in there. */
void inject_input(struct worker *w, struct burst *b);

#endif
