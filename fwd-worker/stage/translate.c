/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translate: on to another VRF, to be looked up there. A routed packet has lost its hop already. A
 * slot's thread.
 *
 * Uses nexthop, head, inet, inet6; sets vrf. To bridge, ip4, ip6, route4, route6.
 */
#include <string.h>

#include <rte_ether.h>

#include "fwd-worker/stage.h"

static struct verdict
frame_verdict(const struct nexthop *nh, const uint8_t *head)
{
	uint16_t type_be;

	if (!NEXTHOP_HAS(nh, ROUTE_LOOKUP))
		return TO(BRIDGE);
	memcpy(&type_be, head + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return TO(IP4);
	return type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? TO(IP6) : TO(BRIDGE);
}

void
stage_translate(struct worker *w, struct burst *b, const struct vec *v)
{
	(void)w;
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];
		const struct nexthop *nh = b->nexthop[i];

		b->vrf[i] = nh->vrf;
		if ((b->inet >> i & 1) != 0)
			b->verdict[i] = TO(ROUTE4);
		else if ((b->inet6 >> i & 1) != 0)
			b->verdict[i] = TO(ROUTE6);
		else
			b->verdict[i] = frame_verdict(nh, b->head[i]);
	}
}
