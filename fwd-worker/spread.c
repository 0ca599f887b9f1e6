/* SPDX-License-Identifier: BSD-3-Clause */
/* Spreads what comes in by ports with one queue. See spread.h. A slot's thread. */
#include "fwd-worker/spread.h"

#include <rte_ether.h>
#include <rte_ip.h>

#include "fwd-worker/handoff.h"
#include "fwd-worker/stage/fabric.h"

static bool
is_tunnel(const struct burst *b, uint32_t i)
{
	uint16_t type_be;

	memcpy(&type_be, b->head[i] + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	return type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       b->m[i]->data_len >= RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) &&
	       fabric_is_tunnel(b->m[i]);
}

void
spread_input(struct worker *w, struct burst *b, const struct vif *vif)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct flow_view flow;
		uint32_t slot;

		if (verdict_is_drop(b->verdict[i]) ||
		    (vif->type == VIF_PHYSICAL && is_tunnel(b, i)))
			continue;
		flow_view_frame(&flow, b->head[i], b->m[i]->data_len);
		slot = spread_slot(w, &flow);
		if (slot == w->slot_index)
			continue;
		b->verdict[i] = handoff_give(w, b, i, slot, (enum stage)b->verdict[i].code);
		b->common = EACH;
	}
}
