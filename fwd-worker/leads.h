/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ways out that no table names: to the host, across to a vif's peer, back to where a packet came
 * from. Each is a nexthop of the worker's own, so that output treats its packets like all others. A
 * slot's thread; a lead is the same for all packets of a burst.
 */
#ifndef FWD_WORKER_LEADS_H
#define FWD_WORKER_LEADS_H

#include "fwd-worker/worker.h"

/* Answers go back to where the question came from, frames never do. */
static inline struct verdict
lead(struct worker *w, struct burst *b, uint32_t i, enum lead way, uint32_t vif)
{
	struct nexthop *nh = &w->leads[way];

	nh->type = NEXTHOP_ENCAP;
	nh->family = way == LEAD_BACK ? NEXTHOP_FAMILY_INET : NEXTHOP_FAMILY_BRIDGE;
	nh->encap.vif = vif;
	b->nexthop[i] = nh;
	return TO(OUTPUT);
}

static inline struct verdict
lead_to_host(struct worker *w, struct burst *b, uint32_t i)
{
	uint32_t host = vif_role(&w->roles->host);

	return host == VIF_NONE ? DROP(NO_HOST_VIF) : lead(w, b, i, LEAD_HOST, host);
}

static inline struct verdict
lead_back(struct worker *w, struct burst *b, uint32_t i)
{
	return lead(w, b, i, LEAD_BACK, b->in_vif);
}

#endif
