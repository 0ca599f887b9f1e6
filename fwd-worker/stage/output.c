/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output: the outgoing vif's port, and the group of packets that leave through it together. Counts
 * what is switched to a vif; what its port or ring does not take afterwards is a drop of the vif it
 * came in by. A slot's thread.
 *
 * Uses nexthop, len. The end.
 */
#include "fwd-worker/stage/output.h"

#include "common/fault_point.h"
#include "common/pkt.h"
#include "fwd-worker/stage.h"

struct exit_way
exit_find(const struct worker *w, const struct burst *b, uint32_t vif_id)
{
	const struct vif *vif = vif_lookup(w->vifs, vif_id);
	struct exit_way e = {.verdict = SENT, .vif = vif_id};

	if (__builtin_expect(vif == NULL, 0)) {
		e.verdict = DROP(NO_VIF);
		return e;
	}
	if (__builtin_expect(vif_id == b->in_vif, 0)) {
		e.verdict = DROP(SAME_VIF);
		return e;
	}
	if (__builtin_expect(vif->port < 0 || (uint32_t)vif->port >= w->n_ports ||
				 w->tx[vif->port].way == TX_NOWAY,
			     0)) {
		e.verdict = DROP(VIF_WITHOUT_PORT);
		return e;
	}
	e.mtu = vif->mtu;
	e.port = (uint16_t)vif->port;
	e.tx = &w->tx[vif->port];
	return e;
}

/* The group of this way that has room, opened if need be; NULL when there are too many. */
static struct hand_group *
group_open(struct worker *w, const struct exit_way *e)
{
	struct hand *h = w->hand;
	struct hand_group *g;

	if (h->n_groups == HAND_GROUPS_MAX)
		return NULL;
	g = &h->groups[h->n_groups];
	g->n = 0;
	g->port = e->port;
	g->queue = e->tx->queue;
	g->ring = e->tx->way == TX_MESH ? e->tx->to_hand : -1;
	g->seg_from = 0;
	g->n_segs = 0;
	e->tx->group = (uint16_t)h->n_groups;
	h->n_groups++;
	FAULT_POINT("output-group");
	return g;
}

static inline struct hand_group *
group_of(struct worker *w, const struct exit_way *e)
{
	struct hand *h = w->hand;
	struct hand_group *g = &h->groups[e->tx->group];

	if (__builtin_expect(e->tx->group < h->n_groups && g->port == e->port && g->n < BURST_MAX,
			     1))
		return g;
	return group_open(w, e);
}

/* TSO frames are cut to size by whoever takes them out of the virtual world: a guest's own stack.
 */
static inline bool
is_tso(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

static struct verdict
offloads_finish(struct rte_mbuf *m)
{
	return tap_offloads_finish(m) < 0 ? DROP(MTU) : SENT;
}

static void
meta_fill(const struct burst *b, const struct exit_way *e, struct rte_mbuf *m)
{
	struct pkt_meta *meta = pkt_meta(m);

	meta->in_vif = b->in_vif;
	meta->out_vif = e->vif;
	meta->next = PKT_NEXT_TX;
	meta->out_port = e->port;
}

struct verdict
exit_take(struct worker *w, const struct burst *b, const struct exit_way *e, struct rte_mbuf *m,
	  uint32_t len)
{
	struct hand_group *g;

	if (__builtin_expect(len > e->mtu, 0) && !is_tso(m))
		return DROP(MTU);
	if (!e->tx->offloads) {
		const uint64_t wishes = RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG;

		if (__builtin_expect((m->ol_flags & wishes) != 0, 0)) {
			struct verdict v = offloads_finish(m);

			if (verdict_is_drop(v))
				return v;
		}
	}
	if (e->tx->way == TX_MESH)
		meta_fill(b, e, m);
	g = group_of(w, e);
	if (__builtin_expect(g == NULL, 0))
		return DROP(TX_QUEUE_FULL);
	g->m[g->n++] = m;
	return SENT;
}

static inline void
count_out(struct worker *w, uint32_t vif, uint32_t packets, uint64_t bytes)
{
	if (packets == 0)
		return;
	w->count[vif].tx_packets += packets;
	w->count[vif].tx_bytes += bytes;
}

void
stage_output(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct nexthop *nh = b->nexthop[v->i[0]];
	struct exit_way e = exit_find(w, b, nh->encap.vif);
	uint32_t packets = 0;
	uint64_t bytes = 0;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		if (b->nexthop[i] != nh) {
			count_out(w, e.vif, packets, bytes);
			packets = 0;
			bytes = 0;
			nh = b->nexthop[i];
			e = exit_find(w, b, nh->encap.vif);
		}
		b->verdict[i] = e.verdict;
		if (__builtin_expect(verdict_is_drop(e.verdict), 0))
			continue;
		b->verdict[i] = exit_take(w, b, &e, b->m[i], b->len[i]);
		if (__builtin_expect(verdict_is_drop(b->verdict[i]), 0))
			continue;
		packets++;
		bytes += b->len[i];
	}
	count_out(w, e.vif, packets, bytes);
}
