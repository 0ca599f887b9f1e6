/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums and segmentation in software; see offload.h. Segments are copies: an mbuf that leaves
 * its slot is nobody else's too, so librte_gso's indirect mbufs are no way.
 *
 * Of a cut frame, as RFC 9293 and the kernel's own segmentation have it: sequence numbers go on by
 * the payload, FIN and PSH stay with the last segment and CWR (RFC 3168) with the first, IPv4
 * identifications count up, outer and inner.
 */
#include "common/offload.h"

#include <errno.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

int
offload_checksum_at(struct rte_mbuf *m, uint32_t start, uint32_t field)
{
	uint16_t sum;

	if (field + sizeof(sum) > m->data_len || start > field)
		return -EINVAL;
	if (rte_raw_cksum_mbuf(m, start, m->pkt_len - start, &sum) < 0)
		return -EINVAL;
	sum = (uint16_t)~sum;
	if (sum == 0)
		sum = 0xffff; /* 0 means "none" to UDP, and the same as 0xffff to everybody else */
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, field), &sum, sizeof(sum));
	return 0;
}

int
offload_checksum(struct rte_mbuf *m)
{
	uint32_t start = offload_l4_offset(m);
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	int rc;

	if ((m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0)
		return -EMSGSIZE;
	if (l4 == RTE_MBUF_F_TX_TCP_CKSUM)
		rc = offload_checksum_at(m, start, start + offsetof(struct rte_tcp_hdr, cksum));
	else if (l4 == RTE_MBUF_F_TX_UDP_CKSUM)
		rc = offload_checksum_at(m, start,
					 start + offsetof(struct rte_udp_hdr, dgram_cksum));
	else
		return 0;
	m->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
	return rc;
}

/* --- segmentation ----------------------------------------------------------------------------- */

static uint32_t
headers_len(const struct rte_mbuf *m)
{
	return offload_l4_offset(m) + m->l4_len;
}

uint32_t
offload_segments(const struct rte_mbuf *m)
{
	uint32_t headers = headers_len(m);

	if (m->tso_segsz == 0 || m->l4_len < sizeof(struct rte_tcp_hdr) || headers > m->data_len ||
	    headers >= m->pkt_len)
		return 0;
	return (m->pkt_len - headers + m->tso_segsz - 1) / m->tso_segsz;
}

uint32_t
offload_segment_len(const struct rte_mbuf *m)
{
	uint32_t len = headers_len(m) + m->tso_segsz;

	return len < m->pkt_len ? len : m->pkt_len;
}

/* The payload's bytes [from, from + len) with room for the headers in front, or NULL. */
static struct rte_mbuf *
payload_copy(const struct rte_mbuf *m, uint32_t from, uint32_t len, uint32_t headers,
	     struct rte_mempool *pool)
{
	struct rte_mbuf *payload = rte_pktmbuf_copy(m, pool, from, len), *front;

	if (payload == NULL || rte_pktmbuf_prepend(payload, (uint16_t)headers) != NULL)
		return payload;
	front = rte_pktmbuf_alloc(pool);
	if (front == NULL || headers > rte_pktmbuf_tailroom(front)) {
		rte_pktmbuf_free(front);
		rte_pktmbuf_free(payload);
		return NULL;
	}
	front->data_len = (uint16_t)headers;
	front->next = payload;
	front->nb_segs = (uint16_t)(payload->nb_segs + 1);
	front->pkt_len = headers + len;
	front->port = m->port;
	front->ol_flags = m->ol_flags;
	front->tx_offload = m->tx_offload;
	return front;
}

static void
ip4_correct(struct rte_ipv4_hdr *ip, uint32_t header_len, uint32_t len, uint32_t k)
{
	ip->total_length = rte_cpu_to_be_16((uint16_t)len);
	ip->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip->packet_id) + k));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, header_len);
}

/* 'p' is the outer Ethernet header. */
static void
outer_correct(struct rte_mbuf *m, uint8_t *p, uint32_t k)
{
	uint64_t kind = m->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK;
	uint32_t len = m->pkt_len - (uint32_t)m->outer_l2_len;

	ip4_correct((struct rte_ipv4_hdr *)(p + m->outer_l2_len), (uint32_t)m->outer_l3_len, len,
		    k);
	if (kind != RTE_MBUF_F_TX_TUNNEL_GRE) {
		struct rte_udp_hdr *udp =
		    (struct rte_udp_hdr *)(p + m->outer_l2_len + m->outer_l3_len);

		udp->dgram_len = rte_cpu_to_be_16((uint16_t)(len - (uint32_t)m->outer_l3_len));
	}
}

/* Corrects the inner IP header; returns the sum of the pseudo header, length included. */
static uint16_t
inner_correct(struct rte_mbuf *m, uint8_t *ip, uint32_t l3_len, uint32_t k)
{
	if ((m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0) {
		struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)ip;
		const struct {
			rte_be32_t len;
			rte_be32_t proto;
		} rest = {rte_cpu_to_be_32(l3_len - (uint32_t)m->l3_len),
			  rte_cpu_to_be_32(IPPROTO_TCP)};
		uint32_t sum;

		ip6->payload_len = rte_cpu_to_be_16((uint16_t)(l3_len - sizeof(*ip6)));
		sum = __rte_raw_cksum(ip6->src_addr, 32, 0);
		sum = __rte_raw_cksum(&rest, sizeof(rest), sum);
		return __rte_raw_cksum_reduce(sum);
	}
	ip4_correct((struct rte_ipv4_hdr *)ip, (uint32_t)m->l3_len, l3_len, k);
	return rte_ipv4_phdr_cksum((struct rte_ipv4_hdr *)ip, 0);
}

static void
tcp_correct(struct rte_tcp_hdr *tcp, uint32_t offset, bool first, bool last, uint16_t pseudo)
{
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + offset);
	if (!first)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (!last)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	tcp->cksum = pseudo;
}

struct rte_mbuf *
offload_segment(const struct rte_mbuf *m, uint32_t k, struct rte_mempool *pool)
{
	uint32_t headers = headers_len(m), l4 = offload_l4_offset(m);
	uint32_t offset = k * m->tso_segsz, left = m->pkt_len - headers - offset;
	uint32_t len = left < m->tso_segsz ? left : m->tso_segsz;
	struct rte_mbuf *s = payload_copy(m, headers + offset, len, headers, pool);
	uint8_t *p;
	uint16_t pseudo;

	if (s == NULL)
		return NULL;
	p = rte_pktmbuf_mtod(s, uint8_t *);
	memcpy(p, rte_pktmbuf_mtod(m, const uint8_t *), headers);
	if ((m->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK) != 0)
		outer_correct(s, p, k);
	pseudo = inner_correct(s, p + l4 - m->l3_len, s->pkt_len - l4 + (uint32_t)m->l3_len, k);
	tcp_correct((struct rte_tcp_hdr *)(p + l4), offset, k == 0, len == left, pseudo);
	s->ol_flags &= ~(uint64_t)(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM);
	s->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	(void)offload_checksum(s);
	return s;
}
