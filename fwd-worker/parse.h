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

/* The key of what comes back; its nexthop is the caller's to set. */
void parse_reverse(const struct flow_key *key, struct flow_key *reverse);

#endif
