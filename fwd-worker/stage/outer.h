/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tunnel's headers on their way in front of a packet. What all packets of a nexthop share is
 * taken from it once, in words as wide as stores are; a packet adds its own fields to them in
 * registers, so that nothing is stored twice. A slot's thread.
 */
#ifndef FWD_WORKER_STAGE_OUTER_H
#define FWD_WORKER_STAGE_OUTER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "common/nexthop.h"

enum {
	OUTER_SHIM_LEN = 4, /* label or VNI, always the last bytes */
	OUTER_LABEL_MAX = (1 << 20) - 1,
	OUTER_SOURCE_PORT_FIRST = 49152, /* RFC 6335: dynamic ports */
};

struct outer {
	/* of the nexthop, in memory order: the Ethernet header, whose ends overlap ... */
	uint64_t link_front, link_back;
	/* ... IPv4: version to fragment; TTL, protocol, source; destination, ports or GRE ... */
	uint64_t ip_front, ip_back, ports;
	/* ... and UDP's length, checksum, VXLAN's flags */
	uint64_t udp;
	uint32_t sum; /* of the IPv4 header, added up */
	uint32_t len;
	uint32_t destination_be;
	uint32_t label_max;
	bool is_udp;
	bool vxlan;
};

static inline uint64_t
outer_word(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline void
outer_make(struct outer *o, const struct nexthop *nh)
{
	const uint8_t *ip = nh->tunnel.outer + NEXTHOP_OUTER_MAX - nh->tunnel.outer_len;
	bool is_udp = nh->tunnel.kind != TUNNEL_MPLS_GRE, vxlan = nh->tunnel.kind == TUNNEL_VXLAN;

	*o = (struct outer){
	    .link_front = outer_word(nh->encap.rewrite),
	    .link_back = outer_word(nh->encap.rewrite + RTE_ETHER_HDR_LEN - sizeof(uint64_t)),
	    .ip_front = outer_word(ip),
	    .ip_back = outer_word(ip + 8),
	    .ports = outer_word(ip + 16),
	    .udp = is_udp ? outer_word(ip + 24) : 0,
	    .sum = nh->tunnel.outer_sum,
	    .len = nh->tunnel.outer_len,
	    .destination_be = nh->tunnel.destination_be,
	    .label_max = vxlan ? NEXTHOP_NO_LABEL - 1 : OUTER_LABEL_MAX,
	    .is_udp = is_udp,
	    .vxlan = vxlan,
	};
}

/* The sum of the nexthop's part and what the header has of its own, folded. */
static inline uint16_t
outer_checksum(const struct outer *o, uint16_t total_be, uint16_t id_be)
{
	uint32_t sum = o->sum + total_be + id_be;

	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

/* What is carried as the last word: a VNI, or a label at the bottom of its stack. */
static inline uint32_t
outer_shim(const struct outer *o, uint32_t label, uint8_t ttl)
{
	enum { BOTTOM = 1 << 8 };

	return rte_cpu_to_be_32(o->vxlan ? label << 8 : label << 12 | BOTTOM | ttl);
}

/*
 * The headers from IPv4 on, in front of 'end', where 'payload' bytes follow. 'hash' is the inner
 * flow's: the same source port for all its packets.
 */
static inline void
outer_write(const struct outer *o, uint8_t *end, uint32_t payload, uint16_t id_be, uint32_t hash,
	    uint32_t shim_be)
{
	uint8_t *ip = end - o->len;
	uint32_t total = o->len + payload;
	uint16_t total_be = rte_cpu_to_be_16((uint16_t)total);
	uint16_t udp_be = rte_cpu_to_be_16((uint16_t)(total - sizeof(struct rte_ipv4_hdr)));
	uint16_t port_be = rte_cpu_to_be_16((uint16_t)(OUTER_SOURCE_PORT_FIRST + (hash >> 18)));
	uint64_t front = o->ip_front | (uint64_t)total_be << 16 | (uint64_t)id_be << 32;
	uint64_t back = o->ip_back | (uint64_t)outer_checksum(o, total_be, id_be) << 16;
	uint64_t ports = o->ports, udp = o->udp | udp_be;

	memcpy(ip, &front, sizeof(front));
	memcpy(ip + 8, &back, sizeof(back));
	if (__builtin_expect(o->is_udp, 1)) {
		ports |= (uint64_t)port_be << 32;
		memcpy(ip + 24, &udp, sizeof(udp));
	}
	memcpy(ip + 16, &ports, sizeof(ports));
	memcpy(end - OUTER_SHIM_LEN, &shim_be, sizeof(shim_be));
}

/* An Ethernet header without a tag, in front of that. */
static inline void
outer_write_link(const struct outer *o, uint8_t *head)
{
	memcpy(head, &o->link_front, sizeof(o->link_front));
	memcpy(head + RTE_ETHER_HDR_LEN - sizeof(o->link_back), &o->link_back,
	       sizeof(o->link_back));
}

#endif
