/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Classify: what input cannot tell by the destination MAC alone. Packets of uplinks are for the
 * router's tunnels, for the host, or routed; those of the host are routed where its VRF has a route
 * that leads elsewhere than to the uplink, else they leave by that as they are; guests have flags
 * that want a look at each packet. Whole bursts of cross-connected vifs go across undecided. A
 * slot's thread.
 *
 * Uses in_vif, head; sets vrf, mine, nexthop. To decap, arp, ip4, ip6, bridge,
 * output.
 */
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "common/route.h"
#include "fwd-worker/leads.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/stage/fabric.h"
#include "fwd-worker/trap.h"

static inline uint16_t
type_of(const uint8_t *head)
{
	uint16_t type_be;

	memcpy(&type_be, head + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	return rte_be_to_cpu_16(type_be);
}

static inline bool
is_group(const uint8_t *head)
{
	return (head[0] & 1) != 0;
}

static inline bool
has_bytes(const struct burst *b, uint32_t i, uint32_t n)
{
	return b->m[i]->data_len >= n;
}

static struct verdict
by_type(const uint8_t *head)
{
	switch (type_of(head)) {
	case RTE_ETHER_TYPE_ARP:
		return TO(ARP);
	case RTE_ETHER_TYPE_IPV4:
		return TO(IP4);
	case RTE_ETHER_TYPE_IPV6:
		return TO(IP6);
	default:
		return TO(BRIDGE);
	}
}

/* --- VLAN ------------------------------------------------------------------------------------- */

/* Takes the uplink's tag off, wherever the port left it. */
static bool
vlan_take(struct burst *b, uint32_t i, uint16_t vlan)
{
	struct rte_mbuf *m = b->m[i];

	if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) == 0) {
		if (!has_bytes(b, i, RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN) || rte_vlan_strip(m) != 0)
			return false;
		b->head[i] = rte_pktmbuf_mtod(m, uint8_t *);
		b->len[i] = m->pkt_len;
	}
	m->ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_VLAN);
	return (m->vlan_tci & 0xfff) == vlan;
}

/* --- cross-connect ---------------------------------------------------------------------------- */

/* Where all packets of this vif go, or VIF_NONE. */
static uint32_t
across(const struct worker *w, const struct vif *vif)
{
	bool asked = (vif->flags & VIF_FLAG_CROSS_CONNECT) != 0;

	if (asked && vif->cross_connect != VIF_NONE)
		return vif->cross_connect;
	if (!asked && vif_role(&w->roles->agent) != VIF_NONE)
		return VIF_NONE;
	if (vif->type == VIF_HOST)
		return vif_role(&w->roles->uplink);
	return vif->type == VIF_PHYSICAL && vif->id == vif_role(&w->roles->uplink)
		   ? vif_role(&w->roles->host)
		   : VIF_NONE;
}

/* --- uplinks ---------------------------------------------------------------------------------- */

static bool
is_address_of(const struct vif *vif, const uint8_t *head, uint16_t type)
{
	static const uint8_t none[16];

	if (vif == NULL)
		return false;
	if (type == RTE_ETHER_TYPE_IPV4)
		return vif->ip_be != 0 &&
		       memcmp(head + RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv4_hdr, dst_addr),
			      &vif->ip_be, sizeof(vif->ip_be)) == 0;
	return memcmp(vif->ip6, none, sizeof(none)) != 0 &&
	       memcmp(head + RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv6_hdr, dst_addr), vif->ip6,
		      sizeof(vif->ip6)) == 0;
}

static struct verdict
from_uplink(struct worker *w, struct burst *b, uint32_t i, const struct vif *vif,
	    const struct vif *host)
{
	const uint8_t *head = b->head[i];
	uint16_t type = type_of(head);
	bool own = memcmp(head, vif->mac, RTE_ETHER_ADDR_LEN) == 0 ||
		   (host != NULL && memcmp(head, host->mac, RTE_ETHER_ADDR_LEN) == 0);
	uint32_t header;

	fabric_pull(w, b->m[i]);
	header =
	    type == RTE_ETHER_TYPE_IPV6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);

	if (type == RTE_ETHER_TYPE_ARP && (own || is_group(head)))
		return host != NULL || own ? TO(ARP) : TO(BRIDGE);
	if (is_group(head)) {
		if (host == NULL)
			return TO(BRIDGE);
		return type == RTE_ETHER_TYPE_IPV6 && has_bytes(b, i, RTE_ETHER_HDR_LEN + header)
			   ? TO(ND)
			   : lead_to_host(w, b, i);
	}
	if (!own)
		return TO(BRIDGE);
	if (type != RTE_ETHER_TYPE_IPV4 && type != RTE_ETHER_TYPE_IPV6)
		return host != NULL ? lead_to_host(w, b, i) : TO(BRIDGE);
	if (has_bytes(b, i, RTE_ETHER_HDR_LEN + header) &&
	    (is_address_of(vif, head, type) || is_address_of(host, head, type))) {
		if (type == RTE_ETHER_TYPE_IPV4 && fabric_is_tunnel(b->m[i]))
			return TO(DECAP);
		b->mine |= UINT64_C(1) << i;
	}
	return by_type(head);
}

/* --- uplinks that carry tunnels ---
 *
 * Nearly all packets of an uplink are VXLAN or MPLS in UDP for the router. Whether all of a burst
 * are is found out without a branch for each; from_uplink() says the same of such a packet.
 */

enum { PLAIN_L3 = RTE_ETHER_HDR_LEN, PLAIN_L4 = PLAIN_L3 + 20, PLAIN_LEN = PLAIN_L4 + 8 };

/* The router's addresses on an uplink: its own, and the host's. Absent ones are the other's. */
struct own {
	uint64_t mac[2]; /* as destination_of() */
	uint32_t ip_be[2];
};

/* The first 8 bytes of a frame without what is behind the destination MAC. */
static inline uint64_t
destination_of(const uint8_t *head)
{
	uint64_t bytes;

	memcpy(&bytes, head, sizeof(bytes));
	return bytes << 16;
}

/* False: no packet is for the router. */
static inline bool
own_make(struct own *own, const struct vif *vif, const struct vif *host)
{
	const struct vif *other = host != NULL ? host : vif;

	own->mac[0] = destination_of(vif->mac);
	own->mac[1] = destination_of(other->mac);
	own->ip_be[0] = vif->ip_be != 0 ? vif->ip_be : other->ip_be;
	own->ip_be[1] = other->ip_be != 0 ? other->ip_be : vif->ip_be;
	return own->ip_be[0] != 0;
}

/* 0 if the packet, of PLAIN_LEN bytes or more, is for the router, and UDP to this port. */
static inline uint32_t
plain_differs(const uint8_t *head, const struct own *own, uint16_t port_be)
{
	const uint8_t *ip = head + PLAIN_L3;
	const uint32_t fragment = RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG;
	uint64_t mac = destination_of(head);
	uint32_t middle, to_be, differs; /* middle: fragment, TTL, protocol */
	uint16_t type_be, to_port_be;

	memcpy(&type_be, ip - sizeof(type_be), sizeof(type_be));
	memcpy(&middle, ip + offsetof(struct rte_ipv4_hdr, fragment_offset), sizeof(middle));
	memcpy(&to_be, ip + offsetof(struct rte_ipv4_hdr, dst_addr), sizeof(to_be));
	memcpy(&to_port_be, head + PLAIN_L4 + offsetof(struct rte_udp_hdr, dst_port),
	       sizeof(to_port_be));
	differs = (uint32_t)type_be ^ RTE_BE16(RTE_ETHER_TYPE_IPV4);
	differs |= (uint32_t)ip[0] ^ RTE_IPV4_VHL_DEF;
	differs |= (middle & rte_cpu_to_be_32(fragment << 16 | 0xff)) ^ RTE_BE32(IPPROTO_UDP);
	differs |= (uint32_t)to_port_be ^ port_be;
	differs |= (uint32_t)(mac != own->mac[0]) & (uint32_t)(mac != own->mac[1]);
	return differs | ((uint32_t)(to_be != own->ip_be[0]) & (uint32_t)(to_be != own->ip_be[1]));
}

static bool
are_tunnels(const struct burst *b, const struct vec *v, const struct vif *vif,
	    const struct vif *host)
{
	uint32_t shortest = UINT32_MAX, differs = 0;
	struct own own;
	uint16_t port_be;

	if (!own_make(&own, vif, host))
		return false;
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t len = b->m[v->i[k]]->data_len;

		shortest = len < shortest ? len : shortest;
	}
	if (shortest < PLAIN_LEN)
		return false;
	memcpy(&port_be, b->head[v->i[0]] + PLAIN_L4 + offsetof(struct rte_udp_hdr, dst_port),
	       sizeof(port_be));
	if (!fabric_is_tunnel_port(port_be))
		return false;
	for (uint32_t k = 0; k < v->n; k++)
		differs |= plain_differs(b->head[v->i[k]], &own, port_be);
	return differs == 0;
}

/* --- the host --------------------------------------------------------------------------------- */

static struct verdict
to_uplink(struct worker *w, struct burst *b, uint32_t i)
{
	uint32_t uplink = vif_role(&w->roles->uplink);

	return uplink == VIF_NONE ? DROP(NO_VIF) : lead(w, b, i, LEAD_ACROSS, uplink);
}

static uint64_t
route_of(const struct worker *w, const struct burst *b, uint32_t i, uint16_t type)
{
	const uint8_t *ip = b->head[i] + RTE_ETHER_HDR_LEN;
	const void *address6 = ip + offsetof(struct rte_ipv6_hdr, dst_addr);
	uint32_t address_be;
	uint64_t value;

	if (type == RTE_ETHER_TYPE_IPV6) {
		route_lookup_inet6(w->routes, &b->vrf[i], &address6, 1, &value);
		return value;
	}
	memcpy(&address_be, ip + offsetof(struct rte_ipv4_hdr, dst_addr), sizeof(address_be));
	route_lookup_inet(w->routes, &b->vrf[i], &address_be, 1, &value);
	return value;
}

/* Whether a route leads away from what the host finds by itself, on the underlay. */
static bool
is_overlay(const struct worker *w, uint64_t route)
{
	const struct nexthop *nh;

	if (route == 0)
		return false;
	nh = nexthop_lookup(w->nexthops, route_value_nexthop(route));
	if (nh == NULL)
		return true;
	switch ((enum nexthop_type)nh->type) {
	case NEXTHOP_RECEIVE:
	case NEXTHOP_RESOLVE:
	case NEXTHOP_DISCARD:
		return false;
	case NEXTHOP_ENCAP:
		return nh->encap.vif != vif_role(&w->roles->uplink);
	default:
		return true;
	}
}

static struct verdict
from_host(struct worker *w, struct burst *b, uint32_t i)
{
	const uint8_t *head = b->head[i];
	uint16_t type = type_of(head);

	if (type == RTE_ETHER_TYPE_ARP)
		return TO(ARP);
	if (type == RTE_ETHER_TYPE_IPV6 && is_group(head) &&
	    has_bytes(b, i, RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr)))
		return TO(ND);
	if (is_group(head) ||
	    !((type == RTE_ETHER_TYPE_IPV4 &&
	       has_bytes(b, i, RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr))) ||
	      (type == RTE_ETHER_TYPE_IPV6 &&
	       has_bytes(b, i, RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr)))))
		return to_uplink(w, b, i);
	return is_overlay(w, route_of(w, b, i, type)) ? by_type(head) : to_uplink(w, b, i);
}

/* --- guests ----------------------------------------------------------------------------------- */

/* A client's request; of IPv6, to all servers. */
static bool
is_dhcp(const struct burst *b, uint32_t i)
{
	const uint8_t *head = b->head[i], *ip = head + RTE_ETHER_HDR_LEN;
	const struct rte_ipv4_hdr *ip4 = (const struct rte_ipv4_hdr *)ip;
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)ip;
	const struct rte_udp_hdr *udp;
	uint32_t header;

	if (!is_group(head) || !has_bytes(b, i, RTE_ETHER_HDR_LEN + sizeof(*ip6)))
		return false;
	if (type_of(head) == RTE_ETHER_TYPE_IPV4 && ip4->next_proto_id == IPPROTO_UDP) {
		header = (ip4->version_ihl & 15) * 4u;
		udp = (const struct rte_udp_hdr *)(ip + header);
		return has_bytes(b, i, RTE_ETHER_HDR_LEN + header + sizeof(*udp)) &&
		       udp->src_port == RTE_BE16(68) && udp->dst_port == RTE_BE16(67);
	}
	udp = (const struct rte_udp_hdr *)(ip6 + 1);
	return type_of(head) == RTE_ETHER_TYPE_IPV6 && ip6->proto == IPPROTO_UDP &&
	       has_bytes(b, i, RTE_ETHER_HDR_LEN + sizeof(*ip6) + sizeof(*udp)) &&
	       udp->src_port == RTE_BE16(546) && udp->dst_port == RTE_BE16(547);
}

static struct verdict
from_guest(struct worker *w, struct burst *b, uint32_t i, const struct vif *vif)
{
	const uint8_t *head = b->head[i];
	bool own = memcmp(head, vif->mac, RTE_ETHER_ADDR_LEN) == 0;

	if ((vif->flags & VIF_FLAG_DHCP_TRAP) != 0 && is_dhcp(b, i))
		return trap_end(w, b, i, TRAP_L3_PROTOCOLS);
	if (type_of(head) == RTE_ETHER_TYPE_ARP &&
	    (is_group(head) || own || (vif->flags & VIF_FLAG_MAC_PROXY) != 0))
		return TO(ARP);
	if (own && (vif->flags & VIF_FLAG_L3) != 0)
		return by_type(head);
	if ((vif->flags & VIF_FLAG_L2) == 0 &&
	    !(is_group(head) && type_of(head) == RTE_ETHER_TYPE_IPV6))
		return DROP(NOT_BRIDGED);
	return TO(BRIDGE);
}

void
stage_classify(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct vif *vif = vif_lookup(w->vifs, b->in_vif);
	const struct vif *host = vif_lookup(w->vifs, vif_role(&w->roles->host));
	uint32_t peer = vif != NULL ? across(w, vif) : VIF_NONE;

	if (vif != NULL && vif->type == VIF_PHYSICAL && vif->vlan == 0 && peer == VIF_NONE &&
	    are_tunnels(b, v, vif, host)) {
		b->common = TO(DECAP);
		return;
	}
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		if (vif == NULL)
			b->verdict[i] = DROP(PORT_WITHOUT_VIF);
		else if (vif->vlan != 0 && !vlan_take(b, i, vif->vlan))
			b->verdict[i] = DROP(WRONG_VLAN);
		else if (peer != VIF_NONE)
			b->verdict[i] = lead(w, b, i, LEAD_ACROSS, peer);
		else if (vif->type == VIF_PHYSICAL)
			b->verdict[i] = from_uplink(w, b, i, vif, host);
		else if (vif->type == VIF_HOST)
			b->verdict[i] = from_host(w, b, i);
		else
			b->verdict[i] = from_guest(w, b, i, vif);
	}
}
