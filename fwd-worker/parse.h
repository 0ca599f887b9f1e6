/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a packet's flow is: addresses, protocol and ports out of its headers. A packet may be
 * anything at all; every byte is looked at only after it is known to be there, also in chains of
 * segments. Called by the flow stage, on a slot's thread, and by a fuzzer.
 *
 * ICMP echo has its identifier as source port and 0 as destination port in both directions, other
 * ICMP 0 and its type. An ICMP error (RFC 792, RFC 4443) is of the flow that it is about, whose
 * packet it carries, in the opposite direction.
 */
#ifndef FWD_WORKER_PARSE_H
#define FWD_WORKER_PARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

#include "common/flow.h"

enum parse_kind {
	PARSE_FLOW,     /* 'key' is filled, but for the nexthop */
	PARSE_ERROR,    /* as PARSE_FLOW; an ICMP error, which begins no flow */
	PARSE_NONE,     /* nothing that makes flows: not IP, to a group, neighbour discovery */
	PARSE_FRAGMENT, /* a fragment without the head's ports */
	PARSE_BAD,      /* cut short, or its lengths contradict one another */
};

struct parsed {
	struct flow_key key;
	uint8_t kind; /* enum parse_kind */
	uint8_t tcp;  /* flags of the TCP header, 0 for others */
};

enum { PARSE_IPV4 = 4, PARSE_IPV6 = 6 };

/*
 * The IP header is 'at' bytes behind the first of the packet's data. 'version' is what the packet
 * claims to be.
 */
void parse_packet(const struct rte_mbuf *m, uint32_t at, int version, struct parsed *p);

/*
 * The same for most packets: whole TCP and UDP in one segment, behind an IPv4 header without
 * options, to one receiver. 'len' bytes from the IP header on are in the first segment. The tag is
 * without the nexthop; 'tcp' is as in struct parsed. False, and nothing said, for all others.
 *
 * Fields are looked at several at a time, in words as x86 loads them.
 */
static inline bool
parse_plain(const uint8_t *ip, uint32_t len, struct flow_tag *tag, uint8_t *tcp)
{
	enum { IP = 20, TCP_HEADER = 20, UDP_HEADER = 8, TCP = 6, UDP = 17, GROUPS = 0xe0 };
	/* version and header length; offset and "more fragments" */
	const uint64_t looked_at = UINT64_C(0xff3f0000000000ff), usual = 0x45;
	uint64_t first, addresses;
	uint32_t ports, total;
	bool is_tcp;

	if (__builtin_expect(len < IP + UDP_HEADER, 0))
		return false;
	memcpy(&first, ip, sizeof(first));
	memcpy(&addresses, ip + 12, sizeof(addresses));
	memcpy(&ports, ip + IP, sizeof(ports));
	total = __builtin_bswap16((uint16_t)(first >> 16));
	is_tcp = ip[9] == TCP;
	if (__builtin_expect((first & looked_at) != usual || total > len ||
				 total < IP + (is_tcp ? TCP_HEADER : UDP_HEADER) ||
				 (uint8_t)(addresses >> 32) >= GROUPS || (!is_tcp && ip[9] != UDP),
			     0))
		return false;
	tag->addresses = addresses;
	tag->rest = (uint64_t)ip[9] << 32 | ports;
	*tcp = is_tcp ? ip[IP + 13] : 0;
	return true;
}

/* The key of what comes back; its nexthop is the caller's to set. */
void parse_reverse(const struct flow_key *key, struct flow_key *reverse);

#endif
