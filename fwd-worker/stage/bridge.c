/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bridge: (VRF, destination MAC) to nexthop id, for the whole burst at once. Group addresses are
 * entries like all others; one that has none goes where broadcasts go, and so does an unknown
 * destination from a vif whose flag says so. ARP and neighbour discovery that would be flooded are
 * looked at first, and so are ARP requests and solicitations to somebody else's MAC: the answer may
 * be ours to give. A slot's thread.
 *
 * Uses vrf, head, in_flags, asked; sets nexthop_id, label, asked. To nexthop, arp, nd.
 */
#include <string.h>

#include <rte_ether.h>

#include "fwd-worker/stage.h"
#include "fwd-worker/stage/question.h"

/* The MAC's first bit on the wire, in a packed key. */
#define KEY_GROUP (UINT64_C(1) << 16)

static inline void
bridge_found(struct burst *b, uint32_t i, uint64_t value)
{
	b->nexthop_id[i] = bridge_value_nexthop(value);
	b->label[i] =
	    (value & BRIDGE_LABEL_VALID) != 0 ? bridge_value_label(value) : NEXTHOP_NO_LABEL;
	b->verdict[i] = TO(NEXTHOP);
}

/*
 * The few that are for groups or for nobody known, or are no IPv4. Whether any of them goes
 * elsewhere than to what was found.
 */
static __attribute__((noinline)) bool
bridge_rest(struct worker *w, struct burst *b, const struct vec *v, const uint64_t *keys,
	    uint64_t found)
{
	static const uint8_t broadcast[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	bool any = false;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];
		bool group = (keys[k] & KEY_GROUP) != 0;
		struct verdict verdict;
		uint64_t key, value;

		if (is_question(b, i, &verdict)) {
			b->verdict[i] = verdict;
			/* if nobody answers it, it goes on to the nexthop found */
			b->asked |= (uint64_t)(!group && (found >> k & 1) != 0) << i;
			any = true;
			continue;
		}
		if ((found >> k & 1) != 0)
			continue;
		any = true;
		if (!group && (b->in_flags & VIF_FLAG_UNKNOWN_UNICAST_FLOOD) == 0)
			continue;
		key = bridge_key_packed(b->vrf[i], broadcast);
		if (bridge_lookup_burst(w->bridge, &key, 1, &value) != 0)
			bridge_found(b, i, value);
	}
	return any;
}

static inline void
bridge_all(struct worker *w, struct burst *b, const struct vec *v, bool whole)
{
	uint64_t keys[BURST_MAX], values[BURST_MAX], found, any = 0;
	uint16_t types = 0; /* ARP and IPv6, which ask questions, have bits that IPv4 has not */

	keys[0] = 0; /* the compiler does not know that the burst has a packet */
	for (uint32_t k = 0; k < v->n; k++) {
		const uint8_t *head = b->head[vec_at(v, k, whole)];

		keys[k] = bridge_key_packed(b->vrf[vec_at(v, k, whole)], head);
		types |= frame_type_be(head);
	}
	for (uint32_t k = 0; k < v->n; k++)
		any |= keys[k];
	found = bridge_lookup_burst(w->bridge, keys, v->n, values);
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		b->nexthop_id[i] = bridge_value_nexthop(values[k]);
		b->label[i] = (values[k] & BRIDGE_LABEL_VALID) != 0 ? bridge_value_label(values[k])
								    : NEXTHOP_NO_LABEL;
		b->verdict[i] = (found >> k & 1) != 0 ? TO(NEXTHOP) : DROP(NO_BRIDGE_ENTRY);
	}
	if (__builtin_expect((any & KEY_GROUP) != 0 || types != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
				 found != UINT64_MAX >> (64 - v->n),
			     0) &&
	    bridge_rest(w, b, v, keys, found))
		return;
	b->common = TO(NEXTHOP);
}

void
stage_bridge(struct worker *w, struct burst *b, const struct vec *v)
{
	if (vec_is_whole(b, v))
		bridge_all(w, b, v, true);
	else
		bridge_all(w, b, v, false);
}
