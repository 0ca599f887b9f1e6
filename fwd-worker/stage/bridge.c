/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bridge: (VRF, destination MAC) to nexthop id, for the whole burst at once. Group addresses are
 * entries like all others. A slot's thread.
 *
 * Uses vrf, head; sets nexthop_id. To nexthop.
 */
#include "fwd-worker/stage.h"

void
stage_bridge(struct worker *w, struct burst *b, const struct vec *v)
{
	uint64_t keys[BURST_MAX];
	uint32_t ids[BURST_MAX];
	uint64_t found;

	for (uint32_t k = 0; k < v->n; k++)
		keys[k] = bridge_key_packed(b->vrf, b->head[v->i[k]]);
	found = bridge_lookup_burst(w->bridge, keys, v->n, ids);
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		b->nexthop_id[i] = ids[k];
		b->verdict[i] = (found >> k & 1) != 0 ? TO(NEXTHOP) : DROP(NO_BRIDGE_ENTRY);
	}
}
