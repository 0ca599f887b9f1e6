/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a guest's or the host's kernel left undone for the device to do, done in software for a port
 * that cannot: L4 checksums completed, TCP frames cut to segments (TSO). Called by whoever gives
 * the packet to its port: a slot's thread, or an agent's.
 *
 * A packet says what it wants in the terms of DPDK's mbufs: RTE_MBUF_F_TX_TCP_CKSUM or _UDP_CKSUM
 * (the field holds the sum of the pseudo header), RTE_MBUF_F_TX_TCP_SEG with tso_segsz, and the
 * lengths of its headers, l2_len, l3_len and l4_len. In a tunnel (RTE_MBUF_F_TX_TUNNEL_*)
 * outer_l2_len and outer_l3_len stand for the outer headers, and l2_len begins behind them.
 */
#ifndef COMMON_OFFLOAD_H
#define COMMON_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

/* What no port of ours can be asked to do for a packet inside a tunnel. */
#define OFFLOAD_WISHES (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)

static inline bool
offload_is_tso(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

/* Bytes before the inner L4 header. */
static inline uint32_t
offload_l4_offset(const struct rte_mbuf *m)
{
	uint32_t at = (uint32_t)m->l2_len + m->l3_len;

	if ((m->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK) != 0)
		at += (uint32_t)m->outer_l2_len + m->outer_l3_len;
	return at;
}

/*
 * Completes a partial L4 checksum and takes the wish away. -EINVAL: the field is not in the first
 * segment; -EMSGSIZE: a TSO frame, which has to be cut.
 */
int offload_checksum(struct rte_mbuf *m);

/* Sums [start, end of packet) and stores the complement at 'field', both offsets in bytes. */
int offload_checksum_at(struct rte_mbuf *m, uint32_t start, uint32_t field);

/*
 * Into how many packets a TSO frame has to be cut; 0: its lengths make no sense, or its headers are
 * not in its first segment.
 */
uint32_t offload_segments(const struct rte_mbuf *m);

/* Bytes of the longest packet that comes out of it. */
uint32_t offload_segment_len(const struct rte_mbuf *m);

/*
 * The k-th of them, copied into mbufs of 'pool', headers corrected and checksums complete, without
 * wishes. NULL: the pool is dry. The frame itself is not changed.
 */
struct rte_mbuf *offload_segment(const struct rte_mbuf *m, uint32_t k, struct rte_mempool *pool);

#endif
