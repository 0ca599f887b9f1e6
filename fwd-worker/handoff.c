/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets handed from slot to slot; see handoff.h. A slot's thread. */
#include "fwd-worker/handoff.h"

#include "common/fault_point.h"
#include "common/pkt.h"

/* The group of this slot that has room, opened if need be; NULL when there are too many. */
static struct hand_group *
group_of(struct worker *w, uint32_t slot)
{
	struct hand *h = w->hand;
	struct hand_group *g = &h->groups[w->handoff_group[slot]];

	if (w->handoff_group[slot] < h->n_groups && g->port == HANDOFF_PORT &&
	    g->ring == (int16_t)slot && g->n < BURST_MAX)
		return g;
	if (h->n_groups == HAND_GROUPS_MAX)
		return NULL;
	g = &h->groups[h->n_groups];
	g->n = 0;
	g->port = HANDOFF_PORT;
	g->queue = 0;
	g->ring = (int16_t)slot;
	g->seg_from = 0;
	g->n_segs = 0;
	w->handoff_group[slot] = (uint16_t)h->n_groups++;
	FAULT_POINT("handoff-group");
	return g;
}

static uint16_t
family_bits(const struct burst *b, uint32_t i)
{
	return (uint16_t)((b->inet >> i & 1) * PKT_INET | (b->inet6 >> i & 1) * PKT_INET6 |
			  (b->encapsulated >> i & 1) * PKT_ENCAPSULATED |
			  (b->expired >> i & 1) * PKT_EXPIRED |
			  (b->tunneled >> i & 1) * PKT_TUNNELED | (b->asked >> i & 1) * PKT_ASKED);
}

struct verdict
handoff_give(struct worker *w, const struct burst *b, uint32_t i, uint32_t slot, enum stage stage)
{
	struct rte_mbuf *m = b->m[i];
	struct hand_group *g;

	if (slot >= SLOTS_MAX || w->mesh[slot] == NULL)
		return DROP(RING_FULL);
	g = group_of(w, slot);
	if (g == NULL)
		return DROP(RING_FULL);
	*pkt_meta(m) = (struct pkt_meta){
	    .in_vif = b->in_vif,
	    .next = PKT_NEXT_STAGE,
	    .in_port = (uint16_t)b->port,
	    .stage = (uint16_t)stage,
	    .kind = family_bits(b, i),
	    .vrf = b->vrf[i],
	    .label = b->label[i],
	    .nexthop_id = b->nexthop_id[i],
	    .outer_source_be = b->outer_source_be[i],
	    .head = (int32_t)(b->head[i] - rte_pktmbuf_mtod(m, uint8_t *)),
	    .len = b->len[i],
	};
	g->m[g->n++] = m;
	return SENT;
}

/* How many packets from rx[from] on came in by one vif and are to go on at one stage. */
static uint32_t
run_length(const struct worker *w, uint32_t from, uint32_t n)
{
	struct rte_mbuf *const *rx = w->hand->rx;
	const struct pkt_meta *first = pkt_meta(rx[from]);
	uint32_t i = from + 1;

	while (i < n && pkt_meta(rx[i])->next == PKT_NEXT_STAGE &&
	       pkt_meta(rx[i])->in_vif == first->in_vif && pkt_meta(rx[i])->stage == first->stage)
		i++;
	return i - from;
}

static void
burst_fill(struct worker *w, uint32_t i)
{
	struct burst *b = &w->burst;
	struct rte_mbuf *m = b->m[i];
	const struct pkt_meta *meta = pkt_meta(m);

	b->head[i] = rte_pktmbuf_mtod(m, uint8_t *) + meta->head;
	b->len[i] = meta->len;
	b->vrf[i] = meta->vrf;
	b->label[i] = meta->label;
	b->nexthop_id[i] = meta->nexthop_id;
	b->inet |= (uint64_t)((meta->kind & PKT_INET) != 0) << i;
	b->inet6 |= (uint64_t)((meta->kind & PKT_INET6) != 0) << i;
	b->encapsulated |= (uint64_t)((meta->kind & PKT_ENCAPSULATED) != 0) << i;
	b->tunneled |= (uint64_t)((meta->kind & PKT_TUNNELED) != 0) << i;
	b->asked |= (uint64_t)((meta->kind & PKT_ASKED) != 0) << i;
	b->outer_source_be[i] = meta->outer_source_be;
	b->expired |= (uint64_t)((meta->kind & PKT_EXPIRED) != 0) << i;
	b->segments += m->nb_segs;
}

uint32_t
handoff_take(struct worker *w, uint32_t from, uint32_t n)
{
	const struct pkt_meta *first = pkt_meta(w->hand->rx[from]);
	const struct vif *in_vif = vif_lookup(w->vifs, first->in_vif);
	uint32_t len = run_length(w, from, n);
	struct burst *b = &w->burst;
	enum stage stage = first->stage < STAGES ? (enum stage)first->stage : STAGE_INPUT;

	b->m = &w->hand->rx[from];
	b->n = len;
	b->port = first->in_port < w->n_ports ? first->in_port : 0;
	b->traced = 0;
	b->in_vif = first->in_vif;
	b->segments = 0;
	b->inet = b->inet6 = b->encapsulated = b->flowed = 0;
	b->tunneled = b->mine = b->asked = b->expired = 0;
	b->in_flags = in_vif != NULL ? in_vif->flags : 0;
	b->policy = (b->in_flags & VIF_FLAG_POLICY) != 0;
	for (uint32_t i = 0; i < len; i++)
		burst_fill(w, i);
	w->chained |= b->segments != len;
	w->room -= b->segments < w->room ? b->segments : w->room;
	stages_run_from(w, stage);
	return len;
}
