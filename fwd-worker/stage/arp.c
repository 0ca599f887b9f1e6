/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826): requests are answered, dropped, flooded or shown to the agent as the vif's flags
 * and the route for the address say (neighbour.h); replies go on, and to the agent when they are
 * for the router or the host. A slot's thread, and rarely: nothing here is made for bursts.
 *
 * Uses vrf, head, tunneled; sets asked, and the packet for an answer. To bridge, output.
 */
#include <string.h>

#include <rte_arp.h>
#include <rte_ether.h>

#include "common/route.h"
#include "fwd-worker/leads.h"
#include "fwd-worker/neighbour.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/trap.h"

static bool
is_sound(const struct rte_mbuf *m, const struct rte_arp_hdr *arp)
{
	return m->data_len >= RTE_ETHER_HDR_LEN + sizeof(*arp) &&
	       arp->arp_hardware == RTE_BE16(RTE_ARP_HRD_ETHER) &&
	       arp->arp_protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       arp->arp_hlen == RTE_ETHER_ADDR_LEN &&
	       arp->arp_plen == sizeof(arp->arp_data.arp_tip) &&
	       (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ||
		arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY));
}

static bool
is_link_local(uint32_t address_be)
{
	return (address_be & RTE_BE32(0xffff0000)) == RTE_BE32(0xa9fe0000); /* RFC 3927 */
}

static void
answer_make(uint8_t *head, struct rte_arp_hdr *arp, const uint8_t *mac)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)head;
	uint32_t asked_for_be = arp->arp_data.arp_tip;

	memcpy(&eth->dst_addr, &arp->arp_data.arp_sha, RTE_ETHER_ADDR_LEN);
	memcpy(&eth->src_addr, mac, RTE_ETHER_ADDR_LEN);
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	arp->arp_data.arp_tha = arp->arp_data.arp_sha;
	arp->arp_data.arp_tip = arp->arp_data.arp_sip;
	memcpy(&arp->arp_data.arp_sha, mac, RTE_ETHER_ADDR_LEN);
	arp->arp_data.arp_sip = asked_for_be;
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
is_far_gateway(const struct worker *w, const struct burst *b, uint32_t i, uint32_t source_be)
{
	uint64_t route;

	if ((b->head[i][0] & 1) == 0)
		return false;
	route_lookup_inet(w->routes, &b->vrf[i], &source_be, 1, &route);
	return neighbour_is_gateway(w, route);
}

static struct verdict
request(struct worker *w, struct burst *b, uint32_t i, const struct vif *vif, enum origin from)
{
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(b->head[i] + RTE_ETHER_HDR_LEN);
	uint32_t target_be = arp->arp_data.arp_tip, source_be = arp->arp_data.arp_sip;
	bool gratuitous = source_be == 0 || source_be == target_be;
	uint8_t room[RTE_ETHER_ADDR_LEN];
	enum answer answer;
	uint64_t route;

	route_lookup_inet(w->routes, &b->vrf[i], &target_be, 1, &route);
	answer = neighbour_answer(w, vif, from, route, gratuitous);
	if (from == FROM_HOST && !gratuitous && is_link_local(target_be))
		answer = ANSWER_PROXY;
	switch (answer) {
	case ANSWER_DROP:
		return DROP(ARP_REFUSED);
	case ANSWER_MIRROR:
		return mirror(w, b, i, from);
	case ANSWER_PROXY:
		answer_make(b->head[i], arp,
			    neighbour_mac(w, vif, b->vrf[i], route, false, &target_be, room));
		return neighbour_reply(w, b, i, from);
	case ANSWER_FLOOD:
		if (from == FROM_OVERLAY && is_far_gateway(w, b, i, source_be))
			return DROP(ARP_REFUSED);
		break;
	}
	return neighbour_pass(w, b, i, from);
}

static struct verdict
reply(struct worker *w, struct burst *b, uint32_t i, const struct vif *vif, enum origin from)
{
	const uint8_t *head = b->head[i];

	if (from == FROM_UNDERLAY)
		return mirror(w, b, i, from);
	if (from == FROM_GUEST && memcmp(head, vif->mac, RTE_ETHER_ADDR_LEN) == 0)
		return trap_end(w, b, i, TRAP_ARP);
	if (from == FROM_GUEST && (head[0] & 1) != 0)
		return mirror(w, b, i, from);
	return neighbour_pass(w, b, i, from);
}

void
stage_arp(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct vif *vif = vif_lookup(w->vifs, b->in_vif);

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];
		const struct rte_arp_hdr *arp =
		    (const struct rte_arp_hdr *)(b->head[i] + RTE_ETHER_HDR_LEN);

		if (vif == NULL || !is_sound(b->m[i], arp))
			b->verdict[i] = DROP(BAD_ARP);
		else if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST))
			b->verdict[i] = request(w, b, i, vif, origin_of(b, i, vif));
		else
			b->verdict[i] = reply(w, b, i, vif, origin_of(b, i, vif));
	}
}
