/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets of the underlay are for decap. Inline, for the stage that sorts them. */
#ifndef FWD_WORKER_STAGE_FABRIC_H
#define FWD_WORKER_STAGE_FABRIC_H

#include <string.h>

#include <rte_ether.h>
#include <rte_gre.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "common/nexthop.h"
#include "fwd-worker/pull.h"
#include "fwd-worker/worker.h"

/* Headers of a packet in several segments, as far as the rest here looks at them. */
static inline void
fabric_pull(struct worker *w, struct rte_mbuf *m)
{
	enum { LONGEST = RTE_ETHER_HDR_LEN + 60 + sizeof(struct rte_udp_hdr) };

	if (__builtin_expect(m->data_len < LONGEST && m->nb_segs > 1, 0))
		(void)pull(w, m, LONGEST);
}

static inline bool
fabric_is_tunnel_port(uint16_t port_be)
{
	return port_be == RTE_BE16(TUNNEL_PORT_VXLAN) || port_be == RTE_BE16(TUNNEL_PORT_MPLS) ||
	       port_be == RTE_BE16(TUNNEL_PORT_MPLS_OLD);
}

/*
 * Whether an IPv4 packet for the router, whose fixed header is there, is MPLS in GRE, MPLS in UDP
 * or VXLAN.
 */
static inline bool
fabric_is_tunnel(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN), *l4;
	uint16_t fragment_be, be;

	memcpy(&fragment_be, ip + offsetof(struct rte_ipv4_hdr, fragment_offset),
	       sizeof(fragment_be));
	l4 = ip + (ip[0] & 15) * 4u;
	if ((fragment_be & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0 ||
	    l4 + sizeof(struct rte_gre_hdr) >
		rte_pktmbuf_mtod_offset(m, const uint8_t *, m->data_len))
		return false;
	memcpy(&be, l4 + offsetof(struct rte_udp_hdr, dst_port), sizeof(be));
	switch (ip[offsetof(struct rte_ipv4_hdr, next_proto_id)]) {
	case IPPROTO_UDP:
		return fabric_is_tunnel_port(be);
	case IPPROTO_GRE:
		return be == RTE_BE16(RTE_ETHER_TYPE_MPLS); /* at the same place */
	default:
		return false;
	}
}

#endif
