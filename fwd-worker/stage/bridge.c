/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bridge: (VRF, destination MAC) to nexthop id, for the whole burst at once. Group addresses are
 * entries like all others. A slot's thread.
 *
 * Uses vrf, head; sets nexthop_id, label. To nexthop.
 */
#include "fwd-worker/stage.h"

static inline void
bridge_all(struct worker *w, struct burst *b, const struct vec *v, bool whole)
{
	uint64_t keys[BURST_MAX], values[BURST_MAX], found;

	keys[0] = 0; /* the compiler does not know that the burst has a packet */
	for (uint32_t k = 0; k < v->n; k++)
		keys[k] =
		    bridge_key_packed(b->vrf[vec_at(v, k, whole)], b->head[vec_at(v, k, whole)]);
	found = bridge_lookup_burst(w->bridge, keys, v->n, values);
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		b->nexthop_id[i] = bridge_value_nexthop(values[k]);
		b->label[i] = (values[k] & BRIDGE_LABEL_VALID) != 0 ? bridge_value_label(values[k])
								    : NEXTHOP_NO_LABEL;
		b->verdict[i] = (found >> k & 1) != 0 ? TO(NEXTHOP) : DROP(NO_BRIDGE_ENTRY);
	}
}

void
stage_bridge(struct worker *w, struct burst *b, const struct vec *v)
{
	if (vec_is_whole(b, v))
		bridge_all(w, b, v, true);
	else
		bridge_all(w, b, v, false);
}
