/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output: the outgoing vif's port, and the group of packets that leave through it together. Counts
 * what is switched to a vif; what its port or ring does not take afterwards is a drop of the vif it
 * came in by. A slot's thread.
 *
 * Uses nexthop, len. The end.
 */
#include "fwd-worker/stage/output.h"

#include <string.h>

#include <linux/virtio_net.h>

#include <rte_ether.h>

#include "common/fault_point.h"
#include "common/offload.h"
#include "common/pkt.h"
#include "fwd-worker/copies.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/trap.h"

struct exit_way
exit_find(const struct worker *w, uint32_t vif_id)
{
	const struct vif *vif = vif_lookup(w->vifs, vif_id);
	struct exit_way e = {.verdict = SENT, .vif = vif_id};

	if (__builtin_expect(vif == NULL, 0)) {
		e.verdict = DROP(NO_VIF);
		return e;
	}
	if (__builtin_expect(vif->port < 0 || (uint32_t)vif->port >= w->n_ports ||
				 w->tx[vif->port].way == TX_NOWAY,
			     0)) {
		e.verdict = DROP(VIF_WITHOUT_PORT);
		e.agent = vif->type == VIF_AGENT;
		return e;
	}
	e.vlan = vif->vlan;
	e.port = (uint16_t)vif->port;
	e.tx = &w->tx[vif->port];
	e.mtu = vif->mtu;
	if (__builtin_expect(e.tx->frame_max != 0, 0))
		e.mtu = RTE_MIN(e.mtu, e.tx->frame_max);
	return e;
}

static inline bool
is_frame_way(const struct nexthop *nh)
{
	return nh->type == NEXTHOP_ENCAP && nh->family == NEXTHOP_FAMILY_BRIDGE;
}

/* A bridged packet that went back would loop; a routed one may have a router on its own side. */
static inline struct exit_way
exit_of(const struct worker *w, const struct burst *b, const struct nexthop *nh)
{
	struct exit_way e = exit_find(w, nh->encap.vif);

	if (__builtin_expect(nh->encap.vif == b->in_vif, 0) && is_frame_way(nh) &&
	    !verdict_is_drop(e.verdict))
		e.verdict = DROP(SAME_VIF);
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

static void
meta_fill(const struct burst *b, const struct exit_way *e, struct rte_mbuf *m)
{
	struct pkt_meta *meta = pkt_meta(m);

	meta->in_vif = b->in_vif;
	meta->out_vif = e->vif;
	meta->next = PKT_NEXT_TX;
	meta->out_port = e->port;
}

static struct verdict
group_take(struct worker *w, const struct burst *b, const struct exit_way *e, struct rte_mbuf *m)
{
	struct hand_group *g;

	if (e->tx->way == TX_MESH)
		meta_fill(b, e, m);
	g = group_of(w, e);
	if (__builtin_expect(g == NULL, 0))
		return DROP(TX_QUEUE_FULL);
	g->m[g->n++] = m;
	return SENT;
}

/* The frame itself ends here without having got lost. */
static struct verdict
segments_take(struct worker *w, const struct burst *b, const struct exit_way *e, struct rte_mbuf *m)
{
	uint32_t room = rte_pktmbuf_data_room_size(w->mbufs) - RTE_PKTMBUF_HEADROOM;
	uint32_t n = offload_segments(m);
	uint32_t mbufs = n * (2 + offload_segment_len(m) / room);

	if (n == 0)
		return DROP(BAD_OFFLOAD);
	if (!copies_fit(w, n, mbufs))
		return DROP(NO_MBUF);
	for (uint32_t k = 0; k < n; k++) {
		struct rte_mbuf *s = offload_segment(m, k, w->mbufs);
		struct verdict v;

		if (s == NULL)
			return DROP(NO_MBUF);
		copies_add(w, m, s);
		v = group_take(w, b, e, s);
		if (verdict_is_drop(v)) {
			hand_drop(w->hand, s);
			return v;
		}
	}
	hand_drop(w->hand, m);
	return SENT;
}

/* A guest that has just connected anew, or gone, may be judged by what it was. Its agent looks. */
static bool
guest_takes(uint64_t features, const struct rte_mbuf *m)
{
	uint64_t needed = UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM;

	if (offload_is_tso(m))
		needed |= UINT64_C(1)
			  << ((m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? VIRTIO_NET_F_GUEST_TSO6
								      : VIRTIO_NET_F_GUEST_TSO4);
	return (features & needed) == needed;
}

/* What nobody behind this exit can do. No port looks into tunnels. */
static inline bool
is_software_needed(const struct exit_way *e, const struct rte_mbuf *m)
{
	if ((m->ol_flags & OFFLOAD_WISHES) == 0)
		return false;
	if (!e->tx->offloads || (m->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK) != 0)
		return true;
	return e->tx->guest != NULL &&
	       !guest_takes(__atomic_load_n(e->tx->guest, __ATOMIC_RELAXED), m);
}

struct verdict
exit_take(struct worker *w, const struct burst *b, const struct exit_way *e, struct rte_mbuf *m,
	  uint32_t len)
{
	if (__builtin_expect(len > e->mtu, 0) &&
	    (!offload_is_tso(m) || offload_segment_len(m) > e->mtu))
		return DROP(MTU);
	if (__builtin_expect(e->vlan != 0, 0)) {
		m->vlan_tci = e->vlan;
		if (rte_vlan_insert(&m) != 0)
			return DROP(NO_HEADROOM);
	}
	if (__builtin_expect(is_software_needed(e, m), 0)) {
		if (offload_is_tso(m))
			return segments_take(w, b, e, m);
		if (offload_checksum(m) < 0)
			return DROP(BAD_OFFLOAD);
	}
	return group_take(w, b, e, m);
}

static inline void
count_out(struct worker *w, uint32_t vif, uint32_t packets, uint64_t bytes)
{
	w->count[vif].tx_packets += packets;
	w->count[vif].tx_bytes += bytes;
}

/*
 * The common case, a burst of plain packets for one vif: they go into its group without a look back
 * at any of them. False, and nothing done, if one needs more care than that.
 */
static inline bool
output_plain(struct worker *w, struct burst *b, const struct vec *v, const struct exit_way *e,
	     bool whole)
{
	struct hand_group *g;
	uint64_t wishes = 0, bytes = 0;
	uint32_t longest = 0;

	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = vec_at(v, k, whole);

		bytes += b->len[i];
		longest = b->len[i] > longest ? b->len[i] : longest;
	}
	if (!e->tx->offloads || b->encapsulated != 0) {
		for (uint32_t k = 0; k < v->n; k++)
			wishes |= b->m[vec_at(v, k, whole)]->ol_flags;
		wishes &= OFFLOAD_WISHES;
	}
	if (__builtin_expect(
		longest > e->mtu || wishes != 0 || e->tx->way == TX_MESH || e->vlan != 0, 0))
		return false;
	g = group_of(w, e);
	if (__builtin_expect(g == NULL || g->n + v->n > BURST_MAX, 0))
		return false;
	for (uint32_t k = 0; k < v->n; k++)
		g->m[g->n + k] = b->m[vec_at(v, k, whole)];
	g->n = (uint16_t)(g->n + v->n);
	b->common = SENT;
	count_out(w, e->vif, v->n, bytes);
	return true;
}

/* Ways already worked out in this burst, found by vif and family. */
enum { EXITS_KEPT = 16 };
struct exits_kept {
	uint64_t key[EXITS_KEPT]; /* 0: none */
	struct exit_way e[EXITS_KEPT];
};

static inline uint64_t
exit_key(const struct nexthop *nh)
{
	return (uint64_t)nh->encap.vif << 8 | is_frame_way(nh) | UINT64_C(1) << 63;
}

static inline const struct exit_way *
exit_kept(const struct worker *w, const struct burst *b, const struct nexthop *nh,
	  struct exits_kept *kept)
{
	uint32_t at = nh->encap.vif % EXITS_KEPT;

	if (__builtin_expect(kept->key[at] != exit_key(nh), 0)) {
		kept->key[at] = exit_key(nh);
		kept->e[at] = exit_of(w, b, nh);
	}
	return &kept->e[at];
}

static void
output_each(struct worker *w, struct burst *b, const struct vec *v)
{
	struct exits_kept kept;

	memset(kept.key, 0, sizeof(kept.key));
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];
		const struct exit_way *e = exit_kept(w, b, b->nexthop[i], &kept);
		struct verdict verdict = e->verdict;

		if (__builtin_expect(e->agent, 0)) {
			b->verdict[i] = trap_end(w, b, i, TRAP_NEXTHOP);
			continue;
		}
		if (__builtin_expect(!verdict_is_drop(verdict), 1))
			verdict = exit_take(w, b, e, b->m[i], b->len[i]);
		b->verdict[i] = verdict;
		if (__builtin_expect(!verdict_is_drop(verdict), 1))
			count_out(w, e->vif, 1, b->len[i]);
	}
}

static inline bool
is_one_nexthop(const struct burst *b, const struct vec *v, bool whole)
{
	uintptr_t nh = (uintptr_t)b->nexthop[v->i[0]], differ = 0;

	for (uint32_t k = 0; k < v->n; k++)
		differ |= (uintptr_t)b->nexthop[vec_at(v, k, whole)] ^ nh;
	return differ == 0;
}

/* Routes that lead through one vif to many neighbours. */
static inline bool
is_one_exit(const struct burst *b, const struct vec *v)
{
	uint64_t key = exit_key(b->nexthop[v->i[0]]), differ = 0;

	for (uint32_t k = 1; k < v->n; k++)
		differ |= exit_key(b->nexthop[v->i[k]]) ^ key;
	return differ == 0;
}

static inline bool
output_together(struct worker *w, struct burst *b, const struct vec *v, bool whole)
{
	struct exit_way e;

	if (!is_one_nexthop(b, v, whole) && !is_one_exit(b, v))
		return false;
	e = exit_of(w, b, b->nexthop[v->i[0]]);
	return !verdict_is_drop(e.verdict) && output_plain(w, b, v, &e, whole);
}

void
stage_output(struct worker *w, struct burst *b, const struct vec *v)
{
	bool done =
	    vec_is_whole(b, v) ? output_together(w, b, v, true) : output_together(w, b, v, false);

	if (__builtin_expect(!done, 0))
		output_each(w, b, v);
}
