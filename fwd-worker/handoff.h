/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that belong to another slot: they go there over the mesh, and on from the stage they
 * had come to. Packets from one slot to another keep their order. A slot's thread.
 */
#ifndef FWD_WORKER_HANDOFF_H
#define FWD_WORKER_HANDOFF_H

#include "fwd-worker/stage.h"

/*
 * Packet 'i' goes on at 'stage' of that slot, which is another than ours. SENT, or why not. What
 * travels along: the vif it came in by, vrf, label, nexthop_id, what kind of packet it is, and
 * where its header is. It is counted as received here, and all else there.
 */
struct verdict handoff_give(struct worker *w, const struct burst *b, uint32_t i, uint32_t slot,
			    enum stage stage);

/*
 * Runs packets at rx[from], which others handed to us with next = PKT_NEXT_STAGE, as far as they
 * may share a burst; returns how many, at least one.
 */
uint32_t handoff_take(struct worker *w, uint32_t from, uint32_t n);

#endif
