/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Encap: a tunnel's headers in front of a frame, or of a routed packet in place of its Ethernet
 * header: MPLS in GRE (RFC 4023), MPLS in UDP (RFC 7510), VXLAN (RFC 7348). The nexthop has them
 * ready; per packet come length, id, checksum, source port, label or VNI. A packet whose tunnel
 * leads to where it came from out of a tunnel ends: two routers would pass it on for ever.
 *
 * TCP connections learn here what the tunnel takes (mss.h). What a packet wants done by the device
 * it still wants, with the lengths of the outer layers.
 *
 * A slot's thread. Uses nexthop, label, head, len, inet, inet6, tunneled; sets encapsulated;
 * changes head, len and the mbuf. To output.
 */
#include "fwd-worker/stage/encap.h"

#include <string.h>

#include "common/offload.h"
#include "common/vif.h"
#include "fwd-worker/mss.h"
#include "fwd-worker/stage.h"
#include "fwd-worker/stage/flow_view.h"
#include "fwd-worker/stage/outer.h"

enum {
	IP4_LEN = sizeof(struct rte_ipv4_hdr),
	CONTROL_WORD_LEN = 4,
	MPLS_TTL = 64,
};

/* How much of the packet goes into the tunnel, and what it is. */
struct payload {
	uint32_t from; /* bytes of the packet that do not */
	bool routed;
	bool inet6;
	uint8_t ttl;
};

/* A routed packet gets an Ethernet header of its own in VXLAN, from the outgoing vif's MAC. */
static void
inner_header(const struct nexthop *nh, uint8_t *head, bool inet6)
{
	uint16_t type_be = inet6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);

	memcpy(head, nh->tunnel.inner_mac, RTE_ETHER_ADDR_LEN);
	memcpy(head + RTE_ETHER_ADDR_LEN, nh->encap.rewrite + RTE_ETHER_ADDR_LEN,
	       RTE_ETHER_ADDR_LEN);
	memcpy(head + RTE_ETHER_HDR_LEN - sizeof(type_be), &type_be, sizeof(type_be));
}

/* What was left undone for the device is still to be done, further behind: where its layers are. */
static void
wishes_move(struct rte_mbuf *m, const struct nexthop *nh, uint32_t front, uint32_t inner_l2)
{
	m->outer_l2_len = nh->encap.rewrite_len;
	m->outer_l3_len = IP4_LEN;
	m->l2_len = (uint8_t)(front - nh->encap.rewrite_len - IP4_LEN + inner_l2);
	m->ol_flags |= RTE_MBUF_F_TX_OUTER_IPV4;
	switch ((enum tunnel_kind)nh->tunnel.kind) {
	case TUNNEL_MPLS_GRE:
		m->ol_flags |= RTE_MBUF_F_TX_TUNNEL_GRE;
		break;
	case TUNNEL_MPLS_UDP:
		m->ol_flags |= RTE_MBUF_F_TX_TUNNEL_MPLSINUDP;
		break;
	case TUNNEL_VXLAN:
		m->ol_flags |= RTE_MBUF_F_TX_TUNNEL_VXLAN;
		break;
	}
}

static inline void
path_clamp(const struct worker *w, const struct nexthop *nh, const struct flow_view *flow,
	   const struct payload *p, bool partial)
{
	const struct vif *vif;

	if (__builtin_expect(!mss_is_syn(flow), 1))
		return;
	vif = vif_lookup(w->vifs, nh->encap.vif);
	if (vif != NULL)
		mss_clamp(flow, vif->mtu, p->routed ? MSS_OVERHEAD_L3 : MSS_OVERHEAD_L2, partial);
}

/* The outer id is the inner one's; a packet without one gets some of its flow's number. */
static inline uint16_t
outer_id(const struct flow_view *flow, uint32_t hash)
{
	uint16_t id_be;

	if (flow->family != FLOW_INET)
		return (uint16_t)hash;
	memcpy(&id_be, flow->ip + offsetof(struct rte_ipv4_hdr, packet_id), sizeof(id_be));
	return id_be;
}

/* A short packet may have come in a longer frame; in a tunnel without one that would grow it. */
static inline uint32_t
padding_cut(struct rte_mbuf *m, const uint8_t *ip, uint32_t len)
{
	uint32_t total = (uint32_t)ip[2] << 8 | ip[3];

	if (__builtin_expect(total >= len || m->nb_segs != 1 || total < IP4_LEN, 1))
		return len;
	m->data_len = (uint16_t)(m->data_len - (len - total));
	m->pkt_len = m->data_len;
	return total;
}

/* The headers go in from the back: 'm' begins with its Ethernet header, or the room for one. */
static __attribute__((noinline)) struct verdict
push(const struct worker *w, const struct burst *b, uint32_t i, struct rte_mbuf *m,
     const struct nexthop *nh, uint32_t label)
{
	uint8_t *head = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t link = nh->encap.rewrite_len, front, len, hash;
	struct payload p = {.routed = ((b->inet | b->inet6) >> i & 1) != 0,
			    .inet6 = (b->inet6 >> i & 1) != 0,
			    .ttl = MPLS_TTL};
	struct flow_view flow;
	struct outer o;

	outer_make(&o, nh);
	if (__builtin_expect(label > o.label_max, 0))
		return DROP(INVALID_LABEL);
	if (__builtin_expect((b->tunneled >> i & 1) != 0 &&
				 b->outer_source_be[i] == nh->tunnel.destination_be,
			     0))
		return DROP(TUNNEL_LOOP);
	if (p.routed) {
		flow = (struct flow_view){.family = FLOW_ETHER, .head = head};
		flow_view_ip(&flow, head + RTE_ETHER_HDR_LEN, m->data_len - RTE_ETHER_HDR_LEN);
		if (nh->tunnel.kind != TUNNEL_VXLAN) {
			p.from = RTE_ETHER_HDR_LEN;
			p.ttl = head[RTE_ETHER_HDR_LEN + (p.inet6 ? 7 : 8)];
		} else if (!NEXTHOP_HAS(nh, L3_VXLAN)) {
			return DROP(WRONG_FAMILY);
		} else {
			inner_header(nh, head, p.inet6);
		}
	} else {
		flow_view_frame(&flow, head, m->data_len);
	}
	if (__builtin_expect((m->ol_flags & OFFLOAD_WISHES) != 0 &&
				 (m->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK) != 0,
			     0))
		return DROP(BAD_OFFLOAD); /* one tunnel within another is too deep for an mbuf */
	front = link + nh->tunnel.outer_len - p.from;
	if (!p.routed && NEXTHOP_HAS(nh, CONTROL_WORD))
		front += CONTROL_WORD_LEN;
	if (__builtin_expect(rte_pktmbuf_headroom(m) < front, 0))
		return DROP(NO_HEADROOM);
	len = m->pkt_len - p.from;
	if (p.from != 0 && flow.family == FLOW_INET)
		len = padding_cut(m, flow.ip, len);
	path_clamp(w, nh, &flow, &p, (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0);
	if (__builtin_expect((m->ol_flags & OFFLOAD_WISHES) != 0, 0))
		wishes_move(m, nh, front, m->l2_len);
	hash = flow_hash(&flow);
	m->data_off = (uint16_t)(m->data_off - front);
	m->data_len = (uint16_t)(m->data_len + front);
	m->pkt_len += front;
	if (!p.routed && NEXTHOP_HAS(nh, CONTROL_WORD)) {
		memset(head - CONTROL_WORD_LEN, 0, CONTROL_WORD_LEN);
		len += CONTROL_WORD_LEN;
	}
	head -= front;
	outer_write(&o, head + link + o.len, len, outer_id(&flow, hash), hash,
		    outer_shim(&o, label, p.ttl));
	memcpy(head, nh->encap.rewrite, link);
	return TO(OUTPUT);
}

struct verdict
encap_push(const struct worker *w, const struct burst *b, uint32_t i, struct rte_mbuf *m,
	   const struct nexthop *nh, uint32_t label)
{
	return push(w, b, i, m, nh, label);
}

/* Nobody has touched the line that the headers go to: all of a burst's are fetched at once. */
static inline void
room_prefetch(const struct burst *b, const struct vec *v)
{
	for (uint32_t k = 0; k < v->n; k++)
		__builtin_prefetch(b->head[v->i[k]] - NEXTHOP_OUTER_MAX, 1);
}

/* --- nearly all packets ----------------------------------------------------------------------- */

/* Tunnels that put nothing between the packet and their own headers. */
static inline bool
is_plain(const struct nexthop *nh)
{
	return nh->encap.rewrite_len == RTE_ETHER_HDR_LEN && !NEXTHOP_HAS(nh, CONTROL_WORD);
}

static inline bool
is_ip4_frame(const uint8_t *head)
{
	uint16_t type_be;

	memcpy(&type_be, head + offsetof(struct rte_ether_hdr, ether_type), sizeof(type_be));
	return type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4);
}

/*
 * The same as push(), with nothing but what a plain packet needs: UDP or TCP over IPv4, a frame or
 * routed. False, and nothing done, if this one needs more.
 */
static inline bool
push_plain(struct burst *b, uint32_t i, const struct outer *o)
{
	struct rte_mbuf *m = b->m[i];
	uint8_t *head = rte_pktmbuf_mtod(m, uint8_t *), *ip = head + RTE_ETHER_HDR_LEN, ttl;
	bool routed = (b->inet >> i & 1) != 0;
	uint32_t from = routed ? RTE_ETHER_HDR_LEN : 0, label = b->label[i], front, len, hash;
	uint16_t id_be;

	if (__builtin_expect(routed ? o->vxlan : !is_ip4_frame(head), 0))
		return false;
	if (__builtin_expect(
		(b->tunneled >> i & 1) != 0 && b->outer_source_be[i] == o->destination_be, 0))
		return false;
	front = RTE_ETHER_HDR_LEN + o->len - from;
	if (__builtin_expect((m->ol_flags & OFFLOAD_WISHES) != 0 || label > o->label_max ||
				 rte_pktmbuf_headroom(m) < front,
			     0))
		return false;
	if (!flow_hash_plain(ip, m->data_len - (uint32_t)RTE_ETHER_HDR_LEN, &hash))
		return false;
	len = m->pkt_len - from;
	if (routed)
		len = padding_cut(m, ip, len);
	ttl = routed ? ip[offsetof(struct rte_ipv4_hdr, time_to_live)] : MPLS_TTL;
	memcpy(&id_be, ip + offsetof(struct rte_ipv4_hdr, packet_id), sizeof(id_be));
	head -= front;
	m->data_off = (uint16_t)(m->data_off - front);
	m->data_len = (uint16_t)(m->data_len + front);
	m->pkt_len += front;
	b->head[i] = head;
	b->len[i] = m->pkt_len;
	outer_write(o, head + RTE_ETHER_HDR_LEN + o->len, len, id_be, hash,
		    outer_shim(o, label, ttl));
	outer_write_link(o, head);
	return true;
}

static struct verdict
push_other(const struct worker *w, struct burst *b, uint32_t i)
{
	struct verdict verdict = push(w, b, i, b->m[i], b->nexthop[i], b->label[i]);

	b->head[i] = rte_pktmbuf_mtod(b->m[i], uint8_t *);
	b->len[i] = b->m[i]->pkt_len;
	return verdict;
}

void
stage_encap(struct worker *w, struct burst *b, const struct vec *v)
{
	const struct nexthop *last = NULL;
	uint64_t seen = 0;
	uint8_t differ = 0;
	bool plain = false;
	struct outer o = {0};

	room_prefetch(b, v);
	for (uint32_t k = 0; k < v->n; k++) {
		uint32_t i = v->i[k];

		if (__builtin_expect(b->nexthop[i] != last, 0)) {
			last = b->nexthop[i];
			plain = is_plain(last);
			outer_make(&o, last);
		}
		if (__builtin_expect(plain && push_plain(b, i, &o), 1))
			b->verdict[i] = TO(OUTPUT);
		else
			b->verdict[i] = push_other(w, b, i);
		differ |= b->verdict[i].code ^ STAGE_OUTPUT;
		seen |= UINT64_C(1) << i;
	}
	b->encapsulated |= seen;
	if (__builtin_expect(differ == 0, 1))
		b->common = TO(OUTPUT);
}
