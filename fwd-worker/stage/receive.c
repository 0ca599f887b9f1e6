/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive: packets whose way ends at the router itself. Those for its addresses go to the host,
 * with the TTL they came with, or to the agent when they are errors about a tunnel; frames for its
 * MAC are taken for what is in them; those for a neighbour nobody knows yet go to the agent. A
 * slot's thread.
 *
 * Uses nexthop, inet, inet6, mine, expired; sets nexthop; clears inet, inet6. To arp, ip4, ip6,
 * output.
 */
#include <string.h>

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "fwd-worker/leads.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/trap.h"

/* Destination ports of MPLS over UDP (RFC 7510; the one of before it) and VXLAN (RFC 7348). */
enum { MPLS_PORT = 6635, MPLS_OLD_PORT = 51234, VXLAN_PORT = 4789 };

/* --- back to how it came ---------------------------------------------------------------------- */

/* RFC 1624: the TTL's word rises by 256, the checksum falls. */
static void
ttl_restore(struct burst *b, uint32_t i)
{
	uint8_t *ip = b->head[i] + RTE_ETHER_HDR_LEN;
	uint64_t bit = UINT64_C(1) << i;

	if ((b->expired & bit) != 0) {
		/* it was left alone */
	} else if ((b->inet & bit) != 0) {
		struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)ip;
		uint32_t sum = (uint32_t)ip4->hdr_checksum + RTE_BE16(0xfeff);

		ip4->hdr_checksum = (uint16_t)(sum + (sum >> 16));
		ip4->time_to_live++;
	} else if ((b->inet6 & bit) != 0) {
		((struct rte_ipv6_hdr *)ip)->hop_limits++;
	}
	b->expired &= ~bit;
}

/* --- for the host ----------------------------------------------------------------------------- */

static bool
is_tunnel_port(uint16_t port_be)
{
	return port_be == RTE_BE16(MPLS_PORT) || port_be == RTE_BE16(MPLS_OLD_PORT) ||
	       port_be == RTE_BE16(VXLAN_PORT);
}

/* Whether this IPv4 packet, of which 'n' bytes are there, is one of a tunnel. */
static bool
is_tunnel(const struct rte_ipv4_hdr *ip, uint32_t n)
{
	uint32_t header = (ip->version_ihl & 15) * 4u;
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)((const uint8_t *)ip + header);

	if (n < sizeof(*ip) || n < header + 4)
		return false;
	return ip->next_proto_id == IPPROTO_GRE ||
	       (ip->next_proto_id == IPPROTO_UDP && is_tunnel_port(udp->dst_port));
}

/* An error that names a packet of a tunnel of ours: it is of no use to the host. */
static bool
is_tunnel_error(const struct burst *b, uint32_t i)
{
	const struct rte_ipv4_hdr *ip =
	    (const struct rte_ipv4_hdr *)(b->head[i] + RTE_ETHER_HDR_LEN);
	uint32_t header = (ip->version_ihl & 15) * 4u, n = b->m[i]->data_len - RTE_ETHER_HDR_LEN;
	const struct rte_icmp_hdr *icmp =
	    (const struct rte_icmp_hdr *)((const uint8_t *)ip + header);
	const struct rte_ipv4_hdr *about = (const struct rte_ipv4_hdr *)(icmp + 1);

	return ip->next_proto_id == IPPROTO_ICMP &&
	       n >= header + sizeof(*icmp) + sizeof(*about) + 4 &&
	       (icmp->icmp_type == 3 || icmp->icmp_type == 11) &&
	       is_tunnel(about, n - header - (uint32_t)sizeof(*icmp));
}

static struct verdict
to_host(struct worker *w, struct burst *b, uint32_t i, const struct nexthop *nh)
{
	uint32_t id = nh != NULL && nh->type == NEXTHOP_RECEIVE ? nh->encap.vif : VIF_NONE;
	const struct vif *vif;
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)b->head[i];
	uint64_t bit = UINT64_C(1) << i;

	if (id == VIF_NONE)
		id = vif_role(&w->roles->host);
	vif = vif_lookup(w->vifs, id);
	if (vif == NULL)
		return DROP(NO_HOST_VIF);
	memcpy(&eth->dst_addr, vif->mac, RTE_ETHER_ADDR_LEN);
	if ((b->tunneled & bit) != 0) {
		const struct vif *in = vif_lookup(w->vifs, b->in_vif);

		if (in != NULL)
			memcpy(&eth->src_addr, in->mac, RTE_ETHER_ADDR_LEN);
	}
	eth->ether_type =
	    (b->inet6 & bit) != 0 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	return lead(w, b, i, LEAD_HOST, id);
}

static struct verdict
for_router(struct worker *w, struct burst *b, uint32_t i, const struct nexthop *nh)
{
	uint64_t bit = UINT64_C(1) << i;
	struct verdict v;

	ttl_restore(b, i);
	b->mine &= ~bit;
	if ((b->inet & bit) != 0 && is_tunnel_error(b, i) && vif_role(&w->roles->agent) != VIF_NONE)
		v = trap_end(w, b, i, TRAP_ICMP_ERROR);
	else
		v = to_host(w, b, i, nh);
	b->inet &= ~bit;
	b->inet6 &= ~bit;
	return v;
}

/* --- other nexthops --------------------------------------------------------------------------- */

static struct verdict
for_own_mac(const struct burst *b, uint32_t i)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)b->head[i];

	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return TO(IP4);
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return TO(IP6);
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) && (b->asked >> i & 1) == 0)
		return TO(ARP);
	return DROP(UNKNOWN_PROTOCOL);
}

/* A frame is the host's to resolve as well; of a packet the agent gets the only one. */
static struct verdict
resolve(struct worker *w, struct burst *b, uint32_t i)
{
	struct verdict v;

	if (((b->inet | b->inet6) >> i & 1) != 0)
		return trap_end(w, b, i, TRAP_RESOLVE);
	v = trap_copy(w, b, i, TRAP_RESOLVE);
	if (verdict_is_drop(v) && verdict_drop(v) != DROP_NO_AGENT_VIF)
		count_drops(w, b->in_vif, verdict_drop(v), 1);
	return lead_to_host(w, b, i);
}

void
stage_receive(struct worker *w, struct burst *b, const struct vec *v)
{
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];
		bool mine = (b->mine >> i & 1) != 0;
		const struct nexthop *nh = mine ? NULL : b->nexthop[i];

		if (mine || nh->type == NEXTHOP_RECEIVE)
			b->verdict[i] = for_router(w, b, i, nh);
		else if (nh->type == NEXTHOP_L2_RECEIVE)
			b->verdict[i] = for_own_mac(b, i);
		else
			b->verdict[i] = resolve(w, b, i);
	}
}
