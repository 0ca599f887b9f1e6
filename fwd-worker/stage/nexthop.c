/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nexthop: what happens to a packet whose lookup ended at this id. Packets of a burst often share
 * one, so its answer is kept while the id stays the same. A slot's thread.
 *
 * Uses nexthop_id; sets nexthop. To flood, output.
 */
#include "fwd-worker/stage.h"

static struct verdict
nexthop_verdict(const struct nexthop *nh)
{
	if (nh == NULL)
		return DROP(NO_NEXTHOP);
	switch ((enum nexthop_type)nh->type) {
	case NEXTHOP_DISCARD:
		return DROP(DISCARD);
	case NEXTHOP_ENCAP:
		return TO(OUTPUT);
	case NEXTHOP_FLOOD:
		return TO(FLOOD);
	case NEXTHOP_TYPES:
		break;
	}
	return DROP(NO_NEXTHOP);
}

void
stage_nexthop(struct worker *w, struct burst *b, const struct vec *v)
{
	uint32_t id = b->nexthop_id[v->i[0]];
	const struct nexthop *nh = nexthop_lookup(w->nexthops, id);
	struct verdict verdict = nexthop_verdict(nh);

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		if (b->nexthop_id[i] != id) {
			id = b->nexthop_id[i];
			nh = nexthop_lookup(w->nexthops, id);
			verdict = nexthop_verdict(nh);
		}
		b->nexthop[i] = nh;
		b->verdict[i] = verdict;
	}
}
