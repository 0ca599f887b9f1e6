/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ECMP: one member of a composite, chosen by the flow (RFC 2992). A flow's number leads to a place;
 * if its member is not there, a second number leads to one of those that are, so that only flows
 * of a member that left move, and go back when it does. A slot's thread.
 *
 * Uses nexthop, head, inet, inet6; sets nexthop_id, label. To nexthop.
 */
#include "fwd-worker/stage.h"
#include "fwd-worker/stage/flow_view.h"

/* A number below n from the upper bits, which takes no division. */
static inline uint32_t
below(uint32_t hash, uint32_t n)
{
	return (uint32_t)((uint64_t)hash * n >> 32);
}

static inline bool
is_there(const struct worker *w, const struct nexthop_member *m)
{
	return nexthop_lookup(w->nexthops, nexthop_member_id(m)) != NULL;
}

/* Place of the member, or -1: none is there. */
static int
member_of(const struct worker *w, const struct nexthop *nh, uint32_t hash)
{
	const struct nexthop_member *members = nh->composite.members;
	uint32_t n = nh->composite.n, active = 0, at;
	uint8_t places[NEXTHOP_MEMBERS_MAX];

	if (n == 0 || n > NEXTHOP_MEMBERS_MAX)
		return -1;
	at = below(hash, n);
	if (__builtin_expect(is_there(w, &members[at]), 1))
		return (int)at;
	for (uint32_t i = 0; i < n; i++)
		if (is_there(w, &members[i]))
			places[active++] = (uint8_t)i;
	return active == 0 ? -1 : places[below(hash * UINT32_C(0x9e3779b1), active)];
}

static inline struct verdict
ecmp_one(const struct worker *w, struct burst *b, uint32_t i)
{
	const struct nexthop *nh = b->nexthop[i];
	struct flow_view flow;
	uint32_t hash, label;
	int at;

	flow_view_packet(&flow, b, i);
	hash = __builtin_expect(nh->composite.hash_fields == 0, 1)
		   ? flow_hash(&flow)
		   : flow_hash_fields(&flow, nh->composite.hash_fields);
	at = member_of(w, nh, hash);
	if (__builtin_expect(at < 0, 0))
		return DROP(NO_MEMBER);
	b->nexthop_id[i] = nexthop_member_id(&nh->composite.members[at]);
	label = nexthop_member_label(&nh->composite.members[at]);
	if (label != NEXTHOP_NO_LABEL)
		b->label[i] = label;
	return TO(NEXTHOP);
}

void
stage_ecmp(struct worker *w, struct burst *b, const struct vec *v)
{
	for (uint32_t k = 0; k < v->n; k++)
		b->verdict[v->i[k]] = ecmp_one(w, b, v->i[k]);
}
