/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What travels with a packet from one hand to another: in the mbuf's private area, written only
 * when the packet leaves its slot over the mesh (a packet that stays needs none of it).
 */
#ifndef COMMON_PKT_H
#define COMMON_PKT_H

#include <stdint.h>

#include <rte_mbuf.h>

/* What the receiver does: sends it to out_port; treats it as received from in_port; or goes on at a
 * stage. */
enum pkt_next { PKT_NEXT_TX, PKT_NEXT_INPUT, PKT_NEXT_STAGE };

/* Bits of 'kind'. */
enum {
	PKT_INET = 1,
	PKT_INET6 = 2,
	PKT_ENCAPSULATED = 4,
	PKT_EXPIRED = 8,
	PKT_TUNNELED = 16,
	PKT_ASKED = 32,
};

struct pkt_meta {
	uint32_t in_vif;
	uint32_t out_vif;
	uint16_t next; /* enum pkt_next */
	uint16_t out_port;
	uint16_t in_port;
	uint16_t
	    stage; /* PKT_NEXT_STAGE: enum stage, and what the burst knows of the packet there */
	uint32_t vrf;
	uint32_t label;
	uint32_t nexthop_id;
	int32_t head; /* of the frame, from the mbuf's data */
	uint32_t len;
	uint16_t kind;
	uint16_t reserved0;
	uint32_t outer_source_be; /* PKT_TUNNELED */
	uint32_t reserved[5];
};
_Static_assert(sizeof(struct pkt_meta) == 64, "pkt_meta: the mbuf's private area");

/*
 * Asks for a line that another core may have, in order to write it soon. The compiler's own asks
 * only for reading unless told of the CPU, and then the line is asked for a second time; processors
 * that do not know this instruction do nothing.
 */
static inline void
pkt_prefetch_write(const void *p)
{
#ifdef __x86_64__
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

static inline struct pkt_meta *
pkt_meta(struct rte_mbuf *m)
{
	return (struct pkt_meta *)rte_mbuf_to_priv(m);
}

#endif
