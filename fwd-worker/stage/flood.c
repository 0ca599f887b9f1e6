/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flood: a copy for each member of a composite, composites within it included, but none for the vif
 * the packet came in by. Copies, not references: a reference count cannot be repaired after a kill.
 * The original ends here: uncounted when every copy is on its way, else for the reason one of them
 * is not (further ones are counted beside it). A slot's thread.
 *
 * Uses nexthop, label, len, tunneled. The end.
 */
#include "fwd-worker/copies.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/stage/encap.h"
#include "fwd-worker/stage/output.h"
#include "fwd-worker/trap.h"

static struct rte_mbuf *
copy_make(struct worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *copy;

	if (!copies_fit(w, 1, m->nb_segs))
		return NULL;
	copy = rte_pktmbuf_copy(m, w->mbufs, 0, UINT32_MAX);
	if (copy != NULL)
		copies_add(w, m, copy);
	return copy;
}

static struct verdict
flood_to_vif(struct worker *w, struct burst *b, uint32_t i, uint32_t vif)
{
	struct exit_way e;
	struct rte_mbuf *copy;
	struct verdict v;

	if (vif == b->in_vif)
		return SENT;
	e = exit_find(w, vif);
	if (e.agent)
		return trap_copy(w, b, i, TRAP_NEXTHOP);
	if (verdict_is_drop(e.verdict))
		return e.verdict;
	copy = copy_make(w, b->m[i]);
	if (copy == NULL)
		return DROP(NO_MBUF);
	v = exit_take(w, b, &e, copy, b->len[i]);
	if (verdict_is_drop(v)) {
		hand_drop(w->hand, copy);
		return v;
	}
	w->count[vif].tx_packets++;
	w->count[vif].tx_bytes += b->len[i];
	return SENT;
}

/*
 * Replication at the ingress: what came out of a tunnel was sent to all others by whoever put it
 * in.
 */
static struct verdict
flood_to_tunnel(struct worker *w, struct burst *b, uint32_t i, const struct nexthop *nh,
		uint32_t label)
{
	struct exit_way e;
	struct rte_mbuf *copy;
	uint32_t len;
	struct verdict v;

	if ((b->tunneled >> i & 1) != 0)
		return SENT;
	e = exit_find(w, nh->encap.vif);
	if (verdict_is_drop(e.verdict))
		return e.verdict;
	copy = copy_make(w, b->m[i]);
	if (copy == NULL)
		return DROP(NO_MBUF);
	v = encap_push(w, b, i, copy, nh, label);
	len = copy->pkt_len;
	if (!verdict_is_drop(v))
		v = exit_take(w, b, &e, copy, len);
	if (verdict_is_drop(v)) {
		hand_drop(w->hand, copy);
		return v;
	}
	w->count[e.vif].tx_packets++;
	w->count[e.vif].tx_bytes += len;
	return SENT;
}

/* A walk over composites: where it is in each of them. */
struct flood_walk {
	const struct nexthop *nh[NEXTHOP_DEPTH_MAX];
	uint32_t next[NEXTHOP_DEPTH_MAX];
	uint32_t depth;
};

static struct verdict
flood_to_member(struct worker *w, struct burst *b, uint32_t i, const struct nexthop *nh,
		uint32_t label, struct flood_walk *walk)
{
	if (nh == NULL)
		return DROP(NO_NEXTHOP);
	switch ((enum nexthop_type)nh->type) {
	case NEXTHOP_ENCAP:
		if (nh->family != NEXTHOP_FAMILY_BRIDGE)
			return DROP(WRONG_FAMILY);
		return flood_to_vif(w, b, i, nh->encap.vif);
	case NEXTHOP_FLOOD:
		if (walk->depth + 1 == NEXTHOP_DEPTH_MAX)
			return DROP(NEXTHOP_LOOP);
		walk->depth++;
		walk->nh[walk->depth] = nh;
		walk->next[walk->depth] = 0;
		return SENT;
	case NEXTHOP_TUNNEL:
		return flood_to_tunnel(w, b, i, nh,
				       label != NEXTHOP_NO_LABEL ? label : b->label[i]);
	case NEXTHOP_DISCARD:
		return SENT;
	case NEXTHOP_ECMP:
	case NEXTHOP_VRF_TRANSLATE:
	case NEXTHOP_RECEIVE:
	case NEXTHOP_L2_RECEIVE:
	case NEXTHOP_RESOLVE:
	case NEXTHOP_TYPES:
		break;
	}
	return DROP(BAD_MEMBER);
}

static void
drop_copy(struct worker *w, const struct burst *b, uint32_t i, enum drop why)
{
	count_drops(w, b->in_vif, why, 1);
	drop_sampler_see(&w->sampler, why, "flood", b->in_vif, b->m[i]);
}

static struct verdict
flood_one(struct worker *w, struct burst *b, uint32_t i)
{
	struct flood_walk walk = {.nh = {b->nexthop[i]}};
	struct verdict result = SENT;

	for (;;) {
		const struct nexthop *nh = walk.nh[walk.depth];
		uint32_t at = walk.next[walk.depth]++, id;
		struct verdict v;

		if (at >= nh->composite.n || at >= NEXTHOP_MEMBERS_MAX) {
			if (walk.depth == 0)
				break;
			walk.depth--;
			continue;
		}
		id = nexthop_member_id(&nh->composite.members[at]);
		if (id == NEXTHOP_NO_MEMBER)
			continue;
		v = flood_to_member(w, b, i, nexthop_lookup(w->nexthops, id),
				    nexthop_member_label(&nh->composite.members[at]), &walk);
		if (!verdict_is_drop(v))
			continue;
		if (verdict_is_drop(result))
			drop_copy(w, b, i, verdict_drop(v));
		else
			result = v;
	}
	if (!verdict_is_drop(result))
		hand_drop(w->hand, b->m[i]); /* no loss, so it is not counted */
	return result;
}

void
stage_flood(struct worker *w, struct burst *b, const struct vec *v)
{
	for (uint32_t k = 0; k < v->n; k++)
		b->verdict[v->i[k]] = flood_one(w, b, v->i[k]);
}
