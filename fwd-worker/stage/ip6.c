/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6: what a router checks before it passes a packet on (RFC 8200), and the hop limit. Extension
 * headers pass untouched. The fixed header must lie in the first segment. A slot's thread.
 *
 * Uses head, len, mine, asked; sets inet6, expired. To route6, receive, nd.
 */
#include <rte_ether.h>
#include <rte_ip.h>

#include "fwd-worker/stage.h"
#include "fwd-worker/stage/nd.h"

static inline struct verdict
ip6_one(const struct burst *b, uint32_t i, uint64_t *questions, uint64_t *expired)
{
	const struct rte_mbuf *m = b->m[i];
	uint8_t *head = b->head[i];
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(head + RTE_ETHER_HDR_LEN);
	uint32_t len = b->len[i] - RTE_ETHER_HDR_LEN;

	if (__builtin_expect(m->data_len < RTE_ETHER_HDR_LEN + sizeof(*ip) ||
				 head[RTE_ETHER_HDR_LEN] >> 4 != 6 ||
				 rte_be_to_cpu_16(ip->payload_len) + sizeof(*ip) > len,
			     0))
		return DROP(BAD_IP_HEADER);
	if (__builtin_expect(ip->proto == IPPROTO_ICMPV6, 0) && (b->asked >> i & 1) == 0 &&
	    nd_type(m, head) != ND_NONE) {
		*questions |= UINT64_C(1) << i;
		return TO(ND);
	}
	if (__builtin_expect(ip->hop_limits <= 1, 0))
		*expired |= UINT64_C(1) << i;
	else
		ip->hop_limits--;
	return TO(ROUTE6);
}

/* Packets for an address of the router's own need no route. */
static void
mine_to_receive(struct burst *b, const struct vec *v)
{
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		if ((b->mine >> i & 1) != 0 && b->verdict[i].code == STAGE_ROUTE6)
			b->verdict[i] = TO(RECEIVE);
	}
}

static inline void
ip6_all(struct burst *b, const struct vec *v, bool whole)
{
	uint64_t inet6 = 0, questions = 0, expired = 0;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		b->verdict[i] = ip6_one(b, i, &questions, &expired);
		inet6 |= UINT64_C(1) << i;
	}
	inet6 &= ~questions;
	b->inet6 |= inet6;
	b->expired = (b->expired & ~inet6) | expired;
	if (__builtin_expect((b->mine & inet6) != 0, 0))
		mine_to_receive(b, v);
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
