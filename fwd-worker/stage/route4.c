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

static inline void
route4_all(struct worker *w, struct burst *b, const struct vec *v, bool whole)
{
	enum { AT = RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv4_hdr, dst_addr) };
	uint32_t vrf[BURST_MAX], address_be[BURST_MAX];
	uint64_t value[BURST_MAX], lost = 0;

	/* the compiler does not know that the burst has a packet */
	vrf[0] = 0;
	address_be[0] = 0;
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		vrf[k] = b->vrf[i];
		memcpy(&address_be[k], b->head[i] + AT, sizeof(address_be[k]));
	}
	route_lookup_inet(w->routes, vrf, address_be, v->n, value);
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		b->nexthop_id[i] = route_value_nexthop(value[k]);
		b->label[i] = (value[k] & ROUTE_LABEL_VALID) != 0 ? route_value_label(value[k])
								  : NEXTHOP_NO_LABEL;
		b->verdict[i] = value[k] != 0 ? TO(NEXTHOP) : DROP(NO_ROUTE);
		lost |= value[k] == 0;
	}
	if (__builtin_expect(lost == 0, 1))
		b->common = TO(NEXTHOP);
}

void
stage_route4(struct worker *w, struct burst *b, const struct vec *v)
{
	if (vec_is_whole(b, v))
		route4_all(w, b, v, true);
	else
		route4_all(w, b, v, false);
}
