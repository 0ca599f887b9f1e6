/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that no device spreads over the slots are spread by their flow (option spread): all of a
 * flow go to one slot and keep their order. What leaves for another slot is counted as received
 * here. A slot's thread.
 */
#ifndef FWD_WORKER_SPREAD_H
#define FWD_WORKER_SPREAD_H

#include "common/conf.h"
#include "fwd-worker/flow_hash.h"
#include "fwd-worker/worker.h"

/* The slot that this flow's packets belong to. */
static inline uint32_t
spread_slot(const struct worker *w, const struct flow_view *flow)
{
	return (uint32_t)((uint64_t)flow_hash(flow) * w->spread_slots >> 32);
}

/* Whether what comes in by this port is spread before anything is decided about it. */
static inline bool
spread_is_for_port(const struct worker *w, uint32_t port)
{
	return __builtin_expect(w->spread == SPREAD_PORTS, 0) && w->spread_slots > 1 &&
	       w->tx[port].one_queue;
}

/*
 * Input has said where each packet of the burst goes: those of other slots go on there. Packets of
 * tunnels stay, for decap to spread by what is inside.
 */
void spread_input(struct worker *w, struct burst *b, const struct vif *vif);

#endif
