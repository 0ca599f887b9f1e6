/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow of a packet of the burst, for stages that choose by it. A slot's thread. */
#ifndef FWD_WORKER_STAGE_FLOW_VIEW_H
#define FWD_WORKER_STAGE_FLOW_VIEW_H

#include "fwd-worker/flow_hash.h"
#include "fwd-worker/worker.h"

/* As a routed packet or a frame, whichever it is now. */
static inline void
flow_view_packet(struct flow_view *v, const struct burst *b, uint32_t i)
{
	uint32_t len = b->m[i]->data_len;

	if (((b->inet | b->inet6) >> i & 1) == 0) {
		flow_view_frame(v, b->head[i], len);
		return;
	}
	*v = (struct flow_view){.family = FLOW_ETHER, .head = b->head[i]};
	flow_view_ip(v, b->head[i] + RTE_ETHER_HDR_LEN, len - RTE_ETHER_HDR_LEN);
}

#endif
