/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to the agent. See trap.h. A slot's thread. */
#include "fwd-worker/trap.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "common/fault_point.h"

static const bool is_truncated[TRAP_REASONS] = {
#define TRAP_REASON(NAME, name, truncated, text) [TRAP_##NAME] = (truncated),
#include "common/trap_reasons.def"
#undef TRAP_REASON
};

enum { BFD_PORT = 3784 };

/* What the agent's nexthop gets of BFD is told apart (RFC 5881). */
static bool
is_bfd(const struct rte_mbuf *m, const uint8_t *head)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)head;
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);

	return m->data_len >= sizeof(*eth) + sizeof(*ip) + sizeof(*udp) &&
	       eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && ip->version_ihl == 0x45 &&
	       ip->next_proto_id == IPPROTO_UDP && udp->dst_port == RTE_BE16(BFD_PORT);
}

/* The frame's first 'n' bytes, of all its segments. */
static void
frame_write(struct byte_ring *ring, const struct rte_mbuf *m, uint32_t n)
{
	uint64_t offset = sizeof(struct trap_record);

	for (; m != NULL && n > 0; m = m->next) {
		uint32_t part = m->data_len < n ? m->data_len : n;

		byte_ring_write(ring, offset, rte_pktmbuf_mtod(m, const void *), part);
		offset += part;
		n -= part;
	}
}

struct verdict
trap_copy(struct worker *w, const struct burst *b, uint32_t i, enum trap_reason reason)
{
	uint32_t agent = vif_role(&w->roles->agent);
	struct byte_ring *ring = &w->agent->trap;
	const struct rte_mbuf *m = b->m[i];
	struct trap_record r = {.whole_length = m->pkt_len,
				.length = m->pkt_len,
				.vif = b->in_vif,
				.vrf = b->vrf[i],
				.nexthop = NEXTHOP_NONE};

	if (agent == VIF_NONE)
		return DROP(NO_AGENT_VIF);
	if (reason == TRAP_NEXTHOP && is_bfd(m, b->head[i]))
		reason = TRAP_BFD;
	if (reason == TRAP_NEXTHOP || reason == TRAP_BFD || reason == TRAP_RESOLVE)
		r.nexthop = b->nexthop[i]->id;
	r.reason = (uint16_t)reason;
	if (r.length > TRAP_FRAME_MAX)
		r.length = TRAP_FRAME_MAX;
	if (is_truncated[reason] && r.length > TRAP_TRUNCATED_BYTES)
		r.length = TRAP_TRUNCATED_BYTES;
	if (!byte_ring_has_room(ring, sizeof(r) + r.length))
		return DROP(TRAP_FULL);
	byte_ring_write(ring, 0, &r, sizeof(r));
	FAULT_POINT("trap-written");
	frame_write(ring, m, r.length);
	byte_ring_publish(ring, sizeof(r) + r.length);
	FAULT_POINT("trap-published");
	w->count[agent].tx_packets++;
	w->count[agent].tx_bytes += m->pkt_len;
	return SENT;
}

struct verdict
trap_end(struct worker *w, const struct burst *b, uint32_t i, enum trap_reason reason)
{
	struct verdict v = trap_copy(w, b, i, reason);

	if (!verdict_is_drop(v))
		hand_drop(w->hand, b->m[i]); /* no loss, so it is not counted */
	return v;
}
