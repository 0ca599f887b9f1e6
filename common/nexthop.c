/* SPDX-License-Identifier: BSD-3-Clause */
/* The headers of a tunnel, made once for all its packets. See nexthop.h. vr-ctl's main thread. */
#include "common/nexthop.h"

#include <string.h>

#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_gre.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

enum { OUTER_TTL = 64, GRE_PROTOCOL_MPLS = 0x8847, VXLAN_FLAG_VNI = 0x08000000 };

static uint32_t
outer_udp(uint8_t *at, uint16_t port)
{
	struct rte_udp_hdr udp = {.dst_port = rte_cpu_to_be_16(port)};

	memcpy(at, &udp, sizeof(udp));
	return sizeof(udp);
}

void
nexthop_tunnel_prepare(struct nexthop *nh)
{
	struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
				  .time_to_live = OUTER_TTL,
				  .next_proto_id = IPPROTO_UDP,
				  .src_addr = nh->tunnel.source_be,
				  .dst_addr = nh->tunnel.destination_be};
	uint8_t outer[NEXTHOP_OUTER_MAX] = {0};
	struct rte_gre_hdr gre = {.proto = RTE_BE16(GRE_PROTOCOL_MPLS)};
	struct rte_vxlan_hdr vxlan = {.vx_flags = RTE_BE32(VXLAN_FLAG_VNI)};
	uint32_t len = sizeof(ip), sum = 0;

	switch ((enum tunnel_kind)nh->tunnel.kind) {
	case TUNNEL_MPLS_GRE:
		ip.next_proto_id = IPPROTO_GRE;
		memcpy(outer + len, &gre, sizeof(gre));
		len += (uint32_t)sizeof(gre) + 4; /* and the label */
		break;
	case TUNNEL_MPLS_UDP:
		len += outer_udp(outer + len, TUNNEL_PORT_MPLS) + 4;
		break;
	case TUNNEL_VXLAN:
		len += outer_udp(outer + len, TUNNEL_PORT_VXLAN);
		memcpy(outer + len, &vxlan, sizeof(vxlan));
		len += (uint32_t)sizeof(vxlan);
		break;
	}
	memcpy(outer, &ip, sizeof(ip));
	for (uint32_t i = 0; i < sizeof(ip); i += 2) {
		uint16_t word;

		memcpy(&word, outer + i, sizeof(word));
		sum += word;
	}
	memset(nh->tunnel.outer, 0, sizeof(nh->tunnel.outer));
	memcpy(nh->tunnel.outer + sizeof(nh->tunnel.outer) - len, outer, len);
	nh->tunnel.outer_len = (uint8_t)len;
	nh->tunnel.outer_sum = sum;
}
