/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP MSS option of a SYN, brought down to what the path through a tunnel takes (RFC 879, RFC
 * 6691), with the checksum brought up to date (RFC 1624). A slot's thread.
 */
#ifndef FWD_WORKER_MSS_H
#define FWD_WORKER_MSS_H

#include <stdint.h>

#include "fwd-worker/flow_hash.h"

/* What a tunnel takes of an MTU, at most, of routed packets and of frames. */
enum { MSS_OVERHEAD_L3 = 40, MSS_OVERHEAD_L2 = 62 };

/*
 * 'path' bytes are left for an IP packet. Never raises an MSS. A 'partial' checksum, which covers
 * nothing but the pseudo header yet, stays as it is.
 */
void mss_clamp_syn(const struct flow_view *flow, uint32_t path, bool partial);

/* Whether the packet is a TCP segment with SYN, whose flags may be read. */
static inline bool
mss_is_syn(const struct flow_view *flow)
{
	const uint32_t FLAGS_AT = 13;
	const uint8_t SYN = 2;

	return flow_protocol(&flow->parts) == IPPROTO_TCP && flow->parts.l4_at != 0 &&
	       flow->parts.l4_at + FLAGS_AT < flow->ip_len &&
	       (flow->ip[flow->parts.l4_at + FLAGS_AT] & SYN) != 0;
}

static inline void
mss_clamp(const struct flow_view *flow, uint32_t mtu, uint32_t overhead, bool partial)
{
	if (__builtin_expect(mss_is_syn(flow), 0) && mtu > RTE_ETHER_HDR_LEN + overhead)
		mss_clamp_syn(flow, mtu - RTE_ETHER_HDR_LEN - overhead, partial);
}

#endif
