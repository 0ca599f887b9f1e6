/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of decisions. See neighbour.h. A slot's thread. */
#include "fwd-worker/neighbour.h"

#include "common/route.h"
#include "common/stitch.h"
#include "fwd-worker/leads.h"

/* A route's nexthop, as far as it matters here. */
enum target {
	TARGET_ELSEWHERE,
	TARGET_HERE,    /* a guest of ours, or a neighbour that the agent finds */
	TARGET_GATEWAY, /* the agent itself */
};

static enum target
target_of(const struct worker *w, uint64_t route)
{
	const struct nexthop *nh = nexthop_lookup(w->nexthops, route_value_nexthop(route));
	const struct vif *vif;

	if (nh == NULL)
		return TARGET_ELSEWHERE;
	if (nh->type == NEXTHOP_RESOLVE)
		return TARGET_HERE;
	if (nh->type != NEXTHOP_ENCAP)
		return TARGET_ELSEWHERE;
	vif = vif_lookup(w->vifs, nh->encap.vif);
	if (vif == NULL)
		return TARGET_ELSEWHERE;
	if (vif->type == VIF_AGENT)
		return TARGET_GATEWAY;
	return vif->type == VIF_VIRTUAL ? TARGET_HERE : TARGET_ELSEWHERE;
}

static enum answer
gratuitous_answer(const struct vif *vif, enum origin from, uint64_t route)
{
	if (from == FROM_UNDERLAY)
		return ANSWER_MIRROR;
	if (from == FROM_OVERLAY || from == FROM_HOST)
		return ANSWER_FLOOD;
	if ((vif->flags & VIF_FLAG_MAC_PROXY) != 0)
		return ANSWER_DROP;
	return (route & ROUTE_ARP_TRAP) != 0 ? ANSWER_MIRROR : ANSWER_FLOOD;
}

/* What the host does with a question it does not answer is its own affair. */
static enum answer
refused(enum origin from)
{
	return from == FROM_UNDERLAY || from == FROM_HOST ? ANSWER_FLOOD : ANSWER_DROP;
}

/* A stitched route is answered for, so that it need not be flooded. */
static bool
is_flooded(uint64_t route)
{
	return (route & (ROUTE_ARP_FLOOD | ROUTE_STITCHED)) == ROUTE_ARP_FLOOD;
}

enum answer
neighbour_answer(const struct worker *w, const struct vif *vif, enum origin from, uint64_t route,
		 bool gratuitous)
{
	enum target target;

	if (gratuitous)
		return gratuitous_answer(vif, from, route);
	if ((vif->flags & VIF_FLAG_MAC_PROXY) != 0)
		return is_flooded(route) ? ANSWER_FLOOD : ANSWER_PROXY;
	if ((route & ROUTE_ARP_PROXY) == 0)
		return ANSWER_FLOOD;
	target = target_of(w, route);
	if ((vif->flags & VIF_FLAG_NO_ARP_PROXY) != 0 && target != TARGET_GATEWAY)
		return refused(from);
	if (is_flooded(route))
		return ANSWER_FLOOD;
	if (from == FROM_GUEST || from == FROM_HOST)
		return ANSWER_PROXY;
	if (target == TARGET_GATEWAY)
		return refused(from);
	return target == TARGET_HERE ? ANSWER_PROXY : ANSWER_FLOOD;
}

bool
neighbour_is_gateway(const struct worker *w, uint64_t route)
{
	return target_of(w, route) == TARGET_GATEWAY;
}

const uint8_t *
neighbour_mac(const struct worker *w, const struct vif *vif, uint32_t vrf, uint64_t route,
	      bool inet6, const void *address, uint8_t room[6])
{
	if ((route & ROUTE_STITCHED) == 0 || (vif->flags & VIF_FLAG_MAC_PROXY) != 0 ||
	    !stitch_lookup(w->stitched, vrf, inet6, address, room))
		return vif->mac;
	return room;
}

struct verdict
neighbour_pass(struct worker *w, struct burst *b, uint32_t i, enum origin from)
{
	uint32_t uplink = vif_role(&w->roles->uplink);

	if ((b->asked >> i & 1) != 0)
		return TO(NEXTHOP);
	b->asked |= UINT64_C(1) << i;
	switch (from) {
	case FROM_UNDERLAY:
		return lead_to_host(w, b, i);
	case FROM_HOST:
		return uplink == VIF_NONE ? DROP(NO_VIF) : lead(w, b, i, LEAD_ACROSS, uplink);
	default:
		return TO(BRIDGE);
	}
}

struct verdict
neighbour_reply(struct worker *w, struct burst *b, uint32_t i, enum origin from)
{
	b->asked |= UINT64_C(1) << i;
	if (from != FROM_OVERLAY)
		return lead_back(w, b, i);
	b->tunneled &= ~(UINT64_C(1) << i); /* it is ours, and may go into the tunnel */
	return TO(BRIDGE);
}
