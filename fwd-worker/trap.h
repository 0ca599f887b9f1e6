/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets to the agent: copied into the slot's ring (common/trap.h). Called by stages, on a slot's
 * thread.
 */
#ifndef FWD_WORKER_TRAP_H
#define FWD_WORKER_TRAP_H

#include "fwd-worker/worker.h"

/*
 * Copies packet i, or its beginning, counted out at the agent's vif. SENT, or why not: there is no
 * agent vif, or its ring is full. The packet itself goes on.
 */
struct verdict trap_copy(struct worker *w, const struct burst *b, uint32_t i,
			 enum trap_reason reason);

/* The same for a packet that ends with it. */
struct verdict trap_end(struct worker *w, const struct burst *b, uint32_t i,
			enum trap_reason reason);

#endif
