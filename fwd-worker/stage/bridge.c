/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bridge: (VRF, destination MAC) to nexthop id, for the whole burst at once. Group addresses are
 * entries like all others; one that has none goes where broadcasts go, and so does an unknown
 * destination from a vif whose flag says so. ARP and neighbour discovery that would be flooded are
 * looked at first. A slot's thread.
 *
 * Uses vrf, head, in_flags, asked; sets nexthop_id, label. To nexthop, arp, nd.
 */
#include <string.h>

#include <rte_ether.h>

#include "fwd-worker/stage.h"
#include "fwd-worker/stage/nd.h"

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

/* What nobody has asked the routes about yet. */
static bool
is_question(const struct burst *b, uint32_t i, struct verdict *verdict)
{
	uint16_t type_be;

	if ((b->asked >> i & 1) != 0)
		return false;
	memcpy(&type_be, b->head[i] + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		*verdict = TO(ARP);
		return true;
	}
	if (type_be != RTE_BE16(RTE_ETHER_TYPE_IPV6) || nd_type(b->m[i], b->head[i]) == ND_NONE)
		return false;
	*verdict = TO(ND);
	return true;
}

/* The few that are for groups, or for nobody known. */
static void
bridge_rest(struct worker *w, struct burst *b, const struct vec *v, const uint64_t *keys,
	    uint64_t found)
{
	static const uint8_t broadcast[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];
		bool group = (keys[k] & KEY_GROUP) != 0;
		uint64_t key, value;

		if (group && is_question(b, i, &b->verdict[i]))
			continue;
		if ((found >> k & 1) != 0 ||
		    (!group && (b->in_flags & VIF_FLAG_UNKNOWN_UNICAST_FLOOD) == 0))
			continue;
		key = bridge_key_packed(b->vrf[i], broadcast);
		if (bridge_lookup_burst(w->bridge, &key, 1, &value) != 0)
			bridge_found(b, i, value);
	}
}

static inline void
bridge_all(struct worker *w, struct burst *b, const struct vec *v, bool whole)
{
	uint64_t keys[BURST_MAX], values[BURST_MAX], found, any = 0;

	keys[0] = 0; /* the compiler does not know that the burst has a packet */
	for (uint32_t k = 0; k < v->n; k++)
		keys[k] =
		    bridge_key_packed(b->vrf[vec_at(v, k, whole)], b->head[vec_at(v, k, whole)]);
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
	if (__builtin_expect((any & KEY_GROUP) != 0 || found != UINT64_MAX >> (64 - v->n), 0))
		bridge_rest(w, b, v, keys, found);
	else
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
