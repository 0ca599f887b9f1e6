/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Route4: (VRF, IPv4 destination) to nexthop id, for the whole burst at once. A slot's thread.
 *
 * Uses vrf, head; sets nexthop_id, label. To nexthop.
 */
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "common/route.h"
#include "fwd-worker/stage.h"

void
stage_route4(struct worker *w, struct burst *b, const struct vec *v)
{
	enum { AT = RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv4_hdr, dst_addr) };
	uint32_t vrf[BURST_MAX], address_be[BURST_MAX];
	uint64_t value[BURST_MAX];

	for (uint32_t k = 0; k < v->n; k++) {
		vrf[k] = b->vrf[v->i[k]];
		memcpy(&address_be[k], b->head[v->i[k]] + AT, sizeof(address_be[k]));
	}
	route_lookup_inet(w->routes, vrf, address_be, v->n, value);
	for (uint32_t k = 0; k < v->n; k++) {
		b->nexthop_id[v->i[k]] = route_value_nexthop(value[k]);
		b->label[v->i[k]] = (value[k] & ROUTE_LABEL_VALID) != 0
					? route_value_label(value[k])
					: NEXTHOP_NO_LABEL;
		b->verdict[v->i[k]] = value[k] != 0 ? TO(NEXTHOP) : DROP(NO_ROUTE);
	}
}
