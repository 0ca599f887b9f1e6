/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rewrite: the nexthop's link-layer header in place of the Ethernet header that a routed packet
 * came with, which had no VLAN tag (input). A longer one takes headroom. A slot's thread.
 *
 * Uses nexthop; changes head, len and the mbuf. To output.
 */
#include <string.h>

#include <rte_ether.h>

#include "fwd-worker/stage.h"

/* The lengths of layers 3 and 4, and the checksum flags, stay right as they are. */
static struct verdict
rewrite_longer(struct burst *b, uint32_t i, const struct nexthop *nh)
{
	struct rte_mbuf *m = b->m[i];
	uint16_t more = (uint16_t)(nh->encap.rewrite_len - RTE_ETHER_HDR_LEN);
	uint8_t *head = (uint8_t *)rte_pktmbuf_prepend(m, more);

	if (head == NULL)
		return DROP(NO_HEADROOM);
	memcpy(head, nh->encap.rewrite, nh->encap.rewrite_len);
	m->l2_len = nh->encap.rewrite_len;
	b->head[i] = head;
	b->len[i] += more;
	return TO(OUTPUT);
}

static inline bool
is_plain(const struct nexthop *nh)
{
	return __builtin_expect(nh->encap.rewrite_len == RTE_ETHER_HDR_LEN, 1);
}

void
stage_rewrite(struct worker *w, struct burst *b, const struct vec *v)
{
	bool plain = true;

	(void)w;
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];
		const struct nexthop *nh = b->nexthop[i];

		plain &= is_plain(nh);
		if (is_plain(nh))
			memcpy(b->head[i], nh->encap.rewrite, RTE_ETHER_HDR_LEN);
		b->verdict[i] = is_plain(nh) ? TO(OUTPUT) : rewrite_longer(b, i, nh);
	}
	if (plain)
		b->common = TO(OUTPUT);
}
