/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which frames ask who has an address. Inline, for stages that pass frames on: what asks goes by
 * arp or nd first, whoever it is for, since the answer may be ours to give.
 */
#ifndef FWD_WORKER_STAGE_QUESTION_H
#define FWD_WORKER_STAGE_QUESTION_H

#include <stdbool.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_ether.h>

#include "fwd-worker/stage/nd.h"
#include "fwd-worker/worker.h"

static inline uint16_t
frame_type_be(const uint8_t *head)
{
	uint16_t type_be;

	memcpy(&type_be, head + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	return type_be;
}

static inline bool
is_arp_reply(const struct rte_mbuf *m, const uint8_t *head)
{
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(head + RTE_ETHER_HDR_LEN);

	return m->data_len >= RTE_ETHER_HDR_LEN + sizeof(*arp) &&
	       arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY);
}

/*
 * True, and where it goes, if the frame at head[i] is for arp or nd and has not been there: any
 * message to a group, questions alone to one MAC.
 */
static inline bool
is_question(const struct burst *b, uint32_t i, struct verdict *verdict)
{
	const uint8_t *head = b->head[i];
	bool group = (head[0] & 1) != 0;
	enum nd_type nd;

	if ((b->asked >> i & 1) != 0)
		return false;
	if (frame_type_be(head) == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		*verdict = TO(ARP);
		return group || !is_arp_reply(b->m[i], head);
	}
	if (frame_type_be(head) != RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return false;
	nd = nd_type(b->m[i], head);
	*verdict = TO(ND);
	return group ? nd != ND_NONE : nd == ND_SOLICITATION;
}

#endif
