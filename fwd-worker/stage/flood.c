/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flood: a copy for each member of a composite, composites within it included, but none for the vif
 * the packet came in by. Copies, not references: a reference count cannot be repaired after a kill.
 * The original ends here: uncounted when every copy is on its way, else for the reason one of them
 * is not (further ones are counted beside it). A slot's thread.
 *
 * Uses nexthop, len. The end.
 */
#include "fwd-worker/copies.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/stage/output.h"

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

/* A walk over composites: where it is in each of them. */
struct flood_walk {
	const struct nexthop *nh[NEXTHOP_DEPTH_MAX];
	uint32_t next[NEXTHOP_DEPTH_MAX];
	uint32_t depth;
};

static struct verdict
flood_to_member(struct worker *w, struct burst *b, uint32_t i, const struct nexthop *nh,
		struct flood_walk *walk)
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
	case NEXTHOP_DISCARD:
		return SENT;
	case NEXTHOP_TYPES:
		break;
	}
	return DROP(NO_NEXTHOP);
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
		v = flood_to_member(w, b, i, nexthop_lookup(w->nexthops, id), &walk);
		if (!verdict_is_drop(v))
			continue;
		if (verdict_is_drop(result))
			count_drops(w, b->in_vif, verdict_drop(v), 1);
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
