/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients inject. See inject.h. A slot's thread. */
#include "fwd-worker/inject.h"

#include <string.h>

#include <rte_ether.h>

#include "common/fault_point.h"
#include "fwd-worker/leads.h"

static struct rte_mbuf *
frame_read(struct worker *w, const struct byte_ring *ring, uint32_t length)
{
	struct rte_mbuf *head = NULL;
	uint64_t offset = sizeof(struct trap_record);

	while (length > 0 || head == NULL) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->mbufs);
		uint32_t part;

		if (m == NULL || (head != NULL && rte_pktmbuf_chain(head, m) < 0)) {
			rte_pktmbuf_free(m);
			rte_pktmbuf_free(head);
			return NULL;
		}
		head = head == NULL ? m : head;
		part = rte_pktmbuf_tailroom(m) < length ? rte_pktmbuf_tailroom(m) : length;
		byte_ring_read(ring, offset, rte_pktmbuf_append(head, (uint16_t)part), part);
		offset += part;
		length -= part;
	}
	return head;
}

bool
inject_take(struct worker *w)
{
	struct byte_ring *ring = &w->agent->inject;
	uint64_t filled = byte_ring_filled(ring);
	struct trap_record *r = &w->injected;

	if (filled < sizeof(*r))
		return false;
	byte_ring_read(ring, 0, r, sizeof(*r));
	if (r->length > TRAP_FRAME_MAX || r->length > filled - sizeof(*r)) {
		byte_ring_release(ring, filled); /* it makes no sense */
		return false;
	}
	hand_rx(w->hand, 0, 0, PORT_HOLD_NONE);
	w->hand->rx[0] = frame_read(w, ring, r->length);
	FAULT_POINT("inject-read");
	if (w->hand->rx[0] == NULL) {
		hand_next_epoch(w->hand);
		hand_set(w->hand, (union hand_state){.where = HAND_EMPTY});
		return false;
	}
	byte_ring_release(ring, sizeof(*r) + r->length);
	FAULT_POINT("inject-released");
	return true;
}

static struct verdict
verdict_of(struct worker *w, struct burst *b, const struct vif *vif)
{
	const uint8_t *head = b->head[0];
	uint16_t type_be;

	if (b->m[0]->data_len < RTE_ETHER_HDR_LEN)
		return DROP(RUNT);
	if (vif == NULL)
		return DROP(NO_VIF);
	if (w->injected.reason == INJECT_SWITCH)
		return lead(w, b, 0, LEAD_ACROSS, vif->id);
	memcpy(&type_be, head + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	if (memcmp(head, vif->mac, RTE_ETHER_ADDR_LEN) != 0)
		return TO(BRIDGE);
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return TO(IP4);
	return type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? TO(IP6) : TO(BRIDGE);
}

/* The agent knows the answers itself: what it asks is flooded. */
void
inject_input(struct worker *w, struct burst *b)
{
	const struct vif *vif = vif_lookup(w->vifs, w->injected.vif);
	uint32_t agent = vif_role(&w->roles->agent);
	bool route = w->injected.reason == INJECT_ROUTE;

	agent = agent == VIF_NONE ? w->no_vif : agent;
	b->in_vif = route && vif != NULL ? vif->id : agent;
	b->in_flags = route && vif != NULL ? vif->flags : 0;
	b->head[0] = rte_pktmbuf_mtod(b->m[0], uint8_t *);
	b->len[0] = b->m[0]->pkt_len;
	b->vrf[0] = w->injected.vrf;
	b->policy = (b->in_flags & VIF_FLAG_POLICY) != 0;
	b->asked = 1;
	w->chained |= b->m[0]->nb_segs != 1;
	w->room -= b->m[0]->nb_segs < w->room ? b->m[0]->nb_segs : w->room;
	b->verdict[0] = verdict_of(w, b, vif);
	w->count[agent].rx_packets++;
	w->count[agent].rx_bytes += b->len[0];
}
