/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Route6: (VRF, IPv6 destination) to nexthop id, for the whole burst at once. A slot's thread.
 *
 * Uses vrf, head; sets nexthop_id, label. To nexthop.
 */
#include <rte_ether.h>
#include <rte_ip.h>

#include "common/route.h"
#include "fwd-worker/stage.h"

static inline void
route6_all(struct worker *w, struct burst *b, const struct vec *v, bool whole)
{
	enum { AT = RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv6_hdr, dst_addr) };
	const void *address[BURST_MAX];
	uint32_t vrf[BURST_MAX];
	uint64_t value[BURST_MAX], lost = 0;

	/* the compiler does not know that the burst has a packet */
	vrf[0] = 0;
	address[0] = NULL;
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		vrf[k] = b->vrf[i];
		address[k] = b->head[i] + AT;
	}
	route_lookup_inet6(w->routes, vrf, address, v->n, value);
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
stage_route6(struct worker *w, struct burst *b, const struct vec *v)
{
	if (vec_is_whole(b, v))
		route6_all(w, b, v, true);
	else
		route6_all(w, b, v, false);
}
