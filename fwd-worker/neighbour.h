/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of a question for an address' MAC: one table of decisions for ARP requests and
 * neighbour solicitations. A slot's thread.
 */
#ifndef FWD_WORKER_NEIGHBOUR_H
#define FWD_WORKER_NEIGHBOUR_H

#include "fwd-worker/worker.h"

/* Where a message came from. */
enum origin {
	FROM_GUEST,
	FROM_OVERLAY, /* out of a tunnel */
	FROM_UNDERLAY,
	FROM_HOST,
};

enum answer {
	ANSWER_DROP,
	ANSWER_FLOOD,  /* across, to or from the underlay */
	ANSWER_PROXY,  /* with neighbour_mac() */
	ANSWER_MIRROR, /* to the agent, and flood or across */
};

static inline enum origin
origin_of(const struct burst *b, uint32_t i, const struct vif *vif)
{
	if ((b->tunneled >> i & 1) != 0)
		return FROM_OVERLAY;
	if (vif->type == VIF_PHYSICAL)
		return FROM_UNDERLAY;
	return vif->type == VIF_HOST ? FROM_HOST : FROM_GUEST;
}

/* 'route' is the value for the address asked for, 0: none. */
enum answer neighbour_answer(const struct worker *w, const struct vif *vif, enum origin from,
			     uint64_t route, bool gratuitous);

/* Whether this route leads to the agent, which every router has for a gateway of its guests. */
bool neighbour_is_gateway(const struct worker *w, uint64_t route);

/*
 * The MAC that an answer of ANSWER_PROXY gives: the one that the host's route names, written into
 * 'room', or the vif's own. 'address' as in stitch.h.
 */
const uint8_t *neighbour_mac(const struct worker *w, const struct vif *vif, uint32_t vrf,
			     uint64_t route, bool inet6, const void *address, uint8_t room[6]);

/*
 * Where a message goes that nobody answers here: one that was on its way to somebody's MAC (its bit
 * in 'asked' is set already), on to nexthop_id.
 */
struct verdict neighbour_pass(struct worker *w, struct burst *b, uint32_t i, enum origin from);

/* The answer that stands in packet i instead of the question goes to who asked. */
struct verdict neighbour_reply(struct worker *w, struct burst *b, uint32_t i, enum origin from);

#endif
