/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A number for the flow of a packet: the same for all packets of a flow, spread evenly over flows.
 * For choosing an ECMP member, an outer UDP source port (RFC 7510, 3), a slot. Inline, for a slot's
 * thread; looks at nothing beyond the bytes it is told it may read.
 *
 * The ports count for TCP, UDP, SCTP and the like, and only in packets that are not fragments: then
 * all fragments of a packet have one number. Two CRC-32C (SSE 4.2) and a multiplication that lets
 * every bit of them matter in every bit of the result.
 */
#ifndef FWD_WORKER_FLOW_HASH_H
#define FWD_WORKER_FLOW_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <netinet/in.h>
#include <nmmintrin.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "common/nexthop.h"

/*
 * What a flow is told apart by, besides addresses. One word: loads of several narrow fields that
 * were just stored would have to wait.
 */
struct flow_parts {
	uint64_t word;  /* ports as on the wire (0-31, source first; 0: none), protocol (32-39) */
	uint32_t l4_at; /* bytes from the IP header to layer 4; 0: no whole header begins here */
};

static inline uint64_t
flow_word(uint8_t protocol, uint32_t ports)
{
	return (uint64_t)protocol << 32 | ports;
}
static inline uint8_t
flow_protocol(const struct flow_parts *p)
{
	return (uint8_t)(p->word >> 32);
}

static inline bool
protocol_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

/* 'len' bytes may be read from 'ip' on, at least the fixed header. */
static inline struct flow_parts
flow_parts_ip4(const uint8_t *ip, uint32_t len)
{
	uint8_t protocol = ip[offsetof(struct rte_ipv4_hdr, next_proto_id)];
	struct flow_parts p = {.word = flow_word(protocol, 0)};
	uint32_t header = (ip[0] & 15) * 4u, ports;
	uint16_t fragment_be;

	memcpy(&fragment_be, ip + offsetof(struct rte_ipv4_hdr, fragment_offset),
	       sizeof(fragment_be));
	if (__builtin_expect(
		(fragment_be & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG)) != 0 ||
		    header < sizeof(struct rte_ipv4_hdr) || header + sizeof(ports) > len ||
		    !protocol_has_ports(protocol),
		0))
		return p;
	p.l4_at = header;
	memcpy(&ports, ip + header, sizeof(ports));
	p.word = flow_word(protocol, ports);
	return p;
}

/* Extension headers are not walked: what has some is told apart by its addresses. */
static inline struct flow_parts
flow_parts_ip6(const uint8_t *ip, uint32_t len)
{
	uint8_t protocol = ip[offsetof(struct rte_ipv6_hdr, proto)];
	struct flow_parts p = {.word = flow_word(protocol, 0)};
	uint32_t header = sizeof(struct rte_ipv6_hdr), ports;

	if (!protocol_has_ports(protocol) || header + sizeof(ports) > len)
		return p;
	p.l4_at = header;
	memcpy(&ports, ip + header, sizeof(ports));
	p.word = flow_word(protocol, ports);
	return p;
}

static inline uint32_t
flow_hash_finish(uint64_t crc)
{
	uint64_t h = crc * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(h >> 32);
}

static inline uint32_t
flow_hash_ip4(const uint8_t *ip, uint64_t word)
{
	uint64_t addresses;

	memcpy(&addresses, ip + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(addresses));
	return flow_hash_finish(_mm_crc32_u64(_mm_crc32_u64(0x5a17, addresses), word));
}

/*
 * TCP or UDP, of a packet as nearly all are: IPv4 without options, no fragment, and no SYN, which
 * more has to be done with (mss.h). 0: it is not, or too short to tell.
 */
static inline uint32_t
flow_plain_protocol(const uint8_t *ip, uint32_t len)
{
	const uint32_t tcp_flags_at = sizeof(struct rte_ipv4_hdr) + 13;
	const uint16_t fragment = RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG;
	const uint8_t syn = 2;
	uint32_t middle; /* fragment, TTL, protocol */

	if (__builtin_expect(len <= tcp_flags_at || ip[0] != RTE_IPV4_VHL_DEF, 0))
		return 0;
	memcpy(&middle, ip + offsetof(struct rte_ipv4_hdr, fragment_offset), sizeof(middle));
	middle &= rte_cpu_to_be_32((uint32_t)fragment << 16 | 0xff);
	if (middle == RTE_BE32(IPPROTO_UDP))
		return IPPROTO_UDP;
	return middle == RTE_BE32(IPPROTO_TCP) && (ip[tcp_flags_at] & syn) == 0 ? IPPROTO_TCP : 0;
}

/* The same number as below, of such a packet; false of others. */
static inline bool
flow_hash_plain(const uint8_t *ip, uint32_t len, uint32_t *hash)
{
	uint32_t protocol = flow_plain_protocol(ip, len), ports;

	if (__builtin_expect(protocol == 0, 0))
		return false;
	memcpy(&ports, ip + sizeof(struct rte_ipv4_hdr), sizeof(ports));
	*hash = flow_hash_ip4(ip, flow_word((uint8_t)protocol, ports));
	return true;
}

static inline uint32_t
flow_hash_ip6(const uint8_t *ip, uint64_t word)
{
	uint64_t address[4], crc = 0x5a17;

	memcpy(address, ip + offsetof(struct rte_ipv6_hdr, src_addr), sizeof(address));
	for (int i = 0; i < 4; i++)
		crc = _mm_crc32_u64(crc, address[i]);
	return flow_hash_finish(_mm_crc32_u64(crc, word));
}

/* What else there is: by its MAC addresses and EtherType, 14 bytes. */
static inline uint32_t
flow_hash_ether(const uint8_t *head)
{
	uint64_t front, back;

	memcpy(&front, head, sizeof(front));
	memcpy(&back, head + RTE_ETHER_HDR_LEN - sizeof(back), sizeof(back));
	return flow_hash_finish(_mm_crc32_u64(_mm_crc32_u64(0x5a17, front), back));
}

/* What a packet is, as far as its flow is concerned. */
enum flow_family { FLOW_ETHER, FLOW_INET, FLOW_INET6 };

struct flow_view {
	enum flow_family family;
	const uint8_t *head; /* the Ethernet header, or 14 bytes of room for one */
	const uint8_t *ip;   /* FLOW_INET, FLOW_INET6 */
	uint32_t ip_len;     /* bytes that may be read from it on */
	struct flow_parts parts;
};

/* 'len' bytes may be read from the IP header on; the version is looked at. */
static inline void
flow_view_ip(struct flow_view *v, const uint8_t *ip, uint32_t len)
{
	v->ip = ip;
	v->ip_len = len;
	if (len >= sizeof(struct rte_ipv4_hdr) && ip[0] >> 4 == 4) {
		v->family = FLOW_INET;
		v->parts = flow_parts_ip4(ip, len);
	} else if (len >= sizeof(struct rte_ipv6_hdr) && ip[0] >> 4 == 6) {
		v->family = FLOW_INET6;
		v->parts = flow_parts_ip6(ip, len);
	}
}

/* A frame of which 'len' bytes may be read, at least 14; one VLAN tag is skipped. */
static inline void
flow_view_frame(struct flow_view *v, const uint8_t *head, uint32_t len)
{
	uint32_t at = RTE_ETHER_HDR_LEN;
	uint16_t type_be;

	*v = (struct flow_view){.family = FLOW_ETHER, .head = head};
	memcpy(&type_be, head + at - sizeof(type_be), sizeof(type_be));
	if (__builtin_expect(type_be == RTE_BE16(RTE_ETHER_TYPE_VLAN), 0) &&
	    len >= at + RTE_VLAN_HLEN) {
		at += RTE_VLAN_HLEN;
		memcpy(&type_be, head + at - sizeof(type_be), sizeof(type_be));
	}
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4) || type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		flow_view_ip(v, head + at, len - at);
}

static inline uint32_t
flow_hash(const struct flow_view *v)
{
	switch (v->family) {
	case FLOW_INET:
		return flow_hash_ip4(v->ip, v->parts.word);
	case FLOW_INET6:
		return flow_hash_ip6(v->ip, v->parts.word);
	case FLOW_ETHER:
		break;
	}
	return flow_hash_ether(v->head);
}

/* By some fields alone: bits HASH_SOURCE to HASH_DESTINATION_PORT. Not for every packet. */
static inline uint32_t
flow_hash_fields(const struct flow_view *v, uint32_t fields)
{
	uint32_t size = v->family == FLOW_INET ? 4 : 16, ports = (uint32_t)v->parts.word;
	const uint8_t *addresses = v->ip + (v->family == FLOW_INET ? 12 : 8);
	uint64_t word[5] = {0}, crc = 0x5a17;

	if (v->family == FLOW_ETHER)
		return flow_hash_ether(v->head);
	if ((fields & HASH_SOURCE) != 0)
		memcpy(&word[0], addresses, size);
	if ((fields & HASH_DESTINATION) != 0)
		memcpy(&word[2], addresses + size, size);
	if ((fields & HASH_SOURCE_PORT) == 0)
		ports &= rte_cpu_to_be_32(0x0000ffff);
	if ((fields & HASH_DESTINATION_PORT) == 0)
		ports &= rte_cpu_to_be_32(0xffff0000);
	word[4] = ports;
	if ((fields & HASH_PROTOCOL) != 0)
		word[4] |= (uint64_t)flow_protocol(&v->parts) << 32;
	for (int i = 0; i < 5; i++)
		crc = _mm_crc32_u64(crc, word[i]);
	return flow_hash_finish(crc);
}

#endif
