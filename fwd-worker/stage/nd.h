/* SPDX-License-Identifier: BSD-3-Clause */
/* What a neighbour discovery message looks like; for stages that come across one. */
#ifndef FWD_WORKER_STAGE_ND_H
#define FWD_WORKER_STAGE_ND_H

#include <stdint.h>

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

/* ICMPv6 types, RFC 4861. */
enum nd_type {
	ND_NONE = 0,
	ND_ROUTER_SOLICITATION = 133,
	ND_ROUTER_ADVERTISEMENT = 134,
	ND_SOLICITATION = 135,
	ND_ADVERTISEMENT = 136,
};

/* Of an IPv6 packet whose header lies in the first segment; 'head' is its Ethernet header. */
static inline enum nd_type
nd_type(const struct rte_mbuf *m, const uint8_t *head)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(head + RTE_ETHER_HDR_LEN);
	const uint8_t *icmp = (const uint8_t *)(ip + 1);

	if (ip->proto != IPPROTO_ICMPV6 || m->data_len <= RTE_ETHER_HDR_LEN + sizeof(*ip) ||
	    icmp[0] < ND_ROUTER_SOLICITATION || icmp[0] > ND_ADVERTISEMENT)
		return ND_NONE;
	return (enum nd_type)icmp[0];
}

#endif
