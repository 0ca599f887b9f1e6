/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6: what a router checks before it passes a packet on (RFC 8200), and the hop limit. Extension
 * headers pass untouched. The fixed header must lie in the first segment. A slot's thread.
 *
 * Uses head, len; sets inet6. To route6.
 */
#include <rte_ether.h>
#include <rte_ip.h>

#include "fwd-worker/stage.h"

/* 'len' is without the Ethernet header. */
static inline struct verdict
ip6_one(const struct rte_mbuf *m, uint8_t *head, uint32_t len)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(head + RTE_ETHER_HDR_LEN);

	if (__builtin_expect(m->data_len < RTE_ETHER_HDR_LEN + sizeof(*ip) ||
				 head[RTE_ETHER_HDR_LEN] >> 4 != 6 ||
				 rte_be_to_cpu_16(ip->payload_len) + sizeof(*ip) > len,
			     0))
		return DROP(BAD_IP_HEADER);
	if (__builtin_expect(ip->hop_limits <= 1, 0))
		return DROP(TTL_EXPIRED);
	ip->hop_limits--;
	return TO(ROUTE6);
}

static inline void
ip6_all(struct burst *b, const struct vec *v, bool whole)
{
	uint64_t inet6 = 0;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		b->verdict[i] = ip6_one(b->m[i], b->head[i], b->len[i] - RTE_ETHER_HDR_LEN);
		inet6 |= UINT64_C(1) << i;
	}
	b->inet6 |= inet6;
}

void
stage_ip6(struct worker *w, struct burst *b, const struct vec *v)
{
	(void)w;
	if (vec_is_whole(b, v))
		ip6_all(b, v, true);
	else
		ip6_all(b, v, false);
}
