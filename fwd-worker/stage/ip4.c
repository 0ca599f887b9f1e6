/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4: what a router checks before it passes a packet on (RFC 1812, 5.2.2), and the TTL, with the
 * checksum brought up to date rather than made anew (RFC 1624). Options pass untouched. The header
 * must lie in the first segment. A slot's thread.
 *
 * Uses head, len, mine; sets inet, expired. To route4, receive.
 */
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "fwd-worker/stage.h"

/* The ones' complement sum of the header's words is 0xffff. */
static inline bool
checksum_is_right(const struct rte_ipv4_hdr *ip, uint32_t header_len)
{
	uint64_t sum = 0;
	uint32_t word;

	for (uint32_t at = 0; at < header_len; at += (uint32_t)sizeof(word)) {
		memcpy(&word, (const uint8_t *)ip + at, sizeof(word));
		sum += word;
	}
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return sum == 0xffff;
}

/* The TTL is the upper byte of its 16-bit word, so the word falls by 256 and the checksum rises. */
static inline void
ttl_decrement(struct rte_ipv4_hdr *ip)
{
	uint32_t sum = (uint32_t)ip->hdr_checksum + RTE_BE16(0x0100);

	ip->hdr_checksum = (uint16_t)(sum + (sum >= 0xffff));
	ip->time_to_live--;
}

static inline bool
header_is_sound(const struct rte_ipv4_hdr *ip, uint32_t header_len, uint32_t first_len,
		uint32_t len)
{
	uint32_t total = rte_be_to_cpu_16(ip->total_length);

	return header_len >= sizeof(*ip) && header_len <= first_len && total >= header_len &&
	       total <= len;
}

/* 'len' is without the Ethernet header. Whether TTL 1 is too low depends on where it is for. */
static inline struct verdict
ip4_one(const struct rte_mbuf *m, uint8_t *head, uint32_t len, uint64_t bit, uint64_t *expired)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(head + RTE_ETHER_HDR_LEN);
	uint32_t first_len = m->data_len - (uint32_t)RTE_ETHER_HDR_LEN;
	uint64_t known = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint32_t header_len;

	if (__builtin_expect(first_len < sizeof(*ip) || ip->version_ihl >> 4 != 4, 0))
		return DROP(BAD_IP_HEADER);
	header_len = (ip->version_ihl & 15) * 4u;
	if (__builtin_expect(!header_is_sound(ip, header_len, first_len, len), 0))
		return DROP(BAD_IP_HEADER);
	if (__builtin_expect(known == RTE_MBUF_F_RX_IP_CKSUM_BAD, 0))
		return DROP(BAD_IP_CHECKSUM);
	if (known != RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
	    __builtin_expect(!checksum_is_right(ip, header_len), 0))
		return DROP(BAD_IP_CHECKSUM);
	if (__builtin_expect(ip->time_to_live <= 1, 0))
		*expired |= bit;
	else
		ttl_decrement(ip);
	return TO(ROUTE4);
}

/* Packets for an address of the router's own need no route. */
static void
mine_to_receive(struct burst *b, const struct vec *v)
{
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		if ((b->mine >> i & 1) != 0 && !verdict_is_drop(b->verdict[i]))
			b->verdict[i] = TO(RECEIVE);
	}
}

static inline void
ip4_all(struct burst *b, const struct vec *v, bool whole)
{
	uint64_t inet = 0, expired = 0;
	uint8_t differ = 0;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);
		uint64_t bit = UINT64_C(1) << i;

		b->verdict[i] =
		    ip4_one(b->m[i], b->head[i], b->len[i] - RTE_ETHER_HDR_LEN, bit, &expired);
		differ |= b->verdict[i].code ^ STAGE_ROUTE4;
		inet |= bit;
	}
	b->inet |= inet;
	b->expired = (b->expired & ~inet) | expired;
	if (__builtin_expect((b->mine & inet) != 0, 0))
		mine_to_receive(b, v);
	else if (__builtin_expect(differ == 0, 1))
		b->common = TO(ROUTE4);
}

void
stage_ip4(struct worker *w, struct burst *b, const struct vec *v)
{
	(void)w;
	if (vec_is_whole(b, v))
		ip4_all(b, v, true);
	else
		ip4_all(b, v, false);
}
