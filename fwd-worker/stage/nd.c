/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbour discovery (RFC 4861): solicitations are treated as ARP requests are, by the route for
 * the address asked for (neighbour.h); advertisements go on and to the agent, router solicitations
 * of guests to the agent alone. Everything else that gets here was but suspected. A slot's thread,
 * and rarely.
 *
 * Uses vrf, head, len, tunneled; sets asked, and the packet for an answer. To bridge, ip6, output.
 */
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "common/route.h"
#include "fwd-worker/leads.h"
#include "fwd-worker/neighbour.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/stage/nd.h"
#include "fwd-worker/trap.h"

enum { NA_ROUTER = 0x80, NA_SOLICITED = 0x40, OPTION_TARGET_LINK = 2 };

/* A solicitation or advertisement without its options. */
struct nd_message {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	uint8_t flags;
	uint8_t reserved[3];
	uint8_t target[16];
};
struct nd_link_option {
	uint8_t type;
	uint8_t length; /* in 8 bytes */
	uint8_t mac[RTE_ETHER_ADDR_LEN];
};
enum {
	ND_AT = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr),
	ND_ANSWER = ND_AT + sizeof(struct nd_message) + sizeof(struct nd_link_option),
};

static const uint8_t unspecified[16];

/* RFC 4861, 7.1.1 and 7.1.2; the checksum is for whom it is for. */
static bool
is_sound(const struct rte_mbuf *m, const struct rte_ipv6_hdr *ip, const struct nd_message *nd)
{
	return m->data_len >= ND_AT + sizeof(*nd) && ip->hop_limits == 255 && nd->code == 0 &&
	       rte_be_to_cpu_16(ip->payload_len) >= sizeof(*nd) && nd->target[0] != 0xff;
}

/* The answer takes the question's place: 86 bytes, whatever options that had. */
static bool
answer_make(struct burst *b, uint32_t i, const uint8_t *mac, bool is_router)
{
	struct rte_mbuf *m = b->m[i];
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)b->head[i];
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(eth + 1);
	struct nd_message *nd = (struct nd_message *)(ip + 1);
	struct nd_link_option *option = (struct nd_link_option *)(nd + 1);

	if (m->nb_segs != 1)
		return false;
	if (m->pkt_len < ND_ANSWER) {
		if (rte_pktmbuf_append(m, (uint16_t)(ND_ANSWER - m->pkt_len)) == NULL)
			return false;
	} else {
		(void)rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - ND_ANSWER));
	}
	b->len[i] = ND_ANSWER;
	m->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG);
	eth->dst_addr = eth->src_addr;
	memcpy(&eth->src_addr, mac, RTE_ETHER_ADDR_LEN);
	memcpy(ip->dst_addr, ip->src_addr, sizeof(ip->dst_addr));
	memcpy(ip->src_addr, nd->target, sizeof(ip->src_addr));
	ip->payload_len = RTE_BE16(ND_ANSWER - ND_AT);
	ip->hop_limits = 255;
	nd->type = ND_ADVERTISEMENT;
	nd->flags = (uint8_t)(NA_SOLICITED | (is_router ? NA_ROUTER : 0));
	option->type = OPTION_TARGET_LINK;
	option->length = 1;
	memcpy(option->mac, mac, sizeof(option->mac));
	nd->checksum = 0;
	nd->checksum = rte_ipv6_udptcp_cksum(ip, nd);
	return true;
}

/* To the agent if there is one, and on. */
static struct verdict
mirror(struct worker *w, struct burst *b, uint32_t i, enum origin from)
{
	struct verdict v = trap_copy(w, b, i, TRAP_ARP);

	if (verdict_is_drop(v) && verdict_drop(v) != DROP_NO_AGENT_VIF)
		count_drops(w, b->in_vif, verdict_drop(v), 1);
	return neighbour_pass(w, b, i, from);
}

/* Of another router's gateway: guests here have ours. */
static bool
is_far_gateway(const struct worker *w, const struct burst *b, uint32_t i, const void *source)
{
	uint64_t route;

	if ((b->head[i][0] & 1) == 0)
		return false;
	route_lookup_inet6(w->routes, &b->vrf[i], &source, 1, &route);
	return neighbour_is_gateway(w, route);
}

static struct verdict
solicitation(struct worker *w, struct burst *b, uint32_t i, const struct vif *vif, enum origin from)
{
	const struct rte_ipv6_hdr *ip =
	    (const struct rte_ipv6_hdr *)(b->head[i] + RTE_ETHER_HDR_LEN);
	const struct nd_message *nd = (const struct nd_message *)(ip + 1);
	const void *target = nd->target;
	uint8_t room[RTE_ETHER_ADDR_LEN];
	const uint8_t *mac;
	enum answer answer;
	uint64_t route;

	if (from == FROM_UNDERLAY ||
	    memcmp(ip->src_addr, unspecified, sizeof(unspecified)) == 0) /* RFC 4862, 5.4 */
		return neighbour_pass(w, b, i, from);
	route_lookup_inet6(w->routes, &b->vrf[i], &target, 1, &route);
	answer = neighbour_answer(w, vif, from, route, false);
	if (answer == ANSWER_DROP || (answer == ANSWER_FLOOD && from == FROM_OVERLAY &&
				      is_far_gateway(w, b, i, ip->src_addr)))
		return DROP(ARP_REFUSED);
	if (answer != ANSWER_PROXY)
		return neighbour_pass(w, b, i, from);
	mac = neighbour_mac(w, vif, b->vrf[i], route, true, nd->target, room);
	if (!answer_make(b, i, mac, mac == vif->mac))
		return DROP(BAD_ARP);
	return neighbour_reply(w, b, i, from);
}

static struct verdict
advertisement(struct worker *w, struct burst *b, uint32_t i, const struct vif *vif,
	      enum origin from)
{
	if (from == FROM_UNDERLAY)
		return mirror(w, b, i, from);
	if (from != FROM_GUEST)
		return neighbour_pass(w, b, i, from);
	if (memcmp(b->head[i], vif->mac, RTE_ETHER_ADDR_LEN) == 0)
		return trap_end(w, b, i, TRAP_ARP);
	return mirror(w, b, i, from);
}

static struct verdict
nd_one(struct worker *w, struct burst *b, uint32_t i, const struct vif *vif)
{
	const struct rte_ipv6_hdr *ip =
	    (const struct rte_ipv6_hdr *)(b->head[i] + RTE_ETHER_HDR_LEN);
	const struct nd_message *nd = (const struct nd_message *)(ip + 1);
	enum origin from = origin_of(b, i, vif);

	switch (nd_type(b->m[i], b->head[i])) {
	case ND_SOLICITATION:
		return is_sound(b->m[i], ip, nd) ? solicitation(w, b, i, vif, from) : DROP(BAD_ARP);
	case ND_ADVERTISEMENT:
		return is_sound(b->m[i], ip, nd) ? advertisement(w, b, i, vif, from)
						 : DROP(BAD_ARP);
	case ND_ROUTER_SOLICITATION:
		return from == FROM_GUEST ? trap_end(w, b, i, TRAP_L3_PROTOCOLS)
					  : neighbour_pass(w, b, i, from);
	default:
		return neighbour_pass(w, b, i, from);
	}
}

void
stage_nd(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct vif *vif = vif_lookup(w->vifs, b->in_vif);

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		b->verdict[i] = vif != NULL ? nd_one(w, b, i, vif) : DROP(PORT_WITHOUT_VIF);
	}
}
