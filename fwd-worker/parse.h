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
 * options, to one receiver. 'len' bytes from the IP header on are in the first segment. False, and
 * nothing said, for all others.
 */
static inline bool
parse_plain(const uint8_t *ip, uint32_t len, struct parsed *p)
{
	enum { IP = 20, TCP = 20, UDP = 8, FLAGS_AT = IP + 13 };
	uint32_t least, source, destination, ports;
	uint16_t total_be, fragment_be;

	if (__builtin_expect(len < IP + UDP || ip[0] != 0x45 || ip[16] >= 0xe0, 0))
		return false;
	memcpy(&total_be, ip + 2, sizeof(total_be));
	memcpy(&fragment_be, ip + 6, sizeof(fragment_be));
	if (ip[9] == 6)
		least = IP + TCP;
	else if (ip[9] == 17)
		least = IP + UDP;
	else
		return false;
	if (__builtin_expect(__builtin_bswap16(total_be) > len ||
				 __builtin_bswap16(total_be) < least ||
				 (__builtin_bswap16(fragment_be) & 0x3fff) != 0,
			     0))
		return false;
	/* words, as they are read again at once: a wide load waits for narrow stores */
	memcpy(&source, ip + 12, sizeof(source));
	memcpy(&destination, ip + 16, sizeof(destination));
	memcpy(&ports, ip + IP, sizeof(ports));
	p->key.word[0] = p->key.word[2] = UINT64_MAX;
	p->key.word[1] = (uint64_t)source << 32 | UINT32_MAX;
	p->key.word[3] = (uint64_t)destination << 32 | UINT32_MAX;
	p->key.word[4] = (uint64_t)ip[9] << 32 | ports;
	p->kind = PARSE_FLOW;
	p->tcp = ip[9] == 6 ? ip[FLAGS_AT] : 0;
	return true;
}

/* The key of what comes back; its nexthop is the caller's to set. */
void parse_reverse(const struct flow_key *key, struct flow_key *reverse);

#endif
