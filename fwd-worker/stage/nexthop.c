/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nexthop: what happens to a packet whose lookup ended at this id. A bridged packet needs a nexthop
 * of family bridge, a routed one of its own family: what one does with frames is nonsense for
 * another. A tunnel takes both. Packets of a burst often share a nexthop; then it is looked at
 * once. A slot's thread.
 *
 * Uses nexthop_id, inet, inet6, policy, flowed; sets nexthop, after. To ecmp, translate, flow,
 * flood, rewrite, encap, output.
 */
#include <stddef.h>
#include <string.h>

#include "common/rules.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/trap.h"

static inline enum nexthop_family
family_of(const struct burst *b, uint32_t i)
{
	if ((b->inet >> i & 1) != 0)
		return NEXTHOP_FAMILY_INET;
	return (b->inet6 >> i & 1) != 0 ? NEXTHOP_FAMILY_INET6 : NEXTHOP_FAMILY_BRIDGE;
}

static inline bool
is_inet(enum nexthop_family family)
{
	return family != NEXTHOP_FAMILY_BRIDGE;
}

/* Types that only choose where to look next do not care for the IP version. */
static inline bool
looks_again(const struct nexthop *nh)
{
	return nh->type == NEXTHOP_ECMP || nh->type == NEXTHOP_VRF_TRANSLATE;
}

static struct verdict
nexthop_verdict(const struct nexthop *nh, enum nexthop_family family)
{
	if (nh == NULL)
		return DROP(NO_NEXTHOP);
	if (nh->type == NEXTHOP_DISCARD)
		return DROP(DISCARD);
	if (nh->type == NEXTHOP_TUNNEL)
		return TO(ENCAP);
	if (nh->family != family && !(looks_again(nh) && is_inet(nh->family) && is_inet(family)))
		return DROP(WRONG_FAMILY);
	switch ((enum nexthop_type)nh->type) {
	case NEXTHOP_ENCAP:
		return family == NEXTHOP_FAMILY_BRIDGE ? TO(OUTPUT) : TO(REWRITE);
	case NEXTHOP_FLOOD:
		return TO(FLOOD);
	case NEXTHOP_RECEIVE:
	case NEXTHOP_L2_RECEIVE:
	case NEXTHOP_RESOLVE:
		return TO(RECEIVE);
	case NEXTHOP_ECMP:
		return TO(ECMP);
	case NEXTHOP_VRF_TRANSLATE:
		return TO(TRANSLATE);
	case NEXTHOP_TUNNEL:
	case NEXTHOP_DISCARD:
	case NEXTHOP_TYPES:
		break;
	}
	return DROP(NO_NEXTHOP);
}

/* Whether all packets of the burst, also those that are not in 'v', are of one family. */
static inline bool
is_one_family(const struct burst *b)
{
	uint64_t all = UINT64_MAX >> (64 - b->n);

	return (b->inet | b->inet6) == 0 || b->inet == all || b->inet6 == all;
}

static inline bool
is_one_id(const struct burst *b, const struct vec *v, bool whole)
{
	uint32_t id = b->nexthop_id[v->i[0]], differ = 0;

	for (uint32_t k = 0; k < v->n; k++)
		differ |= b->nexthop_id[vec_at(v, k, whole)] ^ id;
	return differ == 0;
}

/* Type and family, which decide: of packets of one family that agree in this, all verdicts are one.
 */
static inline uint32_t
kind_of(const struct nexthop *nh)
{
	uint16_t kind;

	_Static_assert(offsetof(struct nexthop, family) == offsetof(struct nexthop, type) + 1,
		       "nexthop: type and family are one word");
	if (__builtin_expect(nh == NULL, 0))
		return UINT32_MAX;
	memcpy(&kind, &nh->type, sizeof(kind));
	return kind;
}

/* Looks all nexthops up; whether they are of one kind, and all there. */
static inline bool
nexthops_find(const struct worker *w, struct burst *b, const struct vec *v, bool whole)
{
	const struct nexthop *found[BURST_MAX]; /* the burst might be the table, to the compiler */
	uint32_t first, differ = 0;

	found[0] = nexthop_lookup(w->nexthops, b->nexthop_id[v->i[0]]);
	first = kind_of(found[0]);
	for (uint32_t k = 0; k < v->n; k++) {
		found[k] = nexthop_lookup(w->nexthops, b->nexthop_id[vec_at(v, k, whole)]);
		differ |= kind_of(found[k]) ^ first;
	}
	for (uint32_t k = 0; k < v->n; k++)
		b->nexthop[vec_at(v, k, whole)] = found[k];
	return differ == 0 && first != UINT32_MAX;
}

/* What is copied has no flow; what is chosen among or looked up again, not yet. */
static inline bool
has_flows(const struct nexthop *nh)
{
	return nh->type != NEXTHOP_FLOOD && nh->type != NEXTHOP_L2_RECEIVE && !looks_again(nh);
}

/* It asks for a flow by itself, or the vif it leads to does. */
static inline bool
asks_for_flow(const struct worker *w, const struct nexthop *nh)
{
	const struct vif *out;

	if (NEXTHOP_HAS(nh, POLICY) || NEXTHOP_HAS(nh, FLOW_LOOKUP))
		return true;
	out = nh->type == NEXTHOP_ENCAP ? vif_lookup(w->vifs, nh->encap.vif) : NULL;
	return out != NULL && (out->flags & VIF_FLAG_POLICY) != 0;
}

/*
 * Packets that go one way: do all of them make a detour to their flows, or none? False: they differ
 * in that, too.
 */
static inline bool
nexthop_together(const struct worker *w, struct burst *b, const struct vec *v,
		 struct verdict verdict, bool policed, bool one, bool whole)
{
	const struct nexthop *nh = b->nexthop[v->i[0]];

	b->common = verdict;
	if (__builtin_expect(!policed, 1) || verdict.code >= VERDICT_SENT || !has_flows(nh))
		return true;
	if (!b->policy && !one) {
		b->common = EACH;
		return false;
	}
	if (!b->policy && !asks_for_flow(w, nh))
		return true;
	for (uint32_t k = 0; k < v->n; k++)
		b->after[vec_at(v, k, whole)] = verdict;
	b->common = TO(FLOW);
	return true;
}

/* True when all is said, also about packets that may not go on and those that have flows. */
static inline bool
nexthop_all(struct worker *w, struct burst *b, const struct vec *v, bool policed, bool whole)
{
	bool one = is_one_id(b, v, whole), alike = is_one_family(b);

	if (__builtin_expect(one, 1)) {
		const struct nexthop *nh = nexthop_lookup(w->nexthops, b->nexthop_id[v->i[0]]);

		for (uint32_t k = 0; k < v->n; k++)
			b->nexthop[vec_at(v, k, whole)] = nh;
	} else {
		alike &= nexthops_find(w, b, v, whole);
	}
	if (__builtin_expect(alike && b->expired == 0 && (!policed || b->flowed == 0), 1) &&
	    nexthop_together(w, b, v, nexthop_verdict(b->nexthop[v->i[0]], family_of(b, v->i[0])),
			     policed, one, whole))
		return true;
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		b->verdict[i] = nexthop_verdict(b->nexthop[i], family_of(b, i));
	}
	return false;
}

/* Those of the packets that have flows make a detour, once. */
static __attribute__((noinline)) void
detour(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct nexthop *last = NULL;
	bool policed = false;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		if (b->verdict[i].code >= VERDICT_SENT || (b->flowed >> i & 1) != 0)
			continue;
		if (b->nexthop[i] != last) {
			last = b->nexthop[i];
			policed = has_flows(last) && (b->policy || asks_for_flow(w, last));
		}
		if (!policed)
			continue;
		b->after[i] = b->verdict[i];
		b->verdict[i] = TO(FLOW);
	}
}

/* Left are those for the router itself; of others the agent tells their sender, if there is one. */
static void
end_expired(struct worker *w, struct burst *b, const struct vec *v)
{
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];
		struct verdict verdict = b->verdict[i];

		if ((b->expired >> i & 1) == 0 || verdict_is_drop(verdict) ||
		    verdict.code == STAGE_RECEIVE || verdict.code == STAGE_ECMP ||
		    verdict.code == STAGE_TRANSLATE)
			continue;
		verdict = trap_end(w, b, i, TRAP_ZERO_TTL);
		b->verdict[i] = verdict_is_drop(verdict) ? DROP(TTL_EXPIRED) : verdict;
	}
}

void
stage_nexthop(struct worker *w, struct burst *b, const struct vec *v)
{
	bool policed = b->policy || rules_policed(w->rules);

	if (vec_is_whole(b, v) ? nexthop_all(w, b, v, policed, true)
			       : nexthop_all(w, b, v, policed, false))
		return;
	if (__builtin_expect(b->expired != 0, 0))
		end_expired(w, b, v);
	if (__builtin_expect(policed, 0))
		detour(w, b, v);
}
